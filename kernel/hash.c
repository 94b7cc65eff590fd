// SPDX-License-Identifier: GPL-2.0-only
/*
 * hash.c - which member of a cluster a packet belongs to, as a number.
 *
 * The hash is the same for both directions of a flow: each end is hashed alone
 * and the two are mixed in an order that does not depend on who sent. Keyed
 * with a secret of this load, so that nobody outside can aim at one member.
 */
#include <linux/jhash.h>

#include "pfr.h"

u32 pfr_seed __read_mostly; /* the secret, drawn when the module is loaded */

static u32 mix(u32 a, u32 b, u32 c)
{
	if (a > b)
		swap(a, b);
	return jhash_3words(a, b, c, pfr_seed);
}

static u32 end_hash(const struct in6_addr *addr, __be16 port)
{
	return jhash(addr, sizeof(*addr), pfr_seed ^ (__force u16)port);
}

/* One end's address alone, for the type that delivers to the members of both. */
u32 pfr_hash_host(const struct pfr_tuple *t, bool dst)
{
	return end_hash(dst ? &t->dst : &t->src, 0);
}

bool pfr_hash_wants_inner(u32 type)
{
	return (type >= cluster_per_inner_flow && type <= cluster_per_inner_flow_tcp_5_tuple) ||
	       type == cluster_per_inner_flow_ip_5_tuple;
}

enum { WITH_PORTS = 1, WITH_PROTO = 2, WITH_VLAN = 4 };

static u32 type_fields(u32 type, u8 proto)
{
	switch (type) {
	case cluster_per_flow_2_tuple:
	case cluster_per_inner_flow_2_tuple:
		return 0;
	case cluster_per_flow_4_tuple:
	case cluster_per_inner_flow_4_tuple:
		return WITH_PORTS;
	case cluster_per_flow_tcp_5_tuple:
	case cluster_per_inner_flow_tcp_5_tuple:
		return proto == IPPROTO_TCP ? WITH_PORTS | WITH_PROTO : 0;
	case cluster_per_flow_5_tuple:
	case cluster_per_inner_flow_5_tuple:
	case cluster_per_flow_ip_5_tuple:
	case cluster_per_inner_flow_ip_5_tuple:
		return WITH_PORTS | WITH_PROTO;
	}
	return WITH_PORTS | WITH_PROTO | WITH_VLAN;
}

/* No IP: by MAC addresses and type, so that both directions stay together. */
static u32 hash_link(const struct pfr_parsed *p, u32 type)
{
	u32 rest = p->eth_type;

	if (type == cluster_per_flow_ip_5_tuple || type == cluster_per_inner_flow_ip_5_tuple)
		return 0;
	if (type_fields(type, 0) & WITH_VLAN)
		rest |= p->vlan_id << 16;
	return mix(jhash(p->smac, ETH_ALEN, pfr_seed), jhash(p->dmac, ETH_ALEN, pfr_seed), rest);
}

u32 pfr_hash_flow(const struct pfr_parsed *p, u32 type, struct pfr_frags *frags)
{
	const struct pfr_tuple *of = &p->outer;
	struct pfr_tuple t;
	u32 fields, rest = 0;

	if (p->has_inner && pfr_hash_wants_inner(type))
		of = &p->inner;
	if (!of->version)
		return hash_link(p, type);
	t = *of;
	if (t.first)
		pfr_frags_learn(frags, &t);
	else if (t.fragment && !t.first)
		pfr_frags_find(frags, &t);
	fields = type_fields(type, t.proto);
	if (!(fields & WITH_PORTS))
		t.sport = t.dport = 0;
	if (fields & WITH_PROTO)
		rest = t.proto;
	if (fields & WITH_VLAN)
		rest |= p->vlan_id << 16;
	return mix(end_hash(&t.src, t.sport), end_hash(&t.dst, t.dport), rest);
}

/* Each bit of x changes each bit of the result about every second time. */
static u64 mix64(u64 x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ULL;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ULL;
	return x ^ x >> 32;
}

/*
 * pkt_hash: the library's number for the same packet (ring/flow_hash.c, type
 * cluster_per_flow), so not keyed. What rules balance by. Fragments have
 * neither ports nor protocol, for the later ones do not tell them.
 */
u32 pfr_hash_packet(const struct pfr_parsed *p, const struct pfr_end *end)
{
	const struct pfr_tuple *t = &p->outer;
	struct pfr_end a = end[0], b = end[1];
	u64 h = (u64)p->vlan_id << 16;

	if (!t->version) {
		a.low = a.mac;
		b.low = b.mac;
		if (!a.low && !b.low)
			return 0;
		h ^= p->eth_type;
	} else if (!t->fragment) {
		h ^= t->proto;
	} else {
		a.port = b.port = 0;
	}
	if (a.high > b.high || (a.high == b.high && a.low > b.low) ||
	    (a.high == b.high && a.low == b.low && a.port > b.port))
		swap(a, b);
	h = mix64(h ^ (u64)a.port << 48 ^ (u64)b.port << 32);
	if (a.high | b.high | (a.low | b.low) >> 32) {
		h = mix64(h ^ a.low);
		h = mix64(h ^ a.high);
		h = mix64(h ^ b.low);
		h = mix64(h ^ b.high);
	} else {
		h = mix64(h ^ (a.low << 32 | b.low));
	}
	h ^= h >> 32;
	return (u32)h ?: 1;
}
