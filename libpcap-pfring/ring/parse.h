/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * parse.h - takes one Ethernet frame apart and hashes its flow.
 *
 * No allocation, no state, never reads past caplen; any thread.
 */
#ifndef PFRI_PARSE_H
#define PFRI_PARSE_H

#include "pfring.h"

/*
 * Fills *info from the caplen bytes at pkt, up to level (2..5). Returns the
 * level reached (0 if not even an Ethernet header is there). Headers: Ethernet,
 * up to two 802.1Q/802.1ad tags, MPLS, IPv4 with options, IPv6 with extension
 * headers, fragments (ports only in the first), TCP, UDP, SCTP, ICMP, ICMPv6,
 * and at level 5 GRE, VXLAN, GTP-U and the tuple inside. *frag gets
 * PKT_FLAGS_IP_* bits.
 */
int pfri_parse(const u_char *pkt, u_int32_t caplen, int level, struct pkt_parsing_info *info,
	       u_int32_t *frag);

/*
 * A hash of the tuple that type names, equal for both directions of a flow;
 * 0 only where there is nothing to hash (no IP and no addresses).
 */
u_int32_t pfri_flow_hash(const struct pkt_parsing_info *info, cluster_type type);

#endif /* PFRI_PARSE_H */
