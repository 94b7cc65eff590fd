/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * parse.c - from a frame to its tuple: Ethernet, VLAN tags, MPLS, transport.
 *
 * Called by the receive path for handles with long headers, by
 * pfring_parse_pkt() and by the columns of Python, once per packet: one pass,
 * no loop that a packet can make longer than the packet itself. Any thread.
 * IP is parse_ip.c's, tunnels are parse_tunnel.c's.
 */
#include <linux/if_ether.h>

#include "backend.h"
#include "parse_walk.h"

#define ETH_P_QINQ_OLD 0x9100 /* 802.1Q-in-Q before 802.1ad; still sent by switches */

static bool is_tag(u_int16_t type)
{
	return type == ETH_P_8021Q || type == ETH_P_8021AD || type == ETH_P_QINQ_OLD;
}

void pfri_walk_ethertype(const u_char *pkt, u_int32_t at, u_int32_t end, struct pfri_l2 *l2)
{
	int tags = 0;

	memset(l2, 0, sizeof(*l2));
	l2->type = pfri_be16(pkt + at);
	at += 2;
	while (is_tag(l2->type)) {
		if (!pfri_has(at, end, 4))
			return;
		if (!tags)
			l2->vlan_tci = at;
		if (tags < 2)
			l2->vlan[tags++] = pfri_be16(pkt + at) & 0x0fff;
		l2->type = pfri_be16(pkt + at + 2);
		at += 4;
	}
	if (l2->type == ETH_P_MPLS_UC || l2->type == ETH_P_MPLS_MC) {
		bool bottom = false; /* RFC 3032 section 2.1 */

		while (!bottom) {
			if (!pfri_has(at, end, 4))
				return;
			bottom = pkt[at + 2] & 1;
			at += 4;
		}
		/* The stack does not say what it carries; the first nibble does (RFC 4928). */
		if (pfri_has(at, end, 1) && pkt[at] >> 4 == 4)
			l2->type = ETH_P_IP;
		else if (pfri_has(at, end, 1) && pkt[at] >> 4 == 6)
			l2->type = ETH_P_IPV6;
	}
	l2->l3 = at;
}

bool pfri_walk_ports(const u_char *pkt, const struct pfri_ip *ip, u_int16_t *src, u_int16_t *dst)
{
	if (ip->proto != IPPROTO_TCP && ip->proto != IPPROTO_UDP && ip->proto != IPPROTO_SCTP &&
	    ip->proto != IPPROTO_UDPLITE)
		return false;
	if (!ip->has_l4 || !pfri_has(ip->l4, ip->end, 4))
		return false;
	*src = pfri_be16(pkt + ip->l4);
	*dst = pfri_be16(pkt + ip->l4 + 2);
	return true;
}

/* True if there was a transport header, of which at least the first words are there. */
static bool walk_transport(const u_char *pkt, const struct pfri_ip *ip,
			   struct pkt_parsing_info *info)
{
	const u_char *h = pkt + ip->l4;
	u_int32_t len = 8;

	switch (ip->proto) {
	case IPPROTO_TCP:
		if (!pfri_walk_ports(pkt, ip, &info->l4_src_port, &info->l4_dst_port))
			return false;
		len = 20;
		if (!pfri_has(ip->l4, ip->end, 20))
			break;
		info->tcp.seqNum = pfri_be32(h + 4);
		info->tcp.ackNum = pfri_be32(h + 8);
		info->tcp.flags = h[13];
		if ((h[12] >> 4) * 4u < len)
			return true; /* malformed: nobody knows where its payload is */
		len = (h[12] >> 4) * 4u;
		break;
	case IPPROTO_SCTP:
		len = 12;
		/* fall through */
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		if (!pfri_walk_ports(pkt, ip, &info->l4_src_port, &info->l4_dst_port))
			return false;
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if (!ip->has_l4 || !pfri_has(ip->l4, ip->end, 2))
			return false;
		info->icmp_type = h[0];
		info->icmp_code = h[1];
		break;
	default:
		if (ip->has_l4)
			info->offset.payload_offset = (int16_t)ip->l4;
		return false;
	}
	if (pfri_has(ip->l4, ip->end, len))
		info->offset.payload_offset = (int16_t)(ip->l4 + len);
	return true;
}

