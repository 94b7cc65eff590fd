// SPDX-License-Identifier: GPL-2.0-only
/*
 * parse.c - addresses and ports of a frame, and of what a tunnel carries.
 *
 * Called from the packet path for clusters (and, later, rules). Keeps no
 * state, changes nothing, and reads only through skb_header_pointer(), so a
 * frame may lie in fragments or end anywhere. Every loop has a bound.
 */
#include <linux/if_arp.h>
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/mpls.h>
#include <linux/sctp.h>
#include <linux/udp.h>
#include <net/gre.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "pfr.h"

#define MAX_TAGS 4
#define MAX_LABELS 8
#define MAX_EXTHDR 8

#define PORT_VXLAN 4789	 /* RFC 7348 */
#define PORT_GENEVE 6081 /* RFC 8926 */
#define PORT_GTP_U 2152	 /* 3GPP TS 29.281 */

/* A place in the frame; off is where the next header starts. */
struct cursor {
	const struct sk_buff *skb;
	int off;
};

static const void *peek(const struct cursor *c, int len, void *buf)
{
	return skb_header_pointer(c->skb, c->off, len, buf);
}

static void parse_ports(struct cursor *c, struct pfr_tuple *t)
{
	const __be16 *ports;
	__be16 buf[2];

	switch (t->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		ports = peek(c, sizeof(buf), buf);
		if (!ports)
			return;
		t->sport = ports[0];
		t->dport = ports[1];
		t->has_ports = true;
	}
}

/* True with the cursor behind the header, if a transport header follows in this frame. */
static bool parse_ipv4(struct cursor *c, struct pfr_tuple *t)
{
	const struct iphdr *ip;
	struct iphdr buf;
	u16 frag;

	ip = peek(c, sizeof(buf), &buf);
	if (!ip || ip->version != 4 || ip->ihl < 5)
		return false;
	t->version = 4;
	t->proto = ip->protocol;
	t->src.s6_addr32[0] = ip->saddr;
	t->dst.s6_addr32[0] = ip->daddr;
	frag = ntohs(ip->frag_off);
	t->fragment = frag & (IP_MF | IP_OFFSET);
	t->first = t->fragment && !(frag & IP_OFFSET);
	t->frag_id = ntohs(ip->id);
	c->off += ip->ihl * 4;
	return !t->fragment || t->first;
}

/* RFC 8200, section 4: the chain of extension headers. */
static bool parse_ipv6(struct cursor *c, struct pfr_tuple *t)
{
	const struct ipv6hdr *ip;
	struct ipv6hdr buf;
	u8 next;
	int i;

	ip = peek(c, sizeof(buf), &buf);
	if (!ip || ip->version != 6)
		return false;
	t->version = 6;
	t->src = ip->saddr;
	t->dst = ip->daddr;
	next = ip->nexthdr;
	c->off += sizeof(*ip);
	for (i = 0; i < MAX_EXTHDR; i++) {
		const struct ipv6_opt_hdr *opt;
		struct ipv6_opt_hdr optbuf;

		t->proto = next;
		if (next == NEXTHDR_FRAGMENT) {
			const struct frag_hdr *fh;
			struct frag_hdr fbuf;

			fh = peek(c, sizeof(fbuf), &fbuf);
			if (!fh)
				return false;
			t->proto = fh->nexthdr;
			t->fragment = fh->frag_off & htons(IP6_OFFSET | IP6_MF);
			t->first = t->fragment && !(fh->frag_off & htons(IP6_OFFSET));
			t->frag_id = ntohl(fh->identification);
			if (t->fragment && !t->first)
				return false;
			next = fh->nexthdr;
			c->off += sizeof(*fh);
			continue;
		}
		if (next != NEXTHDR_HOP && next != NEXTHDR_ROUTING && next != NEXTHDR_DEST &&
		    next != NEXTHDR_AUTH && next != NEXTHDR_MOBILITY)
			return true;
		opt = peek(c, sizeof(optbuf), &optbuf);
		if (!opt)
			return false;
		c->off += next == NEXTHDR_AUTH ? ipv6_authlen(opt) : ipv6_optlen(opt);
		next = opt->nexthdr;
	}
	return false;
}

