/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Everything that eleven programs of the field name of pfring.h and
 * <linux/pf_ring.h>, program by program: calls, constants, structure members.
 * Compiled as C and as C++ and linked against the shared library, as those
 * programs are; run, it says how many calls were there.
 */
#define ENABLE_BPF
#include "pfring.h"
#include "pfring_mod_sysdig.h"
#include "pfring_priv.h"
#include <linux/pf_ring.h>

typedef void (*any_call)(void);
#define CALL(f) ((any_call)(f))
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const any_call pfsystest_calls[] = {
	CALL(pfring_open),	    CALL(pfring_close),
	CALL(pfring_version),	    CALL(pfring_set_application_name),
	CALL(pfring_loopback_test),
};

static const any_call pflatency_calls[] = {
	CALL(pfring_enable_ring),	 CALL(pfring_recv),	      CALL(pfring_send),
	CALL(pfring_set_direction),	 CALL(pfring_get_mtu_size),   CALL(pfring_set_socket_mode),
	CALL(pfring_set_poll_watermark), CALL(pfring_format_numbers),
};

static const any_call pfbridge_calls[] = {
	CALL(pfring_send_last_rx_packet),
	CALL(pfring_set_bpf_filter),
	CALL(pfring_get_bound_device_ifindex),
};

static const any_call pfwrite_calls[] = {
	CALL(pfring_parse_pkt),
	CALL(pfring_set_cluster),
	CALL(gmt_to_local),
};

static const any_call pfdump_calls[] = {
	CALL(pfring_stats),
	CALL(pfring_breakloop),
	CALL(pfring_get_bound_device_address),
	CALL(pfring_get_num_rx_channels),
};

static const any_call multichannel_calls[] = {
	CALL(pfring_open_multichannel), CALL(pfring_shutdown), CALL(pfring_print_parsed_pkt),
	CALL(pfring_add_hw_rule),	CALL(pfring_config),   CALL(pfring_enable_rss_rehash),
	CALL(pfring_set_poll_duration),
};

static const any_call pfsend_calls[] = {
	CALL(pfring_flush_tx_packets),
	CALL(pfring_set_tx_watermark),
	CALL(pfring_set_application_stats),
	CALL(pfring_get_appl_stats_file_name),
};

static const any_call pfcount_calls[] = {
	CALL(pfring_findalldevs),
	CALL(pfring_freealldevs),
	CALL(pfring_loop),
	CALL(pfring_get_interface_speed),
	CALL(pfring_recv_burst),
	CALL(pfring_recv_chunk),
	CALL(pfring_set_device_clock),
	CALL(pfring_set_cluster_consumer),
	CALL(sysdig_event2name),
	CALL(pfring_set_default_hw_action),
};

/* Rules, in pfcount and pfcount_82599; their statistics in the guide. */
static const any_call rule_calls[] = {
	CALL(pfring_add_filtering_rule),
	CALL(pfring_remove_filtering_rule),
	CALL(pfring_get_filtering_rule_stats),
	CALL(pfring_purge_idle_rules),
	CALL(pfring_handle_hash_filtering_rule),
	CALL(pfring_get_hash_filtering_rule_stats),
	CALL(pfring_purge_idle_hash_rules),
	CALL(pfring_toggle_filtering_policy),
	CALL(pfring_set_reflector_device),
	CALL(pfring_set_filtering_mode),
	CALL(pfring_search_payload),
};