int pfri_parse(const u_char *pkt, u_int32_t caplen, int level, struct pkt_parsing_info *info,
	       u_int32_t *frag)
{
	struct pfri_l2 l2;
	struct pfri_ip ip;
	int reached = 2;

	memset(info, 0, sizeof(*info));
	memset(&info->offset, 0xff, sizeof(info->offset)); /* all -1 */
	info->tunnel.tunnel_id = NO_TUNNEL_ID;
	*frag = 0;
	if (caplen < ETH_HLEN)
		return 0;
	if (caplen > PFRI_PARSE_MAX)
		caplen = PFRI_PARSE_MAX;

	memcpy(info->dmac, pkt, ETH_ALEN);
	memcpy(info->smac, pkt + ETH_ALEN, ETH_ALEN);
	pfri_walk_ethertype(pkt, 2 * ETH_ALEN, caplen, &l2);
	info->eth_type = l2.type;
	info->vlan_id = l2.vlan[0];
	info->qinq_vlan_id = l2.vlan[1];
	info->offset.eth_offset = 0;
	if (l2.vlan_tci)
		info->offset.vlan_offset = (int16_t)l2.vlan_tci;
	if (!l2.l3)
		return reached;
	info->offset.l3_offset = (int16_t)l2.l3;

	if (level < 3 || (l2.type != ETH_P_IP && l2.type != ETH_P_IPV6))
		return reached;
	if (!pfri_walk_ip(pkt, l2.l3, caplen, &ip) || (ip.version == 4) != (l2.type == ETH_P_IP))
		return reached;
	reached = 3;
	info->ip_version = ip.version;
	info->l3_proto = ip.proto;
	info->ip_tos = ip.tos;
	info->ip_src = ip.src;
	info->ip_dst = ip.dst;
	*frag = ip.frag;
	if (ip.has_l4)
		info->offset.l4_offset = (int16_t)ip.l4;
	else if (ip.frag & PKT_FLAGS_IP_FRAG_OFFSET)
		info->offset.payload_offset = (int16_t)ip.l4;

	if (level < 4)
		return reached;
	if (walk_transport(pkt, &ip, info))
		reached = 4;
	if (level >= 5 && pfri_walk_tunnel(pkt, &ip, info, frag))
		reached = 5;
	return reached;
}

int pfring_parse_pkt(u_char *pkt, struct pfring_pkthdr *hdr, u_int8_t level, u_int8_t add_timestamp,
		     u_int8_t add_hash)
{
	struct pfring_extended_pkthdr *x = &hdr->extended_hdr;
	int32_t rule = x->parsed_pkt.last_matched_rule_id;
	struct pkt_parsing_info deeper;
	struct timespec now;
	u_int32_t frag;
	int reached;

	if (add_timestamp && !hdr->ts.tv_sec && !hdr->ts.tv_usec) {
		clock_gettime(CLOCK_REALTIME, &now);
		hdr->ts.tv_sec = now.tv_sec;
		hdr->ts.tv_usec = now.tv_nsec / 1000;
		x->timestamp_ns = (u_int64_t)now.tv_sec * 1000000000 + (u_int64_t)now.tv_nsec;
	}

	reached = pfri_parse(pkt, hdr->caplen, level, &x->parsed_pkt, &frag);
	x->parsed_pkt.last_matched_rule_id = rule; /* the kernel's word, not ours */
	x->flags = (x->flags & ~(u_int32_t)PFRI_FRAG_OUTER) | (frag & PFRI_FRAG_OUTER);
	if (!reached)
		return pfri_fail(-EINVAL, "%u bytes are no Ethernet frame", hdr->caplen);

	if (add_hash && level >= 4) {
		x->pkt_hash = pfri_flow_hash(&x->parsed_pkt, frag, cluster_per_flow);
	} else if (add_hash) { /* of the flow all the same */
		pfri_parse(pkt, hdr->caplen, 4, &deeper, &frag);
		x->pkt_hash = pfri_flow_hash(&deeper, frag, cluster_per_flow);
	}
	return reached;
}
