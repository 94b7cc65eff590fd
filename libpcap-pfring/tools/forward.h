/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * forward.h - packets of one device out of another: pfbridge, pfbounce.
 *
 * A direction is used by one thread. What was handed out by the receiving ring
 * is sent from where it lies, many frames for one system call.
 */
#ifndef PFRING_TOOLS_FORWARD_H
#define PFRING_TOOLS_FORWARD_H

#include "common.h"

struct direction {
	const char *from, *to;
	pfring *in, *out;
	u_int64_t most;		    /* to receive; 0: without end */
	bool swap_macs;		    /* send a copy with source and destination exchanged */
	struct tool_count received; /* and of these */
	u_int64_t sent, refused;    /* refused: cut when captured, or too long for out */
	u_char *copy;		    /* room for a batch, if swap_macs */
};

/* Opens both devices or ends the program; direction_enable() lets packets come. */
void direction_open(const struct tool *tool, struct direction *d, const char *filter,
		    u_int16_t watermark);
void direction_enable(const struct tool *tool, struct direction *d);
/* Waits for at most wait_ms and sends what came. 1, 0 at the end, or negative. */
int direction_forward(struct direction *d, int wait_ms);
/* "[1 pkts rcvd]..." */
void direction_print(const struct direction *d);

#endif /* PFRING_TOOLS_FORWARD_H */
