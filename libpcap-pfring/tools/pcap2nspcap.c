/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcap2nspcap - rewrites a capture file (pcap or pcapng) as pcap with time
 * stamps in nanoseconds. No packet is changed.
 */
#include "common.h"

static const char *input, *output;

static const struct tool_option options[] = {
	TOOL_TEXT('i', "input", "FILE", "the capture file", &input),
	TOOL_TEXT('o', "output", "FILE", "where to, - for standard output", &output),
	{0},
};

static const struct tool tool = {
	.name = "pcap2nspcap",
	.summary = "rewrite a capture file with time stamps in nanoseconds",
	.options = options,
};

int main(int argc, char **argv)
{
	static struct pfring_packet packets[TOOL_BATCH];
	u_int64_t written = 0;
	pfring_dumper *out;
	char name[4096];
	pfring *in;
	int n, rc = 0;

	tool_options(&tool, argc, argv);
	if (!input || !output)
		tool_usage(&tool, "two files are needed, -i and -o");
	if (strcmp(input, output) == 0)
		tool_usage(&tool, "%s would be overwritten while it is read", input);
	snprintf(name, sizeof(name), "file:%s", input);
	in = tool_open(&tool, name, MAX_CAPLEN, 0);
	tool_enable(&tool, in);
	out = pfring_dump_open(output, pfring_get_link_type(in), pfring_get_snaplen(in),
			       PFRING_DUMP_PCAP_NS);
	if (!out)
		tool_die(&tool, "%s", pfring_last_error());
	while (!rc && (n = pfring_recv_batch(in, packets, TOOL_BATCH, -1)) > 0) {
		rc = pfring_dump_packets(out, packets, (u_int)n);
		written += rc ? 0 : (u_int)n;
	}
	if (rc || n != -ENODATA)
		fprintf(stderr, "pcap2nspcap: %s\n", pfring_last_error());
	if (pfring_dump_close(out) && !rc)
		tool_die(&tool, "%s", pfring_last_error());
	fprintf(stderr, "%llu packets written\n", (unsigned long long)written);
	pfring_close(in);
	return rc || n != -ENODATA;
}
