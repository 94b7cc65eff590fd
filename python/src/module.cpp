/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * module.cpp - the extension module pfring._core: one register_*() per bound
 * class, each in a file of its own.
 *
 * Everything here is private to the package; what users see is named in
 * pfring/__init__.py.
 */
#include <pybind11/pybind11.h>

#include "pfring.h"
#include "registry.h"

namespace py = pybind11;

static py::str version()
{
	u_int32_t v = 0;

	pfring_version_noring(&v);
	return py::str("{}.{}.{}").format(v >> 16, v >> 8 & 0xff, v & 0xff);
}

PYBIND11_MODULE(_core, m)
{
	m.doc() = "Bindings of libpfring; use the package pfring instead.";
	m.def("last_error", &pfring_last_error,
	      "The sentence of the last failure of libpfring on this thread.");
	m.def("version", &version, "The version of libpfring.");
	m.attr("ABI_VERSION") = PF_RING_ABI_VERSION;
	m.attr("FAMILY") = PF_RING;
	register_dumper(m);
	register_ring_iterator(m);
	register_ring(m);
	register_filter(m);
	register_parse(m);
	register_devices(m);
	register_writer(m);
	register_batch(m);
	register_collector(m);
	register_arrow(m);
	register_hosts(m);
	register_pcapy(m);
	register_scapy(m);
}
