/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kernel_rules.c - filtering rules of backend "pfring:", which the module evaluates.
 *
 * Puts rules into the form of part three of <linux/pf_ring.h> and the module's
 * answers into words. Called by rules.c with the handle held; rules are well
 * formed when they come here.
 */
#include <stddef.h>

#include "kernel_backend.h"

#define MAX_STATS 4096 /* of a rule; a plugin may say more than the module itself does */
#define TRIES 100

static int set(struct pfri_ring *r, int option, const void *value, size_t len)
{
	return setsockopt(pfri_kernel_fd(r), SOL_PF_RING, option, value, (socklen_t)len) < 0
		       ? -errno
		       : 0;
}

static int set_int(struct pfri_ring *r, int option, int value)
{
	return set(r, option, &value, sizeof(value));
}

/* After PFR_SO_SYNC no packet is on its way any more that met what was before. */
static int settled(struct pfri_ring *r)
{
	return set(r, PFR_SO_SYNC, NULL, 0);
}

/* Why the module does not want this rule. */
static int not_added(int err, const char *device)
{
	switch (err) {
	case -EEXIST:
		return pfri_fail(err, "the ring has a rule with this id, or for this flow, "
				      "already; remove it first");
	case -ENOSPC:
		return pfri_fail(err, "the ring has as many rules as there can be; remove or "
				      "purge some");
	case -ENOENT:
		return pfri_fail(err, "the rule names a plugin that is not registered "
				      "(/proc/net/pf_ring/plugins_info)");
	case -ENODEV:
		return pfri_fail(err, "%s: no such device to reflect packets to", device);
	case -ELOOP:
		return pfri_fail(err,
				 "%s is the ring's own device: packets reflected to it would come "
				 "again; name another one",
				 device);
	case -EPERM:
		return pfri_fail(err, "reflecting packets needs CAP_NET_ADMIN");
	case -EOPNOTSUPP:
		return pfri_fail(err, "%s is no Ethernet device: nothing can be reflected to it",
				 device);
	}
	return pfri_fail(err, "pf_ring refuses the rule: %s", strerror(-err));
}

static int not_there(int err, const struct pfr_rule_ref *ref)
{
	if (err == -ENOENT && ref->kind == PFR_RULE_HASH)
		return pfri_fail(err, "the ring has no rule for this flow");
	if (err == -ENOENT)
		return pfri_fail(err, "the ring has no rule %u", ref->rule_id);
	return pfri_fail(err, "pf_ring refuses to look at the rule: %s", strerror(-err));
}

static struct pfr_rule_ref wild_ref(u_int16_t id)
{
	return (struct pfr_rule_ref){.kind = PFR_RULE_WILDCARD, .rule_id = id};
}

static struct pfr_rule_ref hash_ref(const hash_filtering_rule *rule)
{
	struct pfr_rule_ref ref = {
		.kind = PFR_RULE_HASH,
		.vlan_id = rule->vlan_id,
		.ip_version = rule->ip_version,
		.proto = rule->proto,
		.port_a = rule->port_peer_a,
		.port_b = rule->port_peer_b,
	};

	if (rule->ip_version == 6) {
		ref.peer_a = rule->host_peer_a;
		ref.peer_b = rule->host_peer_b;
	} else { /* what else is in the unions is nobody's */
		ref.peer_a.v4 = rule->host_peer_a.v4;
		ref.peer_b.v4 = rule->host_peer_b.v4;
	}
	return ref;
}

static struct pfr_rule_req wild_req(const filtering_rule *rule)
{
	const filtering_rule_core_fields *c = &rule->core_fields;
	const filtering_rule_extended_fields *x = &rule->extended_fields;
	struct pfr_rule_req req = {
		.ref = wild_ref(rule->rule_id),
		.action = rule->rule_action,
		.plugin_id = rule->plugin_action.plugin_id,
		.locked = rule->locked,
		.if_index = c->if_index,
		.tunnel_id = x->tunnel.tunnel_id,
		.vlan_id = c->vlan_id,
		.eth_type = c->eth_type,
		.sport_low = c->sport_low,
		.sport_high = c->sport_high,
		.dport_low = c->dport_low,
		.dport_high = c->dport_high,
		.proto = c->proto,
		.tcp_flags = c->tcp.flags,
		.balance_id = rule->balance_id,
		.balance_pool = rule->balance_pool,
		.bidirectional = rule->bidirectional,
		.filter_plugin_id = x->filter_plugin_id,
		.shost = c->shost,
		.dhost = c->dhost,
		.shost_mask = c->shost_mask,
		.dhost_mask = c->dhost_mask,
		.tunnel_shost = x->tunnel.shost,
		.tunnel_dhost = x->tunnel.dhost,
		.tunnel_shost_mask = x->tunnel.shost_mask,
		.tunnel_dhost_mask = x->tunnel.dhost_mask,
	};

	memcpy(req.reflector, rule->reflector_device_name, sizeof(req.reflector));
	memcpy(req.smac, c->smac, ETH_ALEN);
	memcpy(req.dmac, c->dmac, ETH_ALEN);
	memcpy(req.payload_pattern, x->payload_pattern, sizeof(req.payload_pattern));
	memcpy(req.filter_plugin_data, x->filter_plugin_data, sizeof(req.filter_plugin_data));
	return req;
}

