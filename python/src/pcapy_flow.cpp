/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcapy_flow.cpp - loop_filtered(), loop_to_buffer(): loops that classify each
 * packet here and trouble Python with the wanted classes only.
 *
 * The rules are in docs/pcapy.md. Batches without a wanted packet are dealt
 * with in a Sieve, without the GIL. A loop's flow table and address set are its
 * own and end with it.
 */
#include <sys/mman.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <vector>

#include "pcapy.h"

namespace
{

constexpr unsigned kEtherVlan = 0x8100, kEtherQinQ = 0x88a8;
constexpr uint8_t kTcp = 6, kUdp = 17;
constexpr uint8_t kSyn = 0x02;

uint16_t be16(const u_char *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* In network order, as addr_set has them. */
uint32_t address_at(const u_char *at)
{
	uint32_t address;

	memcpy(&address, at, sizeof(address));
	return address;
}

/* Mixes 64 bits so that each of them decides about half of the result's. */
uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93u;
	x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93u;
	return x ^ (x >> 32);
}

/* IPv4 addresses, open addressing, at most half full. 0.0.0.0 marks a free slot: never found. */
class AddressSet
{
      public:
	void build(const char *packed, Py_ssize_t size)
	{
		size_t count = (size_t)size / 4, slots = 16;

		while (slots < 2 * count + 1)
			slots *= 2;
		slots_.assign(count ? slots : 0, 0);
		for (size_t i = 0; i < count; i++) {
			uint32_t address =
				address_at(reinterpret_cast<const u_char *>(packed) + 4 * i);
			if (address != 0)
				slots_[find(address)] = address;
		}
	}

	bool has(uint32_t address) const
	{
		return !slots_.empty() && address != 0 && slots_[find(address)] == address;
	}

      private:
	size_t find(uint32_t address) const
	{
		size_t mask = slots_.size() - 1, at = mix(address) & mask;

		while (slots_[at] != 0 && slots_[at] != address)
			at = (at + 1) & mask;
		return at;
	}

	std::vector<uint32_t> slots_;
};

/* How often each flow was seen. A newcomer takes the slot of the flow it collides with. */
class FlowTable
{
      public:
	FlowTable() = default;
	FlowTable(const FlowTable &) = delete;
	FlowTable &operator=(const FlowTable &) = delete;
	~FlowTable()
	{
		if (slots_ != nullptr)
			munmap(slots_, kSlots * sizeof(Slot));
	}

	/* Pages come into being as they are touched. False if there is no memory. */
	bool build()
	{
		void *memory = mmap(nullptr, kSlots * sizeof(Slot), PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		slots_ = memory == MAP_FAILED ? nullptr : static_cast<Slot *>(memory);
		return slots_ != nullptr;
	}

	/* Packets of the flow before this one. */
	uint32_t seen(uint32_t src, uint32_t dst, uint16_t sport, uint16_t dport, uint8_t protocol)
	{
		uint64_t hosts = (uint64_t)src << 32 | dst;
		uint64_t key =
			mix(hosts ^ mix((uint64_t)sport << 24 | (uint64_t)dport << 8 | protocol));
		Slot &slot = slots_[key % kSlots];

		if (slot.key != key || slot.count == 0)
			slot = {key, 0};
		if (slot.count < UINT32_MAX)
			slot.count++;
		return slot.count - 1;
	}

      private:
	struct Slot {
		uint64_t key;
		uint32_t count;
	};
	static constexpr size_t kSlots = 1u << 20;

	Slot *slots_ = nullptr;
};

/* Where things are in a packet. */
struct Layers {
	bool ipv4 = false, ports = false;
	uint8_t protocol = 0;
	uint16_t sport = 0, dport = 0;
	uint32_t src = 0, dst = 0;
	unsigned transport = 0;
};

/*
 * Finds the IPv4 header at l2_offset, or behind at most two VLAN tags: the two
 * bytes before each place are looked at first, since a tag's own first byte may
 * pass for an IPv4 version. Later fragments have no ports.
 */
Layers dissect(const u_char *p, unsigned len, unsigned offset)
{
	Layers layers;

	for (int tags = 0; tags < 2 && offset >= 2 && offset <= len; tags++) {
		unsigned type = be16(p + offset - 2);
		if (type != kEtherVlan && type != kEtherQinQ)
			break;
		offset += 4;
	}
	if (len < offset + 20 || p[offset] >> 4 != 4)
		return layers;

	const u_char *ip = p + offset;
	unsigned header = (ip[0] & 15u) * 4;
	layers.ipv4 = true;
	layers.protocol = ip[9];
	layers.src = address_at(ip + 12);
	layers.dst = address_at(ip + 16);
	layers.transport = offset + header;
	if ((layers.protocol == kTcp || layers.protocol == kUdp) && header >= 20 &&
	    len >= layers.transport + 4 && (be16(ip + 6) & 0x1fff) == 0) {
		layers.ports = true;
		layers.sport = be16(p + layers.transport);
		layers.dport = be16(p + layers.transport + 2);
	}
	return layers;
}

class Ports
{
      public:
	/* Adds a Python sequence of ints. None and nullptr add the default. False with an error. */
	bool add(PyObject *sequence, std::initializer_list<uint16_t> standard)
	{
		if (sequence == nullptr || sequence == Py_None) {
			ports_.assign(standard);
			return true;
		}
		PyObject *fast = PySequence_Fast(sequence, "ports must be a sequence of ints");
		if (fast == nullptr)
			return false;
		for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(fast); i++) {
			long port = PyLong_AsLong(PySequence_Fast_GET_ITEM(fast, i));

			if (port == -1 && PyErr_Occurred()) {
				Py_DECREF(fast);
				return false;
			}
			ports_.push_back((uint16_t)port);
		}
		Py_DECREF(fast);
		return true;
	}

