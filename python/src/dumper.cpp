/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dumper.cpp - binds pfring.Dumper (see dumper.h for the lock).
 */
#include "dumper.h"

#include <pybind11/pybind11.h>

#include <cerrno>

#include "errors.h"
#include "paths.h"
#include "registry.h"

namespace py = pybind11;
using namespace py::literals;

Dumper::~Dumper()
{
	close();
}

int Dumper::take(const pfring_packet *packets, unsigned n)
{
	std::lock_guard<std::mutex> guard(lock);
	if (file == nullptr)
		return -EBADF;
	int err = pfring_dump_packets(file, packets, n);
	if (err == 0)
		written += n;
	return err;
}

int Dumper::flush()
{
	std::lock_guard<std::mutex> guard(lock);
	return file != nullptr ? pfring_dump_flush(file) : -EBADF;
}

int Dumper::close()
{
	std::lock_guard<std::mutex> guard(lock);
	pfring_dumper *last = file;
	file = nullptr;
	closed = true;
	return last != nullptr ? pfring_dump_close(last) : 0;
}

pfring_dump_format dump_format_of(const std::string &name)
{
	if (name == "pcap")
		return PFRING_DUMP_PCAP;
	if (name == "pcap_ns")
		return PFRING_DUMP_PCAP_NS;
	if (name == "pcapng")
		return PFRING_DUMP_PCAPNG;
	throw py::value_error("format must be one of 'pcap', 'pcap_ns', 'pcapng', not '" + name +
			      "'");
}

static std::unique_ptr<Dumper> open_dumper(const py::object &where, int linktype, unsigned snaplen,
					   const std::string &format)
{
	pfring_dump_format f = dump_format_of(format);
	std::string path = path_from_python(where);
	pfring_dumper *file;
	int err;
	{
		py::gil_scoped_release release;
		file = pfring_dump_open(path.c_str(), linktype, snaplen, f);
		err = -errno;
	}
	if (file == nullptr)
		throw_error(err);
	return std::make_unique<Dumper>(path, file);
}

/* Throws what a call on the file, made without the GIL, came back with. */
static void check(const Dumper &d, int err)
{
	if (err == -EBADF && d.closed)
		throw_error_text(err, "the dumper of " + d.path + " is closed", "Closed");
	if (err < 0)
		throw_error(err);
}

static void write_packet(Dumper &d, uint64_t ts_ns, const py::object &data, const py::object &len)
{
	Py_buffer view;
	if (PyObject_GetBuffer(data.ptr(), &view, PyBUF_SIMPLE) < 0)
		throw py::error_already_set();
	pfring_packet packet = {};
	packet.data = (const u_char *)view.buf;
	packet.caplen = (u_int32_t)view.len;
	packet.ts_ns = ts_ns;
	int err = 0;
	try {
		packet.len = len.is_none() ? packet.caplen : len.cast<u_int32_t>();
		py::gil_scoped_release release;
		err = d.take(&packet, 1);
	} catch (...) {
		PyBuffer_Release(&view);
		throw;
	}
	PyBuffer_Release(&view);
	check(d, err);
}

static void flush_dumper(Dumper &d)
{
	int err;
	{
		py::gil_scoped_release release;
		err = d.flush();
	}
	check(d, err);
}

static void close_dumper(Dumper &d)
{
	int err;
	{
		py::gil_scoped_release release;
		err = d.close();
	}
	check(d, err);
}

void register_dumper(py::module_ &m)
{
	py::class_<PacketSink>(m, "PacketSink");
	py::class_<Dumper, PacketSink>(m, "Dumper", py::release_gil_before_calling_cpp_dtor())
		.def(py::init(&open_dumper), "path"_a, "linktype"_a = 1, "snaplen"_a = MAX_CAPLEN,
		     "format"_a = "pcap")
		.def("__enter__", [](py::object self) { return self; })
		.def("__exit__", [](Dumper &d, const py::args &) { close_dumper(d); })
		.def("write", &write_packet, "ts_ns"_a, "data"_a, "len"_a = py::none(),
		     "Append one packet; len is its length on the wire, if it was cut.")
		.def("flush", &flush_dumper, "Hand everything written so far to the system.")
		.def("close", &close_dumper, "Finish the file. Closing twice is fine.")
		.def_property_readonly("path",
				       [](const Dumper &d) { return text_from_path(d.path); })
		.def_property_readonly("closed", [](const Dumper &d) { return d.closed.load(); })
		.def_property_readonly("written", [](const Dumper &d) { return d.written.load(); });
}
