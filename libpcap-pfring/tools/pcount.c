/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcount - pfcount written for libpcap: shows what a libpcap program gets, over
 * the system's libpcap and, with LD_LIBRARY_PATH, over ours (docs/libpcap.md).
 */
#include <pcap/pcap.h>

#include "common.h"

static struct {
	const char *device, *filter;
	u_int caplen;
	u_int64_t count, seconds;
	bool no_promisc, quiet;
} opt = {.caplen = 1536};

static const struct tool_option options[] = {
	TOOL_TEXT('i', "device", "DEVICE", "what to capture from, or a capture file", &opt.device),
	TOOL_CAPLEN("(default 1536)", &opt.caplen),
	TOOL_FILTER(&opt.filter),
	TOOL_TRUE('m', "no-promisc", "only what is for this host", &opt.no_promisc),
	TOOL_QUIET("no lines each second, only the last ones", &opt.quiet),
	TOOL_COUNT("stop after so many", &opt.count),
	TOOL_DURATION('d', &opt.seconds),
	{0},
};

static const struct tool tool = {
	.name = "pcount",
	.summary = "receive packets through libpcap and count them",
	.options = options,
};

static pcap_t *handle;

static void on_packet(u_char *user, const struct pcap_pkthdr *h, const u_char *p)
{
	struct tool_count *count = (struct tool_count *)(void *)user;

	(void)p;
	count->packets++;
	count->bytes += h->len;
}

/* libpcap waits for packets as long as none comes: only this ends it. */
static void wake(void)
{
	pcap_breakloop(handle);
}

static void open_handle(void)
{
	char why[PCAP_ERRBUF_SIZE] = "";
	struct bpf_program program;

	handle = access(opt.device, R_OK)
			 ? pcap_open_live(opt.device, (int)opt.caplen, !opt.no_promisc, 100, why)
			 : pcap_open_offline(opt.device, why);
	if (!handle)
		tool_die(&tool, "%s", why);
	if (opt.filter && (pcap_compile(handle, &program, opt.filter, 1, PCAP_NETMASK_UNKNOWN) ||
			   pcap_setfilter(handle, &program)))
		tool_die(&tool, "%s: %s", opt.filter, pcap_geterr(handle));
}

static void print(struct tool_count *count, const struct tool_clock *clock, double ms)
{
	struct pcap_stat st = {0};

	if (pcap_stats(handle, &st))
		st.ps_recv = (u_int)count->packets; /* a file has no statistics */
	/* libpcap counts among the received what it dropped. */
	tool_print_stats(count, st.ps_recv > st.ps_drop ? st.ps_recv - st.ps_drop : 0, st.ps_drop,
			 clock, ms);
}

int main(int argc, char **argv)
{
	struct tool_count count = {0};
	struct tool_clock clock;
	bool file;
	double ms;
	int n = 0;

	tool_options(&tool, argc, argv);
	tool_need_device(&tool, opt.device);
	open_handle();
	file = pcap_file(handle) != NULL;
	tool_on_stop_call(wake);
	tool_clock_start(&clock, opt.seconds);
	tool_say("%s\nCapturing", pcap_lib_version());
	while (!tool_stopped && n >= 0 && !tool_clock_over(&clock) &&
	       (!opt.count || count.packets < opt.count)) {
		int most = -1;

		if (opt.count)
			most = (int)min_val(opt.count - count.packets, 1000000u);
		n = pcap_dispatch(handle, most, on_packet, (u_char *)&count);
		if (n == PCAP_ERROR_BREAK)
			n = file ? 1 : 0;
		if (tool_clock_due(&clock, &ms) && !opt.quiet)
			print(&count, &clock, ms);
		if (file && n == 0)
			break;
	}
	print(&count, &clock, 0);
	if (n < 0)
		tool_die(&tool, "%s", pcap_geterr(handle));
	pcap_close(handle);
	return 0;
}