static bool parse_ip(struct cursor *c, u16 eth_type, struct pfr_tuple *t)
{
	bool transport = false;

	if (eth_type == ETH_P_IP)
		transport = parse_ipv4(c, t);
	else if (eth_type == ETH_P_IPV6)
		transport = parse_ipv6(c, t);
	if (transport)
		parse_ports(c, t);
	return transport;
}

/* What follows the bottom of an MPLS stack says itself whether it is IP (RFC 4928). */
static u16 parse_mpls(struct cursor *c)
{
	int i;

	for (i = 0; i < MAX_LABELS; i++) {
		const __be32 *label;
		const u8 *first;
		__be32 buf;
		u8 byte;

		label = peek(c, sizeof(buf), &buf);
		if (!label)
			return 0;
		c->off += sizeof(*label);
		if (!(ntohl(*label) & MPLS_LS_S_MASK))
			continue;
		first = peek(c, 1, &byte);
		if (!first)
			return 0;
		return *first >> 4 == 4 ? ETH_P_IP : *first >> 4 == 6 ? ETH_P_IPV6 : 0;
	}
	return 0;
}

/* Behind the addresses: tags, labels; returns the network layer's type. vlan: the first tag's. */
static u16 parse_types(struct cursor *c, u16 eth_type, u16 *vlan)
{
	int i;

	for (i = 0; i < MAX_TAGS && eth_type_vlan(htons(eth_type)); i++) {
		const struct vlan_hdr *tag;
		struct vlan_hdr buf;

		tag = peek(c, sizeof(buf), &buf);
		if (!tag)
			return eth_type;
		if (!*vlan)
			*vlan = ntohs(tag->h_vlan_TCI) & VLAN_VID_MASK;
		eth_type = ntohs(tag->h_vlan_encapsulated_proto);
		c->off += sizeof(*tag);
	}
	if (eth_type == ETH_P_MPLS_UC || eth_type == ETH_P_MPLS_MC)
		return parse_mpls(c) ?: eth_type;
	return eth_type;
}

static u16 parse_ethernet(struct cursor *c, u8 *dmac, u8 *smac, u16 *vlan)
{
	const struct ethhdr *eth;
	struct ethhdr buf;

	eth = peek(c, sizeof(buf), &buf);
	if (!eth)
		return 0;
	if (dmac) {
		ether_addr_copy(dmac, eth->h_dest);
		ether_addr_copy(smac, eth->h_source);
	}
	c->off += sizeof(*eth);
	return parse_types(c, ntohs(eth->h_proto), vlan);
}

/* RFC 2784, 2890. Returns the payload's type, with the cursor on it. */
static u16 parse_gre(struct cursor *c, u32 *id)
{
	const struct gre_base_hdr *gre;
	struct gre_base_hdr buf;
	__be32 keybuf;
	int off;

	gre = peek(c, sizeof(buf), &buf);
	if (!gre || gre->flags & (GRE_VERSION | GRE_ROUTING))
		return 0;
	off = sizeof(*gre) + (gre->flags & GRE_CSUM ? 4 : 0);
	if (gre->flags & GRE_KEY) {
		const __be32 *key;

		key = skb_header_pointer(c->skb, c->off + off, sizeof(keybuf), &keybuf);
		if (!key)
			return 0;
		*id = ntohl(*key);
		off += 4;
	}
	c->off += off + (gre->flags & GRE_SEQ ? 4 : 0);
	return ntohs(gre->protocol);
}

