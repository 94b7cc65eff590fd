/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * record.h - the one way into a ring: writing one packet's record to a lane.
 *
 * Included by capture.c alone and inlined there, for it runs once per packet and ring. In an RCU
 * section with bottom halves off. Layout and barriers (A) to (F) are drawn in uapi/pf_ring_lane.h.
 * Where a ring has a lane for each CPU that can ever come, a lane needs no lock: its CPU with
 * bottom halves off is alone. Otherwise producers take lane->lock.
 */
#ifndef PFR_RECORD_H
#define PFR_RECORD_H

#include <linux/if_vlan.h>

#include "pfr.h"

static_assert(offsetof(struct pfr_rec, ifindex) == 16 &&
	      sizeof(struct pfr_rec) - 16 == sizeof_field(struct pfr_frame, tail) &&
	      offsetof(struct pfr_frame, flags) - offsetof(struct pfr_frame, ifindex) ==
		      offsetof(struct pfr_rec, flags) - offsetof(struct pfr_rec, ifindex) &&
	      offsetof(struct pfr_frame, queue) - offsetof(struct pfr_frame, ifindex) ==
		      offsetof(struct pfr_rec, queue) - offsetof(struct pfr_rec, ifindex));

static void lane_lock(struct pfr_lane *lane) __acquires(&lane->lock)
{
	if (unlikely(lane->shared))
		spin_lock(&lane->lock);
	else
		__acquire(&lane->lock);
}

static void lane_unlock(struct pfr_lane *lane) __releases(&lane->lock)
{
	if (unlikely(lane->shared))
		spin_unlock(&lane->lock);
	else
		__release(&lane->lock);
}

/*
 * No room, as far as is known. Takes the reader's position if it can be true:
 * not before the last one and not beyond what was produced; anything else is
 * the reader's own problem, and the last good value stays. A lane that had to
 * refuse a packet is full until the reader has taken something: a shorter
 * packet does not slip in before the ones that were lost.
 */
static noinline bool lane_has_room(struct pfr_lane *lane, u64 need)
{
	u64 cons = smp_load_acquire(&lane->shared_cons->cons); /* A, pairs with B in lane.c */
	u64 old = lane->cons;

	if (cons - old <= lane->prod - old)
		lane->cons = cons;
	if (lane->cons != old || lane->cons == lane->prod)
		lane->full = false;
	if (lane->prod + need - lane->cons > lane->data_size)
		lane->full = true;
	lane->limit = lane->full ? 0 : lane->cons + lane->data_size;
	return !lane->full;
}

/* Bytes of a record from which on a stripped tag is put back. */
#define TAGGED_MIN (2 * ETH_ALEN + VLAN_HLEN)

/* Copies len bytes of the frame with the stripped tag back behind the addresses. */
static noinline void frame_copy_tagged(struct pfr_rec *rec, const struct pfr_frame *f, u32 len)
{
	u8 *to = (u8 *)(rec + 1);
	__be16 *tag = (__be16 *)(to + 2 * ETH_ALEN);

	rec->flags |= PFR_REC_VLAN;
	skb_copy_bits(f->skb, 0, to, 2 * ETH_ALEN);
	tag[0] = htons(f->tpid);
	tag[1] = htons(f->tci);
	to += 2 * ETH_ALEN + VLAN_HLEN;
	skb_copy_bits(f->skb, 2 * ETH_ALEN, to, len - 2 * ETH_ALEN - VLAN_HLEN);
}

/* The same on the clock of a ring that wants another one. */
static noinline u64 frame_other_time(struct pfr_frame *f, u8 clock, struct pfr_rec *rec)
{
	ktime_t hw;

	if (clock == PFR_TS_COARSE) {
		if (!f->coarse)
			f->coarse =
				ktime_to_ns(pfr_skb_tstamp(f->skb)) ?: ktime_get_coarse_real_ns();
		return f->coarse;
	}
	hw = pfr_skb_hwtstamp(f->skb); /* may ask the driver */
	if (!hw)
		return pfr_capture_time(f);
	rec->flags |= PFR_REC_TS_HW;
	return ktime_to_ns(hw);
}

/* F: skwq_has_sleeper() has the barrier that pairs with sock_poll_wait()'s. */
static __always_inline void lane_wake(struct pfr_ring *ring, struct pfr_lane *lane, u64 prod,
				      u64 accepted)
{
	if (!skwq_has_sleeper(rcu_dereference(ring->sk.sk_wq)))
		return;
	if (accepted - READ_ONCE(lane->woken_accepted) >= READ_ONCE(ring->watermark) ||
	    prod > READ_ONCE(lane->wake_at))
		pfr_wake_now(ring, lane);
	else if (!atomic_read(&ring->timer_armed))
		pfr_wake_later(ring);
}

/*
 * At most caplen bytes of the untagged frame. False if there is no room; the
 * loss is counted unless another ring may take it.
 */
static __always_inline bool record_put(struct pfr_ring *ring, struct pfr_frame *f, u32 caplen,
				       bool count_drop)
{
	u32 cpu = smp_processor_id(), len = f->len;
	u8 clock = READ_ONCE(ring->timestamp);
	struct pfr_lane_prod *books;
	struct pfr_lane *lane;
	struct pfr_rec *rec;
	u64 need, prod, accepted, *tail;

	if (unlikely(f->tpid)) {
		len += VLAN_HLEN;
		if (min(caplen + VLAN_HLEN, ring->caplen) >= TAGGED_MIN)
			caplen += VLAN_HLEN;
	}
	caplen = min(caplen, ring->caplen);
	need = PFR_REC_SIZE(caplen);
	lane = &ring->lanes[likely(cpu < ring->nlanes) ? cpu : cpu % ring->nlanes];

	lane_lock(lane);
	books = lane->shared_prod;
	if (unlikely(lane->prod + need > lane->limit) && !lane_has_room(lane, need)) {
		if (count_drop)
			WRITE_ONCE(books->drops, books->drops + 1);
		prod = lane->prod;
		accepted = books->accepted;
		lane_unlock(lane);
		lane_wake(ring, lane, prod, accepted);
		return false;
	}
	/* C: the whole record */
	rec = (struct pfr_rec *)(lane->data + (lane->prod & (lane->data_size - 1)));
	tail = (u64 *)rec + 2;
	rec->caplen = caplen;
	rec->len = len;
	tail[0] = f->tail[0];
	tail[1] = f->tail[1];
	if (likely(clock == PFR_TS_SYSTEM))
		rec->ts_ns = pfr_capture_time(f);
	else
		rec->ts_ns = frame_other_time(f, clock, rec);
	if (unlikely(f->tpid) && caplen >= TAGGED_MIN)
		frame_copy_tagged(rec, f, caplen);
	else if (likely(caplen <= skb_headlen(f->skb)))
		memcpy(rec + 1, f->skb->data, caplen);
	else
		skb_copy_bits(f->skb, 0, rec + 1, caplen);

	prod = lane->prod + need;
	accepted = books->accepted + 1;
	lane->prod = prod;
	WRITE_ONCE(books->accepted, accepted);
	smp_store_release(&books->prod, prod); /* E, pairs with D in lane.c */
	lane_unlock(lane);
	lane_wake(ring, lane, prod, accepted);
	return true;
}

#endif /* PFR_RECORD_H */
