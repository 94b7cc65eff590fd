/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ring.cpp - binds pfring.Ring: opening, reading, sending, settings.
 *
 * With the GIL held throughout; everything that may wait gives it up in
 * handle.cpp, opening gives it up here. The path of single packets is
 * ring_iter.cpp.
 */
#include "ring.h"

#include <pybind11/stl.h>

#include <cerrno>
#include <climits>
#include <cmath>
#include <vector>

#include "dumper.h"
#include "errors.h"
#include "paths.h"
#include "registry.h"
#include "verbose.h"

namespace py = pybind11;
using namespace py::literals;

/* About 31 years: longer waits would not fit 64-bit nanoseconds with room for arithmetic. */
static constexpr double MAX_TIMEOUT = 1e9;

int64_t timeout_from_python(const py::handle &seconds)
{
	if (seconds.is_none())
		return WAIT_FOREVER;
	double s = PyFloat_AsDouble(seconds.ptr());
	if (s == -1.0 && PyErr_Occurred())
		throw py::error_already_set();
	if (std::isnan(s) || s < 0)
		throw py::value_error("timeout must be None or a number of seconds, 0 or more");
	return s > MAX_TIMEOUT ? WAIT_FOREVER : (int64_t)std::ceil(s * 1e9);
}

void Ring::check_open() const
{
	if (handle->closed())
		throw_error_text(-EBADF, "the ring on " + source + " is closed", "Closed");
}

int ring_check(const Ring &ring, int ret, const char *cls)
{
	if (ret < 0) {
		ring.check_open(); /* another thread closed it meanwhile */
		throw_error(ret, cls);
	}
	return ret;
}

struct Choice {
	const char *name;
	int value;
};

static int choose(const Choice *choices, const std::string &what, const std::string &name)
{
	std::string names;
	for (const Choice *c = choices; c->name != nullptr; c++) {
		if (name == c->name)
			return c->value;
		names += std::string(names.empty() ? "" : ", ") + "'" + c->name + "'";
	}
	throw py::value_error(what + " must be one of " + names + ", not '" + name + "'");
}

static const Choice directions[] = {
	{"inout", rx_and_tx_direction},
	{"in", rx_only_direction},
	{"out", tx_only_direction},
	{nullptr, 0},
};

static const Choice policies[] = {
	{"drop", 0},
	{"accept", 1},
	{nullptr, 0},
};

static const Choice cluster_types[] = {
	{"flow", cluster_per_flow},
	{"round_robin", cluster_round_robin},
	{"2_tuple", cluster_per_flow_2_tuple},
	{"4_tuple", cluster_per_flow_4_tuple},
	{"5_tuple", cluster_per_flow_5_tuple},
	{"tcp_5_tuple", cluster_per_flow_tcp_5_tuple},
	{"ip_5_tuple", cluster_per_flow_ip_5_tuple},
	{"inner_flow", cluster_per_inner_flow},
	{"inner_2_tuple", cluster_per_inner_flow_2_tuple},
	{"inner_4_tuple", cluster_per_inner_flow_4_tuple},
	{"inner_5_tuple", cluster_per_inner_flow_5_tuple},
	{"inner_tcp_5_tuple", cluster_per_inner_flow_tcp_5_tuple},
	{"inner_ip_5_tuple", cluster_per_inner_flow_ip_5_tuple},
	{nullptr, 0},
};

static void set_filter(Ring &ring, const std::string &expression)
{
	auto f = [&](pfring *r) { return pfring_set_bpf_filter(r, expression.c_str()); };
	ring.check_open();
	int ret = ring.handle->change_filter(f);
	ring_check(ring, ret, ret == -EINVAL ? "FilterError" : nullptr);
	ring.filter = expression;
}

static void set_direction(Ring &ring, const std::string &name)
{
	auto value = (packet_direction)choose(directions, "direction", name);
	auto f = [&](pfring *r) { return pfring_set_direction(r, value); };
	ring.check_open();
	ring_check(ring, ring.handle->change_filter(f));
	ring.direction = name;
}

static void set_sampling(Ring &ring, unsigned rate)
{
	ring_call(ring, [&](pfring *r) { return pfring_set_sampling_rate(r, rate); });
	ring.sampling = rate;
}

static void set_policy(Ring &ring, const std::string &name)
{
	int accept = choose(policies, "policy", name);
	ring_call(ring, [&](pfring *r) { return pfring_toggle_filtering_policy(r, accept); });
	ring.policy = name;
}

