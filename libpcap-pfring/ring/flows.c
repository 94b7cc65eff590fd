/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * flows.c - parses whole batches into columns.
 *
 * Called by pfring_parse_flows*(), the columns of Python. Any thread. Nearly
 * all packets are TCP or UDP in an unfragmented IPv4 without options, with at
 * most one VLAN tag. A block of packets is therefore taken as if all were: the
 * words that matter are gathered, then each step is done for all packets of
 * the block at once, with the processor's vectors, and without a branch. What
 * was something else, cut off or odd is found out on the way and goes to the
 * parser of parse.c; so both must agree on what they have in common:
 * test_flows.c compares them packet by packet.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <linux/if_ether.h>

#include "backend.h"
#include "flow_hash.h"
#include "parse_walk.h"

#define inline_always static inline __attribute__((always_inline))

/* Packets whose bytes are asked for ahead of time: they lie in ring memory, not in the cache. */
#define AHEAD 24

/* Packets done together: a few vectors wide, and all of a block stays in the first cache. */
#define LANES 64

/* Packets for the general parser that are collected before it is called. */
#define LATE (4 * LANES)

/* From the Ethernet header to the flags of TCP, with a tag: what gather() reads. */
#define NEEDED (ETH_HLEN + 4 + 20 + 14)

typedef u_int32_t lanes32[LANES];

struct block {
	/* Gathered; words as they lie in the packet. */
	lanes32 version, fragment, src, dst, ports, offset;
	lanes32 cap, l3, type, vlan;
	/* Worked out. */
	lanes32 proto, tos, sport, dport, flags, payload_offset, payload_len, hash, ok;
	u_int64_t eth_src[LANES], eth_dst[LANES];
};

static u_int64_t be48(const u_char *p)
{
	return (u_int64_t)pfri_be16(p) << 32 | pfri_be32(p + 2);
}

/* Datagram end as parse_ip.c has it, where the general parser found an IP header at l3. */
static u_int32_t payload_end(const u_char *p, u_int32_t l3, u_int32_t cap, u_int8_t version)
{
	u_int32_t len = version == 4 ? pfri_be16(p + l3 + 2) : pfri_be16(p + l3 + 4);

	if (version == 6 && len)
		len += 40;
	return len && len < cap - l3 ? l3 + len : cap;
}

/* Any packet. Returns 1 if it is IPv6. */
static __attribute__((noinline)) u_int slow(const u_char *p, u_int32_t caplen,
					    const struct pfring_flows *f, size_t i)
{
	u_int32_t cap = min_val(caplen, PFRI_PARSE_MAX), frag, end;
	struct pkt_parsing_info info;
	int reached = pfri_parse(p, caplen, 4, &info, &frag);
	bool v6 = info.ip_version == 6;

	f->eth_dst[i] = reached ? be48(p) : 0;
	f->eth_src[i] = reached ? be48(p + ETH_ALEN) : 0;
	f->eth_type[i] = info.eth_type;
	f->vlan[i] = info.vlan_id;
	f->qinq[i] = info.qinq_vlan_id;
	f->ip_version[i] = info.ip_version;
	f->proto[i] = info.l3_proto;
	f->tos[i] = info.ip_tos;
	f->frag[i] = (u_int8_t)((frag & PKT_FLAGS_IP_MORE_FRAG ? 1 : 0) +
				(frag & PKT_FLAGS_IP_FRAG_OFFSET ? 2 : 0));
	f->src[i] = v6 ? 0 : info.ip_src.v4;
	f->dst[i] = v6 ? 0 : info.ip_dst.v4;
	if (v6) {
		memcpy(f->src6[i], &info.ip_src.v6, 16);
		memcpy(f->dst6[i], &info.ip_dst.v6, 16);
	}
	f->sport[i] = info.l4_src_port;
	f->dport[i] = info.l4_dst_port;
	f->tcp_flags[i] = (u_int8_t)info.tcp.flags;
	f->icmp_type[i] = info.icmp_type;
	f->icmp_code[i] = info.icmp_code;
	f->payload_offset[i] = info.offset.payload_offset;
	f->payload_len[i] = 0;
	if (info.offset.payload_offset >= 0) {
		end = payload_end(p, (u_int32_t)info.offset.l3_offset, cap, info.ip_version);
		f->payload_len[i] = (u_int16_t)(end - (u_int32_t)info.offset.payload_offset);
	}
	f->hash[i] = reached ? pfri_flow_hash(&info, frag, cluster_per_flow) : 0;
	return v6;
}

