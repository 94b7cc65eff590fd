// SPDX-License-Identifier: GPL-2.0-only
/*
 * filter.c - what a ring's rules do with a packet, and how rules come and go.
 *
 * The packet's half (pfr_filter_pass()) is called by capture.c behind the BPF
 * filter, in an RCU section with bottom halves off, only for rings that have
 * rules: the hash rule of the packet's flow, then the wildcard rules from the
 * lowest id on, then the default policy. The other half is called by sockopt.c
 * and takes ring->mutex, with RTNL outside of it where a device is looked for.
 */
#include <linux/if_vlan.h>
#include <linux/ipv6.h>
#include <linux/rtnetlink.h>

#include "pfr.h"

enum verdict { GO_ON, PASS, REFUSE };

static __always_inline void tuple_fill(struct pfr_end *end, const struct pfr_tuple *t)
{
	end[0].high = 0;
	end[1].high = 0;
	end[0].low = ntohl(t->src.s6_addr32[0]);
	end[1].low = ntohl(t->dst.s6_addr32[0]);
	end[0].mac = 0;
	end[1].mac = 0;
	end[0].port = ntohs(t->sport);
	end[1].port = ntohs(t->dport);
	if (t->version == 6) {
		memcpy(&end[0].high, &t->src.s6_addr[0], 8);
		memcpy(&end[0].low, &t->src.s6_addr[8], 8);
		memcpy(&end[1].high, &t->dst.s6_addr[0], 8);
		memcpy(&end[1].low, &t->dst.s6_addr[8], 8);
	}
}

/* Made once for all rings, unless a later one looks deeper. */
static const struct pfr_digest *digest(struct pfr_frame *f, bool inner)
{
	struct pfr_digest *d = &f->digest;
	const struct pfr_parsed *p;
	const struct pfr_tuple *t;

	if (f->digest_valid && (f->digest_inner || !inner))
		return d;
	p = pfr_frame_parse(f, inner);
	t = &p->outer;
	d->word = PFR_WORD_TYPE(p->eth_type) | PFR_WORD_VLAN(p->vlan_id) |
		  PFR_WORD_PROTO(t->proto) | PFR_WORD_FLAGS(p->tcp_flags) |
		  PFR_WORD_VERSION(t->version);
	if (t->sport | t->dport)
		d->word |= PFR_WORD_PORTS;
	tuple_fill(d->end, t);
	memcpy(&d->end[0].mac, p->smac, ETH_ALEN);
	memcpy(&d->end[1].mac, p->dmac, ETH_ALEN);
	if (inner) {
		d->word |= PFR_WORD_INNER(p->inner.version);
		tuple_fill(d->inner, &p->inner);
	}
	d->hash = 0;
	f->digest_valid = true;
	f->digest_inner = inner;
	return d;
}

/* The number that rules balance by. Only while a rule looks at the packet. */
u32 pfr_filter_hash(struct pfr_frame *f)
{
	if (!f->digest.hash)
		f->digest.hash = pfr_hash_packet(&f->parsed, f->digest.end);
	return f->digest.hash;
}

static void count(struct pfr_rule *rule, enum verdict verdict)
{
	u64 now = get_jiffies_64();

	if (rule->count) {
		struct pfr_rule_count *c = this_cpu_ptr(rule->count);

		c->match++;
		smp_wmb(); /* rule_sum() finds no more verdicts than matches */
		c->filtered += verdict == REFUSE;
		c->forwarded += verdict == PASS;
		c->last = now;
		return;
	}
	atomic64_inc(&rule->shared.match);
	smp_wmb();
	if (verdict == REFUSE)
		atomic64_inc(&rule->shared.filtered);
	else if (verdict == PASS)
		atomic64_inc(&rule->shared.forwarded);
	if (READ_ONCE(rule->shared.last) != now)
		WRITE_ONCE(rule->shared.last, now);
}

/* A rule matches: does what it says, and counts. */
static enum verdict act(struct pfr_ring *ring, struct pfr_rules *rules, struct pfr_rule *rule,
			struct pfr_frame *f, struct pfr_parse *parse)
{
	enum verdict verdict = GO_ON;
	u8 action = rule->action;