static void set_reflector(Ring &ring, std::optional<std::string> device)
{
	char *name = device ? device->data() : nullptr;
	auto f = [&](pfring *r) { return pfring_set_reflector_device(r, name); };
	ring.check_open();
	int ret = ring.handle->exclusive(f);
	ring_check(ring, ret, ret == -ELOOP || ret == -EINVAL ? "RuleError" : nullptr);
	ring.reflect_to = std::move(device);
}

static void leave_cluster(Ring &ring)
{
	ring.check_open();
	int ret = ring.handle->exclusive(&pfring_remove_from_cluster);
	/* Elsewhere ENOENT is a file that is missing. */
	ring_check(ring, ret, ret == -ENOENT ? "Error" : nullptr);
}

static void join_cluster(Ring &ring, unsigned id, const std::string &type)
{
	auto t = (cluster_type)choose(cluster_types, "cluster type", type);
	ring_call(ring, [&](pfring *p) { return pfring_set_cluster(p, id, t); });
}

/*
 * The filter and the direction are in force before the ring starts to fill,
 * so no packet is ever seen that they refuse; and it fills as the cluster's.
 */
static std::unique_ptr<Ring> open_ring(const std::string &source, const py::object &filter,
				       unsigned snaplen, bool promisc, const py::object &timeout,
				       bool immediate, uint64_t buffer, const py::object &latency,
				       const std::string &direction, bool cooked,
				       bool hw_timestamps, const py::object &cluster,
				       const std::string &balance, int to_ms)
{
	pfring_open_options opt = {};
	opt.sz = sizeof(opt);
	opt.caplen = snaplen;
	opt.flags = (promisc ? PF_RING_PROMISC : 0) | (hw_timestamps ? PF_RING_HW_TIMESTAMP : 0);
	opt.buffer_bytes = buffer;
	opt.immediate = immediate;
	opt.cooked = cooked;
	opt.to_ms = to_ms;
	if (!latency.is_none()) {
		int64_t ms = timeout_from_python(latency) / 1000000;
		opt.timeout_ms = ms < 1 ? 1 : ms > INT_MAX ? INT_MAX : (int)ms;
	}

	auto ring = std::make_unique<Ring>();
	ring->source = source;
	ring->timeout_ns = timeout_from_python(timeout);
	pfring *handle;
	int err;
	{
		py::gil_scoped_release release;
		handle = pfring_open_opts(source.c_str(), &opt);
		err = -errno;
	}
	if (handle == nullptr)
		throw_error(err);
	ring->handle = std::make_unique<Handle>(handle);
	const char *why = "";
	ring->backend = pfring_get_backend(handle, &why);
	ring->why = why;
	ring->linktype = pfring_get_link_type(handle);
	ring->snaplen = snaplen == 0 || snaplen > MAX_CAPLEN ? MAX_CAPLEN : snaplen;
	try {
		if (!filter.is_none())
			set_filter(*ring, filter.cast<std::string>());
		if (direction != ring->direction)
			set_direction(*ring, direction);
		if (!cluster.is_none())
			join_cluster(*ring, cluster.cast<unsigned>(), balance);
		ring_call(*ring, [](pfring *r) { return pfring_enable_ring(r); });
	} catch (...) {
		ring->handle->close();
		throw;
	}
	tell_path(source.c_str(), handle);
	return ring;
}

/* As many as are there, at most n; waits only for the first. */
static py::list ring_read(Ring &ring, Py_ssize_t n, const py::object &timeout)
{
	int64_t wait = timeout.is(py::ellipsis()) ? ring.timeout_ns : timeout_from_python(timeout);
	if (n < 1)
		throw py::value_error("read() needs a number of packets, 1 or more");
	ring.check_open();
	py::list packets;
	while ((Py_ssize_t)PyList_GET_SIZE(packets.ptr()) < n) {
		const pfring_packet *packet = ring.handle->next_pending();
		if (packet == nullptr) {
			bool first = PyList_GET_SIZE(packets.ptr()) == 0;
			Handle::End end = ring.refill(first ? wait : 0);
			if (end == Handle::End::None)
				continue;
			if (end == Handle::End::Exception && first)
				throw py::error_already_set();
			if (end == Handle::End::Exception)
				ring.deferred = std::make_unique<py::error_already_set>();
			break;
		}
		PyObject *tuple = packet_tuple(packet);
		if (tuple == nullptr || PyList_Append(packets.ptr(), tuple) < 0) {
			Py_XDECREF(tuple);
			throw py::error_already_set();
		}
		Py_DECREF(tuple);
	}
	return packets;
}

