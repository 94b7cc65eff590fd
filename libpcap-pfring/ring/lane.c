/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lane.c - drains lanes; see lane.h, and <linux/pf_ring_lane.h> for the format and
 * for the barriers, whose letters are used here.
 *
 * Shared memory is read once into a private copy, checked, and only the copy
 * is used. A lane whose position or record makes no sense is given up to its
 * current end: a producer that recovers goes on from there.
 */
#include <linux/if_packet.h>

#include "lane.h"

/* Each byte of shared memory is loaded exactly where it is written in the source. */
#define ONCE(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)

/* How many records ahead of the reader their headers' lines are fetched. */
#define AHEAD 16

/* A packet this far in the future is not waited for: the clock was set back. */
#define CLOCK_JUMP_NS 1000000000u

static u_int64_t load_prod(const struct pfri_lane *l)
{
	return __atomic_load_n(&l->prod->prod, __ATOMIC_ACQUIRE); /* D, pairs with E */
}

static void init(struct pfr_lane_prod *p, u_int64_t data_size, u_int64_t segment, u_int32_t lane,
		 u_int32_t lanes)
{
	p->abi = PF_RING_ABI_VERSION;
	p->data_size = data_size;
	p->lane = lane;
	p->lanes = lanes;
	p->segment = segment;
	__atomic_store_n(&p->magic, PFR_RING_MAGIC, __ATOMIC_RELEASE);
}

void pfri_lane_init(void *mem, u_int64_t data_size, u_int32_t lane, u_int32_t lanes)
{
	init(mem, data_size, 0, lane, lanes);
}

static struct pfr_lane_cons *cons_of(void *mem)
{
	return (struct pfr_lane_cons *)(void *)((u_char *)mem + 4096);
}

static __u64 bit_of(u_int segment)
{
	__u64 bit = 1;

	while (PFR_SEGMENT_OF(bit) != segment)
		bit <<= 1;
	return bit;
}

void pfri_lanes_init_pool(void *mem, const struct pfri_pool *pool, u_int32_t n)
{
	for (u_int32_t i = 0; i < n; i++) {
		void *lane = (u_char *)mem + (size_t)i * PFR_LANE_DATA;

		for (u_int s = 0; i < pool->groups && s < pool->each; s++)
			cons_of(lane)->free |= bit_of(s);
		init(lane, pool->each * pool->segment, pool->segment, i, n);
	}
}

static bool power_of_two(u_int64_t v)
{
	return v && !(v & (v - 1));
}

int pfri_lane_attach(struct pfri_lane *l, void *mem, size_t len)
{
	const struct pfr_lane_prod *p = mem;
	u_int64_t size;

	memset(l, 0, sizeof(*l));
	if (len < PFR_LANE_DATA)
		return -EBADMSG;
	if (ONCE(p->magic) != PFR_RING_MAGIC || ONCE(p->abi) != PF_RING_ABI_VERSION)
		return -EPROTO;
	size = ONCE(p->data_size);
	if (ONCE(p->segment) || size < 4096 || !power_of_two(size) || size > SIZE_MAX / 2 ||
	    pfri_lane_bytes(size) > len)
		return -EBADMSG;
	l->prod = p;
	l->cons = cons_of(mem);
	l->data = (const u_char *)mem + PFR_LANE_DATA;
	l->size = l->segment = size;
	/* A reader that comes back goes on where the last one stopped, if that is possible. */
	l->limit = load_prod(l);
	l->pos = ONCE(l->cons->cons);
	if (l->limit - l->pos > size || l->pos % PFR_REC_ALIGN)
		l->pos = l->limit & ~(u_int64_t)(PFR_REC_ALIGN - 1);
	l->released = l->pos;
	__atomic_store_n(&l->cons->cons, l->pos, __ATOMIC_RELEASE);
	return 0;
}

void pfri_lanes_attach_pool(struct pfri_lanes *ls, void *mem, const struct pfri_pool *pool)
{
	for (u_int i = 0; i < ls->n; i++) {
		u_int group = i % pool->groups;

		ls->lane[i] = (struct pfri_lane){
			.prod = (const void *)((u_char *)mem + (size_t)i * PFR_LANE_DATA),
			.cons = cons_of((u_char *)mem + (size_t)i * PFR_LANE_DATA),
			.place = pool->place + (size_t)group * pool->each,
			.each = pool->each,
			.free = &cons_of((u_char *)mem + (size_t)group * PFR_LANE_DATA)->free,
			.size = pool->each * pool->segment,
			.segment = pool->segment,
		};
	}
}

