// SPDX-License-Identifier: GPL-2.0-only
/*
 * filter_hash.c - hash rules: from a packet's flow to the one rule of it.
 *
 * One table per ring, keyed by the flow with its ends in order, so that one
 * look finds both directions. It grows by itself and is read under RCU. Rules
 * are added and removed in process context under ring->mutex, and by packets
 * (actions 4 and 5) with bottom halves off and no lock: the table sorts out who
 * was first, and whoever removed a rule frees it, after a grace period.
 */
#include <linux/if_vlan.h>
#include <linux/jhash.h>

#include "pfr.h"

static u32 key_hash(const void *data, u32 len, u32 seed)
{
	const struct pfr_flow_key *key = data;

	if (key->version == 4)
		return jhash_3words(key->addr[0][1], key->addr[1][1],
				    (u32)key->port[0] << 16 | key->port[1],
				    seed ^ ((u32)key->vlan << 8 | key->proto));
	return jhash2(data, sizeof(*key) / sizeof(u32), seed);
}

static int key_differs(struct rhashtable_compare_arg *arg, const void *obj)
{
	const u64 *a = arg->key, *b = (const u64 *)&((const struct pfr_flow *)obj)->key;

	BUILD_BUG_ON(sizeof(struct pfr_flow_key) != 5 * sizeof(u64));
	return (a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]) ? 1
											     : 0;
}

static const struct rhashtable_params flow_params = {
	.head_offset = offsetof(struct pfr_flow, node),
	.key_offset = offsetof(struct pfr_flow, key),
	.key_len = sizeof(struct pfr_flow_key),
	.hashfn = key_hash,
	.obj_cmpfn = key_differs,
	.automatic_shrinking = true,
};

/* key is cleared; ends in order. */
static void key_ends(struct pfr_flow_key *key, const struct pfr_end *a, const struct pfr_end *b)
{
	if (a->high > b->high || (a->high == b->high && a->low > b->low) ||
	    (a->high == b->high && a->low == b->low && a->port > b->port))
		swap(a, b);
	key->addr[0][0] = a->high;
	key->addr[0][1] = a->low;
	key->addr[1][0] = b->high;
	key->addr[1][1] = b->low;
	key->port[0] = a->port;
	key->port[1] = b->port;
}

static void key_packet(const struct pfr_digest *d, struct pfr_flow_key *key)
{
	key_ends(key, &d->end[0], &d->end[1]);
	key->vlan = d->word >> 16;
	key->proto = d->word >> 32;
	key->version = d->word >> 48 & 0xf;
}

int pfr_flow_check(const struct pfr_rule_ref *ref)
{
	if (ref->rule_id || ref->reserved || ref->vlan_id > VLAN_VID_MASK ||
	    (ref->ip_version && ref->ip_version != 4 && ref->ip_version != 6))
		return -EINVAL;
	if (ref->ip_version != 6 && (memchr_inv(&ref->peer_a.v6.s6_addr[4], 0, 12) ||
				     memchr_inv(&ref->peer_b.v6.s6_addr[4], 0, 12)))
		return -EINVAL;
	return 0;
}

static void end_ref(struct pfr_end *end, u8 version, const ip_addr *peer, u16 port)
{
	*end = (struct pfr_end){.port = port};
	if (version == 4) {
		end->low = peer->v4;
	} else {
		memcpy(&end->high, &peer->v6.s6_addr[0], 8);
		memcpy(&end->low, &peer->v6.s6_addr[8], 8);
	}
}

void pfr_flow_key_ref(const struct pfr_rule_ref *ref, struct pfr_flow_key *key)
{
	struct pfr_end a, b;

	key->version = ref->ip_version ?: 4;
	key->proto = ref->proto;
	key->vlan = ref->vlan_id;
	end_ref(&a, key->version, &ref->peer_a, ref->port_a);
	end_ref(&b, key->version, &ref->peer_b, ref->port_b);
	key_ends(key, &a, &b);
}

struct pfr_flow *pfr_flow_find(struct pfr_rules *rules, const struct pfr_flow_key *key)
{
	if (!atomic_read_acquire(&rules->flow_count)) /* behind it lies the table */
		return NULL;
	return rhashtable_lookup(&rules->flows, key, flow_params);
}

struct pfr_flow *pfr_flow_of(struct pfr_rules *rules, const struct pfr_digest *d)
{
	struct pfr_flow_key key pfr_uninitialized;

	key_packet(d, &key);
	return key.version ? pfr_flow_find(rules, &key) : NULL;
}

struct pfr_flow *pfr_flow_create(const struct pfr_flow_key *key, u8 action, gfp_t gfp)
{
	struct pfr_flow *flow = kzalloc(sizeof(*flow), gfp);

	if (!flow)
		return NULL;
	flow->key = *key;
	pfr_rule_init(&flow->rule, action);
	return flow;
}

/* Nobody has it, or nobody any more. */
void pfr_flow_free(struct pfr_flow *flow)
{
	pfr_rule_destroy(&flow->rule);
	kfree(flow);
}

