/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcapy_module.cpp - the module object behind pfring.pcapy: types, exceptions,
 * functions.
 *
 * Built once, by the extension's initialisation. Names, module names and
 * messages are those of pcapy, so that type(error), repr() and pickles agree.
 */
#include "pcapy.h"

#include "registry.h"

PyObject *pcapy_error, *pcapy_bpf_error;

namespace
{

PyObject *compile(PyObject *, PyObject *args)
{
	int link_type, snaplen, optimize;
	unsigned netmask;
	const char *expression;

	if (!PyArg_ParseTuple(args, "iisiI:compile", &link_type, &snaplen, &expression, &optimize,
			      &netmask))
		return nullptr;
	return pcapy_bpf_compile(link_type, snaplen, expression, optimize, netmask, pcapy_error,
				 nullptr);
}

PyMethodDef functions[] = {
	{"open_live", pcapy_open_live, METH_VARARGS,
	 "open_live(device, snaplen, promisc, to_ms) -> Reader that captures from a device"},
	{"open_offline", pcapy_open_offline, METH_VARARGS,
	 "open_offline(filename) -> Reader of a capture file"},
	{"lookupdev", pcapy_lookupdev, METH_VARARGS, "lookupdev() -> a device to capture from"},
	{"findalldevs", pcapy_findalldevs, METH_VARARGS, "findalldevs() -> all devices' names"},
	{"compile", compile, METH_VARARGS,
	 "compile(linktype, snaplen, filter, optimize, netmask) -> BPFProgram"},
	{"create", pcapy_create, METH_VARARGS,
	 "create(device) -> Reader to be set up with set_*() and activate()"},
	{nullptr, nullptr, 0, nullptr},
};

PyModuleDef definition = {
	PyModuleDef_HEAD_INIT, "pcapy", nullptr, -1, functions, nullptr, nullptr, nullptr, nullptr,
};

} // namespace

PyObject *pcapy_module()
{
	pcapy_error = PyErr_NewException("pcapy.PcapError", nullptr, nullptr);
	pcapy_bpf_error = PyErr_NewException("pcapy.BPFError", nullptr, nullptr);
	if (!pcapy_error || !pcapy_bpf_error || !pcapy_ready_reader() || !pcapy_ready_pkthdr() ||
	    !pcapy_ready_dumper() || !pcapy_ready_bpf())
		return nullptr;

	PyObject *module = PyModule_Create(&definition);
	if (module == nullptr ||
	    PyModule_AddObjectRef(module, "BPFProgram",
				  reinterpret_cast<PyObject *>(&pcapy_bpf_type)) ||
	    PyModule_AddObjectRef(module, "PcapError", pcapy_error) ||
	    PyModule_AddObjectRef(module, "BPFError", pcapy_bpf_error))
		Py_CLEAR(module);
	return module;
}

void register_pcapy(pybind11::module_ &m)
{
	PyObject *module = pcapy_module();

	if (module == nullptr)
		throw pybind11::error_already_set();
	m.attr("pcapy") = pybind11::reinterpret_steal<pybind11::object>(module);
}