	bool has_either(const Layers &layers) const
	{
		return std::any_of(ports_.begin(), ports_.end(), [&](uint16_t port) {
			return port == layers.sport || port == layers.dport;
		});
	}

      private:
	std::vector<uint16_t> ports_;
};

/* The arguments that both loops share, and the verdict on a packet. */
class Classifier
{
      public:
	int count = 0, mask = 7, profile = 0;

	bool parse(PyObject *args, PyObject *kwargs, const char *format, const char *const *names,
		   void *target, const char *profile_error);

	unsigned classes() const
	{
		return profile ? 6 : 3;
	}
	unsigned id(unsigned index) const
	{
		return profile ? 100 + index : index;
	}
	bool admits(unsigned index) const
	{
		return mask >> index & 1;
	}
	unsigned classify(const struct pfring_packet &packet)
	{
		Layers layers = dissect(packet.data, packet.caplen, (unsigned)l2_offset_);

		return profile ? security(packet, layers) : generic(layers);
	}

      private:
	enum { other, flow_head, set_match };
	enum { dns, http, bulk, address, handshake, syn };

	bool in_set(const Layers &layers) const
	{
		return layers.ipv4 && (addresses_.has(layers.src) || addresses_.has(layers.dst));
	}

	bool is_head(const Layers &layers)
	{
		return cutoff_ > 0 && layers.ports &&
		       flows_.seen(layers.src, layers.dst, layers.sport, layers.dport,
				   layers.protocol) < (uint32_t)cutoff_;
	}

	unsigned generic(const Layers &layers)
	{
		if (in_set(layers))
			return set_match;
		return is_head(layers) ? flow_head : other;
	}

	unsigned security(const struct pfring_packet &packet, const Layers &layers);

	int cutoff_ = 0, dns_port_ = 53, l2_offset_ = 14;
	AddressSet addresses_;
	FlowTable flows_;
	Ports http_, tls_;
};

unsigned Classifier::security(const struct pfring_packet &packet, const Layers &layers)
{
	auto dns_port = (uint16_t)dns_port_;

	if (layers.ports && (layers.sport == dns_port || layers.dport == dns_port))
		return dns;
	if (layers.ports && layers.protocol == kTcp && packet.caplen >= layers.transport + 14) {
		const u_char *tcp = packet.data + layers.transport;
		unsigned header = (tcp[12] >> 4) * 4u;

		if (tcp[13] == kSyn)
			return syn;
		if (header >= 20 && packet.caplen > layers.transport + header &&
		    http_.has_either(layers))
			return http;
	}
	if (in_set(layers))
		return address;
	return layers.ports && tls_.has_either(layers) && is_head(layers) ? handshake : bulk;
}

bool Classifier::parse(PyObject *args, PyObject *kwargs, const char *format,
		       const char *const *names, void *target, const char *profile_error)
{
	PyObject *http_ports = nullptr, *tls_ports = nullptr;
	const char *packed = nullptr;
	Py_ssize_t size = 0;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, format, const_cast<char **>(names), &count,
					 target, &mask, &packed, &size, &cutoff_, &http_ports,
					 &tls_ports, &dns_port_, &l2_offset_, &profile))
		return false;
	if (l2_offset_ < 0 || l2_offset_ > 64) {
		PyErr_SetString(PyExc_ValueError, "l2_offset out of range [0,64]");
		return false;
	}
	if (profile != 0 && profile != 1) {
		PyErr_SetString(PyExc_ValueError, profile_error);
		return false;
	}
	if (!http_.add(http_ports, {80, 8080, 3128, 8000, 8118, 1080}) ||
	    !tls_.add(tls_ports, {443}))
		return false;
	addresses_.build(packed, size);
	if (cutoff_ > 0 && !flows_.build()) {
		PyErr_NoMemory();
		return false;
	}
	return true;
}

