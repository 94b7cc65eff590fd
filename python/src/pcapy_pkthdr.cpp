/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcapy_pkthdr.cpp - pcapy's Pkthdr: time stamp and lengths of one packet.
 *
 * One is made per packet and mostly dropped a microsecond later, so dead ones
 * are kept for the next packet, and the integers that nearly all packets share
 * (this second, the common lengths) are made once. All under the GIL.
 */
#include "pcapy.h"

namespace
{

constexpr unsigned kSpare = 256;
constexpr uint32_t kCommonLengths = 2048;

Pkthdr *spare[kSpare];
unsigned spares;

PyObject *common_length[kCommonLengths];
PyObject *this_second;
uint64_t this_second_value;

inline PyObject *length_object(uint32_t length)
{
	if (length >= kCommonLengths)
		return PyLong_FromUnsignedLong(length);
	if (common_length[length] == nullptr) {
		common_length[length] = PyLong_FromUnsignedLong(length);
		if (common_length[length] == nullptr)
			return nullptr;
	}
	Py_INCREF(common_length[length]);
	return common_length[length];
}

inline PyObject *second_object(uint64_t second)
{
	if (this_second == nullptr || second != this_second_value) {
		PyObject *fresh = PyLong_FromUnsignedLongLong(second);
		if (fresh == nullptr)
			return nullptr;
		Py_XSETREF(this_second, fresh);
		this_second_value = second;
	}
	Py_INCREF(this_second);
	return this_second;
}

/* pcapy's methods take any positional arguments and no keywords. */
inline bool no_keywords(PyObject *names, const char *method)
{
	if (names == nullptr || PyTuple_GET_SIZE(names) == 0)
		return true;
	PyErr_Format(PyExc_TypeError, "%s() takes no keyword arguments", method);
	return false;
}

PyObject *getts(PyObject *self, PyObject *const *, Py_ssize_t, PyObject *names)
{
	if (!no_keywords(names, "getts"))
		return nullptr;
	uint64_t ns = reinterpret_cast<Pkthdr *>(self)->ts_ns;
	PyObject *seconds = second_object(ns / 1000000000u);
	PyObject *micros = PyLong_FromUnsignedLong((unsigned long)(ns % 1000000000u / 1000u));
	PyObject *pair = seconds && micros ? PyTuple_New(2) : nullptr;

	if (pair == nullptr) {
		Py_XDECREF(seconds);
		Py_XDECREF(micros);
		return nullptr;
	}
	PyTuple_SET_ITEM(pair, 0, seconds);
	PyTuple_SET_ITEM(pair, 1, micros);
	return pair;
}

PyObject *getlen(PyObject *self, PyObject *const *, Py_ssize_t, PyObject *names)
{
	if (!no_keywords(names, "getlen"))
		return nullptr;
	return length_object(reinterpret_cast<Pkthdr *>(self)->len);
}

PyObject *getcaplen(PyObject *self, PyObject *const *, Py_ssize_t, PyObject *names)
{
	if (!no_keywords(names, "getcaplen"))
		return nullptr;
	return length_object(reinterpret_cast<Pkthdr *>(self)->caplen);
}

void pkthdr_dealloc(PyObject *self)
{
	if (spares < kSpare)
		spare[spares++] = reinterpret_cast<Pkthdr *>(self);
	else
		PyObject_Free(self);
}

template <typename F> PyCFunction fast(F function)
{
	return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

PyMethodDef methods[] = {
	{"getts", fast(getts), METH_FASTCALL | METH_KEYWORDS,
	 "getts() -> (seconds, microseconds) since the epoch"},
	{"getcaplen", fast(getcaplen), METH_FASTCALL | METH_KEYWORDS,
	 "getcaplen() -> how many bytes of the packet were captured"},
	{"getlen", fast(getlen), METH_FASTCALL | METH_KEYWORDS,
	 "getlen() -> how many bytes the packet had on the wire"},
	{nullptr, nullptr, 0, nullptr},
};

} // namespace

PyTypeObject pcapy_pkthdr_type = {PyVarObject_HEAD_INIT(nullptr, 0)};

PyObject *pcapy_pkthdr_new(const struct pfring_packet *packet)
{
	Pkthdr *header;

	if (spares > 0) {
		header = spare[--spares];
		PyObject_Init(reinterpret_cast<PyObject *>(header), &pcapy_pkthdr_type);
	} else {
		header = PyObject_New(Pkthdr, &pcapy_pkthdr_type);
		if (header == nullptr)
			return nullptr;
	}
	header->ts_ns = packet->ts_ns;
	header->caplen = packet->caplen;
	header->len = packet->len;
	return reinterpret_cast<PyObject *>(header);
}

bool pcapy_ready_pkthdr()
{
	PyTypeObject *type = &pcapy_pkthdr_type;

	type->tp_name = "Pkthdr";
	type->tp_basicsize = sizeof(Pkthdr);
	type->tp_dealloc = pkthdr_dealloc;
	type->tp_flags = Py_TPFLAGS_DEFAULT;
	type->tp_methods = methods;
	return PyType_Ready(type) == 0;
}
