/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rule_match.c - whether one wildcard rule matches one packet.
 *
 * Which of a rule's fields are set is worked out once, when it is added
 * (pfri_rule_wants()); a packet is compared with those only. No state, any
 * thread. What each field means is told in docs/filters.md.
 */
#include <linux/if_ether.h>

#include "rules.h"

static bool is_zero(const void *what, size_t n)
{
	const u_char *p = what;

	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

u_int32_t pfri_rule_wants(const filtering_rule *rule)
{
	const filtering_rule_core_fields *c = &rule->core_fields;
	const filtering_rule_extended_fields *x = &rule->extended_fields;
	u_int32_t wants = 0;

#define WANT(set, what) (wants |= (set) ? (u_int32_t)(what) : 0)
	WANT(c->if_index, PFRI_WANT_IF);
	WANT(!is_zero(c->smac, ETH_ALEN), PFRI_WANT_SMAC);
	WANT(!is_zero(c->dmac, ETH_ALEN), PFRI_WANT_DMAC);
	WANT(c->vlan_id, PFRI_WANT_VLAN);
	WANT(c->eth_type, PFRI_WANT_TYPE);
	WANT(c->proto, PFRI_WANT_PROTO);
	WANT(!is_zero(&c->shost, sizeof(c->shost)), PFRI_WANT_SHOST);
	WANT(!is_zero(&c->dhost, sizeof(c->dhost)), PFRI_WANT_DHOST);
	WANT(c->sport_low || c->sport_high, PFRI_WANT_SPORT);
	WANT(c->dport_low || c->dport_high, PFRI_WANT_DPORT);
	WANT(c->tcp.flags, PFRI_WANT_FLAGS);
	WANT(x->tunnel.tunnel_id && x->tunnel.tunnel_id != NO_TUNNEL_ID, PFRI_WANT_TUNNEL_ID);
	WANT(!is_zero(&x->tunnel.shost, sizeof(x->tunnel.shost)), PFRI_WANT_TUNNEL_SHOST);
	WANT(!is_zero(&x->tunnel.dhost, sizeof(x->tunnel.dhost)), PFRI_WANT_TUNNEL_DHOST);
	WANT(x->payload_pattern[0], PFRI_WANT_PATTERN);
#undef WANT
	return wants;
}

bool pfri_rule_is_v6(const ip_addr *host, const ip_addr *mask)
{
	return !is_zero(&host->v6.s6_addr[4], 12) || !is_zero(&mask->v6.s6_addr[4], 12);
}

static bool host_matches(const ip_addr *want, const ip_addr *mask, bool v6, const ip_addr *have,
			 u_int8_t version)
{
	const bool exact = is_zero(mask, sizeof(*mask));

	if (!v6)
		return version == 4 && !((want->v4 ^ have->v4) & (exact ? ~0u : mask->v4));
	if (version != 6)
		return false;
	for (int i = 0; i < 16; i++)
		if ((want->v6.s6_addr[i] ^ have->v6.s6_addr[i]) &
		    (exact ? 0xff : mask->v6.s6_addr[i]))
			return false;
	return true;
}

static bool port_matches(u_int16_t low, u_int16_t high, u_int16_t port)
{
	return high ? port >= low && port <= high : port == low;
}

/* The fields that have a direction, as the packet has them or swapped. */
static bool ends_match(const struct pfri_wild *w, const struct pkt_parsing_info *info, bool swap)
{
	const filtering_rule_core_fields *c = &w->rule.core_fields;
	const filtering_rule_extended_fields *x = &w->rule.extended_fields;
	const ip_addr *src = swap ? &info->ip_dst : &info->ip_src;
	const ip_addr *dst = swap ? &info->ip_src : &info->ip_dst;
	const ip_addr *t_src = swap ? &info->tunnel.tunneled_ip_dst : &info->tunnel.tunneled_ip_src;
	const ip_addr *t_dst = swap ? &info->tunnel.tunneled_ip_src : &info->tunnel.tunneled_ip_dst;
	const u_int8_t *smac = swap ? info->dmac : info->smac;
	const u_int8_t *dmac = swap ? info->smac : info->dmac;
	u_int16_t sport = swap ? info->l4_dst_port : info->l4_src_port;
	u_int16_t dport = swap ? info->l4_src_port : info->l4_dst_port;
	bool type_v6 = c->eth_type == ETH_P_IPV6;
	u_int8_t inner = info->tunnel.tunneled_ip_version;
	u_int32_t wants = w->wants;

	if (wants & PFRI_WANT_SMAC && memcmp(c->smac, smac, ETH_ALEN))
		return false;
	if (wants & PFRI_WANT_DMAC && memcmp(c->dmac, dmac, ETH_ALEN))
		return false;
	if (wants & PFRI_WANT_SPORT && !port_matches(c->sport_low, c->sport_high, sport))
		return false;
	if (wants & PFRI_WANT_DPORT && !port_matches(c->dport_low, c->dport_high, dport))
		return false;
	if (wants & PFRI_WANT_SHOST &&
	    !host_matches(&c->shost, &c->shost_mask,
			  type_v6 || pfri_rule_is_v6(&c->shost, &c->shost_mask), src,
			  info->ip_version))
		return false;
	if (wants & PFRI_WANT_DHOST &&
	    !host_matches(&c->dhost, &c->dhost_mask,
			  type_v6 || pfri_rule_is_v6(&c->dhost, &c->dhost_mask), dst,
			  info->ip_version))
		return false;
	if (wants & PFRI_WANT_TUNNEL_SHOST &&
	    !host_matches(&x->tunnel.shost, &x->tunnel.shost_mask,
			  pfri_rule_is_v6(&x->tunnel.shost, &x->tunnel.shost_mask), t_src, inner))
		return false;
	return !(wants & PFRI_WANT_TUNNEL_DHOST) ||
	       host_matches(&x->tunnel.dhost, &x->tunnel.dhost_mask,
			    pfri_rule_is_v6(&x->tunnel.dhost, &x->tunnel.dhost_mask), t_dst, inner);
}

static bool holds_pattern(const filtering_rule *rule, const struct pkt_parsing_info *info,
			  const struct pfring_packet *p)
{
	const char *pattern = rule->extended_fields.payload_pattern;
	const int16_t at = info->offset.payload_offset;

	return at >= 0 && (u_int32_t)at < p->caplen &&
	       memmem(p->data + at, p->caplen - (u_int32_t)at, pattern,
		      strnlen(pattern, sizeof(rule->extended_fields.payload_pattern)));
}

bool pfri_rule_matches(const struct pfri_wild *w, const struct pkt_parsing_info *info,
		       const struct pfring_packet *p)
{
	const filtering_rule_core_fields *c = &w->rule.core_fields;
	u_int32_t wants = w->wants;

	if (wants & PFRI_WANT_PROTO && c->proto != info->l3_proto)
		return false;
	if (wants & (PFRI_WANT_SPORT | PFRI_WANT_DPORT) && !info->l4_src_port && !info->l4_dst_port)
		return false;
	if (wants & PFRI_WANT_IF && c->if_index != (u_int32_t)p->if_index)
		return false;
	if (wants & PFRI_WANT_VLAN && c->vlan_id != info->vlan_id)
		return false;
	if (wants & PFRI_WANT_TYPE && c->eth_type != info->eth_type)
		return false;
	if (wants & PFRI_WANT_FLAGS &&
	    (info->l3_proto != IPPROTO_TCP || (info->tcp.flags & c->tcp.flags) != c->tcp.flags))
		return false;
	if (wants & PFRI_WANT_TUNNEL_ID &&
	    info->tunnel.tunnel_id != w->rule.extended_fields.tunnel.tunnel_id)
		return false;
	if (!ends_match(w, info, false) && !(w->rule.bidirectional && ends_match(w, info, true)))
		return false;
	return !(wants & PFRI_WANT_PATTERN) || holds_pattern(&w->rule, info, p);
}
