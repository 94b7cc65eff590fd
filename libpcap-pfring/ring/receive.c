/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * receive.c - from a backend's batches to what the program asked for.
 *
 * Every way of reading (one by one, copied, parsed, burst, batch, loop) ends in
 * fetch(): wait, take a batch, sieve it (sieve.c). Packets lie in ring memory until
 * the next fetch releases them.
 */
#include "handle.h"
#include "parse.h"

/* -EINTR once per breakloop; the other states last. */
static int check_state(struct pfri_ring *r)
{
	u_int64_t drain;
	int saved = errno;

	/* First: whoever changes something now raises it again. */
	if (atomic_load_explicit(&r->attention, memory_order_relaxed))
		atomic_store(&r->attention, 0);
	if (atomic_load_explicit(&r->breakloop, memory_order_relaxed)) {
		atomic_store(&r->breakloop, 0);
		if (read(r->wake_fd, &drain, sizeof(drain)) < 0)
			errno = saved; /* already drained */
		if (!(atomic_load(&r->users) & PFRI_CLOSING) && !atomic_load(&r->shut))
			return -EINTR;
	}
	if (atomic_load_explicit(&r->users, memory_order_relaxed) & PFRI_CLOSING)
		return pfri_fail(-EBADF, "the ring was closed while it was being read");
	if (atomic_load_explicit(&r->shut, memory_order_relaxed))
		return pfri_fail(-EPIPE, "the ring was shut down");
	if (!r->enabled)
		return pfri_fail(-ENETDOWN,
				 "the ring is not enabled; call pfring_enable_ring() first");
	if (r->mode == send_only_mode || r->mode == management_only_mode)
		return pfri_fail(-EOPNOTSUPP, "the ring's socket mode is send-only");
	return 0;
}

/*
 * After a wait that ended with -EINTR. A wake-up may come behind what it was
 * for: its flag was seen, and taken, before the descriptor was written; or it
 * is another process's, after fork(). Left there it would end every wait from
 * now on. Flags are set before the descriptor is written, so none is lost.
 * Returns whether there was one; it may have been a knock (handle.h), so the
 * caller looks at r->knocking before it waits again.
 */
static bool drop_stale_wake(struct pfri_ring *r)
{
	u_int64_t drain;
	int saved = errno;

	if (atomic_load(&r->breakloop) || atomic_load(&r->shut) ||
	    atomic_load(&r->users) & PFRI_CLOSING)
		return false;
	if (read(r->wake_fd, &drain, sizeof(drain)) > 0)
		return true;
	errno = saved; /* it was a signal */
	return false;
}

/* Gives the lock to those who knock (handle.h); they do not keep it long. */
static void let_in(struct pfri_ring *r)
{
	struct timespec moment = {.tv_nsec = 50000};

	pthread_mutex_unlock(&r->rx_lock);
	nanosleep(&moment, NULL);
	pthread_mutex_lock(&r->rx_lock);
	/* Somebody was not fast enough: the next wait is to end at once. */
	if (atomic_load(&r->knocking))
		pfri_wake(r);
}

/* After -EINTR: was it neither the program's signal nor for the program? */
static bool was_knock(struct pfri_ring *r)
{
	bool stale = drop_stale_wake(r);

	return atomic_load(&r->knocking) || (stale && (r->opt.flags & PF_RING_REENTRANT));
}

/*
 * A packet that was queued under an older filter is tested when it is handed
 * out, not before: the filter may change again until then, from a callback too,
 * and what the one in between refused is the next one's. So those that are
 * handed out one by one are taken so. A batch is handed out when it is returned.
 * Nor does a descriptor that is not the ring's own tell of packets that wait in r->batch.
 */
static u_int at_once(const struct pfri_ring *r, const struct pfring_packet *pkt, u_int max)
{
	bool alone = r->refilter == PFRI_REFILTER_QUEUED ||
		     (r->select_used && (r->ops->caps & PFRI_CAP_TAKES));

	return alone && pkt == r->batch ? 1 : max;
}

/*
 * Releases the previous packets and takes new ones. timeout_ms as
 * pfring_recv_batch(). With restart, a signal that did not call
 * pfring_breakloop() goes on waiting. -EAGAIN: another thread was let in and
 * left packets in r->batch.
 */
