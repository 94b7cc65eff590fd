/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * batch_store.cpp - fills the columns of batches (see batch_store.h).
 *
 * On the thread that reads a ring, without the GIL. Nothing here may raise a
 * Python error: a lack of memory is -ENOMEM.
 */
#include "batch_store.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>

/* Packets of equal columns would lie at equal places of pages, and fight for the same cache set. */
static constexpr size_t STAGGER = 192, LINE = 64;
/* Packets whose bytes are on their way from the producer's core while one is copied. */
static constexpr unsigned AHEAD = 16;

void Columns::allocate()
{
	size_t total = 0;
	for (const Size &s : sizes)
		total += (s.bytes + LINE - 1) / LINE * LINE + STAGGER;
	memory = std::make_shared<Pages>(total);
	auto at = (uintptr_t)memory->data; /* a page's beginning, so a line's */
	for (const Size &s : sizes) {
		*s.column = (void *)at;
		at += (s.bytes + LINE - 1) / LINE * LINE + STAGGER;
	}
}

static bool is_tag(unsigned type)
{
	return type == 0x8100 || type == 0x88a8 || type == 0x9100;
}

uint16_t vlan_of(const pfring_packet *p, bool ethernet)
{
	if (p->flags & PKT_FLAGS_VLAN_HWACCEL)
		return p->vlan_tci & 0x0fff;
	if (!ethernet || p->caplen < 18 || !is_tag((unsigned)p->data[12] << 8 | p->data[13]))
		return 0;
	return (uint16_t)((p->data[14] << 8 | p->data[15]) & 0x0fff);
}

PacketStore::PacketStore(size_t capacity, size_t hint, bool ethernet)
    : capacity(capacity), ethernet(ethernet)
{
	columns.add(ts_ns, capacity);
	columns.add(offset, capacity + 1);
	columns.add(len, capacity);
	columns.add(caplen, capacity);
	columns.add(ifindex, capacity);
	columns.add(vlan, capacity);
	columns.add(direction, capacity);
	columns.add(queue, capacity);
	columns.allocate();
	offset[0] = 0;
	if (hint > 0 && !make_room(hint))
		throw std::bad_alloc();
}

bool PacketStore::make_room(size_t bytes)
{
	size_t room = memory != nullptr ? memory->bytes : 0;
	if (used + bytes <= room)
		return true;
	try {
		auto larger =
			std::make_unique<Pages>(room * 2 > used + bytes ? room * 2 : used + bytes);
		if (used > 0)
			memcpy(larger->data, data, used);
		memory = std::move(larger);
	} catch (const std::bad_alloc &) {
		return false;
	}
	data = (unsigned char *)memory->data;
	return true;
}

/* Mostly small packets: a call of memcpy() costs more than they do. */
static inline void copy(unsigned char *to, const unsigned char *from, size_t n)
{
	if (n < 32 || n > 128) {
		memcpy(to, from, n);
		return;
	}
	for (size_t i = 0; i + 32 < n; i += 32)
		memcpy(to + i, from + i, 32);
	memcpy(to + n - 32, from + n - 32, 32);
}

/* The columns that batches and flows share. */
struct Row {
	uint64_t *ts_ns;
	uint32_t *len, *caplen;
	int16_t *queue;

	void describe(size_t i, const pfring_packet *p) const
	{
		ts_ns[i] = p->ts_ns;
		len[i] = p->len;
		caplen[i] = p->caplen;
		queue[i] = (int16_t)(p->queue - 1);
	}
};

int PacketStore::take(const pfring_packet *packets, unsigned count)
{
	size_t bytes = 0;
	for (unsigned i = 0; i < count; i++)
		bytes += packets[i].caplen;
	if (n + count > capacity || !make_room(bytes))
		return -ENOMEM;
	/* Pointers of our own: a column's store could change what this points to, for all that the
	 * compiler knows. */
	Row row = {ts_ns + n, len + n, caplen + n, queue + n};
	int64_t *end = offset + n + 1;
	int32_t *index = ifindex + n;
	uint16_t *tag = vlan + n;
	uint8_t *sent = direction + n;
	unsigned char *const to = data;
	size_t at = used;
	for (unsigned i = 0; i < count; i++) {
		const pfring_packet *p = &packets[i];
		const u_char *next = packets[i + AHEAD < count ? i + AHEAD : i].data;
		__builtin_prefetch(next);
		__builtin_prefetch(next + LINE - 1);
		copy(to + at, p->data, p->caplen);
		at += p->caplen;
		row.describe(i, p);
		end[i] = (int64_t)at;
		index[i] = p->if_index;
		tag[i] = vlan_of(p, ethernet);
		sent[i] = !p->rx_direction;
	}
	used = at;
	n += count;
	return 0;
}

ViewStore::ViewStore(size_t capacity)
    : capacity(capacity), descriptors(capacity * sizeof(pfring_packet))
{
}

