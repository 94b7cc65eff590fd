/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rule_table.c - the rules of a handle, and what becomes of a packet.
 *
 * The library's own engine: it evaluates the rules of every backend that does
 * not do so itself, in sieve.c, behind the BPF filter and
 * before sampling. The table is one mapping, made with the first rule; all is
 * called with the handle held.
 */
#include "handle.h"
#include "parse.h"
#include "rules.h"

#define FIRST_ROOM 16u

enum verdict { FORWARD, REFUSE, CONTINUE };

static u_int64_t now_ns(void)
{
	return pfri_clock_ns(CLOCK_MONOTONIC_COARSE);
}

/* The handle's rules, made if there are none yet; NULL without memory. */
static struct pfri_rules *table(struct pfri_ring *r)
{
	struct pfri_rules *t = r->rules;

	if (t)
		return t;
	t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (t == MAP_FAILED) {
		pfri_fail(-ENOMEM, "no memory for filtering rules");
		return NULL;
	}
	t->reflector.fd = -1;
	return r->rules = t;
}

bool pfri_rules_active(const struct pfri_rules *t)
{
	return t && (t->n || t->flows.n || t->refuse || t->out);
}

void pfri_rules_clock(struct pfri_rules *t)
{
	t->now_ns = now_ns();
}

/*
 * Rules look at packets as they were on the wire, so the ring must keep more
 * than the snap length; sieve.c cuts. Only where the backend would cut.
 */
static bool wants_whole(const struct pfri_ring *r)
{
	const struct pfri_rules *t = r->rules;

	return (t->n || t->flows.n || t->out) && r->opt.caplen < MAX_CAPLEN &&
	       (r->ops->caps & PFRI_CAP_CUTS);
}

/* After every change: who evaluates, and how much of a packet is kept. */
static int changed(struct pfri_ring *r)
{
	bool whole = wants_whole(r), other = whole != r->whole;
	int rc = 0;

	r->whole = whole;
	if (r->ops->tell)
		rc = r->ops->tell(r, PFRI_SET_RULES);
	if (rc == 0 && other)
		rc = r->ops->set_filter(r);
	pfri_soft_update(r);
	return rc < 0 ? rc : 0;
}

void pfri_rules_retell(struct pfri_ring *r)
{
	if (r->rules)
		changed(r);
}

bool pfri_rule_learns(rule_action_behaviour action)
{
	return action == forward_packet_add_rule_and_stop_rule_evaluation ||
	       action == forward_packet_del_rule_and_stop_rule_evaluation;
}

/* A wildcard rule has come. */
static void count_in(struct pfri_rules *t, const struct pfri_wild *w)
{
	t->tunnels += (w->wants & PFRI_WANT_TUNNEL) != 0;
	t->learning += pfri_rule_learns(w->rule.rule_action);
	t->changes++;
}

/* A wildcard rule leaves. */
static void count_out(struct pfri_rules *t, const struct pfri_wild *w)
{
	t->tunnels -= (w->wants & PFRI_WANT_TUNNEL) != 0;
	t->learning -= pfri_rule_learns(w->rule.rule_action);
	t->changes++;
	pfri_slot_give(&t->slots, w->slot);
}

/* Removes a hash rule; others may move. */
static void drop_flow(struct pfri_ring *r, struct pfri_flow_rule *f)
{
	struct pfri_rules *t = r->rules;

	if (r->ops->flow_rule)
		r->ops->flow_rule(r, f, false);
	t->learning -= pfri_rule_learns(f->action);
	pfri_flow_remove(&t->flows, f);
}

