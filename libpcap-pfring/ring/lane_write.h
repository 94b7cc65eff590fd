/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lane_write.h - fills a lane from user space: the producer's half of
 * <linux/pf_ring_lane.h>, for rings between processes. One thread per
 * lane. The reader may be hostile: its position is checked, not believed.
 */
#ifndef PFRI_LANE_WRITE_H
#define PFRI_LANE_WRITE_H

#include "backend.h"

struct pfri_lane_writer {
	struct pfr_lane_prod *prod;
	const struct pfr_lane_cons *cons;
	u_char *data;
	u_int64_t size, pos;
	u_int64_t cons_cache;
	u_int32_t woken;
};

/* Takes up a lane of len bytes that pfri_lane_init() prepared. 0, -EPROTO, -EBADMSG. */
int pfri_lane_writer_attach(struct pfri_lane_writer *w, void *mem, size_t len);

/*
 * Writes one packet: *rec (its caplen says how long) and the bytes at data.
 * False: no room, the packet was counted as dropped.
 */
bool pfri_lane_put(struct pfri_lane_writer *w, const struct pfr_rec *rec, const void *data);

/* Makes everything put so far visible. True: the reader sleeps and is to be woken now. */
bool pfri_lane_publish(struct pfri_lane_writer *w);

#endif /* PFRI_LANE_WRITE_H */
