/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * interval - how packets are spaced: the time between each and the next.
 */
#include <math.h>

#include "common.h"

static const struct tool_option options[] = {
	{'i', "device", "DEVICE", "what to capture from (alldevs lists them; file:PATH)"},
	{'f', "filter", "EXPRESSION", "only packets of this pcap-filter(7)"},
	{'v', "verbose", NULL, "a line for each interval, in nanoseconds"},
	{'n', "count", "PACKETS", "stop after so many"},
	{'d', "duration", "SECONDS", "stop after so long"},
	{0},
};

static const struct tool tool = {
	.name = "interval",
	.summary = "measure the time between packets",
	.options = options,
};

/* Decades from below 1 us to 1 s and more. */
static const char *const decades[] = {
	"      < 1 us",	 "1 us -  10 us",  "10 us - 100 us", "100 us -  1 ms",
	"1 ms -  10 ms", "10 ms - 100 ms", "100 ms -   1 s", "     >=   1 s",
};

static struct {
	u_int64_t packets, last, min, max;
	double sum, squares;
	u_int64_t in[8];
	u_int64_t backwards; /* stamped before the packet in front of it */
} seen = {.min = UINT64_MAX};

static void note(const struct pfring_packet *p, bool verbose)
{
	u_int64_t gap, limit = 1000;
	u_int d = 0;

	if (seen.packets++ == 0) {
		seen.last = p->ts_ns;
		return;
	}
	if (p->ts_ns < seen.last)
		seen.backwards++;
	gap = p->ts_ns > seen.last ? p->ts_ns - seen.last : 0;
	seen.last = p->ts_ns;
	seen.min = min_val(seen.min, gap);
	seen.max = max_val(seen.max, gap);
	seen.sum += (double)gap;
	seen.squares += (double)gap * (double)gap;
	for (; d < 7 && gap >= limit; d++)
		limit *= 10;
	seen.in[d]++;
	if (verbose)
		printf("%llu\n", (unsigned long long)gap);
}

static void print(void)
{
	double n = (double)seen.packets - 1, mean = n > 0 ? seen.sum / n : 0;

	printf("%llu packets, %llu intervals\n", (unsigned long long)seen.packets,
	       (unsigned long long)(seen.packets ? seen.packets - 1 : 0));
	if (n <= 0)
		return;
	printf("min %llu ns, mean %.0f ns, max %llu ns, deviation %.0f ns, backwards %llu\n",
	       (unsigned long long)seen.min, mean, (unsigned long long)seen.max,
	       sqrt(fmax(0, seen.squares / n - mean * mean)), (unsigned long long)seen.backwards);
	for (u_int d = 0; d < 8; d++)
		if (seen.in[d])
			printf("%16s %12llu %5.1f %%\n", decades[d], (unsigned long long)seen.in[d],
			       100 * (double)seen.in[d] / n);
}

int main(int argc, char **argv)
{
	static struct pfring_packet packets[TOOL_BATCH];
	const char *device = NULL, *filter = NULL;
	u_int64_t most = 0, seconds = 0;
	struct tool_clock clock;
	bool verbose = false;
	pfring *ring;
	int c, n = 0;

	while ((c = tool_next(&tool, argc, argv)) != -1) {
		switch (c) {
		case 'i':
			device = optarg;
			break;
		case 'f':
			filter = optarg;
			break;
		case 'v':
			verbose = true;
			break;
		case 'n':
			most = tool_number(&tool, "a count", 1, UINT64_MAX);
			break;
		case 'd':
			seconds = tool_number(&tool, "a duration", 1, 100000000);
			break;
		}
	}
	ring = tool_open(&tool, device, 64, PF_RING_PROMISC | PF_RING_TIMESTAMP);
	if (filter)
		tool_check(&tool, pfring_set_bpf_filter(ring, filter));
	tool_on_stop(ring);
	tool_enable(&tool, ring);
	tool_clock_start(&clock, seconds);
	clock.next = clock.start + 3600ull * 1000000000u; /* nothing to print in between */
	puts("Capturing");
	fflush(stdout);
	while (!tool_stopped && !tool_clock_over(&clock) && (!most || seen.packets < most)) {
		n = pfring_recv_batch(ring, packets,
				      most ? (u_int)min_val(most - seen.packets, TOOL_BATCH)
					   : TOOL_BATCH,
				      tool_clock_wait(&clock));
		if (n < 0 && n != -EINTR)
			break;
		for (int i = 0; i < n; i++)
			note(&packets[i], verbose);
	}
	print();
	if (n < 0 && n != -EINTR && n != -ENODATA)
		tool_die(&tool, "%s", pfring_last_error());
	pfring_close(ring);
	return 0;
}
