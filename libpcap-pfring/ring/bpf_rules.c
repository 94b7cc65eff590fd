/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bpf_rules.c - filtering rules of a bpf: handle in the kernel.
 *
 * The library's table (rule_table.c) stays the one that is right; the capture
 * program (bpf/decide.c) has a copy: hash rules with their counters in a table that
 * is mapped here (bpf_flows.c); wildcard rules in its instructions, so that a
 * change of them is a new program; policy and wildcard rules' counters in an array that
 * is mapped as well. Packets that it decided on bear a mark; sieve.c evaluates the
 * rules on the others. So wherever the copy cannot be had or does not follow,
 * the policy "undecided" in that array makes everything the library's, at once
 * and without any privilege. Called with the handle held.
 */
#include "decide.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>

#include "bpf_backend.h"
#include "clock.h"
#include "handle.h"
#include "sys.h"

#define FIRST_ROOM 1024u
#define GROWTH 4u
#define WILD_SLOTS (2 * PFRI_DECIDER_RULES)

static struct pfri_decider_state *state_of(const struct pfri_rule_maps *m)
{
	return m->mem;
}

static struct pfri_rule_slot *slots_of(const struct pfri_rule_maps *m)
{
	return (void *)((u_char *)m->mem + sizeof(struct pfri_decider_state));
}

static void set_policy(const struct pfri_rule_maps *m, enum pfri_decision policy)
{
	if (m->mem)
		__atomic_store_n(&state_of(m)->policy, policy, __ATOMIC_RELAXED);
}

static void maps_close(struct pfri_rule_maps *m)
{
	if (m->mem)
		munmap(m->mem, m->bytes);
	if (m->slots_fd > 0)
		close(m->slots_fd);
	pfri_flow_map_close(&m->flows);
	*m = (struct pfri_rule_maps){0};
}

/* Why the library must decide on every packet; NULL: it need not. */
static const char *obstacle(const struct pfri_ring *r)
{
	const struct pfri_rules *t = r->rules;

	if (t->learning)
		return "rules add or remove hash rules as packets come";
	if (t->out)
		return "packets are reflected (pfring_set_reflector_device())";
	if (r->choice.queues != RING_ANY_CHANNEL || r->choice.vlan >= 0)
		return "queues or a VLAN were chosen in the library, which goes before rules";
	if (t->n > PFRI_DECIDER_RULES && !t->flows.n)
		return "there are more wildcard rules than a program takes";
	return NULL;
}

static enum pfri_decision policy_of(const struct pfri_ring *r)
{
	return r->rules->refuse ? PFRI_REFUSE : PFRI_FORWARD;
}

/* Whether the table of hash rules in the kernel is the library's. */
static bool flows_known(const struct pfri_ring *r, const struct pfri_bpf_rules *k)
{
	return k->now.mem &&
	       (k->now.flows.fd ? k->mapped == r->rules->flows.n : r->rules->flows.n == 0);
}

static bool wild_known(const struct pfri_ring *r, const struct pfri_bpf_rules *k)
{
	const bool more = r->rules->n > PFRI_DECIDER_RULES;

	return more == k->more && (more || k->changes == r->rules->changes);
}

/* How many wildcard rules the program has. */
static u_int32_t wild_taken(const struct pfri_rules *t)
{
	return t->n > PFRI_DECIDER_RULES ? 0 : t->n;
}

static int make_flows(const struct pfri_rules *t, struct pfri_flow_map *m)
{
	u_int32_t room = FIRST_ROOM;
	int rc;

	if (!t->flows.n)
		return 0;
	while (room < t->flows.n)
		room *= GROWTH;
	rc = pfri_flow_map_open(m, room);
	for (u_int32_t i = 0; i < t->flows.room && !rc; i++)
		if (t->flows.slot[i].used)
			pfri_flow_map_put(m, &t->flows.slot[i]);
	return rc;
}

