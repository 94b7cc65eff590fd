/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hosts.cpp - counts packets and bytes of each address that flows name: the
 * table behind pfring.Talkers and `pfring top`.
 *
 * Open addressing in one array that grows by doubling, up to a limit: what does
 * not fit any more is counted together, so that forged addresses cannot eat the
 * memory. With the GIL held, given up while a batch is counted; one thread.
 */
#include <arpa/inet.h>

#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "bound.h"
#include "registry.h"

namespace py = pybind11;
using namespace py::literals;

namespace
{

constexpr uint64_t MAPPED = 0xffff00000000; /* ::ffff:0:0/96, RFC 4291 section 2.5.5.2 */

struct Host {
	uint64_t high, low; /* the address; IPv4 as ::ffff:a.b.c.d */
	uint64_t packets, bytes;
};

/* A column as it comes from _core: one dimension, elements of a known size. */
class View
{
      public:
	View(const py::handle &object, Py_ssize_t width, Py_ssize_t n)
	{
		if (PyObject_GetBuffer(object.ptr(), &view, PyBUF_SIMPLE) < 0)
			throw py::error_already_set();
		if (view.len != n * width) {
			PyBuffer_Release(&view);
			throw py::value_error("the columns are not equally long");
		}
	}
	~View()
	{
		PyBuffer_Release(&view);
	}
	View(const View &) = delete;
	View &operator=(const View &) = delete;
	template <class T> const T *as() const
	{
		return (const T *)view.buf;
	}

      private:
	Py_buffer view;
};

class Hosts : public Bound
{
      public:
	explicit Hosts(size_t limit) : limit(limit), table(1024)
	{
		if (limit < 1)
			throw py::value_error("limit must be 1 or more");
	}

	void add(uint64_t high, uint64_t low, uint32_t bytes)
	{
		size_t mask = table.size() - 1, at = place(high, low) & mask;
		for (;; at = (at + 1) & mask) {
			Host &host = table[at];
			if (host.packets == 0) {
				if (used >= limit) {
					others.packets++;
					others.bytes += bytes;
					return;
				}
				host = {high, low, 1, bytes};
				if (++used * (used < ROOMY ? 4 : 2) > table.size())
					grow();
				return;
			}
			if (host.low == low && host.high == high) {
				host.packets++;
				host.bytes += bytes;
				return;
			}
		}
	}

	/*
	 * Counts packets from number i on as long as they are IPv4 and their host lies where it is
	 * looked for first. Returns the number of the one that is not so, or n. The table is not
	 * moved meanwhile, so nothing is read again for each packet.
	 */
	Py_ssize_t add_known(const uint8_t *version, const uint32_t *address, const uint32_t *bytes,
			     Py_ssize_t i, Py_ssize_t n)
	{
		Host *const hosts = table.data();
		const size_t mask = table.size() - 1;
		for (; i < n && version[i] == 4; i++) {
			uint64_t low = MAPPED | address[i];
			Host &host = hosts[place(0, low) & mask];
			if (host.low != low || host.high != 0)
				break;
			host.packets++;
			host.bytes += bytes[i];
		}
		return i;
	}

	std::vector<Host> top(size_t n, bool by_bytes) const
	{
		std::vector<Host> best;
		for (const Host &host : table)
			if (host.packets > 0)
				best.push_back(host);
		n = std::min(n, best.size());
		auto more = [by_bytes](const Host &a, const Host &b) {
			uint64_t x = by_bytes ? a.bytes : a.packets;
			uint64_t y = by_bytes ? b.bytes : b.packets;
			if (x != y)
				return x > y;
			return a.high != b.high ? a.high < b.high : a.low < b.low;
		};
		std::partial_sort(best.begin(), best.begin() + (std::ptrdiff_t)n, best.end(), more);
		best.resize(n);
		return best;
	}

	const size_t limit;
	size_t used = 0;
	Host others = {};

      private:
	/* Where to look first, before it is cut to the table's size. */
	static size_t place(uint64_t high, uint64_t low)
	{
		return (size_t)((high ^ low) * 0x9e3779b97f4a7c15u >> 32);
	}

	void grow()
	{
		std::vector<Host> old(table.size() * 2);
		old.swap(table);
		size_t mask = table.size() - 1;
		for (const Host &host : old) {
			if (host.packets == 0)
				continue;
			size_t at = place(host.high, host.low) & mask;
			while (table[at].packets > 0)
				at = (at + 1) & mask;
			table[at] = host;
		}
	}

	/* Most addresses are found at the first look while the table is small enough for a cache.
	 */
	static constexpr size_t ROOMY = 16384;

	std::vector<Host> table; /* a power of two; never more than half full, or a quarter */
};

uint64_t be64(const uint8_t *p)
{
	uint64_t v = 0;
	for (int i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}

void add(Hosts &hosts, const py::object &version, const py::object &v4, const py::object &v6,
	 const py::object &len)
{
	Py_ssize_t n = py::len(py::memoryview(version));
	View versions(version, 1, n), addresses(v4, 4, n), sizes(len, 4, n);
	View long_addresses(v6, 16, n);
	auto *ver = versions.as<uint8_t>();
	auto *address = addresses.as<uint32_t>(), *size = sizes.as<uint32_t>();
	auto *long_address = long_addresses.as<uint8_t>();
	py::gil_scoped_release release;

	for (Py_ssize_t i = 0; i < n; i++) {
		/* Mostly IPv4, and mostly of a host that is known. */
		i = hosts.add_known(ver, address, size, i, n);
		if (i == n)
			break;
		if (ver[i] == 4)
			hosts.add(0, MAPPED | address[i], size[i]);
		else if (ver[i] == 6)
			hosts.add(be64(long_address + 16 * i), be64(long_address + 16 * i + 8),
				  size[i]);
	}
}

py::str text(const Host &host)
{
	char out[INET6_ADDRSTRLEN];
	if (host.high == 0 && host.low >> 32 == MAPPED >> 32) {
		in_addr a = {htonl((uint32_t)host.low)};
		inet_ntop(AF_INET, &a, out, sizeof(out));
		return py::str(out);
	}
	in6_addr a;
	for (int i = 0; i < 8; i++) {
		a.s6_addr[i] = (uint8_t)(host.high >> (56 - 8 * i));
		a.s6_addr[8 + i] = (uint8_t)(host.low >> (56 - 8 * i));
	}
	inet_ntop(AF_INET6, &a, out, sizeof(out));
	return py::str(out);
}

py::list top(const Hosts &hosts, Py_ssize_t n, bool by_bytes)
{
	py::list rows;
	for (const Host &host : hosts.top(n < 0 ? 0 : (size_t)n, by_bytes))
		rows.append(py::make_tuple(text(host), host.packets, host.bytes));
	return rows;
}

} // namespace

void register_hosts(py::module_ &m)
{
	py::class_<Hosts>(m, "Hosts")
		.def(py::init<size_t>(), "limit"_a)
		.def("add", &add, "version"_a, "v4"_a, "v6"_a, "len"_a)
		.def("top", &top, "n"_a, "by_bytes"_a)
		.def("__len__", [](const Hosts &h) { return h.used; })
		.def_property_readonly("others", [](const Hosts &h) {
			return py::make_tuple(h.others.packets, h.others.bytes);
		});
}