pfring_packet *ViewStore::room(unsigned *max)
{
	*max = (unsigned)capacity;
	return (pfring_packet *)(void *)descriptors.data;
}

const pfring_packet *ViewStore::packets() const
{
	return (const pfring_packet *)(const void *)descriptors.data;
}

int ViewStore::take(const pfring_packet *packets, unsigned count)
{
	/* Pending packets of a program that had iterated before were not received to room(). */
	if (packets != this->packets())
		memcpy(descriptors.data, packets, count * sizeof(*packets));
	n = count;
	return 0;
}

/*
 * Whether what lies between the packets may be read too: they are in order, and
 * each gap is shorter than a page, so every page in it holds a byte of a packet.
 * A packet alone may lie in libpcap's own memory, which is not ours to keep.
 */
bool ViewStore::one_piece() const
{
	static const long page = sysconf(_SC_PAGESIZE);
	const pfring_packet *p = packets();

	for (size_t i = 0; i + 1 < n; i++) {
		const u_char *end = p[i].data + p[i].caplen;
		if (p[i].caplen == 0 || p[i + 1].data < end || p[i + 1].data - end >= page)
			return false;
	}
	return n > 1 && p[n - 1].caplen > 0;
}

std::shared_ptr<PacketStore> ViewStore::columns(bool ethernet, bool *copied) const
{
	const pfring_packet *p = packets();
	auto store = std::make_shared<PacketStore>(n, 0, ethernet);
	PacketStore &to = *store;

	*copied = !one_piece();
	if (*copied) {
		if (to.take(p, (unsigned)n) < 0)
			throw std::bad_alloc();
		return store;
	}
	to.data = (unsigned char *)p->data;
	to.used = (size_t)(p[n - 1].data + p[n - 1].caplen - p->data);
	for (size_t i = 0; i < n; i++) {
		to.ts_ns[i] = p[i].ts_ns;
		to.offset[i] = p[i].data - p->data;
		to.len[i] = p[i].len;
		to.caplen[i] = p[i].caplen;
		to.ifindex[i] = p[i].if_index;
		to.vlan[i] = p[i].flags & PKT_FLAGS_VLAN_HWACCEL || !ethernet
				     ? vlan_of(&p[i], ethernet)
				     : 0;
		to.direction[i] = !p[i].rx_direction;
		to.queue[i] = (int16_t)(p[i].queue - 1);
	}
	to.n = n;
	to.offset[n] = (int64_t)to.used;
	return store;
}

FlowStore::FlowStore(size_t capacity) : capacity(capacity), ipv6(capacity * 32, true)
{
	columns.add(ts_ns, capacity);
	columns.add(len, capacity);
	columns.add(caplen, capacity);
	columns.add(queue, capacity);
	allocate();
}

FlowStore::FlowStore(const PacketStore &p)
    : n(p.n), capacity(p.n), ts_ns(p.ts_ns), len(p.len), caplen(p.caplen), queue(p.queue),
      shared(p.columns_memory()), ipv6(p.n * 32, true)
{
	static_assert(sizeof(*p.offset) == sizeof(u_int64_t), "an offset is never negative");
	allocate();
	int v6 = pfring_parse_flows_in(p.data, (const u_int64_t *)p.offset, p.caplen, (u_int)p.n,
				       &flows, 0);
	n_ipv6 = v6 > 0 ? (size_t)v6 : 0;
	if (v6 > 0)
		ipv6.soil();
}

void FlowStore::allocate()
{
	pfring_flows &f = flows;
	f.sz = sizeof(f);
	columns.add(f.eth_src, capacity);
	columns.add(f.eth_dst, capacity);
	columns.add(f.eth_type, capacity);
	columns.add(f.vlan, capacity);
	columns.add(f.qinq, capacity);
	columns.add(f.ip_version, capacity);
	columns.add(f.proto, capacity);
	columns.add(f.tos, capacity);
	columns.add(f.frag, capacity);
	columns.add(f.src, capacity);
	columns.add(f.dst, capacity);
	columns.add(f.sport, capacity);
	columns.add(f.dport, capacity);
	columns.add(f.tcp_flags, capacity);
	columns.add(f.icmp_type, capacity);
	columns.add(f.icmp_code, capacity);
	columns.add(f.payload_offset, capacity);
	columns.add(f.payload_len, capacity);
	columns.add(f.hash, capacity);
	columns.allocate();
	f.src6 = (u_int8_t(*)[16])ipv6.data;
	f.dst6 = f.src6 + capacity;
}

int FlowStore::take(const pfring_packet *packets, unsigned count)
{
	if (n + count > capacity)
		return -ENOMEM;
	int v6 = pfring_parse_flows(packets, count, &flows, n);
	if (v6 < 0)
		return v6;
	const Row row = {ts_ns + n, len + n, caplen + n, queue + n};
	for (unsigned i = 0; i < count; i++)
		row.describe(i, &packets[i]);
	n += count;
	n_ipv6 += (size_t)v6;
	if (v6 > 0)
		ipv6.soil();
	return 0;
}
