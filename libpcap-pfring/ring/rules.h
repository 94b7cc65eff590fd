/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rules.h - the library's own engine for filtering rules, inside.
 *
 * rules.c has the public calls; rule_table.c owns the rules of a handle and
 * decides on packets; rule_match.c knows whether one wildcard rule matches,
 * rule_flows.c finds the hash rule of a flow, reflect.c sends; rule_slots.c
 * has counters that a program in the kernel shares. Everything is
 * mapped, never malloc'ed, and belongs to the handle; called with it held
 * (rx), freed on close. docs/filters.md says what rules mean.
 */
#ifndef PFRI_RULES_H
#define PFRI_RULES_H

#include "backend.h"

#define PFRI_MAX_WILD 65535u
#define PFRI_MAX_FLOWS 1048576u

struct pfri_counts {
	u_int64_t match, filtered, forward;
	u_int64_t last_ns; /* CLOCK_MONOTONIC: last match, or when the rule was added */
};

/* What a program in the kernel has counted of one rule: shared memory. */
struct pfri_rule_slot {
	u_int64_t match, last_ns;
};

struct pfri_rule_slots {
	struct pfri_rule_slot *at; /* [0] is nobody's; NULL: there are none */
	u_int32_t room, fresh;	   /* from fresh on none was ever taken */
	u_int32_t *freed; /* a queue in a circle, so that a slot rests before it is reused */
	u_int32_t first, n;
};

/* Which fields of a wildcard rule are set. */
enum pfri_wants {
	PFRI_WANT_IF = 1 << 0,
	PFRI_WANT_SMAC = 1 << 1,
	PFRI_WANT_DMAC = 1 << 2,
	PFRI_WANT_VLAN = 1 << 3,
	PFRI_WANT_TYPE = 1 << 4,
	PFRI_WANT_PROTO = 1 << 5,
	PFRI_WANT_SHOST = 1 << 6,
	PFRI_WANT_DHOST = 1 << 7,
	PFRI_WANT_SPORT = 1 << 8,
	PFRI_WANT_DPORT = 1 << 9,
	PFRI_WANT_FLAGS = 1 << 10,
	PFRI_WANT_TUNNEL_ID = 1 << 11,
	PFRI_WANT_TUNNEL_SHOST = 1 << 12,
	PFRI_WANT_TUNNEL_DHOST = 1 << 13,
	PFRI_WANT_PATTERN = 1 << 14,
	PFRI_WANT_TUNNEL = PFRI_WANT_TUNNEL_ID | PFRI_WANT_TUNNEL_SHOST | PFRI_WANT_TUNNEL_DHOST,
};

struct pfri_wild {
	filtering_rule rule;
	u_int32_t wants; /* PFRI_WANT_* */
	int out;	 /* index of the device it reflects to */
	u_int32_t slot;	 /* 0: none */
	struct pfri_counts n;
};

/* One flow: the two ends in the order of their numbers. Hashed and compared as bytes. */
struct pfri_flow_key {
	u_int64_t addr[2][2]; /* as in memory; IPv4 in the first word's low half */
	u_int16_t port[2];
	u_int16_t vlan;
	u_int8_t version, proto;
};

struct pfri_flow_rule {
	struct pfri_flow_key key;
	bool used;
	u_int8_t action; /* rule_action_behaviour */
	int out;
	const struct pfri_rule_slot *counted; /* by a program in the kernel; NULL: by none */
	struct pfri_counts n;
};

struct pfri_flow_table {
	struct pfri_flow_rule *slot; /* room of them, a power of two; at most 3/4 used */
	u_int32_t n, room;
};

struct pfri_reflector {
	int fd;		 /* -1, or a socket where the backend has none to send with */
	u_char *bounced; /* a private copy of MAX_CAPLEN bytes, or NULL */
	u_int64_t done, failed;
};

struct pfri_rules {
	struct pfri_wild *wild; /* n of them, ordered by rule_id */
	u_int32_t n, room;
	struct pfri_flow_table flows;
	bool refuse;	    /* the default policy */
	int out;	    /* device of pfring_set_reflector_device(), or 0 */
	u_int32_t tunnels;  /* rules that look inside one */
	u_int32_t learning; /* rules whose action changes the hash rules */
	u_int64_t changes;  /* of the wildcard rules */
	struct pfri_rule_slots slots;
	u_int64_t now_ns;
	struct pfri_reflector reflector;
};

/* rule_table.c: the table behind the calls where the backend has none. */
extern const struct pfri_rule_ops pfri_own_rules;
/* Whether there is anything to evaluate. */
bool pfri_rules_active(const struct pfri_rules *t);
/* Before the first packet of a batch: the time of matches. */
void pfri_rules_clock(struct pfri_rules *t);
/* Whether p, as long as it is there, goes on to the reader. Counts, reflects. */
bool pfri_rules_pass(struct pfri_ring *r, const struct pfring_packet *p);
void pfri_rules_free(struct pfri_ring *r);
/* Something else that matters to rules has changed: who evaluates may be another one now. */
void pfri_rules_retell(struct pfri_ring *r);
/* Adds what a program counted of a rule to n. */
void pfri_rule_count_slot(const struct pfri_rule_slot *s, rule_action_behaviour action,
			  struct pfri_counts *n);
/* Whether the action adds or removes hash rules. */
bool pfri_rule_learns(rule_action_behaviour action);

/* rule_slots.c */
/* Takes up room slots at at, used of them already; 0 or -ENOMEM. The memory stays the caller's. */
int pfri_slots_use(struct pfri_rule_slots *s, struct pfri_rule_slot *at, u_int32_t room,
		   u_int32_t used);
u_int32_t pfri_slot_take(struct pfri_rule_slots *s); /* 0: there is none left */
void pfri_slot_give(struct pfri_rule_slots *s, u_int32_t slot);
void pfri_slots_free(struct pfri_rule_slots *s);

/* rule_match.c */
u_int32_t pfri_rule_wants(const filtering_rule *rule);
bool pfri_rule_matches(const struct pfri_wild *w, const struct pkt_parsing_info *info,
		       const struct pfring_packet *p);
/* Whether the address of a rule is an IPv6 one. */
bool pfri_rule_is_v6(const ip_addr *host, const ip_addr *mask);

/* rule_flows.c */
struct pfri_flow_key pfri_flow_key_of(const hash_filtering_rule *rule);
struct pfri_flow_key pfri_flow_key_in(const struct pkt_parsing_info *info);
struct pfri_flow_rule *pfri_flow_find(const struct pfri_flow_table *t,
				      const struct pfri_flow_key *key);
/* A new rule, cleared but for its key; NULL with -EEXIST, -ENOSPC or -ENOMEM in *err. */
struct pfri_flow_rule *pfri_flow_add(struct pfri_flow_table *t, const struct pfri_flow_key *key,
				     int *err);
/* Others may move: pointers to rules are void afterwards. */
void pfri_flow_remove(struct pfri_flow_table *t, struct pfri_flow_rule *rule);
void pfri_flow_free(struct pfri_flow_table *t);

/* reflect.c */
/* The index of a device to reflect to, or why it cannot be one. */
int pfri_reflect_device(struct pfri_ring *r, struct pfri_reflector *x, const char *name,
			bool bounce);
/* Sends p out of the device out, with its two addresses swapped if bounce. Counts. */
void pfri_reflect(struct pfri_ring *r, struct pfri_reflector *x, const struct pfring_packet *p,
		  int out, bool bounce);
void pfri_reflect_free(struct pfri_reflector *x);

#endif /* PFRI_RULES_H */