static int fetch(struct pfri_ring *r, struct pfring_packet *pkt, u_int max, int timeout_ms,
		 bool restart)
{
	u_int64_t end = timeout_ms > 0 ? pfri_now_ms() + (u_int)timeout_ms : 0;
	const bool late = r->opt.late_filter && pkt != r->batch;
	int n, left = timeout_ms;
	/* To look again at once would be to chase the producer, a packet or two at a time. */
	bool wait_first = left && r->linger;

	r->linger = false;
	pfri_release(r);
	for (;;) {
		if (left && atomic_load_explicit(&r->knocking, memory_order_relaxed)) {
			let_in(r);
			if (r->head < r->count)
				return -EAGAIN;
		}
		n = check_state(r);
		if (n < 0)
			return n;
		n = wait_first ? 0 : r->ops->recv_batch(r, pkt, at_once(r, pkt, max));
		wait_first = false;
		if (n < 0)
			return n;
		if (n > 0) {
			r->holding = true;
			r->changed = false;
			if (r->soft && !(late && pfri_mark_untested(r, pkt, (u_int)n)))
				n = (int)pfri_sieve(r, pkt, (u_int)n);
			if (n > 0) {
				r->delivered += (u_int)n;
				return n;
			}
			pfri_release(r);
			/* Refused packets that never cease must not outlast the time. */
			if (timeout_ms > 0 && pfri_now_ms() >= end &&
			    !(r->ops->caps & PFRI_CAP_EOF))
				return 0;
			continue;
		}
		if (left == 0)
			return 0;
		n = r->ops->poll(r, left);
		if (n < 0 && n != -EINTR)
			return n;
		if (n == -EINTR && !was_knock(r) && !restart && !atomic_load(&r->breakloop))
			return -EINTR;
		if (timeout_ms > 0) {
			u_int64_t now = pfri_now_ms();

			/* Time is over: one last look, without waiting. */
			left = now < end ? (int)(end - now) : 0;
		}
	}
}

/* What is the same for all packets. */
static void fill_constants(struct pfring_pkthdr *hdr)
{
	struct pfring_extended_pkthdr *x = &hdr->extended_hdr;

	x->port_id = 0;
	x->device_id = 0;
	x->tx.bounce_interface = UNKNOWN_INTERFACE;
	x->tx.reserved = 0;
	x->process.pid = 0;
}

static inline void fill_header(const struct pfri_ring *r, struct pfring_pkthdr *hdr,
			       const struct pfring_packet *p)
{
	struct pfring_extended_pkthdr *x = &hdr->extended_hdr;

	hdr->ts.tv_sec = (time_t)(p->ts_ns / 1000000000u);
	hdr->ts.tv_usec = (suseconds_t)(p->ts_ns % 1000000000u / 1000);
	hdr->caplen = p->caplen;
	hdr->len = p->len;
	x->timestamp_ns = p->ts_ns;
	x->flags = p->flags;
	x->rx_direction = p->rx_direction;
	x->if_index = p->if_index;
	x->pkt_hash = p->hash;
	if ((r->opt.flags & (PF_RING_LONG_HEADER | PF_RING_DO_NOT_PARSE)) == PF_RING_LONG_HEADER) {
		u_int32_t frag = 0;

		pfri_parse(p->data, p->caplen, 5, &x->parsed_pkt, &frag);
		x->flags |= frag & PFRI_FRAG_OUTER;
		if (!x->pkt_hash)
			x->pkt_hash = pfri_flow_hash(&x->parsed_pkt, frag, cluster_per_flow);
	}
}

static void hand_out(struct pfri_ring *r, const struct pfring_packet *p, u_char **buffer,
		     u_int buffer_len, struct pfring_pkthdr *hdr)
{
	fill_constants(hdr);
	fill_header(r, hdr, p);
	if (!buffer)
		return;
	if (!buffer_len) {
		*buffer = (u_char *)(uintptr_t)p->data;
		return;
	}
	if (hdr->caplen > buffer_len)
		hdr->caplen = buffer_len;
	memcpy(*buffer, p->data, hdr->caplen);
}