/* Goes to a position, perhaps in another segment. */
static void move_to(struct pfri_lane *l, u_int64_t pos)
{
	if ((pos ^ l->pos) & ~(l->segment - 1))
		l->entered = false;
	l->pos = pos;
	l->ready = false;
}

/* The pool's number of segment v. */
static u_int place_of(const struct pfri_lane *l, u_int64_t v)
{
	u_int place = ONCE(l->prod->place[v % PFR_MAX_SEGMENTS]);

	return place < l->each ? place : 0;
}

/* Where the segment of pos lies. The producer has published a position in it. */
static const u_char *segment_base(struct pfri_lane *l)
{
	if (__builtin_expect(!l->entered, 0)) {
		l->base = l->free ? l->place[place_of(l, l->pos / l->segment)] : l->data;
		l->entered = true;
	}
	return l->base;
}

/* How far records can reach that begin at pos: a pool's do not cross a segment's end. */
static u_int64_t reach(const struct pfri_lane *l, u_int64_t end)
{
	return l->free && end - l->pos < l->limit - l->pos ? end : l->limit;
}

/* Gives all before pos back to the producers. */
static void give_back(struct pfri_lane *l)
{
	if (l->free) {
		u_int64_t v = l->released / l->segment, end = l->pos / l->segment;

		/* More cannot be; a hostile producer's position may say so. */
		if (end - v > l->each)
			v = end - l->each;
		for (; v != end; v++)
			__atomic_fetch_or(l->free, bit_of(place_of(l, v)),
					  __ATOMIC_RELEASE); /* J, pairs with I */
	}
	l->released = l->pos;
	__atomic_store_n(&l->cons->cons, l->pos, __ATOMIC_RELEASE); /* B, pairs with A */
}

/* Nothing between pos and limit can be trusted. */
static void give_up(struct pfri_lanes *ls, struct pfri_lane *l)
{
	move_to(l, l->limit & ~(u_int64_t)(PFR_REC_ALIGN - 1));
	l->limit = l->pos;
	l->entered = false;
	/* At once: the invariant must hold again even if nothing was handed out. */
	give_back(l);
	ls->corrupt++;
}

/* Reads the producer's position; the invariant of the ring holds afterwards. */
static void look(struct pfri_lanes *ls, struct pfri_lane *l)
{
	u_int64_t limit = load_prod(l);

	if (limit == l->limit)
		return;
	if (__builtin_expect(limit - l->released > l->size ||
				     limit - l->released < l->pos - l->released ||
				     limit % PFR_REC_ALIGN,
			     0)) {
		l->limit = limit;
		give_up(ls, l);
		return;
	}
	l->limit = limit;
}

/* Makes the lane's next packet known, if there is one. */
static bool peek(struct pfri_lanes *ls, struct pfri_lane *l)
{
	const struct pfr_rec *rec;

	if (l->ready)
		return true;
	while (l->pos != l->limit) {
		const u_int64_t next = (l->pos | (l->segment - 1)) + 1;

		rec = (const void *)(segment_base(l) + (l->pos & (l->segment - 1)));
		if (__builtin_expect(ONCE(rec->flags) & PFR_REC_SKIP, 0)) {
			if (next - l->pos > l->limit - l->pos) {
				give_up(ls, l);
				return false;
			}
			move_to(l, next);
			continue;
		}
		l->caplen = ONCE(rec->caplen);
		if (__builtin_expect(l->caplen > MAX_CAPLEN + 4 ||
					     PFR_REC_SIZE(l->caplen) > reach(l, next) - l->pos,
				     0)) {
			give_up(ls, l);
			return false;
		}
		l->ts = ONCE(rec->ts_ns);
		l->ready = true;
		return true;
	}
	return false;
}

