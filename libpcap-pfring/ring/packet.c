/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * packet.c - backend "packet:": an AF_PACKET socket with a ring.
 *
 * The path that needs CAP_NET_RAW and nothing else. The socket is
 * afpacket.c's, the ring tpacket.c's or, in immediate mode, slots.c's; here
 * they are put together. A socket leaves its fan-out group only by being
 * closed, so a handle that leaves goes on with a new one, after what the old
 * one's ring still held.
 */
#include "afpacket.h"
#include "slots.h"
#include "tpacket.h"

#define NAP_FROM 32	      /* packets between two waits that make a reader busy */
#define NAP_MIN_NS 300000     /* a shorter sleep costs more than it saves */
#define NAP_PROMPT_NS 4000000 /* longest sleep when packets are to come within 5 ms ... */
#define NAP_LONG_NS 10000000  /* ... and when the user lets them wait; a burst must still fit */

/* A ring of either kind: at most one of the two is mapped. */
struct store {
	struct pfri_tp3 tp3;
	struct pfri_slots slots;
};

struct leg {
	struct pfri_afp afp;
	struct store store;
};

struct packet {
	struct leg now;
	struct store old;	      /* a frozen ring, drained first; none is mapped: none */
	u_int64_t old_recv, old_drop; /* books of the sockets that are closed, */
	u_int64_t old_cut;	      /* and of their slots */
	u_int64_t wakeups;
	u_int taken;	     /* packets since the last wait, */
	u_int64_t released;  /* blocks given back until then, */
	u_int64_t waited_ns; /* and its time */
	struct store *from;  /* where the packets handed out lie */
};

static struct packet *state(struct pfri_ring *r)
{
	return PFRI_PRIV(r, struct packet);
}

static bool store_is_there(const struct store *s)
{
	return s->tp3.map || s->slots.map;
}

static void store_close(struct store *s)
{
	pfri_tp3_close(&s->tp3);
	pfri_slots_close(&s->slots);
}

static int store_recv(struct pfri_ring *r, struct pfri_afp *a, struct store *s,
		      struct pfring_packet *pkt, u_int max)
{
	return s->slots.map ? pfri_slots_recv(r, a, &s->slots, pkt, max)
			    : pfri_tp3_recv(r, a, &s->tp3, pkt, max);
}

static bool store_ready(const struct store *s)
{
	return pfri_slots_ready(&s->slots) || pfri_tp3_ready(&s->tp3);
}

static void store_refilter(struct pfri_ring *r, struct store *s)
{
	if (s->slots.map)
		pfri_slots_refilter(r, &s->slots);
	else
		pfri_tp3_refilter(r, &s->tp3);
}

static u_int64_t store_queued(const struct store *s)
{
	return pfri_slots_queued(&s->slots) + pfri_tp3_queued(&s->tp3);
}

static void leg_close(struct pfri_ring *r, struct leg *l)
{
	store_close(&l->store);
	pfri_afp_close(r, &l->afp);
}

static int leg_open(struct pfri_ring *r, struct leg *l)
{
	int rc;

	memset(l, 0, sizeof(*l));
	rc = pfri_afp_open(r, &l->afp);
	if (rc)
		return rc;
	rc = r->opt.immediate ? pfri_slots_open(r, &l->afp, &l->store.slots)
			      : pfri_tp3_open(r, &l->afp, &l->store.tp3);
	if (rc)
		leg_close(r, l);
	return rc;
}

static int packet_open(struct pfri_ring *r)
{
	return leg_open(r, &state(r)->now);
}

static void packet_close(struct pfri_ring *r)
{
	struct packet *p = state(r);

	leg_close(r, &p->now);
	store_close(&p->old);
}

static int packet_set_filter(struct pfri_ring *r)
{
	struct packet *p = state(r);
	int rc;

	/* Bound means that packets may be queued; before that the filter waits in r. */
	if (!p->now.afp.bound || !r->enabled) {
		r->refilter = PFRI_REFILTER_NONE;
		return 0;
	}
	rc = pfri_afp_filter(r, &p->now.afp);
	if (rc < 0)
		return rc;
	if (rc) {
		r->refilter = PFRI_REFILTER_ALWAYS;
		return 1;
	}
	store_refilter(r, &p->now.store);
	return 1;
}

