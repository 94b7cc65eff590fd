/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scapy_methods.cpp - the nine methods of scapy's Packet that ours stand in for
 * while the backend is installed.
 *
 * For a packet that is dissected each is scapy's own, called through. For a
 * lazy one they answer from the header walk where that gives the very value
 * that scapy would, make the next layer where one is asked for, and otherwise
 * dissect first. With the GIL held.
 */
#include <arpa/inet.h>

#include "scapy_model.h"

const char *const scapy_method_names[9] = {
	"__getattr__",	"__setattr__", "__delattr__", "haslayer", "getlayer",
	"__contains__", "__getitem__", "__bytes__",   "__len__",
};

namespace
{

enum Method { GETATTR, SETATTR, DELATTR, HASLAYER, GETLAYER, CONTAINS, GETITEM, BYTES, LEN };

constexpr Py_ssize_t MOST_ARGUMENTS = 8;

/* scapy's own method, on a packet that is dissected by now. */
PyObject *through(Method m, PyObject *self, PyObject *const *args, Py_ssize_t n,
		  PyObject *kwnames = nullptr)
{
	PyObject *stack[MOST_ARGUMENTS + 1];
	Py_ssize_t all = n + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);

	if (all > MOST_ARGUMENTS) { /* filters of getlayer() can be many */
		PyObject *dict = PyDict_New(), *tuple = PyTuple_New(n + 1), *result = nullptr;
		bool good = dict != nullptr && tuple != nullptr;
		for (Py_ssize_t i = 0; good && i <= n; i++) {
			PyObject *arg = i ? args[i - 1] : self;
			Py_INCREF(arg);
			PyTuple_SET_ITEM(tuple, i, arg);
		}
		for (Py_ssize_t i = n; good && i < all; i++)
			good = PyDict_SetItem(dict, PyTuple_GET_ITEM(kwnames, i - n), args[i]) == 0;
		if (good)
			result = PyObject_Call(scapy_model.original[m], tuple, dict);
		Py_XDECREF(dict);
		Py_XDECREF(tuple);
		return result;
	}
	stack[0] = self;
	for (Py_ssize_t i = 0; i < all; i++)
		stack[i + 1] = args[i];
	return PyObject_Vectorcall(scapy_model.original[m], stack, (size_t)n + 1, kwnames);
}

PyObject *dissected(Method m, PyObject *self, PyObject *const *args, Py_ssize_t n,
		    PyObject *kwnames = nullptr)
{
	if (scapy_is_lazy(self) && scapy_dissect(self) < 0)
		return nullptr;
	return through(m, self, args, n, kwnames);
}

/* The kind that a class or a name of a layer stands for; UNKNOWN: none of ours. */
LayerKind kind_of(PyObject *cls, bool *failed)
{
	PyObject *kind = PyDict_GetItemWithError(scapy_model.kinds, cls);

	*failed = kind == nullptr && PyErr_Occurred();
	return kind ? (LayerKind)PyLong_AsLong(kind) : UNKNOWN;
}

unsigned find(const Walked &walked, unsigned from, LayerKind kind)
{
	while (from < walked.n && walked.layer[from].kind != kind)
		from++;
	return from;
}

/* haslayer() of one class or name: 1, 0, or -1 if scapy has to say. */
int has(PyObject *self, PyObject *cls)
{
	PyObject *data;
	const Walked *walked;
	unsigned place;
	bool failed;

	/* Only these two compare with a layer's class and names as we do. */
	if (!PyUnicode_CheckExact(cls) && !PyType_Check(cls))
		return -1;
	if (!scapy_whole(self, &data, &walked, &place))
		return -1;
	LayerKind kind = kind_of(cls, &failed);
	if (failed) {
		PyErr_Clear();
		return -1;
	}
	return kind != UNKNOWN && find(*walked, place, kind) < walked->n;
}

PyObject *haslayer(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
	int answer = -1;

	if (n == 1 && kwnames == nullptr && scapy_is_lazy(self))
		answer = has(self, args[0]);
	if (answer < 0)
		return dissected(HASLAYER, self, args, n, kwnames);
	/* True where a layer says so, 0 where scapy's NoPayload does. */
	return answer ? PyBool_FromLong(1) : PyLong_FromLong(0);
}

