// SPDX-License-Identifier: BSD-3-Clause
/*
 * calls.c - what one call costs that the overlay only passes on.
 *
 * Nanoseconds per pcap_snapshot() of a handle that needs no device, through
 * the dynamic linker's table as any program calls it; the quickest of ten
 * runs. Prints one JSON object.
 */
#include <pcap/pcap.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define CALLS 2000000
#define RUNS 10

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int main(void)
{
	pcap_t *p = pcap_open_dead(1, 1);
	uint64_t best = UINT64_MAX, sum = 0;

	for (int run = 0; run < RUNS; run++) {
		uint64_t start = now_ns(), took;

		for (int i = 0; i < CALLS; i++)
			sum += (uint64_t)pcap_snapshot(p);
		took = now_ns() - start;
		best = took < best ? took : best;
	}
	pcap_close(p);
	printf("{\"ns\": %.4f, \"library\": \"%s\"}\n", (double)best / CALLS, pcap_lib_version());
	return sum != (uint64_t)CALLS * RUNS;
}
