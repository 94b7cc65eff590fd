// SPDX-License-Identifier: GPL-2.0-only
/*
 * parse.c - addresses and ports of a frame, and of what a tunnel carries.
 *
 * Called from the packet path for clusters and rules. Finds what the library's
 * pfring_parse_pkt() finds: a rule must match the same packets on every path.
 * Keeps no state, changes nothing, and reads only through peek(), so a frame may
 * lie in fragments or end anywhere. No loop is longer than the
 * frame.
 */
#include <linux/if_arp.h>
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/mpls.h>
#include <linux/sctp.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/gre.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "pfr.h"

#define PARSE_MAX 32767 /* no chain of headers is worth more */

#define PORT_VXLAN 4789	      /* RFC 7348 */
#define PORT_VXLAN_LINUX 8472 /* what Linux used before, and some still do */
#define PORT_GENEVE 6081      /* RFC 8926 */
#define PORT_GTP_U 2152	      /* 3GPP TS 29.281 */

/*
 * A place in the frame: where the next header starts, where bytes end that may
 * be one, and up to where of them they lie in one piece at skb->data.
 */
struct cursor {
	const struct sk_buff *skb;
	u32 off, end, linear;
	u8 copy[sizeof(struct ipv6hdr)] __aligned(8); /* of a header that is in pieces */
};

static noinline const void *peek_pieces(struct cursor *c, u32 at, u32 len)
{
	return at + len <= c->end && !skb_copy_bits(c->skb, at, c->copy, len) ? c->copy : NULL;
}

/* The len bytes that lie ahead by so many, until the next look; NULL if they are not all there. */
static __always_inline const void *peek_at(struct cursor *c, u32 ahead, u32 len)
{
	u32 at = c->off + ahead; /* far from 2^32: no step is longer than 2040 bytes */

	return likely(at + len <= c->linear) ? c->skb->data + at : peek_pieces(c, at, len);
}

static __always_inline const void *peek(struct cursor *c, u32 len)
{
	return peek_at(c, 0, len);
}

static __always_inline void parse_ports(struct cursor *c, struct pfr_tuple *t)
{
	const __be16 *ports;

	switch (t->proto) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
		ports = peek(c, 2 * sizeof(*ports));
		if (!ports)
			return;
		t->sport = ports[0];
		t->dport = ports[1];
		t->has_ports = true;
	}
}

/* The datagram ends where it says, if that can be true; padding follows. 0: a GSO frame's. */
static void cut(struct cursor *c, u32 len)
{
	if (len && len < c->end - c->off) {
		c->end = c->off + len;
		c->linear = min(c->linear, c->end);
	}
}

/* True with the cursor behind the header, if a transport header follows in this frame. */
static __always_inline bool parse_ipv4(struct cursor *c, struct pfr_tuple *t)
{
	const struct iphdr *ip;
	u16 frag;

	ip = peek(c, sizeof(*ip));
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
	cut(c, ntohs(ip->tot_len));
	if (ip->ihl * 4 > c->end - c->off) {
		c->off = c->end;
		return false;
	}
	c->off += ip->ihl * 4;
	return !t->fragment || t->first;
}

/* RFC 8200, section 4. t->proto is always that of what lies ahead. Each step is 8 bytes or more. */
static bool parse_extensions(struct cursor *c, struct pfr_tuple *t)
{
	for (;;) {
		const u8 *h;
		u32 len;

		switch (t->proto) {
		case NEXTHDR_NONE:
			return false;
		case NEXTHDR_HOP:
		case NEXTHDR_ROUTING:
		case NEXTHDR_DEST:
		case NEXTHDR_FRAGMENT:
		case NEXTHDR_AUTH:
			break;
		default:
			return true;
		}
		h = peek(c, 8);
		if (!h)
			return false;
		len = (h[1] + 1) * 8;
		if (t->proto == NEXTHDR_AUTH) {
			len = (h[1] + 2) * 4; /* RFC 4302, section 2.2 */
		} else if (t->proto == NEXTHDR_FRAGMENT) {
			u16 frag = get_unaligned_be16(h + 2);

			/* With neither bit it is whole (RFC 6946). */
			t->fragment |= frag & (IP6_OFFSET | IP6_MF);
			t->first = t->fragment && !(frag & IP6_OFFSET);
			t->frag_id = get_unaligned_be32(h + 4);
			len = 8;
		}
		if (len > c->end - c->off)
			return false;
		t->proto = h[0];
		c->off += len;
		if (t->fragment && !t->first)
			return false;
	}
}