/* Where the rule with this id is, or would be. */
static u_int32_t place(const struct pfri_rules *t, u_int16_t id)
{
	u_int32_t low = 0, high = t->n;

	while (low < high) {
		u_int32_t mid = (low + high) / 2;

		if (t->wild[mid].rule.rule_id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct pfri_wild *wild(const struct pfri_rules *t, u_int16_t id)
{
	u_int32_t at = t ? place(t, id) : 0;

	return t && at < t->n && t->wild[at].rule.rule_id == id ? &t->wild[at] : NULL;
}

/* Behind all others, so that rules are tried in the order in which they were added. */
static u_int16_t free_id(const struct pfri_rules *t)
{
	u_int32_t id = t->n ? t->wild[t->n - 1].rule.rule_id + 1u : 0;

	if (id < FILTERING_RULE_AUTO_RULE_ID)
		return (u_int16_t)id;
	for (id = 0; t->wild[id].rule.rule_id == id; id++)
		;
	return (u_int16_t)id;
}

static bool more_room(struct pfri_rules *t)
{
	u_int32_t room = t->room ? t->room * 2 : FIRST_ROOM;
	void *at = t->room ? mremap(t->wild, t->room * sizeof(*t->wild), room * sizeof(*t->wild),
				    MREMAP_MAYMOVE)
			   : mmap(NULL, room * sizeof(*t->wild), PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return false;
	t->wild = at;
	t->room = room;
	return true;
}

static bool reflects(rule_action_behaviour action)
{
	return action >= reflect_packet_and_stop_rule_evaluation;
}

static bool bounces(rule_action_behaviour action)
{
	return action >= bounce_packet_and_stop_rule_evaluation;
}

/* The device of a rule, 0 if it reflects nothing; negative: none. */
static int device_of(struct pfri_ring *r, rule_action_behaviour action, const char *name)
{
	return reflects(action)
		       ? pfri_reflect_device(r, &r->rules->reflector, name, bounces(action))
		       : 0;
}

static int own_add(struct pfri_ring *r, filtering_rule *rule)
{
	struct pfri_rules *t = table(r);
	u_int32_t at;
	u_int16_t id;
	int out;

	if (!t)
		return -ENOMEM;
	if (rule->extended_fields.filter_plugin_id || rule->plugin_action.plugin_id)
		return pfri_fail(-EOPNOTSUPP, "%s: plugins are the kernel module's (pfring:)",
				 r->ops->name);
	if (t->n == PFRI_MAX_WILD)
		return pfri_fail(-ENOSPC,
				 "the ring has %u rules, the most there can be; remove "
				 "or purge some",
				 t->n);
	id = rule->rule_id == FILTERING_RULE_AUTO_RULE_ID ? free_id(t) : rule->rule_id;
	if (wild(t, id))
		return pfri_fail(-EEXIST, "the ring has a rule %u already; remove it first", id);
	out = device_of(r, rule->rule_action, rule->reflector_device_name);
	if (out < 0)
		return out;
	if (t->n == t->room && !more_room(t))
		return pfri_fail(-ENOMEM, "no memory for another rule");
	at = place(t, id);
	memmove(&t->wild[at + 1], &t->wild[at], (t->n - at) * sizeof(*t->wild));
	t->wild[at] = (struct pfri_wild){.rule = *rule,
					 .wants = pfri_rule_wants(rule),
					 .out = out,
					 .n = {.last_ns = now_ns()}};
	t->wild[at].rule.rule_id = id;
	t->n++;
	count_in(t, &t->wild[at]);
	rule->rule_id = id;
	return changed(r);
}

static int own_remove(struct pfri_ring *r, u_int16_t id)
{
	struct pfri_rules *t = r->rules;
	struct pfri_wild *w = wild(t, id);

	if (!w)
		return pfri_fail(-ENOENT, "the ring has no rule %u", id);
	count_out(t, w);
	t->n--;
	memmove(w, w + 1, (size_t)(&t->wild[t->n] - w) * sizeof(*w));
	return changed(r);
}

void pfri_rule_count_slot(const struct pfri_rule_slot *s, rule_action_behaviour action,
			  struct pfri_counts *n)
{
	u_int64_t match = __atomic_load_n(&s->match, __ATOMIC_RELAXED);
	u_int64_t last = __atomic_load_n(&s->last_ns, __ATOMIC_RELAXED);

	n->match += match;
	if (action == forward_packet_and_stop_rule_evaluation)
		n->forward += match;
	else
		n->filtered += match;
	if (last > n->last_ns)
		n->last_ns = last;
}

/* All that was counted of a rule, here and in the kernel. */
static struct pfri_counts wild_counts(const struct pfri_rules *t, const struct pfri_wild *w)
{
	struct pfri_counts n = w->n;

	if (w->slot)
		pfri_rule_count_slot(&t->slots.at[w->slot], w->rule.rule_action, &n);
	return n;
}

static struct pfri_counts flow_counts(const struct pfri_flow_rule *f)
{
	struct pfri_counts n = f->n;

	if (f->counted)
		pfri_rule_count_slot(f->counted, f->action, &n);
	return n;
}

static int tell_counts(const struct pfri_counts *n, char *buf, u_int *len)
{
	hash_filtering_rule_stats st = {
		.match = n->match, .filtered = n->filtered, .match_forward = n->forward};
	u_int64_t now = now_ns();
	u_int room = *len;

	st.inactivity = now > n->last_ns ? (u_int32_t)((now - n->last_ns) / 1000000000u) : 0;
	*len = sizeof(st);
	if (!buf || room < sizeof(st))
		return pfri_fail(-ENOSPC, "a rule's statistics take %zu bytes", sizeof(st));
	memcpy(buf, &st, sizeof(st));
	return 0;
}

static int own_stats(struct pfri_ring *r, u_int16_t id, char *buf, u_int *len)
{
	const struct pfri_wild *w = wild(r->rules, id);
	struct pfri_counts n;

	if (!w)
		return pfri_fail(-ENOENT, "the ring has no rule %u", id);
	n = wild_counts(r->rules, w);
	return tell_counts(&n, buf, len);
}

static int own_hash(struct pfri_ring *r, const hash_filtering_rule *rule, bool add)
{
	const struct pfri_flow_key key = pfri_flow_key_of(rule);
	struct pfri_rules *t = table(r);
	struct pfri_flow_rule *f;
	int out, err;

	if (!t)
		return -ENOMEM;
	if (!add) {
		f = pfri_flow_find(&t->flows, &key);
		if (!f)
			return pfri_fail(-ENOENT, "the ring has no rule for this flow");
		drop_flow(r, f);
		return changed(r);
	}
	if (rule->plugin_action.plugin_id)
		return pfri_fail(-EOPNOTSUPP, "%s: plugins are the kernel module's (pfring:)",
				 r->ops->name);
	out = device_of(r, rule->rule_action, rule->reflector_device_name);
	if (out < 0)
		return out;
	f = pfri_flow_add(&t->flows, &key, &err);
	if (!f)
		return pfri_fail(err, err == -EEXIST   ? "the ring has a rule for this flow already"
				      : err == -ENOSPC ? "the table of hash rules is full; purge it"
						       : "no memory for another hash rule");
	f->action = (u_int8_t)rule->rule_action;
	f->out = out;
	f->n.last_ns = now_ns();
	t->learning += pfri_rule_learns(rule->rule_action);
	if (r->ops->flow_rule)
		r->ops->flow_rule(r, f, true);
	return changed(r);
}

static int own_hash_stats(struct pfri_ring *r, const hash_filtering_rule *rule, char *buf,
			  u_int *len)
{
	const struct pfri_flow_key key = pfri_flow_key_of(rule);
	const struct pfri_flow_rule *f = r->rules ? pfri_flow_find(&r->rules->flows, &key) : NULL;
	struct pfri_counts n;

	if (!f)
		return pfri_fail(-ENOENT, "the ring has no rule for this flow");
	n = flow_counts(f);
	return tell_counts(&n, buf, len);
}

static bool idle(struct pfri_counts n, u_int64_t now, u_int16_t seconds)
{
	return !seconds || (now > n.last_ns && now - n.last_ns >= seconds * 1000000000ull);
}

static int own_purge(struct pfri_ring *r, bool hash, u_int16_t seconds)
{
	struct pfri_rules *t = r->rules;
	u_int64_t now = now_ns();

	if (!t)
		return 0;
	if (!hash) {
		u_int32_t kept = 0;

		for (u_int32_t i = 0; i < t->n; i++) {
			const struct pfri_wild *w = &t->wild[i];

			if (w->rule.locked || !idle(wild_counts(t, w), now, seconds))
				t->wild[kept++] = *w;
			else
				count_out(t, w);
		}
		t->n = kept;
	} else {
		/* Removing moves followers into the place: look at it again. */
		for (u_int32_t i = 0; i < t->flows.room;) {
			struct pfri_flow_rule *f = &t->flows.slot[i];

			if (f->used && idle(flow_counts(f), now, seconds))
				drop_flow(r, f);
			else
				i++;
		}
		if (!t->flows.n)
			pfri_flow_free(&t->flows);
	}
	return changed(r);
}

static int own_policy(struct pfri_ring *r, bool accept)
{
	if (accept && !r->rules)
		return 0;
	if (!table(r))
		return -ENOMEM;
	r->rules->refuse = !accept;
	return changed(r);
}

static int own_reflector(struct pfri_ring *r, const char *device)
{
	int out = 0;

	if (!device && !r->rules)
		return 0;
	if (!table(r))
		return -ENOMEM;
	if (device)
		out = pfri_reflect_device(r, &r->rules->reflector, device, false);
	if (out < 0)
		return out;
	r->rules->out = out;
	return changed(r);
}

const struct pfri_rule_ops pfri_own_rules = {
	.add = own_add,
	.remove = own_remove,
	.stats = own_stats,
	.hash = own_hash,
	.hash_stats = own_hash_stats,
	.purge = own_purge,
	.policy = own_policy,
	.reflector = own_reflector,
};

/* A full table and a flow that has its rule already change nothing. */
static void learn_flow(struct pfri_rules *t, const struct pkt_parsing_info *info)
{
	const struct pfri_flow_key key = pfri_flow_key_in(info);
	struct pfri_flow_rule *f;
	int err;

	if (!info->ip_version)
		return;
	f = pfri_flow_add(&t->flows, &key, &err);
	if (f)
		f->n.last_ns = t->now_ns;
}

static void forget_flow(struct pfri_ring *r, const struct pkt_parsing_info *info)
{
	struct pfri_rules *t = r->rules;
	const struct pfri_flow_key key = pfri_flow_key_in(info);
	struct pfri_flow_rule *f = info->ip_version ? pfri_flow_find(&t->flows, &key) : NULL;

	if (f)
		drop_flow(r, f);
}

/* What a rule that matched does, counted in n, which may be gone afterwards. */
static enum verdict act(struct pfri_ring *r, rule_action_behaviour action, int out,
			struct pfri_counts *n, const struct pkt_parsing_info *info,
			const struct pfring_packet *p)
{
	struct pfri_rules *t = r->rules;

	if (reflects(action))
		pfri_reflect(r, &t->reflector, p, out, bounces(action));
	switch (action) {
	case execute_action_and_continue_rule_evaluation:
	case reflect_packet_and_continue_rule_evaluation:
	case bounce_packet_and_continue_rule_evaluation:
		return CONTINUE;
	case dont_forward_packet_and_stop_rule_evaluation:
	case execute_action_and_stop_rule_evaluation:
	case reflect_packet_and_stop_rule_evaluation:
	case bounce_packet_and_stop_rule_evaluation:
		n->filtered++;
		return REFUSE;
	case forward_packet_add_rule_and_stop_rule_evaluation:
		n->forward++;
		learn_flow(t, info);
		return FORWARD;
	case forward_packet_del_rule_and_stop_rule_evaluation:
		n->forward++;
		forget_flow(r, info);
		return FORWARD;
	case forward_packet_and_stop_rule_evaluation:
		break;
	}
	n->forward++;
	return FORWARD;
}

static enum verdict evaluate(struct pfri_ring *r, const struct pfring_packet *p)
{
	struct pfri_rules *t = r->rules;
	struct pkt_parsing_info info;
	enum verdict verdict;
	u_int32_t frag;

	if (t->n || t->flows.n)
		pfri_parse(p->data, p->caplen, t->tunnels ? 5 : 4, &info, &frag);
	if (t->flows.n && info.ip_version) {
		const struct pfri_flow_key key = pfri_flow_key_in(&info);
		struct pfri_flow_rule *f = pfri_flow_find(&t->flows, &key);

		if (f) {
			f->n.match++;
			f->n.last_ns = t->now_ns;
			verdict = act(r, f->action, f->out, &f->n, &info, p);
			if (verdict != CONTINUE)
				return verdict;
		}
	}
	for (u_int32_t i = 0; i < t->n; i++) {
		struct pfri_wild *w = &t->wild[i];

		if (!pfri_rule_matches(w, &info, p))
			continue;
		w->n.match++;
		w->n.last_ns = t->now_ns;
		if (w->rule.balance_pool &&
		    pfri_flow_hash(&info, frag, cluster_per_flow) % w->rule.balance_pool !=
			    w->rule.balance_id) {
			w->n.filtered++;
			return REFUSE;
		}
		verdict = act(r, w->rule.rule_action, w->out, &w->n, &info, p);
		if (verdict != CONTINUE)
			return verdict;
	}
	return t->refuse ? REFUSE : FORWARD;
}

bool pfri_rules_pass(struct pfri_ring *r, const struct pfring_packet *p)
{
	struct pfri_rules *t = r->rules;

	if (evaluate(r, p) == REFUSE)
		return false;
	if (!t->out)
		return true;
	pfri_reflect(r, &t->reflector, p, t->out, false);
	return false;
}

void pfri_rules_free(struct pfri_ring *r)
{
	struct pfri_rules *t = r->rules;

	if (!t)
		return;
	r->rules = NULL;
	pfri_reflect_free(&t->reflector);
	pfri_flow_free(&t->flows);
	pfri_slots_free(&t->slots);
	if (t->wild)
		munmap(t->wild, t->room * sizeof(*t->wild));
	munmap(t, sizeof(*t));
}