/*
 * The last of a batch, where the program waits for the descriptor: the handle keeps its bytes, so
 * that the descriptor tells of what comes and no longer of this packet.
 */
static void keep_last(struct pfri_ring *r, u_char **buffer, u_int buffer_len)
{
	struct pfring_packet *p = &r->batch[r->head - 1];

	memcpy(r->last, p->data, min_val(p->caplen, sizeof(r->last)));
	p->data = r->last;
	if (buffer && !buffer_len)
		*buffer = r->last;
	r->ops->release(r);
	/* bpf: has to be told to look again. */
	if (!(r->ops->caps & PFRI_CAP_TAKES))
		r->ops->poll(r, 0);
}

static inline void hand_out_next(struct pfri_ring *r, u_char **buffer, u_int buffer_len,
				 struct pfring_pkthdr *hdr)
{
	hand_out(r, &r->batch[r->head++], buffer, buffer_len, hdr);
	if (__builtin_expect(r->select_used, 0) && r->head == r->count)
		keep_last(r, buffer, buffer_len);
}

int pfri_fill(struct pfri_ring *r, int timeout_ms)
{
	int rc;

	while (!pfri_held(r)) {
		r->head = r->count = 0;
		r->retest = false;
		rc = fetch(r, r->batch, PFRI_BATCH, timeout_ms, true);
		if (rc == -EAGAIN)
			continue;
		if (rc > 0)
			r->count = (u_int)rc;
		return rc > 0 ? 1 : rc;
	}
	rc = check_state(r);
	return rc ? rc : 1;
}

/* A thread that is cancelled while it waits is not inside any more: pfring_close() counts on it. */
static void cancelled(void *ring)
{
	pfri_leave_rx(ring, 0);
}

static int fill_locked(struct pfri_ring *r, bool wait)
{
	int rc;

	pfri_rx_lock(r, !wait);
	pthread_cleanup_push(cancelled, r);
	rc = pfri_fill(r, wait ? -1 : 0);
	pthread_cleanup_pop(0);
	return rc;
}

/* pfring_recv() when a batch must be fetched, or threads share the handle. */
static int recv_slow(struct pfri_ring *r, u_char **buffer, u_int buffer_len,
		     struct pfring_pkthdr *hdr, u_int8_t wait)
{
	int rc = pfri_enter(r);

	if (rc)
		return rc;
	rc = fill_locked(r, wait);
	if (rc > 0)
		hand_out_next(r, buffer, buffer_len, hdr);
	return pfri_leave_rx(r, rc);
}

int pfring_recv(pfring *ring, u_char **buffer, u_int buffer_len, struct pfring_pkthdr *hdr,
		u_int8_t wait_for_incoming_packet)
{
	struct pfri_ring *r = pfri_of(ring);
	bool closing;
	int rc;

	if (!r || !hdr || (buffer_len && (!buffer || !*buffer)))
		return pfri_fail(-EINVAL, "pfring_recv: no ring, no header or no buffer was given");
	/* Shared by threads: everything that follows is looked at under the lock only. */
	if (r->opt.flags & PF_RING_REENTRANT)
		return recv_slow(r, buffer, buffer_len, hdr, wait_for_incoming_packet);
	/* pfring_close() in a handler needs the compiler's order; for threads it has a barrier. */
	atomic_store_explicit(&r->busy, 1, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&r->users, memory_order_relaxed) & PFRI_CLOSING ||
	    r->head == r->count || r->retest || !r->enabled ||
	    atomic_load_explicit(&r->breakloop, memory_order_relaxed) ||
	    atomic_load_explicit(&r->shut, memory_order_relaxed)) {
		atomic_store_explicit(&r->busy, 0, memory_order_release);
		rc = recv_slow(r, buffer, buffer_len, hdr, wait_for_incoming_packet);
		return rc == -EBADF ? pfri_leave_short(r, rc) : rc;
	}
	__builtin_prefetch(r->batch[(r->head + 2) % PFRI_BATCH].data);
	hand_out_next(r, buffer, buffer_len, hdr);
	atomic_store_explicit(&r->busy, 0, memory_order_release);
	atomic_signal_fence(memory_order_seq_cst);
	closing = atomic_load_explicit(&r->users, memory_order_relaxed) & PFRI_CLOSING;
	return closing ? pfri_leave_short(r, 1) : 1;
}

