/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * frame.h - the frame that the bench sends, shared by generator and receivers.
 *
 *   0        14      34     42      46       50         58
 *   Ethernet  IPv4    UDP    magic   stream   sequence   padding ...
 *
 * The EtherType is the one for local experiments and the destination address
 * is nobody's, so that the stack gives the frame up at once and what is
 * measured is capture, not IP (gen -4 for readers who look at the type).
 * Sequence numbers start at 0 and are in host order: both ends are one machine.
 */
#ifndef BENCH_FRAME_H
#define BENCH_FRAME_H

#define FRAME_MAGIC 0x70667262 /* "pfrb" */
#define FRAME_OFF_MAGIC 42
#define FRAME_OFF_FLOW 46
#define FRAME_OFF_SEQ 50
#define FRAME_OFF_SPORT 34
#define FRAME_MIN 60
#define FRAME_MAX 1514
#define FRAME_SADDR 0x0a630001
#define FRAME_DADDR 0x0a630002
#define FRAME_SPORT 10000      /* of the first of many flows (gen live -T) */
#define FRAME_DPORT 9	       /* discard */
#define FRAME_ETHERTYPE 0x88b5 /* IEEE 802 local experimental 1 */

/* A stream number no generator uses: a frame only meant to wake a receiver up. */
#define FRAME_FLOW_POKE 0xffffffffu

/* Time is taken every so many frames; a run is described by its slices' quartile. */
#define SLICE_FRAMES 8192u
#define SLICE_MAX 4096u

/* What the XDP program of gen.bpf.c and its loader share, through one mmapped array element. */
struct gen_state {
	unsigned long long seq;		     /* next sequence number */
	unsigned long long start_ns;	     /* CLOCK_MONOTONIC of the first frame, 0 before it */
	unsigned long long period_q20;	     /* ns per frame in 1/2^20, 0: as fast as it goes */
	unsigned long long spun_ns;	     /* time spent waiting for the next period */
	unsigned long long slice[SLICE_MAX]; /* CLOCK_MONOTONIC at the start of slice i */
	unsigned int flow;
	unsigned int flows; /* source ports in turn; 0: always the same */
};

#endif /* BENCH_FRAME_H */
