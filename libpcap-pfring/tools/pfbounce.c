/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfbounce - sends each packet back where it came from, with source and
 * destination MAC addresses exchanged.
 */
#include "forward.h"

static const struct tool_option options[] = {
	{'i', "device", "DEVICE", "whose packets are sent back"},
	{'o', "output", "DEVICE", "send them out of this one instead"},
	{'f', "filter", "EXPRESSION", "only packets of this pcap-filter(7)"},
	{'k', "keep", NULL, "leave the MAC addresses as they are (needs -o)"},
	{'g', "core", "CPU", "run on this CPU"},
	{'n', "count", "PACKETS", "stop after so many"},
	{'d', "duration", "SECONDS", "stop after so long"},
	{'q', "quiet", NULL, "no line each second, only the last one"},
	{0},
};

static const struct tool tool = {
	.name = "pfbounce",
	.summary = "send each packet back where it came from",
	.options = options,
};

static struct {
	const char *device, *output, *filter;
	u_int64_t count, seconds;
	bool keep, quiet;
} opt;

static void parse(int argc, char **argv)
{
	int c;

	while ((c = tool_next(&tool, argc, argv)) != -1) {
		switch (c) {
		case 'i':
			opt.device = optarg;
			break;
		case 'o':
			opt.output = optarg;
			break;
		case 'f':
			opt.filter = optarg;
			break;
		case 'k':
			opt.keep = true;
			break;
		case 'g':
			tool_pin(&tool, (unsigned)tool_number(&tool, "a CPU", 0, 1023));
			break;
		case 'n':
			opt.count = tool_number(&tool, "a count", 1, UINT64_MAX);
			break;
		case 'd':
			opt.seconds = tool_number(&tool, "a duration", 1, 100000000);
			break;
		case 'q':
			opt.quiet = true;
			break;
		}
	}
	if (opt.keep && !opt.output)
		tool_usage(&tool, "-k needs -o: unchanged packets sent back would run in circles");
}

static void print(const struct direction *way)
{
	pfring_stat st = {0};

	pfring_stats(way->in, &st);
	printf("[%llu pkts rcvd][%llu pkts dropped][%llu pkts sent][%llu pkts refused]\n",
	       (unsigned long long)way->received.packets, (unsigned long long)st.drop,
	       (unsigned long long)way->sent, (unsigned long long)way->refused);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct direction way = {0};
	struct tool_clock clock;
	double ms;
	int rc = 1;

	parse(argc, argv);
	way.swap_macs = !opt.keep;
	way.in = tool_open(&tool, opt.device, MAX_CAPLEN, PF_RING_PROMISC);
	way.out = tool_open(&tool, opt.output ? opt.output : opt.device, 64, 0);
	tool_check(&tool, pfring_set_direction(way.in, rx_only_direction));
	tool_check(&tool, pfring_set_socket_mode(way.in, recv_only_mode));
	tool_check(&tool, pfring_set_socket_mode(way.out, send_only_mode));
	tool_check(&tool, pfring_set_poll_watermark(way.in, 1));
	if (opt.filter)
		tool_check(&tool, pfring_set_bpf_filter(way.in, opt.filter));
	tool_on_stop(way.in);
	tool_banner(way.in);
	tool_enable(&tool, way.out);
	tool_enable(&tool, way.in);
	tool_clock_start(&clock, opt.seconds);
	puts("Bouncing");
	fflush(stdout);
	while (!tool_stopped && rc > 0 && !tool_clock_over(&clock) &&
	       (!opt.count || way.received.packets < opt.count)) {
		rc = forward(&way, tool_clock_wait(&clock));
		if (tool_clock_due(&clock, &ms) && !opt.quiet)
			print(&way);
	}
	if (rc < 0)
		fprintf(stderr, "pfbounce: %s\n", pfring_last_error());
	print(&way);
	free(way.copy);
	pfring_close(way.in);
	pfring_close(way.out);
	return rc < 0;
}
