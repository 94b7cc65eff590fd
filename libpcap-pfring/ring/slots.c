/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * slots.c - walks a TPACKET_V2 ring in place (see slots.h).
 *
 * A slot is
 *
 *      tpacket2_hdr | sockaddr_ll | room | frame
 *                                        ^ tp_mac
 *
 * and the room takes a stripped tag or a cooked header, as in tpacket.c. Of a
 * frame that is longer than its slot the kernel queues a copy on the socket
 * (PACKET_COPY_THRESH), under the lock under which it takes the slot: so slots
 * marked TP_STATUS_COPY and the queue are in the same order.
 *
 * Barrier: tp_status is the hand-over in both directions; acquire here pairs
 * with the kernel's smp_wmb() before TP_STATUS_USER, release here with its
 * read of TP_STATUS_KERNEL.
 */
#include <sys/mman.h>

#include "afpacket_frame.h"
#include "afpacket_ring.h"
#include "filter.h"
#include "handle.h"
#include "slots.h"

#define OVERHEAD 128  /* header, address, alignment and reserve, rounded up */
#define MOST_MTU 9216 /* of a wire; what "any" and the loopback mostly carry is shorter */
#define BLOCK (64u << 10)
#define HEADROOM 32 /* in front of a frame aside, for a tag or a cooked header */
#define MOST_BYTES (1u << 30)

/* Whether the socket's queue may hold the long ones: as many bytes as the ring. */
static bool reserve_queue(const struct pfri_afp *a, u_int64_t bytes)
{
	int room = (int)bytes, one = 1;

	return setsockopt(a->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) == 0 &&
	       setsockopt(a->fd, SOL_PACKET, PACKET_COPY_THRESH, &one, sizeof(one)) == 0;
}

/*
 * Slots for frames of the MTU where longer ones can wait in the queue, which
 * takes CAP_NET_ADMIN; else for the longest there are. Slots never cross a
 * block: they are a power of two, or a block each.
 */
static void pick_sizes(const struct pfri_ring *r, const struct pfri_afp *a, u_int64_t want,
		       struct pfri_slots *s, struct tpacket_req *req)
{
	u_int page = (u_int)sysconf(_SC_PAGESIZE);
	bool usual = a->mtu && a->mtu <= MOST_MTU;
	bool longest = !s->aside && (a->offload || !usual);
	u_int frame = longest ? PFRI_LONGEST_FRAME : (usual ? a->mtu : ETH_DATA_LEN) + 14 + 8;
	u_int size = 256;

	frame = min_val(frame, r->opt.caplen) + OVERHEAD;
	while (size < frame)
		size *= 2;
	if (size > BLOCK / 2)
		size = (frame + page - 1) & ~(page - 1);
	s->slot_size = req->tp_frame_size = size;
	req->tp_block_size = max_val(size, BLOCK);
	req->tp_block_nr = (u_int)(want / req->tp_block_size);
}

int pfri_slots_open(struct pfri_ring *r, struct pfri_afp *a, struct pfri_slots *s)
{
	u_int64_t want = r->opt.buffer_bytes ? r->opt.buffer_bytes : PFRI_RING_BYTES;
	union tpacket_req_u req = {0};
	int rc = pfri_afp_ring_version(a, TPACKET_V2);

	if (rc)
		return rc;
	want = min_val(want, MOST_BYTES);
	if (reserve_queue(a, want)) {
		s->aside = mmap(NULL, HEADROOM + MAX_CAPLEN, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (s->aside == MAP_FAILED) {
			s->aside = NULL;
			return pfri_fail(-ENOMEM, "no memory to copy packets to");
		}
	}
	pick_sizes(r, a, want, s, &req.req);
	rc = pfri_afp_ring_make(a, &req, &s->map);
	s->slots = req.req.tp_frame_nr;
	s->bytes = (size_t)req.req.tp_block_size * req.req.tp_block_nr;
	return rc;
}

void pfri_slots_close(struct pfri_slots *s)
{
	if (s->map)
		munmap(s->map, s->bytes);
	if (s->aside)
		munmap(s->aside, HEADROOM + MAX_CAPLEN);
	s->map = s->aside = NULL;
}

/* The slot that is so many behind cur. */
static struct tpacket2_hdr *slot(const struct pfri_slots *s, u_int behind)
{
	u_int i = s->cur + behind;

	if (i >= s->slots)
		i -= s->slots;
	return (void *)(s->map + (size_t)i * s->slot_size);
}

static u_int32_t status(const struct tpacket2_hdr *h)
{
	return __atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE);
}

bool pfri_slots_ready(const struct pfri_slots *s)
{
	return s->map && (status(slot(s, 0)) & TP_STATUS_USER);
}

u_int64_t pfri_slots_queued(const struct pfri_slots *s)
{
	u_int64_t bytes = 0;
	u_int n = 0;

	for (; s->map && n < s->slots && (status(slot(s, n)) & TP_STATUS_USER); n++)
		bytes += s->slot_size;
	return bytes;
}

