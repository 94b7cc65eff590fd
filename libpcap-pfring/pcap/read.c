/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * read.c - the packet path: dispatch, loop, next, next_ex, breakloop.
 *
 * Packets are handed out where they lie in the ring, from a held batch. When
 * the last of them is handed out the batch is given back at once and the next
 * one, if it is there, taken: so a descriptor that select() watches is readable
 * when there is something to read and not otherwise, as programs rely on. Only
 * the packet that pcap_next_ex() returned last is then copied, since it must
 * stay valid until the next call; libpcap copies every one of them.
 *
 * Called by the one thread that reads the handle; pcap_breakloop() by anyone.
 */
#include <sys/mman.h>
#include <sys/socket.h>

#include "overlay.h"

static void header_of(const struct pfro_handle *h, const struct pfring_packet *p,
		      struct pfro_header *hdr)
{
	hdr->ns = p->ts_ns % 1000000000u;
	hdr->pcap.ts.tv_sec = (time_t)(p->ts_ns / 1000000000u);
	hdr->pcap.ts.tv_usec = (suseconds_t)(h->nano ? hdr->ns : hdr->ns / 1000);
	hdr->pcap.caplen = p->caplen;
	hdr->pcap.len = p->len;
}

static bool broken(struct pfro_handle *h)
{
	if (!atomic_load_explicit(&h->breakloop, memory_order_relaxed))
		return false;
	atomic_store(&h->breakloop, 0);
	return true;
}

static int fetch(struct pfro_handle *h, int timeout_ms)
{
	int n;

	h->at = h->count = 0;
	h->retest = false;
	n = pfring_recv_batch(h->ring, h->batch, PFRO_BATCH, timeout_ms);
	if (n > 0)
		h->count = (u_int)n;
	return n;
}

static void ignore(u_char *user, const struct pcap_pkthdr *hdr, const u_char *data)
{
	(void)user;
	(void)hdr;
	(void)data;
}

/*
 * A non-blocking read that found nothing is where libpcap looks for the
 * interface going down or away, and asks event loops to come back soon. The
 * shadow's socket hears of both, so the real library does its part by itself;
 * the ring says when it is empty for good. -EBADF: somebody has closed it.
 */
int pfro_hear_of_interface(struct pfro_handle *h)
{
	struct pollfd shadow = {.fd = h->shadow_fd};
	socklen_t len = sizeof(int);
	int err;

	if (!h->down && poll(&shadow, 1, 0) <= 0)
		return 0;
	if (shadow.revents & POLLNVAL)
		return -EBADF;
	if (!h->nonblock) {
		/* A blocking reader is told by the ring; here the news must only not pile up. */
		getsockopt(h->shadow_fd, SOL_SOCKET, SO_ERROR, &err, &len);
		return 0;
	}
	/* Takes the error off the ring's own descriptor: select() must not see it for ever. */
	pfring_poll(h->ring, 0);
	REAL(pcap_dispatch)(h->pcap, 1, ignore, NULL);
	h->down = REAL(pcap_get_required_select_timeout)(h->pcap) != NULL;
	return 0;
}

/*
 * Makes the batch hold something. 1; 0 none there (non-blocking, or the opt-in
 * time-out); PCAP_ERROR; PCAP_ERROR_BREAK.
 */
static int refill(struct pfro_handle *h, pcap_t *p)
{
	int wait = h->nonblock || h->spin ? 0 : h->read_timeout && h->timeout > 0 ? h->timeout : -1;
	u_int turns = 0;
	int n;

	h->at = h->count = 0;
	for (;;) {
		/* As libpcap: without packets a non-blocking read leaves the flag for the next one.
		 */
		if (!h->nonblock && broken(h))
			return PCAP_ERROR_BREAK;
		n = fetch(h, wait);
		if (n > 0)
			return 1;
		if (n == 0 && h->nonblock) {
			n = pfro_hear_of_interface(h);
			if (!n)
				return 0;
		}
		if (n == 0 && !h->spin)
			return 0;
		/* Who never waits hears of the interface's end here. */
		if (n == 0 && !(++turns % 1024))
			n = min_val(pfring_poll(h->ring, 0), 0);
		/* A signal, or a breakloop that is seen above. */
		if (n == 0 || n == -EINTR)
			continue;
		if (n == -ENODEV)
			return pfro_error(p, "The interface disappeared");
		if (n == -EBADF)
			return pfro_error(p, "Invalid polling request on packet socket");
		return pfro_error(p, "%s", pfring_last_error());
	}
}

