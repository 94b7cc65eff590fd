/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lane.h - the one reader of rings in the format of <linux/pf_ring_lane.h>.
 *
 * Whoever fills the lanes (the kernel module, an eBPF program, another
 * process), they are drained here: merged by time, checked record by record,
 * handed out where they lie. Nothing in a lane is believed: a hostile
 * producer can give wrong packets, never a bad pointer or length. One thread
 * at a time.
 */
#ifndef PFRI_LANE_H
#define PFRI_LANE_H

#include "backend.h"

/* Memory that lanes share; the owner's own copy of where it lies. */
struct pfri_pool {
	const u_char *const *place; /* groups * each addresses of segments */
	u_int64_t segment;	    /* bytes of one, a power of two */
	u_int groups, each;	    /* how many groups, of so many segments (at most 64) */
};

/* One lane, with private copies of all that must not change under us. */
struct pfri_lane {
	const struct pfr_lane_prod *prod;
	struct pfr_lane_cons *cons;
	const u_char *data;	    /* without a pool */
	const u_char *const *place; /* with a pool: the segments of the lane's group */
	u_int each;		    /* how many those are */
	__u64 *free;		    /* which of them nobody has */
	u_int64_t size;		    /* bytes that the lane can hold */
	u_int64_t segment;	    /* of one segment; size without a pool */
	const u_char *base;	    /* of the segment that pos is in, if entered */
	bool entered;		    /* base is right */
	u_int64_t pos;		    /* next record to hand out */
	u_int64_t released;	    /* what cons holds */
	u_int64_t limit;	    /* prod, as last read */
	u_int64_t ts;		    /* of the record at pos, if caplen is valid */
	u_int32_t caplen;	    /* of the record at pos, checked */
	bool ready;		    /* the record at pos was checked and is a packet */
};

struct pfri_lanes {
	struct pfri_lane *lane; /* n of them; the caller's memory */
	u_int n;
	u_int32_t sleep;     /* number of the last sleep announced */
	u_int32_t hash_mask; /* 0 where the producer keeps something else in pfr_rec.hash */
	u_int8_t decided;    /* PFR_REC_DECIDED if the reader asks for it, else 0 */
	int64_t epoch_ns;    /* added to time stamps: from the ring's clock to the epoch */
	u_int64_t corrupt;   /* times a lane was found invalid and given up to its end */
};

/* Bytes of one lane with data_size bytes of data. */
static inline size_t pfri_lane_bytes(u_int64_t data_size)
{
	return PFR_LANE_DATA + data_size + PFR_LANE_SLACK;
}

/*
 * Between a store and a later load. ThreadSanitizer does not know fences; it
 * needs not, because no data is handed over by this one.
 */
static inline void pfri_full_barrier(void)
{
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wtsan"
#endif
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
}

/* For the owner of the memory, zeroed: writes what a reader expects before the first record. */
void pfri_lane_init(void *mem, u_int64_t data_size, u_int32_t lane, u_int32_t lanes);
/* The same for n lanes of PFR_LANE_DATA bytes each, one after another, over a pool. */
void pfri_lanes_init_pool(void *mem, const struct pfri_pool *pool, u_int32_t n);

/*
 * Takes up a lane that lies in len bytes at mem. 0, -EPROTO if it is of
 * another ABI, or -EBADMSG if it does not fit its memory.
 */
int pfri_lane_attach(struct pfri_lane *l, void *mem, size_t len);

/* Takes up lanes over a pool before their first record; the pool's table must outlive them. */
void pfri_lanes_attach_pool(struct pfri_lanes *ls, void *mem, const struct pfri_pool *pool);

/*
 * Up to max packets, in the order of their time stamps. Packets stamped after
 * horizon (on the ring's clock, read before this call; UINT64_MAX: no limit)
 * are left for the next call: an older one may still be on its way in a lane
 * that was looked at earlier. Returns how many.
 */
u_int pfri_lanes_recv(struct pfri_lanes *ls, struct pfring_packet *pkt, u_int max,
		      u_int64_t horizon);

/* Gives all that was handed out back to the producers. */
void pfri_lanes_release(struct pfri_lanes *ls);

/*
 * Announces a sleep that producers end when a lane holds watermark bytes.
 * False: that much is there already, nothing was announced.
 */
bool pfri_lanes_arm(struct pfri_lanes *ls, u_int32_t watermark);
void pfri_lanes_disarm(struct pfri_lanes *ls);

/* Whether a lane holds bytes (at least 1) not handed out yet. */
bool pfri_lanes_hold(const struct pfri_lanes *ls, u_int64_t bytes);

u_int64_t pfri_lanes_queued(const struct pfri_lanes *ls);
/* Sums of the producers' books. */
void pfri_lanes_books(const struct pfri_lanes *ls, u_int64_t *accepted, u_int64_t *drops,
		      u_int64_t *wakeups);

/* Packets that the producers refused by rules. */
u_int64_t pfri_lanes_filtered(const struct pfri_lanes *ls);

void pfri_lane_describe(const struct pfri_lane *l, struct pfring_lane *d);

#endif /* PFRI_LANE_H */
