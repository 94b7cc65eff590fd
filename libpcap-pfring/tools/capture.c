/* SPDX-License-Identifier: BSD-3-Clause */
/* capture.c - see capture.h. */
#include "capture.h"

pfring *tool_capture_open(const struct tool *tool, const struct tool_capture *c, const char *device)
{
	struct pfring_open_options o = {
		.sz = sizeof(o), .caplen = c->caplen, .flags = c->flags, .timeout_ms = c->hold_ms};
	pfring *ring = tool_open_opts(tool, device, &o);

	if (c->direction != rx_and_tx_direction)
		tool_check(tool, pfring_set_direction(ring, c->direction));
	tool_check(tool, pfring_set_socket_mode(ring, recv_only_mode));
	if (c->filter)
		tool_check(tool, pfring_set_bpf_filter(ring, c->filter));
	if (c->cluster)
		tool_check(tool, pfring_set_cluster(ring, c->cluster, c->type));
	if (c->watermark)
		tool_check(tool, pfring_set_poll_watermark(ring, c->watermark));
	tool_on_stop(ring);
	return ring;
}

void tool_capture_start(const struct tool *tool, struct tool_capture *c, pfring *ring)
{
	tool_check(tool, pfring_enable_ring(ring));
	tool_clock_start(&c->clock, c->seconds);
}

bool tool_capture_goes_on(const struct tool_capture *c)
{
	return !tool_stopped && !tool_clock_over(&c->clock) &&
	       (!c->count || c->seen.packets < c->count);
}

int tool_capture_take(struct tool_capture *c, pfring *ring, int wait_ms, tool_packets each)
{
	static struct pfring_packet packets[TOOL_BATCH];
	u_int64_t most = c->count ? c->count - c->seen.packets : TOOL_BATCH;
	int n, rc = 0;

	n = pfring_recv_batch(ring, packets, (u_int)min_val(most, TOOL_BATCH), wait_ms);
	if (n <= 0)
		return n == -EINTR ? 0 : n;
	for (int i = 0; i < n; i++)
		c->seen.bytes += packets[i].len;
	c->seen.packets += (u_int)n;
	if (each)
		rc = each(packets, (u_int)n);
	return rc < 0 ? rc : n;
}

int tool_capture_run(struct tool_capture *c, pfring *ring, tool_packets each, tool_second second)
{
	double ms;
	int n = 0;

	if (!second)
		c->clock.next = c->clock.start + 3600ull * 1000000000u;
	while (n >= 0 && tool_capture_goes_on(c)) {
		n = tool_capture_take(c, ring, c->active ? 0 : tool_clock_wait(&c->clock), each);
		if (n >= 0 && tool_clock_due(&c->clock, &ms) && second)
			n = second(ring, ms);
	}
	return n < 0 && n != -ENODATA ? n : 0;
}
