/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * backlog.h - a packet socket without a ring: what waits in its own queue.
 *
 * For the day on which a filter comes and nothing can be loaded any more
 * (bpf.c). Until then it costs no memory, and no grace period when the socket
 * is made ready or closed, which a ring does. One thread at a time.
 */
#ifndef PFRI_BACKLOG_H
#define PFRI_BACKLOG_H

#include "afpacket.h"

struct pfri_backlog {
	u_char *mem; /* slots that packets are copied to; NULL: not in use */
	size_t bytes, slot;
	u_int64_t
		refilter_ns; /* CLOCK_REALTIME: packets older than this are tested again; 0 none */
};

/* How much may wait one day; asked for while there is the privilege for more than the default. */
void pfri_backlog_reserve(const struct pfri_ring *r, const struct pfri_afp *a);

/* What is queued from now on can be described: its time, its tag, its length. */
int pfri_backlog_open(struct pfri_ring *r, struct pfri_afp *a, struct pfri_backlog *q);
void pfri_backlog_close(struct pfri_backlog *q);

/* As pfri_ops.recv_batch, without the states of the interface: a count, never negative. */
int pfri_backlog_recv(struct pfri_ring *r, struct pfri_afp *a, struct pfri_backlog *q,
		      struct pfring_packet *pkt, u_int max);

/* A new filter is attached: what is queued now needs it in user space (r->refilter). */
void pfri_backlog_refilter(struct pfri_ring *r, struct pfri_backlog *q);

u_int64_t pfri_backlog_queued(const struct pfri_afp *a);

#endif /* PFRI_BACKLOG_H */
