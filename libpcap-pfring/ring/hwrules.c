/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hwrules.c - rules in the adapter (guide 7.11), through ethtool's receive
 * classification (include/uapi/linux/ethtool.h, "struct ethtool_rxnfc").
 *
 * A rule's id is its location in the adapter's table. Rules outlive the ring:
 * the adapter is everybody's. Called through interface.c's socket, so in the
 * namespace in which the ring was opened.
 */
#include <arpa/inet.h>

#include "handle.h"
#include "hwrules.h"

static int five_tuple(struct pfri_hw_flow *f, u_int16_t vlan, u_int8_t proto, u_int32_t src,
		      u_int32_t dst, u_int16_t sport, u_int16_t dport, u_int16_t queue,
		      u_int queues)
{
	*f = (struct pfri_hw_flow){.version = 4, .proto = proto, .vlan = vlan};
	f->src.v4 = src;
	f->dst.v4 = dst;
	f->sport = sport;
	f->dport = dport;
	f->queue = queue;
	/* The guide's way to drop: a queue that is not there. */
	f->drop = queue >= queues;
	return 0;
}

static int flow_tuple(struct pfri_hw_flow *f, const generic_flow_tuple_hw_rule *t, int queue)
{
	if (t->ip_version && t->ip_version != 4 && t->ip_version != 6)
		return pfri_fail(-EINVAL, "a rule for IP version %u is malformed", t->ip_version);
	if (t->action == flow_mark_rule || t->action == flow_steer_rule)
		return pfri_fail(-EOPNOTSUPP, "adapters here pass flows or drop them; marking and "
					      "steering needs flow offload");
	if (t->action != flow_pass_rule && t->action != flow_drop_rule)
		return pfri_fail(-EINVAL, "%d is no action of a flow rule", (int)t->action);
	*f = (struct pfri_hw_flow){.version = t->ip_version == 6 ? 6 : 4,
				   .proto = t->protocol,
				   .src = t->src_ip,
				   .dst = t->dst_ip,
				   .sport = t->src_port,
				   .dport = t->dst_port,
				   .queue = queue,
				   .drop = t->action == flow_drop_rule};
	return 0;
}

static int read_rule(struct pfri_hw_flow *f, const hw_filtering_rule *rule, u_int queues, int queue)
{
	const intel_82599_five_tuple_filter_hw_rule *t = &rule->rule_family.five_tuple_rule;
	const intel_82599_perfect_filter_hw_rule *p = &rule->rule_family.perfect_rule;

	switch (rule->rule_family_type) {
	case intel_82599_five_tuple_rule:
		return five_tuple(f, 0, t->proto, t->s_addr, t->d_addr, t->s_port, t->d_port,
				  t->queue_id, queues);
	case intel_82599_perfect_filter_rule:
		return five_tuple(f, p->vlan_id, p->proto, p->s_addr, p->d_addr, p->s_port,
				  p->d_port, p->queue_id, queues);
	case generic_flow_tuple_rule:
		return flow_tuple(f, &rule->rule_family.flow_tuple_rule, queue);
	case silicom_redirector_rule:
		return pfri_fail(-EOPNOTSUPP, "rules of Silicom's redirectors need Silicom's "
					      "driver and library");
	case generic_flow_id_rule:
		return pfri_fail(-EOPNOTSUPP, "flow ids come from adapters with flow offload only; "
					      "use a generic_flow_tuple_rule");
	}
	return pfri_fail(-EINVAL, "%d is no kind of hardware rule", (int)rule->rule_family_type);
}

/* The flow type with ports, 0 for a protocol that has none. */
static u_int32_t with_ports(const struct pfri_hw_flow *f)
{
	bool v6 = f->version == 6;

	switch (f->proto) {
	case IPPROTO_TCP:
		return v6 ? TCP_V6_FLOW : TCP_V4_FLOW;
	case IPPROTO_UDP:
		return v6 ? UDP_V6_FLOW : UDP_V4_FLOW;
	case IPPROTO_SCTP:
		return v6 ? SCTP_V6_FLOW : SCTP_V4_FLOW;
	}
	return 0;
}

static u_int16_t all_bits(u_int16_t v)
{
	return v ? 0xffff : 0;
}

static const struct in6_addr none;

static bool is_none(const ip_addr *a)
{
	return !memcmp(a, &none, sizeof(none));
}

/* The three protocols with ports share one layout, and its beginning with all others. */
static void spec4(const struct pfri_hw_flow *f, bool ports, struct ethtool_rx_flow_spec *fs)
{
	struct ethtool_tcpip4_spec *h = &fs->h_u.tcp_ip4_spec, *m = &fs->m_u.tcp_ip4_spec;

	if (f->src.v4)
		m->ip4src = f->src_mask.v4 ? htonl(f->src_mask.v4) : ~0u;
	if (f->dst.v4)
		m->ip4dst = f->dst_mask.v4 ? htonl(f->dst_mask.v4) : ~0u;
	h->ip4src = htonl(f->src.v4) & m->ip4src;
	h->ip4dst = htonl(f->dst.v4) & m->ip4dst;
	if (ports) {
		h->psrc = htons(f->sport);
		m->psrc = all_bits(f->sport);
		h->pdst = htons(f->dport);
		m->pdst = all_bits(f->dport);
	} else {
		fs->h_u.usr_ip4_spec.ip_ver = ETH_RX_NFC_IP4;
		fs->h_u.usr_ip4_spec.proto = f->proto;
		fs->m_u.usr_ip4_spec.proto = f->proto ? 0xff : 0;
	}
}

