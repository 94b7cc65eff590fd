/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * producer.h - the eBPF socket filter that fills the ring.
 *
 * Written instruction by instruction by our own code: no compiler, no ELF and
 * no libbpf on the user's machine. Attached to an AF_PACKET socket it sees
 * what tcpdump sees; it runs the filter, copies header and bytes into the lane
 * of its CPU, and returns 0, so that the socket itself keeps nothing.
 */
#ifndef PFRI_PRODUCER_H
#define PFRI_PRODUCER_H

#include <linux/filter.h>

#include "clock.h"
#include "ebpf.h"

struct pfri_producer {
	int lanes_fd, wake_fd;	     /* maps.h */
	uint64_t data_size, segment; /* of a lane; no record is longer than a segment */

	uint32_t caplen;     /* no record holds more, put-back tag included */
	uint32_t generation; /* of the filter; goes into every record's hash */
	enum pfri_clock clock;
};

/* The whole program: filter (classic, checked), then the capture. As pfri_bpf_translate(). */
int pfri_producer_emit(struct pfri_ebpf *e, const struct pfri_producer *p,
		       const struct sock_filter *filter, unsigned len);

#endif /* PFRI_PRODUCER_H */