/* What no program names, and today's and the guide's interfaces have all the same. */
static const any_call other_calls[] = {
	CALL(pfring_adjust_device_clock),
	CALL(pfring_open_consumer),
	CALL(pfring_read_ixia_hw_timestamp),
	CALL(pfring_handle_ixia_hw_timestamp),
	CALL(pfring_read_vss_apcon_hw_timestamp),
	CALL(pfring_handle_vss_apcon_hw_timestamp),
	CALL(pfring_read_metawatch_hw_timestamp),
	CALL(pfring_read_metawatch_device_info),
	CALL(pfring_handle_metawatch_hw_timestamp),
	CALL(pfring_read_arista_7150_keyframe),
	CALL(pfring_read_arista_7150_hw_timestamp),
	CALL(pfring_handle_arista_hw_timestamp),
	CALL(pfring_enable_hw_timestamp_debug),
	CALL(pfring_bind),
	CALL(pfring_bpf_filter),
	CALL(pfring_disable_ring),
	CALL(pfring_enable_hw_timestamp),
	CALL(pfring_free_bpf_filter),
	CALL(pfring_get_bound_device_id),
	CALL(pfring_get_caplen),
	CALL(pfring_get_card_settings),
	CALL(pfring_get_device_clock),
	CALL(pfring_get_device_ifindex),
	CALL(pfring_get_ethtool_link_speed),
	CALL(pfring_get_link_status),
	CALL(pfring_get_link_type),
	CALL(pfring_get_metadata),
	CALL(pfring_get_num_queued_pkts),
	CALL(pfring_get_ring_id),
	CALL(pfring_get_selectable_fd),
	CALL(pfring_get_slot_header_len),
	CALL(pfring_is_pkt_available),
	CALL(pfring_next_pkt_raw_timestamp),
	CALL(pfring_next_pkt_time),
	CALL(pfring_parse_bpf_filter),
	CALL(pfring_poll),
	CALL(pfring_print_pkt),
	CALL(pfring_recv_flow),
	CALL(pfring_recv_parsed),
	CALL(pfring_remove_bpf_filter),
	CALL(pfring_remove_from_cluster),
	CALL(pfring_remove_hw_rule_id),
	CALL(pfring_send_get_time),
	CALL(pfring_send_ifindex),
	CALL(pfring_set_bound_dev_name),
	CALL(pfring_set_channel_id),
	CALL(pfring_set_channel_mask),
	CALL(pfring_set_filtering_sampling_rate),
	CALL(pfring_set_if_promisc),
	CALL(pfring_set_master),
	CALL(pfring_set_master_id),
	CALL(pfring_set_packet_slicing),
	CALL(pfring_set_poll_watermark_timeout),
	CALL(pfring_set_promisc),
	CALL(pfring_set_sampling_rate),
	CALL(pfring_set_virtual_device),
	CALL(pfring_set_vlan_id),
	CALL(pfring_sync_indexes_with_kernel),
	CALL(pfring_version_noring),
};

static const unsigned flags[] = {
	PF_RING_ZC_SYMMETRIC_RSS,
	PF_RING_DNA_SYMMETRIC_RSS,
	PF_RING_REENTRANT,
	PF_RING_LONG_HEADER,
	PF_RING_PROMISC,
	PF_RING_TIMESTAMP,
	PF_RING_HW_TIMESTAMP,
	PF_RING_RX_PACKET_BOUNCE,
	PF_RING_ZC_FIXED_RSS_Q_0,
	PF_RING_DNA_FIXED_RSS_Q_0,
	PF_RING_STRIP_HW_TIMESTAMP,
	PF_RING_DO_NOT_PARSE,
	PF_RING_DO_NOT_TIMESTAMP,
	PF_RING_CHUNK_MODE,
	PF_RING_IXIA_TIMESTAMP,
	PF_RING_USERSPACE_BPF,
	PF_RING_ZC_NOT_REPROGRAM_RSS,
	PF_RING_VSS_APCON_TIMESTAMP,
	PF_RING_ZC_IPONLY_RSS,
	PF_RING_FLOW_OFFLOAD,
	PF_RING_FLOW_OFFLOAD_NOUPDATES,
	PF_RING_KEEP_CRC,
	PF_RING_L7_FILTERING,
	PF_RING_DO_NOT_STRIP_FCS,
	PF_RING_TX_BPF,
	PF_RING_FLOW_OFFLOAD_TUNNEL,
	PF_RING_DISCARD_INJECTED_PKTS,
	PF_RING_ARISTA_TIMESTAMP,
	PF_RING_METAWATCH_TIMESTAMP,
	PF_RING_HW_TIMESTAMP_UNSYNC,
};

