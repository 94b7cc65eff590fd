/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * activation.c - what pcap_activate() and pcap_open_live() answer, and how the
 * settings come out.
 */
#include "probe.h"

static void activate(const char *device, int rfmon, int promisc)
{
	char errbuf[PCAP_ERRBUF_SIZE] = "";
	pcap_t *p = pcap_create(device, errbuf);

	if (!p) {
		see("create %s: \"%s\"", device ? device : "NULL", errbuf);
		return;
	}
	pcap_set_rfmon(p, rfmon);
	pcap_set_promisc(p, promisc);
	*SAID(p) = 0;
	see("activate \"%s\", rfmon %d, promisc %d: %d", device ? device : "NULL", rfmon, promisc,
	    pcap_activate(p));
	see("says \"%s\", link type %d", SAID(p), pcap_datalink(p));
	/* No second try: where the first has failed libpcap 1.10.3 crashes in it. */
	pcap_close(p);
}

static void open_live(const char *device)
{
	char errbuf[PCAP_ERRBUF_SIZE] = "";
	pcap_t *p = pcap_open_live(device, 100, 1, TO_MS, errbuf);

	see("open_live \"%s\": %s \"%s\"", device ? device : "NULL", p ? "opened" : "NULL", errbuf);
	if (p) {
		see("snap length %d, link type %d", pcap_snapshot(p), pcap_datalink(p));
		pcap_close(p);
	}
}

static void snap_lengths(void)
{
	static const int lengths[] = {-5, 1, 14, 17, 60, 64, 68, 96, 1514, 65535, 262144, 262145};

	title("snap length");
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct how how = {.snaplen = lengths[i]};
		pcap_t *p = opened(&how);
		struct sum sum;
		char text[64];

		send_each_kind(2);
		sum = gather(p, 2 * KINDS);
		snprintf(text, sizeof(text), "snap length %d is %d", lengths[i], pcap_snapshot(p));
		see_sum(text, &sum);
		/* One byte is too few for libpcap, which runs the filter again behind the cut. */
		if (lengths[i] != 1) {
			filter(p, "ip or vlan");
			send_each_kind(2);
			sum = gather(p, 2 * (KINDS - 1));
			see_sum("the same with a filter", &sum);
		}
		pcap_close(p);
	}
}

static void settings(void)
{
	static const int timeouts[] = {-1, 0, 1, 10, 100};
	static const int buffers[] = {1, 4096, 65536, 2 << 20, 64 << 20};
	char errbuf[PCAP_ERRBUF_SIZE] = "";
	struct sum sum;

	title("settings in force");
	for (int immediate = 0; immediate < 2; immediate++)
		for (size_t i = 0; i < sizeof(timeouts) / sizeof(timeouts[0]); i++) {
			struct how how = {.immediate = immediate};
			pcap_t *p = made(&how);

			pcap_set_timeout(p, timeouts[i]);
			see("time-out %d, immediate %d: %d", timeouts[i], immediate,
			    pcap_activate(p));
			see("non-blocking %d, one frame holds %d", pcap_getnonblock(p, errbuf),
			    pcap_bufsize(p));
			/*
			 * Without a time-out libpcap's packets come when 256 KiB are
			 * full; immediate, it loses what is more than 31.
			 */
			if (timeouts[i] > 0 || immediate) {
				send_each_kind(4);
				sum = gather(p, 4 * KINDS);
				see_sum("all", &sum);
			}
			pcap_close(p);
		}
	for (int immediate = 0; immediate < 2; immediate++)
		for (size_t i = 0; i < sizeof(buffers) / sizeof(buffers[0]); i++) {
			struct how how = {.buffer = buffers[i], .immediate = immediate};
			pcap_t *p = made(&how);

			see("buffer %d, immediate %d: %d \"%s\"", buffers[i], immediate,
			    pcap_activate(p), SAID(p));
			see("one frame holds %d", pcap_bufsize(p));
			for (unsigned k = 0; k < 5; k++) {
				send_frame(UDP, k, 1514);
				sum = gather(p, 1);
				see_sum("one", &sum);
			}
			pcap_close(p);
		}
	{
		/* A size that makes no sense leaves the one before. */
		pcap_t *p = made(NULL);

		pcap_set_buffer_size(p, 1 << 20);
		pcap_set_buffer_size(p, 0);
		pcap_set_tstamp_type(p, 99);
		see("odd settings: %d", pcap_activate(p));
		send_each_kind(5);
		sum = gather(p, 5 * KINDS);
		see_sum("all", &sum);
		pcap_close(p);
	}
	for (int nano = 0; nano < 2; nano++) {
		struct how how = {.nano = nano};
		pcap_t *p = opened(&how);
		struct pcap_pkthdr *h;
		const unsigned char *data;
		bool fine = true, sub = false;

		send_frames(UDP, 50, 60);
		settle(p, 50);
		for (int i = 0; i < 50 && pcap_next_ex(p, &h, &data) == 1; i++) {
			fine &= h->ts.tv_sec > 1600000000 &&
				h->ts.tv_usec < (nano ? 1000000000 : 1000000);
			sub |= h->ts.tv_usec >= 1000000;
		}
		/* Fifty frames within the first millisecond of a second would be a wonder. */
		see("precision %d: sound %d, finer than a microsecond %d",
		    pcap_get_tstamp_precision(p), fine, sub);
		pcap_close(p);
	}
}

void probe_activation(void)
{
	title("activation");
	activate(CAPTURE, 0, 0);
	activate(CAPTURE, 0, 1);
	activate(CAPTURE, 1, 0);
	activate("nosuch0", 0, 0);
	activate("", 0, 0);
	activate("fifteen_letters", 0, 0);
	activate("sixteen_letters_", 0, 0);
	activate("a_name_that_is_much_too_long_for_any_interface", 0, 1);
	activate("any", 0, 0);
	activate("any", 0, 1);
	activate(NULL, 0, 0);
	activate("lo", 0, 0);
	activate("cap0:1", 0, 0);
	activate("cap0 ", 0, 0);
	activate("rpcap://nowhere/eth0", 0, 0);
	run("ip link add name down0 type veth peer name down1");
	activate("down0", 0, 0);
	open_live("down0");
	run("ip link set down0 up");
	activate("down0", 0, 1);
	run("ip link del down0");
	open_live(CAPTURE);
	open_live("nosuch0");
	open_live("any");
	open_live(NULL);
	open_live("a_name_that_is_much_too_long_for_any_interface");
	snap_lengths();
	settings();
}
