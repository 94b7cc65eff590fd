/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tpacket.c - walks a TPACKET_V3 ring in place (see tpacket.h).
 *
 * Layout of one block (linux/if_packet.h): tpacket_block_desc, then frames
 * chained by tp_next_offset, each
 *
 *      tpacket3_hdr | sockaddr_ll | room | frame
 *                                        ^ tp_mac
 *
 * A stripped VLAN tag is put back by moving the two addresses four bytes down
 * into the room, which the kernel leaves in front of every Ethernet header;
 * a cooked header is built there too (PACKET_RESERVE makes room for both).
 *
 * Barrier: block_status is the hand-over in both directions; acquire here
 * pairs with the kernel's smp_wmb() before TP_STATUS_USER, release here with
 * its read of TP_STATUS_KERNEL.
 */
#include <stddef.h>
#include <sys/mman.h>

#include "afpacket_frame.h"
#include "afpacket_ring.h"
#include "tpacket.h"

#define FRAME_OVERHEAD 256 /* header, address, alignment and reserve, rounded up generously */
#define SMALL_BLOCK (16u << 10)
#define LARGE_BLOCK (1u << 20) /* a wake-up for each: it costs as much as a hundred packets */
#define LASTING_BLOCK (128u << 10)
#define LIBPCAP_BLOCKS 8      /* of its default ring */
#define MOST_BYTES (2u << 30) /* the kernel counts a ring's bytes in 32 bits */
#define DEFAULT_RETIRE 2      /* ms; a packet waits at most twice that */

/*
 * The retire timer spends a block on each packet of a trickle. A program over libpcap may stand
 * still for as many of its time-outs as libpcap's ring has blocks; where ours are closed sooner
 * there have to be more of them.
 */
static u_int64_t lasting(const struct pfri_ring *r, u_int64_t want, u_int64_t size)
{
	u_int64_t blocks = LIBPCAP_BLOCKS * (u_int64_t)max_val(r->opt.to_ms, 0) / r->opt.timeout_ms;

	while (size > LASTING_BLOCK && want / size < blocks)
		size /= 2;
	return size;
}

/*
 * A block must hold the longest frame. Beyond that, small blocks waste less
 * when the retire timer closes them, larger ones wake the reader less often.
 */
static u_int pick_block_size(const struct pfri_ring *r, const struct pfri_afp *a, bool batched,
			     u_int64_t want)
{
	u_int frame = a->offload || !a->mtu ? PFRI_LONGEST_FRAME : a->mtu + 14 + 8;
	u_int page = (u_int)sysconf(_SC_PAGESIZE), least = SMALL_BLOCK;
	u_int size;

	if (batched)
		least = (u_int)lasting(r, want, min_val(want / 8, (u_int64_t)LARGE_BLOCK));
	if (frame > r->opt.caplen)
		frame = r->opt.caplen;
	size = frame + FRAME_OVERHEAD + (u_int)sizeof(struct tpacket_block_desc);
	if (size < least)
		size = least;
	return (size + page - 1) & ~(page - 1);
}

int pfri_tp3_open(struct pfri_ring *r, struct pfri_afp *a, struct pfri_tp3 *t)
{
	union tpacket_req_u req = {0};
	u_int64_t want = r->opt.buffer_bytes ? r->opt.buffer_bytes : PFRI_RING_BYTES;
	int rc;

	t->retire_ms = r->opt.timeout_ms > 0 ? (u_int)r->opt.timeout_ms : DEFAULT_RETIRE;
	want = min_val(want, MOST_BYTES);
	rc = pfri_afp_ring_version(a, TPACKET_V3);
	if (rc)
		return rc;
	t->block_size = pick_block_size(r, a, t->retire_ms >= PFRI_TP3_BATCHED_MS, want);
	req.req3.tp_block_size = req.req3.tp_frame_size = t->block_size;
	req.req3.tp_block_nr = (u_int)(want / t->block_size);
	req.req3.tp_retire_blk_tov = t->retire_ms;
	rc = pfri_afp_ring_make(a, &req, &t->map);
	t->blocks = req.req3.tp_block_nr;
	t->bytes = (size_t)t->block_size * t->blocks;
	return rc;
}

void pfri_tp3_close(struct pfri_tp3 *t)
{
	if (t->map)
		munmap(t->map, t->bytes);
	t->map = NULL;
}

static struct tpacket_hdr_v1 *block(const struct pfri_tp3 *t, u_int i)
{
	return &((struct tpacket_block_desc *)(void *)(t->map + (size_t)i * t->block_size))
			->hdr.bh1;
}

static u_int status(const struct pfri_tp3 *t, u_int i)
{
	return __atomic_load_n(&block(t, i)->block_status, __ATOMIC_ACQUIRE);
}

bool pfri_tp3_ready(const struct pfri_tp3 *t)
{
	return t->map && (t->left || (!t->walking && (status(t, t->cur) & TP_STATUS_USER)));
}

u_int64_t pfri_tp3_queued(const struct pfri_tp3 *t)
{
	u_int64_t bytes = 0;

	if (!t->map)
		return 0;
	for (u_int i = 0; i < t->blocks; i++)
		if (status(t, i) & TP_STATUS_USER)
			bytes += block(t, i)->blk_len;
	return bytes;
}

