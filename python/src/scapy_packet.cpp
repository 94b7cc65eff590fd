/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scapy_packet.cpp - the life of a lazy packet: made, grown layer by layer,
 * dissected (see scapy_packet.h).
 *
 * The outermost layer, the root, owns a Pending in its slot "_pkt", which scapy
 * declares and never uses; a layer made on demand has its number there, and
 * finds the root over its underlayers. Root and layers hold each other as
 * scapy's own do. Pendings are chained, so that all packets can be dissected
 * before anything changes that scapy's dissection depends on.
 *
 * A dissection is always scapy's own, of the whole frame; what it made is then
 * moved into the objects that are already in users' hands.
 */
#include "scapy_packet.h"

#include "scapy_feed.h"
#include "scapy_model.h"

ScapyModel scapy_model;

namespace
{

struct Pending {
	PyObject_HEAD;
	Pending *before, *after;
	PyObject *root; /* borrowed: it owns us */
	PyObject *data;
	Walked walked;
};

Pending *first;
Py_ssize_t waiting;

void chain(Pending *p)
{
	p->before = nullptr;
	p->after = first;
	if (first != nullptr)
		first->before = p;
	first = p;
	waiting++;
}

void unchain(Pending *p)
{
	if (p->root == nullptr)
		return;
	p->root = nullptr;
	(p->before ? p->before->after : first) = p->after;
	if (p->after != nullptr)
		p->after->before = p->before;
	waiting--;
}

void pending_dealloc(PyObject *self)
{
	auto *p = reinterpret_cast<Pending *>(self);

	unchain(p);
	Py_XDECREF(p->data);
	PyObject_Free(self);
}

PyTypeObject make_pending_type()
{
	PyTypeObject type = {PyVarObject_HEAD_INIT(nullptr, 0)};
	type.tp_name = "pfring._core.scapy.Pending";
	type.tp_basicsize = sizeof(Pending);
	type.tp_dealloc = pending_dealloc;
	type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION;
	return type;
}

PyTypeObject pending_type = make_pending_type();

PyObject *blank(LayerKind kind)
{
	PyTypeObject *type = scapy_model.layer[kind];
	PyObject *packet = type->tp_alloc(type, 0);
	PyObject *name, *value;
	Py_ssize_t at = 0;

	if (packet == nullptr)
		return nullptr;
	for (const auto &[offset, value] : scapy_model.initial) {
		Py_INCREF(value);
		scapy_slot(packet, offset) = value;
	}
	while (PyDict_Next(scapy_model.given[kind], &at, &name, &value))
		if (PyObject_GenericSetAttr(packet, name, value) < 0) {
			Py_CLEAR(packet);
			break;
		}
	return packet;
}

PyObject *root_of(PyObject *layer, unsigned *place)
{
	PyObject *mark = scapy_slot(layer, scapy_model.mark);

	*place = 0;
	if (Py_TYPE(mark) == &pending_type)
		return layer;
	*place = (unsigned)PyLong_AsLong(mark);
	for (unsigned i = *place; i > 0; i--) {
		layer = scapy_slot(layer, scapy_model.underlayer);
		if (layer == nullptr || !PyObject_TypeCheck(layer, scapy_model.packet))
			return nullptr;
	}
	mark = scapy_slot(layer, scapy_model.mark);
	return mark != nullptr && Py_TYPE(mark) == &pending_type ? layer : nullptr;
}

Pending *pending_of(PyObject *root)
{
	return reinterpret_cast<Pending *>(scapy_slot(root, scapy_model.mark));
}

/* Packets in the fields of a layer say whose fields they are in. */
void hand_down(PyObject *layer, PyObject *from)
{
	PyObject *fields = scapy_slot(layer, scapy_model.fields);
	PyObject *name, *value;
	Py_ssize_t at = 0;
	auto own = [&](PyObject *v) {
		if (PyObject_TypeCheck(v, scapy_model.packet) &&
		    scapy_slot(v, scapy_model.parent) == from) {
			Py_INCREF(layer);
			Py_SETREF(scapy_slot(v, scapy_model.parent), layer);
		}
	};

	if (fields == nullptr || !PyDict_Check(fields))
		return;
	while (PyDict_Next(fields, &at, &name, &value)) {
		own(value);
		if (PyList_Check(value))
			for (Py_ssize_t i = 0; i < PyList_GET_SIZE(value); i++)
				own(PyList_GET_ITEM(value, i));
	}
}

/* Moves what scapy made of one layer into ours; the slots change hands both ways. */
void fill(PyObject *layer, PyObject *made)
{
	for (Py_ssize_t offset : scapy_model.moved) {
		PyObject *old = scapy_slot(layer, offset);
		scapy_slot(layer, offset) = scapy_slot(made, offset);
		scapy_slot(made, offset) = old;
	}
	hand_down(layer, made);
}

void set_slot(PyObject *packet, Py_ssize_t offset, PyObject *value)
{
	Py_XINCREF(value);
	PyObject *old = scapy_slot(packet, offset);
	scapy_slot(packet, offset) = value;
	Py_XDECREF(old);
}

/* The layers that exist, root first; borrowed. Their payload slots link them. */
unsigned existing(PyObject *root, const Walked &walked, PyObject **layers)
{
	unsigned n = 0;

	for (PyObject *layer = root; n < walked.n;) {
		layers[n++] = layer;
		layer = scapy_slot(layer, scapy_model.payload);
		if (layer == nullptr || n == walked.n || !scapy_is_lazy(layer))
			break;
	}
	return n;
}

bool same_types(PyObject *made, PyObject **layers, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (made == nullptr || Py_TYPE(made) != Py_TYPE(layers[i]))
			return false;
		made = scapy_slot(made, scapy_model.payload);
	}
	return true;
}