static u_int16_t packet_flags(u_int8_t rec)
{
	return (u_int16_t)((rec & PFR_REC_VLAN ? PKT_FLAGS_VLAN_HWACCEL : 0) |
			   (rec & PFR_REC_GSO ? PKT_FLAGS_GSO : 0) |
			   (rec & PFR_REC_CSUM ? PKT_FLAGS_CHECKSUM_OFFLOAD : 0) |
			   (rec & PFR_REC_CSUM_OK ? PKT_FLAGS_CHECKSUM_OK : 0) |
			   (rec & PFR_REC_TS_HW ? PKT_FLAGS_TS_HARDWARE : 0) |
			   (rec & PFR_REC_DECIDED ? PFRI_PKT_DECIDED : 0));
}

static bool too_young(u_int64_t ts, u_int64_t horizon)
{
	return ts > horizon && ts - horizon < CLOCK_JUMP_NS;
}

/* Two members that lie beside each other, in one load. */
union two {
	u_int64_t both;
	u_int32_t half[2];
} __attribute__((may_alias));

static union two load_two(const __u32 *first)
{
	const union two *at = (const void *)first;

	return (union two){.both = ONCE(at->both)};
}

/*
 * Hands out packets of one segment, up to the time at which another lane has
 * its turn. Each record is read once more than peek() did, and checked again: only
 * these values are used. A producer that keeps changing its records may end
 * this with fewer packets than there are, even with none.
 */
static u_int take(struct pfri_lanes *ls, struct pfri_lane *l, struct pfring_packet *pkt, u_int max,
		  u_int64_t until, u_int64_t horizon)
{
	const u_int64_t mask = l->segment - 1, epoch = (u_int64_t)ls->epoch_ns;
	const u_int64_t end = (l->pos | mask) + 1, limit = reach(l, end);
	const u_char *base = segment_base(l);
	const u_int64_t bound = until < horizon ? until : horizon;
	const u_int32_t hash_mask = ls->hash_mask;
	const u_int8_t flag_mask = (u_int8_t)(~PFR_REC_DECIDED | ls->decided);
	u_int64_t pos = l->pos;
	u_int n = 0;

	/* Without a pool the lane goes round: base is right behind its end, too. */
	while (n < max && pos != limit) {
		const struct pfr_rec *rec = (const void *)(base + (pos & mask));
		struct pfring_packet *p = &pkt[n];
		const union two lens = load_two(&rec->caplen);
		union two where;
		u_int32_t caplen = lens.half[0], len = lens.half[1];
		u_int64_t size = PFR_REC_SIZE((u_int64_t)caplen), ts = ONCE(rec->ts_ns);
		u_int8_t flags = ONCE(rec->flags) & flag_mask;

		/* peek() knows what to do with these. */
		if (__builtin_expect(caplen > MAX_CAPLEN + 4 || size > limit - pos, 0))
			break;
		if (__builtin_expect(ts > bound, 0) && (ts > until || too_young(ts, horizon)))
			break;
		p->flags = 0;
		if (__builtin_expect(flags, 0)) {
			if (flags & PFR_REC_SKIP)
				break;
			p->flags = packet_flags(flags);
		}
		/*
		 * A line takes longer to come from the producer's core than a packet
		 * to describe; packets in a row are mostly of one size. Of the bytes
		 * behind a header not every program wants one.
		 */
		__builtin_prefetch(base + ((pos + AHEAD * size) & mask));

		where = load_two(&rec->ifindex);
		p->data = (const u_char *)(rec + 1);
		p->ts_ns = ts + epoch;
		p->caplen = caplen;
		p->len = len < caplen ? caplen : len;
		p->if_index = (int32_t)where.half[0];
		p->hash = where.half[1] & hash_mask;
		p->vlan_tci = ONCE(rec->vlan_tci);
		p->vlan_tpid = ONCE(rec->vlan_tpid);
		p->pkt_type = ONCE(rec->pkttype);
		p->rx_direction = p->pkt_type != PACKET_OUTGOING;
		p->queue = ONCE(rec->queue);
		p->vlan_at = 0;
		pos += size;
		n++;
	}
	if (n)
		move_to(l, pos);
	return n;
}

