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

#include "backend.h"
#include "flows_block.h"

/* Packets whose bytes are asked for ahead of time: they lie in ring memory, not in the cache. */
#define AHEAD 24

/* Packets for the general parser that are collected before it is called. */
#define LATE (4 * LANES)

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

/* From here on all is inlined into one function for each set of vectors. */

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

/* n of up to LANES packets from number i on; vectors: gather4() is one of this processor's. */
inline_always void parse_block(struct block *b, const struct source *s, size_t i, u_int n,
			       size_t all, const struct pfring_flows *f, size_t at,
			       struct late *late, bool vectors)
{
	u_int32_t ok = ~0u;

	for (u_int k = 0; k < n; k += 4) {
		const u_char *p[4];

		for (u_int j = 0; j < 4 && k + j < n; j++) {
			size_t ahead = min_val(i + k + j + AHEAD, all - 1);

			__builtin_prefetch(data_of(s, ahead) + ETH_HLEN);
			b->cap[k + j] = caplen_of(s, i + k + j);
			p[j] = readable(data_of(s, i + k + j), b->cap[k + j]);
			if (!vectors)
				gather(b, k + j, p[j]);
		}
#ifdef __x86_64__
		if (vectors)
			gather4(b, k, p);
#endif
	}
	work_out(b);
	store(b, n, f, at + i);
	for (u_int k = 0; k < n; k++)
		ok &= b->ok[k];
	for (u_int k = 0; !ok && k < n; k++) {
		late->which[late->n] = (u_int32_t)(i + k);
		late->n += !b->ok[k];
	}
}

inline_always u_int parse_all(const struct source *s, size_t n, const struct pfring_flows *to,
			      size_t at, bool vectors)
{
	const struct pfring_flows f = *to; /* ours: no store through a column can change it */
	struct late late = {.n = 0};
	struct block b;
	u_int v6 = 0;
	size_t i;

	for (i = 0; i + LANES <= n; i += LANES) {
		parse_block(&b, s, i, LANES, n, &f, at, &late, vectors);
		if (late.n > LATE - LANES)
			v6 += parse_late(&late, s, &f, at);
	}
	if (i < n) {
		memset(&b, 0, sizeof(b)); /* the unused lanes are worked out too */
		parse_block(&b, s, i, (u_int)(n - i), n, &f, at, &late, false);
	}
	return late.n ? v6 + parse_late(&late, s, &f, at) : v6;
}

/* Made once for each kind of source, so that nothing is asked packet by packet. */
inline_always u_int parse_kinds(const struct source *s, size_t n, const struct pfring_flows *f,
				size_t at, bool vectors)
{
	if (s->packets) {
		struct source in = {.packets = s->packets};

		return parse_all(&in, n, f, at, vectors);
	} else {
		struct source in = {.data = s->data, .offset = s->offset, .caplen = s->caplen};

		return parse_all(&in, n, f, at, vectors);
	}
}

typedef u_int parse_fn(const struct source *, size_t, const struct pfring_flows *, size_t);

static u_int parse_plain(const struct source *s, size_t n, const struct pfring_flows *f, size_t at)
{
	return parse_kinds(s, n, f, at, false);
}

#ifdef __x86_64__
__attribute__((target("avx2"))) static u_int parse_avx2(const struct source *s, size_t n,
							const struct pfring_flows *f, size_t at)
{
	return parse_kinds(s, n, f, at, true);
}

__attribute__((target("avx2,avx512f,avx512bw,avx512dq,avx512vl"))) static u_int
parse_avx512(const struct source *s, size_t n, const struct pfring_flows *f, size_t at)
{
	return parse_kinds(s, n, f, at, true);
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

	if (!complete(flows) || (n && !packets))
		return pfri_fail(-EINVAL, "pfring_parse_flows: packets or a column are missing");
	return (int)choose()(&s, n, flows, at);
}

int pfring_parse_flows_in(const u_char *data, const u_int64_t *offset, const u_int32_t *caplen,
			  u_int n, const struct pfring_flows *flows, size_t at)
{
	struct source s = {.data = data, .offset = offset, .caplen = caplen};

	if (!complete(flows) || (n && !(data && offset && caplen)))
		return pfri_fail(-EINVAL, "pfring_parse_flows_in: packets or a column are missing");
	return (int)choose()(&s, n, flows, at);
}