/* 3GPP TS 29.281, section 5: G-PDUs only. */
static u16 parse_gtp(struct cursor *c, u32 *id)
{
	const u8 *h, *first;
	u8 buf[8], byte;
	int i;

	h = peek(c, sizeof(buf), buf);
	if (!h || h[0] >> 5 != 1 || !(h[0] & 0x10) || h[1] != 255)
		return 0;
	*id = get_unaligned_be32(h + 4);
	c->off += 8;
	if (h[0] & 7) { /* sequence number, N-PDU number, then extension headers */
		u8 next;

		c->off += 4;
		for (i = 0; i < MAX_EXTHDR; i++) {
			first = skb_header_pointer(c->skb, c->off - 1, 1, &byte);
			if (!first)
				return 0;
			next = *first;
			if (!next)
				break;
			first = peek(c, 1, &byte);
			if (!first || !*first)
				return 0;
			c->off += *first * 4;
		}
		if (i == MAX_EXTHDR)
			return 0;
	}
	first = peek(c, 1, &byte);
	if (!first)
		return 0;
	return *first >> 4 == 4 ? ETH_P_IP : *first >> 4 == 6 ? ETH_P_IPV6 : 0;
}

/* The UDP tunnels, by destination port; returns the inner type with the cursor on it. */
static u16 parse_udp_tunnel(struct cursor *c, u16 dport, u32 *id)
{
	const u8 *h;
	u8 buf[8];
	u16 vlan = 0;

	c->off += sizeof(struct udphdr);
	if (dport == PORT_GTP_U)
		return parse_gtp(c, id);
	h = peek(c, sizeof(buf), buf);
	if (!h)
		return 0;
	*id = get_unaligned_be32(h + 4) >> 8;
	if (dport == PORT_VXLAN && h[0] & 0x08) {
		c->off += 8;
		return parse_ethernet(c, NULL, NULL, &vlan);
	}
	if (dport == PORT_GENEVE && !(h[0] >> 6)) {
		u16 type = get_unaligned_be16(h + 2);

		c->off += 8 + (h[0] & 0x3f) * 4;
		return type == ETH_P_TEB ? parse_ethernet(c, NULL, NULL, &vlan) : type;
	}
	return 0;
}

static void parse_inner(struct cursor *c, struct pfr_parsed *p)
{
	u16 type = 0, vlan = 0;

	switch (p->outer.proto) {
	case IPPROTO_IPIP:
		type = ETH_P_IP;
		break;
	case IPPROTO_IPV6:
		type = ETH_P_IPV6;
		break;
	case IPPROTO_GRE:
		type = parse_gre(c, &p->tunnel_id);
		if (type == ETH_P_TEB)
			type = parse_ethernet(c, NULL, NULL, &vlan);
		break;
	case IPPROTO_UDP:
		if (p->outer.has_ports)
			type = parse_udp_tunnel(c, ntohs(p->outer.dport), &p->tunnel_id);
		break;
	}
	if (!type)
		return;
	parse_ip(c, type, &p->inner);
	p->has_inner = p->inner.version;
}

/*
 * Takes the frame at skb->data apart. stripped_vlan: id of a tag that is not in
 * the frame any more. A device without Ethernet headers starts at its network
 * layer, whose type the stack knows.
 */
void pfr_parse(const struct sk_buff *skb, u16 stripped_vlan, bool inner, struct pfr_parsed *p)
{
	struct cursor c = {.skb = skb};

	memset(p, 0, sizeof(*p));
	p->vlan_id = stripped_vlan;
	p->tunnel_id = NO_TUNNEL_ID;
	if (skb->dev->type == ARPHRD_ETHER || skb->dev->type == ARPHRD_LOOPBACK)
		p->eth_type = parse_ethernet(&c, p->dmac, p->smac, &p->vlan_id);
	else
		p->eth_type = ntohs(skb->protocol);
	if (parse_ip(&c, p->eth_type, &p->outer) && inner)
		parse_inner(&c, p);
}