/* A TCP or UDP packet in an IPv6 header without extensions, at most one tag; else false. */
static bool quick_ipv6(const u_char *p, u_int32_t caplen, const struct pfring_flows *f, size_t i)
{
	u_int32_t cap = min_val(caplen, PFRI_PARSE_MAX), l3 = ETH_HLEN, l4, end, len = 8;
	u_int16_t type = pfri_be16(p + 12), vlan = 0, payload;
	struct pfri_end a, b;
	const u_char *h, *t;

	if (type == ETH_P_8021Q) {
		vlan = pfri_be16(p + 14) & 0x0fff;
		type = pfri_be16(p + 16);
		l3 += 4;
	}
	l4 = l3 + 40;
	if (type != ETH_P_IPV6 || cap < l4 + 8)
		return false;
	h = p + l3;
	t = p + l4;
	payload = pfri_be16(h + 4);
	end = payload && payload < cap - l4 ? l4 + payload : cap;
	if (h[0] >> 4 != 6 || (h[6] != IPPROTO_TCP && h[6] != IPPROTO_UDP))
		return false;
	if (h[6] == IPPROTO_TCP) {
		if (end - l4 < 20)
			return false;
		len = (t[12] >> 4) * 4u;
	}
	if (end - l4 < len || (h[6] == IPPROTO_TCP && len < 20))
		return false;
	f->eth_dst[i] = be48(p);
	f->eth_src[i] = be48(p + ETH_ALEN);
	f->eth_type[i] = type;
	f->vlan[i] = vlan;
	f->qinq[i] = 0;
	f->ip_version[i] = 6;
	f->proto[i] = h[6];
	f->tos[i] = (u_int8_t)(h[0] << 4 | h[1] >> 4);
	f->frag[i] = 0;
	f->src[i] = f->dst[i] = 0;
	memcpy(f->src6[i], h + 8, 16);
	memcpy(f->dst6[i], h + 24, 16);
	memcpy(&a.high, h + 8, 8);
	memcpy(&a.low, h + 16, 8);
	memcpy(&b.high, h + 24, 8);
	memcpy(&b.low, h + 32, 8);
	a.port = f->sport[i] = pfri_be16(t);
	b.port = f->dport[i] = pfri_be16(t + 2);
	f->tcp_flags[i] = h[6] == IPPROTO_TCP ? t[13] : 0;
	f->icmp_type[i] = f->icmp_code[i] = 0;
	f->payload_offset[i] = (int16_t)(l4 + len);
	f->payload_len[i] = (u_int16_t)(end - l4 - len);
	f->hash[i] = pfri_hash_ends(&a, &b, (u_int64_t)vlan << 16 ^ h[6]);
	return true;
}

/* Everything below is inlined into one function for each set of vectors. */
inline_always u_int32_t word(const u_char *p)
{
	u_int32_t w;

	memcpy(&w, p, 4);
	return w;
}

/* One packet's words into lane k. A short packet reads zeros, which are no packet. */
inline_always void gather(struct block *b, u_int k, const u_char *p, u_int32_t caplen)
{
	static const u_char nothing[NEEDED];
	const u_char *h;
	u_int32_t tag;
	u_int64_t mac;
	u_int16_t w;

	if (caplen < NEEDED)
		p = nothing;
	memcpy(&mac, p, 8);
	b->eth_dst[k] = be64toh(mac) >> 16;
	memcpy(&mac, p + 4, 8);
	b->eth_src[k] = be64toh(mac) & 0xffffffffffff;
	memcpy(&w, p + 12, 2);
	tag = w == htons(ETH_P_8021Q);
	h = p + ETH_HLEN + 4 * tag;
	memcpy(&w, h - 2, 2);
	b->type[k] = w;
	memcpy(&w, p + ETH_HLEN, 2);
	b->vlan[k] = w & -tag;
	b->l3[k] = ETH_HLEN + 4 * tag;
	b->cap[k] = caplen;
	b->version[k] = word(h);
	b->fragment[k] = word(h + 6);
	b->src[k] = word(h + 12);
	b->dst[k] = word(h + 16);
	b->ports[k] = word(h + 20);
	memcpy(&w, h + 32, 2);
	b->offset[k] = w;
}

inline_always u_int32_t swap16(u_int32_t w)
{
	return be32toh(w << 16) & 0xffff;
}

