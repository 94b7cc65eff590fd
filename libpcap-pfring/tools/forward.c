/* SPDX-License-Identifier: BSD-3-Clause */
/* forward.c - see forward.h. */
#include "forward.h"

#define COPY_BYTES 2048 /* longer frames than this are not bounced: no adapter sends them */

void direction_open(const struct tool *tool, struct direction *d, const char *filter,
		    u_int16_t watermark)
{
	d->in = tool_open(tool, d->from, MAX_CAPLEN, PF_RING_PROMISC);
	d->out = tool_open(tool, d->to, 64, 0);
	tool_check(tool, pfring_set_direction(d->in, rx_only_direction));
	tool_check(tool, pfring_set_socket_mode(d->in, recv_only_mode));
	tool_check(tool, pfring_set_socket_mode(d->out, send_only_mode));
	tool_check(tool, pfring_set_poll_watermark(d->in, watermark));
	if (filter)
		tool_check(tool, pfring_set_bpf_filter(d->in, filter));
	if (d->swap_macs) {
		d->copy = malloc((size_t)TOOL_BATCH * COPY_BYTES);
		if (!d->copy)
			tool_die(tool, "no memory for a batch");
	}
}

void direction_enable(const struct tool *tool, struct direction *d)
{
	tool_enable(tool, d->out);
	tool_enable(tool, d->in);
}

void direction_print(const struct direction *d)
{
	pfring_stat st = {0};

	pfring_stats(d->in, &st);
	tool_say("[%llu pkts rcvd][%llu pkts dropped][%llu pkts sent][%llu pkts refused]",
		 (unsigned long long)d->received.packets, (unsigned long long)st.drop,
		 (unsigned long long)d->sent, (unsigned long long)d->refused);
}

static const void *frame_of(struct direction *d, const struct pfring_packet *p, u_int i)
{
	u_char *c = d->copy + (size_t)i * COPY_BYTES;

	if (!d->swap_macs)
		return p->data;
	memcpy(c, p->data, p->caplen);
	memcpy(c, p->data + 6, 6);
	memcpy(c + 6, p->data, 6);
	return c;
}

/* Sends all; a frame that the device refuses is passed over and counted. */
static int send_all(struct direction *d, struct iovec *frames, u_int n)
{
	u_int at = 0;

	while (at < n) {
		int rc = pfring_send_batch(d->out, frames + at, n - at);

		if (rc > 0) {
			at += (u_int)rc;
			d->sent += (u_int)rc;
		} else if (rc == -EMSGSIZE || rc == -EINVAL) {
			at++;
			d->refused++;
		} else if (rc != -ENOBUFS && rc != -EAGAIN && rc != -EINTR) {
			return rc;
		} else if (tool_stopped) {
			d->refused += n - at;
			return 0;
		}
	}
	return 0;
}

int direction_forward(struct direction *d, int wait_ms)
{
	struct pfring_packet packets[TOOL_BATCH];
	struct iovec frames[TOOL_BATCH];
	u_int64_t left = TOOL_BATCH;
	u_int n_frames = 0;
	int n, rc;

	if (d->most)
		left = d->most - d->received.packets;
	if (!left)
		return 0;
	n = pfring_recv_batch(d->in, packets, (u_int)min_val(left, TOOL_BATCH), wait_ms);
	if (n == -EINTR)
		return 1;
	if (n < 0)
		return n == -ENODATA ? 0 : n;
	for (int i = 0; i < n; i++) {
		const struct pfring_packet *p = &packets[i];

		d->received.packets++;
		d->received.bytes += p->len;
		if (p->caplen < p->len || p->caplen < 14 ||
		    (d->swap_macs && p->caplen > COPY_BYTES)) {
			d->refused++;
			continue;
		}
		frames[n_frames].iov_base = (void *)(uintptr_t)frame_of(d, p, n_frames);
		frames[n_frames++].iov_len = p->caplen;
	}
	rc = send_all(d, frames, n_frames);
	return rc < 0 ? rc : 1;
}