/* New maps with all hash rules in them, and room for more. */
static int make_maps(const struct pfri_ring *r, struct pfri_rule_maps *m)
{
	const struct pfri_rules *t = r->rules;
	int rc = make_flows(t, &m->flows);

	if (!rc) {
		m->slots = WILD_SLOTS;
		m->bytes = sizeof(struct pfri_decider_state) +
			   m->slots * sizeof(struct pfri_rule_slot);
		m->slots_fd = pfri_bpf_map(BPF_MAP_TYPE_ARRAY, 4, (u_int32_t)m->bytes, 1,
					   BPF_F_MMAPABLE, "pfring_rules");
		rc = m->slots_fd < 0 ? m->slots_fd : 0;
	}
	if (!rc) {
		m->mem = mmap(NULL, m->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, m->slots_fd, 0);
		if (m->mem == MAP_FAILED) {
			m->mem = NULL;
			rc = -errno;
		}
	}
	if (rc)
		maps_close(m);
	return rc;
}

static bool give_wild_slots(struct pfri_rules *t)
{
	for (u_int32_t i = 0; i < wild_taken(t); i++) {
		struct pfri_wild *w = &t->wild[i];

		if (!w->slot)
			w->slot = pfri_slot_take(&t->slots);
		if (!w->slot)
			return false;
	}
	return true;
}

static void say_why(struct pfri_bpf_rules *k, const char *why, int err)
{
	k->why = why;
	k->err = err;
}

/* Until the wildcard rules change the library evaluates: the program that runs is to let it. */
static void failed(struct pfri_ring *r, const char *why, int err)
{
	struct pfri_bpf_rules *k = &pfri_bpf_of(r)->rules;

	maps_close(&k->next);
	set_policy(&k->now, PFRI_UNDECIDED);
	k->live = false;
	k->changes = r->rules->changes;
	k->more = r->rules->n > PFRI_DECIDER_RULES;
	say_why(k, why, err);
}

void pfri_bpf_rules_failed(struct pfri_ring *r, int err)
{
	failed(r, "the kernel does not take the program with the rules", err);
}

bool pfri_bpf_rules_stage(struct pfri_ring *r, struct pfri_decider *d)
{
	struct pfri_bpf *b = pfri_bpf_of(r);
	struct pfri_bpf_rules *k = &b->rules;
	struct pfri_rules *t = r->rules;
	const char *why = pfri_rules_active(t) ? obstacle(r) : "";
	const struct pfri_rule_maps *m = &k->now;
	int rc;

	maps_close(&k->next);
	if (why) {
		say_why(k, why, 0);
		return false;
	}
	if (!flows_known(r, k) || !give_wild_slots(t)) {
		m = &k->next;
		rc = make_maps(r, &k->next);
		if (rc) {
			failed(r, "the kernel has no room for the rules", rc);
			return false;
		}
		set_policy(m, policy_of(r));
	}
	*d = (struct pfri_decider){
		.slots_fd = m->slots_fd,
		.slots = m->slots,
		.flows_fd = m->flows.fd,
		.flows.bits = m->flows.bits,
		.wild = t->wild,
		.n = wild_taken(t),
		.numbered = m == &k->now,
		.more = t->n > PFRI_DECIDER_RULES,
		.coarse = b->clock != PFRI_CLOCK_MONOTONIC,
		.caplen = r->opt.caplen,
	};
	memcpy(d->flows.secret, m->flows.secret, sizeof(d->flows.secret));
	return true;
}

/* Until no program that was replaced is on its way on any CPU. */
static void wait_for_programs(void)
{
	const struct timespec moment = {.tv_nsec = 50000000};

	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) < 0)
		nanosleep(&moment, NULL);
}

/* What was counted in the old maps becomes the rules' own; from now on the new ones count. */
static void renumber(struct pfri_rules *t, const struct pfri_flow_map *flows)
{
	u_int32_t next = 0;

	for (u_int32_t i = 0; i < t->n; i++) {
		struct pfri_wild *w = &t->wild[i];

		if (w->slot)
			pfri_rule_count_slot(&t->slots.at[w->slot], w->rule.rule_action, &w->n);
		w->slot = i < wild_taken(t) ? ++next : 0;
	}
	for (u_int32_t i = 0; i < t->flows.room; i++) {
		struct pfri_flow_rule *f = &t->flows.slot[i];

		if (!f->used)
			continue;
		if (f->counted)
			pfri_rule_count_slot(f->counted, (rule_action_behaviour)f->action, &f->n);
		f->counted = pfri_flow_map_find(flows, &f->key);
	}
}

