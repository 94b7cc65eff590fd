/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * writer.cpp - binds pfring._core.Rotation, which pfring.Writer is made of:
 * capture files that follow one another by size and time.
 *
 * A sink like Dumper: packets come on the thread that reads a ring, without
 * the GIL, under the lock here. What was flushed is the system's and outlives a
 * crash of the process; that happens by itself every flush_ns, also while no
 * packet comes (idle()). A file is never cut inside a packet.
 */
#include <fcntl.h>
#include <pybind11/pybind11.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <deque>
#include <mutex>
#include <string>

#include "dumper.h"
#include "errors.h"
#include "handle.h"
#include "paths.h"
#include "registry.h"

namespace py = pybind11;
using namespace py::literals;

namespace
{

/* Headers of a file and of a packet, in bytes: pcapng's with all that dumper.c ever writes. */
constexpr uint64_t PCAP_FILE = 24, PCAP_RECORD = 16, NG_FILE = 256, NG_RECORD = 28 + 3 + 12 + 4;

int64_t now_ns()
{
	timespec t;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

class Rotation : public PacketSink
{
      public:
	Rotation(std::string path, pfring_dump_format format, int linktype, unsigned snaplen,
		 uint64_t max_bytes, uint64_t max_ns, size_t keep, int64_t flush_ns)
	    : path(std::move(path)), format(format), linktype(linktype), snaplen(snaplen),
	      max_bytes(max_bytes), max_ns(max_ns), keep(keep), flush_ns(flush_ns)
	{
	}
	~Rotation() override
	{
		close();
	}
	Rotation(const Rotation &) = delete;
	Rotation &operator=(const Rotation &) = delete;

	int open_first()
	{
		std::lock_guard<std::mutex> guard(lock);
		return rotates() ? 0 : open_file(0);
	}

	int take(const pfring_packet *packets, unsigned n) override
	{
		std::lock_guard<std::mutex> guard(lock);
		if (is_closed)
			return -EBADF;
		unsigned from = 0;
		for (unsigned i = 0; i < n; i++) {
			uint64_t size = record(packets[i]);
			if (file == nullptr || full(packets[i], size)) {
				int err = put(packets + from, i - from);
				from = i;
				if (err == 0)
					err = open_file(packets[i].ts_ns);
				if (err < 0)
					return err;
			}
			bytes += size;
			in_file++;
		}
		int err = put(packets + from, n - from);
		if (err == 0)
			err = flush_if_due();
		return err;
	}

	void idle() override
	{
		std::lock_guard<std::mutex> guard(lock);
		if (unflushed)
			flush_if_due(); /* an error stays in the file and comes with the next */
	}

	int flush(bool sync)
	{
		std::lock_guard<std::mutex> guard(lock);
		if (is_closed)
			return -EBADF;
		return flush_file(sync);
	}

	int close()
	{
		std::lock_guard<std::mutex> guard(lock);
		is_closed = true;
		return close_file();
	}

	std::deque<std::string> names()
	{
		std::lock_guard<std::mutex> guard(lock);
		return files;
	}

	std::string why() const override
	{
		return is_closed ? "the writer of " + path + " is closed" : PacketSink::why();
	}

	const std::string path;
	std::atomic<uint64_t> written{0};
	std::atomic<bool> is_closed{false};

      private:
	bool rotates() const
	{
		return max_bytes > 0 || max_ns > 0;
	}
	uint64_t record(const pfring_packet &p) const
	{
		return p.caplen + (format == PFRING_DUMP_PCAPNG ? NG_RECORD : PCAP_RECORD);
	}
	bool full(const pfring_packet &p, uint64_t size) const
	{
		if (in_file == 0)
			return false;
		return (max_bytes > 0 && bytes + size > max_bytes) ||
		       (max_ns > 0 && p.ts_ns >= first_ns + max_ns);
	}

	int put(const pfring_packet *packets, unsigned n)
	{
		if (n == 0)
			return 0;
		int err = pfring_dump_packets(file, packets, n);
		if (err < 0)
			return err;
		written += n;
		if (!unflushed)
			flushed_at = now_ns();
		unflushed = true;
		return 0;
	}

	/* trace.pcap: trace_00001_20261122093015.pcap, by UTC of its first packet. */
	std::string name_of(uint64_t ts_ns) const
	{
		if (!rotates())
			return path;
		time_t seconds = (time_t)(ts_ns / 1000000000);
		tm t;
		char stamp[64], middle[96];
		gmtime_r(&seconds, &t);
		strftime(stamp, sizeof(stamp), "%Y%m%d%H%M%S", &t);
		snprintf(middle, sizeof(middle), "_%05llu_%s", (unsigned long long)number, stamp);
		size_t slash = path.rfind('/'), dot = path.rfind('.');
		size_t name = slash == std::string::npos ? 0 : slash + 1;
		if (dot == std::string::npos || dot <= name)
			dot = path.size();
		return path.substr(0, dot) + middle + path.substr(dot);
	}

	int open_file(uint64_t ts_ns)
	{
		int err = close_file();
		if (err < 0)
			return err;
		number++;
		std::string name = name_of(ts_ns);
		file = pfring_dump_open(name.c_str(), linktype, snaplen, format);
		if (file == nullptr)
			return -errno;
		first_ns = ts_ns;
		bytes = format == PFRING_DUMP_PCAPNG ? NG_FILE : PCAP_FILE;
		in_file = 0;
		files.push_back(name);
		while (keep > 0 && files.size() > keep) {
			unlink(files.front().c_str());
			files.pop_front();
		}
		return 0;
	}

	int flush_file(bool sync)
	{
		if (file == nullptr)
			return 0;
		int err = pfring_dump_flush(file);
		if (err < 0)
			return err;
		unflushed = false;
		if (!sync)
			return 0;
		/* The dumper's descriptor is its own; the file is the same. */
		int fd = open(files.back().c_str(), O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		err = fsync(fd) < 0 && errno != EINVAL ? -errno : 0; /* EINVAL: no file, a pipe */
		::close(fd);
		return err;
	}

	int flush_if_due()
	{
		if (!unflushed || flush_ns < 0 || now_ns() - flushed_at < flush_ns)
			return 0;
		return flush_file(false);
	}

	int close_file()
	{
		pfring_dumper *last = file;
		file = nullptr;
		unflushed = false;
		return last != nullptr ? pfring_dump_close(last) : 0;
	}

	const pfring_dump_format format;
	const int linktype;
	const unsigned snaplen;
	const uint64_t max_bytes, max_ns; /* 0: no limit */
	const size_t keep;		  /* files; 0: all */
	const int64_t flush_ns;		  /* < 0: only when full or asked */

	std::mutex lock;
	pfring_dumper *file = nullptr;
	std::deque<std::string> files;
	uint64_t number = 0, bytes = 0, in_file = 0, first_ns = 0;
	bool unflushed = false;
	int64_t flushed_at = 0; /* or when the first packet since came */
};

std::unique_ptr<Rotation> make(const py::object &where, const std::string &format, int linktype,
			       unsigned snaplen, uint64_t max_bytes, uint64_t max_ns, size_t keep,
			       int64_t flush_ns)
{
	auto it = std::make_unique<Rotation>(path_from_python(where), dump_format_of(format),
					     linktype, snaplen, max_bytes, max_ns, keep, flush_ns);
	int err;
	{
		py::gil_scoped_release release;
		err = it->open_first();
	}
	if (err < 0)
		throw_error(err);
	return it;
}

py::list files_of(Rotation &r)
{
	std::deque<std::string> files;
	{
		py::gil_scoped_release release;
		files = r.names();
	}
	py::list list;
	for (const std::string &name : files)
		list.append(text_from_path(name));
	return list;
}

void check(const Rotation &r, int err)
{
	if (err == -EBADF && r.is_closed)
		throw_error_text(err, "the writer of " + r.path + " is closed", "Closed");
	if (err < 0)
		throw_error(err);
}

template <class F> void call(Rotation &r, F f)
{
	int err;
	{
		py::gil_scoped_release release;
		err = f();
	}
	check(r, err);
}

} // namespace

void register_writer(py::module_ &m)
{
	py::class_<Rotation, PacketSink>(m, "Rotation", py::release_gil_before_calling_cpp_dtor())
		.def(py::init(&make), "path"_a, "format"_a, "linktype"_a, "snaplen"_a,
		     "max_bytes"_a, "max_ns"_a, "keep"_a, "flush_ns"_a)
		.def(
			"flush",
			[](Rotation &r, bool sync) { call(r, [&] { return r.flush(sync); }); },
			"sync"_a)
		.def("close", [](Rotation &r) { call(r, [&] { return r.close(); }); })
		.def_property_readonly("files", &files_of)
		.def_property_readonly("written",
				       [](const Rotation &r) { return r.written.load(); })
		.def_property_readonly("closed",
				       [](const Rotation &r) { return r.is_closed.load(); });
}