static void flow_free_rcu(struct rcu_head *rcu)
{
	pfr_flow_free(container_of(rcu, struct pfr_flow, rcu));
}

/* The caller frees it if it could not be inserted. flow_count never says less than is there. */
int pfr_flow_insert(struct pfr_rules *rules, struct pfr_flow *flow)
{
	int err;

	if (!atomic_add_unless(&rules->flow_count, 1, PFR_MAX_HASH_RULES))
		return -ENOSPC;
	err = rhashtable_lookup_insert_fast(&rules->flows, &flow->node, flow_params);
	if (err)
		atomic_dec(&rules->flow_count);
	return err;
}

/* In an RCU section. False if somebody else was faster. */
bool pfr_flow_remove(struct pfr_rules *rules, struct pfr_flow *flow)
{
	if (rhashtable_remove_fast(&rules->flows, &flow->node, flow_params))
		return false;
	atomic_dec(&rules->flow_count);
	call_rcu(&flow->rcu, flow_free_rcu);
	return true;
}

/*
 * Of rules that packets add. The ring's owner pays for them, who is rarely the current task; NOWAIT
 * because an atomic allocation would be granted beyond the limit of the owner's memory cgroup.
 */
#define PFR_GFP_LEARN (GFP_NOWAIT | __GFP_NOWARN | __GFP_ACCOUNT)

/* Packet path: a rule for a flow that has none. req: what a plugin said of it, or NULL. */
static void flow_learn(struct pfr_ring *ring, struct pfr_rules *rules,
		       const struct pfr_flow_key *key, const struct pfr_rule_req *req)
{
	u8 action = req ? req->action : forward_packet_and_stop_rule_evaluation;
	struct pfr_flow *flow = pfr_flow_create(key, action, PFR_GFP_LEARN);
	int err = flow ? 0 : -ENOMEM;

	if (flow && req)
		err = pfr_plugin_attach(ring, &flow->rule, req, PFR_GFP_LEARN);
	if (!err)
		err = pfr_flow_insert(rules, flow);
	if (!err)
		return;
	if (flow)
		pfr_flow_free(flow);
	if (err != -EEXIST) /* another CPU had a packet of the same flow */
		this_cpu_inc(ring->counters->rule_errors);
}

/* Packet path: the hash rule that a rule's plugin names, or that of the packet's own flow. */
void pfr_flow_change(struct pfr_ring *ring, struct pfr_rules *rules, struct pfr_rule *rule,
		     struct pfr_frame *f, struct pfr_parse *parse, bool add)
{
	struct pfr_rule_req req pfr_uninitialized;
	int named = rule->use ? pfr_plugin_flow(rule, f, parse, add, &req) : -EOPNOTSUPP;
	struct mem_cgroup *before = pfr_set_active_memcg(ring->memcg);
	struct pfr_flow_key key = {};
	struct pfr_flow *flow;

	if (named > 0)
		pfr_flow_key_ref(&req.ref, &key);
	else if (named < 0)
		key_packet(&f->digest, &key);
	flow = key.version ? pfr_flow_find(rules, &key) : NULL;
	if (flow && !add)
		pfr_flow_remove(rules, flow);
	else if (key.version && !flow && add)
		flow_learn(ring, rules, &key, named > 0 ? &req : NULL);
	pfr_set_active_memcg(before);
}

/*
 * Before the first flow, and before a rule that may add flows. Under
 * ring->mutex; packets use the table only behind flow_count or such a rule.
 */
int pfr_flows_make(struct pfr_rules *rules)
{
	int err = rules->flows_made ? 0 : rhashtable_init(&rules->flows, &flow_params);

	rules->flows_made = !err;
	return err;
}

/* A resize may show a rule twice, or start the walk anew: what it paused at may be gone then. */
void pfr_flow_purge(struct pfr_rules *rules, u32 seconds)
{
	u64 now = get_jiffies_64();
	struct rhashtable_iter iter;
	struct pfr_flow *flow;

	if (!rules->flows_made)
		return;
	rhashtable_walk_enter(&rules->flows, &iter);
	rhashtable_walk_start(&iter);
	while ((flow = rhashtable_walk_next(&iter))) {
		if (IS_ERR(flow)) /* -EAGAIN: the table has changed, it goes on from the start */
			continue;
		if (pfr_rule_is_idle(&flow->rule, now, seconds))
			pfr_flow_remove(rules, flow);
		if (need_resched()) {
			rhashtable_walk_stop(&iter);
			cond_resched();
			if (rhashtable_walk_start_check(&iter))
				iter.p = NULL;
		}
	}
	rhashtable_walk_stop(&iter);
	rhashtable_walk_exit(&iter);
}

static void flow_free_one(void *flow, void *unused)
{
	pfr_flow_free(flow);
}

/* No packet meets them. */
void pfr_flows_free(struct pfr_rules *rules)
{
	if (rules->flows_made)
		rhashtable_free_and_destroy(&rules->flows, flow_free_one, NULL);
}
