/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * pf_ring_lane.h - the ring: the memory that the kernel module, the eBPF
 * producer and user-space producers fill and that one consumer in libpfring
 * drains. Part two of <linux/pf_ring.h>, which includes it.
 */
#ifndef _UAPI_LINUX_PF_RING_LANE_H
#define _UAPI_LINUX_PF_RING_LANE_H

#include <linux/types.h>

#define MAX_CAPLEN 262144 /* libpcap's MAXIMUM_SNAPLEN: holds any GSO frame */

/*
 * A ring is made of lanes. One lane has exactly one producer at a time (a CPU
 * with bottom halves off, or one user-space thread) and one consumer, so no
 * lock and no compare-and-swap is on the packet's path; the consumer merges
 * lanes by time stamp. A lane is one stretch of memory:
 *
 *      0 +--------------------------+
 *        | struct pfr_lane_prod     |  written by the producer; read-only to
 *        |                          |  readers where the kernel owns it
 *   4096 +--------------------------+
 *        | struct pfr_lane_cons     |  written by the reader; the producer
 *        |                          |  range-checks every value it takes
 *   8192 +--------------------------+
 *        | data, data_size bytes    |  records, PFR_REC_ALIGN aligned;
 *        | (a power of two)         |  position p lies at p & (data_size - 1)
 *        +--------------------------+
 *        | slack, PFR_LANE_SLACK    |  a record that starts before the end of
 *        |                          |  data runs on in here: never split, and
 *        +--------------------------+  never read from the front of data
 *
 * Positions are 64-bit byte counts that only grow. Invariants:
 *      cons <= prod <= cons + data_size
 *
 * Barriers (the letters are used at every place in the code):
 *
 *   producer                               consumer
 *   --------                               --------
 *   load cons               (A)            read records
 *   if no room: drops++, done              store-release cons    (B)
 *   write record            (C)            load-acquire prod     (D)
 *   store-release prod      (E)            read records
 *   load need_wakeup        (F)            store need_wakeup     (G)
 *                                          full barrier          (H)
 *                                          load prod again, then sleep
 *
 *   A pairs with B: room is reused only after the reader is done with it. A is
 *     an acquire, or a load on which the stores of C depend by control.
 *   C before E pairs with D: who sees the position sees the record.
 *   E..F against G..H: with a full barrier between E and F on the producer's
 *     side, either the producer sees need_wakeup or the consumer sees the new
 *     position. A producer that cannot afford the barrier (eBPF) can miss a
 *     wake-up in one case only: F was read while E still sat in its store
 *     buffer. So the consumer's first sleep after G is short; when it is over
 *     E has long drained, one more load of prod tells, and only then does the
 *     consumer sleep as long as it likes.
 *
 * Each side writes its own pages only. need_wakeup is therefore the number of
 * the sleep, not a flag that the producer would have to clear: the producer
 * wakes the reader once per number that it has not seen before.
 *
 * A pool. A burst comes in on one CPU: lanes of
 * a fixed size would leave the memory of all others unused. So a producer with
 * many lanes may keep their data in segments that belong to no lane for good.
 * A lane is then its two pages only, and segment v of its endless sequence of
 * bytes (position / segment) lies where place[v % PFR_MAX_SEGMENTS] says, an
 * index into the pool. Lanes share the pool in groups: lane i takes segments of
 * group i % groups, whose free ones are the bits set in pfr_lane_cons.free of
 * lane i % groups; the bit of a segment is the one for which PFR_SEGMENT_OF()
 * gives its number.
 *
 *   producer, its segment full             consumer, past the end of segment v
 *   ------------------------               ------------------------------
 *   clear a bit of free, lowest  (I)       read place[v], read the records
 *   write place[v], write SKIP   (C)       set the bit of place[v]      (J)
 *   store-release prod           (E)       store-release cons           (B)
 *
 *   I pairs with J: both are atomic read-modify-write operations, J a release
 *     and I an acquire; a segment is written again only after its reader is
 *     done with it, and it has one lane at a time. No bit set means full. A
 *     group has at most PFR_MAX_SEGMENTS segments, so no two that a lane has in
 *     flight share an entry of place.
 *   The lowest bit first: a reader that keeps up frees the segments that are
 *     taken next, so few are in use and stay in the cache.
 *   With a pool no record crosses the end of its segment: a record with
 *     PFR_REC_SKIP fills the rest.
 */

#define PFR_RING_MAGIC 0x50465231u /* "PFR1" */
#define PFR_REC_ALIGN  32          /* header + 60 bytes lie within two cache lines */
#define PFR_LANE_DATA  8192
#define PFR_MAX_REC    (32 + MAX_CAPLEN + 4 /* VLAN tag put back */ + PFR_REC_ALIGN)
#define PFR_LANE_SLACK 270336 /* PFR_MAX_REC rounded up to pages: 66 * 4096 */

