/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * flows_block.h - a block of packets taken as if all were TCP or UDP in a plain
 * IPv4: the words that matter are gathered, each step is done for all packets
 * at once, and the columns are written.
 *
 * For flows.c alone, which inlines all of it once for each set of vectors that
 * processors have, and finds out from ok which packets were something else.
 */
#ifndef PFRI_FLOWS_BLOCK_H
#define PFRI_FLOWS_BLOCK_H

#include <endian.h>
#include <linux/if_ether.h>

#include "flow_hash.h"
#include "parse_walk.h"

#define inline_always static inline __attribute__((always_inline))

/* Packets done together: a few vectors wide, and all of a block stays in the first cache. */
#define LANES 64

/* From the Ethernet header to the flags of TCP, with a tag: what gather() reads. */
#define NEEDED (ETH_HLEN + 4 + 20 + 14)

typedef u_int32_t lanes32[LANES];

struct block {
	/* Gathered, in the machine's byte order. */
	lanes32 version, fragment, src, dst, ports, offset;
	lanes32 cap, l3, type, vlan;
	u_int64_t eth_src[LANES], eth_dst[LANES];
	/* Worked out. */
	lanes32 proto, tos, sport, dport, flags, payload_offset, payload_len, hash, ok;
	lanes32 lower, upper, ends, rest; /* what is hashed; ends: ports, the lower end's first */
};

inline_always u_int32_t word(const u_char *p)
{
	u_int32_t w;

	memcpy(&w, p, 4);
	return be32toh(w);
}

inline_always u_int16_t half(const u_char *p)
{
	u_int16_t w;

	memcpy(&w, p, 2);
	return be16toh(w);
}

/* What is short reads zeros, which are no packet. */
inline_always const u_char *readable(const u_char *p, u_int32_t caplen)
{
	static const u_char nothing[NEEDED];

	return caplen < NEEDED ? nothing : p;
}

/* Of one packet into lane k: the tag. Returns where the IP header would be. */
inline_always const u_char *gather_tag(struct block *b, u_int k, const u_char *p)
{
	u_int32_t tag = half(p + 12) == ETH_P_8021Q;

	b->l3[k] = ETH_HLEN + 4 * tag;
	b->vlan[k] = half(p + ETH_HLEN) & 0x0fff & -tag;
	return p + b->l3[k];
}

/* One packet's words into lane k. */
inline_always void gather(struct block *b, u_int k, const u_char *p)
{
	const u_char *h = gather_tag(b, k, p);
	u_int64_t mac;

	memcpy(&mac, p, 8);
	b->eth_dst[k] = be64toh(mac) >> 16;
	memcpy(&mac, p + 4, 8);
	b->eth_src[k] = be64toh(mac) & 0xffffffffffff;
	b->type[k] = half(h - 2);
	b->version[k] = word(h);
	b->fragment[k] = word(h + 6);
	b->src[k] = word(h + 12);
	b->dst[k] = word(h + 16);
	b->ports[k] = word(h + 20);
	b->offset[k] = half(h + 32);
}

#ifdef __x86_64__
/*
 * The same for four packets at once: a vector of bytes of each, put into order, and four
 * vectors of four words turned round.
 */
typedef u_int8_t bytes16 __attribute__((vector_size(16)));
typedef u_int32_t words4 __attribute__((vector_size(16)));
#ifdef __clang__
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (__typeof__(a)){__VA_ARGS__})
#endif

inline_always bytes16 load16(const u_char *p)
{
	bytes16 v;

	memcpy(&v, p, 16);
	return v;
}

/* Word w of packet i goes to lane i of vector w; three words of each. */
inline_always void turn(const words4 v[4], u_int32_t *w0, u_int32_t *w1, u_int32_t *w2)
{
	words4 a = SHUFFLE(v[0], v[1], 0, 4, 1, 5), b = SHUFFLE(v[2], v[3], 0, 4, 1, 5);
	words4 c = SHUFFLE(v[0], v[1], 2, 6, 3, 7), d = SHUFFLE(v[2], v[3], 2, 6, 3, 7);
	words4 r0 = SHUFFLE(a, b, 0, 1, 4, 5), r1 = SHUFFLE(a, b, 2, 3, 6, 7);
	words4 r2 = SHUFFLE(c, d, 0, 1, 4, 5);

	memcpy(w0, &r0, 16);
	memcpy(w1, &r1, 16);
	memcpy(w2, &r2, 16);
}

