/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bpf_read.c - takes packets from an eBPF producer's lanes and waits for them.
 *
 * The reader must neither chase the producer (each look at the position moves
 * a cache line, each wake-up costs more than a packet) nor hold one packet
 * back. So an idle reader sleeps until the first packet, then lets others
 * gather for some milliseconds or until a watermark; a busy one goes straight
 * to the second sleep. Called by the handle's owner only.
 */
#include "bpf_backend.h"
#include "clock.h"
#include "handle.h"

#define HOLD_MS 3      /* gathering; one packet is to be handed out within 5 ms */
#define FIRST_NAP_MS 4 /* see "E..F against G..H" in <linux/pf_ring_lane.h> */
#define BUSY_FROM 32   /* packets between two waits that make a reader busy */
#define STEP_NS 20000  /* the clock was set if the distance moves by more than this */
/*
 * A wake-up costs some 10 us on a virtual machine, a hundred packets' worth: a
 * reader who may sleep does so until about the second-level cache is full.
 */
#define ENOUGH (1u << 20)

u_int64_t pfri_bpf_now(const struct pfri_bpf *b)
{
	return pfri_clock_ns(b->clock == PFRI_CLOCK_TAI ? CLOCK_TAI : CLOCK_MONOTONIC);
}

/*
 * TAI is whole seconds away from UTC. CLOCK_MONOTONIC is disciplined like
 * CLOCK_REALTIME, so their distance changes only when the clock is set: the
 * first measurement stays until one differs by more than it can be wrong.
 */
static int64_t measure_epoch(const struct pfri_bpf *b)
{
	clockid_t clock = b->clock == PFRI_CLOCK_TAI ? CLOCK_TAI : CLOCK_MONOTONIC;
	u_int64_t best = UINT64_MAX, before, real, after;
	int64_t epoch = 0;

	for (int i = 0; i < 5; i++) {
		before = pfri_clock_ns(clock);
		real = pfri_clock_ns(CLOCK_REALTIME);
		after = pfri_clock_ns(clock);
		if (after - before >= best)
			continue;
		best = after - before;
		epoch = (int64_t)(real - before - best / 2);
	}
	if (b->clock != PFRI_CLOCK_TAI)
		return epoch;
	epoch += epoch < 0 ? -500000000 : 500000000;
	return epoch / 1000000000 * 1000000000;
}

void pfri_bpf_set_epoch(struct pfri_bpf *b, u_int64_t now)
{
	int64_t epoch, moved;

	if (b->epoch_checked && now - b->epoch_checked < 1000000000u)
		return;
	epoch = measure_epoch(b);
	moved = epoch - b->maps.lanes.epoch_ns;
	if (!b->epoch_checked || moved > STEP_NS || moved < -STEP_NS)
		b->maps.lanes.epoch_ns = epoch;
	b->epoch_checked = now;
}

void pfri_bpf_stale_over(struct pfri_ring *r, struct pfri_bpf *b)
{
	b->stale = false;
	b->maps.lanes.hash_mask = 0;
	if (r->refilter == PFRI_REFILTER_QUEUED && !b->backlog.refilter_ns)
		r->refilter = PFRI_REFILTER_NONE;
}

/* The number that a record bears says whether the filter in force has passed it. */
static void tell_current(struct pfri_ring *r, struct pfri_bpf *b, struct pfring_packet *pkt,
			 u_int n)
{
	const bool tested = r->soft & PFRI_SOFT_FILTER && r->refilter == PFRI_REFILTER_QUEUED;

	for (u_int i = 0; i < n; i++) {
		if (tested && pkt[i].hash == b->generation)
			pkt[i].flags |= PFRI_PKT_CURRENT;
		pkt[i].hash = 0;
	}
}

static u_int take(struct pfri_ring *r, struct pfri_bpf *b, struct pfring_packet *pkt, u_int max)
{
	u_int64_t now = pfri_bpf_now(b);
	u_int n;

	b->looked = now;
	pfri_bpf_set_epoch(b, now);
	n = pfri_lanes_recv(&b->maps.lanes, pkt, max, b->maps.lanes.n > 1 ? now : UINT64_MAX);
	b->taken += n;
	if (!b->stale)
		return n;
	tell_current(r, b, pkt, n);
	/* Handed out in the order of time: what comes now was written by the program in force. */
	if ((n ? pkt[0].ts_ns - (u_int64_t)b->maps.lanes.epoch_ns : now) > b->stale_until)
		pfri_bpf_stale_over(r, b);
	return n;
}

