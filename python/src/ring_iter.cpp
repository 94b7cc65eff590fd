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
};

PyObject *iterator_next(PyObject *obj)
{
	Ring *ring = reinterpret_cast<RingIterator *>(obj)->ring;

	for (;;) {
		const pfring_packet *packet = ring->handle->next_pending();
		if (packet != nullptr)
			return packet_tuple(packet);
		if (ring->refill(ring->timeout_ns) != Handle::End::None)
			return nullptr; /* with no error set: the iteration is over */
	}
}

void iterator_dealloc(PyObject *obj)
{
	PyTypeObject *type = Py_TYPE(obj);
	PyObject *self = reinterpret_cast<RingIterator *>(obj)->self;

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