	if (unlikely(rule->use))
		action = pfr_plugin_handle(rule, f, parse);
	switch (action) {
	case forward_packet_and_stop_rule_evaluation:
		verdict = PASS;
		break;
	case dont_forward_packet_and_stop_rule_evaluation:
	case execute_action_and_stop_rule_evaluation:
		verdict = REFUSE;
		break;
	case execute_action_and_continue_rule_evaluation:
		break;
	case forward_packet_add_rule_and_stop_rule_evaluation:
		pfr_flow_change(ring, rules, rule, f, parse, true);
		verdict = PASS;
		break;
	case forward_packet_del_rule_and_stop_rule_evaluation:
		pfr_flow_change(ring, rules, rule, f, parse, false);
		verdict = PASS;
		break;
	case reflect_packet_and_stop_rule_evaluation:
		verdict = REFUSE;
		fallthrough;
	case reflect_packet_and_continue_rule_evaluation:
		pfr_reflect(ring, rule->reflector, f, false);
		break;
	case bounce_packet_and_stop_rule_evaluation:
		verdict = REFUSE;
		fallthrough;
	case bounce_packet_and_continue_rule_evaluation:
		pfr_reflect(ring, rule->reflector, f, true);
		break;
	}
	count(rule, verdict);
	return verdict;
}

static enum verdict act_wild(struct pfr_ring *ring, struct pfr_rules *rules, struct pfr_wild *w,
			     struct pfr_frame *f, struct pfr_parse *parse)
{
	if (w->balance_pool && pfr_filter_hash(f) % w->balance_pool != w->balance_id) {
		count(&w->rule, REFUSE);
		return REFUSE;
	}
	return act(ring, rules, &w->rule, f, parse);
}

static enum verdict evaluate(struct pfr_ring *ring, struct pfr_rules *rules, struct pfr_frame *f,
			     struct pfr_parse *parse)
{
	bool flows = atomic_read_acquire(&rules->flow_count); /* pairs with pfr_flow_insert() */
	const struct pfr_digest *d;
	enum verdict verdict;
	struct pfr_block *block;
	struct pfr_flow *flow;

	if (!flows && list_empty(&rules->blocks))
		return GO_ON;
	d = digest(f, READ_ONCE(rules->inner));
	flow = flows ? pfr_flow_of(rules, d) : NULL;
	if (flow) {
		verdict = act(ring, rules, &flow->rule, f, parse);
		if (verdict != GO_ON)
			return verdict;
	}
	list_for_each_entry_rcu(block, &rules->blocks, node) {
		u64 left = pfr_block_candidates(block, d);

		for (; left; left &= left - 1) {
			struct pfr_wild *w = block->rule[__ffs64(left)];

			if (!pfr_wild_matches(w, f))
				continue;
			if (unlikely(w->rule.use) && !pfr_plugin_filter(&w->rule, f, parse))
				continue;
			verdict = act_wild(ring, rules, w, f, parse);
			if (verdict != GO_ON)
				return verdict;
		}
	}
	return GO_ON;
}

/* False if the packet goes no further in this ring: refused, or reflected instead. */
bool pfr_filter_pass(struct pfr_ring *ring, struct pfr_rules *rules, struct pfr_frame *f)
{
	struct pfr_parse parse = {};
	enum verdict verdict = evaluate(ring, rules, f, &parse);
	struct pfr_reflector *r;

	if (unlikely(parse.buffer))
		pfr_parse_free(&parse);
	if (verdict == PASS || (verdict == GO_ON && READ_ONCE(rules->accept))) {
		r = rcu_dereference(rules->reflector);
		if (likely(!r))
			return true;
		pfr_reflect(ring, r, f, false);
	}
	this_cpu_inc(ring->counters->filtered);
	this_cpu_inc(ring->counters->rule_filtered);
	return false;
}

void pfr_rule_init(struct pfr_rule *rule, u8 action)
{
	rule->action = action;
	rule->born = get_jiffies_64();
}

