/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lane_write.c - the producer's half of a lane in user space; see lane_write.h.
 * The letters of the barriers are those of <linux/pf_ring_lane.h>.
 */
#include "lane.h"
#include "lane_write.h"

/* The books are read by others at any time. */
static void count(__u64 *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

int pfri_lane_writer_attach(struct pfri_lane_writer *w, void *mem, size_t len)
{
	struct pfri_lane l;
	int err = pfri_lane_attach(&l, mem, len);

	if (err)
		return err;
	w->prod = mem;
	w->cons = l.cons;
	w->data = (u_char *)mem + PFR_LANE_DATA;
	w->size = l.size;
	w->pos = l.limit;
	w->cons_cache = l.pos;
	w->woken = 0;
	return 0;
}

/* Whether size bytes fit. The reader's position counts only if it makes sense. */
static bool has_room(struct pfri_lane_writer *w, u_int64_t size)
{
	u_int64_t cons;

	if (w->pos + size - w->cons_cache <= w->size)
		return true;
	cons = __atomic_load_n(&w->cons->cons, __ATOMIC_ACQUIRE); /* A, pairs with B */
	if (w->pos - cons > w->size)
		return false;
	w->cons_cache = cons;
	return w->pos + size - cons <= w->size;
}

bool pfri_lane_put(struct pfri_lane_writer *w, const struct pfr_rec *rec, const void *data)
{
	u_int64_t size = PFR_REC_SIZE(rec->caplen);
	u_char *at = w->data + (w->pos & (w->size - 1));

	if (rec->caplen > MAX_CAPLEN + 4 || !has_room(w, size)) {
		count(&w->prod->drops);
		return false;
	}
	memcpy(at, rec, sizeof(*rec)); /* C */
	memcpy(at + sizeof(*rec), data, rec->caplen);
	w->pos += size;
	count(&w->prod->accepted);
	return true;
}

bool pfri_lane_publish(struct pfri_lane_writer *w)
{
	u_int32_t sleep;

	__atomic_store_n(&w->prod->prod, w->pos, __ATOMIC_RELEASE);	  /* E, pairs with D */
	pfri_full_barrier();						  /* between E and F */
	sleep = __atomic_load_n(&w->cons->need_wakeup, __ATOMIC_RELAXED); /* F, pairs with G */
	if (!sleep || sleep == w->woken)
		return false;
	if (w->pos - __atomic_load_n(&w->cons->cons, __ATOMIC_RELAXED) <
	    __atomic_load_n(&w->cons->watermark, __ATOMIC_RELAXED))
		return false;
	w->woken = sleep;
	w->prod->woken = sleep;
	count(&w->prod->wakeups);
	return true;
}
