/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * parse_tunnel.c - the packet inside a tunnel: GRE, VXLAN, Geneve, GTP-U, IP.
 *
 * Called by parse.c at level 5, once per packet; a tunnel inside a tunnel is
 * not opened. The first fragment of a tunnelled datagram is looked into, later
 * ones cannot be. Any thread.
 */
#include <linux/if_ether.h>

#include "parse_walk.h"

#define PORT_VXLAN 4789
#define PORT_VXLAN_LINUX 8472 /* what Linux used before IANA's, and flannel still does */
#define PORT_GENEVE 6081
#define PORT_GTPU 2152

#define PROTO_TEB 0x6558 /* Ethernet in GRE and Geneve */

#define GRE_CHECKSUM 0x8000
#define GRE_ROUTING 0x4000
#define GRE_KEY 0x2000
#define GRE_SEQUENCE 0x1000
#define GRE_VERSION 0x0007

/* version: what the tunnel announces, 0 if it leaves that to the packet. */
static void inner_ip(const u_char *pkt, u_int32_t at, u_int32_t end, u_int8_t version,
		     struct pkt_parsing_info *info, u_int32_t *frag)
{
	struct pfri_ip ip;

	if (!pfri_walk_ip(pkt, at, end, &ip) || (version && ip.version != version))
		return;
	info->tunnel.tunneled_ip_version = ip.version;
	info->tunnel.tunneled_proto = ip.proto;
	info->tunnel.tunneled_ip_src = ip.src;
	info->tunnel.tunneled_ip_dst = ip.dst;
	if (ip.frag)
		*frag |= PFRI_FRAG_INNER;
	pfri_walk_ports(pkt, &ip, &info->tunnel.tunneled_l4_src_port,
			&info->tunnel.tunneled_l4_dst_port);
}

static void inner_ethernet(const u_char *pkt, u_int32_t at, u_int32_t end,
			   struct pkt_parsing_info *info, u_int32_t *frag)
{
	struct pfri_l2 l2;

	if (!pfri_has(at, end, ETH_HLEN))
		return;
	pfri_walk_ethertype(pkt, at + 2 * ETH_ALEN, end, &l2);
	if (l2.l3 && (l2.type == ETH_P_IP || l2.type == ETH_P_IPV6))
		inner_ip(pkt, l2.l3, end, l2.type == ETH_P_IP ? 4 : 6, info, frag);
}

/* What an EtherType in a GRE or Geneve header announces. */
static void inner_type(const u_char *pkt, u_int32_t at, u_int32_t end, u_int16_t type,
		       struct pkt_parsing_info *info, u_int32_t *frag)
{
	if (type == ETH_P_IP || type == ETH_P_IPV6)
		inner_ip(pkt, at, end, type == ETH_P_IP ? 4 : 6, info, frag);
	else if (type == PROTO_TEB)
		inner_ethernet(pkt, at, end, info, frag);
}

/* RFC 2784 and 2890 */
static bool walk_gre(const u_char *pkt, u_int32_t at, u_int32_t end, struct pkt_parsing_info *info,
		     u_int32_t *frag)
{
	u_int16_t flags, type;
	u_int32_t len = 4;

	if (!pfri_has(at, end, len))
		return false;
	flags = pfri_be16(pkt + at);
	type = pfri_be16(pkt + at + 2);
	if (flags & (GRE_ROUTING | GRE_VERSION))
		return false; /* RFC 1701's source routes; PPTP, which carries PPP */
	if (flags & GRE_CHECKSUM)
		len += 4;
	if (flags & GRE_KEY) {
		if (!pfri_has(at, end, len + 4))
			return false;
		info->tunnel.tunnel_id = pfri_be32(pkt + at + len);
		len += 4;
	}
	if (flags & GRE_SEQUENCE)
		len += 4;
	inner_type(pkt, at + len, end, type, info, frag);
	return true;
}

/* RFC 7348 section 5 */
static bool walk_vxlan(const u_char *pkt, u_int32_t at, u_int32_t end,
		       struct pkt_parsing_info *info, u_int32_t *frag)
{
	if (!pfri_has(at, end, 8) || !(pkt[at] & 0x08))
		return false;
	info->tunnel.tunnel_id = pfri_be32(pkt + at + 4) >> 8;
	inner_ethernet(pkt, at + 8, end, info, frag);
	return true;
}

/* RFC 8926 section 3.4 */
static bool walk_geneve(const u_char *pkt, u_int32_t at, u_int32_t end,
			struct pkt_parsing_info *info, u_int32_t *frag)
{
	if (!pfri_has(at, end, 8) || pkt[at] >> 6)
		return false;
	info->tunnel.tunnel_id = pfri_be32(pkt + at + 4) >> 8;
	inner_type(pkt, at + 8 + (pkt[at] & 0x3fu) * 4, end, pfri_be16(pkt + at + 2), info, frag);
	return true;
}

/* 3GPP TS 29.281 section 5 */
static bool walk_gtpu(const u_char *pkt, u_int32_t at, u_int32_t end, struct pkt_parsing_info *info,
		      u_int32_t *frag)
{
	const u_char *h = pkt + at;
	u_int8_t next;

	if (!pfri_has(at, end, 8) || (h[0] & 0xf0) != 0x30) /* version 1, not GTP' */
		return false;
	info->tunnel.tunnel_id = pfri_be32(h + 4);
	if (h[1] != 255)
		return true; /* signalling: no packet inside */
	at += 8;
	if (h[0] & 0x07) { /* any of E, S and PN makes all four bytes present */
		if (!pfri_has(at, end, 4))
			return true;
		next = h[0] & 0x04 ? pkt[at + 3] : 0;
		at += 4;
		while (next) { /* each ends with the type of the following one */
			u_int32_t len = pfri_has(at, end, 1) ? pkt[at] * 4u : 0;

			if (!len || !pfri_has(at, end, len))
				return true;
			next = pkt[at + len - 1];
			at += len;
		}
	}
	inner_ip(pkt, at, end, 0, info, frag);
	return true;
}

bool pfri_walk_tunnel(const u_char *pkt, const struct pfri_ip *outer, struct pkt_parsing_info *info,
		      u_int32_t *frag)
{
	u_int32_t at = outer->l4;

	if (!outer->has_l4)
		return false;
	switch (outer->proto) {
	case IPPROTO_GRE:
		return walk_gre(pkt, at, outer->end, info, frag);
	case IPPROTO_IPIP:
	case IPPROTO_IPV6:
		inner_ip(pkt, at, outer->end, outer->proto == IPPROTO_IPIP ? 4 : 6, info, frag);
		return info->tunnel.tunneled_ip_version != 0;
	case IPPROTO_UDP:
		/* The destination: a tunnel's source port is a hash of the flow inside. */
		if (info->l4_dst_port == PORT_VXLAN || info->l4_dst_port == PORT_VXLAN_LINUX)
			return walk_vxlan(pkt, at + 8, outer->end, info, frag);
		if (info->l4_dst_port == PORT_GENEVE)
			return walk_geneve(pkt, at + 8, outer->end, info, frag);
		if (info->l4_dst_port == PORT_GTPU)
			return walk_gtpu(pkt, at + 8, outer->end, info, frag);
		return false;
	default:
		return false;
	}
}
