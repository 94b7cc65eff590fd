/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * parse_walk.h - the steps of the parser, shared by parse*.c only.
 *
 * Each step is given the frame, where it stands (at) and where the bytes that
 * may be read end (end <= PFRI_PARSE_MAX). A step that returns false or 0 has
 * found its header cut off or malformed and has read nothing outside.
 */
#ifndef PFRI_PARSE_WALK_H
#define PFRI_PARSE_WALK_H

#include "parse.h"

/* Offsets are signed 16-bit; no chain of headers is worth more. */
#define PFRI_PARSE_MAX 32767u

/* What the IP headers at one place say; also of the packet inside a tunnel. */
struct pfri_ip {
	u_int8_t version, proto, tos;
	bool has_l4;	  /* a transport header starts at l4 */
	u_int32_t frag;	  /* PFRI_FRAG_OUTER bits */
	u_int32_t l4;	  /* behind all headers of IP; behind what is there if they are cut */
	u_int32_t end;	  /* of the datagram, or of what was captured of it */
	ip_addr src, dst; /* as in pkt_parsing_info */
};

/* Ethernet payload, behind all tags and labels. */
struct pfri_l2 {
	u_int32_t l3;
	u_int16_t type;	    /* ETH_P_IP and ETH_P_IPV6 also behind MPLS */
	u_int16_t vlan[2];  /* VIDs of the first two tags */
	u_int32_t vlan_tci; /* where the first tag's TCI lies, 0: no tag */
};

static inline u_int16_t pfri_be16(const u_char *p)
{
	return (u_int16_t)(p[0] << 8 | p[1]);
}

static inline u_int32_t pfri_be32(const u_char *p)
{
	return (u_int32_t)p[0] << 24 | (u_int32_t)p[1] << 16 | (u_int32_t)p[2] << 8 | p[3];
}

/* True if n bytes lie between at and end. */
static inline bool pfri_has(u_int32_t at, u_int32_t end, u_int32_t n)
{
	return at <= end && end - at >= n;
}

/* parse_ip.c */
bool pfri_walk_ip(const u_char *pkt, u_int32_t at, u_int32_t end, struct pfri_ip *ip);

/* parse.c: from behind the addresses (at: EtherType); l2->l3 is 0 if the tags are cut off. */
void pfri_walk_ethertype(const u_char *pkt, u_int32_t at, u_int32_t end, struct pfri_l2 *l2);
bool pfri_walk_ports(const u_char *pkt, const struct pfri_ip *ip, u_int16_t *src, u_int16_t *dst);

/* parse_tunnel.c: fills info->tunnel if the transport that outer carries is a tunnel. */
bool pfri_walk_tunnel(const u_char *pkt, const struct pfri_ip *outer, struct pkt_parsing_info *info,
		      u_int32_t *frag);

#endif /* PFRI_PARSE_WALK_H */