/* The next packet of the batch that passes what is in force now, or NULL. */
static const struct pfring_packet *next(struct pfro_handle *h)
{
	while (h->at < h->count) {
		struct pfring_packet *pkt = &h->batch[h->at++];

		if (__builtin_expect(!h->retest && !(pkt->flags & PKT_FLAGS_UNTESTED), 1) ||
		    pfring_refilter(h->ring, pkt, 1))
			return pkt;
	}
	return NULL;
}

/*
 * All that was there is refused by the filter in force. libpcap's read then
 * comes back with nothing, for the program was told by select() that it need
 * not wait; unless it has no time-out.
 */
static bool goes_on(const struct pfro_handle *h)
{
	return !h->nonblock && !h->timeout && !h->immediate;
}

/* Something to hand out, and leave to do so: 1, else as refill(). */
static int begin(struct pfro_handle *h, pcap_t *p)
{
	int rc = h->at < h->count ? 1 : refill(h, p);

	return rc > 0 && broken(h) ? PCAP_ERROR_BREAK : rc;
}

/* Stacks grow downwards: a frame below the caller's is one that is left. */
__attribute__((noinline)) bool pfro_in_callback(const struct pfro_handle *h)
{
	return h->frame && pthread_equal(h->reader, pthread_self()) &&
	       (uintptr_t)__builtin_frame_address(0) < (uintptr_t)h->frame;
}

/* Delivers up to max (0 or less: all that is there). A count, or a negative code. */
static int deliver(struct pfro_handle *h, pcap_t *p, int max, pcap_handler cb, u_char *user)
{
	void *outer = pfro_in_callback(h) ? h->frame : NULL;
	struct pfro_header hdr;
	bool stop = false;
	int done = 0, rc;

again:
	rc = begin(h, p);
	if (rc <= 0)
		return rc;
	h->frame = __builtin_frame_address(0);
	h->reader = pthread_self();
	do {
		const struct pfring_packet *pkt;

		while (!stop && (pkt = next(h))) {
			__builtin_prefetch(h->batch[(h->at + 1) % PFRO_BATCH].data);
			header_of(h, pkt, &hdr);
			cb(user, &hdr.pcap, pkt->data);
			done++;
			stop = h->closing || (max > 0 && done == max) ||
			       atomic_load_explicit(&h->breakloop, memory_order_relaxed);
		}
		/* What else is ready belongs to this call, but it does not wait for it. */
	} while (h->at == h->count && !h->closing && fetch(h, 0) > 0 && !stop);
	if (broken(h))
		done = PCAP_ERROR_BREAK;
	h->frame = outer;
	if (!outer && h->closing) {
		done = PCAP_ERROR_BREAK;
		pcap_close(p);
		return done;
	}
	if (!done && goes_on(h))
		goto again;
	return done;
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

/* Out of the ring, into memory that nobody takes back. NULL: there is none to be had. */
static const u_char *keep(struct pfro_handle *h, const struct pfring_packet *pkt)
{
	if (!h->last) {
		void *m = mmap(NULL, MAX_CAPLEN, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (m == MAP_FAILED)
			return NULL;
		h->last = m;
	}
	return memcpy(h->last, pkt->data, pkt->caplen);
}

PFRO_EXPORT int pcap_next_ex(pcap_t *p, struct pcap_pkthdr **pkt_header, const u_char **pkt_data)
{
	struct pfro_handle *h = pfro_live(p);
	const struct pfring_packet *pkt;
	const u_char *kept;
	int rc;

	if (!h)
		return REAL(pcap_next_ex)(p, pkt_header, pkt_data);
	do {
		rc = begin(h, p);
		if (rc <= 0)
			return rc;
		do {
			pkt = next(h);
		} while (!pkt && fetch(h, 0) > 0);
	} while (!pkt && goes_on(h));
	if (!pkt)
		return 0;
	header_of(h, pkt, &h->hdr);
	*pkt_header = &h->hdr.pcap;
	*pkt_data = pkt->data;
	if (h->at == h->count) {
		kept = keep(h, pkt);
		if (kept) {
			*pkt_data = kept;
			fetch(h, 0);
		}
	}
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

/* Safe in signal handlers: a search without lock, a store and a write(2). */
PFRO_EXPORT void pcap_breakloop(pcap_t *p)
{
	struct pfro_handle *h = pfro_find(p);

	/* Before activation libpcap remembers it, too. */
	if (h)
		atomic_store(&h->breakloop, 1);
	if (h && h->ring)
		pfring_breakloop(h->ring);
	else
		REAL(pcap_breakloop)(p);
}

/* What is held is tested when its turn comes: until then the filter may change again. */
void pfro_refilter(struct pfro_handle *h)
{
	h->retest = h->at < h->count;
}

void pfro_read_free(struct pfro_handle *h)
{
	if (h->last)
		munmap(h->last, MAX_CAPLEN);
}
