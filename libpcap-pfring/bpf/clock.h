/* SPDX-License-Identifier: BSD-3-Clause */
/* clock.h - the clocks that an eBPF producer can stamp packets with. */
#ifndef PFRI_BPF_CLOCK_H
#define PFRI_BPF_CLOCK_H

/* Which clock stamps packets; by what the kernel has and what was asked for. */
enum pfri_clock {
	PFRI_CLOCK_TAI,	      /* 6.1: follows steps of the system clock by itself */
	PFRI_CLOCK_MONOTONIC, /* before; the reader adds the distance to the epoch */
	PFRI_CLOCK_COARSE     /* 5.11: the last tick, monotonic; some 20 ns cheaper */
};

#endif /* PFRI_BPF_CLOCK_H */
