/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * batch.cpp - binds what pfring/batch.py makes batches of: reading many packets
 * at once, and their columns as buffers.
 *
 * With the GIL held; given up while packets are received, copied and parsed.
 * Every column holds its memory, so an array outlives batch and ring. A batch
 * that is a view of ring memory says no once the ring has gone on, and arrays
 * taken before still point to memory that is mapped (OpenRing).
 */
#include "batch.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <type_traits>

#include "registry.h"
#include "ring.h"

namespace py = pybind11;
using namespace py::literals;

namespace
{

constexpr int LINKTYPE_ETHERNET = 1;

/* One column, or the data, for Python's buffer protocol. */
struct Column : Bound {
	std::shared_ptr<void> owner;
	void *data;
	size_t n, width; /* elements, bytes of each */
	const char *format;
};

class PacketBatch : public Bound
{
      public:
	PacketBatch(std::shared_ptr<PacketStore> packets, bool ethernet)
	    : ethernet(ethernet), store(std::move(packets))
	{
	}
	/* A view of what a ring has just received. */
	PacketBatch(std::shared_ptr<ViewStore> seen, const py::object &self, const Ring &ring,
		    std::shared_ptr<OpenRing> pin)
	    : ethernet(ring.linktype == LINKTYPE_ETHERNET), view(std::move(seen)), ring(self),
	      handle(ring.handle.get()), pin(std::move(pin)), generation(handle->generation()),
	      tags_known(false)
	{
	}

	size_t size() const
	{
		return view != nullptr ? view->n : store->n;
	}

	bool valid() const
	{
		return handle == nullptr ||
		       (!handle->closed() && handle->generation() == generation);
	}
	void check() const
	{
		if (!valid())
			throw_error_text(-EBADF,
					 "the packets of this batch have left the ring; use it "
					 "before the next one is read, or copy() it",
					 "Closed");
	}
	/* The columns; of a view they are made when they are first asked for. */
	PacketStore &packets()
	{
		check();
		if (view != nullptr) {
			bool copied;
			store = view->columns(ethernet, &copied);
			view.reset();
			if (copied) {
				ring = py::none();
				handle = nullptr;
				pin.reset();
				tags_known = true;
			}
		}
		return *store;
	}
	bool is_view()
	{
		if (view != nullptr && valid())
			packets();
		return handle != nullptr;
	}
	/* What keeps the columns and the data where they are. */
	std::shared_ptr<void> owner();
	void know_tags();

	const bool ethernet;

