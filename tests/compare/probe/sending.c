/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sending.c - pcap_inject() and pcap_sendpacket(): codes, texts, what arrives,
 * and that a handle does not see what it sends.
 */
#include "probe.h"

static void injected(pcap_t *p, size_t size)
{
	unsigned char *frame = calloc(1, size + 1);

	frame_make(frame, UDP, 0, size < 60 ? 60 : 60);
	frame[12] = 0x88;
	frame[13] = 0xb6;
	*SAID(p) = 0;
	errno = 0;
	see("inject %zu: %d", size, pcap_inject(p, frame, size));
	see("says \"%s\"", SAID(p));
	*SAID(p) = 0;
	errno = 0;
	see("sendpacket %zu: %d", size, pcap_sendpacket(p, frame, (int)size));
	see("says \"%s\"", SAID(p));
	see("arrived: %d", arrived());
	free(frame);
}

void probe_sending(void)
{
	static const size_t sizes[] = {0,    1,	   13,	 14,   15,    60,    1514,
				       1515, 1518, 1519, 9000, 70000, 300000};
	char errbuf[PCAP_ERRBUF_SIZE] = "";
	pcap_t *p = opened(NULL), *other = opened(NULL), *cooked;
	unsigned char frame[64] = {0};
	struct sum sum;

	title("sending");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		/* A buffer of at least a frame: frame_make() fills 60 bytes. */
		if (sizes[i] >= 60 || sizes[i] == 0) {
			if (sizes[i])
				injected(p, sizes[i]);
			else
				CODE(p, pcap_inject(p, frame, 0));
			continue;
		}
		CODE(p, pcap_inject(p, frame, sizes[i]));
	}
	CODE(p, pcap_inject(p, frame, (size_t)-1));
	CODE(p, pcap_sendpacket(p, frame, 0));
	CODE(p, pcap_sendpacket(p, frame, -7));
	sum = drain(p);
	see("its own are not seen: %u", sum.count);
	sum = drain(other);
	see_sum("the other handle sees them", &sum);

	cooked = pcap_open_live("any", 100, 0, TO_MS, errbuf);
	title("sending on any");
	CODE(cooked, pcap_inject(cooked, frame, 60));
	CODE(cooked, pcap_sendpacket(cooked, frame, 60));
	pcap_close(cooked);
	title("sending, non-blocking");
	see("set: %d", pcap_setnonblock(p, 1, errbuf));
	injected(p, 60);
	title("sending, filter that refuses all");
	filter(p, "less 1");
	injected(p, 60);
	title("sending, interface down");
	run("ip link set " CAPTURE " down");
	CODE(p, pcap_inject(p, frame, 60));
	CODE(p, pcap_sendpacket(p, frame, 60));
	run("ip link set " CAPTURE " up");
	usleep(50000);
	injected(p, 60);
	pcap_close(other);
	pcap_close(p);
}