static void address6(__be32 h[4], __be32 m[4], const ip_addr *a, const ip_addr *mask)
{
	if (is_none(a))
		return;
	memcpy(h, &a->v6, 16);
	if (is_none(mask))
		memset(m, 0xff, 16);
	else
		memcpy(m, &mask->v6, 16);
	for (int i = 0; i < 4; i++)
		h[i] &= m[i];
}

static void spec6(const struct pfri_hw_flow *f, bool ports, struct ethtool_rx_flow_spec *fs)
{
	struct ethtool_tcpip6_spec *h = &fs->h_u.tcp_ip6_spec, *m = &fs->m_u.tcp_ip6_spec;

	address6(h->ip6src, m->ip6src, &f->src, &f->src_mask);
	address6(h->ip6dst, m->ip6dst, &f->dst, &f->dst_mask);
	if (ports) {
		h->psrc = htons(f->sport);
		m->psrc = all_bits(f->sport);
		h->pdst = htons(f->dport);
		m->pdst = all_bits(f->dport);
	} else {
		fs->h_u.usr_ip6_spec.l4_proto = f->proto;
		fs->m_u.usr_ip6_spec.l4_proto = f->proto ? 0xff : 0;
	}
}

static void spec_ethernet(const struct pfri_hw_flow *f, struct ethtool_rx_flow_spec *fs)
{
	struct ethhdr *h = &fs->h_u.ether_spec, *m = &fs->m_u.ether_spec;

	memcpy(h->h_source, f->smac, ETH_ALEN);
	memcpy(h->h_dest, f->dmac, ETH_ALEN);
	if (memcmp(f->smac, &none, ETH_ALEN))
		memset(m->h_source, 0xff, ETH_ALEN);
	if (memcmp(f->dmac, &none, ETH_ALEN))
		memset(m->h_dest, 0xff, ETH_ALEN);
	h->h_proto = htons(f->eth_type);
	m->h_proto = all_bits(f->eth_type);
}

void pfri_hw_flow_spec(const struct pfri_hw_flow *f, struct ethtool_rx_flow_spec *fs)
{
	u_int32_t type = with_ports(f);

	memset(fs, 0, sizeof(*fs));
	if (!f->version) {
		fs->flow_type = ETHER_FLOW;
		spec_ethernet(f, fs);
	} else if (f->version == 6) {
		fs->flow_type = type ? type : IPV6_USER_FLOW;
		spec6(f, type != 0, fs);
	} else {
		fs->flow_type = type ? type : IP_USER_FLOW;
		spec4(f, type != 0, fs);
	}
	if (f->version && memcmp(f->dmac, &none, ETH_ALEN)) {
		fs->flow_type |= FLOW_MAC_EXT;
		memcpy(fs->h_ext.h_dest, f->dmac, ETH_ALEN);
		memset(fs->m_ext.h_dest, 0xff, ETH_ALEN);
	}
	if (f->vlan) {
		fs->flow_type |= FLOW_EXT;
		fs->h_ext.vlan_tci = htons(f->vlan);
		fs->m_ext.vlan_tci = htons(4095);
	}
	fs->location = PFRI_HW_ANYWHERE;
	if (f->drop)
		fs->ring_cookie = RX_CLS_FLOW_DISC;
	else if (f->queue >= 0)
		fs->ring_cookie = (u_int64_t)f->queue;
	else
		fs->flow_type |= FLOW_RSS; /* context 0: spread as everything else */
}

int pfri_hw_spec(const hw_filtering_rule *rule, u_int queues, int queue,
		 struct ethtool_rx_flow_spec *fs)
{
	struct pfri_hw_flow f;
	int rc = read_rule(&f, rule, queues, queue);

	if (rc)
		return rc;
	if (!with_ports(&f) && (f.sport || f.dport))
		return pfri_fail(-EINVAL,
				 "a rule with ports must be for TCP, UDP or SCTP, not for "
				 "protocol %u",
				 f.proto);
	if (f.vlan > 4095)
		return pfri_fail(-EINVAL, "%u is no VLAN; they are 1 to 4095", f.vlan);
	pfri_hw_flow_spec(&f, fs);
	if (rule->rule_id != FILTERING_RULE_AUTO_RULE_ID)
		fs->location = rule->rule_id;
	return 0;
}

