/* SPDX-License-Identifier: BSD-3-Clause */
/* frames.c - see frames.h. All frames lie in one piece of memory, made before the first is sent. */
#include <arpa/inet.h>

#include "frames.h"

#define ETH_IP_UDP 42
#define TAG 4

/* Offsets first: the memory moves while it grows. */
static u_char *more(const struct tool *tool, struct frames *f, u_int len, u_int64_t at_ns)
{
	if (f->used + len > f->room) {
		f->room = (f->used + len) * 2;
		f->data = realloc(f->data, f->room);
	}
	/* Doubled when n is a power of two. */
	if (!(f->n & (f->n - 1)) || !f->n) {
		size_t n = f->n ? 2 * (size_t)f->n : 1;

		f->frame = realloc(f->frame, n * sizeof(*f->frame));
		f->at_ns = realloc(f->at_ns, n * sizeof(*f->at_ns));
	}
	if (!f->data || !f->frame || !f->at_ns)
		tool_die(tool, "no memory for the frames");
	f->frame[f->n].iov_base = (void *)f->used; /* an offset, until all are there */
	f->frame[f->n].iov_len = len;
	f->at_ns[f->n++] = at_ns;
	f->used += len;
	return f->data + f->used - len;
}

static void settle(const struct tool *tool, struct frames *f)
{
	f->frame = realloc(f->frame, ((size_t)f->n + FRAMES_AHEAD) * sizeof(*f->frame));
	if (!f->frame)
		tool_die(tool, "no memory for the frames");
	for (u_int i = 0; i < f->n; i++)
		f->frame[i].iov_base = f->data + (size_t)f->frame[i].iov_base;
	for (u_int i = 0; i < FRAMES_AHEAD; i++)
		f->frame[f->n + i] = f->frame[i];
}

static void put16(u_char *p, u_int v)
{
	p[0] = (u_char)(v >> 8);
	p[1] = (u_char)v;
}

static void put32(u_char *p, u_int32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

/* RFC 1071, over a whole number of 16-bit words. */
static u_int16_t checksum(const u_char *p, u_int len)
{
	u_int32_t sum = 0;

	for (u_int i = 0; i < len; i += 2)
		sum += (u_int32_t)p[i] << 8 | p[i + 1];
	while (sum >> 16)
		sum = (sum >> 16) + (sum & 0xffff);
	return (u_int16_t)~sum;
}

static void make(u_char *p, const struct frame_model *m, u_int i)
{
	u_char *ip;
	u_int len = m->len - 14;

	memset(p, 0, m->len);
	memcpy(p, m->dmac, 6);
	memcpy(p + 6, m->smac, 6);
	ip = p + 14;
	if (m->vlan) {
		put16(p + 12, 0x8100);
		put16(p + 14, m->vlan);
		ip += TAG;
		len -= TAG;
	}
	put16(ip - 2, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, len);
	ip[8] = 64;
	ip[9] = IPPROTO_UDP;
	put32(ip + 12, m->src + i);
	put32(ip + 16, m->dst);
	put16(ip + 10, checksum(ip, 20));
	put16(ip + 20, m->sport);
	put16(ip + 22, m->dport);
	put16(ip + 24, len - 20);
	/* No UDP checksum: RFC 768 allows 0 over IPv4. */
}

void frames_make(const struct tool *tool, struct frames *f, const struct frame_model *m)
{
	if (m->len < ETH_IP_UDP + (m->vlan ? TAG : 0))
		tool_usage(tool, "a frame with these headers has at least %d bytes",
			   ETH_IP_UDP + (m->vlan ? TAG : 0));
	for (u_int i = 0; i < m->addresses; i++)
		make(more(tool, f, m->len, 0), m, i);
	settle(tool, f);
}

void frames_read(const struct tool *tool, struct frames *f, const char *path)
{
	struct pfring_packet packets[TOOL_BATCH];
	u_int64_t first = 0;
	char name[4096];
	pfring *file;
	int n;

	snprintf(name, sizeof(name), "file:%s", path);
	file = pfring_open(name, MAX_CAPLEN, 0);
	if (!file)
		tool_die(tool, "%s", pfring_last_error());
	if (pfring_get_link_type(file) != 1)
		tool_die(tool, "%s holds no Ethernet frames (link type %d)", path,
			 pfring_get_link_type(file));
	tool_enable(tool, file);
	while ((n = pfring_recv_batch(file, packets, TOOL_BATCH, -1)) > 0) {
		for (int i = 0; i < n; i++) {
			if (!f->n)
				first = packets[i].ts_ns;
			/* What was cut when it was captured is sent as short as it is here. */
			if (packets[i].caplen >= 14)
				memcpy(more(tool, f, packets[i].caplen, packets[i].ts_ns - first),
				       packets[i].data, packets[i].caplen);
		}
	}
	if (n != -ENODATA)
		tool_die(tool, "%s", pfring_last_error());
	pfring_close(file);
	if (!f->n)
		tool_die(tool, "%s holds no packet that could be sent", path);
	settle(tool, f);
}

void frames_free(struct frames *f)
{
	free(f->frame);
	free(f->at_ns);
	free(f->data);
}