/*
 * loop_filtered(): the packets up to the first that Python wants. Each is
 * classified when its turn comes, never ahead: flows are counted, and what a
 * callback reads by itself is none of this loop's packets.
 */
class Filtered final : public Sieve
{
      public:
	Filtered(Reader *reader, Classifier *classifier) : reader_(reader), classifier_(classifier)
	{
	}

	unsigned want() override
	{
		if (classifier_->count <= 0)
			return kHeld;
		return (unsigned)std::min<int64_t>(kHeld, classifier_->count - done_);
	}

	unsigned swallow(const struct pfring_packet *packets, unsigned n) override
	{
		unsigned i = 0;

		while (i < n && !is_wanted(packets[i]))
			i++;
		return i;
	}

	/* With the GIL: hands the next held packet over if it is wanted. False on an exception. */
	bool hand_over(PyObject *callback)
	{
		/* The one that swallow() stopped at is in the books already. */
		if (stopped_at_ != reader_->next->data && !is_wanted(*reader_->next)) {
			reader_->next++;
			return true;
		}
		stopped_at_ = nullptr;
		return call(callback, class_);
	}

      private:
	/* Classifies a packet and enters it into the books. */
	bool is_wanted(const struct pfring_packet &packet)
	{
		unsigned index = classifier_->classify(packet);
		bool wanted = classifier_->admits(index);

		count(wanted ? 0 : 1);
		count(2 + index);
		done_++;
		class_ = classifier_->id(index);
		stopped_at_ = wanted ? packet.data : nullptr;
		return wanted;
	}

	/* filtered_stats() may look from another thread, which holds the GIL while we do not. */
	void count(unsigned which)
	{
		uint64_t *counter = &reader_->counts[which];

		__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
	}

	bool call(PyObject *callback, unsigned cls);

	Reader *reader_;
	Classifier *classifier_;
	int64_t done_ = 0;
	const u_char *stopped_at_ = nullptr;
	unsigned class_ = 0;
};

/* loop_to_buffer(): every batch ends here. */
class ToBuffer final : public Sieve
{
      public:
	ToBuffer(Classifier *classifier, const Py_buffer &buffer)
	    : classifier_(classifier), at_(static_cast<u_char *>(buffer.buf)),
	      room_((uint64_t)buffer.len)
	{
	}

	unsigned want() override
	{
		if (classifier_->count <= 0)
			return kHeld;
		return (unsigned)std::min<int64_t>(kHeld, classifier_->count - done_);
	}

	unsigned swallow(const struct pfring_packet *packets, unsigned n) override
	{
		for (unsigned i = 0; i < n; i++)
			put(packets[i]);
		done_ += n;
		return n;
	}

	uint64_t written = 0, dropped = 0, overflow = 0, used = 0;
	uint64_t per_class[kClasses] = {};

      private:
	void put(const struct pfring_packet &packet)
	{
		unsigned index = classifier_->classify(packet);
		uint32_t caplen = packet.caplen;

		per_class[index]++;
		if (!classifier_->admits(index)) {
			dropped++;
			return;
		}
		if (room_ - used < 5 + (uint64_t)caplen) {
			overflow++;
			return;
		}
		u_char *to = at_ + used;
		const u_char head[5] = {(u_char)caplen, (u_char)(caplen >> 8),
					(u_char)(caplen >> 16), (u_char)(caplen >> 24),
					(u_char)classifier_->id(index)};
		memcpy(to, head, sizeof(head));
		memcpy(to + sizeof(head), packet.data, caplen);
		used += sizeof(head) + caplen;
		written++;
	}

	Classifier *classifier_;
	u_char *at_;
	uint64_t room_;
	int64_t done_ = 0;
};

