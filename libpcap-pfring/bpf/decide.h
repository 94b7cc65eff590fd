/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * decide.h - the part of the capture program that evaluates filtering rules.
 *
 * It takes plain headers apart as parse.c does, looks the flow up among the
 * hash rules, tries the wildcard rules, which are written into the program,
 * and ends with the policy. What it cannot decide exactly it leaves to the
 * library, before it has counted anything (ring/bpf_rules.c).
 */
#ifndef PFRI_DECIDE_H
#define PFRI_DECIDE_H

#include "ebpf.h"
#include "rules.h"

#define PFRI_DECIDER_RULES 128 /* wildcard rules in a program; more stay in the library */

/* What a flow or a wildcard rule comes to. */
enum pfri_decision { PFRI_UNDECIDED, PFRI_FORWARD, PFRI_REFUSE };

static inline enum pfri_decision pfri_decision_of(rule_action_behaviour action)
{
	switch (action) {
	case forward_packet_and_stop_rule_evaluation:
		return PFRI_FORWARD;
	case dont_forward_packet_and_stop_rule_evaluation:
	case execute_action_and_stop_rule_evaluation:
		return PFRI_REFUSE;
	default:
		return PFRI_UNDECIDED;
	}
}

/*
 * The table of hash rules: an array of these that the library maps and fills
 * (ring/bpf_flows.c), a cache line each. A flow's rule is at its home or in one of
 * the places behind that. A search ends at a free place; after PFRI_FLOW_WINDOW places without
 * one it is undecided, for the rule may have found no room. No place becomes free again.
 */
struct pfri_decider_flow {
	struct pfri_flow_key key; /* zeros: no flow has that */
	struct pfri_rule_slot n;
	uint32_t state; /* enum pfri_flow_state */
	uint32_t pad;
};

enum pfri_flow_state {
	PFRI_FLOW_FREE,
	PFRI_FLOW_GONE,			      /* there was one; n.last_ns: until when */
	PFRI_FLOW_THERE = PFRI_FLOW_GONE + 1, /* + enum pfri_decision */
};

#define PFRI_FLOW_WINDOW 16u
#define PFRI_FLOW_WORDS (sizeof(struct pfri_flow_key) / 8)

_Static_assert(sizeof(struct pfri_decider_flow) == 64, "a cache line");

/* home = (sum of word * secret) * last secret, each word folded first; the highest bits. */
struct pfri_flow_hash {
	uint64_t secret[PFRI_FLOW_WORDS + 1]; /* odd */
	unsigned bits;
};

/* The start of the array's element; the slots follow. Written by the library, read by programs. */
struct pfri_decider_state {
	/* enum pfri_decision; UNDECIDED: of every packet, whatever the rules say */
	uint32_t policy;
	uint32_t pad[15];
};

struct pfri_decider {
	int slots_fd;	/* array of one element: the state, then slots */
	uint32_t slots; /* how many */
	int flows_fd;	/* table of hash rules; 0: none */
	struct pfri_flow_hash flows;
	const struct pfri_wild *wild; /* n of them, in order */
	uint32_t n;
	bool numbered;	 /* they have their slots; else those from 1 on will be theirs */
	bool more;	 /* there are wildcard rules that the program does not know */
	bool coarse;	 /* the kernel has CLOCK_MONOTONIC_COARSE for programs (5.11) */
	uint32_t caplen; /* of packets that it decides on */
};

/* Jumps to a place that comes later. */
struct pfri_jumps {
	unsigned n, at[PFRI_DECIDER_RULES + 64];
};

struct pfri_decisions {
	struct pfri_jumps undecided, forwarded, refused;
};

/* R6 is the context; R9 and R0 to R5 are used. The code ends with jumps that the caller lands. */
void pfri_decide_emit(struct pfri_ebpf *e, const struct pfri_decider *d, struct pfri_decisions *to);

static inline void pfri_land_all(struct pfri_ebpf *e, const struct pfri_jumps *j)
{
	for (unsigned i = 0; i < j->n; i++)
		ebpf_land(e, j->at[i]);
}

#endif /* PFRI_DECIDE_H */