/* When no packet can meet it any more. */
void pfr_rule_destroy(struct pfr_rule *rule)
{
	pfr_plugin_detach(rule);
	if (rule->reflector)
		pfr_reflector_put(rule->reflector);
	free_percpu(rule->count);
}

static void rule_sum(const struct pfr_rule *rule, struct pfr_rule_count *sum)
{
	int cpu;

	*sum = (struct pfr_rule_count){
		.filtered = atomic64_read(&rule->shared.filtered),
		.forwarded = atomic64_read(&rule->shared.forwarded),
		.last = max(rule->born, READ_ONCE(rule->shared.last)),
	};
	smp_rmb(); /* pairs with count() */
	sum->match = atomic64_read(&rule->shared.match);
	if (!rule->count)
		return;
	for_each_possible_cpu(cpu) {
		const struct pfr_rule_count *c = per_cpu_ptr(rule->count, cpu);

		sum->filtered += READ_ONCE(c->filtered);
		sum->forwarded += READ_ONCE(c->forwarded);
		sum->last = max(sum->last, READ_ONCE(c->last));
		smp_rmb();
		sum->match += READ_ONCE(c->match);
	}
}

/* Between two looks at the clock a packet may have come, so last may lie behind now. */
static u64 idle_time(u64 last, u64 now)
{
	return now > last ? now - last : 0;
}

bool pfr_rule_is_idle(const struct pfr_rule *rule, u64 now, u32 seconds)
{
	struct pfr_rule_count sum;

	if (rule->locked)
		return false;
	rule_sum(rule, &sum);
	return idle_time(sum.last, now) >= (u64)seconds * HZ || pfr_plugin_idle(rule, seconds);
}

/* The ring's rules, made when first needed. */
static struct pfr_rules *rules_get(struct pfr_ring *ring)
{
	struct pfr_rules *rules = ring->own_rules;

	lockdep_assert_held(&ring->mutex);
	if (!rules) {
		rules = kzalloc(sizeof(*rules), GFP_KERNEL_ACCOUNT);
		if (!rules)
			return NULL;
		INIT_LIST_HEAD(&rules->blocks);
		rules->tree = RB_ROOT;
		rules->accept = true;
		ring->own_rules = rules;
	}
	return rules;
}

/* Packets meet the rules only as long as there is something to decide. */
static void rules_publish(struct pfr_ring *ring)
{
	struct pfr_rules *rules = ring->own_rules;
	bool needed;

	lockdep_assert_held(&ring->mutex);
	needed = rules->wild_count || atomic_read(&rules->flow_count) || !rules->accept ||
		 rcu_access_pointer(rules->reflector);
	rcu_assign_pointer(ring->rules, needed ? rules : NULL);
}

static bool zeros(const void *from, const void *to)
{
	return !memchr_inv(from, 0, to - from);
}

static bool range_ok(u16 low, u16 high)
{
	return !high || low <= high;
}

static bool reflects(u32 action)
{
	return action >= reflect_packet_and_stop_rule_evaluation;
}

static int wild_check(const struct pfr_rule_req *req)
{
	const struct pfr_rule_ref *ref = &req->ref;

	if (ref->rule_id >= PFR_MAX_RULES || !zeros(&ref->vlan_id, ref + 1) || req->reserved2 ||
	    req->vlan_id > VLAN_VID_MASK || !range_ok(req->sport_low, req->sport_high) ||
	    !range_ok(req->dport_low, req->dport_high) ||
	    (req->balance_pool && req->balance_id >= req->balance_pool))
		return -EINVAL;
	return 0;
}

static int req_check(const struct pfr_rule_req *req)
{
	int err;

	if (req->action > bounce_packet_and_continue_rule_evaluation || req->reserved)
		return -EINVAL;
	if (reflects(req->action) &&
	    (!req->reflector[0] || !memchr(req->reflector, 0, sizeof(req->reflector))))
		return -EINVAL;
	switch (req->ref.kind) {
	case PFR_RULE_WILDCARD:
		err = wild_check(req);
		break;
	case PFR_RULE_HASH:
		err = zeros(&req->if_index, req + 1) ? pfr_flow_check(&req->ref) : -EINVAL;
		break;
	default:
		return -EINVAL;
	}
	return err;
}

