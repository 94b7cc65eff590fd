/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * forward.h - packets of one ring out of another: pfbridge, pfbounce.
 *
 * A direction is used by one thread. What was handed out by the receiving ring
 * is sent from where it lies, many frames for one system call.
 */
#ifndef PFRING_TOOLS_FORWARD_H
#define PFRING_TOOLS_FORWARD_H

#include "common.h"

struct direction {
	pfring *in, *out;
	bool swap_macs;		    /* send a copy with source and destination exchanged */
	struct tool_count received; /* and of these */
	u_int64_t sent, refused;    /* refused: cut when captured, or too long for out */
	u_char *copy;		    /* room for a batch, if swap_macs */
};

/*
 * Receives for at most wait_ms and sends what came. 1, 0 at the end of a file,
 * or negative (pfring_last_error()).
 */
int forward(struct direction *d, int wait_ms);

#endif /* PFRING_TOOLS_FORWARD_H */
