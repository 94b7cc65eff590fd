/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reading.c - dispatch, loop, next and next_ex: counts, codes, bytes, and how
 * long the bytes stay.
 */
#include "probe.h"

static struct how modes[] = {{0}, {.immediate = 1}, {.nonblock = 1}, {.nano = 1, .promisc = 1}};

static void counted(pcap_t *p)
{
	struct sum sum = {.p = p};

	send_frames(UDP, 20, 60);
	settle(p, 20);
	see("dispatch 0: %d", pcap_dispatch(p, 0, add, (void *)&sum));
	see_sum("so far", &sum);
	send_frames(UDP, 20, 60);
	settle(p, 40);
	see("dispatch -1: %d", pcap_dispatch(p, -1, add, (void *)&sum));
	see_sum("so far", &sum);
	send_frames(TCP, 20, 61);
	settle(p, 60);
	for (int i = 0; i < 3; i++)
		see("dispatch 3: %d", pcap_dispatch(p, 3, add, (void *)&sum));
	see("dispatch 100: %d", pcap_dispatch(p, 100, add, (void *)&sum));
	see_sum("so far", &sum);
	send_frames(ICMP, 20, 62);
	settle(p, 80);
	see("loop 7: %d", pcap_loop(p, 7, add, (void *)&sum));
	see("loop 13: %d", pcap_loop(p, 13, add, (void *)&sum));
	see_sum("all", &sum);
}

static void one_by_one(pcap_t *p)
{
	struct pcap_pkthdr header, *h;
	const unsigned char *data, *first;
	unsigned char copy[FRAME_MAX];
	unsigned same = 0, n = 0;
	int rc;

	send_each_kind(4);
	settle(p, 80 + 4 * KINDS);
	for (unsigned i = 0; i < 2 * KINDS; i++) {
		struct sum sum = {.p = p};

		rc = pcap_next_ex(p, &h, &data);
		if (rc != 1) {
			see("next_ex: %d", rc);
			break;
		}
		memcpy(copy, data, h->caplen);
		first = data;
		/* Whatever else is done with the handle, until the next read the bytes stay. */
		pcap_stats(p, &(struct pcap_stat){0});
		same += !memcmp(copy, first, h->caplen);
		add((void *)&sum, h, data);
		see_sum("next_ex", &sum);
	}
	see("unchanged: %u", same);
	for (unsigned i = 0; i < 2 * KINDS; i++) {
		data = pcap_next(p, &header);
		n += data != NULL;
		if (data)
			same += data[0] == 2 && header.caplen <= header.len;
	}
	see("next: %u, sound: %u", n, same);
}

/* A packet is const, but arpwatch and others turn its bytes around where they lie. */
static void scribble(unsigned char *count, const struct pcap_pkthdr *h, const unsigned char *data)
{
	memset((void *)(uintptr_t)data, 0xff, h->caplen);
	++*(unsigned *)(void *)count;
}

static void written_into(pcap_t *p, unsigned before)
{
	struct sum sum = {.p = p};
	unsigned count = 0;

	send_frames(UDP, 20, 63);
	settle(p, before + 20);
	see("loop that writes: %d", pcap_loop(p, 10, scribble, (void *)&count));
	see("written into: %u", count);
	see("loop: %d", pcap_loop(p, 10, add, (void *)&sum));
	see_sum("behind", &sum);
}

static void nothing_there(pcap_t *p)
{
	struct pcap_pkthdr header, *h;
	const unsigned char *data;
	struct sum sum = {.p = p};

	see("empty: dispatch %d %d, next_ex %d, next %d", pcap_dispatch(p, -1, add, (void *)&sum),
	    pcap_dispatch(p, 5, add, (void *)&sum), pcap_next_ex(p, &h, &data),
	    pcap_next(p, &header) != NULL);
}

static void books(pcap_t *p, unsigned want)
{
	struct pcap_stat st;

	pcap_stats(p, &st);
	see("books: %u %u %u of %u", st.ps_recv, st.ps_drop, st.ps_ifdrop, want);
	/* Reading them does not change them. */
	pcap_stats(p, &st);
	see("again: %u %u %u", st.ps_recv, st.ps_drop, st.ps_ifdrop);
}

static void directions(void)
{
	static const pcap_direction_t all[] = {PCAP_D_INOUT, PCAP_D_IN, PCAP_D_OUT, PCAP_D_INOUT};

	title("direction");
	for (int early = 0; early < 2; early++) {
		pcap_t *p = opened(NULL);

		for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
			struct sum sum;

			if (!early)
				see("set to %d: %d", (int)all[i], pcap_setdirection(p, all[i]));
			send_frames(TCP, 5, 60);
			send_out(4);
			if (early) {
				/* What is queued already counts, too. */
				usleep(4 * TO_MS * 1000);
				see("set to %d with packets queued: %d", (int)all[i],
				    pcap_setdirection(p, all[i]));
			}
			sum = drain(p);
			see_sum("came", &sum);
			pcap_setdirection(p, PCAP_D_INOUT);
		}
		pcap_close(p);
	}
}

static void loopback(void)
{
	char errbuf[PCAP_ERRBUF_SIZE] = "";
	pcap_t *p = pcap_open_live("lo", 262144, 0, TO_MS, errbuf);
	struct sum sum;

	title("loopback");
	see("open: %s \"%s\"", p ? "opened" : "NULL", errbuf);
	if (!p)
		return;
	filter(p, "udp dst port 9");
	run("bash -c 'echo probe > /dev/udp/127.0.0.1/9'");
	sum = drain(p);
	see("a datagram passes once: %u, %llu bytes", sum.count, (unsigned long long)sum.bytes);
	pcap_close(p);
}

static void big_load(void)
{
	struct how how = {.buffer = 16 << 20};
	pcap_t *p = opened(&how);
	struct sum sum = {.p = p};

	title("load");
	send_frames(UDP, 3000, 200);
	see("loop 3000: %d", pcap_loop(p, 3000, add, (void *)&sum));
	see_sum("all", &sum);
	books(p, 3000);
	pcap_close(p);
}

/* How many fit is each library's own affair; that the books balance is not. */
static void overflow(int immediate)
{
	struct how how = {.buffer = 1, .immediate = immediate, .nonblock = 1};
	pcap_t *p = opened(&how);
	struct pcap_stat st;
	struct sum sum;

	title(immediate ? "overflow, immediate" : "overflow");
	filter(p, "udp");
	for (unsigned i = 0; i < 2000; i++) {
		send_frame(UDP, i, 1514);
		send_frame(TCP, i, 60);
	}
	settle(p, 2000);
	pcap_stats(p, &st);
	see("books: %u, some are dropped: %d", st.ps_recv, st.ps_drop > 0);
	sum = drain(p);
	pcap_stats(p, &st);
	see("books: %u, and balance: %d", st.ps_recv, st.ps_recv == sum.count + st.ps_drop);
	pcap_close(p);
}

void probe_reading(void)
{
	static const char *const names[] = {"reading", "reading, immediate",
					    "reading, non-blocking", "reading, nano, promiscuous"};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		pcap_t *p = opened(&modes[i]);

		title(names[i]);
		counted(p);
		one_by_one(p);
		if (modes[i].nonblock)
			nothing_there(p);
		written_into(p, 80 + 4 * KINDS);
		books(p, 100 + 4 * KINDS);
		pcap_close(p);
	}
	directions();
	loopback();
	big_load();
	overflow(0);
	overflow(1);
}
