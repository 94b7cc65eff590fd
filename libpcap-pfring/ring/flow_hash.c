/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * flow_hash.c - one number per flow, the same for both directions.
 *
 * Called once per packet where a hash was asked for and by clusters that
 * spread packets in user space (hash % members), so the low bits must be as
 * good as the high ones. Symmetric by sorting the two ends, not by adding or
 * xoring them: that would make all of 10.0.0.x -> 10.0.0.x alike. Any thread.
 */
#include "flow_hash.h"
#include "parse.h"

enum part {
	PART_PORTS = 1 << 0,
	PART_PROTO = 1 << 1,
	PART_VLAN = 1 << 2,
	PART_INNER = 1 << 3,	/* of the packet in the tunnel, if there is one */
	PART_TCP_ONLY = 1 << 4, /* ports and protocol count for TCP only */
	PART_IP_ONLY = 1 << 5,	/* without IP: 0 */
};

static unsigned parts_of(cluster_type type)
{
	switch (type) {
	case cluster_per_flow:
	case cluster_round_robin:
		return PART_PORTS | PART_PROTO | PART_VLAN;
	case cluster_per_flow_2_tuple:
		return 0;
	case cluster_per_flow_4_tuple:
		return PART_PORTS;
	case cluster_per_flow_5_tuple:
		return PART_PORTS | PART_PROTO;
	case cluster_per_flow_tcp_5_tuple:
		return PART_PORTS | PART_PROTO | PART_TCP_ONLY;
	case cluster_per_inner_flow:
		return PART_INNER | PART_PORTS | PART_PROTO | PART_VLAN;
	case cluster_per_inner_flow_2_tuple:
		return PART_INNER;
	case cluster_per_inner_flow_4_tuple:
		return PART_INNER | PART_PORTS;
	case cluster_per_inner_flow_5_tuple:
		return PART_INNER | PART_PORTS | PART_PROTO;
	case cluster_per_inner_flow_tcp_5_tuple:
		return PART_INNER | PART_PORTS | PART_PROTO | PART_TCP_ONLY;
	case cluster_per_flow_ip_5_tuple:
		return PART_PORTS | PART_PROTO | PART_IP_ONLY;
	case cluster_per_inner_flow_ip_5_tuple:
		return PART_INNER | PART_PORTS | PART_PROTO | PART_IP_ONLY;
	case cluster_per_flow_ip_with_dup_tuple:
		return PART_IP_ONLY;
	}
	return PART_PORTS | PART_PROTO | PART_VLAN;
}

static struct pfri_end ip_end(const ip_addr *a, u_int8_t version, u_int16_t port)
{
	struct pfri_end e = {0, a->v4, port};

	if (version == 6) {
		memcpy(&e.high, &a->v6.s6_addr[0], 8);
		memcpy(&e.low, &a->v6.s6_addr[8], 8);
	}
	return e;
}

static struct pfri_end mac_end(const __u8 mac[ETH_ALEN])
{
	struct pfri_end e = {0, 0, 0};

	memcpy(&e.low, mac, ETH_ALEN);
	return e;
}

u_int32_t pfri_flow_hash(const struct pkt_parsing_info *info, u_int32_t frag, cluster_type type)
{
	unsigned parts = parts_of(type);
	bool inner = parts & PART_INNER && info->tunnel.tunneled_ip_version;
	u_int8_t version = inner ? info->tunnel.tunneled_ip_version : info->ip_version;
	u_int8_t proto = inner ? info->tunnel.tunneled_proto : info->l3_proto;
	u_int64_t rest = parts & PART_VLAN ? (u_int64_t)info->vlan_id << 16 : 0;
	u_int16_t sport = 0, dport = 0;
	struct pfri_end a, b;

	if (!version) {
		if (parts & PART_IP_ONLY)
			return 0;
		a = mac_end(info->smac);
		b = mac_end(info->dmac);
		if (!a.low && !b.low)
			return 0;
		return pfri_hash_ends(&a, &b, parts & PART_PROTO ? rest ^ info->eth_type : rest);
	}

	/* Only the first fragment knows what is inside a tunnel. */
	if (frag & PFRI_FRAG_OUTER) {
		inner = false;
		version = info->ip_version;
	} else if (!(inner && frag & PFRI_FRAG_INNER) &&
		   !(parts & PART_TCP_ONLY && proto != IPPROTO_TCP)) {
		if (parts & PART_PROTO)
			rest ^= proto;
		if (parts & PART_PORTS) {
			sport = inner ? info->tunnel.tunneled_l4_src_port : info->l4_src_port;
			dport = inner ? info->tunnel.tunneled_l4_dst_port : info->l4_dst_port;
		}
	}
	a = ip_end(inner ? &info->tunnel.tunneled_ip_src : &info->ip_src, version, sport);
	b = ip_end(inner ? &info->tunnel.tunneled_ip_dst : &info->ip_dst, version, dport);
	return pfri_hash_ends(&a, &b, rest);
}

u_int32_t pfri_host_hash(const struct pkt_parsing_info *info, bool destination)
{
	struct pfri_end e;

	if (!info->ip_version)
		return 0;
	e = ip_end(destination ? &info->ip_dst : &info->ip_src, info->ip_version, 0);
	return pfri_hash_finish(pfri_hash_mix(pfri_hash_mix(e.low) ^ e.high));
}
