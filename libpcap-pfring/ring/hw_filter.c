/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hw_filter.c - wildcard and hash rules in the adapter (guide 7.12, filtering modes).
 *
 * Owns the list of what the ring's rules came to in the adapter: a rule takes
 * up to four places there (both IP versions, both directions), or none if one
 * of them was refused. Called by rules.c with the handle held (rx); when the
 * ring is closed its rules leave the adapter, for they are the ring's. The
 * list is a mapping, so that closing is safe in a signal handler.
 */
#include "handle.h"
#include "hwrules.h"
#include "rules.h"

#define FIRST_ROOM 64u
#define MOST 4

struct entry {
	bool hash, locked;
	bool both;    /* software has the rule as well */
	u_int16_t id; /* wildcard */
	hash_filtering_rule flow;
	struct pfri_flow_key key; /* of flow */
	u_int8_t n;
	u_int32_t location[MOST];
};

struct pfri_hw_list {
	u_int32_t n, room;
	struct entry at[];
};

static size_t bytes(u_int32_t room)
{
	return sizeof(struct pfri_hw_list) + room * sizeof(struct entry);
}

/* Makes sure of room for one more. */
static bool more_room(struct pfri_ring *r)
{
	struct pfri_hw_list *l = r->hw_rules;
	u_int32_t room = l ? l->room * 2 : FIRST_ROOM;
	void *at;

	if (l && l->n < l->room)
		return true;
	at = l ? mremap(l, bytes(l->room), bytes(room), MREMAP_MAYMOVE)
	       : mmap(NULL, bytes(room), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	if (at == MAP_FAILED)
		return false;
	r->hw_rules = at;
	r->hw_rules->room = room;
	return true;
}

static struct entry *find(const struct pfri_ring *r, u_int16_t id, const struct pfri_flow_key *key)
{
	struct pfri_hw_list *l = r->hw_rules;

	for (u_int32_t i = 0; l && i < l->n; i++) {
		struct entry *e = &l->at[i];

		if (key ? e->hash && !memcmp(&e->key, key, sizeof(*key)) : !e->hash && e->id == id)
			return e;
	}
	return NULL;
}

static int cannot(const struct pfri_ring *r, const char *what)
{
	return pfri_fail(-EOPNOTSUPP, "%s: no adapter's rules can do that: %s", r->name.device,
			 what);
}

/* What becomes of the packets, for rules of both kinds. */
static int read_action(const struct pfri_ring *r, rule_action_behaviour action, u_int16_t plugin,
		       struct pfri_hw_flow *f)
{
	if (plugin)
		return cannot(r, "plugins are the kernel module's");
	if (action != forward_packet_and_stop_rule_evaluation &&
	    action != dont_forward_packet_and_stop_rule_evaluation)
		return cannot(r, "they forward packets or drop them, and nothing else");
	f->drop = action == dont_forward_packet_and_stop_rule_evaluation;
	f->queue = pfri_hw_queue(r);
	return 0;
}

static int read_port(const struct pfri_ring *r, u_int16_t low, u_int16_t high, u_int16_t *port)
{
	*port = low;
	return !high || high == low ? 0 : cannot(r, "a range of ports");
}

/* 4, 6, or 0: the rule says nothing of addresses. */
static int version_of(const filtering_rule_core_fields *c, u_int32_t wants)
{
	const ip_addr *host = wants & PFRI_WANT_SHOST ? &c->shost : &c->dhost;
	const ip_addr *mask = wants & PFRI_WANT_SHOST ? &c->shost_mask : &c->dhost_mask;

	if (c->eth_type == ETH_P_IPV6)
		return 6;
	if (c->eth_type == ETH_P_IP)
		return 4;
	if (!(wants & (PFRI_WANT_SHOST | PFRI_WANT_DHOST)))
		return 0;
	return pfri_rule_is_v6(host, mask) ? 6 : 4;
}

/* What both directions of a wildcard rule have in common. */
static int read_rule(const struct pfri_ring *r, const filtering_rule *rule, struct pfri_hw_flow *f)
{
	const filtering_rule_core_fields *c = &rule->core_fields;
	const u_int32_t wants = pfri_rule_wants(rule);
	int rc;

	memset(f, 0, sizeof(*f));
	rc = read_action(r, rule->rule_action,
			 rule->plugin_action.plugin_id | rule->extended_fields.filter_plugin_id, f);
	if (rc)
		return rc;
	if (wants & PFRI_WANT_TUNNEL)
		return cannot(r, "what a tunnel carries");
	if (wants & PFRI_WANT_PATTERN)
		return cannot(r, "a pattern in the payload");
	if (wants & PFRI_WANT_FLAGS)
		return cannot(r, "TCP flags");
	if (rule->balance_pool)
		return cannot(r, "balancing");
	if ((wants & PFRI_WANT_IF) && c->if_index != (u_int32_t)r->ifindex)
		return cannot(r, "packets of another device than the ring's");
	rc = read_port(r, c->sport_low, c->sport_high, &f->sport);
	if (!rc)
		rc = read_port(r, c->dport_low, c->dport_high, &f->dport);
	if (!rc && (f->sport || f->dport) && c->proto != IPPROTO_TCP && c->proto != IPPROTO_UDP &&
	    c->proto != IPPROTO_SCTP)
		rc = cannot(r, "ports without saying whose: set proto to TCP, UDP or SCTP");
	if (rc)
		return rc;
	f->version = version_of(c, wants);
	f->proto = c->proto;
	f->vlan = c->vlan_id;
	f->eth_type = c->eth_type;
	memcpy(f->smac, c->smac, ETH_ALEN);
	memcpy(f->dmac, c->dmac, ETH_ALEN);
	f->src = c->shost;
	f->dst = c->dhost;
	f->src_mask = c->shost_mask;
	f->dst_mask = c->dhost_mask;
	if ((f->version || f->proto) && (wants & PFRI_WANT_SMAC))
		return cannot(r, "a source MAC address and IP in one rule");
	if ((f->version || f->proto) && rule->bidirectional && (wants & PFRI_WANT_DMAC))
		return cannot(r, "MAC addresses and IP in one rule, in both directions");
	return 0;
}

static struct pfri_hw_flow swapped(const struct pfri_hw_flow *f)
{
	struct pfri_hw_flow s = *f;

	memcpy(s.smac, f->dmac, ETH_ALEN);
	memcpy(s.dmac, f->smac, ETH_ALEN);
	s.src = f->dst;
	s.dst = f->src;
	s.src_mask = f->dst_mask;
	s.dst_mask = f->src_mask;
	s.sport = f->dport;
	s.dport = f->sport;
	return s;
}

/* The places are given back, the last one first. */
static int take_out(struct pfri_ring *r, struct entry *e)
{
	while (e->n) {
		int rc = pfri_hw_delete(r, e->location[e->n - 1]);

		if (rc && rc != -ENOENT) /* somebody else has removed it: all the better */
			return rc;
		e->n--;
	}
	return 0;
}

static int put_one(struct pfri_ring *r, struct entry *e, const struct pfri_hw_flow *f)
{
	struct ethtool_rx_flow_spec fs;
	int rc;

	pfri_hw_flow_spec(f, &fs);
	rc = pfri_hw_insert(r, &fs, &e->location[e->n]);
	if (!rc)
		e->n++;
	return rc;
}

static int put_directions(struct pfri_ring *r, struct entry *e, const struct pfri_hw_flow *f,
			  bool both)
{
	const struct pfri_hw_flow back = swapped(f);
	int rc = put_one(r, e, f);

	if (!rc && both && memcmp(&back, f, sizeof(back)) != 0)
		rc = put_one(r, e, &back);
	return rc;
}

/* All of a rule or nothing of it. */
static int put(struct pfri_ring *r, const struct entry *what, const struct pfri_hw_flow *flow,
	       bool both)
{
	struct pfri_hw_flow f = *flow;
	struct entry e = *what;
	int rc;

	if (!more_room(r))
		return pfri_fail(-ENOMEM, "no memory for another rule");
	if (f.version || !f.proto) {
		rc = put_directions(r, &e, &f, both);
	} else {
		f.version = 4;
		rc = put_directions(r, &e, &f, both);
		f.version = 6;
		if (!rc)
			rc = put_directions(r, &e, &f, both);
	}
	if (rc) {
		char why[PFRI_ERRLEN];

		snprintf(why, sizeof(why), "%s", pfring_last_error());
		take_out(r, &e);
		return pfri_fail(rc, "%s", why);
	}
	r->hw_rules->at[r->hw_rules->n++] = e;
	return 0;
}

static u_int16_t free_id(const struct pfri_ring *r)
{
	const struct pfri_hw_list *l = r->hw_rules;
	u_int32_t id = 0;

	for (u_int32_t i = 0; l && i < l->n; i++)
		if (!l->at[i].hash && l->at[i].id >= id)
			id = l->at[i].id + 1u;
	if (id < FILTERING_RULE_AUTO_RULE_ID)
		return (u_int16_t)id;
	for (id = 0; find(r, (u_int16_t)id, NULL); id++)
		;
	return (u_int16_t)id;
}

int pfri_hw_add(struct pfri_ring *r, filtering_rule *rule, bool both)
{
	struct entry e = {.locked = rule->locked, .both = both, .id = rule->rule_id};
	struct pfri_hw_flow f;
	int rc = read_rule(r, rule, &f);

	if (rc)
		return rc;
	if (e.id == FILTERING_RULE_AUTO_RULE_ID)
		e.id = free_id(r);
	else if (find(r, e.id, NULL))
		return pfri_fail(-EEXIST, "the ring has a rule %u already; remove it first", e.id);
	rc = put(r, &e, &f, rule->bidirectional);
	if (!rc)
		rule->rule_id = e.id;
	return rc;
}

int pfri_hw_add_flow(struct pfri_ring *r, const hash_filtering_rule *rule, bool both)
{
	struct entry e = {.hash = true, .both = both, .flow = *rule, .key = pfri_flow_key_of(rule)};
	struct pfri_hw_flow f = {.version = e.key.version, .proto = rule->proto};
	int rc = read_action(r, rule->rule_action, rule->plugin_action.plugin_id, &f);

	if (rc)
		return rc;
	if (find(r, 0, &e.key))
		return pfri_fail(-EEXIST, "the ring has a rule for this flow already");
	if ((rule->port_peer_a || rule->port_peer_b) && f.proto != IPPROTO_TCP &&
	    f.proto != IPPROTO_UDP && f.proto != IPPROTO_SCTP)
		return cannot(r, "ports of other protocols than TCP, UDP and SCTP");
	f.vlan = rule->vlan_id;
	f.src = rule->host_peer_a;
	f.dst = rule->host_peer_b;
	f.sport = rule->port_peer_a;
	f.dport = rule->port_peer_b;
	return put(r, &e, &f, true);
}

static int drop(struct pfri_ring *r, struct entry *e)
{
	struct pfri_hw_list *l = r->hw_rules;
	int rc;

	if (!e)
		return -ENOENT;
	rc = take_out(r, e);
	if (!rc)
		*e = l->at[--l->n];
	return rc;
}

int pfri_hw_remove(struct pfri_ring *r, u_int16_t id)
{
	return drop(r, find(r, id, NULL));
}

int pfri_hw_remove_flow(struct pfri_ring *r, const hash_filtering_rule *rule)
{
	const struct pfri_flow_key key = pfri_flow_key_of(rule);

	return drop(r, find(r, 0, &key));
}

bool pfri_hw_has(const struct pfri_ring *r, u_int16_t id)
{
	return find(r, id, NULL);
}

bool pfri_hw_has_flow(const struct pfri_ring *r, const hash_filtering_rule *rule)
{
	const struct pfri_flow_key key = pfri_flow_key_of(rule);

	return find(r, 0, &key);
}

static bool in_software(struct pfri_ring *r, const struct entry *e,
			const struct pfri_rule_ops *software)
{
	u_int room = 0;

	return (e->hash ? software->hash_stats(r, &e->flow, NULL, &room)
			: software->stats(r, e->id, NULL, &room)) != -ENOENT;
}

int pfri_hw_purge(struct pfri_ring *r, bool hash, bool all, const struct pfri_rule_ops *software)
{
	struct pfri_hw_list *l = r->hw_rules;
	int rc = 0;

	/* From the end on: the last one takes the place of one that goes. */
	for (u_int32_t i = l ? l->n : 0; i-- && !rc;) {
		struct entry *e = &l->at[i];

		if (e->hash != hash)
			continue;
		if (e->both ? !in_software(r, e, software) : all && !e->locked)
			rc = drop(r, e);
	}
	return rc;
}

void pfri_hw_free(struct pfri_ring *r)
{
	struct pfri_hw_list *l = r->hw_rules;

	if (!l)
		return;
	for (u_int32_t i = 0; i < l->n; i++)
		take_out(r, &l->at[i]);
	munmap(l, bytes(l->room));
	r->hw_rules = NULL;
}