static const int constants[] = {
	rx_and_tx_direction,
	rx_only_direction,
	tx_only_direction,
	send_and_recv_mode,
	send_only_mode,
	recv_only_mode,
	PF_RING_ERROR_INVALID_ARGUMENT,
	PF_RING_ERROR_NOT_SUPPORTED,
	PF_RING_ERROR_NO_TX_SLOT_AVAILABLE,
	cluster_per_flow,
	cluster_round_robin,
	cluster_per_flow_2_tuple,
	cluster_per_flow_4_tuple,
	cluster_per_flow_5_tuple,
	cluster_per_flow_tcp_5_tuple,
	cluster_per_inner_flow,
	cluster_per_inner_flow_2_tuple,
	cluster_per_inner_flow_4_tuple,
	cluster_per_inner_flow_5_tuple,
	cluster_per_inner_flow_tcp_5_tuple,
	cluster_per_flow_ip_5_tuple,
	cluster_per_inner_flow_ip_5_tuple,
	cluster_per_flow_ip_with_dup_tuple,
	MAX_CLUSTER_QUEUES,
	MAX_CLUSTER_TYPE_ID,
	CLUSTER_OPTION_RELAXED_DISTRIBUTION,
	FILTERING_RULE_AUTO_RULE_ID,
	(int)NO_TUNNEL_ID,
	MAX_NUM_RX_CHANNELS,
	RING_ANY_VLAN,
	RING_NO_VLAN,
	DEFAULT_MIN_PKT_QUEUED,
	PF_RING_ERROR_END_OF_DEMO_MODE,
	default_pass,
	default_drop,
	MAX_CAPLEN,
	DEFAULT_POLL_DURATION,
	hardware_and_software,
	hardware_only,
	software_only,
	FULL_PACKET_SLICING,
	L2_SLICING,
	L3_SLICING,
	L4_SLICING,
};

static pfring_rwlock_t lock;

/* Members, written and read as the programs do. */
static unsigned long long headers(const struct pfring_pkthdr *h)
{
	const struct pfring_extended_pkthdr *x = &h->extended_hdr;
	const struct pkt_parsing_info *i = &x->parsed_pkt;

#ifndef __cplusplus
	if (unlikely(!likely(h)))
		return 0;
#endif
	return (unsigned long long)(h->ts.tv_sec + h->ts.tv_usec) + h->caplen + h->len +
	       x->timestamp_ns + x->flags + x->rx_direction + x->port_id + x->device_id +
	       (unsigned)x->if_index + x->pkt_hash + (unsigned)x->tx.bounce_interface +
	       (unsigned)x->process.pid + i->dmac[0] + i->smac[5] + i->eth_type + i->vlan_id +
	       i->qinq_vlan_id + i->ip_version + i->l3_proto + i->ip_tos + i->ipv4_tos +
	       i->ipv6_tos + i->ip_src.v4 + i->ip_dst.v4 + i->ipv4_src + i->ipv4_dst +
	       i->ipv6_src.s6_addr[0] + i->ipv6_dst.s6_addr[15] + i->l4_src_port + i->l4_dst_port +
	       i->icmp_type + i->icmp_code + i->tcp.flags + i->tcp.seqNum + i->tcp.ackNum +
	       i->tunnel.tunnel_id + i->tunnel.tunneled_ip_version + i->tunnel.tunneled_proto +
	       i->tunnel.tunneled_ip_src.v4 + i->tunnel.tunneled_ip_dst.v4 +
	       i->tunnel.tunneled_l4_src_port + i->tunnel.tunneled_l4_dst_port +
	       (unsigned)i->last_matched_rule_id + (unsigned)i->offset.eth_offset +
	       (unsigned)i->offset.vlan_offset + (unsigned)i->offset.l3_offset +
	       (unsigned)i->offset.l4_offset + (unsigned)i->offset.payload_offset;
}