static int start(struct pfri_ring *r, struct leg *l)
{
	bool again = l->afp.bound;
	int rc = pfri_afp_start(r, &l->afp);

	if (!rc)
		rc = pfri_afp_filter(r, &l->afp);
	if (rc < 0)
		return rc;
	r->refilter = rc ? PFRI_REFILTER_ALWAYS : PFRI_REFILTER_NONE;
	/* The filter may be newer than what is queued since the ring was last enabled. */
	if (!rc && again)
		store_refilter(r, &l->store);
	return 0;
}

static int packet_enable(struct pfri_ring *r, bool on)
{
	struct packet *p = state(r);

	if (!on)
		return p->now.afp.bound ? pfri_afp_mute(&p->now.afp) : 0;
	return start(r, &p->now);
}

static int packet_recv(struct pfri_ring *r, struct pfring_packet *pkt, u_int max)
{
	struct packet *p = state(r);
	int n;

	if (store_is_there(&p->old)) {
		p->from = &p->old;
		n = store_recv(r, &p->now.afp, &p->old, pkt, max);
		if (n)
			return n;
		store_close(&p->old);
	}
	p->from = &p->now.store;
	n = store_recv(r, &p->now.afp, &p->now.store, pkt, max);
	p->taken += (u_int)n;
	if (n == 0 && p->now.afp.gone) {
		n = pfri_afp_gone(r, &p->now.afp, 20);
		/* Nobody writes any more: the open block need not be waited for. */
		if (n < 0 && p->now.store.tp3.map && pfri_tp3_end(&p->now.store.tp3))
			n = pfri_tp3_recv(r, &p->now.afp, &p->now.store.tp3, pkt, max);
	}
	return n;
}

static void packet_release(struct pfri_ring *r)
{
	struct packet *p = state(r);

	if (!p->from)
		return;
	pfri_slots_release(&p->from->slots);
	pfri_tp3_release(&p->from->tp3);
}

/*
 * Under load a wake-up costs more than what it brings (13 us on a virtual
 * machine, per block): sleep while a quarter of the ring fills at the rate of
 * late. The wake descriptor still ends that at once. How long, or 0.
 */
static u_int64_t nap_ns(struct pfri_ring *r, struct packet *p)
{
	struct pfri_tp3 *t = &p->now.store.tp3;
	u_int64_t now = pfri_clock_ns(CLOCK_MONOTONIC), since = now - p->waited_ns;
	u_int64_t eaten = t->released - p->released, longest, ns;
	u_int taken = p->taken;

	p->waited_ns = now;
	p->released = t->released;
	p->taken = 0;
	longest = t->retire_ms >= PFRI_TP3_BATCHED_MS ? NAP_LONG_NS : NAP_PROMPT_NS;
	if (taken < NAP_FROM || !eaten || r->watermark <= 1)
		return 0;
	/* Blocks that fill slower than that: the kernel's wake-up per block is as good. */
	if (since / eaten > longest)
		return 0;
	ns = since * (t->blocks / 4) / eaten;
	if (ns > longest)
		ns = longest;
	return ns < NAP_MIN_NS ? 0 : ns;
}

static int packet_poll(struct pfri_ring *r, int timeout_ms)
{
	struct packet *p = state(r);
	u_int64_t nap;

	if (store_is_there(&p->old) || store_ready(&p->now.store))
		return 1;
	nap = nap_ns(r, p);
	if (nap && (timeout_ms < 0 || nap / 1000000 < (u_int)timeout_ms)) {
		struct pollfd wake = {.fd = r->wake_fd, .events = POLLIN};
		struct timespec ts = {.tv_nsec = (long)nap};

		if (ppoll(&wake, 1, &ts, NULL))
			return -EINTR;
		if (store_ready(&p->now.store))
			return 1;
	}
	p->wakeups++;
	return pfri_afp_poll(r, &p->now.afp, p->now.afp.fd, timeout_ms);
}

static int packet_send(struct pfri_ring *r, const struct iovec *frames, u_int n, int ifindex)
{
	return pfri_afp_send(r, &state(r)->now.afp, frames, n, ifindex);
}

static int packet_send_stamped(struct pfri_ring *r, const struct iovec *frame, struct timespec *ts)
{
	return pfri_afp_send_stamped(r, &state(r)->now.afp, frame, ts);
}

static int packet_set_promisc(struct pfri_ring *r, bool on)
{
	return pfri_afp_set_promisc(r, &state(r)->now.afp, on);
}

static int packet_set_cluster(struct pfri_ring *r, u_int id, u_int consumer, cluster_type type,
			      u_int32_t options)
{
	/* The kernel numbers a group's members itself and knows no options. */
	(void)consumer;
	(void)options;
	return pfri_afp_set_cluster(r, &state(r)->now.afp, id, type);
}