PyObject *contains(PyObject *self, PyObject *cls)
{
	int answer = scapy_is_lazy(self) ? has(self, cls) : -1;

	if (answer < 0)
		return dissected(CONTAINS, self, &cls, 1);
	return answer ? PyBool_FromLong(1) : PyLong_FromLong(0);
}

/* The first layer of a class. nullptr without an error: there is none; *sure: that is certain. */
PyObject *layer_of(PyObject *self, PyObject *cls, bool *sure)
{
	PyObject *data;
	const Walked *walked;
	unsigned place;

	*sure = false;
	if (!PyType_Check(cls) || !scapy_whole(self, &data, &walked, &place))
		return nullptr;
	LayerKind kind = kind_of(cls, sure);
	if (*sure) { /* not hashable: let scapy say so */
		PyErr_Clear();
		*sure = false;
		return nullptr;
	}
	*sure = true;
	unsigned at = kind == UNKNOWN ? walked->n : find(*walked, place, kind);
	return at < walked->n ? scapy_layer(self, place, at) : nullptr;
}

PyObject *getlayer(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
	if (n == 1 && kwnames == nullptr && scapy_is_lazy(self)) {
		bool sure;
		PyObject *layer = layer_of(self, args[0], &sure);
		if (layer != nullptr || PyErr_Occurred())
			return layer;
		if (sure)
			Py_RETURN_NONE;
	}
	return dissected(GETLAYER, self, args, n, kwnames);
}

PyObject *getitem(PyObject *self, PyObject *cls)
{
	if (scapy_is_lazy(self)) {
		bool sure;
		PyObject *layer = layer_of(self, cls, &sure);
		if (layer != nullptr || PyErr_Occurred())
			return layer;
	}
	return dissected(GETITEM, self, &cls, 1);
}

PyObject *text_of_mac(const uint8_t *p)
{
	char text[18];

	PyOS_snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", p[0], p[1], p[2], p[3],
		      p[4], p[5]);
	return PyUnicode_FromString(text);
}

PyObject *text_of_ip4(const uint8_t *p)
{
	char text[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, p, text, sizeof(text));
	return PyUnicode_FromString(text);
}

PyObject *value_of(const uint8_t *p, const uint8_t *end, FieldForm form)
{
	switch (form) {
	case FORM_U8:
		return PyLong_FromLong(*p);
	case FORM_U16:
		return PyLong_FromLong(p[0] << 8 | p[1]);
	case FORM_U32:
		return PyLong_FromUnsignedLong((unsigned long)p[0] << 24 | p[1] << 16 | p[2] << 8 |
					       p[3]);
	case FORM_HIGH4:
		return PyLong_FromLong(*p >> 4);
	case FORM_LOW4:
		return PyLong_FromLong(*p & 15);
	case FORM_MAC:
		return text_of_mac(p);
	case FORM_IP4:
		return text_of_ip4(p);
	case FORM_REST:
		return PyBytes_FromStringAndSize((const char *)p, end - p);
	}
	Py_UNREACHABLE();
}

/* A field of the first layer that has one of this name. nullptr without an error: look closer. */
PyObject *quick_field(PyObject *self, PyObject *name)
{
	PyObject *data;
	const Walked *walked;
	unsigned place;

	if (!scapy_whole(self, &data, &walked, &place))
		return nullptr;
	for (; place < walked->n; place++) {
		const WalkedLayer &layer = walked->layer[place];
		PyObject *code = PyDict_GetItemWithError(scapy_model.quick[layer.kind], name);
		if (code != nullptr) {
			long c = PyLong_AsLong(code);
			const auto *p = (const uint8_t *)PyBytes_AS_STRING(data);
			return value_of(p + layer.at + (c >> 8), p + layer.end,
					(FieldForm)(c & 0xff));
		}
		if (PyErr_Occurred() || PySet_Contains(scapy_model.names[layer.kind], name) != 0)
			return nullptr;
	}
	return nullptr;
}

/* The payload of a lazy layer, made if need be. */
PyObject *quick_payload(PyObject *self)
{
	PyObject *data;
	const Walked *walked;
	unsigned place;

	if (!scapy_whole(self, &data, &walked, &place))
		return nullptr;
	if (place + 1 < walked->n)
		return scapy_layer(self, place, place + 1);
	Py_INCREF(scapy_model.no_payload);
	return scapy_model.no_payload;
}

