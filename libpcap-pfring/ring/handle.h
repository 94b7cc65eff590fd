/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * handle.h - who may be inside a handle, and when it is freed.
 *
 * r->users counts the calls under way. pfring_close() sets PFRI_CLOSING in it
 * and wakes the sleepers; the call that brings the count to zero frees what
 * the handle holds. Both are single atomic operations, so the rule holds for
 * threads and for signal handlers alike. The memory itself stays readable for
 * a while (handle.c): a handler may close between two instructions of a
 * program that is just about to call.
 */
#ifndef PFRI_HANDLE_H
#define PFRI_HANDLE_H

#include "backend.h"

void pfri_handle_free(struct pfri_ring *r);
/* Ends a wait. Any thread, any signal handler. */
void pfri_wake(struct pfri_ring *r);

static inline struct pfri_ring *pfri_of(pfring *ring)
{
	return (struct pfri_ring *)(void *)ring;
}

static inline int pfri_leave(struct pfri_ring *r, int rc)
{
	if (atomic_fetch_sub(&r->users, 1) == (PFRI_CLOSING | 1))
		pfri_handle_free(r);
	return rc;
}

/*
 * What pfring_close() and the call in pfring_recv()'s short path that it met
 * agree on in r->owed. Whoever comes second settles it: the call leaves if it
 * was counted, pfring_close() takes its count back if the call has gone.
 */
enum { PFRI_NOT_COUNTED = 0, PFRI_COUNTED, PFRI_GONE };

/* The end of a call that set r->busy and found the handle closing. */
static inline int pfri_leave_short(struct pfri_ring *r, int rc)
{
	return atomic_exchange(&r->owed, PFRI_GONE) == PFRI_COUNTED ? pfri_leave(r, rc) : rc;
}

/* 0, or -EBADF without having entered. */
static inline int pfri_enter(struct pfri_ring *r)
{
	if (!r)
		return pfri_fail(-EINVAL, "no ring was given (pfring_open() failed?)");
	if (atomic_fetch_add(&r->users, 1) & PFRI_CLOSING)
		return pfri_leave(r, pfri_fail(-EBADF, "the ring is closed"));
	return 0;
}

/*
 * PF_RING_REENTRANT: one thread at a time receives, or changes what is
 * received. A reader that waits holds the lock; pfri_enter_rx() wakes it and is
 * let in (receive.c). Recursive: a callback may call back.
 */
static inline void pfri_rx_lock(struct pfri_ring *r, bool knock)
{
	if (!(r->opt.flags & PF_RING_REENTRANT))
		return;
	if (knock) {
		if (pthread_mutex_trylock(&r->rx_lock) == 0)
			return;
		atomic_fetch_add(&r->knocking, 1);
		pfri_wake(r);
	}
	pthread_mutex_lock(&r->rx_lock);
	if (knock)
		atomic_fetch_sub(&r->knocking, 1);
}

static inline void pfri_rx_unlock(struct pfri_ring *r)
{
	if (r->opt.flags & PF_RING_REENTRANT)
		pthread_mutex_unlock(&r->rx_lock);
}

static inline int pfri_enter_rx(struct pfri_ring *r)
{
	int rc = pfri_enter(r);

	if (!rc)
		pfri_rx_lock(r, true);
	return rc;
}

static inline int pfri_leave_rx(struct pfri_ring *r, int rc)
{
	pfri_rx_unlock(r);
	return pfri_leave(r, rc);
}

/* Drops what the last receive call handed out. */
static inline void pfri_release(struct pfri_ring *r)
{
	if (r->holding) {
		r->ops->release(r);
		r->holding = false;
	}
}

/* sieve.c: brings r->soft in line with the settings. */
void pfri_soft_update(struct pfri_ring *r);
/* sieve.c: how many bytes of p the filter in force keeps, 0 if it refuses p. */
u_int pfri_keeps(const struct pfri_ring *r, const struct pfring_packet *p);
/* sieve.c: tests n packets with everything in r->soft; keeps the rest in order. */
u_int pfri_sieve(struct pfri_ring *r, struct pfring_packet *pkt, u_int n);
/* sieve.c, with pfring_open_options.late_filter: whether the program is to test these itself. */
bool pfri_mark_untested(struct pfri_ring *r, struct pfring_packet *pkt, u_int n);
/* sieve.c: whether r->batch has a packet to hand out; the next one in it is one, then. */
bool pfri_held(struct pfri_ring *r);
/* receive.c: makes r->batch hold at least one packet not handed out. 1, 0 or negative. */
int pfri_fill(struct pfri_ring *r, int timeout_ms);
/* pfring.c: puts r->prog, r->direction and r->name.queues in force. 0 or negative. */
int pfri_apply_filter(struct pfri_ring *r);
/* choice.c: whether the ring takes p, and what of it. */
bool pfri_chosen(const struct pfri_ring *r, const struct pfring_packet *p);
void pfri_slice(const struct pfri_ring *r, struct pfring_packet *p);
/* trailer.c: which time stamps r's packets bear behind them, by its flags. */
void pfri_trailer_init(struct pfri_ring *r);
/* trailer.c: takes p's time from there and cuts it off; false: p is not for the reader. */
bool pfri_take_trailer(struct pfri_ring *r, struct pfring_packet *p);
/* interface.c: asks the driver of the bound interface. 0 or -errno, without a sentence. */
int pfri_ethtool(struct pfri_ring *r, void *cmd);
/* send.c: sends what waits and frees the queue. */
void pfri_tx_close(struct pfri_ring *r);

#endif /* PFRI_HANDLE_H */
