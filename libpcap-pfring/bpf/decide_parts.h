/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * decide_parts.h - what the two halves of decide.h's program share: decide_headers.c
 * takes a packet apart, decide.c finds its rule.
 *
 * What the first finds lies on the program's stack, where the words of the classic
 * filter are not needed any more:
 *
 *      -80   the key of the flow, the ends in order as make_key() puts them: struct
 *            pfri_flow_key
 *      -158  the frame from its first byte on, a tag inside taken out: so the
 *            network header is at -144, aligned as the verifier wants it
 *      -180  what wildcard rules ask for and the key does not have as it is
 *      -184  where in the table of hash rules is looked
 */
#ifndef PFRI_DECIDE_PARTS_H
#define PFRI_DECIDE_PARTS_H

#include "decide.h"

#include <linux/if_ether.h>
#include <stddef.h>

#define CTX BPF_REG_6
#define SAVED BPF_REG_9 /* where the network header is in the frame; then the counters */
#define FP BPF_REG_10

#define HEAD (-158)
#define HEAD_V4 54   /* Ethernet, IPv4, TCP: shorter than any frame that a wire lets through */
#define HEAD_MOST 74 /* the same with IPv6 */
#define TYPE_AT (HEAD + 12)
#define L3 (HEAD + ETH_HLEN)
#define KEY (-80)
#define KEY_FIELD(f) (KEY + (int)offsetof(struct pfri_flow_key, f))
#define SPORT (-164)
#define DPORT (-162)
#define TCP_FLAGS (-166)
#define ETH_TYPE (-168)
#define SRC4 (-172) /* host byte order */
#define DST4 (-176)
#define MATCHED (-180) /* slot of the wildcard rule that matched */
#define PLACE (-184)   /* in the table of hash rules */

#define SKB(f) ((int)offsetof(struct __sk_buff, f))
#define QINQ_OLD 0x9100

/* The program as it grows. */
struct decider {
	struct pfri_ebpf *e;
	const struct pfri_decider *d;
	struct pfri_jumps *undecided;
	struct pfri_jumps v4, v6, wild;
	struct pfri_jumps count[2], count_flow[2]; /* [0] forwarded, [1] refused */
};

static inline void leave(struct decider *t, struct pfri_jumps *to, unsigned jump)
{
	if (to->n < sizeof(to->at) / sizeof(to->at[0]))
		to->at[to->n++] = jump;
	else
		t->e->err = -7; /* E2BIG */
}

static inline void load_be16(struct pfri_ebpf *e, uint8_t dst, int off)
{
	ebpf_load(e, BPF_H, dst, FP, off);
	ebpf_be16(e, dst);
}

/* R1 = FP + off or another register + off. */
static inline void address(struct pfri_ebpf *e, uint8_t dst, int off)
{
	ebpf_alu64(e, BPF_MOV, dst, FP);
	ebpf_alu64_imm(e, BPF_ADD, dst, off);
}

/*
 * decide_headers.c: emits the way to t->v4, t->v6 and t->wild (no IP), then what is to
 * follow at each of the first two.
 */
void pfri_decide_ethernet(struct decider *t);
void pfri_decide_ip(struct decider *t, bool v6);

#endif /* PFRI_DECIDE_PARTS_H */
