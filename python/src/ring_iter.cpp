/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring_iter.cpp - the iterator of a Ring: the path that every packet of a
 * "for ts, data in ring" takes.
 *
 * A type of the C API and not a bound class: one call of tp_iternext costs two
 * object constructions and nothing else. With the GIL held; refill() gives it
 * up once per batch. Iterators of one ring share its pending packets.
 */
#include "registry.h"
#include "ring.h"

namespace
{

struct RingIterator {
	PyObject_HEAD;
	PyObject *self; /* keeps ring alive */
	Ring *ring;
	PyObject *last; /* the tuple handed out last, to be used again if nobody kept it */
};

/*
 * "for ts, data in ring" drops each tuple before it asks for the next: then
 * only we hold it, and new contents are cheaper than a new tuple.
 */
PyObject *refill_tuple(RingIterator *it, const pfring_packet *packet)
{
	PyObject *ts, *data, *old_ts, *old_data;

	data = PyBytes_FromStringAndSize((const char *)packet->data, packet->caplen);
	if (data == nullptr)
		return nullptr;
	ts = PyLong_FromUnsignedLongLong(packet->ts_ns);
	if (ts == nullptr) {
		Py_DECREF(data);
		return nullptr;
	}
	old_ts = PyTuple_GET_ITEM(it->last, 0);
	old_data = PyTuple_GET_ITEM(it->last, 1);
	PyTuple_SET_ITEM(it->last, 0, ts);
	PyTuple_SET_ITEM(it->last, 1, data);
	Py_DECREF(old_ts);
	Py_DECREF(old_data);
	Py_INCREF(it->last);
	return it->last;
}

PyObject *hand_out(RingIterator *it, const pfring_packet *packet)
{
#ifndef Py_GIL_DISABLED /* there, a count of one does not mean that nobody else looks */
	if (it->last != nullptr && Py_REFCNT(it->last) == 1)
		return refill_tuple(it, packet);
#endif
	PyObject *tuple = packet_tuple(packet);
	Py_XINCREF(tuple);
	Py_XSETREF(it->last, tuple);
	return tuple;
}

PyObject *iterator_next(PyObject *obj)
{
	auto *it = reinterpret_cast<RingIterator *>(obj);
	Ring *ring = it->ring;

	for (;;) {
		const pfring_packet *packet = ring->handle->next_pending();
		if (packet != nullptr)
			return hand_out(it, packet);
		if (ring->refill(ring->timeout_ns) != Handle::End::None)
			return nullptr; /* with no error set: the iteration is over */
	}
}

void iterator_dealloc(PyObject *obj)
{
	PyTypeObject *type = Py_TYPE(obj);
	auto *it = reinterpret_cast<RingIterator *>(obj);
	PyObject *self = it->self;

	Py_XDECREF(it->last);
	type->tp_free(obj);
	Py_DECREF(type);
	Py_XDECREF(self);
}

PyType_Slot slots[] = {
	{Py_tp_iter, (void *)PyObject_SelfIter},
	{Py_tp_iternext, (void *)iterator_next},
	{Py_tp_dealloc, (void *)iterator_dealloc},
	{Py_tp_doc, (void *)"Packets of a ring as (ts_ns, bytes), until it times out or ends."},
	{0, nullptr},
};

PyType_Spec spec = {
	"pfring._core.RingIterator",
	sizeof(RingIterator),
	0,
	Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
	slots,
};

PyTypeObject *iterator_type;

} // namespace

PyObject *packet_tuple(const pfring_packet *packet)
{
	PyObject *data = PyBytes_FromStringAndSize((const char *)packet->data, packet->caplen);
	if (data == nullptr)
		return nullptr;
	PyObject *ts = PyLong_FromUnsignedLongLong(packet->ts_ns);
	PyObject *tuple = ts ? PyTuple_New(2) : nullptr;
	if (tuple == nullptr) {
		Py_XDECREF(ts);
		Py_DECREF(data);
		return nullptr;
	}
	PyTuple_SET_ITEM(tuple, 0, ts);
	PyTuple_SET_ITEM(tuple, 1, data);
	/* It can be in no cycle: spare the collector a walk over thousands of them. */
	PyObject_GC_UnTrack(tuple);
	return tuple;
}

PyObject *ring_iterator_new(PyObject *self, Ring *ring)
{
	auto *it = (RingIterator *)iterator_type->tp_alloc(iterator_type, 0);

	if (it != nullptr) {
		Py_INCREF(self);
		it->self = self;
		it->ring = ring;
	}
	return (PyObject *)it;
}

void register_ring_iterator(pybind11::module_ &m)
{
	iterator_type = (PyTypeObject *)PyType_FromSpec(&spec);
	if (iterator_type == nullptr)
		throw pybind11::error_already_set();
	m.add_object("RingIterator", (PyObject *)iterator_type);
}
