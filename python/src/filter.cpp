/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * filter.cpp - binds pfring.compile_filter(): what an expression becomes.
 *
 * The first call loads the system libpcap, so the GIL is given up.
 */
#include <linux/filter.h>

#include <pybind11/pybind11.h>

#include <vector>

#include "errors.h"
#include "pfring.h"
#include "registry.h"

namespace py = pybind11;
using namespace py::literals;

static py::list compile_filter(const std::string &expression, int linktype, unsigned snaplen,
			       bool optimize)
{
	std::vector<sock_filter> program(BPF_MAXINSNS);
	int n;
	{
		py::gil_scoped_release release;
		n = pfring_compile_filter(linktype, snaplen, expression.c_str(), optimize,
					  0xffffffff, program.data(), (u_int)program.size());
	}
	if (n < 0)
		throw_error(n, n == -EINVAL ? "FilterError" : nullptr);
	py::list list;
	for (int i = 0; i < n; i++)
		list.append(py::make_tuple(program[i].code, program[i].jt, program[i].jf,
					   program[i].k));
	return list;
}

void register_filter(py::module_ &m)
{
	m.def("compile_filter", &compile_filter, "expression"_a, "linktype"_a = 1,
	      "snaplen"_a = MAX_CAPLEN, "optimize"_a = true,
	      "The classic BPF program of a pcap-filter(7) expression, as (code, jt, jf, k).");
}
