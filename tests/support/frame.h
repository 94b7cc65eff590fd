/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * frame.h - builds frames byte by byte, for tests.
 *
 * Each call appends one header to the frame; f_done() writes the lengths of
 * the IP headers. The ends of a flow are numbered: v4(n) is 10.0.0.n, v6 end n
 * is 2001:db8::n.
 */
#ifndef TEST_FRAME_H
#define TEST_FRAME_H

#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/types.h>

struct frame {
	u_char b[4096];
	u_int n;
	u_int ip[8]; /* where the IP headers are */
	u_int n_ip;
};

static inline void f_bytes(struct frame *f, const void *p, u_int n)
{
	memcpy(f->b + f->n, p, n);
	f->n += n;
}

static inline void f_fill(struct frame *f, u_char c, u_int n)
{
	memset(f->b + f->n, c, n);
	f->n += n;
}

static inline void f_8(struct frame *f, u_int v)
{
	f->b[f->n++] = (u_char)v;
}

static inline void f_16(struct frame *f, u_int v)
{
	f_8(f, v >> 8);
	f_8(f, v);
}

static inline void f_32(struct frame *f, u_int32_t v)
{
	f_16(f, v >> 16);
	f_16(f, v);
}

/* Starts over when the frame is new (zeroed); goes on inside a tunnel otherwise. */
static inline void f_eth(struct frame *f, u_int type)
{
	f_bytes(f, "\x02\0\0\0\0\x02\x02\0\0\0\0\x01", 12);
	f_16(f, type);
}

static inline void f_tag(struct frame *f, u_int tci, u_int type)
{
	f_16(f, tci);
	f_16(f, type);
}

static inline void f_mpls(struct frame *f, u_int label, int bottom)
{
	f_32(f, label << 12 | (bottom ? 0x100 : 0) | 64);
}

static inline u_int32_t v4(u_int n)
{
	return 0x0a000000 + n;
}

static inline void v6(struct in6_addr *a, u_int32_t n)
{
	static const u_char prefix[4] = {0x20, 0x01, 0x0d, 0xb8};

	memset(a, 0, sizeof(*a));
	memcpy(a, prefix, 4);
	a->s6_addr[12] = (u_char)(n >> 24);
	a->s6_addr[13] = (u_char)(n >> 16);
	a->s6_addr[14] = (u_char)(n >> 8);
	a->s6_addr[15] = (u_char)n;
}

/* fragment: flags and offset as in the header; options: bytes, a multiple of 4 */
static inline void f_ip4(struct frame *f, u_int proto, u_int src, u_int dst, u_int fragment,
			 u_int options)
{
	f->ip[f->n_ip++] = f->n;
	f_8(f, 0x45 + options / 4);
	f_8(f, 0x28); /* tos */
	f_16(f, 0);
	f_16(f, 0x1234);
	f_16(f, fragment);
	f_8(f, 64);
	f_8(f, proto);
	f_16(f, 0);
	f_32(f, v4(src));
	f_32(f, v4(dst));
	f_fill(f, 1, options);
}

static inline void f_ip6(struct frame *f, u_int next, u_int src, u_int dst)
{
	struct in6_addr a;

	f->ip[f->n_ip++] = f->n;
	f_32(f, 0x60000000 | 0x28u << 20 | 0x54321);
	f_16(f, 0);
	f_8(f, next);
	f_8(f, 64);
	v6(&a, src);
	f_bytes(f, &a, 16);
	v6(&a, dst);
	f_bytes(f, &a, 16);
}

/* Hop-by-hop, routing or destination options of 8 * (1 + more) bytes. */
static inline void f_ext(struct frame *f, u_int next, u_int more)
{
	f_8(f, next);
	f_8(f, more);
	f_fill(f, 0, 6 + 8 * more);
}

static inline void f_frag6(struct frame *f, u_int next, u_int offset, int more)
{
	f_8(f, next);
	f_8(f, 0);
	f_16(f, offset << 3 | (more ? 1 : 0));
	f_32(f, 0x1234);
}

static inline void f_tcp(struct frame *f, u_int sport, u_int dport, u_int options)
{
	f_16(f, sport);
	f_16(f, dport);
	f_32(f, 0x11223344);
	f_32(f, 0x55667788);
	f_8(f, (5 + options / 4) << 4);
	f_8(f, 0x18); /* ACK PSH */
	f_32(f, 0xffff0000);
	f_16(f, 0);
	f_fill(f, 1, options);
}

static inline void f_udp(struct frame *f, u_int sport, u_int dport)
{
	f_16(f, sport);
	f_16(f, dport);
	f_32(f, 0);
}

static inline void f_done(struct frame *f)
{
	for (u_int i = 0; i < f->n_ip; i++) {
		u_char *h = f->b + f->ip[i];
		u_int len = f->n - f->ip[i];

		if (h[0] >> 4 == 6) {
			len -= 40;
			h += 2;
		}
		h[2] = (u_char)(len >> 8);
		h[3] = (u_char)len;
	}
}

#endif /* TEST_FRAME_H */