int pfring_recv_parsed(pfring *ring, u_char **buffer, u_int buffer_len, struct pfring_pkthdr *hdr,
		       u_int8_t wait_for_incoming_packet, u_int8_t level, u_int8_t add_timestamp,
		       u_int8_t add_hash)
{
	int rc = pfring_recv(ring, buffer, buffer_len, hdr, wait_for_incoming_packet);

	if (rc > 0 && buffer && *buffer)
		pfring_parse_pkt(*buffer, hdr, level, add_timestamp, add_hash);
	return rc;
}

static int batch_locked(struct pfri_ring *r, struct pfring_packet *packets, u_int max,
			int timeout_ms, bool restart)
{
	int rc = -EAGAIN;

	while (rc == -EAGAIN && !pfri_held(r)) {
		r->head = r->count = 0;
		r->retest = false;
		rc = fetch(r, packets, max, timeout_ms, restart);
		if (rc > 0) {
			/* For pfring_send_last_rx_packet(). */
			r->batch[0] = packets[rc - 1];
			r->head = r->count = 1;
		}
	}
	if (rc == -EAGAIN) {
		/* Fetched before and still to be handed out. */
		rc = check_state(r);
		if (rc == 0) {
			/* Not tested yet: only the first is known to pass. */
			u_int n = r->retest ? 1 : min_val(r->count - r->head, max);

			memcpy(packets, &r->batch[r->head], n * sizeof(*packets));
			r->head += n;
			rc = (int)n;
		}
	}
	return rc;
}

static int recv_many(pfring *ring, struct pfring_packet *packets, u_int max, int timeout_ms,
		     bool restart)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc;

	if (!packets || !max)
		return pfri_fail(-EINVAL, "pfring_recv_batch: no room for packets was given");
	rc = pfri_enter(r);
	if (rc)
		return rc;
	pfri_rx_lock(r, timeout_ms >= 0);
	pthread_cleanup_push(cancelled, r);
	rc = batch_locked(r, packets, max, timeout_ms, restart);
	pthread_cleanup_pop(0);
	return pfri_leave_rx(r, rc);
}

int pfring_recv_batch(pfring *ring, struct pfring_packet *packets, u_int max, int timeout_ms)
{
	return recv_many(ring, packets, max, timeout_ms, false);
}

int pfring_recv_burst(pfring *ring, pfring_packet_info *packets, u_int8_t num_packets,
		      u_int8_t wait_for_packets)
{
	struct pfring_packet pkt[255];
	int n;

	if (!packets || !num_packets)
		return pfri_fail(-EINVAL, "pfring_recv_burst: no room for packets was given");
	n = recv_many(ring, pkt, num_packets, wait_for_packets ? -1 : 0, true);
	for (int i = 0; i < n; i++) {
		packets[i].id = (u_int64_t)i;
		packets[i].ts.tv_sec = (time_t)(pkt[i].ts_ns / 1000000000u);
		packets[i].ts.tv_nsec = (long)(pkt[i].ts_ns % 1000000000u);
		packets[i].caplen = pkt[i].caplen;
		packets[i].len = pkt[i].len;
		packets[i].hash = pkt[i].hash;
		packets[i].flags = pkt[i].flags;
		packets[i].data = (u_int8_t *)(uintptr_t)pkt[i].data;
	}
	return n;
}