static void show_more(struct pfri_bpf *b, bool more)
{
	u_int64_t word = 1;
	ssize_t rc;

	if (b->more == more)
		return;
	rc = more ? write(b->more_fd, &word, sizeof(word)) : read(b->more_fd, &word, sizeof(word));
	if (rc > 0)
		b->more = more;
}

/*
 * The lanes are empty and somebody may select() on the descriptor: from now on
 * the next packet makes it readable. False: there are packets already.
 */
static bool arm_select(struct pfri_bpf *b)
{
	if (!pfri_lanes_arm(&b->maps.lanes, 1))
		return false;
	/*
	 * A wake-up that is drained here may belong to a packet that came after
	 * arming; that packet is seen by the second look, for it was published first.
	 */
	pfri_maps_drain_wake(&b->maps);
	if (pfri_lanes_hold(&b->maps.lanes, 1)) {
		pfri_lanes_disarm(&b->maps.lanes);
		return false;
	}
	show_more(b, false);
	return true;
}

/* How long packets may gather, in ms. */
static int hold_ms(const struct pfri_ring *r)
{
	if (r->opt.immediate || r->watermark <= 1)
		return 0;
	if (r->watermark_timeout)
		return (int)r->watermark_timeout;
	return r->opt.timeout_ms > 0 ? r->opt.timeout_ms : HOLD_MS;
}

int pfri_bpf_recv(struct pfri_ring *r, struct pfring_packet *pkt, u_int max)
{
	struct pfri_bpf *b = pfri_bpf_of(r);
	u_int n = take(r, b, pkt, max);

	if (r->select_used) {
		while (!n && !arm_select(b))
			n = take(r, b, pkt, max);
		if (n)
			show_more(b, true);
	}
	if (!n && b->afp.gone)
		return pfri_afp_gone(r, &b->afp, 20);
	/* In a stream only: a packet that is there now and then is handed out at once. */
	r->linger = n < max && b->taken >= BUSY_FROM && hold_ms(r);
	return (int)n;
}

void pfri_bpf_release(struct pfri_ring *r)
{
	pfri_lanes_release(&pfri_bpf_of(r)->maps.lanes);
}

/* How many bytes in a lane end the gathering. */
static u_int32_t watermark(const struct pfri_ring *r, const struct pfri_bpf *b)
{
	/* Three quarters of the room are for what comes while the reader wakes up. */
	u_int64_t quarter = pfri_maps_data(&b->maps) / 4;
	u_int64_t most = quarter < ENOUGH ? quarter : ENOUGH;
	u_int64_t bytes = (u_int64_t)r->watermark * PFR_REC_SIZE(64);

	/* The default is a number of packets from the time of small rings. */
	return (u_int32_t)(r->watermark == DEFAULT_POLL_WATERMARK || bytes > most ? most : bytes);
}

/*
 * Sleeps until a lane holds bytes, at most ms. As pfri_ops.poll. An old wake-up
 * must not end it: one that comes between draining and arming belongs to a
 * packet that arming sees.
 */
static int sleep_until(struct pfri_ring *r, struct pfri_bpf *b, u_int32_t bytes, int ms)
{
	int rc;

	pfri_maps_drain_wake(&b->maps);
	if (!pfri_lanes_arm(&b->maps.lanes, bytes))
		return 1;
	rc = pfri_afp_poll(r, &b->afp, b->maps.at.wake_fd, ms);
	pfri_lanes_disarm(&b->maps.lanes);
	pfri_maps_drain_wake(&b->maps);
	return rc;
}

static int shorter(int timeout_ms, int ms)
{
	return timeout_ms < 0 || timeout_ms > ms ? ms : timeout_ms;
}