PyObject *getattr(PyObject *self, PyObject *name)
{
	if (!scapy_is_lazy(self))
		return through(GETATTR, self, &name, 1);
	PyObject *value = PyUnicode_CompareWithASCIIString(name, "payload") == 0
				  ? quick_payload(self)
				  : quick_field(self, name);
	if (value != nullptr || PyErr_Occurred())
		return value;
	if (scapy_dissect(self) < 0)
		return nullptr;
	/* It may have been an empty slot that brought us here. */
	value = PyObject_GenericGetAttr(self, name);
	if (value != nullptr || !PyErr_ExceptionMatches(PyExc_AttributeError))
		return value;
	PyErr_Clear();
	return through(GETATTR, self, &name, 1);
}

/* Whether a name is one of the slots of a packet's class; -1 with an error. */
int is_slot(PyObject *self, PyObject *name)
{
	static PyObject *all_slots;

	if (all_slots == nullptr)
		all_slots = PyUnicode_InternFromString("__all_slots__");
	PyObject *slots = PyObject_GetAttr((PyObject *)Py_TYPE(self), all_slots);
	int found = slots == nullptr ? -1 : PySequence_Contains(slots, name);
	Py_XDECREF(slots);
	return found;
}

PyObject *none_if(int ret)
{
	if (ret < 0)
		return nullptr;
	Py_RETURN_NONE;
}

PyObject *setattr(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
	if (n != 2)
		return dissected(SETATTR, self, args, n);
	if (scapy_is_lazy(self)) {
		int cheap = PySet_Contains(scapy_model.cheap, args[0]);
		if (cheap < 0 || (!cheap && scapy_dissect(self) < 0))
			return nullptr;
	}
	int slot = is_slot(self, args[0]);
	if (slot < 0)
		return nullptr;
	return slot ? none_if(PyObject_GenericSetAttr(self, args[0], args[1]))
		    : through(SETATTR, self, args, n);
}

PyObject *delattr(PyObject *self, PyObject *name)
{
	return dissected(DELATTR, self, &name, 1);
}

/* How many bytes of a lazy packet scapy would give, -1 if it has to say. */
Py_ssize_t quick_bytes(PyObject *self, const char **at)
{
	PyObject *data;
	const Walked *walked;
	unsigned place;

	if (!scapy_is_lazy(self) || !scapy_whole(self, &data, &walked, &place))
		return -1;
	*at = PyBytes_AS_STRING(data) + walked->layer[place].at;
	return PyBytes_GET_SIZE(data) - walked->layer[place].at;
}

PyObject *bytes(PyObject *self, PyObject *)
{
	const char *at;
	Py_ssize_t n = quick_bytes(self, &at);

	return n < 0 ? dissected(BYTES, self, nullptr, 0) : PyBytes_FromStringAndSize(at, n);
}

PyObject *len(PyObject *self, PyObject *)
{
	const char *at;
	Py_ssize_t n = quick_bytes(self, &at);

	return n < 0 ? dissected(LEN, self, nullptr, 0) : PyLong_FromSsize_t(n);
}

#define FAST(f) ((PyCFunction)(void (*)(void))(f))

PyMethodDef methods[9] = {
	{"__getattr__", getattr, METH_O, nullptr},
	{"__setattr__", FAST(setattr), METH_FASTCALL, nullptr},
	{"__delattr__", delattr, METH_O, nullptr},
	{"haslayer", FAST(haslayer), METH_FASTCALL | METH_KEYWORDS, nullptr},
	{"getlayer", FAST(getlayer), METH_FASTCALL | METH_KEYWORDS, nullptr},
	{"__contains__", contains, METH_O, nullptr},
	{"__getitem__", getitem, METH_O, nullptr},
	{"__bytes__", bytes, METH_NOARGS, nullptr},
	{"__len__", len, METH_NOARGS, nullptr},
};

} // namespace

PyObject *scapy_methods()
{
	PyObject *dict = PyDict_New();

	for (PyMethodDef &method : methods) {
		if (dict == nullptr)
			break;
		PyObject *descriptor = PyDescr_NewMethod(scapy_model.packet, &method);
		if (descriptor == nullptr ||
		    PyDict_SetItemString(dict, method.ml_name, descriptor) < 0)
			Py_CLEAR(dict);
		Py_XDECREF(descriptor);
	}
	return dict;
}
