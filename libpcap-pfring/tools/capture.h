/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * capture.h - receiving as pfcount, pfwrite, interval, pfmap, pfilter_test and
 * pfcount_aggregator do it: one way to open a ring, one loop.
 *
 * The members up to seconds are what the program's rows of options set
 * (options.h); zero is the default of each. One thread.
 */
#ifndef PFRING_TOOLS_CAPTURE_H
#define PFRING_TOOLS_CAPTURE_H

#include "common.h"

struct tool_capture {
	const char *device, *filter;
	u_int32_t caplen, flags;
	int hold_ms; /* longest that packets may be held back */
	packet_direction direction;
	u_int cluster;
	cluster_type type;
	u_int16_t watermark;
	bool active; /* never sleep */
	bool quiet;
	u_int64_t count, seconds; /* where to stop */
	struct tool_count seen;
	struct tool_clock clock;
};

/* These end the program if they fail. */
pfring *tool_capture_open(const struct tool *tool, const struct tool_capture *c,
			  const char *device);
void tool_capture_start(const struct tool *tool, struct tool_capture *c, pfring *ring);

/* What to do with packets, and once a second. Negative ends the loop. */
typedef int (*tool_packets)(const struct pfring_packet *packets, u_int n);
typedef int (*tool_second)(pfring *ring, double ms);

/* Whether neither a signal nor the count nor the time ends it. */
bool tool_capture_goes_on(const struct tool_capture *c);
/* Takes and counts one batch, never more than count. Returns how many, or negative. */
int tool_capture_take(struct tool_capture *c, pfring *ring, int wait_ms, tool_packets each);
/* Does so as long as it goes on. 0, also at a file's end, or negative: pfring_last_error(). */
int tool_capture_run(struct tool_capture *c, pfring *ring, tool_packets each, tool_second second);

#endif /* PFRING_TOOLS_CAPTURE_H */