static void software_rules(filtering_rule *rule, hash_filtering_rule *hash)
{
	rule->rule_id = FILTERING_RULE_AUTO_RULE_ID;
	rule->rule_action = forward_packet_and_stop_rule_evaluation;
	rule->balance_id = rule->balance_pool = rule->locked = rule->bidirectional = 0;
	rule->core_fields.if_index = 0;
	rule->core_fields.smac[0] = rule->core_fields.dmac[0] = 2;
	rule->core_fields.vlan_id = rule->core_fields.eth_type = rule->core_fields.proto = 0;
	rule->core_fields.shost.v4 = rule->core_fields.dhost.v4 = 1;
	rule->core_fields.shost_mask.v4 = rule->core_fields.dhost_mask.v4 = 0xffffffff;
	rule->core_fields.sport_low = rule->core_fields.sport_high = 80;
	rule->core_fields.dport_low = rule->core_fields.dport_high = 80;
	rule->core_fields.tcp.flags = 2;
	rule->extended_fields.payload_pattern[0] = 0;
	rule->extended_fields.filter_plugin_id = NO_PLUGIN_ID;
	rule->extended_fields.filter_plugin_data[FILTER_PLUGIN_DATA_LEN - 1] = 0;
	rule->extended_fields.tunnel.tunnel_id = NO_TUNNEL_ID;
	rule->plugin_action.plugin_id = NO_PLUGIN_ID;
	rule->reflector_device_name[REFLECTOR_NAME_LEN - 1] = 0;
	hash->rule_id = hash->vlan_id = 0;
	hash->ip_version = 4;
	hash->proto = 6;
	hash->host4_peer_a = hash->host4_peer_b = 1;
	hash->host6_peer_a.s6_addr[0] = hash->host6_peer_b.s6_addr[0] = 1;
	hash->host_peer_a.v4 = hash->host_peer_b.v4 = 1;
	hash->port_peer_a = hash->port_peer_b = 80;
	hash->rule_action = dont_forward_packet_and_stop_rule_evaluation;
	hash->plugin_action.plugin_id = 0;
	hash->reflector_device_name[0] = 0;
}

static int hardware_rules(pfring *ring, hw_filtering_rule *rule)
{
	rule->rule_family_type = generic_flow_tuple_rule;
	rule->rule_id = FILTERING_RULE_AUTO_RULE_ID;
	rule->priority = 0;
	rule->rule_family.flow_tuple_rule.action = flow_drop_rule;
	rule->rule_family.flow_tuple_rule.action = flow_pass_rule;
	rule->rule_family.flow_tuple_rule.ip_version = 4;
	rule->rule_family.flow_tuple_rule.protocol = IPPROTO_TCP;
	rule->rule_family.flow_tuple_rule.src_ip.v4 = 1;
	rule->rule_family.flow_tuple_rule.dst_ip.v4 = 2;
	rule->rule_family.flow_tuple_rule.src_port = 3;
	rule->rule_family.flow_tuple_rule.dst_port = 4;
	rule->rule_family.five_tuple_rule.queue_id = 1;
	rule->rule_family.perfect_rule.vlan_id = 1;
	rule->rule_family.redirector_rule.rule_type = drop_rule;
	rule->rule_family.flow_id_rule.flow_id = 1;
	/* The guide's and today's way to remove. */
	return pfring_remove_hw_rule(ring, rule) == pfring_remove_hw_rule(ring, rule->rule_id);
}

