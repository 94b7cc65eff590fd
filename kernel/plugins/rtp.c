// SPDX-License-Identifier: GPL-2.0-only
/*
 * rtp.c - plugin: jitter and loss of RTP flows, as RFC 3550 has receivers count.
 *
 * As handler it keeps up to RTP_MAX_FLOWS flows for each rule, told apart by
 * source, ports and addresses; as filter it lets RTP of one source through.
 * Arithmetic is modulo 2^16 and 2^32 as in the RFC's appendix A.
 */
#include "pf_ring_plugin.h"
#include "../uapi/pf_ring_plugins.h"

#define RTP_HEADER 12
#define DEFAULT_RATE 8000

struct flow {
	struct rtp_flow_stats stats;
	ip_addr src, dst;
	u16 base_seq, max_seq;
	u32 cycles; /* in steps of 65536 */
	u32 transit;
	u32 jitter; /* times 16 */
};

struct flows {
	u32 count, malformed;
	u64 untracked;
	struct flow flow[RTP_MAX_FLOWS];
};

struct rtp {
	u8 type;
	u16 seq;
	u32 stamp, ssrc;
};

static u32 be32(const u8 *p)
{
	return (u32)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

static bool rtp_read(const struct pfring_pkthdr *hdr, const struct sk_buff *skb, int displ,
		     struct rtp *rtp)
{
	int off = hdr->extended_hdr.parsed_pkt.offset.payload_offset;
	u8 h[RTP_HEADER];

	if (off < 0 || skb_copy_bits(skb, displ + off, h, sizeof(h)) || h[0] >> 6 != 2)
		return false;
	rtp->type = h[1] & 0x7f;
	rtp->seq = h[2] << 8 | h[3];
	rtp->stamp = be32(h + 4);
	rtp->ssrc = be32(h + 8);
	return true;
}

/* RFC 3551, section 6: the static payload types. */
static u32 rate_of(u8 type)
{
	switch (type) {
	case 6:
		return 16000;
	case 10:
	case 11:
		return 44100;
	case 16:
		return 11025;
	case 17:
		return 22050;
	case 14:
	case 25 ... 34:
		return 90000;
	}
	return DEFAULT_RATE;
}

static struct flow *flow_find(struct flows *flows, const struct pkt_parsing_info *info,
			      const struct rtp *rtp)
{
	struct flow *flow;
	u32 i;

	for (i = 0; i < flows->count; i++) {
		flow = &flows->flow[i];
		if (flow->stats.ssrc == rtp->ssrc && flow->stats.src_port == info->l4_src_port &&
		    flow->stats.dst_port == info->l4_dst_port &&
		    !memcmp(&flow->src, &info->ip_src, sizeof(flow->src)) &&
		    !memcmp(&flow->dst, &info->ip_dst, sizeof(flow->dst)))
			return flow;
	}
	if (flows->count == RTP_MAX_FLOWS)
		return NULL;
	flow = &flows->flow[flows->count++];
	flow->stats.ssrc = rtp->ssrc;
	flow->stats.src_port = info->l4_src_port;
	flow->stats.dst_port = info->l4_dst_port;
	flow->src = info->ip_src;
	flow->dst = info->ip_dst;
	return flow;
}

/* When it came, in units of its own time stamp. */
static u32 arrival(u64 ns, u32 rate)
{
	u32 rest;
	u64 seconds = div_u64_rem(ns, NSEC_PER_SEC, &rest);

	return (u32)seconds * rate + (u32)div_u64((u64)rest * rate, NSEC_PER_SEC);
}

static void flow_count(struct flow *flow, const struct rtp *rtp, u64 ns, u32 rate)
{
	u32 transit = arrival(ns, rate) - rtp->stamp;
	u32 d;

	flow->stats.clock_rate = rate;
	if (!flow->stats.packets++) {
		flow->base_seq = flow->max_seq = rtp->seq;
		flow->transit = transit;
		return;
	}
	/* Appendix A.1: later than the highest one, perhaps round the corner. */
	if ((s16)(rtp->seq - flow->max_seq) > 0) {
		if (rtp->seq < flow->max_seq)
			flow->cycles += 65536;
		flow->max_seq = rtp->seq;
	}
	d = abs((s32)(transit - flow->transit)); /* A.8 */
	flow->transit = transit;
	flow->jitter += d - ((flow->jitter + 8) >> 4);
}

/* The program's word on rate and source is the filter's, if this plugin filters for the rule. */
static const struct rtp_filter *filter_of(const sw_filtering_rule_element *rule)
{
	return rule && rule->filter_plugin_id == RTP_PLUGIN_ID
		       ? (const void *)rule->filter_plugin_data
		       : NULL;
}

static int rtp_filter(struct pf_ring_socket *pfr, sw_filtering_rule_element *rule,
		      struct pfring_pkthdr *hdr, struct sk_buff *skb, int displ,
		      struct parse_buffer **parse_memory)
{
	const struct rtp_filter *filter = filter_of(rule);
	struct rtp rtp;

	return rtp_read(hdr, skb, displ, &rtp) && (!filter->ssrc || filter->ssrc == rtp.ssrc);
}

static int rtp_handle(struct pf_ring_socket *pfr, sw_filtering_rule_element *rule,
		      sw_filtering_hash_bucket *hash_rule, struct pfring_pkthdr *hdr,
		      struct sk_buff *skb, int displ, u_int16_t filter_plugin_id,
		      struct parse_buffer **parse_memory, rule_action_behaviour *behaviour)
{
	const struct rtp_filter *filter = filter_of(rule);
	struct flows *flows;
	struct flow *flow;
	struct rtp rtp;

	flows = pfring_rule_memory(rule, hash_rule, sizeof(*flows));
	if (!flows)
		return -ENOMEM;
	if (!rtp_read(hdr, skb, displ, &rtp)) {
		flows->malformed++;
		return 0;
	}
	flow = flow_find(flows, &hdr->extended_hdr.parsed_pkt, &rtp);
	if (flow)
		flow_count(flow, &rtp, hdr->extended_hdr.timestamp_ns,
			   filter && filter->clock_rate ? filter->clock_rate : rate_of(rtp.type));
	else
		flows->untracked++;
	return 0;
}

static int rtp_stats(struct pf_ring_socket *pfr, sw_filtering_rule_element *rule,
		     sw_filtering_hash_bucket *hash_rule, u_char *buffer, u_int len)
{
	const struct flows *flows = *pfring_rule_data(rule, hash_rule);
	struct rtp_stats *stats = (void *)buffer;
	u32 i, n = flows ? flows->count : 0;

	if (len < offsetof(struct rtp_stats, flow) + n * sizeof(stats->flow[0]))
		return 0;
	memset(stats, 0, offsetof(struct rtp_stats, flow));
	stats->flows = n;
	if (flows) {
		stats->malformed = flows->malformed;
		stats->untracked = flows->untracked;
	}
	for (i = 0; i < n; i++) {
		const struct flow *flow = &flows->flow[i];
		struct rtp_flow_stats *s = &stats->flow[i];

		*s = flow->stats;
		s->jitter = flow->jitter >> 4;
		s->max_seq = flow->cycles + flow->max_seq;
		s->lost = s->max_seq - flow->base_seq + 1 - s->packets; /* A.3 */
	}
	return offsetof(struct rtp_stats, flow) + n * sizeof(stats->flow[0]);
}

static struct pfring_plugin_registration registration = {
	.plugin_id = RTP_PLUGIN_ID,
	.name = "rtp",
	.description = "RTP protocol analyzer",
	.pfring_plugin_filter_skb = rtp_filter,
	.pfring_plugin_handle_skb = rtp_handle,
	.pfring_plugin_get_stats = rtp_stats,
	.pfring_plugin_free_rule_mem = pfring_rule_kfree,
};

module_pfring_plugin(registration);
MODULE_DESCRIPTION("pf_ring plugin: RTP protocol analyzer");
MODULE_LICENSE("GPL");