static bool parse_ipv6(struct cursor *c, struct pfr_tuple *t)
{
	const struct ipv6hdr *ip;
	u32 payload;

	ip = peek(c, sizeof(*ip));
	if (!ip || ip->version != 6)
		return false;
	t->version = 6;
	t->src = ip->saddr;
	t->dst = ip->daddr;
	t->proto = ip->nexthdr;
	payload = ntohs(ip->payload_len);
	cut(c, payload ? payload + sizeof(*ip) : 0);
	c->off += sizeof(*ip);
	return parse_extensions(c, t);
}

static __always_inline bool parse_ip(struct cursor *c, u16 eth_type, struct pfr_tuple *t)
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

/* TCP's flags, and where the payload starts. */
static void parse_transport(struct cursor *c, struct pfr_parsed *p)
{
	u32 len = sizeof(struct udphdr);
	const u8 *h;

	switch (p->outer.proto) {
	case IPPROTO_TCP:
		if (!p->outer.has_ports)
			return;
		len = sizeof(struct tcphdr);
		h = peek(c, len);
		if (!h)
			return;
		p->tcp_flags = h[13];
		if ((h[12] >> 4) * 4 < len)
			return; /* malformed: nobody knows where its payload is */
		len = (h[12] >> 4) * 4;
		break;
	case IPPROTO_SCTP:
		len = sizeof(struct sctphdr);
		break;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		break;
	default:
		len = 0;
	}
	if (len <= c->end - c->off)
		p->payload = c->off + len;
}

/* What lies ahead says itself whether it is IP (for MPLS: RFC 4928). */
static u16 parse_nibble(struct cursor *c)
{
	const u8 *first = peek(c, 1);

	if (!first)
		return 0;
	return *first >> 4 == 4 ? ETH_P_IP : *first >> 4 == 6 ? ETH_P_IPV6 : 0;
}

static u16 parse_mpls(struct cursor *c)
{
	const __be32 *label;

	do {
		label = peek(c, sizeof(*label));
		if (!label)
			return 0;
		c->off += sizeof(*label);
	} while (!(ntohl(*label) & MPLS_LS_S_MASK));
	return parse_nibble(c);
}

static bool is_tag(u16 eth_type)
{
	return eth_type_vlan(htons(eth_type)) || eth_type == ETH_P_QINQ1;
}

/* Behind the addresses: tags, labels; returns the network layer's type. vlan: the first tag's. */
static u16 parse_types(struct cursor *c, u16 eth_type, u16 *vlan)
{
	while (is_tag(eth_type)) {
		const struct vlan_hdr *tag;

		tag = peek(c, sizeof(*tag));
		if (!tag)
			return eth_type;
		if (vlan)
			*vlan = ntohs(tag->h_vlan_TCI) & VLAN_VID_MASK;
		vlan = NULL;
		eth_type = ntohs(tag->h_vlan_encapsulated_proto);
		c->off += sizeof(*tag);
	}
	if (eth_type == ETH_P_MPLS_UC || eth_type == ETH_P_MPLS_MC)
		return parse_mpls(c) ?: eth_type;
	return eth_type;
}

/* p: of the outer frame. */
static __always_inline u16 parse_ethernet(struct cursor *c, struct pfr_parsed *p, u16 *vlan)
{
	const struct ethhdr *eth = peek(c, sizeof(*eth));

	if (!eth)
		return 0;
	if (p) {
		ether_addr_copy(p->dmac, eth->h_dest);
		ether_addr_copy(p->smac, eth->h_source);
	}
	c->off += sizeof(*eth);
	if (likely(eth->h_proto == htons(ETH_P_IP)))
		return ETH_P_IP;
	return parse_types(c, ntohs(eth->h_proto), vlan);
}

/* What an EtherType in a tunnel's header announces, with the cursor on it. */
static u16 inner_type(struct cursor *c, u16 type)
{
	return type == ETH_P_TEB ? parse_ethernet(c, NULL, NULL) : type;
}

