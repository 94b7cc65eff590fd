/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfwrite - captures into a file that tcpdump and Wireshark read.
 */
#include "capture.h"

static struct tool_capture capture = {
	.caplen = MAX_CAPLEN, .flags = PF_RING_PROMISC, .type = cluster_per_flow_2_tuple};
static const char *path;
static enum pfring_dump_format format;
static pfring_dumper *file;

static const struct tool_option options[] = {
	TOOL_DEVICE(&capture.device),
	TOOL_TEXT('w', "write", "FILE", "where to, - for standard output; an old file is replaced",
		  &path),
	{'F', "format", "FORMAT", "pcap (microseconds, default), nspcap (nanoseconds) or pcapng"},
	TOOL_FILTER(&capture.filter),
	TOOL_CAPLEN("(default: all)", &capture.caplen),
	TOOL_DIRECTION(&capture.direction),
	TOOL_CLUSTER(&capture.cluster),
	TOOL_COUNT("stop after so many", &capture.count),
	TOOL_DURATION('d', &capture.seconds),
	TOOL_QUIET("say nothing at the end", &capture.quiet),
	{0},
};

static const struct tool tool = {
	.name = "pfwrite",
	.summary = "capture into a file",
	.options = options,
};

static enum pfring_dump_format format_of(const char *name)
{
	if (!strcmp(name, "pcap"))
		return PFRING_DUMP_PCAP;
	if (!strcmp(name, "nspcap"))
		return PFRING_DUMP_PCAP_NS;
	if (!strcmp(name, "pcapng"))
		return PFRING_DUMP_PCAPNG;
	tool_usage(&tool, "there is no format \"%s\": pcap, nspcap, pcapng", name);
}

static u_int64_t written;

static int write_down(const struct pfring_packet *packets, u_int n)
{
	int rc = pfring_dump_packets(file, packets, n);

	written += rc ? 0 : n;
	return rc;
}

/* Whoever looks at the file sees all but the last second. */
static int flush(pfring *ring, double ms)
{
	(void)ring, (void)ms;
	return pfring_dump_flush(file);
}

int main(int argc, char **argv)
{
	pfring_stat st = {0};
	pfring *ring;
	int rc;

	while (tool_next(&tool, argc, argv) != -1)
		format = format_of(optarg);
	if (!path)
		tool_usage(&tool, "no file was given (-w)");
	ring = tool_capture_open(&tool, &capture, capture.device);
	file = pfring_dump_open(path, pfring_get_link_type(ring), capture.caplen, format);
	if (!file)
		tool_die(&tool, "%s", pfring_last_error());
	tool_capture_start(&tool, &capture, ring);
	/* Standard output may be the file. */
	if (!capture.quiet)
		fprintf(stderr, "Writing %s\n", path);
	rc = tool_capture_run(&capture, ring, write_down, flush);
	if (rc)
		fprintf(stderr, "pfwrite: %s\n", pfring_last_error());
	pfring_stats(ring, &st);
	if (pfring_dump_close(file) && !rc) {
		fprintf(stderr, "pfwrite: %s\n", pfring_last_error());
		rc = -EIO;
	}
	if (!capture.quiet)
		fprintf(stderr, "%llu packets written, %llu dropped\n", (unsigned long long)written,
			(unsigned long long)st.drop);
	pfring_close(ring);
	return rc != 0;
}