int pfri_tp3_freeze(struct pfri_tp3 *t)
{
	u_char *copy =
		mmap(NULL, t->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	u_int i = t->cur, n;

	if (copy == MAP_FAILED)
		return pfri_fail(-ENOMEM, "no memory to keep what is queued");
	/* Full blocks from the reader's on; the one behind them is the kernel's open one. */
	for (n = 0; n < t->blocks; n++) {
		bool open = !(status(t, i) & TP_STATUS_USER);
		size_t at = (size_t)i * t->block_size;

		memcpy(copy + at, t->map + at, t->block_size);
		if (open) {
			struct tpacket_block_desc *bd = (void *)(copy + at);

			bd->hdr.bh1.block_status = bd->hdr.bh1.num_pkts ? TP_STATUS_USER : 0;
			break;
		}
		i = i + 1 == t->blocks ? 0 : i + 1;
	}
	return pfri_afp_ring_replace(t->map, copy, t->bytes);
}

bool pfri_tp3_end(struct pfri_tp3 *t)
{
	struct tpacket_hdr_v1 *bh = block(t, t->cur);

	if (t->ended || t->walking || !bh->num_pkts)
		return false;
	/* Only once: the kernel may still retire it, when that is over. */
	t->ended = true;
	__atomic_store_n(&bh->block_status, TP_STATUS_USER, __ATOMIC_RELEASE);
	return true;
}

void pfri_tp3_refilter(struct pfri_ring *r, struct pfri_tp3 *t)
{
	/*
	 * A packet that the old filter let pass may still be on its way on another
	 * CPU; a quarter of a second is far beyond any bottom half.
	 */
	t->refilter_ns = pfri_clock_ns(CLOCK_REALTIME) + 250000000u;
	r->refilter = PFRI_REFILTER_QUEUED;
}

/* At a block's start: are the packets that an older filter took all behind us? */
static void refilter_check(struct pfri_ring *r, struct pfri_tp3 *t, const struct tpacket_hdr_v1 *bh)
{
	u_int64_t first =
		(u_int64_t)bh->ts_first_pkt.ts_sec * 1000000000u + bh->ts_first_pkt.ts_nsec;

	if (first > t->refilter_ns) {
		t->refilter_ns = 0;
		if (r->refilter == PFRI_REFILTER_QUEUED)
			r->refilter = PFRI_REFILTER_NONE;
	}
}

static void describe(const struct pfri_ring *r, const struct pfri_afp *a, u_char *frame,
		     struct pfring_packet *p)
{
	const struct tpacket3_hdr *h = (const struct tpacket3_hdr *)(void *)frame;
	const struct pfri_frame f = {
		.data = frame + (a->cooked ? h->tp_net : h->tp_mac),
		.status = h->tp_status,
		.len = h->tp_len,
		.snaplen = h->tp_snaplen,
		.sec = h->tp_sec,
		.nsec = h->tp_nsec,
		.tci = h->hv1.tp_vlan_tci,
		.tpid = h->hv1.tp_vlan_tpid,
		.sll = (const void *)(frame + TPACKET_ALIGN(sizeof(struct tpacket3_hdr))),
	};

	pfri_frame_describe(r, a, &f, p);
}

/* Until when a block may be open that holds packets from before refilter_ns; twice the most. */
static u_int64_t open_until(const struct pfri_tp3 *t)
{
	return t->refilter_ns + 4 * (u_int64_t)t->retire_ms * 1000000u;
}

int pfri_tp3_recv(struct pfri_ring *r, struct pfri_afp *a, struct pfri_tp3 *t,
		  struct pfring_packet *pkt, u_int max)
{
	u_char *frame;
	u_int n;

	if (!t->left) {
		struct tpacket_hdr_v1 *bh;

		pfri_tp3_release(t);
		if (!(status(t, t->cur) & TP_STATUS_USER)) {
			if (t->refilter_ns && pfri_clock_ns(CLOCK_REALTIME) > open_until(t)) {
				t->refilter_ns = 0;
				if (r->refilter == PFRI_REFILTER_QUEUED)
					r->refilter = PFRI_REFILTER_NONE;
			}
			return 0;
		}
		bh = block(t, t->cur);
		t->walking = true;
		t->left = bh->num_pkts;
		t->next = (u_char *)bh - offsetof(struct tpacket_block_desc, hdr.bh1) +
			  bh->offset_to_first_pkt;
		if (t->refilter_ns)
			refilter_check(r, t, bh);
	}
	n = min_val(t->left, max);
	frame = t->next;
	for (u_int i = 0; i < n; i++) {
		u_int step = ((struct tpacket3_hdr *)(void *)frame)->tp_next_offset;
		u_char *after = frame + step;

		/*
		 * A header and the line behind it, where the frame's own bytes begin.
		 * Frames in a row are mostly of one size: look three ahead, for a line
		 * takes longer to come from the other core than a frame to describe.
		 */
		__builtin_prefetch(after + 2 * (size_t)step);
		__builtin_prefetch(after + 2 * (size_t)step + 64);
		describe(r, a, frame, &pkt[i]);
		frame = after;
	}
	t->next = frame;
	t->left -= n;
	return (int)n;
}

void pfri_tp3_release(struct pfri_tp3 *t)
{
	if (!t->walking || t->left)
		return;
	/* The kernel may open it much later (a full ring), and somebody may look before that. */
	block(t, t->cur)->num_pkts = 0;
	__atomic_store_n(&block(t, t->cur)->block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	t->cur = t->cur + 1 == t->blocks ? 0 : t->cur + 1;
	t->walking = false;
	t->released++;
}
