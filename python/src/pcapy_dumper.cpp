/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcapy_dumper.cpp - pcapy's Dumper: writes packets to a capture file.
 *
 * Made by Reader.dump_open() and independent of the Reader from then on. Under
 * the GIL throughout. Unlike pcapy's, it never reads beyond the bytes it was
 * given and says so when the disk is full.
 */
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "pcapy.h"

namespace
{

struct Dumper {
	PyObject_HEAD pfring_dumper *file; /* NULL: closed */
};

Dumper *as_dumper(PyObject *object)
{
	return reinterpret_cast<Dumper *>(object);
}

PyObject *dump(PyObject *self, PyObject *args)
{
	PyObject *header;
	const char *data;
	Py_ssize_t size;

	if (!PyArg_ParseTuple(args, "Oy#", &header, &data, &size))
		return nullptr;
	if (!Py_IS_TYPE(header, &pcapy_pkthdr_type)) {
		PyErr_SetString(pcapy_error, "Not a pkthdr object");
		return nullptr;
	}
	if (as_dumper(self)->file == nullptr) {
		PyErr_SetString(pcapy_error, "Dumper is already closed.");
		return nullptr;
	}
	const auto *pkthdr = reinterpret_cast<Pkthdr *>(header);
	struct pfring_packet packet = {};

	packet.data = reinterpret_cast<const u_char *>(data);
	packet.ts_ns = pkthdr->ts_ns;
	packet.caplen = (uint32_t)std::min<Py_ssize_t>(pkthdr->caplen, size);
	packet.len = pkthdr->len;
	if (pfring_dump_packets(as_dumper(self)->file, &packet, 1) < 0) {
		PyErr_SetString(pcapy_error, pfring_last_error());
		return nullptr;
	}
	Py_RETURN_NONE;
}

PyObject *close_dumper(PyObject *self, PyObject *)
{
	pfring_dumper *file = as_dumper(self)->file;

	as_dumper(self)->file = nullptr;
	if (file != nullptr && pfring_dump_close(file) < 0) {
		PyErr_SetString(pcapy_error, pfring_last_error());
		return nullptr;
	}
	Py_RETURN_NONE;
}

void dumper_dealloc(PyObject *self)
{
	/* Nobody is left to tell if the last bytes do not fit. */
	if (as_dumper(self)->file != nullptr)
		pfring_dump_close(as_dumper(self)->file);
	PyObject_Free(self);
}

PyMethodDef methods[] = {
	{"close", close_dumper, METH_VARARGS,
	 "close(): write out what is buffered and close the file"},
	{"dump", dump, METH_VARARGS, "dump(header, data): append a packet"},
	{nullptr, nullptr, 0, nullptr},
};

} // namespace

PyTypeObject pcapy_dumper_type = {PyVarObject_HEAD_INIT(nullptr, 0)};

PyObject *pcapy_dumper_open(const char *path, int link_type, uint32_t snaplen)
{
	Dumper *dumper = PyObject_New(Dumper, &pcapy_dumper_type);

	if (dumper == nullptr)
		return nullptr;
	dumper->file = pfring_dump_open(path, link_type, snaplen, PFRING_DUMP_PCAP);
	if (dumper->file == nullptr) {
		PyErr_Format(pcapy_error, "%s: %s", path, strerror(errno));
		Py_DECREF(dumper);
		return nullptr;
	}
	return reinterpret_cast<PyObject *>(dumper);
}

bool pcapy_ready_dumper()
{
	PyTypeObject *type = &pcapy_dumper_type;

	type->tp_name = "Dumper";
	type->tp_basicsize = sizeof(Dumper);
	type->tp_dealloc = dumper_dealloc;
	type->tp_flags = Py_TPFLAGS_DEFAULT;
	type->tp_methods = methods;
	return PyType_Ready(type) == 0;
}
