/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring_inspect.cpp - Ring.lanes() and Ring.details(): how a ring works and how
 * its parts do (`pfring top`, `pfring doctor`).
 *
 * With the GIL; asked in a turn of their own, so from any thread at any time.
 */
#include <string>
#include <vector>

#include "errors.h"
#include "ring.h"

namespace py = pybind11;

template <class F> static int ask(Ring &ring, F f)
{
	ring.check_open();
	int ret = ring.handle->exclusive(f);
	if (ret < 0) {
		ring.check_open(); /* another thread closed it meanwhile */
		throw_error(ret);
	}
	return ret;
}

py::list ring_lanes(Ring &ring)
{
	std::vector<pfring_lane> lanes(1);
	for (;;) {
		int n = ask(ring, [&](pfring *r) {
			return pfring_get_lanes(r, lanes.data(), (u_int)lanes.size());
		});
		bool all = (size_t)n <= lanes.size();
		lanes.resize((size_t)n);
		if (all)
			break;
	}
	py::object lane = py::module_::import("pfring.records").attr("Lane");
	py::list result;
	for (const pfring_lane &l : lanes)
		result.append(lane(l.bytes, l.queued, l.accepted, l.dropped, l.wakeups));
	return result;
}

static std::string program_of(Ring &ring)
{
	std::string text(512, '\0');
	for (;;) {
		int n = ask(ring, [&](pfring *r) {
			return pfring_print_filter(r, text.data(), (u_int)text.size());
		});
		bool all = (size_t)n < text.size(); /* with room for the NUL */
		text.resize((size_t)n + !all);
		if (all)
			return text;
	}
}

py::object ring_details(Ring &ring)
{
	static const char *const places[] = {"", "kernel", "ebpf", "user"};
	struct pfring_details d = {};
	d.sz = sizeof(d);
	ask(ring, [&](pfring *r) { return pfring_get_details(r, &d); });
	return py::module_::import("pfring.records")
		.attr("Details")(d.lanes, d.copies, d.snaplen, places[d.filter], d.filter_len,
				 d.refiltered != 0, (const char *)d.clock, program_of(ring));
}