/* The driver's "no" in words. */
static int refused(struct pfri_ring *r, int err, const char *what)
{
	if (err == -EOPNOTSUPP || err == -ENODEV)
		return pfri_fail(-EOPNOTSUPP,
				 "%s: the adapter has no rules of this kind (is "
				 "`ethtool -K %s ntuple on` possible?)",
				 r->name.device, r->name.device);
	return pfri_fail(err, "%s: the adapter does not %s the rule: %s", r->name.device, what,
			 err == -EPERM ? "CAP_NET_ADMIN is needed" : strerror(-err));
}

static int taken(struct pfri_ring *r, u_int32_t location)
{
	struct ethtool_rxnfc q = {.cmd = ETHTOOL_GRXCLSRULE, .fs.location = location};

	return pfri_ethtool(r, &q) == 0;
}

/* A free place, for drivers that do not choose one themselves. */
static int find_place(struct pfri_ring *r, u_int32_t *location)
{
	struct ethtool_rxnfc q = {.cmd = ETHTOOL_GRXCLSRLCNT};
	u_int64_t size;
	int rc = pfri_ethtool(r, &q);

	if (rc)
		return refused(r, rc, "take");
	if (q.data & RX_CLS_LOC_SPECIAL) {
		*location = RX_CLS_LOC_ANY;
		return 0;
	}
	size = q.data ? q.data : 1024;
	for (u_int32_t i = 0; i < size && i < FILTERING_RULE_AUTO_RULE_ID; i++) {
		if (!taken(r, i)) {
			*location = i;
			return 0;
		}
	}
	return pfri_fail(-ENOSPC, "%s: the adapter's rule table is full", r->name.device);
}

int pfri_hw_queue(const struct pfri_ring *r)
{
	return __builtin_popcountll(r->name.queues) == 1 ? __builtin_ctzll(r->name.queues) : -1;
}

int pfri_hw_possible(struct pfri_ring *r)
{
	struct ethtool_rxnfc q = {.cmd = ETHTOOL_GRXCLSRLCNT};
	int rc = pfri_ethtool(r, &q);

	return rc ? refused(r, rc, "take") : 0;
}

int pfri_hw_insert(struct pfri_ring *r, const struct ethtool_rx_flow_spec *fs, u_int32_t *location)
{
	struct ethtool_rxnfc q = {
		.cmd = ETHTOOL_SRXCLSRLINS, .flow_type = fs->flow_type, .fs = *fs};
	int rc = 0;

	if (fs->location == PFRI_HW_ANYWHERE)
		rc = find_place(r, &q.fs.location);
	else if (taken(r, fs->location))
		rc = pfri_fail(-EEXIST, "%s: the adapter has a rule %u already", r->name.device,
			       fs->location);
	if (rc)
		return rc;
	rc = pfri_ethtool(r, &q);
	if (rc)
		return refused(r, rc, "take");
	*location = q.fs.location;
	return 0;
}

int pfri_hw_delete(struct pfri_ring *r, u_int32_t location)
{
	struct ethtool_rxnfc q = {.cmd = ETHTOOL_SRXCLSRLDEL, .fs.location = location};
	int rc = pfri_ethtool(r, &q);

	return rc ? refused(r, rc, "remove") : 0;
}

static int add(struct pfri_ring *r, hw_filtering_rule *rule, u_int queues)
{
	struct ethtool_rx_flow_spec fs;
	u_int32_t location;
	int rc = pfri_hw_spec(rule, queues, pfri_hw_queue(r), &fs);

	if (!rc)
		rc = pfri_hw_insert(r, &fs, &location);
	if (!rc)
		rule->rule_id = (u_int16_t)location;
	return rc;
}

int pfring_add_hw_rule(pfring *ring, hw_filtering_rule *rule)
{
	struct pfri_ring *r = pfri_of(ring);
	u_int queues;
	int rc;

	if (!rule)
		return pfri_fail(-EINVAL, "pfring_add_hw_rule: no rule was given");
	rc = pfri_enter(r);
	if (rc)
		return rc;
	queues = pfring_get_num_rx_channels(ring);
	return pfri_leave(r, add(r, rule, queues));
}

int pfring_remove_hw_rule_id(pfring *ring, u_int16_t rule_id)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc = pfri_enter(r);

	return rc ? rc : pfri_leave(r, pfri_hw_delete(r, rule_id));
}

#undef pfring_remove_hw_rule
int pfring_remove_hw_rule(pfring *ring, hw_filtering_rule *rule)
{
	if (!rule)
		return pfri_fail(-EINVAL, "pfring_remove_hw_rule: no rule was given");
	return pfring_remove_hw_rule_id(ring, rule->rule_id);
}

int pfring_set_default_hw_action(pfring *ring, generic_default_action_type action)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc = pfri_enter(r);

	if (rc)
		return rc;
	if (action != default_pass)
		rc = action == default_drop
			     ? pfri_fail(-EOPNOTSUPP, "adapters pass what no rule names; add a "
						      "rule that drops it")
			     : pfri_fail(-EINVAL, "%d is no default action", (int)action);
	return pfri_leave(r, rc);
}