static unsigned ring_save(Ring &ring, Dumper &dumper, unsigned n, const py::object &timeout)
{
	int64_t wait = timeout.is(py::ellipsis()) ? ring.timeout_ns : timeout_from_python(timeout);
	unsigned taken = 0;
	ring.check_open();
	if (ring.refill(wait, &dumper, n, &taken) == Handle::End::Exception)
		throw py::error_already_set();
	return taken;
}

/* A buffer of Python's, held as long as libpfring reads from it. */
class Frame
{
      public:
	explicit Frame(const py::handle &data)
	{
		if (PyObject_GetBuffer(data.ptr(), &view, PyBUF_SIMPLE) < 0)
			throw py::error_already_set();
	}
	Frame(Frame &&other) noexcept : view(other.view)
	{
		other.view.obj = nullptr;
	}
	Frame(const Frame &) = delete;
	Frame &operator=(const Frame &) = delete;
	~Frame()
	{
		PyBuffer_Release(&view);
	}
	iovec vec() const
	{
		return {view.buf, (size_t)view.len};
	}

      private:
	Py_buffer view;
};

static int ring_send(Ring &ring, const py::object &data)
{
	Frame frame(data);
	iovec v = frame.vec();
	return ring_call(ring, [&](pfring *r) { return pfring_send(r, v.iov_base, v.iov_len, 1); });
}

static int ring_send_batch(Ring &ring, const py::iterable &data)
{
	std::vector<Frame> frames;
	for (py::handle item : data)
		frames.emplace_back(item);
	std::vector<iovec> vecs;
	for (const Frame &frame : frames)
		vecs.push_back(frame.vec());
	return ring_call(ring,
			 [&](pfring *r) { return pfring_send_batch(r, vecs.data(), vecs.size()); });
}

static py::object ring_stats(Ring &ring)
{
	struct pfring_stats64 st = {};
	st.sz = sizeof(st);
	ring_call(ring, [&](pfring *r) { return pfring_stats64(r, &st); });
	return py::module_::import("pfring.records")
		.attr("Stats")(st.recv, st.drop, st.ifdrop, st.filtered_user, st.delivered, st.sent,
			       st.send_errors, st.ring_bytes, st.queued_bytes, st.wakeups,
			       st.reflected, st.reflect_failed);
}

static py::object timeout_to_python(const Ring &ring)
{
	if (ring.timeout_ns < 0)
		return py::none();
	return py::float_((double)ring.timeout_ns / 1e9);
}

static py::str ring_repr(const Ring &ring)
{
	return text_from_path("<pfring.Ring '" + ring.source + "' backend=" + ring.backend +
			      (ring.handle->closed() ? " closed>" : ">"));
}

/* The collections of rules are Python's (pfring/rules.py), one for each ring. */
static py::object rules_of(const char *which, const py::object &self)
{
	return py::module_::import("pfring.rules").attr(which)(self);
}

/* Methods that pfring/batch.py has: they need NumPy sooner or later, this module never does. */
static py::object in_python(const char *name, const py::object &self, const py::args &args,
			    const py::kwargs &kwargs)
{
	return py::module_::import("pfring.batch").attr(name)(self, *args, **kwargs);
}

