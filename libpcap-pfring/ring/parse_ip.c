/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * parse_ip.c - the IP headers of a packet: version 4 with its options, version
 * 6 with its extension headers, and what both say about fragments.
 *
 * Called by parse.c for the frame's own IP header and by parse_tunnel.c for
 * the one inside. Any thread.
 */
#include "parse_walk.h"

#define IPV6_HEADER 40

/*
 * The datagram ends where its length says, if that is plausible: behind it
 * lies padding. A length of 0 is a GSO frame's, or a jumbogram's.
 */
static u_int32_t datagram_end(u_int32_t at, u_int32_t end, u_int32_t len)
{
	return len && len < end - at ? at + len : end;
}

/* RFC 791 */
static bool walk_ipv4(const u_char *pkt, u_int32_t at, u_int32_t end, struct pfri_ip *ip)
{
	const u_char *h = pkt + at;
	u_int32_t hlen, fragment, total;

	if (!pfri_has(at, end, 20))
		return false;
	hlen = (h[0] & 0x0fu) * 4;
	if (hlen < 20)
		return false;
	total = pfri_be16(h + 2);
	ip->tos = h[1];
	ip->proto = h[9];
	ip->src.v4 = pfri_be32(h + 12);
	ip->dst.v4 = pfri_be32(h + 16);
	fragment = pfri_be16(h + 6);
	if (fragment & 0x2000)
		ip->frag |= PKT_FLAGS_IP_MORE_FRAG;
	if (fragment & 0x1fff)
		ip->frag |= PKT_FLAGS_IP_FRAG_OFFSET;

	ip->end = datagram_end(at, end, total);
	ip->l4 = at + hlen;
	if (ip->l4 > ip->end) { /* options cut off, or longer than the datagram */
		ip->l4 = ip->end;
		return true;
	}
	ip->has_l4 = !(ip->frag & PKT_FLAGS_IP_FRAG_OFFSET);
	return true;
}

/*
 * RFC 8200 section 4. The loop ends because every step is at least 8 bytes.
 * proto is always that of what lies at l4, so a chain that is cut off ends
 * with the number of the header that is missing.
 */
static void walk_extensions(const u_char *pkt, struct pfri_ip *ip)
{
	for (;;) {
		const u_char *h = pkt + ip->l4;
		u_int32_t len;

		if (ip->proto == IPPROTO_NONE)
			return;
		if (ip->proto != IPPROTO_HOPOPTS && ip->proto != IPPROTO_ROUTING &&
		    ip->proto != IPPROTO_DSTOPTS && ip->proto != IPPROTO_FRAGMENT &&
		    ip->proto != IPPROTO_AH) {
			ip->has_l4 = true;
			return;
		}
		if (!pfri_has(ip->l4, ip->end, 8))
			return;
		if (ip->proto == IPPROTO_FRAGMENT) {
			u_int16_t fragment = pfri_be16(h + 2);

			/* An atomic fragment (RFC 6946) has neither bit: it is whole. */
			if (fragment & 1)
				ip->frag |= PKT_FLAGS_IP_MORE_FRAG;
			if (fragment & 0xfff8)
				ip->frag |= PKT_FLAGS_IP_FRAG_OFFSET;
			len = 8;
		} else if (ip->proto == IPPROTO_AH) {
			len = (h[1] + 2u) * 4; /* RFC 4302 section 2.2 */
		} else {
			len = (h[1] + 1u) * 8;
		}
		if (!pfri_has(ip->l4, ip->end, len))
			return;
		ip->proto = h[0];
		ip->l4 += len;
		if (ip->frag & PKT_FLAGS_IP_FRAG_OFFSET)
			return; /* what follows is the middle of something */
	}
}

static bool walk_ipv6(const u_char *pkt, u_int32_t at, u_int32_t end, struct pfri_ip *ip)
{
	const u_char *h = pkt + at;
	u_int32_t payload;

	if (!pfri_has(at, end, IPV6_HEADER))
		return false;
	payload = pfri_be16(h + 4);
	ip->tos = (u_int8_t)(h[0] << 4 | h[1] >> 4);
	ip->proto = h[6];
	memcpy(&ip->src.v6, h + 8, 16);
	memcpy(&ip->dst.v6, h + 24, 16);
	ip->end = datagram_end(at, end, payload ? payload + IPV6_HEADER : 0);
	ip->l4 = at + IPV6_HEADER;
	walk_extensions(pkt, ip);
	return true;
}

bool pfri_walk_ip(const u_char *pkt, u_int32_t at, u_int32_t end, struct pfri_ip *ip)
{
	memset(ip, 0, sizeof(*ip));
	if (!pfri_has(at, end, 1))
		return false;
	ip->version = pkt[at] >> 4;
	if (ip->version == 4)
		return walk_ipv4(pkt, at, end, ip);
	if (ip->version == 6)
		return walk_ipv6(pkt, at, end, ip);
	return false;
}