      private:
	std::shared_ptr<PacketStore> store; /* nullptr as long as there is a view */
	std::shared_ptr<ViewStore> view;
	/* Of packets in ring memory: */
	py::object ring; /* None: copied */
	Handle *handle = nullptr;
	std::shared_ptr<OpenRing> pin;
	uint64_t generation = 0;
	bool tags_known = true;
};

struct FlowBatch : Bound {
	std::shared_ptr<FlowStore> store;
};

std::shared_ptr<void> PacketBatch::owner()
{
	packets();
	if (handle == nullptr)
		return store;
	/* Both: the columns are the store's, the data is the ring's. */
	auto both = std::make_shared<
		std::pair<std::shared_ptr<PacketStore>, std::shared_ptr<OpenRing>>>(store, pin);
	return both;
}

const char *format_of_width(bool is_signed, size_t width)
{
	switch (width) {
	case 1:
		return is_signed ? "b" : "B";
	case 2:
		return is_signed ? "h" : "H";
	case 4:
		return is_signed ? "i" : "I";
	default:
		return is_signed ? "q" : "Q";
	}
}

template <class T> Column numbers(std::shared_ptr<void> owner, T *data, size_t n)
{
	return {{}, std::move(owner), (void *)data,
		n,  sizeof(T),	      format_of_width(std::is_signed<T>::value, sizeof(T))};
}

/* Tags that lie in the data are looked for only if somebody asks: it reads every packet. */
void PacketBatch::know_tags()
{
	PacketStore &s = packets();

	for (size_t i = 0; !tags_known && i < s.n; i++) {
		pfring_packet p = {};
		p.data = s.data + s.offset[i];
		p.caplen = s.caplen[i];
		if (s.vlan[i] == 0)
			s.vlan[i] = vlan_of(&p, ethernet);
	}
	tags_known = true;
}

Column packet_column(PacketBatch &b, const std::string &name)
{
	PacketStore &s = b.packets();
	std::shared_ptr<void> owner = b.owner();
	if (name == "ts_ns")
		return numbers(owner, s.ts_ns, s.n);
	if (name == "offset")
		return numbers(owner, s.offset, s.n);
	if (name == "offsets") /* Arrow's: one more, the end of the last packet */
		return numbers(owner, s.offset, s.n + 1);
	if (name == "len")
		return numbers(owner, s.len, s.n);
	if (name == "caplen")
		return numbers(owner, s.caplen, s.n);
	if (name == "ifindex")
		return numbers(owner, s.ifindex, s.n);
	if (name == "direction")
		return numbers(owner, s.direction, s.n);
	if (name == "queue")
		return numbers(owner, s.queue, s.n);
	if (name == "data")
		return numbers(owner, s.data, s.used);
	if (name != "vlan")
		throw py::key_error(name);
	b.know_tags();
	return numbers(owner, s.vlan, s.n);
}

Column flow_column(FlowBatch &b, const std::string &name)
{
	FlowStore &s = *b.store;
	const pfring_flows &f = s.flows;
	std::shared_ptr<void> owner = b.store;
#define COLUMN(from, member)                                                                       \
	if (name == #member)                                                                       \
	return numbers(owner, from member, s.n)
	COLUMN(s., ts_ns);
	COLUMN(s., len);
	COLUMN(s., caplen);
	COLUMN(s., queue);
	COLUMN(f., eth_src);
	COLUMN(f., eth_dst);
	COLUMN(f., eth_type);
	COLUMN(f., vlan);
	COLUMN(f., qinq);
	COLUMN(f., ip_version);
	COLUMN(f., proto);
	COLUMN(f., tos);
	COLUMN(f., frag);
	COLUMN(f., src);
	COLUMN(f., dst);
	COLUMN(f., sport);
	COLUMN(f., dport);
	COLUMN(f., tcp_flags);
	COLUMN(f., icmp_type);
	COLUMN(f., icmp_code);
	COLUMN(f., payload_offset);
	COLUMN(f., payload_len);
	COLUMN(f., hash);
#undef COLUMN
	if (name == "src6")
		return {{}, owner, f.src6, s.n, 16, "16s"};
	if (name == "dst6")
		return {{}, owner, f.dst6, s.n, 16, "16s"};
	throw py::key_error(name);
}

/* Several tables: where the same value comes again and again, an addition waits for the last. */
template <class T> void count_into(int64_t *sum, size_t values, const T *column, size_t n)
{
	constexpr size_t TABLES = sizeof(T) == 1 ? 4 : 2;
	std::vector<uint32_t> table(TABLES * values);
	size_t i = 0;

	for (; i + TABLES <= n; i += TABLES)
		for (size_t k = 0; k < TABLES; k++)
			table[k * values + column[i + k]]++;
	for (; i < n; i++)
		table[column[i]]++;
	for (size_t v = 0; v < values; v++)
		for (size_t k = 0; k < TABLES; k++)
			sum[v] += table[k * values + v];
}

/* How many packets have each value of a column: 256 or 65,536 numbers. */
Column count_values(FlowBatch &b, const std::string &name)
{
	Column c = flow_column(b, name);
	char kind = *c.format;
	if (kind != 'B' && kind != 'H')
		throw py::value_error("values of 8 and 16 bits can be counted; use numpy.unique() "
				      "for " +
				      name);
	size_t values = kind == 'B' ? 256 : 65536;
	auto sum = std::make_shared<std::vector<int64_t>>(values);
	if (kind == 'B')
		count_into(sum->data(), values, (const uint8_t *)c.data, c.n);
	else
		count_into(sum->data(), values, (const uint16_t *)c.data, c.n);
	return numbers(sum, sum->data(), values);
}

/*
 * Receives into sink until full() packets are there: waits up to timeout_ns for
 * the first, and up to gather_ns more for the others. Returns why none
 * came (None: some did); throws what went wrong only if none did, else next time.
 */
template <class Full>
Handle::End receive(Ring &ring, PacketSink &sink, unsigned n, int64_t timeout_ns, int64_t gather_ns,
		    Full full)
{
	using Clock = std::chrono::steady_clock;
	bool any = false;
	Clock::time_point end;

	ring.check_open();
	while (!full()) {
		int64_t wait = timeout_ns;
		if (any && gather_ns > 0)
			wait = std::max<int64_t>(0, (end - Clock::now()) /
							    std::chrono::nanoseconds(1));
		else if (any)
			wait = 0;
		unsigned taken = 0;
		Handle::End why = ring.refill(wait, &sink, n, &taken);
		if (why == Handle::End::Exception && any) {
			ring.deferred = std::make_unique<py::error_already_set>();
			break;
		}
		if (why == Handle::End::Exception)
			throw py::error_already_set();
		if (why != Handle::End::None && !any)
			return why;
		if (why != Handle::End::None)
			break;
		if (!any)
			end = Clock::now() + std::chrono::nanoseconds(gather_ns);
		any = true;
		n = full.left();
	}
	return Handle::End::None;
}

/* None: nothing came in time. False: nothing more will come. */
py::object nothing(Handle::End why)
{
	return why == Handle::End::Timeout ? py::object(py::none()) : py::bool_(false);
}

template <class Store> struct Until {
	const Store &store;
	bool operator()() const
	{
		return store.n == store.capacity;
	}
	unsigned left() const
	{
		return (unsigned)(store.capacity - store.n);
	}
};

int64_t wait_of(const Ring &ring, const py::object &timeout)
{
	return timeout.is(py::ellipsis()) ? ring.timeout_ns : timeout_from_python(timeout);
}

unsigned checked(Py_ssize_t n)
{
	if (n < 1 || n > 1 << 24)
		throw py::value_error("a batch has 1 to 16777216 packets");
	return (unsigned)n;
}

py::object read_packets(Ring &ring, Py_ssize_t n, const py::object &timeout,
			const py::object &gather, size_t hint)
{
	bool ethernet = ring.linktype == LINKTYPE_ETHERNET;
	auto store = std::make_shared<PacketStore>(checked(n), hint, ethernet);
	Handle::End why = receive(ring, *store, (unsigned)n, wait_of(ring, timeout),
				  timeout_from_python(gather), Until<PacketStore>{*store});
	if (why != Handle::End::None)
		return nothing(why);
	return batch_of(store, ethernet);
}

py::object view_packets(const py::object &self, Py_ssize_t n, const py::object &timeout)
{
	auto &ring = self.cast<Ring &>();
	auto store = std::make_shared<ViewStore>(checked(n));
	unsigned taken = 0;

	ring.check_open();
	std::shared_ptr<OpenRing> pin = ring.handle->pin();
	Handle::End why = ring.refill(wait_of(ring, timeout), store.get(), (unsigned)n, &taken);
	if (why == Handle::End::Exception)
		throw py::error_already_set();
	if (why != Handle::End::None)
		return nothing(why);
	return py::cast(PacketBatch(std::move(store), self, ring, std::move(pin)));
}

py::object read_flows(Ring &ring, Py_ssize_t n, const py::object &timeout, const py::object &gather)
{
	if (ring.linktype != LINKTYPE_ETHERNET)
		throw_error_text(-EOPNOTSUPP,
				 "flows are parsed from Ethernet frames; " + ring.source +
					 " has link type " + std::to_string(ring.linktype),
				 "NotSupported");
	auto store = std::make_shared<FlowStore>(checked(n));
	Handle::End why = receive(ring, *store, (unsigned)n, wait_of(ring, timeout),
				  timeout_from_python(gather), Until<FlowStore>{*store});
	if (why != Handle::End::None)
		return nothing(why);
	return py::cast(FlowBatch{{}, store});
}

FlowBatch parse_flows(PacketBatch &b)
{
	const PacketStore &s = b.packets();
	if (!b.ethernet)
		throw_error_text(-EOPNOTSUPP, "flows are parsed from Ethernet frames only",
				 "NotSupported");
	std::shared_ptr<void> owner = b.owner();
	py::gil_scoped_release release;
	return {{}, std::make_shared<FlowStore>(s)};
}

PacketBatch copy_packets(PacketBatch &b)
{
	const PacketStore &s = b.packets();
	auto copy = std::make_shared<PacketStore>(s.n, s.used, b.ethernet);
	for (size_t i = 0; i < s.n; i++) {
		pfring_packet p = {};
		p.data = s.data + s.offset[i];
		p.ts_ns = s.ts_ns[i];
		p.caplen = s.caplen[i];
		p.len = s.len[i];
		p.if_index = s.ifindex[i];
		p.rx_direction = !s.direction[i];
		p.queue = (uint16_t)(s.queue[i] + 1);
		p.vlan_tci = s.vlan[i];
		p.flags = s.vlan[i] ? PKT_FLAGS_VLAN_HWACCEL : 0;
		if (copy->take(&p, 1) < 0)
			throw std::bad_alloc();
	}
	return {std::move(copy), b.ethernet};
}

/* New packets from buffers of columns: what is not in a ring can be a batch too. */
PacketBatch make_packets(const py::buffer &ts_ns, const py::buffer &offset,
			 const py::buffer &caplen, const py::buffer &len, const py::buffer &data,
			 bool ethernet)
{
	py::buffer_info t = ts_ns.request(), o = offset.request(), c = caplen.request(),
			l = len.request(), d = data.request();
	if (t.itemsize != 8 || o.itemsize != 8 || c.itemsize != 4 || l.itemsize != 4 ||
	    d.itemsize != 1 || o.size != t.size || c.size != t.size || l.size != t.size)
		throw py::value_error("columns of a batch: ts_ns and offset of 8 bytes, caplen and "
				      "len of 4, equally long");
	auto store = std::make_shared<PacketStore>((size_t)t.size, (size_t)d.size, ethernet);
	for (py::ssize_t i = 0; i < t.size; i++) {
		pfring_packet p = {};
		int64_t at = ((const int64_t *)o.ptr)[i];
		p.caplen = ((const uint32_t *)c.ptr)[i];
		if (at < 0 || at > d.size || p.caplen > d.size - at)
			throw py::value_error("a packet of the batch lies outside its data");
		p.data = (const u_char *)d.ptr + at;
		p.ts_ns = ((const uint64_t *)t.ptr)[i];
		p.len = ((const uint32_t *)l.ptr)[i];
		p.if_index = UNKNOWN_INTERFACE;
		p.rx_direction = 1;
		if (store->take(&p, 1) < 0)
			throw std::bad_alloc();
	}
	return {std::move(store), ethernet};
}

py::tuple packet_at(PacketBatch &b, Py_ssize_t i)
{
	const PacketStore &s = b.packets();
	if (i < 0)
		i += (Py_ssize_t)s.n;
	if (i < 0 || (size_t)i >= s.n)
		throw py::index_error("the batch has " + std::to_string(s.n) + " packets");
	return py::make_tuple(s.ts_ns[i],
			      py::bytes((const char *)s.data + s.offset[i], s.caplen[i]));
}

/* The same packets to whatever takes packets: a Dumper, a Writer. */
void feed(PacketBatch &b, PacketSink &sink)
{
	constexpr unsigned STEP = 256;
	const PacketStore &s = b.packets();
	std::shared_ptr<void> owner = b.owner();
	std::vector<pfring_packet> packets(STEP);
	int err = 0;
	{
		py::gil_scoped_release release;
		for (size_t i = 0; i < s.n && err >= 0; i += STEP) {
			unsigned n = (unsigned)std::min<size_t>(STEP, s.n - i);
			for (unsigned k = 0; k < n; k++) {
				pfring_packet &p = packets[k];
				p = {};
				p.data = s.data + s.offset[i + k];
				p.ts_ns = s.ts_ns[i + k];
				p.caplen = s.caplen[i + k];
				p.len = s.len[i + k];
				p.if_index = s.ifindex[i + k];
				p.rx_direction = !s.direction[i + k];
				p.queue = (uint16_t)(s.queue[i + k] + 1);
			}
			err = sink.take(packets.data(), n);
		}
	}
	if (err < 0)
		throw_error_text(err, sink.why(), err == -EBADF ? "Closed" : nullptr);
}

/* Keeps the Python object of a sink as long as the ring uses it. */
void set_tee(Ring &ring, const py::object &writer)
{
	std::shared_ptr<PacketSink> sink;
	if (!writer.is_none()) {
		PyObject *obj = writer.inc_ref().ptr();
		sink = std::shared_ptr<PacketSink>(&writer.cast<PacketSink &>(),
						   [obj](PacketSink *) {
							   py::gil_scoped_acquire gil;
							   Py_DECREF(obj);
						   });
	}
	ring.check_open();
	ring.handle->set_tee(std::move(sink));
}

} // namespace

py::object batch_of(std::shared_ptr<PacketStore> store, bool ethernet)
{
	return py::cast(PacketBatch(std::move(store), ethernet));
}

void register_batch(py::module_ &m)
{
	py::class_<Column>(m, "Column", py::buffer_protocol()).def_buffer([](Column &c) {
		return py::buffer_info(c.data, (py::ssize_t)c.width, c.format, 1,
				       {(py::ssize_t)c.n}, {(py::ssize_t)c.width}, true);
	});
	py::class_<PacketBatch>(m, "PacketBatch")
		.def(py::init(&make_packets), "ts_ns"_a, "offset"_a, "caplen"_a, "len"_a, "data"_a,
		     "ethernet"_a = true)
		.def("__len__", &PacketBatch::size)
		.def("column", &packet_column, "name"_a)
		.def("packet", &packet_at, "i"_a)
		.def("flows", &parse_flows)
		.def("copy", &copy_packets)
		.def("feed", &feed, "sink"_a)
		.def_property_readonly("size", [](PacketBatch &b) { return b.packets().used; })
		.def_property_readonly("ethernet", [](const PacketBatch &b) { return b.ethernet; })
		.def_property_readonly("valid", &PacketBatch::valid)
		.def_property_readonly("is_view", &PacketBatch::is_view);
	py::class_<FlowBatch>(m, "FlowBatch")
		.def("__len__", [](const FlowBatch &b) { return b.store->n; })
		.def("column", &flow_column, "name"_a)
		.def("count", &count_values, "name"_a)
		.def_property_readonly("n_ipv6",
				       [](const FlowBatch &b) { return b.store->n_ipv6; });
	m.def("read_packets", &read_packets, "ring"_a, "n"_a, "timeout"_a, "gather"_a, "hint"_a);
	m.def("view_packets", &view_packets, "ring"_a, "n"_a, "timeout"_a);
	m.def("read_flows", &read_flows, "ring"_a, "n"_a, "timeout"_a, "gather"_a);
	m.def("set_tee", &set_tee, "ring"_a, "writer"_a);
}
