/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bpf_flows.c - the table of hash rules in which the capture program of bpf: looks.
 *
 * The library alone writes it, but for the counters; programs on any CPU read
 * it meanwhile (bpf/decide.c, where its layout is told). A rule's key is there before its
 * state says so, and zeros before it is another's: a program that looks in
 * between finds no rule. A place from which a rule has gone rests before it is
 * used again, for a program on its way may still count there. Called with the
 * handle held.
 */
#include "decide.h"

#include <sys/random.h>

#include "bpf_backend.h"
#include "sys.h"

#define REST_NS 1000000000u

static u_int32_t places(const struct pfri_flow_map *m)
{
	return 1u << m->bits;
}

void pfri_flow_map_close(struct pfri_flow_map *m)
{
	if (m->at)
		munmap(m->at, places(m) * sizeof(*m->at));
	if (m->fd > 0)
		close(m->fd);
	*m = (struct pfri_flow_map){0};
}

int pfri_flow_map_open(struct pfri_flow_map *m, u_int32_t rules)
{
	void *at;
	int rc;

	*m = (struct pfri_flow_map){.room = rules};
	while (1u << m->bits < 2 * rules)
		m->bits++;
	if (getrandom(m->secret, sizeof(m->secret), 0) != sizeof(m->secret))
		return -EIO;
	for (size_t i = 0; i < sizeof(m->secret) / sizeof(m->secret[0]); i++)
		m->secret[i] |= 1;
	m->fd = pfri_bpf_map(BPF_MAP_TYPE_ARRAY, 4, sizeof(*m->at), places(m), BPF_F_MMAPABLE,
			     "pfring_flows");
	if (m->fd < 0) {
		rc = m->fd;
		m->fd = 0;
		return rc;
	}
	at = mmap(NULL, places(m) * sizeof(*m->at), PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
	if (at == MAP_FAILED) {
		rc = -errno;
		pfri_flow_map_close(m);
		return rc;
	}
	m->at = at;
	return 0;
}

bool pfri_flow_map_has_room(const struct pfri_flow_map *m)
{
	return m->used < m->room;
}

static u_int32_t home(const struct pfri_flow_map *m, const struct pfri_flow_key *key)
{
	u_int64_t words[PFRI_FLOW_WORDS], sum = 0;

	memcpy(words, key, sizeof(words));
	for (size_t i = 0; i < PFRI_FLOW_WORDS; i++)
		sum += (words[i] ^ words[i] >> 32) * m->secret[i];
	sum = (sum ^ sum >> 32) * m->secret[PFRI_FLOW_WORDS];
	return (u_int32_t)(sum >> (64 - m->bits));
}

/* The place i behind a home, in a circle. */
static struct pfri_decider_flow *place(const struct pfri_flow_map *m, u_int32_t from, u_int32_t i)
{
	return &m->at[(from + i) & (places(m) - 1)];
}

static bool rested(const struct pfri_decider_flow *at)
{
	return pfri_clock_ns(CLOCK_MONOTONIC) - __atomic_load_n(&at->n.last_ns, __ATOMIC_RELAXED) >
	       REST_NS;
}

const struct pfri_rule_slot *pfri_flow_map_put(struct pfri_flow_map *m,
					       const struct pfri_flow_rule *rule)
{
	const u_int32_t decision = pfri_decision_of((rule_action_behaviour)rule->action);
	const u_int32_t from = home(m, &rule->key);
	struct pfri_decider_flow *at = NULL;

	for (u_int32_t i = 0; i < PFRI_FLOW_WINDOW; i++) {
		at = place(m, from, i);
		if (at->state == PFRI_FLOW_FREE || (at->state == PFRI_FLOW_GONE && rested(at)))
			break;
		at = NULL;
	}
	if (!at)
		return NULL;
	m->used += at->state == PFRI_FLOW_FREE;
	at->n = (struct pfri_rule_slot){0};
	at->key = rule->key;
	__atomic_store_n(&at->state, PFRI_FLOW_THERE + decision, __ATOMIC_RELEASE);
	return &at->n;
}

static struct pfri_decider_flow *find(const struct pfri_flow_map *m,
				      const struct pfri_flow_key *key)
{
	const u_int32_t from = home(m, key);

	for (u_int32_t i = 0; i < PFRI_FLOW_WINDOW; i++) {
		struct pfri_decider_flow *at = place(m, from, i);

		if (at->state == PFRI_FLOW_FREE)
			break;
		if (!memcmp(&at->key, key, sizeof(*key)))
			return at;
	}
	return NULL;
}

void pfri_flow_map_take_out(struct pfri_flow_map *m, const struct pfri_flow_rule *rule)
{
	struct pfri_decider_flow *at = find(m, &rule->key);

	if (!at)
		return;
	at->n.last_ns = pfri_clock_ns(CLOCK_MONOTONIC);
	__atomic_store_n(&at->state, PFRI_FLOW_GONE, __ATOMIC_RELEASE);
	at->key = (struct pfri_flow_key){0};
}

const struct pfri_rule_slot *pfri_flow_map_find(const struct pfri_flow_map *m,
						const struct pfri_flow_key *key)
{
	const struct pfri_decider_flow *at = m->at ? find(m, key) : NULL;

	return at ? &at->n : NULL;
}