inline_always void work_out(struct block *b)
{
	for (u_int k = 0; k < LANES; k++) {
		u_int32_t version = be32toh(b->version[k]), fragment = be32toh(b->fragment[k]);
		u_int32_t ports = be32toh(b->ports[k]);
		u_int32_t offset =
			BYTE_ORDER == LITTLE_ENDIAN ? swap16(b->offset[k]) : b->offset[k];
		u_int32_t proto = fragment & 0xff, total = version & 0xffff;
		u_int32_t tcp = -(u_int32_t)(proto == IPPROTO_TCP);
		u_int32_t udp = -(u_int32_t)(proto == IPPROTO_UDP);
		/* Of the headers of the transport; from the IP header on, what was captured. */
		u_int32_t len = (offset >> 10 & 60 & tcp) | (8 & udp);
		u_int32_t least = (20 & tcp) | (8 & udp);
		u_int32_t cap = min_val(b->cap[k], PFRI_PARSE_MAX) - b->l3[k];
		/* Padding is cut off; a length of 0 is a GSO frame's (parse_ip.c). */
		u_int32_t end = min_val(total - 1, cap - 1) + 1;

		b->ok[k] = -(u_int32_t)(version >> 24 == 0x45) &
			   -(u_int32_t)(b->type[k] == htons(ETH_P_IP)) & (tcp | udp) &
			   -(u_int32_t)(!(fragment >> 16 & 0x3fff)) & -(u_int32_t)(len >= least) &
			   -(u_int32_t)(end >= 20 + len);
		b->proto[k] = proto;
		b->tos[k] = version >> 16 & 0xff;
		b->src[k] = be32toh(b->src[k]);
		b->dst[k] = be32toh(b->dst[k]);
		b->sport[k] = ports >> 16;
		b->dport[k] = ports & 0xffff;
		b->flags[k] = offset & 0xff & tcp;
		b->payload_offset[k] = b->l3[k] + 20 + len;
		b->payload_len[k] = end - 20 - len;
		b->vlan[k] =
			(BYTE_ORDER == LITTLE_ENDIAN ? swap16(b->vlan[k]) : b->vlan[k]) & 0x0fff;
	}
	for (u_int k = 0; k < LANES; k++) {
		u_int64_t x = (u_int64_t)b->src[k] << 16 | b->sport[k];
		u_int64_t y = (u_int64_t)b->dst[k] << 16 | b->dport[k];
		u_int64_t lo = min_val(x, y), hi = x ^ y ^ lo;
		u_int64_t rest = (u_int64_t)b->vlan[k] << 16 ^ b->proto[k];

		b->hash[k] = pfri_hash_short((u_int32_t)(lo >> 16), (u_int16_t)lo,
					     (u_int32_t)(hi >> 16), (u_int16_t)hi, rest);
	}
}

/* Into n elements of a column of narrower numbers. */
#define NARROW(column, type, lanes)                                                                \
	do {                                                                                       \
		type *to = (column) + at;                                                          \
		for (u_int k = 0; k < n; k++)                                                      \
			to[k] = (type)(lanes)[k];                                                  \
	} while (0)

inline_always void store(const struct block *b, u_int n, const struct pfring_flows *f, size_t at)
{
	memcpy(f->eth_src + at, b->eth_src, n * sizeof(*f->eth_src));
	memcpy(f->eth_dst + at, b->eth_dst, n * sizeof(*f->eth_dst));
	memcpy(f->src + at, b->src, n * sizeof(*f->src));
	memcpy(f->dst + at, b->dst, n * sizeof(*f->dst));
	memcpy(f->hash + at, b->hash, n * sizeof(*f->hash));
	memset(f->qinq + at, 0, n * sizeof(*f->qinq));
	memset(f->frag + at, 0, n);
	memset(f->icmp_type + at, 0, n);
	memset(f->icmp_code + at, 0, n);
	memset(f->ip_version + at, 4, n);
	NARROW(f->vlan, u_int16_t, b->vlan);
	NARROW(f->proto, u_int8_t, b->proto);
	NARROW(f->tos, u_int8_t, b->tos);
	NARROW(f->sport, u_int16_t, b->sport);
	NARROW(f->dport, u_int16_t, b->dport);
	NARROW(f->tcp_flags, u_int8_t, b->flags);
	NARROW(f->payload_offset, int16_t, b->payload_offset);
	NARROW(f->payload_len, u_int16_t, b->payload_len);
	for (u_int k = 0; k < n; k++)
		f->eth_type[at + k] = ETH_P_IP;
}

/* Where packets are: an array of descriptors, or offsets into one piece of memory. */
struct source {
	const struct pfring_packet *packets; /* or NULL */
	const u_char *data;
	const u_int64_t *offset;
	const u_int32_t *caplen;
};

inline_always const u_char *data_of(const struct source *s, size_t i)
{
	return s->packets ? s->packets[i].data : s->data + s->offset[i];
}

inline_always u_int32_t caplen_of(const struct source *s, size_t i)
{
	return s->packets ? s->packets[i].caplen : s->caplen[i];
}

