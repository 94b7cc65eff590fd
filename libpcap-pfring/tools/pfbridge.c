/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfbridge - sends what one device receives out of another, one way or both.
 *
 * One thread for each way. Only received packets are taken, so what one way
 * sends does not come back through the other.
 */
#include "forward.h"

static const struct tool_option options[] = {
	{'a', "ingress", "DEVICE", "where packets come from"},
	{'b', "egress", "DEVICE", "where they go"},
	{'d', "both", NULL, "and the other way as well"},
	{'f', "filter", "EXPRESSION", "only packets of this pcap-filter(7)"},
	{'w', "watermark", "PACKETS", "wake up when so many are there (default 1)"},
	{'g', "core", "CPU", "run on this CPU"},
	{'n', "count", "PACKETS", "stop after so many from the first device"},
	{'t', "duration", "SECONDS", "stop after so long"},
	{'q', "quiet", NULL, "no lines each second, only the last ones"},
	{0},
};

static const struct tool tool = {
	.name = "pfbridge",
	.summary = "send what one device receives out of another",
	.options = options,
};

static struct {
	const char *device[2], *filter;
	u_int16_t watermark;
	u_int64_t count, seconds;
	bool both, quiet;
} opt = {.watermark = 1};

static struct direction ways[2];
static int failed; /* what ended the second way; read when its thread is over */
static char failure[512];

static void parse(int argc, char **argv)
{
	int c;

	while ((c = tool_next(&tool, argc, argv)) != -1) {
		switch (c) {
		case 'a':
		case 'b':
			opt.device[c - 'a'] = optarg;
			break;
		case 'd':
			opt.both = true;
			break;
		case 'f':
			opt.filter = optarg;
			break;
		case 'w':
			opt.watermark = (u_int16_t)tool_number(&tool, "a watermark", 1, 65535);
			break;
		case 'g':
			tool_pin(&tool, (unsigned)tool_number(&tool, "a CPU", 0, 1023));
			break;
		case 'n':
			opt.count = tool_number(&tool, "a count", 1, UINT64_MAX);
			break;
		case 't':
			opt.seconds = tool_number(&tool, "a duration", 1, 100000000);
			break;
		case 'q':
			opt.quiet = true;
			break;
		}
	}
	if (!opt.device[0] || !opt.device[1])
		tool_usage(&tool, "two devices are needed, -a and -b");
	if (!strcmp(opt.device[0], opt.device[1]))
		tool_usage(&tool, "%s to itself would be a loop; pfbounce sends packets back",
			   opt.device[0]);
}

static void open_way(struct direction *way, const char *from, const char *to)
{
	int in = 0, out = 0;

	way->in = tool_open(&tool, from, MAX_CAPLEN, PF_RING_PROMISC);
	way->out = tool_open(&tool, to, 64, 0);
	pfring_get_bound_device_ifindex(way->in, &in);
	pfring_get_bound_device_ifindex(way->out, &out);
	if (in == out && in > 0)
		tool_usage(&tool, "%s and %s are the same device: that would be a loop", from, to);
	tool_check(&tool, pfring_set_direction(way->in, rx_only_direction));
	tool_check(&tool, pfring_set_socket_mode(way->in, recv_only_mode));
	tool_check(&tool, pfring_set_socket_mode(way->out, send_only_mode));
	tool_check(&tool, pfring_set_poll_watermark(way->in, opt.watermark));
	if (opt.filter)
		tool_check(&tool, pfring_set_bpf_filter(way->in, opt.filter));
}

static void enable_way(struct direction *way)
{
	tool_enable(&tool, way->out);
	tool_enable(&tool, way->in);
}

static void *run_second(void *arg)
{
	int rc = 1;

	(void)arg;
	while (!tool_stopped && rc > 0)
		rc = forward(&ways[1], 100);
	if (rc < 0)
		snprintf(failure, sizeof(failure), "%s", pfring_last_error());
	failed = rc < 0 ? rc : 0;
	return NULL;
}

static void print(const struct direction *way, const char *from, const char *to)
{
	pfring_stat st = {0};

	pfring_stats(way->in, &st);
	printf("%s -> %s: [%llu pkts rcvd][%llu pkts dropped][%llu pkts sent][%llu pkts refused]\n",
	       from, to, (unsigned long long)way->received.packets, (unsigned long long)st.drop,
	       (unsigned long long)way->sent, (unsigned long long)way->refused);
	fflush(stdout);
}

static int run_first(struct tool_clock *clock)
{
	double ms;
	int rc = 1;

	while (!tool_stopped && rc > 0 && !tool_clock_over(clock) &&
	       (!opt.count || ways[0].received.packets < opt.count)) {
		rc = forward(&ways[0], min_val(tool_clock_wait(clock), 100));
		if (tool_clock_due(clock, &ms) && !opt.quiet)
			print(&ways[0], opt.device[0], opt.device[1]);
	}
	return rc;
}

int main(int argc, char **argv)
{
	struct tool_clock clock;
	pthread_t second;
	int rc;

	parse(argc, argv);
	open_way(&ways[0], opt.device[0], opt.device[1]);
	if (opt.both)
		open_way(&ways[1], opt.device[1], opt.device[0]);
	tool_on_stop(ways[0].in);
	tool_banner(ways[0].in);
	if (opt.both)
		enable_way(&ways[1]);
	enable_way(&ways[0]);
	tool_clock_start(&clock, opt.seconds);
	puts("Bridging");
	fflush(stdout);
	if (opt.both && pthread_create(&second, NULL, run_second, NULL))
		tool_die(&tool, "cannot start a second thread");
	rc = run_first(&clock);
	if (rc < 0)
		fprintf(stderr, "pfbridge: %s\n", pfring_last_error());
	if (opt.both) {
		tool_stopped = 1;
		pthread_join(second, NULL);
		if (failed)
			fprintf(stderr, "pfbridge: %s\n", failure);
		print(&ways[1], opt.device[1], opt.device[0]);
	}
	print(&ways[0], opt.device[0], opt.device[1]);
	return rc < 0 || failed;
}
