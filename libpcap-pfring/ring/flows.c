/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * flows.c - parses whole batches into columns.
 *
 * Called by pfring_parse_flows*(), the columns of Python. Any thread. Nearly
 * all packets are TCP or UDP in an unfragmented IPv4 without options, or in an
 * IPv6 without extension headers, with at most one VLAN tag: those are read
 * here with few branches. Everything else, and whatever is cut off or odd, goes
 * to the parser of parse.c, so both must agree on what they have in common;
 * test_flows.c compares them packet by packet.
 */
#include <linux/if_ether.h>

#include "backend.h"
#include "flow_hash.h"
#include "parse_walk.h"

#define inline_always static inline __attribute__((always_inline))

/* Packets whose bytes are asked for ahead of time: they lie in ring memory, not in the cache. */
#define AHEAD 8

/* What the quick way has read of one packet. */
struct quick {
	u_int32_t l4, end; /* as in struct pfri_ip */
	u_int8_t proto;
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

/* Ports, flags and payload. False if this is neither TCP nor UDP, or not all of it is there. */
inline_always bool quick_transport(const u_char *p, const struct quick *q,
				   const struct pfring_flows *f, size_t i)
{
	const u_char *h = p + q->l4;
	u_int32_t len = 8, room = q->end - q->l4;
	u_int8_t flags = 0;

	if (q->proto == IPPROTO_TCP) {
		if (room < 20)
			return false;
		len = (h[12] >> 4) * 4u;
		flags = h[13];
		if (len < 20)
			return false;
	} else if (q->proto != IPPROTO_UDP) {
		return false;
	}
	if (room < len)
		return false;
	f->sport[i] = pfri_be16(h);
	f->dport[i] = pfri_be16(h + 2);
	f->tcp_flags[i] = flags;
	f->icmp_type[i] = 0;
	f->icmp_code[i] = 0;
	f->payload_offset[i] = (int16_t)(q->l4 + len);
	f->payload_len[i] = (u_int16_t)(room - len);
	return true;
}

/* An IPv4 header without options and not of a fragment at p + l3; sets what depends on it. */
inline_always bool quick_ipv4(const u_char *p, u_int32_t l3, u_int32_t cap, u_int16_t vlan,
			      const struct pfring_flows *f, size_t i)
{
	const u_char *h = p + l3;
	struct quick q = {.l4 = l3 + 20, .proto = h[9]};
	u_int32_t total = pfri_be16(h + 2), src = pfri_be32(h + 12), dst = pfri_be32(h + 16);
	u_int64_t a, b, lo, hi;

	q.end = total && total < cap - l3 ? l3 + total : cap;
	/* Version and length of the header; "more fragments" and the offset. */
	if ((h[0] ^ 0x45) | (pfri_be16(h + 6) & 0x3fff) | (q.end < q.l4))
		return false;
	if (!quick_transport(p, &q, f, i))
		return false;
	f->ip_version[i] = 4;
	f->proto[i] = q.proto;
	f->tos[i] = h[1];
	f->src[i] = src;
	f->dst[i] = dst;
	a = (u_int64_t)src << 16 | f->sport[i];
	b = (u_int64_t)dst << 16 | f->dport[i];
	lo = min_val(a, b);
	hi = a ^ b ^ lo;
	f->hash[i] = pfri_hash_short((u_int32_t)(lo >> 16), (u_int16_t)lo, (u_int32_t)(hi >> 16),
				     (u_int16_t)hi, (u_int64_t)vlan << 16 ^ q.proto);
	return true;
}

inline_always bool quick_ipv6(const u_char *p, u_int32_t l3, u_int32_t cap, u_int16_t vlan,
			      const struct pfring_flows *f, size_t i)
{
	const u_char *h = p + l3;
	struct quick q = {.l4 = l3 + 40, .proto = h[6]};
	u_int32_t payload = pfri_be16(h + 4);
	struct pfri_end a, b;

	q.end = payload && payload + 40 < cap - l3 ? q.l4 + payload : cap;
	if (h[0] >> 4 != 6 || !quick_transport(p, &q, f, i))
		return false;
	f->ip_version[i] = 6;
	f->proto[i] = q.proto;
	f->tos[i] = (u_int8_t)(h[0] << 4 | h[1] >> 4);
	f->src[i] = 0;
	f->dst[i] = 0;
	memcpy(f->src6[i], h + 8, 16);
	memcpy(f->dst6[i], h + 24, 16);
	memcpy(&a.high, h + 8, 8);
	memcpy(&a.low, h + 16, 8);
	memcpy(&b.high, h + 24, 8);
	memcpy(&b.low, h + 32, 8);
	a.port = f->sport[i];
	b.port = f->dport[i];
	f->hash[i] = pfri_hash_ends(&a, &b, (u_int64_t)vlan << 16 ^ q.proto);
	return true;
}

/* Returns 1 if the packet is IPv6. */
inline_always u_int parse_one(const u_char *p, u_int32_t caplen, const struct pfring_flows *f,
			      size_t i)
{
	u_int32_t cap = min_val(caplen, PFRI_PARSE_MAX), l3 = ETH_HLEN;
	u_int16_t type, vlan = 0;
	bool v6;

	/* Room for a tag and the shortest IP header, so that no load below needs a test. */
	if (cap < ETH_HLEN + 4 + 20)
		return slow(p, caplen, f, i);
	type = pfri_be16(p + 12);
	if (type == ETH_P_8021Q) {
		vlan = pfri_be16(p + 14) & 0x0fff;
		type = pfri_be16(p + 16);
		l3 += 4;
	}
	v6 = type == ETH_P_IPV6;
	if (v6) {
		if (cap < l3 + 40 || !quick_ipv6(p, l3, cap, vlan, f, i))
			return slow(p, caplen, f, i);
	} else if (type != ETH_P_IP || !quick_ipv4(p, l3, cap, vlan, f, i)) {
		return slow(p, caplen, f, i);
	}
	f->eth_dst[i] = be48(p);
	f->eth_src[i] = be48(p + ETH_ALEN);
	f->eth_type[i] = type;
	f->vlan[i] = vlan;
	f->qinq[i] = 0;
	f->frag[i] = 0;
	return v6;
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
	struct pfring_flows f;
	u_int v6 = 0;

	if (!complete(flows) || (n && !packets))
		return pfri_fail(-EINVAL, "pfring_parse_flows: packets or a column are missing");
	f = *flows; /* ours: no store through a column can change it */
	for (u_int i = 0; i < n; i++) {
		__builtin_prefetch(packets[i + AHEAD < n ? i + AHEAD : i].data + ETH_HLEN);
		v6 += parse_one(packets[i].data, packets[i].caplen, &f, at + i);
	}
	return (int)v6;
}

int pfring_parse_flows_in(const u_char *data, const u_int64_t *offset, const u_int32_t *caplen,
			  u_int n, const struct pfring_flows *flows, size_t at)
{
	struct pfring_flows f;
	u_int v6 = 0;

	if (!complete(flows) || (n && !(data && offset && caplen)))
		return pfri_fail(-EINVAL, "pfring_parse_flows_in: packets or a column are missing");
	f = *flows;
	for (u_int i = 0; i < n; i++) {
		__builtin_prefetch(data + offset[i + AHEAD < n ? i + AHEAD : i] + ETH_HLEN);
		v6 += parse_one(data + offset[i], caplen[i], &f, at + i);
	}
	return (int)v6;
}