/* Packets that are not plain IPv4: numbers from the same start as those of the columns. */
struct late {
	u_int n;
	u_int32_t which[LATE];
};

/*
 * What the blocks left over, many at a time: to go from vectors to plain code
 * and back costs hundreds of cycles. Returns how many are IPv6.
 */
static __attribute__((noinline)) u_int parse_late(struct late *late, const struct source *s,
						  const struct pfring_flows *f, size_t at)
{
	u_int v6 = 0;

	for (u_int k = 0; k < late->n; k++) {
		size_t i = late->which[k];
		const u_char *p = data_of(s, i);
		u_int32_t caplen = caplen_of(s, i);

		if (caplen >= NEEDED && quick_ipv6(p, caplen, f, at + i))
			v6++;
		else
			v6 += slow(p, caplen, f, at + i);
	}
	late->n = 0;
	return v6;
}

/* Up to LANES packets from number i on. */
inline_always void parse_block(struct block *b, const struct source *s, size_t i, size_t all,
			       const struct pfring_flows *f, size_t at, struct late *late)
{
	u_int n = (u_int)min_val(all - i, (size_t)LANES);

	for (u_int k = 0; k < n; k++) {
		__builtin_prefetch(data_of(s, min_val(i + k + AHEAD, all - 1)) + ETH_HLEN);
		gather(b, k, data_of(s, i + k), caplen_of(s, i + k));
	}
	work_out(b);
	store(b, n, f, at + i);
	for (u_int k = 0; k < n; k++) {
		late->which[late->n] = (u_int32_t)(i + k);
		late->n += !b->ok[k];
	}
}

inline_always u_int parse_all(const struct source *s, size_t n, const struct pfring_flows *f,
			      size_t at)
{
	struct late late = {.n = 0};
	struct block b;
	u_int v6 = 0;

	memset(&b, 0, sizeof(b)); /* the last block's unused lanes are worked out too */
	for (size_t i = 0; i < n; i += LANES) {
		parse_block(&b, s, i, n, f, at, &late);
		if (late.n > LATE - LANES - 1)
			v6 += parse_late(&late, s, f, at);
	}
	return late.n ? v6 + parse_late(&late, s, f, at) : v6;
}

typedef u_int parse_fn(const struct source *, size_t, const struct pfring_flows *, size_t);

static u_int parse_plain(const struct source *s, size_t n, const struct pfring_flows *f, size_t at)
{
	return parse_all(s, n, f, at);
}

#ifdef __x86_64__
__attribute__((target("avx2"))) static u_int parse_avx2(const struct source *s, size_t n,
							const struct pfring_flows *f, size_t at)
{
	return parse_all(s, n, f, at);
}

__attribute__((target("avx2,avx512f,avx512bw,avx512dq,avx512vl"))) static u_int
parse_avx512(const struct source *s, size_t n, const struct pfring_flows *f, size_t at)
{
	return parse_all(s, n, f, at);
}
#endif

static parse_fn *choose(void)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
	    __builtin_cpu_supports("avx512vl"))
		return parse_avx512;
	if (__builtin_cpu_supports("avx2"))
		return parse_avx2;
#endif
	return parse_plain;
}

static bool complete(const struct pfring_flows *f)
{
	return f && f->sz >= sizeof(*f) && f->eth_src && f->eth_dst && f->eth_type && f->vlan &&
	       f->qinq && f->ip_version && f->proto && f->tos && f->frag && f->src && f->dst &&
	       f->src6 && f->dst6 && f->sport && f->dport && f->tcp_flags && f->icmp_type &&
	       f->icmp_code && f->payload_offset && f->payload_len && f->hash;
}

int pfring_parse_flows(const struct pfring_packet *packets, u_int n,
		       const struct pfring_flows *flows, size_t at)
{
	struct source s = {.packets = packets};
	struct pfring_flows f;

	if (!complete(flows) || (n && !packets))
		return pfri_fail(-EINVAL, "pfring_parse_flows: packets or a column are missing");
	f = *flows; /* ours: no store through a column can change it */
	return (int)choose()(&s, n, &f, at);
}

int pfring_parse_flows_in(const u_char *data, const u_int64_t *offset, const u_int32_t *caplen,
			  u_int n, const struct pfring_flows *flows, size_t at)
{
	struct source s = {.data = data, .offset = offset, .caplen = caplen};
	struct pfring_flows f;

	if (!complete(flows) || (n && !(data && offset && caplen)))
		return pfri_fail(-EINVAL, "pfring_parse_flows_in: packets or a column are missing");
	f = *flows;
	return (int)choose()(&s, n, &f, at);
}
