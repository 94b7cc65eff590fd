/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * capfile.h - capture files made by tests, byte by byte, and two ways to read
 * them: libpcap (the oracle) and our op table.
 *
 * A test fails inside these helpers if memory or the file system fails.
 */
#ifndef TEST_CAPFILE_H
#define TEST_CAPFILE_H

#include <byteswap.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "backend.h"

/* Bytes under construction. */
struct bytes {
	u_char *at;
	size_t len, room;
	bool swap; /* multi-byte numbers in the other byte order */
};

static inline void put(struct bytes *b, const void *from, size_t n)
{
	if (b->len + n > b->room) {
		b->room = (b->len + n) * 2;
		b->at = realloc(b->at, b->room);
		assert_non_null(b->at);
	}
	if (n)
		memcpy(b->at + b->len, from, n);
	b->len += n;
}

static inline void put32(struct bytes *b, u_int32_t v)
{
	v = b->swap ? bswap_32(v) : v;
	put(b, &v, sizeof(v));
}

static inline void put16(struct bytes *b, u_int16_t v)
{
	v = b->swap ? bswap_16(v) : v;
	put(b, &v, sizeof(v));
}

static inline void pad4(struct bytes *b)
{
	put(b, "\0\0\0", -b->len & 3);
}

static inline void put_header(struct bytes *b, u_int32_t magic, u_int32_t snaplen,
			      u_int32_t linktype)
{
	put32(b, magic);
	put16(b, 2);
	put16(b, 4);
	put32(b, 0);
	put32(b, 0);
	put32(b, snaplen);
	put32(b, linktype);
}

/* The bytes of packet number i, never the same for two. */
static inline void put_payload(struct bytes *b, u_int32_t i, u_int32_t caplen)
{
	for (u_int32_t k = 0; k < caplen; k++) {
		u_char c = (u_char)((i * 2654435761u >> 16) + k * 7 + (k >> 8));

		put(b, &c, 1);
	}
}

static inline void put_record(struct bytes *b, u_int32_t i, u_int32_t caplen, u_int32_t len)
{
	put32(b, 1700000000 + i / 7);
	put32(b, i * 991 % 1000000);
	put32(b, caplen);
	put32(b, len);
	put_payload(b, i, caplen);
}

/* pcapng: one block of this type around the body. */
static inline void put_block(struct bytes *b, u_int32_t type, const struct bytes *body)
{
	u_int32_t total = 12 + (u_int32_t)((body->len + 3) & ~(size_t)3);

	put32(b, type);
	put32(b, total);
	put(b, body->at, body->len);
	pad4(b);
	put32(b, total);
}

static inline void put_shb(struct bytes *b)
{
	struct bytes body = {.swap = b->swap};

	put32(&body, 0x1a2b3c4d);
	put16(&body, 1);
	put16(&body, 0);
	put32(&body, 0xffffffff);
	put32(&body, 0xffffffff);
	put_block(b, 0x0a0d0d0a, &body);
	free(body.at);
}

/* tsresol < 0: the option is absent (microseconds). */
static inline void put_idb(struct bytes *b, u_int16_t linktype, u_int32_t snaplen, int tsresol)
{
	struct bytes body = {.swap = b->swap};

	put16(&body, linktype);
	put16(&body, 0);
	put32(&body, snaplen);
	if (tsresol >= 0) {
		u_char value[4] = {(u_char)tsresol};

		put16(&body, 9);
		put16(&body, 1);
		put(&body, value, 4);
		put32(&body, 0);
	}
	put_block(b, 1, &body);
	free(body.at);
}

static inline void put_epb(struct bytes *b, u_int32_t iface, u_int32_t i, u_int64_t ts,
			   u_int32_t caplen, u_int32_t len)
{
	struct bytes body = {.swap = b->swap};

	put32(&body, iface);
	put32(&body, (u_int32_t)(ts >> 32));
	put32(&body, (u_int32_t)ts);
	put32(&body, caplen);
	put32(&body, len);
	put_payload(&body, i, caplen);
	put_block(b, 6, &body);
	free(body.at);
}

static inline void save(const char *path, const struct bytes *b, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, b->at, len), len);
	close(fd);
}

/* What a reader found: headers, all bytes one after the other, how it ended. */
struct reading {
	struct {
		u_int64_t ts_ns;
		u_int32_t caplen, len;
	} * pkt;
	u_int n, room;
	struct bytes data;
	bool opened, failed; /* failed: ended with an error, not at the end of the file */
	int linktype;	     /* DLT_ value */
	int snapshot;
};

static inline void found(struct reading *g, u_int64_t ts_ns, u_int32_t caplen, u_int32_t len,
			 const u_char *data)
{
	if (g->n == g->room) {
		g->room = g->room * 2 + 16;
		g->pkt = realloc(g->pkt, g->room * sizeof(*g->pkt));
		assert_non_null(g->pkt);
	}
	g->pkt[g->n].ts_ns = ts_ns;
	g->pkt[g->n].caplen = caplen;
	g->pkt[g->n++].len = len;
	put(&g->data, data, caplen);
}

static inline void forget(struct reading *g)
{
	free(g->pkt);
	free(g->data.at);
	memset(g, 0, sizeof(*g));
}

static inline struct reading read_with_libpcap(const char *path)
{
	char why[PCAP_ERRBUF_SIZE];
	struct reading g = {0};
	struct pcap_pkthdr *h;
	const u_char *data;
	int ret;
	pcap_t *p = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, why);

	if (!p)
		return g;
	g.opened = true;
	g.linktype = pcap_datalink(p);
	g.snapshot = pcap_snapshot(p);
	while ((ret = pcap_next_ex(p, &h, &data)) == 1)
		found(&g,
		      (u_int64_t)(u_int32_t)h->ts.tv_sec * 1000000000u + (u_int64_t)h->ts.tv_usec,
		      h->caplen, h->len, data);
	g.failed = ret == PCAP_ERROR;
	pcap_close(p);
	return g;
}

/* A handle as pfring.c would prepare it, for tests of one op table. */
static inline struct pfri_ring *ring_for(const struct pfri_ops *ops, const char *device)
{
	struct pfri_ring *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->ops = ops;
	r->opt.caplen = MAX_CAPLEN;
	r->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_true(r->wake_fd >= 0);
	strcpy(r->name.device, device);
	return r;
}

static inline void ring_free(struct pfri_ring *r)
{
	close(r->wake_fd);
	free(r);
}

static inline int open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

#endif /* TEST_CAPFILE_H */
