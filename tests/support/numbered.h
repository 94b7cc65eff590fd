/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * numbered.h - numbered frames on a wire, and a ring that takes them: the stage
 * of the C tests of bpf:. Each ends the test when it cannot do its part.
 */
#ifndef TEST_NUMBERED_H
#define TEST_NUMBERED_H

#include "pfring.h"
#include "wire.h"

#define HEADERS 42 /* Ethernet, IPv4, UDP */

/* Frame i goes from port 5000 + i % flows to port 1000 + i % 3, its number behind the headers. */
static inline size_t make_frame(u_char *f, u_int i, u_int flows, bool back)
{
	static const u_char head[HEADERS] = {2,	   0, 0,  0,  0, 1, 2, 0, 0,  0,  0, 2,	 8,  0,
					     0x45, 0, 0,  86, 0, 0, 0, 0, 64, 17, 0, 0,	 10, 0,
					     0,	   1, 10, 0,  0, 2, 0, 0, 0,  0,  0, 66, 0,  0};
	u_int from = 5000 + i % flows, to = 1000 + i % 3;

	memcpy(f, head, sizeof(head));
	memset(f + HEADERS, 0, 100 - HEADERS);
	if (back) {
		f[29] = 2;
		f[33] = 1;
		from ^= to, to ^= from, from ^= to;
	}
	f[34] = (u_char)(from >> 8), f[35] = (u_char)from;
	f[36] = (u_char)(to >> 8), f[37] = (u_char)to;
	memcpy(f + HEADERS, &i, 4);
	return 100;
}

static inline u_int number(const struct pfring_packet *p)
{
	u_int i = 0;

	assert_int_equal(p->len, 100);
	memcpy(&i, p->data + HEADERS, 4);
	return i;
}

static inline void send_frames(int fd, u_int first, u_int n)
{
	u_char f[100];

	for (u_int i = first; i < first + n; i++)
		assert_int_equal(send(fd, f, make_frame(f, i, 64, false), 0), 100);
}

static inline pfring *open_bpf(const char *name, const struct pfring_open_options *more)
{
	struct pfring_open_options opts = {.sz = sizeof(opts)};
	pfring *r;

	if (more)
		opts = *more;
	r = pfring_open_opts(name, &opts);
	if (!r)
		fail_msg("%s: %s", name, pfring_last_error());
	assert_int_equal(pfring_enable_ring(r), 0);
	return r;
}

static inline struct pfring_stats64 stats(pfring *r)
{
	struct pfring_stats64 st = {.sz = sizeof(st)};

	assert_int_equal(pfring_stats64(r, &st), 0);
	return st;
}

/* ms to wait for the next packets: for long if the books say that some are there. */
static inline int patience(pfring *r)
{
	struct pfring_stats64 st = stats(r);

	return st.delivered < st.recv ? WIRE_PATIENCE : 50;
}

static inline u_int64_t read_all(pfring *r)
{
	struct pfring_packet p[256];
	u_int64_t got = 0;
	int n;

	while ((n = pfring_recv_batch(r, p, 256, patience(r))) > 0)
		got += (u_int)n;
	assert_int_equal(n, 0);
	return got;
}

#endif /* TEST_NUMBERED_H */
