/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfwrite - captures into a file that tcpdump and Wireshark read.
 */
#include "common.h"

static const struct tool_option options[] = {
	{'i', "device", "DEVICE", "what to capture from (alldevs lists them; file:PATH)"},
	{'w', "write", "FILE", "where to, - for standard output; an old file is replaced"},
	{'F', "format", "FORMAT", "pcap (microseconds, default), nspcap (nanoseconds) or pcapng"},
	{'f', "filter", "EXPRESSION", "only packets of this pcap-filter(7)"},
	{'l', "caplen", "BYTES", "bytes kept of each packet (default: all)"},
	{'e', "direction", "0|1|2", "0 both (default), 1 received, 2 sent packets"},
	{'c', "cluster", "ID", "share the packets with the other members of this cluster"},
	{'n', "count", "PACKETS", "stop after so many"},
	{'d', "duration", "SECONDS", "stop after so long"},
	{'q', "quiet", NULL, "say nothing at the end"},
	{0},
};

static const struct tool tool = {
	.name = "pfwrite",
	.summary = "capture into a file",
	.options = options,
};

static struct {
	const char *device, *path, *filter;
	enum pfring_dump_format format;
	u_int32_t caplen;
	packet_direction direction;
	u_int cluster;
	u_int64_t count, seconds;
	bool quiet;
} opt = {.caplen = MAX_CAPLEN};

static enum pfring_dump_format format(void)
{
	if (!strcmp(optarg, "pcap"))
		return PFRING_DUMP_PCAP;
	if (!strcmp(optarg, "nspcap"))
		return PFRING_DUMP_PCAP_NS;
	if (!strcmp(optarg, "pcapng"))
		return PFRING_DUMP_PCAPNG;
	tool_usage(&tool, "there is no format \"%s\": pcap, nspcap, pcapng", optarg);
}

static void parse(int argc, char **argv)
{
	int c;

	while ((c = tool_next(&tool, argc, argv)) != -1) {
		switch (c) {
		case 'i':
			opt.device = optarg;
			break;
		case 'w':
			opt.path = optarg;
			break;
		case 'F':
			opt.format = format();
			break;
		case 'f':
			opt.filter = optarg;
			break;
		case 'l':
			opt.caplen = (u_int32_t)tool_number(&tool, "a length", 1, MAX_CAPLEN);
			break;
		case 'e':
			opt.direction = tool_direction(&tool);
			break;
		case 'c':
			opt.cluster = (u_int)tool_number(&tool, "a cluster", 1, 65535);
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
	if (!opt.path)
		tool_usage(&tool, "no file was given (-w)");
}

static pfring *open_ring(void)
{
	pfring *ring = tool_open(&tool, opt.device, opt.caplen, PF_RING_PROMISC);

	if (opt.direction != rx_and_tx_direction)
		tool_check(&tool, pfring_set_direction(ring, opt.direction));
	tool_check(&tool, pfring_set_socket_mode(ring, recv_only_mode));
	if (opt.filter)
		tool_check(&tool, pfring_set_bpf_filter(ring, opt.filter));
	if (opt.cluster)
		tool_check(&tool, pfring_set_cluster(ring, opt.cluster, cluster_per_flow_2_tuple));
	return ring;
}

int main(int argc, char **argv)
{
	static struct pfring_packet packets[TOOL_BATCH];
	struct tool_clock clock;
	pfring_dumper *file;
	pfring_stat st = {0};
	u_int64_t written = 0;
	pfring *ring;
	double ms;
	int n = 0, rc = 0;

	parse(argc, argv);
	ring = open_ring();
	file = pfring_dump_open(opt.path, pfring_get_link_type(ring), opt.caplen, opt.format);
	if (!file)
		tool_die(&tool, "%s", pfring_last_error());
	tool_on_stop(ring);
	tool_enable(&tool, ring);
	tool_clock_start(&clock, opt.seconds);
	/* Standard output may be the file. */
	if (!opt.quiet)
		fprintf(stderr, "Writing %s\n", opt.path);
	while (!tool_stopped && !rc && !tool_clock_over(&clock) &&
	       (!opt.count || written < opt.count)) {
		u_int most = TOOL_BATCH;

		if (opt.count && opt.count - written < most)
			most = (u_int)(opt.count - written);
		n = pfring_recv_batch(ring, packets, most, tool_clock_wait(&clock));
		if (n < 0 && n != -EINTR)
			break;
		if (n > 0) {
			rc = pfring_dump_packets(file, packets, (u_int)n);
			written += rc ? 0 : (u_int)n;
		}
		/* Whoever looks at the file sees all but the last second. */
		if (tool_clock_due(&clock, &ms) && !rc)
			rc = pfring_dump_flush(file);
	}
	if (n < 0 && n != -EINTR && n != -ENODATA)
		fprintf(stderr, "pfwrite: %s\n", pfring_last_error());
	else
		n = 0;
	pfring_stats(ring, &st);
	if (pfring_dump_close(file) || rc) {
		fprintf(stderr, "pfwrite: %s\n", pfring_last_error());
		rc = 1;
	}
	if (!opt.quiet)
		fprintf(stderr, "%llu packets written, %llu dropped\n", (unsigned long long)written,
			(unsigned long long)st.drop);
	pfring_close(ring);
	return rc || n < 0;
}
