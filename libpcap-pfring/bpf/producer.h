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
#include "decide.h"
#include "ebpf.h"
#include "maps.h"

struct pfri_producer {
	struct pfri_layout at;
	bool private_;	     /* as in struct pfri_maps_limits */
	uint32_t caplen;     /* no record holds more, put-back tag included, nor than a segment */
	uint32_t generation; /* of the filter; goes into every record's hash */
	enum pfri_clock clock;
	const struct pfri_decider *decider; /* evaluates rules; NULL: there are none */
};

/* The whole program: filter (classic, checked), then the capture. As pfri_bpf_translate(). */
int pfri_producer_emit(struct pfri_ebpf *e, const struct pfri_producer *p,
		       const struct sock_filter *filter, unsigned len);

#endif /* PFRI_PRODUCER_H */
