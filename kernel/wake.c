// SPDX-License-Identifier: GPL-2.0-only
/*
 * wake.c - when a sleeping reader is woken.
 *
 * At once when the watermark is reached (packets, or half of a lane in bytes); otherwise by a
 * timer, so that one packet is never held back longer than watermark_ms; which of the two, record.h
 * decides. Nothing here runs while the reader does not sleep. pfr_wake_now() and _later() are
 * called by producers in an RCU section with bottom halves off, the timer in softirq, poll() in
 * process context.
 */
#include "pfr.h"

/* From here on poll() tells of all that is queued now, until the reader has taken it. */
static void wake_ripen(struct pfr_ring *ring)
{
	u32 i;

	for (i = 0; i < ring->nlanes; i++)
		WRITE_ONCE(ring->lanes[i].ripe, READ_ONCE(ring->lanes[i].prod));
}

/* A lane's half is ripe without a watermark; where all is read the next wake-up's count begins. */
static bool wake_is_ripe(struct pfr_ring *ring)
{
	u32 i;

	for (i = 0; i < ring->nlanes; i++) {
		struct pfr_lane *lane = &ring->lanes[i];
		u64 prod = READ_ONCE(lane->prod), cons = READ_ONCE(lane->shared_cons->cons);

		if (prod == cons) {
			WRITE_ONCE(lane->wake_at, prod + lane->data_size / 2);
			WRITE_ONCE(lane->woken_accepted, READ_ONCE(lane->shared_prod->accepted));
		} else if (prod - cons > lane->data_size / 2) {
			WRITE_ONCE(lane->ripe, prod);
		}
		if (cons < READ_ONCE(lane->ripe))
			return true;
	}
	return false;
}

static void wake_reader(struct pfr_ring *ring)
{
	wake_ripen(ring);
	atomic64_inc(&ring->wakeups);
	ring->sk.sk_data_ready(&ring->sk);
}

static enum hrtimer_restart wake_timer(struct hrtimer *timer)
{
	struct pfr_ring *ring = container_of(timer, struct pfr_ring, timer);

	/*
	 * Full barrier: a packet that comes after the look at the lanes sees 0
	 * here and arms the timer anew.
	 */
	atomic_xchg(&ring->timer_armed, 0);
	if (pfr_ring_queued(ring, 1))
		wake_reader(ring);
	return HRTIMER_NORESTART;
}

void pfr_wake_later(struct pfr_ring *ring)
{
	if (!atomic_read(&ring->timer_armed) && !atomic_xchg(&ring->timer_armed, 1))
		hrtimer_start(&ring->timer, ms_to_ktime(READ_ONCE(ring->watermark_ms)),
			      HRTIMER_MODE_REL_SOFT);
}

/* Called by the lane's producer: when to wake next is its own. */
void pfr_wake_now(struct pfr_ring *ring, struct pfr_lane *lane)
{
	WRITE_ONCE(lane->wake_at, READ_ONCE(lane->prod) + lane->data_size / 2);
	WRITE_ONCE(lane->woken_accepted, READ_ONCE(lane->shared_prod->accepted));
	wake_reader(ring);
}

/* After sock_poll_wait(). Once something was told to the reader, it stays told until it is read. */
__poll_t pfr_wake_poll(struct pfr_ring *ring)
{
	u32 watermark = READ_ONCE(ring->watermark);
	u32 queued;

	if (!smp_load_acquire(&ring->lanes)) /* pairs with pfr_ring_alloc() */
		return 0;
	if (wake_is_ripe(ring))
		return EPOLLIN | EPOLLRDNORM;
	queued = pfr_ring_queued(ring, watermark);
	if (queued >= watermark) {
		wake_ripen(ring);
		return EPOLLIN | EPOLLRDNORM;
	}
	if (queued)
		pfr_wake_later(ring);
	return 0;
}

void pfr_wake_init(struct pfr_ring *ring)
{
	ring->watermark = DEFAULT_POLL_WATERMARK;
	ring->watermark_ms = PFR_WATERMARK_MS;
	pfr_hrtimer_setup(&ring->timer, wake_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_SOFT);
}
