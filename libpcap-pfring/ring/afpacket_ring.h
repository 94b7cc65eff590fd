/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * afpacket_ring.h - the memory of a packet socket's ring.
 *
 * The same whichever version of header is in it: tpacket.c and slots.c choose
 * sizes and walk it, and own the mapping.
 */
#ifndef PFRI_AFPACKET_RING_H
#define PFRI_AFPACKET_RING_H

#include <linux/if_packet.h>

#include "afpacket.h"

/*
 * Unless the user wants another size. A short retire time spends blocks that
 * hardly hold anything: these last for half a second in which nobody reads a trickle.
 */
#define PFRI_RING_BYTES (16u << 20)
/* What GRO, GSO or LRO make of several frames at most, with its header and two tags. */
#define PFRI_LONGEST_FRAME (65535 + 14 + 8)

/* TPACKET_V2 or TPACKET_V3, and room for a cooked device's header in front of each frame. */
int pfri_afp_ring_version(const struct pfri_afp *a, int version);

/*
 * Makes and maps the ring of which block size, blocks and frame size are asked
 * for; of fewer blocks where memory is short, as req tells then. *map is NULL if
 * it fails. The caller unmaps it.
 */
int pfri_afp_ring_make(const struct pfri_afp *a, union tpacket_req_u *req, u_char **map);

/* Puts a private copy in a mapped ring's place. 0, or negative: and the copy is gone. */
int pfri_afp_ring_replace(u_char *map, u_char *copy, size_t bytes);

#endif /* PFRI_AFPACKET_RING_H */
