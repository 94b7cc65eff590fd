/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program in the idiom of the guide (5.4.4, chapter 7) and of today's
 * PF_RING programs. It is compiled as C and as C++ and never run: what it
 * shows is that such sources need no change.
 */
#define ENABLE_BPF
#include "pfring.h"
#include "pfring_priv.h"
#include <linux/pf_ring.h>

static pfring *pd;
static u_int8_t wait_for_packet = 1;
static volatile int do_shutdown;

static void sigproc(int sig)
{
	(void)sig;
	do_shutdown = 1;
	pfring_breakloop(pd);
	pfring_close(pd);
}

static void on_packet(const struct pfring_pkthdr *h, const u_char *p, const u_char *user_bytes)
{
	const struct pkt_parsing_info *hdr = &h->extended_hdr.parsed_pkt;
	const struct pcap_pkthdr *classic = (const struct pcap_pkthdr *)h;
	char buf[512];
	u_int32_t ipv4_src = hdr->ipv4_src; /* a name that a member has, too */

	(void)user_bytes;
	if (h->ts.tv_sec == 0 || classic->caplen != h->caplen)
		return;
	if (hdr->ip_version == 4 && ipv4_src && hdr->ipv4_dst && hdr->ipv4_tos == 0)
		printf("%u:%u %u:%u\n", hdr->ip_src.v4, hdr->l4_src_port, hdr->ip_dst.v4,
		       hdr->l4_dst_port);
	else
		printf("%02x %02x\n", hdr->ipv6_src.s6_addr[0], hdr->ipv6_dst.s6_addr[15]);
	printf("%u %u %u %d %d %d %llu\n", hdr->tcp.flags, hdr->tcp.seqNum, hdr->tcp.ackNum,
	       hdr->offset.eth_offset, hdr->offset.l3_offset, hdr->offset.payload_offset,
	       (unsigned long long)h->extended_hdr.timestamp_ns);
	if (hdr->tunnel.tunnel_id != NO_TUNNEL_ID)
		printf("%u %u\n", hdr->tunnel.tunneled_ip_src.v4, hdr->tunnel.tunneled_l4_dst_port);
	pfring_print_parsed_pkt(buf, sizeof(buf), p, h);
}

int main(int argc, char *argv[])
{
	char *device = argv[argc - 1];
	u_char mac_address[6];
	u_char *buffer = NULL;
	char name[32];
	struct pfring_pkthdr hdr;
	pfring *rings[MAX_NUM_RX_CHANNELS];
	pfringProcessPacket guide_spelling = on_packet;
	pfringProcesssPacket today_spelling = guide_spelling;
	packet_direction direction = rx_and_tx_direction;
	cluster_type balance = cluster_round_robin;
	filtering_rule rule;
	hash_filtering_rule hash_rule;
	pfring_stat stats;
	u_int32_t version;
	u_char frame[60] = {0};
	int device_id, ifindex;

	(void)sigproc;
	pd = pfring_open(device, 1500,
			 PF_RING_PROMISC | PF_RING_LONG_HEADER | PF_RING_REENTRANT |
				 PF_RING_TIMESTAMP | PF_RING_DNA_SYMMETRIC_RSS);
	if (pd == NULL)
		return -1;
	pfring_set_application_name(pd, argv[0]);
	pfring_version(pd, &version);
	if (pfring_get_bound_device_address(pd, mac_address) != 0)
		return PF_RING_ERROR_INVALID_ARGUMENT;
	pfring_get_bound_device_id(pd, &device_id);
	pfring_get_bound_device_ifindex(pd, &ifindex);
	memset(&rule, 0, sizeof(rule));
	rule.rule_id = 5;
	rule.rule_action = forward_packet_and_stop_rule_evaluation;
	rule.core_fields.proto = 6;
	rule.core_fields.shost.v4 = ntohl(1);
	rule.core_fields.sport_low = rule.core_fields.sport_high = 80;
	snprintf(rule.reflector_device_name, REFLECTOR_NAME_LEN, "%s", device);
	memset(&hash_rule, 0, sizeof(hash_rule));
	hash_rule.host4_peer_a = hash_rule.host4_peer_b = 1;
	hash_rule.rule_action = dont_forward_packet_and_stop_rule_evaluation;
	pfring_set_cluster(pd, 7, balance);
	pfring_set_cluster(pd, 7, cluster_per_flow_2_tuple);
	pfring_set_direction(pd, direction);
	pfring_set_socket_mode(pd, send_and_recv_mode);
	pfring_set_bpf_filter(pd, argv[0]);
	pfring_set_poll_watermark(pd, 128);
	pfring_enable_ring(pd);
	pfring_loop(pd, on_packet, (u_char *)NULL, wait_for_packet);
	pfring_loop(pd, today_spelling, NULL, wait_for_packet);
	while (!do_shutdown && pfring_recv(pd, &buffer, 0, &hdr, wait_for_packet) > 0)
		pfring_send_last_rx_packet(pd, ifindex);
	pfring_send(pd, frame, sizeof(frame), 1);
	pfring_send(pd, (char *)frame, sizeof(frame), 0);
	pfring_send(pd, (const char *)frame, sizeof(frame), 0);
	/* Bindings (gopacket's) call the function by its type. */
	int (*send_frame)(pfring *, char *, u_int, u_int8_t) = pfring_send;

	send_frame(pd, (char *)frame, sizeof(frame), 1);
	pfring_stats(pd, &stats);
	printf("%llu %llu %s\n", (unsigned long long)stats.recv, (unsigned long long)stats.drop,
	       pfring_format_numbers(1.0, name, sizeof(name), 0));
	if (pfring_open_multichannel(device, 128, PF_RING_PROMISC, rings) > 0)
		pfring_close(rings[0]);
	pfring_close(pd);
	return min_val(0, 1);
}
