/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfcount_multichannel - pfcount with a ring and a thread for each receive
 * queue of a device.
 *
 * Each thread counts into its own line of memory; the main thread reads those
 * once a second (a torn 64-bit read does not exist where this runs).
 */
#include "common.h"

static const struct tool_option options[] = {
	{'i', "device", "DEVICE", "whose receive queues"},
	{'l', "caplen", "BYTES", "bytes kept of each packet (default 1536)"},
	{'f', "filter", "EXPRESSION", "only packets of this pcap-filter(7)"},
	{'r', "rehash", NULL, "share by a hash equal for both directions of a flow"},
	{'a', "active", NULL, "never sleep: look for packets all the time"},
	{'g', "cores", "CPU:CPU...", "the threads' CPUs, one after another"},
	{'w', "watermark", "PACKETS", "wake up when so many are there"},
	{'q', "quiet", NULL, "no lines each second, only the last ones"},
	{'n', "count", "PACKETS", "stop after so many, all queues together"},
	{'d', "duration", "SECONDS", "stop after so long"},
	{0},
};

static const struct tool tool = {
	.name = "pfcount_multichannel",
	.summary = "count packets with a thread for each receive queue",
	.options = options,
};

static struct {
	const char *device, *filter;
	u_int32_t caplen;
	u_int cores, core[MAX_NUM_RX_CHANNELS];
	u_int16_t watermark;
	bool rehash, active, quiet;
	u_int64_t count, seconds;
} opt = {.caplen = 1536};

static struct channel {
	pfring *ring;
	pthread_t thread;
	u_int number;
	int failed;
	char why[256];
	_Atomic u_int64_t packets, bytes; /* written by its thread only */
} __attribute__((aligned(128))) channels[MAX_NUM_RX_CHANNELS];

static u_int n_channels;

static void parse(int argc, char **argv)
{
	int c;

	while ((c = tool_next(&tool, argc, argv)) != -1) {
		switch (c) {
		case 'i':
			opt.device = optarg;
			break;
		case 'l':
			opt.caplen = (u_int32_t)tool_number(&tool, "a length", 1, MAX_CAPLEN);
			break;
		case 'f':
			opt.filter = optarg;
			break;
		case 'r':
			opt.rehash = true;
			break;
		case 'a':
			opt.active = true;
			break;
		case 'g':
			for (char *at = strtok(optarg, ":"); at; at = strtok(NULL, ":")) {
				optarg = at;
				opt.core[opt.cores++ % MAX_NUM_RX_CHANNELS] =
					(u_int)tool_number(&tool, "a CPU", 0, 1023);
			}
			break;
		case 'w':
			opt.watermark = (u_int16_t)tool_number(&tool, "a watermark", 1, 65535);
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
	opt.cores = min_val(opt.cores, MAX_NUM_RX_CHANNELS);
	if (!opt.device)
		tool_usage(&tool, "no device was given (-i); alldevs lists them");
}

static void *count_channel(void *arg)
{
	struct pfring_packet packets[TOOL_BATCH];
	struct channel *ch = arg;
	int n = 0;

	if (opt.cores)
		tool_pin(&tool, opt.core[ch->number % opt.cores]);
	while (!tool_stopped) {
		u_int64_t bytes = 0;

		n = pfring_recv_batch(ch->ring, packets, TOOL_BATCH, opt.active ? 0 : 100);
		if (n < 0 && n != -EINTR)
			break;
		for (int i = 0; i < n; i++)
			bytes += packets[i].len;
		if (n > 0) {
			ch->packets += (u_int)n;
			ch->bytes += bytes;
		}
	}
	if (n < 0 && n != -EINTR) {
		ch->failed = n;
		snprintf(ch->why, sizeof(ch->why), "%s", pfring_last_error());
	}
	return NULL;
}

static void open_channels(void)
{
	pfring *rings[MAX_NUM_RX_CHANNELS];

	n_channels = pfring_open_multichannel(opt.device, opt.caplen, PF_RING_PROMISC, rings);
	if (!n_channels)
		tool_die(&tool, "%s", pfring_last_error());
	for (u_int i = 0; i < n_channels; i++) {
		pfring *ring = rings[i];

		channels[i].ring = ring;
		channels[i].number = i;
		pfring_set_application_name(ring, tool.name);
		tool_check(&tool, pfring_set_socket_mode(ring, recv_only_mode));
		tool_check(&tool, pfring_set_direction(ring, rx_only_direction));
		if (opt.rehash)
			tool_check(&tool, pfring_enable_rss_rehash(ring));
		if (opt.watermark)
			tool_check(&tool, pfring_set_poll_watermark(ring, opt.watermark));
		if (opt.filter)
			tool_check(&tool, pfring_set_bpf_filter(ring, opt.filter));
		tool_enable(&tool, ring);
	}
}

static void sum(struct tool_count *count)
{
	count->packets = count->bytes = 0;
	for (u_int i = 0; i < n_channels; i++) {
		count->packets += channels[i].packets;
		count->bytes += channels[i].bytes;
	}
}

static void print(struct tool_count *count, const struct tool_clock *clock, double ms)
{
	u_int64_t received = 0, dropped = 0;

	for (u_int i = 0; i < n_channels; i++) {
		pfring_stat st = {0};

		pfring_stats(channels[i].ring, &st);
		printf("[channel=%u] %s pkts - %llu dropped\n", i,
		       tool_text((double)channels[i].packets, false), (unsigned long long)st.drop);
		received += st.recv;
		dropped += st.drop;
	}
	tool_print_stats(count, received, dropped, clock, ms);
}

int main(int argc, char **argv)
{
	struct tool_count count = {0};
	struct tool_clock clock;
	double ms;
	int rc = 0;

	parse(argc, argv);
	open_channels();
	tool_on_stop(NULL);
	tool_banner(channels[0].ring);
	for (u_int i = 0; i < n_channels; i++)
		if (pthread_create(&channels[i].thread, NULL, count_channel, &channels[i]))
			tool_die(&tool, "cannot start a thread for channel %u", i);
	tool_clock_start(&clock, opt.seconds);
	printf("Capturing from %u channels\n", n_channels);
	fflush(stdout);
	while (!tool_stopped && !tool_clock_over(&clock) &&
	       (!opt.count || count.packets < opt.count)) {
		struct timespec t = {.tv_nsec = 20000000};

		nanosleep(&t, NULL);
		sum(&count);
		if (tool_clock_due(&clock, &ms) && !opt.quiet)
			print(&count, &clock, ms);
	}
	tool_stopped = 1;
	for (u_int i = 0; i < n_channels; i++)
		pfring_breakloop(channels[i].ring);
	for (u_int i = 0; i < n_channels; i++) {
		pthread_join(channels[i].thread, NULL);
		if (channels[i].failed) {
			fprintf(stderr, "%s: channel %u: %s\n", tool.name, i, channels[i].why);
			rc = 1;
		}
	}
	sum(&count);
	print(&count, &clock, 0);
	for (u_int i = 0; i < n_channels; i++)
		pfring_close(channels[i].ring);
	return rc;
}