/* What both kinds have; from here on the rule's destruction gives it back. */
static int rule_equip(struct pfr_ring *ring, struct pfr_rule *rule, const struct pfr_rule_req *req)
{
	struct pfr_reflector *r;
	int err;

	pfr_rule_init(rule, req->action);
	rule->locked = req->locked;
	if (req->ref.kind == PFR_RULE_WILDCARD) {
		rule->count = alloc_percpu_gfp(struct pfr_rule_count, GFP_KERNEL_ACCOUNT);
		if (!rule->count)
			return -ENOMEM;
	}
	err = pfr_plugin_attach(ring, rule, req, GFP_KERNEL_ACCOUNT);
	if (err || !reflects(req->action))
		return err;
	rtnl_lock();
	r = pfr_reflector_get(ring, req->reflector);
	rtnl_unlock();
	if (IS_ERR(r))
		return PTR_ERR(r);
	rule->reflector = r;
	return 0;
}

int pfr_filter_add(struct pfr_ring *ring, const struct pfr_rule_req *req)
{
	bool hash = req->ref.kind == PFR_RULE_HASH;
	struct pfr_flow *flow = NULL;
	struct pfr_wild *w = NULL;
	struct pfr_flow_key key;
	struct pfr_rules *rules;
	int err = req_check(req);

	if (err)
		return err;
	if (hash) {
		pfr_flow_key_ref(&req->ref, &key);
		flow = pfr_flow_create(&key, req->action, GFP_KERNEL_ACCOUNT);
	} else {
		w = pfr_wild_create(req);
	}
	if (!flow && !w)
		return -ENOMEM;
	err = rule_equip(ring, hash ? &flow->rule : &w->rule, req);
	if (!err) {
		mutex_lock(&ring->mutex);
		rules = rules_get(ring);
		err = rules ? 0 : -ENOMEM;
		if (!err &&
		    (hash || req->action == forward_packet_add_rule_and_stop_rule_evaluation))
			err = pfr_flows_make(rules);
		if (!err)
			err = hash ? pfr_flow_insert(rules, flow) : pfr_wild_insert(rules, w);
		if (!err)
			rules_publish(ring);
		mutex_unlock(&ring->mutex);
	}
	if (err && hash)
		pfr_flow_free(flow);
	else if (err)
		pfr_wild_free(w);
	return err;
}

static int ref_check(const struct pfr_rule_ref *ref)
{
	if (ref->kind == PFR_RULE_HASH)
		return pfr_flow_check(ref);
	return ref->kind == PFR_RULE_WILDCARD && zeros(&ref->vlan_id, ref + 1) ? 0 : -EINVAL;
}

/* Under ring->mutex and in an RCU section: a packet may delete its flow's rule. */
static struct pfr_rule *rule_find(struct pfr_rules *rules, const struct pfr_rule_ref *ref)
{
	struct pfr_flow_key key;
	struct pfr_flow *flow;
	struct pfr_wild *w;

	if (!rules)
		return NULL;
	if (ref->kind == PFR_RULE_WILDCARD) {
		w = pfr_wild_find(rules, ref->rule_id);
		return w ? &w->rule : NULL;
	}
	pfr_flow_key_ref(ref, &key);
	flow = pfr_flow_find(rules, &key);
	return flow ? &flow->rule : NULL;
}

