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

/* An IPv4 flow: struct pfri_flow_key without the zeros. Less to hash and to compare. */
struct pfri_flow_key4 {
	uint32_t addr[2];
	uint16_t port[2];
	uint16_t vlan;
	uint8_t proto, zero;
};

/* In the tables of hash rules, by struct pfri_flow_key4 and, IPv6, struct pfri_flow_key. */
struct pfri_decider_flow {
	uint32_t slot;
	uint32_t decision; /* enum pfri_decision */
};

/* The start of the array's element; the slots follow. Written by the library, read by programs. */
struct pfri_decider_state {
	/* enum pfri_decision; UNDECIDED: of every packet, whatever the rules say */
	uint32_t policy;
	uint32_t pad[15];
};

struct pfri_decider {
	int slots_fd;		      /* array of one element: the state, then slots */
	uint32_t slots;		      /* how many */
	int flows_fd[2];	      /* tables of hash rules, IPv4's and IPv6's; 0: none */
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
