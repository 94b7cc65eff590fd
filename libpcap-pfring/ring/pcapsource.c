/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcapsource.c - makes batches out of a libpcap handle; see pcapsource.h.
 */
#include "pcapsource.h"

int pfri_pcapsource_open(struct pfri_pcapsource *s, const struct pfri_pcaplib *lib, pcap_t *p,
			 u_int32_t ns_unit)
{
	void *chunk =
		mmap(NULL, PFRI_CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (chunk == MAP_FAILED) {
		lib->close(p);
		return pfri_fail(-ENOMEM, "no memory for a buffer of %d bytes; free some",
				 PFRI_CHUNK);
	}
	memset(s, 0, sizeof(*s));
	s->closing = pfri_pcapcloser_new(lib, p);
	if (!s->closing) {
		int err = -errno;

		munmap(chunk, PFRI_CHUNK);
		lib->close(p);
		return err;
	}
	s->lib = lib;
	s->p = p;
	s->chunk = chunk;
	s->ns_unit = ns_unit;
	return 0;
}

static void describe(const struct pfri_pcapsource *s, struct pfring_packet *pkt, const u_char *data)
{
	const struct timeval *ts = &s->hdr->ts;
	/* libpcap reads a file's 32 unsigned bits as signed: after 2038 they come out negative. */
	u_int64_t sec = ts->tv_sec < 0 ? (u_int32_t)ts->tv_sec : (u_int64_t)ts->tv_sec;

	*pkt = (struct pfring_packet){
		.data = data,
		.ts_ns = sec * 1000000000u + (u_int64_t)ts->tv_usec * s->ns_unit,
		.caplen = s->hdr->caplen,
		.len = s->hdr->len,
		.if_index = UNKNOWN_INTERFACE,
		.rx_direction = 1,
	};
}

/* Has the next packet in hdr and data: 1; 0 none now; negative s->end. */
static int look(struct pfri_pcapsource *s)
{
	int ret;

	if (s->data)
		return 1;
	if (s->end)
		return s->end;
	ret = s->lib->next_ex(s->p, &s->hdr, &s->data);
	if (ret > 0)
		return 1;
	s->data = NULL;
	if (ret == 0)
		return 0;
	if (ret == PCAP_ERROR_BREAK) {
		s->end = -ENODATA;
	} else {
		s->end = -EIO;
		snprintf(s->why, sizeof(s->why), "%s", s->lib->geterr(s->p));
	}
	return s->end;
}

bool pfri_pcapsource_peek(struct pfri_pcapsource *s)
{
	return look(s) != 0;
}

int pfri_pcapsource_recv(struct pfri_pcapsource *s, struct pfring_packet *pkt, u_int max,
			 bool (*ready)(void *arg), void *arg)
{
	int n = 0, ret = 0;

	while (!s->full && (u_int)n < max) {
		size_t room = PFRI_CHUNK - s->used;

		if (!s->data && !s->end && ready && !ready(arg))
			break;
		ret = look(s);
		if (ret <= 0)
			break;
		if (s->hdr->caplen > room) {
			s->full = true;
			/* In an empty chunk it never will fit: hand it out in libpcap's own memory.
			 */
			if (s->used)
				break;
			describe(s, &pkt[n], s->data);
		} else {
			describe(s, &pkt[n], memcpy(s->chunk + s->used, s->data, s->hdr->caplen));
			s->used += s->hdr->caplen;
		}
		s->data = NULL;
		n++;
	}
	s->count += (u_int)n;
	return n ? n : ret < 0 ? ret : 0;
}

void pfri_pcapsource_release(struct pfri_pcapsource *s)
{
	s->used = 0;
	s->full = false;
}

void pfri_pcapsource_close(struct pfri_pcapsource *s)
{
	if (!s->p)
		return;
	pfri_pcapcloser_close(s->closing);
	munmap(s->chunk, PFRI_CHUNK);
	s->p = NULL;
}

int pfri_poll_fd(int fd, int wake_fd, int timeout_ms)
{
	struct pollfd p[2] = {{.fd = wake_fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
	int n = poll(p, 2, timeout_ms);

	if (n < 0)
		return -errno;
	if (p[0].revents)
		return -EINTR;
	return n > 0;
}
