/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bpf_backend.h - the state of a bpf: handle, shared by bpf.c (its life) and
 * bpf_read.c (taking packets and waiting for them).
 *
 * One AF_PACKET socket and an eBPF program on it that fills the lanes and
 * returns 0, so that the socket's own queue stays empty. When a filter comes
 * after the privileges are gone, the classic program replaces the eBPF one in
 * one step and packets go on in that queue. (A ring would hold more, but each
 * costs a grace period when it is made and one when it goes, 8 ms and more.)
 */
#ifndef PFRI_BPF_BACKEND_H
#define PFRI_BPF_BACKEND_H

#include "afpacket.h"
#include "backlog.h"
#include "maps.h"

struct pfri_decider;
struct pfri_decider_flow;
struct pfri_flow_rule;
struct pfri_flow_key;
struct pfri_rule_slot;

/* The table of hash rules in which programs look (bpf/decide.h). */
struct pfri_flow_map {
	int fd;			      /* never 0: there is none */
	u_int32_t room;		      /* of its places, so many are used at most */
	u_int32_t used;		      /* places that are not free any more */
	u_int64_t secret[6];	      /* of the hash */
	u_int bits;		      /* there are 2^bits homes */
	struct pfri_decider_flow *at; /* mapped */
};

/* What the program evaluates rules with. Descriptors are never 0: none. */
struct pfri_rule_maps {
	struct pfri_flow_map flows;
	int slots_fd; /* array of one element: struct pfri_decider_state, slots */
	u_int32_t slots;
	void *mem; /* that element */
	size_t bytes;
};

struct pfri_bpf_rules {
	struct pfri_rule_maps now, next; /* next: of the program that is being built */
	u_int32_t mapped;  /* rules that now.flows knows; UINT32_MAX: others than they were */
	u_int64_t changes; /* pfri_rules.changes as the program knows them */
	bool more;	   /* there were more rules than a program takes */
	bool live;	   /* the program that is attached evaluates rules */
	const char *why;   /* why the library evaluates; NULL: it does not */
	int err;	   /* 0, or what the kernel said */
};

struct pfri_bpf {
	struct pfri_maps maps;
	struct pfri_afp afp;
	struct pfri_backlog backlog; /* in use after the change to the classic program */
	bool private_;		     /* as in struct pfri_maps_limits */
	int clock;		     /* enum pfri_clock, what the program stamps with */
	int all_fd;		    /* program that keeps everything: needs no privilege any more */
	struct sock_filter all[16]; /* what it was made from */
	u_int all_len;		    /* 0: too long to be kept */
	bool attached;		    /* a program fills the lanes */
	u_int32_t generation;	    /* of the filter in force; every record bears one */
	bool stale;		    /* records of older generations may still come: test them */
	u_int64_t stale_until;	    /* on the ring's clock: none is older than this plus nothing */
	u_int64_t epoch_checked;    /* on the ring's clock */
	struct pfri_bpf_rules rules;
	/* Waiting. */
	int epoll_fd; /* wake buffer, socket and more_fd: the selectable descriptor */
	int more_fd;  /* readable while packets are left that a select() must see */
	bool more;
	u_int taken;		    /* packets since the last wait */
	u_int64_t looked;	    /* on the lanes' clock: when they were asked for packets */
	u_int64_t drained_until_ms; /* classic: lanes may still get a packet before that */
	bool from_backlog;	    /* the packets handed out do not lie in the lanes */
};

static inline struct pfri_bpf *pfri_bpf_of(struct pfri_ring *r)
{
	return PFRI_PRIV(r, struct pfri_bpf);
}

/* bpf_read.c */
int pfri_bpf_recv(struct pfri_ring *r, struct pfring_packet *pkt, u_int max);
void pfri_bpf_release(struct pfri_ring *r);
int pfri_bpf_poll(struct pfri_ring *r, int timeout_ms);
/* After the change to the classic program: the lanes first, then the socket's queue. */
int pfri_bpf_classic_recv(struct pfri_ring *r, struct pfring_packet *pkt, u_int max);
void pfri_bpf_classic_release(struct pfri_ring *r);
int pfri_bpf_classic_poll(struct pfri_ring *r, int timeout_ms);

/* Everything that an older filter let pass has been taken. */
void pfri_bpf_stale_over(struct pfri_ring *r, struct pfri_bpf *b);

/* bpf.c: makes the program anew with the filter in force. 0, or negative: the old one stays. */
int pfri_bpf_reload(struct pfri_ring *r);

/* bpf_flows.c */
/* A table with room for so many rules. 0 or -errno, and nothing is left. */
int pfri_flow_map_open(struct pfri_flow_map *m, u_int32_t rules);
void pfri_flow_map_close(struct pfri_flow_map *m);
/* Whether one more rule is worth trying: otherwise a larger table is. */
bool pfri_flow_map_has_room(const struct pfri_flow_map *m);
/*
 * In force for packets from now on. Where a program will count its matches;
 * NULL: in the library, for there is no room at its place.
 */
const struct pfri_rule_slot *pfri_flow_map_put(struct pfri_flow_map *m,
					       const struct pfri_flow_rule *rule);
void pfri_flow_map_take_out(struct pfri_flow_map *m, const struct pfri_flow_rule *rule);
/* What put() returned for this rule. */
const struct pfri_rule_slot *pfri_flow_map_find(const struct pfri_flow_map *m,
						const struct pfri_flow_key *key);

/* bpf_rules.c */
int pfri_bpf_rules_tell(struct pfri_ring *r);
void pfri_bpf_rules_flow(struct pfri_ring *r, struct pfri_flow_rule *rule, bool added);
/* For a new program: how it evaluates rules. False: not. */
bool pfri_bpf_rules_stage(struct pfri_ring *r, struct pfri_decider *d);
/* A program is attached; staged: it evaluates rules as last staged. */
void pfri_bpf_rules_attached(struct pfri_ring *r, bool staged);
/* The program as last staged was not taken. */
void pfri_bpf_rules_failed(struct pfri_ring *r, int err);
/* Whether rules are evaluated in the kernel; if not, why. */
bool pfri_bpf_rules_below(const struct pfri_ring *r, char *why, size_t len);
void pfri_bpf_rules_close(struct pfri_ring *r);

/* Now on the clock that stamps records. */
u_int64_t pfri_bpf_now(const struct pfri_bpf *b);
/* Makes time stamps relative to the epoch right again, if a second has passed. */
void pfri_bpf_set_epoch(struct pfri_bpf *b, u_int64_t now);

#endif /* PFRI_BPF_BACKEND_H */
