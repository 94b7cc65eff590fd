/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfcount_aggregator - counts the packets of several devices together, in one
 * thread that waits on all of them.
 */
#include "common.h"

#define MAX_DEVICES 32

static const struct tool_option options[] = {
	{'i', "devices", "DEVICE,DEVICE...", "what to capture from; -i may be given again"},
	{'l', "caplen", "BYTES", "bytes kept of each packet (default 1536)"},
	{'e', "direction", "0|1|2", "0 both (default), 1 received, 2 sent packets"},
	{'f', "filter", "EXPRESSION", "only packets of this pcap-filter(7)"},
	{'q', "quiet", NULL, "no lines each second, only the last ones"},
	{'n', "count", "PACKETS", "stop after so many, all devices together"},
	{'d', "duration", "SECONDS", "stop after so long"},
	{0},
};

static const struct tool tool = {
	.name = "pfcount_aggregator",
	.summary = "count the packets of several devices together",
	.options = options,
};

static struct {
	const char *filter;
	u_int32_t caplen;
	packet_direction direction;
	bool quiet;
	u_int64_t count, seconds;
} opt = {.caplen = 1536};

static struct device {
	const char *name;
	pfring *ring;
	u_int64_t packets;
} devices[MAX_DEVICES];

static struct pollfd fds[MAX_DEVICES];
static u_int n_devices;

static void add_devices(char *list)
{
	for (char *at = strtok(list, ","); at; at = strtok(NULL, ",")) {
		if (n_devices == MAX_DEVICES)
			tool_usage(&tool, "more than %d devices", MAX_DEVICES);
		devices[n_devices++].name = at;
	}
}

static void parse(int argc, char **argv)
{
	int c;

	while ((c = tool_next(&tool, argc, argv)) != -1) {
		switch (c) {
		case 'i':
			add_devices(optarg);
			break;
		case 'l':
			opt.caplen = (u_int32_t)tool_number(&tool, "a length", 1, MAX_CAPLEN);
			break;
		case 'e':
			opt.direction = tool_direction(&tool);
			break;
		case 'f':
			opt.filter = optarg;
			break;
		case 'q':
			opt.quiet = true;
			break;
		case 'n':
			opt.count = tool_number(&tool, "a count", 1, UINT64_MAX);
			break;
		case 'd':
			opt.seconds = tool_number(&tool, "a duration", 1, 100000000);
			break;
		}
	}
	if (!n_devices)
		tool_usage(&tool, "no devices were given (-i); alldevs lists them");
}

static void open_devices(void)
{
	for (u_int i = 0; i < n_devices; i++) {
		pfring *ring = tool_open(&tool, devices[i].name, opt.caplen, PF_RING_PROMISC);

		devices[i].ring = ring;
		if (opt.direction != rx_and_tx_direction)
			tool_check(&tool, pfring_set_direction(ring, opt.direction));
		tool_check(&tool, pfring_set_socket_mode(ring, recv_only_mode));
		if (opt.filter)
			tool_check(&tool, pfring_set_bpf_filter(ring, opt.filter));
		tool_enable(&tool, ring);
		fds[i].fd = pfring_get_selectable_fd(ring);
		tool_check(&tool, fds[i].fd);
		fds[i].events = POLLIN;
	}
}

static void print(struct tool_count *count, const struct tool_clock *clock, double ms)
{
	u_int64_t received = 0, dropped = 0;

	for (u_int i = 0; i < n_devices; i++) {
		pfring_stat st = {0};

		pfring_stats(devices[i].ring, &st);
		printf("[%s] %s pkts - %llu dropped\n", devices[i].name,
		       tool_text((double)devices[i].packets, false), (unsigned long long)st.drop);
		received += st.recv;
		dropped += st.drop;
	}
	tool_print_stats(count, received, dropped, clock, ms);
}

/* Takes what is there from one device. Returns how many, or negative. */
static int take(struct device *dev, struct tool_count *count)
{
	static struct pfring_packet packets[TOOL_BATCH];
	u_int most = TOOL_BATCH;
	int n;

	if (opt.count)
		most = (u_int)min_val(opt.count - count->packets, most);
	if (!most)
		return 0;
	n = pfring_recv_batch(dev->ring, packets, most, 0);
	for (int i = 0; i < n; i++)
		count->bytes += packets[i].len;
	if (n > 0) {
		dev->packets += (u_int)n;
		count->packets += (u_int)n;
	}
	return n == -EINTR ? 0 : n;
}

int main(int argc, char **argv)
{
	struct tool_count count = {0};
	struct tool_clock clock;
	double ms;
	int n = 0, some;

	parse(argc, argv);
	open_devices();
	tool_on_stop(NULL);
	tool_banner(devices[0].ring);
	tool_clock_start(&clock, opt.seconds);
	printf("Capturing from %u devices\n", n_devices);
	fflush(stdout);
	while (!tool_stopped && n >= 0 && !tool_clock_over(&clock) &&
	       (!opt.count || count.packets < opt.count)) {
		some = 0;
		for (u_int i = 0; i < n_devices && n >= 0; i++) {
			n = take(&devices[i], &count);
			some += n > 0;
		}
		/* A bounded sleep: packets held back to make batches come with the next look. */
		if (n >= 0 && !some)
			poll(fds, n_devices, min_val(tool_clock_wait(&clock), 50));
		if (tool_clock_due(&clock, &ms) && !opt.quiet)
			print(&count, &clock, ms);
	}
	print(&count, &clock, 0);
	if (n < 0)
		tool_die(&tool, "%s", pfring_last_error());
	for (u_int i = 0; i < n_devices; i++)
		pfring_close(devices[i].ring);
	return 0;
}
