/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * afpacket_frame.h - what a packet socket tells of a frame, made a descriptor's.
 *
 * The same for a ring (tpacket.c) and for the socket's own queue (backlog.c):
 * TP_STATUS_ bits, and the VLAN tag that the kernel has taken out of the bytes.
 */
#ifndef PFRI_AFPACKET_FRAME_H
#define PFRI_AFPACKET_FRAME_H

#include <linux/if_packet.h>

#include "afpacket.h"

static inline void pfri_frame_flags(const struct pfri_afp *a, u_int32_t status,
				    struct pfring_packet *p)
{
	if (__builtin_expect(status & ~(u_int32_t)TP_STATUS_USER, 0)) {
		if (status & TP_STATUS_CSUMNOTREADY)
			p->flags |= PKT_FLAGS_CHECKSUM_OFFLOAD;
		if (status & TP_STATUS_CSUM_VALID)
			p->flags |= PKT_FLAGS_CHECKSUM_OK;
#ifdef TP_STATUS_GSO_TCP
		if (status & TP_STATUS_GSO_TCP)
			p->flags |= PKT_FLAGS_GSO;
#endif
		if (status & TP_STATUS_TS_RAW_HARDWARE)
			p->flags |= PKT_FLAGS_TS_HARDWARE;
	}
	/* No frame is longer than the MTU on the wire: several were merged (GRO), or will be cut
	 * (GSO). */
	if (a->mtu && p->len > a->mtu + 14 + 8)
		p->flags |= PKT_FLAGS_GSO;
}

/* Puts a stripped tag back at an offset; in front of the frame there are four bytes for it. */
static inline void pfri_frame_put_tag(struct pfring_packet *p, u_int32_t status, u_int32_t tci,
				      u_int16_t tpid, u_int at)
{
	u_int16_t type = status & TP_STATUS_VLAN_TPID_VALID ? tpid : ETH_P_8021Q;
	u_int16_t tag[2] = {htons(type), htons((u_int16_t)tci)};
	u_char *from = (u_char *)(uintptr_t)p->data;

	/* Also a tag that there are no bytes around to put it into was on the wire. */
	p->len += 4;
	if (p->caplen < at)
		return;
	memmove(from - 4, from, at);
	memcpy(from - 4 + at, tag, 4);
	p->data = from - 4;
	p->caplen += 4;
	p->vlan_at = (u_int16_t)at;
	p->vlan_tci = (u_int16_t)tci;
	p->vlan_tpid = type;
	p->flags |= PKT_FLAGS_VLAN_HWACCEL;
}

#endif /* PFRI_AFPACKET_FRAME_H */