/* The new maps take the place of the old ones. */
static bool take_over(struct pfri_ring *r, struct pfri_bpf_rules *k)
{
	struct pfri_rules *t = r->rules;
	struct pfri_rule_slots fresh = {0};

	if (pfri_slots_use(&fresh, slots_of(&k->next), k->next.slots, wild_taken(t)))
		return false;
	if (k->now.mem)
		wait_for_programs();
	renumber(t, &k->next.flows);
	pfri_slots_free(&t->slots);
	t->slots = fresh;
	maps_close(&k->now);
	k->now = k->next;
	k->next = (struct pfri_rule_maps){0};
	k->mapped = t->flows.n;
	return true;
}

void pfri_bpf_rules_attached(struct pfri_ring *r, bool staged)
{
	struct pfri_bpf_rules *k = &pfri_bpf_of(r)->rules;

	k->live = staged;
	if (staged && k->next.mem && !take_over(r, k)) {
		set_policy(&k->next, PFRI_UNDECIDED);
		k->live = false;
		say_why(k, "no memory for the rules", -ENOMEM);
	}
	maps_close(&k->next);
	if (!r->rules)
		return;
	k->changes = r->rules->changes;
	k->more = r->rules->n > PFRI_DECIDER_RULES;
	if (k->live) {
		set_policy(&k->now, policy_of(r));
		say_why(k, NULL, 0);
	}
}

/* The rules have changed under a program that runs. 1: a new one was put in force. */
static int follow(struct pfri_ring *r, struct pfri_bpf_rules *k)
{
	const char *why = pfri_rules_active(r->rules) ? obstacle(r) : "";
	bool tried = !k->live && k->err && wild_known(r, k);

	if (why) {
		set_policy(&k->now, PFRI_UNDECIDED);
		say_why(k, why, 0);
		/* The library changes the hash rules without a word. */
		if (r->rules->learning)
			k->mapped = UINT32_MAX;
		return 0;
	}
	if (tried) /* in vain, and it would be again */
		return 0;
	if (k->live && flows_known(r, k) && wild_known(r, k)) {
		set_policy(&k->now, policy_of(r));
		say_why(k, NULL, 0);
		return 0;
	}
	if (pfri_bpf_reload(r) == 0)
		return 1;
	set_policy(&k->now, PFRI_UNDECIDED);
	return 0;
}

int pfri_bpf_rules_tell(struct pfri_ring *r)
{
	struct pfri_bpf *b = pfri_bpf_of(r);

	b->maps.lanes.decided = pfri_rules_active(r->rules) ? PFR_REC_DECIDED : 0;
	if (r->ops != &pfri_bpf_ops || !b->afp.bound || !r->enabled)
		return 0; /* the program that is attached then will have them */
	return follow(r, &b->rules);
}

void pfri_bpf_rules_flow(struct pfri_ring *r, struct pfri_flow_rule *f, bool added)
{
	struct pfri_bpf_rules *k = &pfri_bpf_of(r)->rules;
	struct pfri_rules *t = r->rules;

	if (!k->now.flows.fd || k->mapped != t->flows.n - added)
		return; /* it is not the library's table any more: made anew when it is needed */
	if (!added) {
		pfri_flow_map_take_out(&k->now.flows, f);
		k->mapped--;
		return;
	}
	if (!pfri_flow_map_has_room(&k->now.flows))
		return;
	f->counted = pfri_flow_map_put(&k->now.flows, f);
	k->mapped++;
}

bool pfri_bpf_rules_below(const struct pfri_ring *r, char *why, size_t len)
{
	const struct pfri_bpf_rules *k = &((const struct pfri_bpf *)(const void *)r->priv)->rules;

	if (k->live && !k->why)
		return true;
	if (k->err)
		snprintf(why, len, "%s: %s", k->why, strerror(-k->err));
	else
		snprintf(why, len, "%s", k->why ? k->why : "");
	return false;
}

void pfri_bpf_rules_close(struct pfri_ring *r)
{
	struct pfri_bpf_rules *k = &pfri_bpf_of(r)->rules;

	maps_close(&k->now);
	maps_close(&k->next);
}
