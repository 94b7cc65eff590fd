/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * read.c - the packet path: dispatch, loop, next, next_ex, breakloop.
 *
 * Packets are handed out where they lie in the ring, from a held batch; the
 * next batch is fetched, and the old one released, only when the program comes
 * back for more than is held. So what pcap_next_ex() returned stays valid until
 * the next call, without the copy that libpcap makes.
 */
#include "overlay.h"

static void header_of(const struct pfro_handle *h, const struct pfring_packet *p,
		      struct pcap_pkthdr *hdr)
{
	hdr->ts.tv_sec = (time_t)(p->ts_ns / 1000000000u);
	hdr->ts.tv_usec = (suseconds_t)(p->ts_ns % 1000000000u);
	if (!h->nano)
		hdr->ts.tv_usec /= 1000;
	hdr->caplen = p->caplen;
	hdr->len = p->len;
}

static bool broken(struct pfro_handle *h)
{
	if (!atomic_load_explicit(&h->breakloop, memory_order_relaxed))
		return false;
	atomic_store(&h->breakloop, 0);
	return true;
}

/*
 * Makes the batch hold something. 1; 0 none there (non-blocking, or the opt-in
 * time-out); PCAP_ERROR; PCAP_ERROR_BREAK.
 */
static int refill(struct pfro_handle *h, pcap_t *p)
{
	int wait = h->nonblock ? 0 : h->read_timeout && h->timeout > 0 ? h->timeout : -1;
	int n;

	for (;;) {
		if (broken(h))
			return PCAP_ERROR_BREAK;
		h->at = h->count = 0;
		n = pfring_recv_batch(h->ring, h->batch, PFRO_BATCH, h->spin ? 0 : wait);
		if (n > 0) {
			h->count = (u_int)n;
			return 1;
		}
		if (n == 0 && (h->nonblock || !h->spin))
			return 0;
		/* A signal, or a breakloop that is seen above. */
		if (n == 0 || n == -EINTR)
			continue;
		if (n == -ENODEV)
			return pfro_error(p, "The interface disappeared");
		return pfro_error(p, "%s", pfring_last_error());
	}
}

/* Delivers up to max (0 or less: all that is there). A count, or a negative code. */
static int deliver(struct pfro_handle *h, pcap_t *p, int max, pcap_handler cb, u_char *user)
{
	struct pcap_pkthdr hdr;
	int done = 0, rc;

	if (broken(h))
		return PCAP_ERROR_BREAK;
	if (h->at == h->count) {
		rc = refill(h, p);
		if (rc <= 0)
			return rc;
	}
	for (;;) {
		while (h->at < h->count && (max <= 0 || done < max)) {
			const struct pfring_packet *pkt = &h->batch[h->at++];

			__builtin_prefetch(h->batch[(h->at + 1) % PFRO_BATCH].data);
			header_of(h, pkt, &hdr);
			cb(user, &hdr, pkt->data);
			done++;
			if (broken(h))
				return PCAP_ERROR_BREAK;
		}
		if (max > 0 && done == max)
			return done;
		/* What else is ready belongs to this call, but it does not wait for it. */
		h->at = h->count = 0;
		rc = pfring_recv_batch(h->ring, h->batch, PFRO_BATCH, 0);
		if (rc <= 0)
			return done;
		h->count = (u_int)rc;
	}
}

PFRO_EXPORT int pcap_dispatch(pcap_t *p, int cnt, pcap_handler callback, u_char *user)
{
	struct pfro_handle *h = pfro_live(p);

	return h ? deliver(h, p, cnt, callback, user) : REAL(pcap_dispatch)(p, cnt, callback, user);
}

PFRO_EXPORT int pcap_loop(pcap_t *p, int cnt, pcap_handler callback, u_char *user)
{
	struct pfro_handle *h = pfro_live(p);
	int n;

	if (!h)
		return REAL(pcap_loop)(p, cnt, callback, user);
	for (;;) {
		n = deliver(h, p, cnt, callback, user);
		if (n < 0)
			return n;
		if (cnt > 0) {
			cnt -= n;
			if (cnt <= 0)
				return 0;
		}
	}
}

PFRO_EXPORT int pcap_next_ex(pcap_t *p, struct pcap_pkthdr **pkt_header, const u_char **pkt_data)
{
	struct pfro_handle *h = pfro_live(p);
	const struct pfring_packet *pkt;
	int rc;

	if (!h)
		return REAL(pcap_next_ex)(p, pkt_header, pkt_data);
	if (broken(h))
		return PCAP_ERROR_BREAK;
	if (h->at == h->count) {
		rc = refill(h, p);
		if (rc <= 0)
			return rc;
	}
	pkt = &h->batch[h->at++];
	header_of(h, pkt, &h->hdr);
	*pkt_header = &h->hdr;
	*pkt_data = pkt->data;
	return 1;
}

PFRO_EXPORT const u_char *pcap_next(pcap_t *p, struct pcap_pkthdr *hdr)
{
	struct pcap_pkthdr *where;
	const u_char *data;

	if (!pfro_live(p))
		return REAL(pcap_next)(p, hdr);
	if (pcap_next_ex(p, &where, &data) != 1)
		return NULL;
	*hdr = *where;
	return data;
}

PFRO_EXPORT void pcap_breakloop(pcap_t *p)
{
	struct pfro_handle *h = pfro_live(p);

	if (!h) {
		REAL(pcap_breakloop)(p);
		return;
	}
	atomic_store(&h->breakloop, 1);
	pfring_breakloop(h->ring);
}

void pfro_refilter(struct pfro_handle *h)
{
	u_int left = h->count - h->at;

	if (left)
		h->count = h->at + pfring_refilter(h->ring, &h->batch[h->at], left);
}