/* RFC 2784, 2890. Returns the payload's type, with the cursor on it. */
static u16 parse_gre(struct cursor *c, u32 *id)
{
	const struct gre_base_hdr *gre = peek(c, sizeof(*gre));
	u32 off = sizeof(*gre);
	__be16 flags;
	u16 type;

	if (!gre || gre->flags & (GRE_VERSION | GRE_ROUTING))
		return 0;
	flags = gre->flags;
	type = ntohs(gre->protocol);
	if (flags & GRE_CSUM)
		off += 4;
	if (flags & GRE_KEY) {
		const __be32 *key = peek_at(c, off, sizeof(*key));

		if (!key)
			return 0;
		*id = ntohl(*key);
		off += 4;
	}
	c->off += off + (flags & GRE_SEQ ? 4 : 0);
	return inner_type(c, type);
}

/* 3GPP TS 29.281, section 5. Only a G-PDU (255) has a packet inside. */
static u16 parse_gtp(struct cursor *c, u32 *id)
{
	const u8 *h = peek(c, 8), *byte;
	u8 flags, next, len;

	if (!h || (h[0] & 0xf0) != 0x30)
		return 0;
	*id = get_unaligned_be32(h + 4);
	if (h[1] != 255)
		return 0;
	flags = h[0] & 7; /* sequence number, N-PDU number, then extension headers */
	c->off += 8;
	if (!flags)
		return parse_nibble(c);
	h = peek(c, 4);
	if (!h)
		return 0;
	next = flags & 4 ? h[3] : 0;
	c->off += 4;
	while (next) {
		byte = peek(c, 1);
		len = byte ? *byte : 0;
		byte = len ? peek_at(c, len * 4 - 1, 1) : NULL; /* the following one's type */
		if (!byte)
			return 0;
		next = *byte;
		c->off += len * 4;
	}
	return parse_nibble(c);
}

/* The UDP tunnels, by destination port; returns the inner type with the cursor on it. */
static u16 parse_udp_tunnel(struct cursor *c, u16 dport, u32 *id)
{
	const u8 *h;

	c->off += sizeof(struct udphdr);
	if (dport == PORT_GTP_U)
		return parse_gtp(c, id);
	h = peek(c, 8);
	if (!h)
		return 0;
	if ((dport == PORT_VXLAN || dport == PORT_VXLAN_LINUX) && h[0] & 0x08) {
		*id = get_unaligned_be32(h + 4) >> 8;
		c->off += 8;
		return parse_ethernet(c, NULL, NULL);
	}
	if (dport == PORT_GENEVE && !(h[0] >> 6)) {
		*id = get_unaligned_be32(h + 4) >> 8;
		c->off += 8 + (h[0] & 0x3f) * 4;
		return inner_type(c, get_unaligned_be16(h + 2));
	}
	return 0;
}

static noinline void parse_inner(struct cursor *c, struct pfr_parsed *p)
{
	u16 type = 0;

	switch (p->outer.proto) {
	case IPPROTO_IPIP:
		type = ETH_P_IP;
		break;
	case IPPROTO_IPV6:
		type = ETH_P_IPV6;
		break;
	case IPPROTO_GRE:
		type = parse_gre(c, &p->tunnel_id);
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
 * the frame any more, or negative. A device without Ethernet headers starts at
 * its network layer, whose type the stack knows.
 */
void pfr_parse(const struct sk_buff *skb, int stripped_vlan, bool inner, struct pfr_parsed *p)
{
	struct cursor c pfr_uninitialized;

	c.skb = skb;
	c.off = 0;
	c.end = min_t(u32, skb->len, PARSE_MAX);
	c.linear = min(c.end, skb_headlen(skb));
	memset(p, 0, inner ? sizeof(*p) : offsetof(struct pfr_parsed, inner));
	p->vlan_id = max(stripped_vlan, 0);
	p->tunnel_id = NO_TUNNEL_ID;
	if (skb->dev->type == ARPHRD_ETHER || skb->dev->type == ARPHRD_LOOPBACK)
		p->eth_type = parse_ethernet(&c, p, stripped_vlan < 0 ? &p->vlan_id : NULL);
	else
		p->eth_type = ntohs(skb->protocol);
	if (parse_ip(&c, p->eth_type, &p->outer)) {
		parse_transport(&c, p);
		if (inner)
			parse_inner(&c, p);
	} else if (p->outer.fragment && !p->outer.first) {
		p->payload = c.off;
	}
}