#define PFR_CACHE_LINE   64
#define PFR_MAX_SEGMENTS 64

/*
 * From the one bit set in bit to a number below 64, a different one for each:
 * a multiplication and a shift, because a program that looked for the bit's
 * place would have 64 paths for the kernel's verifier to follow.
 */
#define PFR_DE_BRUIJN       0x03f79d71b4cb0a89ULL
#define PFR_SEGMENT_OF(bit) ((__u8)((__u64)(bit) * PFR_DE_BRUIJN >> 58))

struct pfr_lane_prod {
	/* Written once, before the lane is handed out. */
	__u32 magic;
	__u32 abi;       /* PF_RING_ABI_VERSION */
	__u64 data_size; /* bytes that the lane can hold; without a pool a power of two */
	__u32 lane;      /* number of this lane, from 0 */
	__u32 lanes;     /* how many there are in the ring */
	__u64 segment;   /* bytes, a power of two; 0: no pool, data follows the two pages */
	__u8 pad0[PFR_CACHE_LINE - 32];
	/* The position, alone on its line: the consumer polls it. */
	__u64 prod;
	__u8 pad1[PFR_CACHE_LINE - 8];
	/* The producer's own: its copy of cons, and its books. */
	__u64 cons_cache;
	__u64 drops;    /* packets that passed every filter and found no room */
	__u64 accepted; /* packets written */
	__u64 wakeups;
	__u32 woken; /* the last need_wakeup that was answered */
	__u32 reserved;
	__u64 lost; /* lane 0 only: packets of CPUs that have no lane (plugged in later) */
	/* With a pool: */
	__u64 at;   /* where in it the next record goes */
	__u64 left; /* room left in this segment */
	__u8 place[PFR_MAX_SEGMENTS]; /* written before a position in that segment is published */
	__u64 filtered; /* eBPF: packets that rules or the policy refused */
};

struct pfr_lane_cons {
	__u64 cons;
	__u8 pad0[PFR_CACHE_LINE - 8];
	__u32 need_wakeup; /* 0, or the number of the sleep that the reader is about to begin */
	__u32 watermark;   /* bytes queued that are worth waking it */
	__u8 pad1[PFR_CACHE_LINE - 8];
	__u64 free; /* with a pool, in the first lane of each group: its free segments */
	__u8 pad2[PFR_CACHE_LINE - 8];
};

/*
 * One record: this header, then caplen bytes of frame with any stripped VLAN
 * tag put back, then padding to PFR_REC_ALIGN.
 */
struct pfr_rec {
	__u64 ts_ns;   /* since the epoch, or since boot where the ring's owner says so */
	__u32 caplen;  /* bytes that follow, tag included */
	__u32 len;     /* bytes on the wire, tag included */
	__u32 ifindex;
	__u32 hash;      /* as pfring_extended_pkthdr.pkt_hash; eBPF: the filter's generation */
	__u16 vlan_tci;  /* with PFR_REC_VLAN: the tag that was stripped */
	__u16 vlan_tpid; /* host byte order */
	__u8 pkttype;    /* PACKET_HOST .. PACKET_OUTGOING of <linux/if_packet.h> */
	__u8 flags;      /* PFR_REC_* */
	__u16 queue;     /* receive queue + 1, 0 if not known */
};

#define PFR_REC_VLAN     0x01 /* a stripped tag was put back behind the addresses */
#define PFR_REC_GSO      0x02
#define PFR_REC_CSUM     0x04 /* checksum not filled in yet */
#define PFR_REC_TS_HW    0x08
#define PFR_REC_CSUM_OK  0x10
#define PFR_REC_DEFRAG   0x20 /* put together from IP fragments */
#define PFR_REC_SKIP     0x40 /* no packet: go on at the next segment (pool) or at the front */
#define PFR_REC_DECIDED  0x80 /* eBPF: rules were evaluated and let it pass */

#define PFR_REC_SIZE(caplen) \
	(((__u64)sizeof(struct pfr_rec) + (caplen) + PFR_REC_ALIGN - 1) & ~(__u64)(PFR_REC_ALIGN - 1))

#ifdef __cplusplus
#define PFR_ASSERT(x, m) static_assert(x, m)
#else
#define PFR_ASSERT(x, m) _Static_assert(x, m)
#endif
PFR_ASSERT(sizeof(struct pfr_lane_prod) == 264, "pfr_lane_prod is shared memory");
PFR_ASSERT(sizeof(struct pfr_lane_cons) == 192, "pfr_lane_cons is shared memory");
PFR_ASSERT(sizeof(struct pfr_rec) == 32, "pfr_rec is shared memory");
PFR_ASSERT(PFR_LANE_SLACK % 4096 == 0 && PFR_LANE_SLACK >= PFR_MAX_REC, "slack holds one record");

#endif /* _UAPI_LINUX_PF_RING_LANE_H */
