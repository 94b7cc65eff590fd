/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcapy_bpf.cpp - pcapy's BPFProgram: a compiled filter, by itself.
 *
 * Made by pcapy.compile() and by BPFProgram(expression, linktype); immutable,
 * so any thread may run it. Compiled by libpfring through the system libpcap.
 */
#include <linux/filter.h>

#include <cstring>
#include <vector>

#include "pcapy.h"

namespace
{

struct BPFProgram {
	PyObject_HEAD struct sock_filter *insns;
	unsigned len;
};

constexpr unsigned kMaxInsns = 65536; /* a jump's reach; the kernel's limit does not hold here */

BPFProgram *as_program(PyObject *object)
{
	return reinterpret_cast<BPFProgram *>(object);
}

PyObject *filter(PyObject *self, PyObject *args)
{
	const char *packet;
	Py_ssize_t size;

	if (!PyArg_ParseTuple(args, "y#:filter", &packet, &size))
		return nullptr;
	return PyLong_FromLong(pfring_filter_packet(as_program(self)->insns, as_program(self)->len,
						    packet, (uint32_t)size, (uint32_t)size));
}

PyObject *get_bpf(PyObject *self, PyObject *)
{
	const BPFProgram *program = as_program(self);
	PyObject *list = PyList_New(program->len);

	for (unsigned i = 0; list != nullptr && i < program->len; i++) {
		const struct sock_filter &insn = program->insns[i];
		PyObject *quad = Py_BuildValue("IIII", insn.code, insn.jt, insn.jf, insn.k);

		if (quad == nullptr)
			Py_CLEAR(list);
		else
			PyList_SET_ITEM(list, i, quad);
	}
	return list;
}

PyObject *bpf_new(PyTypeObject *, PyObject *args, PyObject *kwargs)
{
	const char *expression;
	int link_type = 1; /* DLT_EN10MB */

	if (!PyArg_ParseTuple(args, "s|i", &expression, &link_type))
		return nullptr;
	/* The expression is positional as ever; pcapy ignores keywords, and so a linktype=. */
	PyObject *named = kwargs ? PyDict_GetItemString(kwargs, "linktype") : nullptr;
	if (named != nullptr) {
		if (!PyArg_Parse(named, "i", &link_type))
			return nullptr;
	}
	return pcapy_bpf_compile(link_type, 1 << 16, expression, 0, 0, pcapy_bpf_error,
				 "Couldn't compile BPF program");
}

void bpf_dealloc(PyObject *self)
{
	PyMem_Free(as_program(self)->insns);
	PyObject_Free(self);
}

PyMethodDef methods[] = {
	{"filter", filter, METH_VARARGS,
	 "filter(packet) -> bytes to keep of it, 0 if it does not match"},
	{"get_bpf", get_bpf, METH_NOARGS,
	 "get_bpf() -> the program as a list of (code, jt, jf, k)"},
	{nullptr, nullptr, 0, nullptr},
};

} // namespace

PyTypeObject pcapy_bpf_type = {PyVarObject_HEAD_INIT(nullptr, 0)};

PyObject *pcapy_bpf_compile(int link_type, int snaplen, const char *expression, int optimize,
			    uint32_t netmask, PyObject *error, const char *text)
{
	std::vector<struct sock_filter> insns(kMaxInsns);
	int len = pfring_compile_filter(link_type, (uint32_t)snaplen, expression, optimize, netmask,
					insns.data(), kMaxInsns);

	if (len < 0) {
		PyErr_SetString(error, text ? text : pfring_last_cause());
		return nullptr;
	}
	BPFProgram *program = PyObject_New(BPFProgram, &pcapy_bpf_type);
	if (program == nullptr)
		return nullptr;
	program->len = (unsigned)len;
	program->insns =
		static_cast<struct sock_filter *>(PyMem_Malloc(len * sizeof(*program->insns)));
	if (program->insns == nullptr) {
		program->len = 0;
		Py_DECREF(program);
		return PyErr_NoMemory();
	}
	memcpy(program->insns, insns.data(), len * sizeof(*program->insns));
	return reinterpret_cast<PyObject *>(program);
}

bool pcapy_ready_bpf()
{
	PyTypeObject *type = &pcapy_bpf_type;

	type->tp_name = "BPFProgram";
	type->tp_basicsize = sizeof(BPFProgram);
	type->tp_dealloc = bpf_dealloc;
	type->tp_flags = Py_TPFLAGS_DEFAULT;
	type->tp_methods = methods;
	type->tp_new = bpf_new;
	type->tp_doc = "BPF Program Wrapper";
	return PyType_Ready(type) == 0;
}
