// SPDX-License-Identifier: GPL-2.0-only
/*
 * dummy.c - the smallest plugin that does something: to be copied.
 *
 * As filter: packets whose payload begins with a text. As handler: counts
 * packets and bytes of each rule, and lets every packet go its rule's way. A
 * rule that adds hash rules gets them for each flow, counted as well. A purge
 * takes its rules that never met a packet, however young.
 */
#include "pf_ring_plugin.h"
#include "../uapi/pf_ring_plugins.h"

static int dummy_filter(struct pf_ring_socket *pfr, sw_filtering_rule_element *rule,
			struct pfring_pkthdr *hdr, struct sk_buff *skb, int displ,
			struct parse_buffer **parse_memory)
{
	const struct dummy_filter *filter = (const void *)rule->filter_plugin_data;
	size_t len = strnlen(filter->begin, sizeof(filter->begin));
	int off = hdr->extended_hdr.parsed_pkt.offset.payload_offset;
	char begin[sizeof(filter->begin)];

	if (!len)
		return 1;
	return off >= 0 && !skb_copy_bits(skb, displ + off, begin, len) &&
	       !memcmp(begin, filter->begin, len);
}

static int dummy_handle(struct pf_ring_socket *pfr, sw_filtering_rule_element *rule,
			sw_filtering_hash_bucket *hash_rule, struct pfring_pkthdr *hdr,
			struct sk_buff *skb, int displ, u_int16_t filter_plugin_id,
			struct parse_buffer **parse_memory, rule_action_behaviour *behaviour)
{
	struct dummy_stats *stats;

	stats = pfring_rule_memory(rule, hash_rule, sizeof(*stats));
	if (!stats)
		return -ENOMEM;
	stats->packets++;
	stats->bytes += hdr->len;
	return 0;
}

static int dummy_stats(struct pf_ring_socket *pfr, sw_filtering_rule_element *rule,
		       sw_filtering_hash_bucket *hash_rule, u_char *buffer, u_int len)
{
	return pfring_rule_copy(rule, hash_rule, buffer, len, sizeof(struct dummy_stats));
}

static int dummy_purge(struct pf_ring_socket *pfr, sw_filtering_rule_element *rule,
		       sw_filtering_hash_bucket *hash_rule, u_int16_t inactivity)
{
	return !*pfring_rule_data(rule, hash_rule);
}

static unsigned int rings_left;
module_param(rings_left, uint, 0444);
MODULE_PARM_DESC(rings_left, "rings that have had rules with this plugin, and have none now");

static void dummy_free_ring(struct pf_ring_socket *pfr)
{
	WRITE_ONCE(rings_left, READ_ONCE(rings_left) + 1);
}

/* Both for adding and deleting: the flow of the packet. */
static int dummy_flow(sw_filtering_rule_element *rule, struct pfring_pkthdr *hdr,
		      struct parse_buffer **parse_memory, hash_filtering_rule *flow)
{
	const struct pkt_parsing_info *info = &hdr->extended_hdr.parsed_pkt;

	if (!info->ip_version)
		return -ENOENT;
	flow->vlan_id = info->vlan_id;
	flow->ip_version = info->ip_version;
	flow->proto = info->l3_proto;
	flow->host_peer_a = info->ip_src;
	flow->host_peer_b = info->ip_dst;
	flow->port_peer_a = info->l4_src_port;
	flow->port_peer_b = info->l4_dst_port;
	flow->rule_action = forward_packet_and_stop_rule_evaluation;
	flow->plugin_action.plugin_id = DUMMY_PLUGIN_ID;
	return 0;
}

static struct pfring_plugin_registration registration = {
	.plugin_id = DUMMY_PLUGIN_ID,
	.name = "dummy",
	.description = "counts packets and bytes",
	.pfring_plugin_filter_skb = dummy_filter,
	.pfring_plugin_handle_skb = dummy_handle,
	.pfring_plugin_get_stats = dummy_stats,
	.pfring_plugin_purge_idle = dummy_purge,
	.pfring_plugin_free_rule_mem = pfring_rule_kfree,
	.pfring_plugin_free_ring_mem = dummy_free_ring,
	.pfring_plugin_add_rule = dummy_flow,
	.pfring_plugin_del_rule = dummy_flow,
};

module_pfring_plugin(registration);
MODULE_DESCRIPTION("pf_ring plugin: counts packets and bytes");
MODULE_LICENSE("GPL");