static unsigned long long lists(const pfring_if_t *dev, const pfring_packet_info *p,
				const pfring_stat *st, const pfring_chunk_info *chunk,
				const struct sysdig_event_header *event, const pfring *ring)
{
	return (unsigned)dev->name[0] + (unsigned)dev->system_name[0] + (unsigned)dev->module[0] +
	       (unsigned)dev->sn[0] + dev->mac[5] + dev->bus_id.domain + dev->bus_id.bus +
	       dev->bus_id.device + dev->bus_id.function + (unsigned)dev->status +
	       dev->license.type + dev->license.expiration + (dev->next != NULL) + p->id +
	       (unsigned long long)p->ts.tv_nsec + p->caplen + p->len + p->hash + p->flags +
	       p->data[0] + st->recv + st->drop + st->shunt + chunk->length + event->thread_id +
	       event->event_type + ring->zc_device + (ring->recv_burst != NULL);
}

int main(void)
{
	static const struct {
		const any_call *calls;
		size_t n;
	} programs[] = {
		{pfsystest_calls, COUNT(pfsystest_calls)},
		{pflatency_calls, COUNT(pflatency_calls)},
		{pfbridge_calls, COUNT(pfbridge_calls)},
		{pfwrite_calls, COUNT(pfwrite_calls)},
		{pfdump_calls, COUNT(pfdump_calls)},
		{pfsend_calls, COUNT(pfsend_calls)},
		{pfcount_calls, COUNT(pfcount_calls)},
		{other_calls, COUNT(other_calls)},
		{multichannel_calls, COUNT(multichannel_calls)},
		{rule_calls, COUNT(rule_calls)},
	};
	struct pfring_pkthdr h;
	hw_filtering_rule hw;
	filtering_rule rule;
	hash_filtering_rule hash;
	pfring_if_t dev;
	pfring_packet_info packet;
	pfring_stat stat;
	pfring_chunk_info chunk;
	struct sysdig_event_header event;
	struct __pfring ring;
	struct bpf_program program;
	u_char frame[60];
	size_t calls = 0;
	char name[] = "", one[] = "1";

	memset(&h, 0, sizeof(h));
	memset(&hw, 0, sizeof(hw));
	memset(&rule, 0, sizeof(rule));
	memset(&hash, 0, sizeof(hash));
	memset(&dev, 0, sizeof(dev));
	memset(&packet, 0, sizeof(packet));
	memset(&stat, 0, sizeof(stat));
	memset(&chunk, 0, sizeof(chunk));
	memset(&event, 0, sizeof(event));
	memset(&ring, 0, sizeof(ring));
	memset(frame, 0, sizeof(frame));
	for (size_t i = 0; i < COUNT(programs); i++)
		for (size_t k = 0; k < programs[i].n; k++)
			calls += programs[i].calls[k] != NULL;
	software_rules(&rule, &hash);
	dev.name = dev.system_name = dev.module = dev.sn = name;
	packet.data = frame;
	if (pfring_rwlock_init(&lock, NULL) || headers(&h) || !hardware_rules(NULL, &hw) ||
	    lists(&dev, &packet, &stat, &chunk, &event, &ring))
		return 1;
	/* A program of pcap's own type, and what it says of an IPv4 frame. */
	if (pfring_parse_bpf_filter("ip", 1500, &program))
		return 2;
	frame[12] = 8;
	if (!pfring_bpf_filter(program.bf_insns, frame, sizeof(frame), sizeof(frame)))
		return 3;
	frame[12] = 9;
	if (pfring_bpf_filter(program.bf_insns, frame, sizeof(frame), sizeof(frame)))
		return 4;
	pfring_free_bpf_filter(&program);
	if (sizeof(packet_direction) + sizeof(pfringProcesssPacket) + sizeof(u_int8_t) == 0 ||
	    min_val(atoi(one), 2) != 1)
		return 5;
	printf("%zu calls, %zu flags, %zu constants\n", calls, COUNT(flags), COUNT(constants));
	return 0;
}
