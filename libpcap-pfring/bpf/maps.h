/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * maps.h - the memory that an eBPF producer fills: one lane per CPU in a
 * mappable BPF array, and a small BPF ring buffer that only wakes the reader.
 *
 * Everything belongs to descriptors and mappings; when the process is gone,
 * so is all of it.
 */
#ifndef PFRI_BPF_MAPS_H
#define PFRI_BPF_MAPS_H

#include "lane.h"

struct pfri_maps {
	int lanes_fd, wake_fd;
	u_char *mem; /* all lanes, stride apart */
	size_t bytes, stride;
	u_int64_t data_size, segment; /* of one lane */
	u_int64_t *wake_read;	      /* the wake buffer's positions */
	const u_int64_t *wake_written;
	struct pfri_lanes lanes;
};

/*
 * Makes and maps lanes for every CPU, data_size bytes each or, where the
 * kernel refuses that much, less, in segments that hold a record of longest
 * bytes. 0 or negative with the reason told.
 */
int pfri_maps_open(struct pfri_maps *m, u_int64_t data_size, u_int32_t longest);
void pfri_maps_close(struct pfri_maps *m);

/* Makes wake_fd unreadable until the next wake-up. */
void pfri_maps_drain_wake(struct pfri_maps *m);

u_int pfri_maps_cpus(void);

#endif /* PFRI_BPF_MAPS_H */