PyObject *tuple_of(std::initializer_list<uint64_t> first, const uint64_t *rest, unsigned n)
{
	PyObject *tuple = PyTuple_New((Py_ssize_t)(first.size() + n));
	Py_ssize_t at = 0;

	if (tuple == nullptr)
		return nullptr;
	auto add = [&](uint64_t value) {
		PyTuple_SET_ITEM(tuple, at++, PyLong_FromUnsignedLongLong(value));
	};
	for (uint64_t value : first)
		add(value);
	for (unsigned i = 0; i < n; i++)
		add(rest[i]);
	if (PyErr_Occurred())
		Py_CLEAR(tuple);
	return tuple;
}

PyObject *counters(const Reader *reader)
{
	return tuple_of({reader->counts[0], reader->counts[1]}, reader->counts + 2,
			reader->profile ? 6 : 3);
}

bool Filtered::call(PyObject *callback, unsigned cls)
{
	const struct pfring_packet *packet = reader_->next;
	PyObject *header = pcapy_pkthdr_new(packet);
	PyObject *data = PyBytes_FromStringAndSize(reinterpret_cast<const char *>(packet->data),
						   (Py_ssize_t)packet->caplen);
	PyObject *number = PyLong_FromUnsignedLong(cls);
	PyObject *result = nullptr;

	if (header && data && number) {
		PyObject *args[4] = {nullptr, header, data, number};

		reader_->next++;
		result = PyObject_Vectorcall(callback, args + 1, 3 | PY_VECTORCALL_ARGUMENTS_OFFSET,
					     nullptr);
	}
	Py_XDECREF(header);
	Py_XDECREF(data);
	Py_XDECREF(number);
	Py_XDECREF(result);
	return result != nullptr;
}

} // namespace

PyObject *pcapy_loop_filtered(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static const char *names[] = {"cnt",	     "cb",	  "admit_mask", "addr_set",
				      "flow_cutoff", "dpi_ports", "tls_ports",	"dns_port",
				      "l2_offset",   "profile",	  nullptr};
	Reader *reader = as_reader(self);
	Classifier classifier;
	PyObject *callback;

	if (!pcapy_open(reader))
		return nullptr;
	if (!classifier.parse(args, kwargs, "iO|iy#iOOiii:loop_filtered", names, &callback,
			      "profile must be 0 (generic) or 1 (security)") ||
	    !pcapy_activated(reader))
		return nullptr;
	memset(reader->counts, 0, sizeof(reader->counts));
	reader->profile = classifier.profile;

	ReaderUse use(reader);
	Filtered filtered(reader, &classifier);
	while (filtered.want() > 0) {
		if (!pcapy_has(reader)) {
			Got got = pcapy_fetch(reader, true, &filtered);

			if (got == Got::error)
				return nullptr;
			if (got != Got::packets)
				break;
		}
		if (!filtered.hand_over(callback))
			return nullptr;
	}
	pcapy_tidy(reader);
	return counters(reader);
}

PyObject *pcapy_filtered_stats(PyObject *self, PyObject *)
{
	return counters(as_reader(self));
}

PyObject *pcapy_loop_to_buffer(PyObject *self, PyObject *args, PyObject *kwargs)
{
	static const char *names[] = {"cnt",	     "writable_buf", "admit_mask", "addr_set",
				      "flow_cutoff", "dpi_ports",    "tls_ports",  "dns_port",
				      "l2_offset",   "profile",	     nullptr};
	Reader *reader = as_reader(self);
	Classifier classifier;
	Py_buffer buffer = {};
	bool failed = true;

	if (!pcapy_open(reader))
		return nullptr;
	if (!classifier.parse(args, kwargs, "iw*|iy#iOOiii:loop_to_buffer", names, &buffer,
			      "profile must be 0 or 1") ||
	    !pcapy_activated(reader)) {
		if (buffer.obj != nullptr)
			PyBuffer_Release(&buffer);
		return nullptr;
	}

	ReaderUse use(reader);
	ToBuffer writer(&classifier, buffer);
	if (pcapy_has(reader)) {
		unsigned n = std::min((unsigned)(reader->end - reader->next), writer.want());

		writer.swallow(reader->next, n);
		reader->next += n;
	}
	failed = writer.want() > 0 && pcapy_fetch(reader, true, &writer) == Got::error;
	PyBuffer_Release(&buffer);
	if (failed)
		return nullptr;
	pcapy_tidy(reader);
	return tuple_of({writer.written, writer.dropped, writer.overflow, writer.used},
			writer.per_class, classifier.classes());
}
