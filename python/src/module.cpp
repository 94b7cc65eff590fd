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

PYBIND11_MODULE(_core, m)
{
	m.doc() = "Bindings of libpfring; use the package pfring instead.";
	m.def("last_error", &pfring_last_error,
	      "The sentence of the last failure of libpfring on this thread.");
}
