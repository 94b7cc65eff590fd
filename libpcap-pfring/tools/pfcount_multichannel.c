/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfcount_multichannel - pfcount with a ring and a thread for each receive
 * queue of a device.
 *
 * Each thread counts into its own line of memory; the main thread reads those
 * once a second (a torn 64-bit read does not exist where this runs).
 */
#include "capture.h"

static struct tool_capture capture = {.caplen = 1536, .flags = PF_RING_PROMISC};
static u_int cores, core[MAX_NUM_RX_CHANNELS];
static bool rehash;

static const struct tool_option options[] = {
	TOOL_TEXT('i', "device", "DEVICE", "whose receive queues", &capture.device),
	TOOL_CAPLEN("(default 1536)", &capture.caplen),
	TOOL_FILTER(&capture.filter),
	TOOL_TRUE('r', "rehash", "share by a hash equal for both directions of a flow", &rehash),
	TOOL_TRUE('a', "active", "never sleep: look for packets all the time", &capture.active),
	{'g', "cores", "CPU:CPU...", "the threads' CPUs, one after another"},
	TOOL_WATERMARK("wake up when so many are there", &capture.watermark),
	TOOL_QUIET("no lines each second, only the last ones", &capture.quiet),
	TOOL_COUNT("stop after so many, all queues together", &capture.count),
	TOOL_DURATION('d', &capture.seconds),
	{0},
};

static const struct tool tool = {
	.name = "pfcount_multichannel",
	.summary = "count packets with a thread for each receive queue",
	.options = options,
};

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
	while (tool_next(&tool, argc, argv) != -1)
		for (char *at = strtok(optarg, ":"); at; at = strtok(NULL, ":")) {
			optarg = at;
			core[cores++ % MAX_NUM_RX_CHANNELS] =
				(u_int)tool_number(&tool, "a CPU", 0, 1023);
		}
	cores = min_val(cores, MAX_NUM_RX_CHANNELS);
	tool_need_device(&tool, capture.device);
}

static void *count_channel(void *arg)
{
	struct pfring_packet packets[TOOL_BATCH];
	struct channel *ch = arg;
	int n = 0;

	if (cores)
		tool_pin(&tool, core[ch->number % cores]);
	while (!tool_stopped) {
		u_int64_t bytes = 0;

		n = pfring_recv_batch(ch->ring, packets, TOOL_BATCH, capture.active ? 0 : 100);
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

	n_channels = pfring_open_multichannel(capture.device, capture.caplen, capture.flags, rings);
	if (!n_channels)
		tool_die(&tool, "%s", pfring_last_error());
	for (u_int i = 0; i < n_channels; i++) {
		pfring *ring = rings[i];

		channels[i].ring = ring;
		channels[i].number = i;
		pfring_set_application_name(ring, tool.name);
		tool_check(&tool, pfring_set_socket_mode(ring, recv_only_mode));
		tool_check(&tool, pfring_set_direction(ring, rx_only_direction));
		if (rehash)
			tool_check(&tool, pfring_enable_rss_rehash(ring));
		if (capture.watermark)
			tool_check(&tool, pfring_set_poll_watermark(ring, capture.watermark));
		if (capture.filter)
			tool_check(&tool, pfring_set_bpf_filter(ring, capture.filter));
		tool_enable(&tool, ring);
	}
}

static void sum(void)
{
	struct tool_count *seen = &capture.seen;

	seen->packets = seen->bytes = 0;
	for (u_int i = 0; i < n_channels; i++) {
		seen->packets += channels[i].packets;
		seen->bytes += channels[i].bytes;
	}
}

static void print(double ms)
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
	tool_print_stats(&capture.seen, received, dropped, &capture.clock, ms);
}

int main(int argc, char **argv)
{
	double ms;
	int rc = 0;

	parse(argc, argv);
	open_channels();
	tool_on_stop(NULL);
	tool_banner(channels[0].ring);
	for (u_int i = 0; i < n_channels; i++)
		if (pthread_create(&channels[i].thread, NULL, count_channel, &channels[i]))
			tool_die(&tool, "cannot start a thread for channel %u", i);
	tool_clock_start(&capture.clock, capture.seconds);
	tool_say("Capturing from %u channels", n_channels);
	while (tool_capture_goes_on(&capture)) {
		struct timespec t = {.tv_nsec = 20000000};

		nanosleep(&t, NULL);
		sum();
		if (tool_clock_due(&capture.clock, &ms) && !capture.quiet)
			print(ms);
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
	sum();
	print(0);
	for (u_int i = 0; i < n_channels; i++)
		pfring_close(channels[i].ring);
	return rc;
}