inline_always void gather4(struct block *b, u_int k, const u_char *const p[4])
{
	const bytes16 zero = {0};
	words4 first[4], second[4];

	for (u_int i = 0; i < 4; i++) {
		const u_char *h = gather_tag(b, k + i, p[i]);
		bytes16 mac = SHUFFLE(load16(p[i]), zero, 5, 4, 3, 2, 1, 0, 16, 16, 11, 10, 9, 8, 7,
				      6, 16, 16);
		/* EtherType, version to length, fragment to protocol; both addresses, ports. */
		bytes16 x = SHUFFLE(load16(h - 2), zero, 1, 0, 16, 16, 5, 4, 3, 2, 11, 10, 9, 8, 16,
				    16, 16, 16);
		bytes16 y = SHUFFLE(load16(h + 12), zero, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 16,
				    16, 16, 16);
		u_int64_t macs[2];

		memcpy(macs, &mac, 16);
		b->eth_dst[k + i] = macs[0];
		b->eth_src[k + i] = macs[1];
		first[i] = (words4)x;
		second[i] = (words4)y;
		b->offset[k + i] = half(h + 32);
	}
	turn(first, &b->type[k], &b->version[k], &b->fragment[k]);
	turn(second, &b->src[k], &b->dst[k], &b->ports[k]);
}
#endif

inline_always void work_out(struct block *b)
{
	for (u_int k = 0; k < LANES; k++) {
		u_int32_t version = b->version[k], fragment = b->fragment[k], ports = b->ports[k];
		u_int32_t offset = b->offset[k], proto = fragment & 0xff, total = version & 0xffff;
		u_int32_t src = b->src[k], dst = b->dst[k];
		u_int32_t tcp = -(u_int32_t)(proto == IPPROTO_TCP);
		u_int32_t udp = -(u_int32_t)(proto == IPPROTO_UDP);
		/* Of the headers of the transport; from the IP header on, what was captured. */
		u_int32_t len = (offset >> 10 & 60 & tcp) | (8 & udp);
		u_int32_t least = (20 & tcp) | (8 & udp);
		u_int32_t cap = min_val(b->cap[k], PFRI_PARSE_MAX) - b->l3[k];
		/* Padding is cut off; a length of 0 is a GSO frame's (parse_ip.c). */
		u_int32_t end = min_val(total - 1, cap - 1) + 1;
		bool swapped = src > dst || (src == dst && ports >> 16 > (ports & 0xffff));

		b->ok[k] = -(u_int32_t)(version >> 24 == 0x45) &
			   -(u_int32_t)(b->type[k] == ETH_P_IP) & (tcp | udp) &
			   -(u_int32_t)(!(fragment >> 16 & 0x3fff)) & -(u_int32_t)(len >= least) &
			   -(u_int32_t)(end >= 20 + len);
		b->proto[k] = proto;
		b->tos[k] = version >> 16 & 0xff;
		b->sport[k] = ports >> 16;
		b->dport[k] = ports & 0xffff;
		b->flags[k] = offset & 0xff & tcp;
		b->payload_offset[k] = b->l3[k] + 20 + len;
		b->payload_len[k] = end - 20 - len;

		b->lower[k] = min_val(src, dst);
		b->upper[k] = src ^ dst ^ b->lower[k];
		b->ends[k] = swapped ? ports << 16 | ports >> 16 : ports;
		b->rest[k] = b->vlan[k] << 16 ^ proto;
	}
	for (u_int k = 0; k < LANES; k++)
		b->hash[k] = pfri_hash_short((u_int64_t)b->lower[k] << 32 | b->upper[k], b->ends[k],
					     b->rest[k]);
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

#endif /* PFRI_FLOWS_BLOCK_H */