/* The lane with the oldest packet, and the time stamp at which another lane has its turn. */
static struct pfri_lane *oldest(struct pfri_lanes *ls, u_int64_t *until)
{
	struct pfri_lane *first = NULL;

	*until = UINT64_MAX;
	for (u_int i = 0; i < ls->n; i++) {
		struct pfri_lane *l = &ls->lane[i];

		if (!peek(ls, l))
			continue;
		if (!first || l->ts < first->ts) {
			if (first)
				*until = first->ts;
			first = l;
		} else if (l->ts < *until) {
			*until = l->ts;
		}
	}
	return first;
}

u_int pfri_lanes_recv(struct pfri_lanes *ls, struct pfring_packet *pkt, u_int max,
		      u_int64_t horizon)
{
	struct pfri_lane *l;
	u_int64_t until;
	u_int n = 0;

	for (u_int i = 0; i < ls->n; i++)
		look(ls, &ls->lane[i]);
	while (n < max && (l = oldest(ls, &until))) {
		u_int got;

		if (too_young(l->ts, horizon))
			break;
		got = take(ls, l, pkt + n, max - n, until, horizon);
		if (!got) {
			l->ready = false; /* the record has changed under us: look again */
			break;
		}
		n += got;
	}
	return n;
}

void pfri_lanes_release(struct pfri_lanes *ls)
{
	for (u_int i = 0; i < ls->n; i++) {
		struct pfri_lane *l = &ls->lane[i];

		if (l->released != l->pos)
			give_back(l);
	}
}

bool pfri_lanes_hold(const struct pfri_lanes *ls, u_int64_t bytes)
{
	for (u_int i = 0; i < ls->n; i++)
		if (load_prod(&ls->lane[i]) - ls->lane[i].pos >= bytes)
			return true;
	return false;
}

bool pfri_lanes_arm(struct pfri_lanes *ls, u_int32_t watermark)
{
	if (++ls->sleep == 0)
		ls->sleep = 1;
	for (u_int i = 0; i < ls->n; i++) {
		struct pfr_lane_cons *c = ls->lane[i].cons;

		__atomic_store_n(&c->watermark, watermark, __ATOMIC_RELAXED);
		__atomic_store_n(&c->need_wakeup, ls->sleep, __ATOMIC_RELEASE); /* G */
	}
	pfri_full_barrier(); /* H, pairs with E..F */
	if (!pfri_lanes_hold(ls, watermark ? watermark : 1))
		return true;
	pfri_lanes_disarm(ls);
	return false;
}

void pfri_lanes_disarm(struct pfri_lanes *ls)
{
	for (u_int i = 0; i < ls->n; i++)
		__atomic_store_n(&ls->lane[i].cons->need_wakeup, 0, __ATOMIC_RELAXED);
}

static u_int64_t queued(const struct pfri_lane *l)
{
	u_int64_t bytes = load_prod(l) - l->pos;

	return bytes <= l->size ? bytes : 0;
}

u_int64_t pfri_lanes_queued(const struct pfri_lanes *ls)
{
	u_int64_t sum = 0;

	for (u_int i = 0; i < ls->n; i++)
		sum += queued(&ls->lane[i]);
	return sum;
}

void pfri_lane_describe(const struct pfri_lane *l, struct pfring_lane *d)
{
	d->bytes = l->size;
	d->queued = queued(l);
	d->accepted = ONCE(l->prod->accepted);
	d->dropped = ONCE(l->prod->drops) + ONCE(l->prod->lost);
	d->wakeups = ONCE(l->prod->wakeups);
}

void pfri_lanes_books(const struct pfri_lanes *ls, u_int64_t *accepted, u_int64_t *drops,
		      u_int64_t *wakeups)
{
	*accepted = *drops = *wakeups = 0;
	for (u_int i = 0; i < ls->n; i++) {
		struct pfring_lane d;

		pfri_lane_describe(&ls->lane[i], &d);
		*accepted += d.accepted;
		*drops += d.dropped;
		*wakeups += d.wakeups;
	}
}

u_int64_t pfri_lanes_filtered(const struct pfri_lanes *ls)
{
	u_int64_t sum = 0;

	for (u_int i = 0; i < ls->n; i++)
		sum += ONCE(ls->lane[i].prod->filtered);
	return sum;
}
