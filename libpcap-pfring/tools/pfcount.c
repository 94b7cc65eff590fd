/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfcount - receives packets and counts them: the guide's first example.
 *
 * Reads batches where they lie in the ring, so that counting costs no more
 * than looking at the descriptors.
 */
#include "capture.h"

static struct tool_capture capture = {.caplen = 1536, .flags = PF_RING_PROMISC | PF_RING_TIMESTAMP};
static const char *search;
static u_int32_t sampling;
static bool touch, verbose;

static const struct tool_option options[] = {
	TOOL_DEVICE(&capture.device),
	TOOL_CAPLEN("(default 1536)", &capture.caplen),
	TOOL_DIRECTION(&capture.direction),
	TOOL_FILTER(&capture.filter),
	TOOL_TEXT('s', "search", "STRING", "only packets with this in their payload", &search),
	TOOL_CLUSTER(&capture.cluster),
	{'H', "cluster-type", "TYPE", "how: 6-tuple (default), 2-tuple, round-robin ..."},
	TOOL_NUMBER('S', "sampling", "RATE", "one of so many packets", &sampling, "a rate", 1,
		    1000000000),
	TOOL_WATERMARK("wake up when so many are there", &capture.watermark),
	TOOL_NUMBER('p', "poll", "MS",
		    "longest time that packets may be held back (default 100, -v: 5)",
		    &capture.hold_ms, "a time", 1, 60000),
	TOOL_TRUE('a', "active", "never sleep: look for packets all the time", &capture.active),
	{'b', "cpu-percentage", "1-100", "how much to be preferred over other programs"},
	TOOL_CORE,
	{'u', "user-filter", NULL, "filter in the library instead of the kernel"},
	{'m', "no-promisc", NULL, "only what is for this host"},
	TOOL_TRUE('t', "touch", "read every byte", &touch),
	TOOL_TRUE('v', "verbose", "a line for each packet", &verbose),
	TOOL_QUIET("no line each second, only the last one", &capture.quiet),
	TOOL_COUNT("stop after so many", &capture.count),
	TOOL_DURATION('d', &capture.seconds),
	{0},
};

static const struct tool tool = {
	.name = "pfcount",
	.summary = "receive packets and count them",
	.options = options,
	.note = "Bytes and bits count 24 bytes for each packet that the wire takes beside its "
		"frame.",
};

static volatile u_char touched; /* so that the compiler keeps the reading */

static void parse(int argc, char **argv)
{
	int c;

	while ((c = tool_next(&tool, argc, argv)) != -1) {
		switch (c) {
		case 'H':
			capture.type = tool_cluster_type(&tool);
			break;
		case 'b':
			pfring_config((u_short)tool_number(&tool, "a percentage", 1, 100));
			break;
		case 'u':
			capture.flags |= PF_RING_USERSPACE_BPF;
			break;
		case 'm':
			capture.flags &= ~PF_RING_PROMISC;
			break;
		}
	}
	/* Nobody reads the counts sooner than in a second: large batches cost least. */
	if (!capture.hold_ms)
		capture.hold_ms = verbose ? 5 : 100;
}

static void print_packet(const struct pfring_packet *p)
{
	int32_t local = (int32_t)(p->ts_ns / 1000000000u % 86400);
	char line[512];

	local = (local + gmt_to_local((time_t)(p->ts_ns / 1000000000u)) + 86400) % 86400;
	if (pfring_print_pkt(line, sizeof(line), p->data, p->len, p->caplen) > 0)
		printf("%02d:%02d:%02d.%09u %s %s", local / 3600, local / 60 % 60, local % 60,
		       (u_int)(p->ts_ns % 1000000000u), p->rx_direction ? "[RX]" : "[TX]", line);
}

static int look_at(const struct pfring_packet *p, u_int n)
{
	if (touch) {
		u_char sum = 0;

		for (u_int i = 0; i < n; i++)
			for (u_int32_t k = 0; k < p[i].caplen; k++)
				sum ^= p[i].data[k];
		touched = sum;
	}
	if (verbose) {
		for (u_int i = 0; i < n; i++)
			print_packet(&p[i]);
		fflush(stdout);
	}
	return 0;
}

static int print(pfring *ring, double ms)
{
	pfring_stat st = {0};

	pfring_stats(ring, &st);
	tool_print_stats(&capture.seen, st.recv, st.drop, &capture.clock, ms);
	return 0;
}

int main(int argc, char **argv)
{
	pfring *ring;
	int rc;

	parse(argc, argv);
	ring = tool_capture_open(&tool, &capture, capture.device);
	if (search)
		tool_check(&tool, pfring_search_payload(ring, search));
	if (sampling)
		tool_check(&tool, pfring_set_sampling_rate(ring, sampling));
	tool_banner(ring);
	tool_capture_start(&tool, &capture, ring);
	tool_say("Capturing");
	rc = tool_capture_run(&capture, ring, touch || verbose ? look_at : NULL,
			      capture.quiet ? NULL : print);
	print(ring, 0);
	tool_check(&tool, rc);
	pfring_close(ring);
	return 0;
}
