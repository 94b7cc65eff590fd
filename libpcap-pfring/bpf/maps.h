/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * maps.h - the memory that an eBPF producer fills: one lane per CPU and a pool
 * of segments that they share, in mappable BPF arrays, and a small BPF ring
 * buffer that only wakes the reader.
 *
 * Everything belongs to descriptors and mappings; when the process is gone,
 * so is all of it.
 */
#ifndef PFRI_BPF_MAPS_H
#define PFRI_BPF_MAPS_H

#include "lane.h"

/* Where in the maps things lie; the producer's program has it in its constants. */
struct pfri_layout {
	int lanes_fd;	   /* array of one element: PFR_LANE_DATA bytes per lane */
	int pool_fd;	   /* array of chunks elements */
	int wake_fd;	   /* ring buffer */
	u_int lanes;	   /* one per CPU */
	u_int groups;	   /* of the pool; lane i belongs to group i % groups */
	u_int each;	   /* segments of a group */
	u_int64_t segment; /* bytes, a power of two */
	u_int chunks;	   /* elements of the pool's array: more than one before Linux 6.9 */
	u_int64_t chunk;   /* bytes of segments in each; a power of two if there are several */
};

struct pfri_maps {
	struct pfri_layout at;
	u_char *lane_mem, *pool_mem;
	size_t lane_bytes, pool_bytes;
	const u_char **place; /* the address of each segment */
	u_int64_t *wake_read; /* the wake buffer's positions */
	const u_int64_t *wake_written;
	struct pfri_lanes lanes;
};

/* What the kernel can do; tests make it less. */
struct pfri_maps_limits {
	bool private_;	   /* no atomic operation that returns the old value (before Linux 5.12):
			    * every lane has a group for itself */
	u_int64_t element; /* bytes of an array's element, 0: no limit */
};

/*
 * Makes and maps lanes for every CPU over a pool of about so many bytes (less
 * where the kernel refuses that much), in segments that hold a record of
 * longest bytes. 0 or negative with the reason told.
 */
int pfri_maps_open(struct pfri_maps *m, u_int64_t bytes, u_int32_t longest,
		   const struct pfri_maps_limits *limits);
void pfri_maps_close(struct pfri_maps *m);

/* Bytes of data that the pool holds. */
static inline u_int64_t pfri_maps_data(const struct pfri_maps *m)
{
	return m->at.segment * m->at.each * m->at.groups;
}

/* Whether this process may make such maps on this kernel. */
bool pfri_maps_possible(void);

/* Makes wake_fd unreadable until the next wake-up. */
void pfri_maps_drain_wake(struct pfri_maps *m);

u_int pfri_maps_cpus(void);

#endif /* PFRI_BPF_MAPS_H */
