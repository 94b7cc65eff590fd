/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfcount - receives packets and counts them: the guide's first example.
 *
 * Reads batches where they lie in the ring, so that counting costs no more
 * than looking at the descriptors.
 */
#include "common.h"

static const struct tool_option options[] = {
	{'i', "device", "DEVICE", "what to capture from (alldevs lists them; file:PATH)"},
	{'l', "caplen", "BYTES", "bytes kept of each packet (default 1536)"},
	{'e', "direction", "0|1|2", "0 both (default), 1 received, 2 sent packets"},
	{'f', "filter", "EXPRESSION", "only packets of this pcap-filter(7)"},
	{'s', "search", "STRING", "only packets with this in their payload"},
	{'c', "cluster", "ID", "share the packets with the other members of this cluster"},
	{'H', "cluster-type", "TYPE", "how: 6-tuple (default), 2-tuple, round-robin ..."},
	{'S', "sampling", "RATE", "one of so many packets"},
	{'w', "watermark", "PACKETS", "wake up when so many are there"},
	{'p', "poll", "MS", "longest time that packets may be held back (default 100, -v: 5)"},
	{'a', "active", NULL, "never sleep: look for packets all the time"},
	{'b', "cpu-percentage", "1-100", "how much to be preferred over other programs"},
	{'g', "core", "CPU", "run on this CPU"},
	{'u', "user-filter", NULL, "filter in the library instead of the kernel"},
	{'m', "no-promisc", NULL, "only what is for this host"},
	{'t', "touch", NULL, "read every byte"},
	{'v', "verbose", NULL, "a line for each packet"},
	{'q', "quiet", NULL, "no line each second, only the last one"},
	{'n', "count", "PACKETS", "stop after so many"},
	{'d', "duration", "SECONDS", "stop after so long"},
	{0},
};

static const struct tool tool = {
	.name = "pfcount",
	.summary = "receive packets and count them",
	.options = options,
	.note = "Bytes and bits count 24 bytes for each packet that the wire takes beside its "
		"frame.",
};

static struct {
	const char *device, *filter, *search;
	u_int32_t caplen, flags, sampling;
	packet_direction direction;
	u_int cluster;
	cluster_type type;
	u_int16_t watermark, hold;
	bool active, touch, verbose, quiet;
	u_int64_t count, seconds;
} opt = {.caplen = 1536, .flags = PF_RING_PROMISC | PF_RING_TIMESTAMP};

static volatile u_char touched; /* so that the compiler keeps the reading */

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
		case 'e':
			opt.direction = tool_direction(&tool);
			break;
		case 'f':
			opt.filter = optarg;
			break;
		case 's':
			opt.search = optarg;
			break;
		case 'c':
			opt.cluster = (u_int)tool_number(&tool, "a cluster", 1, 65535);
			break;
		case 'H':
			opt.type = tool_cluster_type(&tool);
			break;
		case 'S':
			opt.sampling = (u_int32_t)tool_number(&tool, "a rate", 1, 1000000000);
			break;
		case 'w':
			opt.watermark = (u_int16_t)tool_number(&tool, "a watermark", 1, 65535);
			break;
		case 'p':
			opt.hold = (u_int16_t)tool_number(&tool, "a time", 1, 60000);
			break;
		case 'a':
			opt.active = true;
			break;
		case 'b':
			pfring_config((u_short)tool_number(&tool, "a percentage", 1, 100));
			break;
		case 'g':
			tool_pin(&tool, (unsigned)tool_number(&tool, "a CPU", 0, 1023));
			break;
		case 'u':
			opt.flags |= PF_RING_USERSPACE_BPF;
			break;
		case 'm':
			opt.flags &= ~PF_RING_PROMISC;
			break;
		case 't':
			opt.touch = true;
			break;
		case 'v':
			opt.verbose = true;
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
}

static pfring *open_ring(void)
{
	struct pfring_open_options o = {.sz = sizeof(o), .caplen = opt.caplen, .flags = opt.flags};
	pfring *ring;

	if (!opt.device)
		tool_usage(&tool, "no device was given (-i); alldevs lists them");
	/* Nobody reads the counts sooner than in a second: large batches cost least. */
	o.timeout_ms = opt.hold ? opt.hold : opt.verbose ? 5 : 100;
	ring = pfring_open_opts(opt.device, &o);
	if (!ring)
		tool_die(&tool, "%s", pfring_last_error());
	pfring_set_application_name(ring, tool.name);
	if (opt.direction != rx_and_tx_direction)
		tool_check(&tool, pfring_set_direction(ring, opt.direction));
	tool_check(&tool, pfring_set_socket_mode(ring, recv_only_mode));
	if (opt.filter)
		tool_check(&tool, pfring_set_bpf_filter(ring, opt.filter));
	if (opt.search)
		tool_check(&tool, pfring_search_payload(ring, opt.search));
	if (opt.cluster)
		tool_check(&tool, pfring_set_cluster(ring, opt.cluster, opt.type));
	if (opt.sampling)
		tool_check(&tool, pfring_set_sampling_rate(ring, opt.sampling));
	if (opt.watermark)
		tool_check(&tool, pfring_set_poll_watermark(ring, opt.watermark));
	return ring;
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

static void look_at(const struct pfring_packet *p, u_int n)
{
	if (opt.touch) {
		u_char sum = 0;

		for (u_int i = 0; i < n; i++)
			for (u_int32_t k = 0; k < p[i].caplen; k++)
				sum ^= p[i].data[k];
		touched = sum;
	}
	if (opt.verbose) {
		for (u_int i = 0; i < n; i++)
			print_packet(&p[i]);
		fflush(stdout);
	}
}

static void print(pfring *ring, struct tool_count *count, const struct tool_clock *clock, double ms)
{
	pfring_stat st = {0};

	pfring_stats(ring, &st);
	tool_print_stats(count, st.recv, st.drop, clock, ms);
}

int main(int argc, char **argv)
{
	static struct pfring_packet packets[TOOL_BATCH];
	struct tool_count count = {0};
	struct tool_clock clock;
	double ms;
	pfring *ring;
	int n = 0;

	parse(argc, argv);
	ring = open_ring();
	tool_on_stop(ring);
	tool_banner(ring);
	tool_enable(&tool, ring);
	tool_clock_start(&clock, opt.seconds);
	puts("Capturing");
	fflush(stdout);
	while (!tool_stopped && (!opt.count || count.packets < opt.count)) {
		u_int most = TOOL_BATCH;

		if (opt.count && opt.count - count.packets < most)
			most = (u_int)(opt.count - count.packets);
		n = pfring_recv_batch(ring, packets, most,
				      opt.active ? 0 : tool_clock_wait(&clock));
		if (n < 0 && n != -EINTR)
			break;
		for (int i = 0; i < n; i++)
			count.bytes += packets[i].len;
		if (n > 0) {
			count.packets += (u_int)n;
			if (opt.touch || opt.verbose)
				look_at(packets, (u_int)n);
		}
		if (tool_clock_due(&clock, &ms) && !opt.quiet)
			print(ring, &count, &clock, ms);
		if (tool_clock_over(&clock))
			break;
	}
	print(ring, &count, &clock, 0);
	if (n < 0 && n != -EINTR && n != -ENODATA)
		tool_die(&tool, "%s", pfring_last_error());
	pfring_close(ring);
	return 0;
}
