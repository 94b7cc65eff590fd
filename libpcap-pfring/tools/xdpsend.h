/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xdpsend.h - lets the kernel send one frame many times, without a system call
 * for each: pfsend -x.
 */
#ifndef PFRING_TOOLS_XDPSEND_H
#define PFRING_TOOLS_XDPSEND_H

#include "common.h"

typedef void (*xdp_report)(pfring *ring, struct tool_count *count, struct tool_clock *clock,
			   double ms);

/*
 * Sends frame out of ring's device n times (0: until a signal) and counts what
 * left. report comes when clock is due and with the last frame. Returns 0, or
 * ends the program.
 */
int xdp_send(const struct tool *tool, pfring *ring, const struct iovec *frame, u_int64_t n,
	     struct tool_count *count, xdp_report report, struct tool_clock *clock);

#endif /* PFRING_TOOLS_XDPSEND_H */
