/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * slots.h - a TPACKET_V2 ring: a slot for each packet, and each wakes the reader.
 *
 * What packet: has in immediate mode: the blocks of TPACKET_V3 are handed over
 * by a timer, however soon somebody wants them. The price is that slots are of
 * one size. So they are made for frames of the MTU, and what is longer (merged
 * by GRO, not cut yet by TSO) waits in the socket's own queue, in the same order.
 */
#ifndef PFRI_SLOTS_H
#define PFRI_SLOTS_H

#include "afpacket.h"

struct pfri_slots {
	u_char *map; /* NULL: no ring */
	size_t bytes;
	u_int slot_size, slots;
	u_int cur;     /* next slot to be taken, or first of those handed out */
	u_int given;   /* slots handed out and not released yet */
	u_char *aside; /* where a frame is copied to that is longer than a slot; NULL: none is */
	u_int64_t
		refilter_ns; /* CLOCK_REALTIME: packets older than this are tested again; 0 none */
	_Atomic u_int64_t cut; /* packets that were too long for their slot and found no queue */
};

/* Makes the ring of a's socket, sized for r's settings, and maps it. */
int pfri_slots_open(struct pfri_ring *r, struct pfri_afp *a, struct pfri_slots *s);
void pfri_slots_close(struct pfri_slots *s);

/* As pfri_ops.recv_batch, without the states of the interface: a count, never negative. */
int pfri_slots_recv(struct pfri_ring *r, struct pfri_afp *a, struct pfri_slots *s,
		    struct pfring_packet *pkt, u_int max);
void pfri_slots_release(struct pfri_slots *s);
bool pfri_slots_ready(const struct pfri_slots *s);

/* A new filter is attached: what is queued now needs it in user space (r->refilter). */
void pfri_slots_refilter(struct pfri_ring *r, struct pfri_slots *s);

/* As pfri_tp3_freeze(). Frames that are not in the ring count as cut. */
int pfri_slots_freeze(struct pfri_slots *s);

u_int64_t pfri_slots_queued(const struct pfri_slots *s);

#endif /* PFRI_SLOTS_H */