/*
 * Where scapy gives an inner layer the time of its dissection it gets the
 * packet's, which is nearly the same and does not depend on when somebody looks.
 */
bool own_time(PyTypeObject *type)
{
	return scapy_model.inner_time == Py_None || type == scapy_model.layer[PADDING];
}

/* made: scapy's dissection of the frame. Nothing here runs Python code before all is in place. */
void graft(PyObject *root, Pending *pending, PyObject *made)
{
	PyObject *layers[MAX_LAYERS], *source[MAX_LAYERS];
	unsigned n = existing(root, pending->walked, layers);

	for (unsigned i = 0; i < n; i++) {
		source[i] = made;
		Py_INCREF(made);
		made = scapy_slot(made, scapy_model.payload);
	}
	/* made is now what lies on the last of our layers: it moves to it, with its underlayer. */
	PyObject *rest = made;
	for (unsigned i = 0; i < n; i++) {
		fill(layers[i], source[i]);
		Py_CLEAR(scapy_slot(layers[i], scapy_model.mark));
	}
	set_slot(layers[n - 1], scapy_model.payload, rest);
	if ((PyObject *)rest != scapy_model.no_payload)
		set_slot(rest, scapy_model.underlayer, layers[n - 1]);
	for (; rest != scapy_model.no_payload; rest = scapy_slot(rest, scapy_model.payload))
		if (own_time(Py_TYPE(rest)))
			set_slot(rest, scapy_model.time, scapy_slot(root, scapy_model.time));
	for (unsigned i = 0; i < n; i++)
		Py_DECREF(source[i]);
}

int dissect(PyObject *root)
{
	Pending *pending = pending_of(root);
	PyObject *layers[MAX_LAYERS];
	int ret = 0;

	Py_INCREF(pending);
	Py_INCREF(root);
	PyObject *made = PyObject_CallOneArg((PyObject *)Py_TYPE(root), pending->data);
	/* Another thread may have been here meanwhile: then its dissection stands. */
	if (made != nullptr && scapy_slot(root, scapy_model.mark) == (PyObject *)pending) {
		unsigned n = existing(root, pending->walked, layers);
		if (same_types(made, layers, n)) {
			unchain(pending);
			graft(root, pending, made);
		} else {
			PyErr_SetString(
				PyExc_RuntimeError,
				"pfring.scapy: scapy's dissection of a packet changed after "
				"its layers were handed out; use install(lazy=False)");
		}
	}
	if (made == nullptr || PyErr_Occurred())
		ret = -1;
	Py_XDECREF(made);
	Py_DECREF(root);
	Py_DECREF(pending);
	return ret;
}

} // namespace

PyObject *scapy_packet_new(PyObject *data, PyObject *time)
{
	Walked walked;

	if (!scapy_model_valid() ||
	    !scapy_walk(scapy_model.tables, (const uint8_t *)PyBytes_AS_STRING(data),
			(uint32_t)PyBytes_GET_SIZE(data), &walked))
		return nullptr;
	Pending *pending = PyObject_New(Pending, &pending_type);
	if (pending == nullptr)
		return nullptr;
	pending->root = nullptr;
	Py_INCREF(data);
	pending->data = data;
	pending->walked = walked;
	PyObject *root = blank(ETHER);
	if (root == nullptr) {
		Py_DECREF(pending);
		return nullptr;
	}
	Py_INCREF(time);
	scapy_slot(root, scapy_model.time) = time;
	Py_INCREF(data);
	scapy_slot(root, scapy_model.bytes) = data;
	scapy_slot(root, scapy_model.mark) = (PyObject *)pending;
	pending->root = root;
	chain(pending);
	return root;
}

int scapy_dissect(PyObject *layer)
{
	unsigned place;
	PyObject *root = root_of(layer, &place);

	if (root == nullptr) {
		PyErr_SetString(PyExc_AttributeError, "the packet is being thrown away");
		return -1;
	}
	return dissect(root);
}

bool scapy_whole(PyObject *layer, PyObject **data, const Walked **walked, unsigned *place)
{
	PyObject *root = root_of(layer, place);

	if (root == nullptr)
		return false;
	*data = pending_of(root)->data;
	*walked = &pending_of(root)->walked;
	return true;
}

PyObject *scapy_layer(PyObject *layer, unsigned from, unsigned to)
{
	unsigned place;
	PyObject *root = root_of(layer, &place);
	const Walked &walked = pending_of(root)->walked;

	for (unsigned i = from; i < to; i++) {
		PyObject *next = scapy_slot(layer, scapy_model.payload);
		if (next == nullptr) {
			PyObject *number = PyLong_FromLong(i + 1);
			next = number ? blank(walked.layer[i + 1].kind) : nullptr;
			if (next == nullptr) {
				Py_XDECREF(number);
				return nullptr;
			}
			set_slot(next, scapy_model.time,
				 own_time(Py_TYPE(next)) ? scapy_slot(root, scapy_model.time)
							 : scapy_model.inner_time);
			set_slot(next, scapy_model.underlayer, layer);
			scapy_slot(next, scapy_model.mark) = number;
			scapy_slot(layer, scapy_model.payload) = next;
		}
		layer = next;
	}
	Py_INCREF(layer);
	return layer;
}

void scapy_settle()
{
	while (first != nullptr) {
		Pending *pending = first;
		/* A root without references is being freed, and its Pending with it. */
		if (Py_REFCNT(pending->root) > 0 && dissect(pending->root) < 0)
			PyErr_WriteUnraisable(nullptr);
		if (first == pending)
			unchain(pending);
	}
}

Py_ssize_t scapy_waiting()
{
	return waiting;
}

void register_scapy_packet()
{
	if (PyType_Ready(&pending_type) < 0)
		throw pybind11::error_already_set();
}
