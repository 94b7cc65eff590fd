/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * common.h - what the example programs share beside their options (options.h):
 * opening a ring, signals, the clock of the statistics, and the lines that
 * PF_RING's guide shows (chapter 6.3).
 *
 * One thread, except where said. Exit codes of every tool: 0 done, 1 it failed
 * (the reason is on standard error), 2 wrong options.
 */
#ifndef PFRING_TOOLS_COMMON_H
#define PFRING_TOOLS_COMMON_H

#include <signal.h>

#include "options.h"

#define TOOL_BATCH 256
/* What a frame takes on the wire beside its bytes: preamble 8, checksum 4, gap 12. */
#define TOOL_OVERHEAD 24

/* Opens and names a ring, or ends the program; it is not enabled yet. */
pfring *tool_open_opts(const struct tool *tool, const char *device,
		       const struct pfring_open_options *o);
pfring *tool_open(const struct tool *tool, const char *device, u_int32_t caplen, u_int32_t flags);
/* Ends the program if rc is negative: what failed is in pfring_last_error(). */
void tool_check(const struct tool *tool, int rc);
void tool_enable(const struct tool *tool, pfring *ring);
/* "Using PF_RING v.5.4.4" and the path taken. */
void tool_banner(pfring *ring);
/* A line, at once. */
void tool_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Set by SIGINT, SIGTERM and SIGHUP. */
extern volatile sig_atomic_t tool_stopped;
/* From now on those signals set it, and break the loops of the ring given here (may be NULL). */
void tool_on_stop(pfring *ring);
/* The same for what is no ring: wake is called then, and every half second, in a handler. */
void tool_on_stop_call(void (*wake)(void));

u_int64_t tool_now(void); /* monotonic nanoseconds */

/* A second that comes again and again. */
struct tool_clock {
	u_int64_t start, last, next, until; /* until: 0 for ever */
};
void tool_clock_start(struct tool_clock *c, unsigned long long seconds);
/* Milliseconds that a receive call may wait. */
int tool_clock_wait(const struct tool_clock *c);
/* Whether a second is over; *ms gets what really passed since the last one. */
bool tool_clock_due(struct tool_clock *c, double *ms);
bool tool_clock_over(const struct tool_clock *c);

/* Packets counted now and at the last line printed. */
struct tool_count {
	u_int64_t packets, bytes; /* bytes as on the wire, without TOOL_OVERHEAD */
	u_int64_t last_packets, last_bytes;
};

/*
 * The guide's five lines. received and dropped are the ring's, count the
 * program's; ms: since the last line, 0 at the end. Bytes and bits count
 * TOOL_OVERHEAD for each packet.
 */
void tool_print_stats(struct tool_count *count, u_int64_t received, u_int64_t dropped,
		      const struct tool_clock *clock, double ms);
/* A thousand separated by ', with two decimals if there is a fraction to show. */
const char *tool_text(double value, bool decimals);

#endif /* PFRING_TOOLS_COMMON_H */