/* Calls looper for what is in r->batch. -EINTR if it was told to stop in between. */
static int drain(struct pfri_ring *r, pfringProcessPacket looper, const u_char *user)
{
	struct pfring_pkthdr hdr;
	int rc;

	memset(&hdr, 0, sizeof(hdr));
	fill_constants(&hdr);
	while (r->head < r->count) {
		const struct pfring_packet *p;

		if (__builtin_expect(r->retest, 0) && !pfri_held(r))
			break;
		p = &r->batch[r->head++];

		__builtin_prefetch(r->batch[(r->head + 1) % PFRI_BATCH].data);
		fill_header(r, &hdr, p);
		looper(&hdr, p->data, user);
		if (__builtin_expect(atomic_load_explicit(&r->attention, memory_order_relaxed),
				     0)) {
			rc = check_state(r);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

static int loop_locked(struct pfri_ring *r, pfringProcessPacket looper, const u_char *user_bytes,
		       bool wait)
{
	int rc = check_state(r);

	while (rc >= 0) {
		rc = drain(r, looper, user_bytes);
		if (rc < 0)
			break;
		if (!wait && atomic_load_explicit(&r->knocking, memory_order_relaxed))
			let_in(r);
		rc = pfri_fill(r, wait ? -1 : 0);
	}
	return rc;
}

int pfring_loop(pfring *ring, pfringProcessPacket looper, const u_char *user_bytes,
		u_int8_t wait_for_packet)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc;

	if (!looper)
		return pfri_fail(-EINVAL, "pfring_loop: no callback was given");
	rc = pfri_enter(r);
	if (rc)
		return rc;
	pfri_rx_lock(r, false);
	pthread_cleanup_push(cancelled, r);
	rc = loop_locked(r, looper, user_bytes, wait_for_packet);
	pthread_cleanup_pop(0);
	if (rc == -EINTR || rc == -ENODATA || (rc == -EBADF && (r->users & PFRI_CLOSING)))
		rc = 0;
	return pfri_leave_rx(r, rc);
}

int pfring_next_pkt_time(pfring *ring, struct timespec *ts)
{
	u_int64_t ns;
	int rc;

	if (!ts)
		return pfri_fail(-EINVAL, "pfring_next_pkt_time: no timespec was given");
	rc = pfring_next_pkt_raw_timestamp(ring, &ns);
	if (rc)
		return rc;
	ts->tv_sec = (time_t)(ns / 1000000000u);
	ts->tv_nsec = (long)(ns % 1000000000u);
	return 0;
}

int pfring_next_pkt_raw_timestamp(pfring *ring, u_int64_t *timestamp_ns)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc;

	if (!timestamp_ns)
		return pfri_fail(-EINVAL,
				 "pfring_next_pkt_raw_timestamp: no place for it was given");
	rc = pfri_enter_rx(r);
	if (rc)
		return rc;
	rc = pfri_fill(r, 0);
	if (rc > 0)
		*timestamp_ns = r->batch[r->head].ts_ns;
	return pfri_leave_rx(r, rc > 0 ? 0 : rc ? rc : -EAGAIN);
}

int pfring_is_pkt_available(pfring *ring)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc = pfri_enter_rx(r);

	return rc ? rc : pfri_leave_rx(r, pfri_fill(r, 0));
}

int pfring_poll(pfring *ring, u_int wait_duration)
{
	struct pfri_ring *r = pfri_of(ring);
	int left = wait_duration > INT32_MAX ? -1 : (int)wait_duration;
	u_int64_t end = pfri_now_ms() + wait_duration;
	int rc = pfri_enter_rx(r);

	if (rc)
		return rc;
	for (;;) {
		if (left && atomic_load(&r->knocking))
			let_in(r);
		rc = check_state(r);
		if (rc)
			break;
		rc = pfri_held(r) ? 1 : r->ops->poll(r, left);
		/*
		 * What this library refuses lies in the ring like all others: a packet is
		 * there when one passed. late_filter: the program tests for itself.
		 */
		if (rc == 1 && r->soft && !r->opt.late_filter) {
			rc = pfri_fill(r, 0);
			if (rc == -ENODATA)
				rc = 1; /* an end is worth a receive call, too */
		}
		if (rc != -EINTR && (rc || !left || pfri_now_ms() >= end))
			break;
		if (rc == -EINTR && !was_knock(r)) {
			/* A breakloop that ended this wait shall not end the next call too. */
			rc = check_state(r);
			rc = rc ? rc : -EINTR;
			break;
		}
		if (left > 0)
			left = pfri_now_ms() < end ? (int)(end - pfri_now_ms()) : 0;
	}
	return pfri_leave_rx(r, rc);
}
