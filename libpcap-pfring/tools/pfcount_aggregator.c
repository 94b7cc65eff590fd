/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfcount_aggregator - counts the packets of several devices together, in one
 * thread that waits on all of them.
 */
#include "capture.h"

#define MAX_DEVICES 32

static struct tool_capture capture = {.caplen = 1536, .flags = PF_RING_PROMISC};

static const struct tool_option options[] = {
	{'i', "devices", "DEVICE,DEVICE...", "what to capture from; -i may be given again"},
	TOOL_CAPLEN("(default 1536)", &capture.caplen),
	TOOL_DIRECTION(&capture.direction),
	TOOL_FILTER(&capture.filter),
	TOOL_QUIET("no lines each second, only the last ones", &capture.quiet),
	TOOL_COUNT("stop after so many, all devices together", &capture.count),
	TOOL_DURATION('d', &capture.seconds),
	{0},
};

static const struct tool tool = {
	.name = "pfcount_aggregator",
	.summary = "count the packets of several devices together",
	.options = options,
};

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

static void open_devices(void)
{
	for (u_int i = 0; i < n_devices; i++) {
		pfring *ring = tool_capture_open(&tool, &capture, devices[i].name);

		devices[i].ring = ring;
		tool_capture_start(&tool, &capture, ring);
		fds[i].fd = pfring_get_selectable_fd(ring);
		tool_check(&tool, fds[i].fd);
		fds[i].events = POLLIN;
	}
}

static void print(double ms)
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
	tool_print_stats(&capture.seen, received, dropped, &capture.clock, ms);
}

/* Takes what is there from each device. Returns how many, or negative. */
static int take(void)
{
	int all = 0;

	for (u_int i = 0; i < n_devices && tool_capture_goes_on(&capture); i++) {
		int n = tool_capture_take(&capture, devices[i].ring, 0, NULL);

		if (n < 0)
			return n;
		devices[i].packets += (u_int)n;
		all += n;
	}
	return all;
}

int main(int argc, char **argv)
{
	double ms;
	int n = 0;

	while (tool_next(&tool, argc, argv) != -1)
		add_devices(optarg);
	if (!n_devices)
		tool_usage(&tool, "no devices were given (-i); alldevs lists them");
	open_devices();
	tool_banner(devices[0].ring);
	tool_say("Capturing from %u devices", n_devices);
	while (n >= 0 && tool_capture_goes_on(&capture)) {
		n = take();
		/* A bounded sleep: packets held back to make batches come with the next look. */
		if (n == 0)
			poll(fds, n_devices, min_val(tool_clock_wait(&capture.clock), 50));
		if (tool_clock_due(&capture.clock, &ms) && !capture.quiet)
			print(ms);
	}
	print(0);
	tool_check(&tool, n);
	for (u_int i = 0; i < n_devices; i++)
		pfring_close(devices[i].ring);
	return 0;
}