void register_ring(py::module_ &m)
{
	py::class_<Ring> ring(m, "Ring", py::release_gil_before_calling_cpp_dtor());
	ring.def(
		    "batches",
		    [](const py::object &self, const py::args &args, const py::kwargs &kwargs) {
			    return in_python("batches", self, args, kwargs);
		    },
		    "Packets by the thousand, as a Batch of columns each: for or async for.")
		.def(
			"flows",
			[](const py::object &self, const py::args &args, const py::kwargs &kwargs) {
				return in_python("flows", self, args, kwargs);
			},
			"Parsed columns straight from the ring; no packet's bytes are kept.")
		.def(
			"tee",
			[](const py::object &self, const py::object &writer) {
				return in_python("tee", self, py::args(py::make_tuple(writer)),
						 py::kwargs());
			},
			"writer"_a,
			"Write everything that is read from now on to writer, too; None: no more.")
		.def(py::init(&open_ring), "source"_a, "filter"_a = py::none(), py::kw_only(),
		     "snaplen"_a = MAX_CAPLEN, "promisc"_a = true, "timeout"_a = py::none(),
		     "immediate"_a = false, "buffer"_a = 0, "latency"_a = py::none(),
		     "direction"_a = "inout", "cooked"_a = false, "hw_timestamps"_a = false,
		     "cluster"_a = py::none(), "balance"_a = "flow", "to_ms"_a = 0)
		.def("__enter__", [](py::object self) { return self; })
		.def("__exit__", [](Ring &r, const py::args &) { r.handle->close(); })
		.def("__iter__",
		     [](py::object self) {
			     auto &ring = self.cast<Ring &>();
			     ring.check_open();
			     PyObject *it = ring_iterator_new(self.ptr(), &ring);
			     if (it == nullptr)
				     throw py::error_already_set();
			     return py::reinterpret_steal<py::object>(it);
		     })
		.def("__repr__", &ring_repr)
		.def("read", &ring_read, "n"_a = 1024, "timeout"_a = py::ellipsis(),
		     "Up to n packets as (ts_ns, bytes); waits for the first one only.")
		.def("save", &ring_save, "dumper"_a, "n"_a = Handle::BATCH,
		     "timeout"_a = py::ellipsis(),
		     "Move a batch of up to n packets into a Dumper; how many.")
		.def("send", &ring_send, "frame"_a, "Send one frame; the bytes sent.")
		.def("send_batch", &ring_send_batch, "frames"_a,
		     "Send frames with few system calls; how many were taken.")
		.def("stats", &ring_stats, "The counters since the ring was opened.")
		.def("lanes", &ring_lanes, "Room, packets and drops of each part of the ring.")
		.def("details", &ring_details, "How the ring works: clock, filter, copies.")
		.def("set_filter", &set_filter, "expression"_a,
		     "Put a pcap-filter(7) expression in force; the old one stays if this fails.")
		.def(
			"remove_filter",
			[](Ring &r) {
				r.check_open();
				ring_check(r, r.handle->change_filter(&pfring_remove_bpf_filter));
				r.filter.reset();
			},
			"Let every packet pass.")
		.def("cluster", &join_cluster, "id"_a, "type"_a = "flow",
		     "Share the device's packets with the other rings of this cluster.")
		.def("leave_cluster", &leave_cluster, "Take all packets again.")
		.def(
			"breakloop", [](Ring &r) { r.handle->breakloop(); },
			"End the wait or iteration under way, or the next one; from any thread.")
		.def(
			"close", [](Ring &r) { r.handle->close(); },
			"Close; a thread that waits comes back. Closing twice is fine.")
		.def(
			"fileno",
			[](Ring &r) {
				r.check_open();
				/* Not before: keeping it true to its word costs every read. */
				if (r.fd < 0)
					ring_call(r, [&r](pfring *p) {
						r.fd = pfring_get_selectable_fd(p);
						return 0;
					});
				if (r.fd < 0)
					throw_error_text(
						-EOPNOTSUPP,
						"the " + r.backend +
							" backend has no descriptor to wait "
							"on; use read(timeout=...)",
						"NotSupported");
				return r.fd;
			},
			"A descriptor that is readable when packets are there.")
		.def_property_readonly("closed", [](Ring &r) { return r.handle->closed(); })
		.def_readonly("eof", &Ring::eof)
		.def_property_readonly("source", [](Ring &r) { return text_from_path(r.source); })
		.def_readonly("backend", &Ring::backend)
		.def_readonly("backend_reason", &Ring::why)
		.def_readonly("linktype", &Ring::linktype)
		.def_readonly("snaplen", &Ring::snaplen)
		.def_property_readonly("filter",
				       [](Ring &r) -> py::object {
					       return r.filter ? py::object(py::str(*r.filter))
							       : py::none();
				       })
		.def_property("timeout", &timeout_to_python,
			      [](Ring &r, const py::object &seconds) {
				      r.timeout_ns = timeout_from_python(seconds);
			      })
		.def_property(
			"direction", [](Ring &r) { return r.direction; }, &set_direction)
		.def_property(
			"sampling", [](Ring &r) { return r.sampling; }, &set_sampling)
		.def_property_readonly(
			"rules", [](const py::object &self) { return rules_of("rules_of", self); })
		.def_property_readonly(
			"hash_rules",
			[](const py::object &self) { return rules_of("hash_rules_of", self); })
		.def_property(
			"policy", [](Ring &r) { return r.policy; }, &set_policy)
		.def_property(
			"reflect_to", [](Ring &r) { return r.reflect_to; }, &set_reflector);
	register_rules(ring);
}
