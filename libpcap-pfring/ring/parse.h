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
 * 802.1Q/802.1ad tags (the first two are kept), MPLS, IPv4 with options, IPv6
 * with extension headers, fragments (ports only in the first), TCP, UDP, SCTP,
 * ICMP, ICMPv6, and at level 5 GRE, VXLAN, Geneve, GTP-U, IP in IP and the
 * tuple inside.
 *
 * eth_type is the network layer's: behind tags, and behind MPLS where IP
 * follows. vlan_offset is where the first tag's TCI lies. No offset is behind
 * caplen. Bytes that the IP length does not count (padding) are not looked at.
 *
 * *frag gets PKT_FLAGS_IP_* bits, and PFRI_FRAG_INNER if the packet inside a
 * tunnel is a fragment.
 */
int pfri_parse(const u_char *pkt, u_int32_t caplen, int level, struct pkt_parsing_info *info,
	       u_int32_t *frag);

#define PFRI_FRAG_OUTER (PKT_FLAGS_IP_MORE_FRAG | PKT_FLAGS_IP_FRAG_OFFSET)
#define PFRI_FRAG_INNER (1u << 16)

/*
 * A hash of the tuple that type names, equal for both directions of a flow and
 * for all fragments of a datagram (then of the addresses only: later fragments
 * have neither ports nor, in IPv6, the transport's number); frag as above.
 * Without IP it takes the MAC addresses and the type, or is 0 where type is
 * only about IP. 0 otherwise only where there are no addresses at all.
 * cluster_round_robin hashes as cluster_per_flow.
 */
u_int32_t pfri_flow_hash(const struct pkt_parsing_info *info, u_int32_t frag, cluster_type type);

/*
 * Of one end alone, for cluster_per_flow_ip_with_dup_tuple: the members of
 * both get the packet. 0 without IP.
 */
u_int32_t pfri_host_hash(const struct pkt_parsing_info *info, bool destination);

#endif /* PFRI_PARSE_H */