/* The other members have the share of this one from the moment its socket is closed. */
static int packet_remove_from_cluster(struct pfri_ring *r)
{
	struct timespec in_flight = {.tv_nsec = 1000000};
	struct packet *p = state(r);
	struct pfring_stats64 st = {0};
	struct leg fresh;
	int rc;

	if (p->now.afp.cluster < 0)
		return pfri_fail(-ENOENT, "the ring is in no cluster");
	if (store_is_there(&p->old))
		return pfri_fail(-EBUSY,
				 "packets of the last cluster are still queued: read them first");
	if (!p->now.afp.bound) {
		p->now.afp.cluster = -1;
		return 0;
	}
	rc = leg_open(r, &fresh);
	if (rc) {
		r->net_fd = r->select_fd = p->now.afp.fd;
		return rc;
	}
	pfri_afp_set_promisc(r, &fresh.afp, p->now.afp.promisc);
	/* Muted, and the last packets on their way copied, the ring holds still. */
	rc = pfri_afp_mute(&p->now.afp);
	if (!rc) {
		nanosleep(&in_flight, NULL);
		rc = p->now.store.slots.map ? pfri_slots_freeze(&p->now.store.slots)
					    : pfri_tp3_freeze(&p->now.store.tp3);
	}
	if (rc) {
		leg_close(r, &fresh);
		r->net_fd = r->select_fd = p->now.afp.fd;
		if (r->enabled)
			pfri_afp_filter(r, &p->now.afp);
		return rc;
	}
	pfri_afp_stats(r, &p->now.afp, &st);
	p->old_recv += st.recv;
	p->old_drop += st.drop;
	p->old_cut += atomic_load(&p->old.slots.cut);
	p->old = p->now.store;
	if (p->from == &p->now.store)
		p->from = &p->old;
	close(p->now.afp.fd);
	p->now = fresh;
	return r->enabled ? start(r, &p->now) : 0;
}

static int packet_stats(struct pfri_ring *r, struct pfring_stats64 *st)
{
	struct packet *p = state(r);
	u_int64_t cut;

	pfri_afp_stats(r, &p->now.afp, st);
	st->recv += p->old_recv;
	st->drop += p->old_drop;
	cut = p->old_cut + atomic_load(&p->old.slots.cut) + atomic_load(&p->now.store.slots.cut);
	st->recv -= cut;
	st->drop += cut;
	st->ring_bytes = p->now.store.tp3.bytes + p->now.store.slots.bytes;
	/* The frozen ring is its reader's alone, who unmaps it when it is empty. */
	st->queued_bytes = store_queued(&p->now.store);
	st->wakeups = p->wakeups;
	return 0;
}

static u_int packet_inspect(struct pfri_ring *r, struct pfring_details *d,
			    struct pfring_lane *lanes, u_int max)
{
	struct pfring_stats64 st = {0};

	d->copies = 1;
	d->refiltered = r->refilter == PFRI_REFILTER_QUEUED;
	snprintf(d->clock, sizeof(d->clock), "%s", r->opt.hw_tstamp ? "adapter" : "kernel");
	if (max) {
		packet_stats(r, &st);
		lanes[0] = (struct pfring_lane){.bytes = st.ring_bytes,
						.queued = st.queued_bytes,
						.accepted = st.recv,
						.dropped = st.drop,
						.wakeups = st.wakeups};
	}
	return 1;
}

const struct pfri_ops pfri_packet_ops = {
	.recv_batch = packet_recv,
	.release = packet_release,
	.poll = packet_poll,
	.send_batch = packet_send,
	.send_stamped = packet_send_stamped,
	.name = "packet",
	.caps = PFRI_CAP_KERNEL_FILTER | PFRI_CAP_SEND | PFRI_CAP_CLUSTER | PFRI_CAP_QUEUES |
		PFRI_CAP_ANY | PFRI_CAP_HW_TSTAMP | PFRI_CAP_DIRECTION | PFRI_CAP_SELECT |
		PFRI_CAP_KERNEL_VIEW | PFRI_CAP_CUTS,
	.open = packet_open,
	.enable = packet_enable,
	.set_filter = packet_set_filter,
	.set_promisc = packet_set_promisc,
	.set_cluster = packet_set_cluster,
	.remove_from_cluster = packet_remove_from_cluster,
	.stats = packet_stats,
	.inspect = packet_inspect,
	.close = packet_close,
};