int pfri_slots_freeze(struct pfri_slots *s)
{
	u_char *copy =
		mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (copy == MAP_FAILED)
		return pfri_fail(-ENOMEM, "no memory to keep what is queued");
	for (u_int n = 0; n < s->slots && (status(slot(s, n)) & TP_STATUS_USER); n++) {
		size_t at = (size_t)((u_char *)slot(s, n) - s->map);

		memcpy(copy + at, s->map + at, s->slot_size);
		((struct tpacket2_hdr *)(void *)(copy + at))->tp_status &= ~(u_int)TP_STATUS_COPY;
	}
	return pfri_afp_ring_replace(s->map, copy, s->bytes);
}

void pfri_slots_refilter(struct pfri_ring *r, struct pfri_slots *s)
{
	/* As pfri_tp3_refilter(): far beyond any bottom half. */
	s->refilter_ns = pfri_clock_ns(CLOCK_REALTIME) + 250000000u;
	r->refilter = PFRI_REFILTER_QUEUED;
}

/* The packets that an older filter took are all behind us once one is younger than it. */
static void refilter_check(struct pfri_ring *r, struct pfri_slots *s, u_int64_t ns)
{
	if (ns <= s->refilter_ns)
		return;
	s->refilter_ns = 0;
	if (r->refilter == PFRI_REFILTER_QUEUED)
		r->refilter = PFRI_REFILTER_NONE;
}

static struct pfri_frame frame_of(const struct pfri_afp *a, struct tpacket2_hdr *h)
{
	u_char *at = (u_char *)h;

	return (struct pfri_frame){
		.data = at + (a->cooked ? h->tp_net : h->tp_mac),
		.status = h->tp_status,
		.len = h->tp_len,
		.snaplen = h->tp_snaplen,
		.sec = h->tp_sec,
		.nsec = h->tp_nsec,
		.tci = h->tp_vlan_tci,
		.tpid = h->tp_vlan_tpid,
		.sll = (const void *)(at + TPACKET_ALIGN(sizeof(*h))),
	};
}

/* Whether the slot has not all that was to be kept of its frame. */
static bool is_cut(const struct pfri_ring *r, const struct pfri_slots *s,
		   const struct tpacket2_hdr *h)
{
	u_int32_t keep = r->whole ? MAX_CAPLEN : r->opt.caplen;

	return h->tp_mac + h->tp_snaplen == s->slot_size &&
	       h->tp_snaplen < min_val(h->tp_len, keep);
}

/*
 * Takes the frame of this slot out of the queue. The copy is of the whole
 * frame, whatever the kernel's filter said: so it is asked once more.
 */
static bool take_aside(struct pfri_ring *r, struct pfri_afp *a, struct pfri_slots *s,
		       struct tpacket2_hdr *h, struct pfring_packet *p)
{
	struct pfri_frame f = frame_of(a, h);
	ssize_t got;

	/* An error that waits on the socket is the interface's; it comes first, once. */
	while ((got = recv(a->fd, s->aside + HEADROOM, MAX_CAPLEN, MSG_DONTWAIT)) < 0) {
		if (errno == EAGAIN || errno == EBADF)
			return false;
		pfri_afp_look(r, a);
	}
	f.data = s->aside + HEADROOM;
	f.snaplen = (u_int32_t)got;
	pfri_frame_describe(r, a, &f, p);
	if (r->prog.len && !r->whole && r->refilter != PFRI_REFILTER_ALWAYS) {
		u_int keep = pfri_keeps(r, p);

		/* 0: it came under an older filter, and is the sieve's to judge. */
		if (keep && p->caplen > keep)
			p->caplen = keep;
	}
	return true;
}

int pfri_slots_recv(struct pfri_ring *r, struct pfri_afp *a, struct pfri_slots *s,
		    struct pfring_packet *pkt, u_int max)
{
	struct tpacket2_hdr *h;
	u_int n = 0;

	while (n < max && s->given < s->slots) {
		bool took = true;

		h = slot(s, s->given);
		if (!(status(h) & TP_STATUS_USER))
			break;
		if (__builtin_expect(h->tp_status & TP_STATUS_COPY || is_cut(r, s, h), 0)) {
			/* Alone: there is one place aside. */
			if (n)
				break;
			took = h->tp_status & TP_STATUS_COPY && take_aside(r, a, s, h, pkt);
			max = 1;
		} else {
			struct pfri_frame f = frame_of(a, h);

			__builtin_prefetch(slot(s, s->given + 2));
			pfri_frame_describe(r, a, &f, &pkt[n]);
		}
		s->given++;
		n += took;
		if (!took) {
			atomic_fetch_add(&s->cut, 1);
			pfri_slots_release(s);
		}
	}
	if (s->refilter_ns)
		refilter_check(r, s, n ? pkt[0].ts_ns : pfri_clock_ns(CLOCK_REALTIME));
	return (int)n;
}

void pfri_slots_release(struct pfri_slots *s)
{
	for (; s->given; s->given--) {
		__atomic_store_n(&slot(s, 0)->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
		s->cur = s->cur + 1 == s->slots ? 0 : s->cur + 1;
	}
}
