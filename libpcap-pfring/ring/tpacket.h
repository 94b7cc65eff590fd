/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tpacket.h - walks a TPACKET_V3 ring in place.
 *
 * The ring is blocks; the kernel fills one, retires it when full or after
 * retire_ms, and gets it back when the reader has released every packet in
 * it. One block at a time is walked, by one thread.
 */
#ifndef PFRI_TPACKET_H
#define PFRI_TPACKET_H

#include "afpacket.h"

/* From this retire time on the user prefers batches to promptness. */
#define PFRI_TP3_BATCHED_MS 20

struct pfri_tp3 {
	u_char *map; /* NULL: no ring */
	size_t bytes;
	u_int block_size, blocks;
	u_int retire_ms;
	u_int cur;    /* block being walked, or next to come */
	u_int left;   /* packets of it not handed out yet */
	bool walking; /* cur belongs to us and left may be 0 */
	u_char *next; /* header of the next packet */
	u_int64_t
		refilter_ns; /* CLOCK_REALTIME: packets older than this are tested again; 0 none */
	bool ended;	     /* the open block was taken */
	u_int64_t released;  /* blocks given back so far */
};

/* Makes the ring of a's socket, sized for r's settings, and maps it. */
int pfri_tp3_open(struct pfri_ring *r, struct pfri_afp *a, struct pfri_tp3 *t);
void pfri_tp3_close(struct pfri_tp3 *t);

/* As pfri_ops.recv_batch, without the states of the interface: a count, never negative. */
int pfri_tp3_recv(struct pfri_ring *r, struct pfri_afp *a, struct pfri_tp3 *t,
		  struct pfring_packet *pkt, u_int max);
void pfri_tp3_release(struct pfri_tp3 *t);
bool pfri_tp3_ready(const struct pfri_tp3 *t);

/* A new filter is attached: what is queued now needs it in user space (r->refilter). */
void pfri_tp3_refilter(struct pfri_ring *r, struct pfri_tp3 *t);

/*
 * Turns the ring of a muted socket into a private copy at the same address:
 * pointers into it stay good, the socket can be closed, and walking goes on
 * until the copy is empty.
 */
int pfri_tp3_freeze(struct pfri_tp3 *t);

/*
 * Nothing is written to the ring any more: makes what the open block holds
 * readable now, not when its time is over. False: there is nothing in it.
 */
bool pfri_tp3_end(struct pfri_tp3 *t);

u_int64_t pfri_tp3_queued(const struct pfri_tp3 *t);

#endif /* PFRI_TPACKET_H */
