/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcapsource.h - makes batches out of a libpcap handle.
 *
 * libpcap's packet is valid until its next one; a batch must stay until
 * release(). So packets are copied into a chunk, and a packet that no longer
 * fits waits in libpcap until the next batch. One too large for any chunk is
 * handed out where it lies, as a batch of its own. Used by file.c and pcap.c,
 * with the handle held.
 */
#ifndef PFRI_PCAPSOURCE_H
#define PFRI_PCAPSOURCE_H

#include "backend.h"
#include "pcapcloser.h"
#include "pcaplib.h"

#define PFRI_CHUNK                                                                                 \
	524288 /* holds the largest Ethernet packet twice and stays in a core's cache              \
		*/

struct pfri_pcapsource {
	const struct pfri_pcaplib *lib;
	pcap_t *p; /* owned */
	struct pfri_pcapclosing *closing;
	u_char *chunk; /* PFRI_CHUNK bytes, mapped */
	size_t used;
	bool full;		 /* nothing more until release() */
	u_int32_t ns_unit;	 /* nanoseconds per unit of tv_usec: 1 or 1000 */
	struct pcap_pkthdr *hdr; /* with data: read from p and not handed out yet */
	const u_char *data;
	int end; /* 0, or what recv() says from now on, why in libpcap's words */
	char why[PCAP_ERRBUF_SIZE];
	u_int64_t count; /* packets handed out */
};

/* Takes over p, which is closed also on failure. 0 or negative with the reason told. */
int pfri_pcapsource_open(struct pfri_pcapsource *s, const struct pfri_pcaplib *lib, pcap_t *p,
			 u_int32_t ns_unit);
/*
 * As recv_batch() of the op table. ready, if not NULL, is asked before each
 * packet whether reading would not wait. An error has no text yet: it is s->why.
 */
int pfri_pcapsource_recv(struct pfri_pcapsource *s, struct pfring_packet *pkt, u_int max,
			 bool (*ready)(void *arg), void *arg);
/* Whether recv() would return something other than 0; takes a packet out of libpcap to know. */
bool pfri_pcapsource_peek(struct pfri_pcapsource *s);
void pfri_pcapsource_release(struct pfri_pcapsource *s);
void pfri_pcapsource_close(struct pfri_pcapsource *s);

/* poll() of the op table for one descriptor (-1: none, just wait). */
int pfri_poll_fd(int fd, int wake_fd, int timeout_ms);

#endif /* PFRI_PCAPSOURCE_H */