static int kernel_add(struct pfri_ring *r, filtering_rule *rule)
{
	struct pfr_rule_req req = wild_req(rule);
	bool choose = rule->rule_id == FILTERING_RULE_AUTO_RULE_ID;
	int rc = -EEXIST;

	/* Whoever else has the socket may be faster with the same id. */
	for (int i = 0; i < TRIES && rc == -EEXIST; i++) {
		__u32 id = rule->rule_id;
		socklen_t len = sizeof(id);

		if (choose &&
		    getsockopt(pfri_kernel_fd(r), SOL_PF_RING, PFR_SO_FREE_RULE, &id, &len) < 0)
			return not_added(-errno, req.reflector);
		req.ref.rule_id = (__u16)id;
		rc = set(r, PFR_SO_ADD_RULE, &req, sizeof(req));
		if (!choose)
			break;
	}
	if (rc)
		return not_added(rc, req.reflector);
	rule->rule_id = req.ref.rule_id;
	return 0;
}

static int remove_ref(struct pfri_ring *r, const struct pfr_rule_ref *ref)
{
	int rc = set(r, PFR_SO_REMOVE_RULE, ref, sizeof(*ref));

	return rc ? not_there(rc, ref) : 0;
}

static int kernel_remove(struct pfri_ring *r, u_int16_t id)
{
	struct pfr_rule_ref ref = wild_ref(id);

	return remove_ref(r, &ref);
}

_Static_assert(sizeof(hash_filtering_rule_stats) == sizeof(struct pfr_rule_stats) &&
		       offsetof(hash_filtering_rule_stats, match_forward) ==
			       offsetof(struct pfr_rule_stats, forwarded) &&
		       offsetof(hash_filtering_rule_stats, inactivity) ==
			       offsetof(struct pfr_rule_stats, inactivity),
	       "statistics are handed on as they come");

static int stats_ref(struct pfri_ring *r, const struct pfr_rule_ref *ref, char *buf, u_int *len)
{
	char answer[MAX_STATS];
	socklen_t n = sizeof(answer);
	u_int room = *len;

	memcpy(answer, ref, sizeof(*ref));
	if (getsockopt(pfri_kernel_fd(r), SOL_PF_RING, PFR_SO_RULE_STATS, answer, &n) < 0) {
		if (errno == ENOSPC)
			*len = n;
		return not_there(-errno, ref);
	}
	*len = n;
	if (!buf || room < n)
		return pfri_fail(-ENOSPC, "a rule's statistics take %u bytes", (u_int)n);
	memcpy(buf, answer, n);
	return 0;
}

static int kernel_rule_stats(struct pfri_ring *r, u_int16_t id, char *buf, u_int *len)
{
	struct pfr_rule_ref ref = wild_ref(id);

	return stats_ref(r, &ref, buf, len);
}

static int kernel_hash(struct pfri_ring *r, const hash_filtering_rule *rule, bool add)
{
	struct pfr_rule_req req = {
		.ref = hash_ref(rule),
		.action = rule->rule_action,
		.plugin_id = rule->plugin_action.plugin_id,
	};
	int rc;

	if (!add)
		return remove_ref(r, &req.ref);
	memcpy(req.reflector, rule->reflector_device_name, sizeof(req.reflector));
	rc = set(r, PFR_SO_ADD_RULE, &req, sizeof(req));
	return rc ? not_added(rc, req.reflector) : 0;
}

static int kernel_hash_stats(struct pfri_ring *r, const hash_filtering_rule *rule, char *buf,
			     u_int *len)
{
	struct pfr_rule_ref ref = hash_ref(rule);

	return stats_ref(r, &ref, buf, len);
}

static int kernel_purge(struct pfri_ring *r, bool hash, u_int16_t seconds)
{
	int rc = set_int(r, hash ? PFR_SO_PURGE_HASH : PFR_SO_PURGE_RULES, seconds);

	return rc ? pfri_fail(rc, "pf_ring cannot purge rules: %s", strerror(-rc)) : 0;
}

static int kernel_policy(struct pfri_ring *r, bool accept)
{
	int rc = set_int(r, PFR_SO_POLICY, accept);

	if (!rc)
		rc = settled(r);
	return rc ? pfri_fail(rc, "pf_ring refuses the policy: %s", strerror(-rc)) : 0;
}

static int kernel_reflector(struct pfri_ring *r, const char *device)
{
	const char *name = device ? device : "";
	int rc = strlen(name) < IFNAMSIZ ? set(r, PFR_SO_REFLECTOR, name, strlen(name)) : -ENODEV;

	if (!rc)
		rc = settled(r);
	return rc ? not_added(rc, name) : 0;
}

const struct pfri_rule_ops pfri_kernel_rules = {
	.add = kernel_add,
	.remove = kernel_remove,
	.stats = kernel_rule_stats,
	.hash = kernel_hash,
	.hash_stats = kernel_hash_stats,
	.purge = kernel_purge,
	.policy = kernel_policy,
	.reflector = kernel_reflector,
};
