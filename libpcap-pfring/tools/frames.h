/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * frames.h - what pfsend sends: frames made here, or those of a capture file.
 */
#ifndef PFRING_TOOLS_FRAMES_H
#define PFRING_TOOLS_FRAMES_H

#include "common.h"

/* So many from any of them on lie in a row, the first again behind the last. */
#define FRAMES_AHEAD 1024

struct frames {
	struct iovec *frame; /* n and FRAMES_AHEAD more */
	u_int64_t *at_ns;    /* of a capture file: since its first packet */
	u_int n;
	u_char *data;
	size_t used, room;
};

/* How a frame is made: UDP over IPv4, one for each of so many source addresses. */
struct frame_model {
	u_int len, addresses;
	u_char dmac[6], smac[6];
	u_int32_t src, dst; /* host byte order */
	u_int16_t sport, dport, vlan;
};

void frames_make(const struct tool *tool, struct frames *f, const struct frame_model *m);
/* Ends the program if the file cannot be read, is empty, or holds no Ethernet. */
void frames_read(const struct tool *tool, struct frames *f, const char *path);
void frames_free(struct frames *f);

#endif /* PFRING_TOOLS_FRAMES_H */