int pfr_filter_remove(struct pfr_ring *ring, const struct pfr_rule_ref *ref)
{
	int err = ref_check(ref);
	struct pfr_rules *rules;
	struct pfr_rule *rule;

	if (err)
		return err;
	mutex_lock(&ring->mutex);
	rcu_read_lock();
	rules = ring->own_rules;
	rule = rule_find(rules, ref);
	if (!rule)
		err = -ENOENT;
	else if (ref->kind == PFR_RULE_HASH &&
		 !pfr_flow_remove(rules, container_of(rule, struct pfr_flow, rule)))
		err = -ENOENT;
	rcu_read_unlock();
	/* A wildcard rule is the mutex's, and removing one may wait. */
	if (!err && ref->kind == PFR_RULE_WILDCARD)
		pfr_wild_remove(rules, container_of(rule, struct pfr_wild, rule));
	if (!err)
		rules_publish(ring);
	mutex_unlock(&ring->mutex);
	return err;
}

/* The rule's own figures or its plugin's. How many bytes, or an error. */
int pfr_filter_stats(struct pfr_ring *ring, const struct pfr_rule_ref *ref, void *buf, u32 room)
{
	int err = ref_check(ref);
	struct pfr_rule_count sum;
	struct pfr_rule *rule;

	if (err)
		return err;
	mutex_lock(&ring->mutex);
	rcu_read_lock();
	rule = rule_find(ring->own_rules, ref);
	if (rule)
		err = pfr_plugin_stats(rule, buf, room);
	if (rule && !err) {
		rule_sum(rule, &sum);
		err = sizeof(struct pfr_rule_stats);
		*(struct pfr_rule_stats *)buf = (struct pfr_rule_stats){
			.match = sum.match,
			.filtered = sum.filtered,
			.forwarded = sum.forwarded,
			.inactivity = div_u64(idle_time(sum.last, get_jiffies_64()), HZ),
		};
	}
	rcu_read_unlock();
	mutex_unlock(&ring->mutex);
	return rule ? err : -ENOENT;
}

int pfr_filter_free_id(struct pfr_ring *ring, u32 *id)
{
	int err = 0;

	mutex_lock(&ring->mutex);
	*id = 0;
	if (ring->own_rules)
		err = pfr_wild_free_id(ring->own_rules, id);
	mutex_unlock(&ring->mutex);
	return err;
}

int pfr_filter_purge(struct pfr_ring *ring, bool hash, u32 seconds)
{
	mutex_lock(&ring->mutex);
	if (ring->own_rules) {
		if (hash)
			pfr_flow_purge(ring->own_rules, seconds);
		else
			pfr_wild_purge(ring->own_rules, seconds);
		rules_publish(ring);
	}
	mutex_unlock(&ring->mutex);
	return 0;
}

int pfr_filter_policy(struct pfr_ring *ring, bool accept)
{
	struct pfr_rules *rules;

	mutex_lock(&ring->mutex);
	rules = rules_get(ring);
	if (rules) {
		WRITE_ONCE(rules->accept, accept);
		rules_publish(ring);
	}
	mutex_unlock(&ring->mutex);
	return rules ? 0 : -ENOMEM;
}

/* An empty name ends it. */
int pfr_filter_reflector(struct pfr_ring *ring, const char *name)
{
	struct pfr_reflector *r = NULL, *old = NULL;
	struct pfr_rules *rules;
	int err = 0;

	rtnl_lock();
	if (*name)
		r = pfr_reflector_get(ring, name);
	if (IS_ERR(r)) {
		rtnl_unlock();
		return PTR_ERR(r);
	}
	mutex_lock(&ring->mutex);
	rules = rules_get(ring);
	if (rules) {
		old = rcu_replace_pointer(rules->reflector, r, lockdep_rtnl_is_held());
		rules_publish(ring);
	} else {
		old = r;
		err = -ENOMEM;
	}
	mutex_unlock(&ring->mutex);
	rtnl_unlock();
	if (old) {
		synchronize_net();
		pfr_reflector_put(old);
	}
	return err;
}

/* After the grace period of the ring's last subscription: no packet is on its way. */
void pfr_filter_free(struct pfr_ring *ring)
{
	struct pfr_rules *rules = ring->own_rules;

	if (rules) {
		rcu_barrier(); /* rules that were removed before may still be about to be freed */
		pfr_wilds_free(rules);
		pfr_flows_free(rules);
		kfree(rules);
	}
	pfr_reflect_free(ring);
}
