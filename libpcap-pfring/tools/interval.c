/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * interval - how packets are spaced: the time between each and the next.
 */
#include <math.h>

#include "capture.h"

static struct tool_capture capture = {.caplen = 64, .flags = PF_RING_PROMISC | PF_RING_TIMESTAMP};
static bool verbose;

static const struct tool_option options[] = {
	TOOL_DEVICE(&capture.device),
	TOOL_FILTER(&capture.filter),
	TOOL_TRUE('v', "verbose", "a line for each interval, in nanoseconds", &verbose),
	TOOL_COUNT("stop after so many", &capture.count),
	TOOL_DURATION('d', &capture.seconds),
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

static void note(const struct pfring_packet *p)
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

static int note_all(const struct pfring_packet *packets, u_int n)
{
	for (u_int i = 0; i < n; i++)
		note(&packets[i]);
	return 0;
}

int main(int argc, char **argv)
{
	pfring *ring;
	int rc;

	tool_options(&tool, argc, argv);
	ring = tool_capture_open(&tool, &capture, capture.device);
	tool_capture_start(&tool, &capture, ring);
	tool_say("Capturing");
	rc = tool_capture_run(&capture, ring, note_all, NULL);
	print();
	tool_check(&tool, rc);
	pfring_close(ring);
	return 0;
}
