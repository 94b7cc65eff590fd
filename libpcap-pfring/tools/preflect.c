/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * preflect - sends what one device receives out of another, through libpcap:
 * pfbridge for comparison, one call for each packet.
 */
#include <pcap/pcap.h>

#include "common.h"

static const char *input, *output, *filter;
static u_int64_t most, seconds;
static u_int64_t received, sent, refused;

static const struct tool_option options[] = {
	TOOL_TEXT('i', "input", "DEVICE", "where packets come from", &input),
	TOOL_TEXT('o', "output", "DEVICE", "where they go", &output),
	TOOL_FILTER(&filter),
	TOOL_COUNT("stop after so many", &most),
	TOOL_DURATION('d', &seconds),
	{0},
};

static const struct tool tool = {
	.name = "preflect",
	.summary = "send what one device receives out of another, through libpcap",
	.options = options,
};

static pcap_t *in;

/* libpcap waits for packets as long as none comes: only this ends it. */
static void wake(void)
{
	pcap_breakloop(in);
}

static pcap_t *open_device(const char *device)
{
	char why[PCAP_ERRBUF_SIZE] = "";
	pcap_t *p = pcap_create(device, why);
	int rc;

	if (!p)
		tool_die(&tool, "%s", why);
	pcap_set_snaplen(p, MAX_CAPLEN);
	pcap_set_promisc(p, 1);
	pcap_set_timeout(p, 10);
	rc = pcap_activate(p);
	if (rc < 0)
		tool_die(&tool, "%s: %s", device, pcap_geterr(p));
	return p;
}

static void on_packet(u_char *user, const struct pcap_pkthdr *h, const u_char *p)
{
	received++;
	if (h->caplen == h->len && !pcap_sendpacket((pcap_t *)(void *)user, p, (int)h->caplen))
		sent++;
	else
		refused++;
}

int main(int argc, char **argv)
{
	struct bpf_program program;
	struct tool_clock clock;
	pcap_t *out;
	int n = 0;

	tool_options(&tool, argc, argv);
	if (!input || !output)
		tool_usage(&tool, "two devices are needed, -i and -o");
	if (!strcmp(input, output))
		tool_usage(&tool, "%s to itself would be a loop", input);
	out = open_device(output);
	in = open_device(input);
	/* Without this it would take up what others send out of the input, and what came from
	 * there. */
	if (pcap_setdirection(in, PCAP_D_IN))
		tool_die(&tool, "%s", pcap_geterr(in));
	if (filter && (pcap_compile(in, &program, filter, 1, PCAP_NETMASK_UNKNOWN) ||
		       pcap_setfilter(in, &program)))
		tool_die(&tool, "%s: %s", filter, pcap_geterr(in));
	tool_on_stop_call(wake);
	tool_clock_start(&clock, seconds);
	tool_say("Reflecting");
	while (!tool_stopped && n >= 0 && !tool_clock_over(&clock) && (!most || received < most)) {
		n = pcap_dispatch(in, most ? (int)min_val(most - received, 1000u) : -1, on_packet,
				  (u_char *)out);
		if (n == PCAP_ERROR_BREAK)
			n = 0;
	}
	printf("[%llu pkts rcvd][%llu pkts sent][%llu pkts refused]\n",
	       (unsigned long long)received, (unsigned long long)sent, (unsigned long long)refused);
	if (n < 0)
		tool_die(&tool, "%s", pcap_geterr(in));
	pcap_close(in);
	pcap_close(out);
	return 0;
}