/* An idle reader's sleep: until there is anything at all. */
static int wait_for_first(struct pfri_ring *r, struct pfri_bpf *b, int timeout_ms)
{
	int nap = shorter(timeout_ms, FIRST_NAP_MS), rc;

	rc = sleep_until(r, b, 1, nap);
	if (rc || nap == timeout_ms)
		return rc;
	return sleep_until(r, b, 1, timeout_ms < 0 ? -1 : timeout_ms - nap);
}

/* Whether packets are there; if not, a select() that follows will see the next one. */
static int look(struct pfri_ring *r, struct pfri_bpf *b)
{
	if (!pfri_lanes_hold(&b->maps.lanes, 1) && (!r->select_used || arm_select(b)))
		return 0;
	if (r->select_used)
		show_more(b, true);
	return 1;
}

/* What came behind the last look may have been held back since then. */
static int left_to_hold(const struct pfri_ring *r, const struct pfri_bpf *b)
{
	u_int64_t held = (pfri_bpf_now(b) - b->looked) / 1000000, most = (u_int64_t)hold_ms(r);

	return held < most ? (int)(most - held) : 0;
}

static int wait_for_packets(struct pfri_ring *r, struct pfri_bpf *b, int timeout_ms)
{
	bool busy = b->taken >= BUSY_FROM && hold_ms(r);
	int hold = shorter(timeout_ms, busy ? left_to_hold(r, b) : hold_ms(r)), rc;
	u_int64_t until;

	b->taken = 0;
	if (!timeout_ms) {
		/* Who never waits must still hear of the interface's end. */
		rc = pfri_afp_poll(r, &b->afp, b->maps.at.wake_fd, 0);
		return rc < 0 ? rc : look(r, b);
	}
	if (hold == 0 && pfri_lanes_hold(&b->maps.lanes, 1))
		return 1;
	until = pfri_now_ms() + (timeout_ms > 0 ? (u_int)timeout_ms : 0);
	if (!busy && !pfri_lanes_hold(&b->maps.lanes, 1)) {
		rc = wait_for_first(r, b, timeout_ms);
		if (rc == 0)
			return look(r, b);
		if (rc < 0 || b->afp.gone)
			return rc;
		if (timeout_ms > 0) {
			u_int64_t now = pfri_now_ms();

			timeout_ms = now < until ? (int)(until - now) : 0;
			hold = shorter(timeout_ms, hold);
		}
	}
	if (hold) {
		rc = sleep_until(r, b, watermark(r, b), hold);
		if (rc < 0)
			return rc;
	}
	return 1;
}

int pfri_bpf_poll(struct pfri_ring *r, int timeout_ms)
{
	struct pfri_bpf *b = pfri_bpf_of(r);
	int rc = wait_for_packets(r, b, timeout_ms);

	/* The sleep took the descriptor's wake-ups; a select() that follows needs them. */
	if (rc && r->select_used)
		look(r, b);
	return rc;
}

int pfri_bpf_classic_recv(struct pfri_ring *r, struct pfring_packet *pkt, u_int max)
{
	struct pfri_bpf *b = pfri_bpf_of(r);
	int n;

	if (b->drained_until_ms) {
		b->from_backlog = false;
		n = (int)take(r, b, pkt, max);
		if (n)
			return n;
		if (pfri_now_ms() > b->drained_until_ms) {
			b->drained_until_ms = 0;
			pfri_bpf_stale_over(r, b);
		}
		show_more(b, false);
	}
	b->from_backlog = true;
	n = pfri_backlog_recv(r, &b->afp, &b->backlog, pkt, max);
	if (!n && b->afp.gone)
		return pfri_afp_gone(r, &b->afp, 20);
	return n;
}

void pfri_bpf_classic_release(struct pfri_ring *r)
{
	struct pfri_bpf *b = pfri_bpf_of(r);

	if (!b->from_backlog)
		pfri_lanes_release(&b->maps.lanes);
}

int pfri_bpf_classic_poll(struct pfri_ring *r, int timeout_ms)
{
	struct pfri_bpf *b = pfri_bpf_of(r);

	if (b->drained_until_ms) {
		if (pfri_lanes_hold(&b->maps.lanes, 1))
			return 1;
		timeout_ms = shorter(timeout_ms, FIRST_NAP_MS);
	}
	return pfri_afp_poll(r, &b->afp, b->afp.fd, timeout_ms);
}
