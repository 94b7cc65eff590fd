/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * afpacket_frame.h - what a packet socket tells of a frame, made a descriptor's.
 *
 * The same for the rings (tpacket.c, slots.c) and for the socket's own queue
 * (backlog.c): TP_STATUS_ bits, and the VLAN tag that the kernel has taken out
 * of the bytes. A cooked header, too, is made here, in front of the frame.
 */
#ifndef PFRI_AFPACKET_FRAME_H
#define PFRI_AFPACKET_FRAME_H

#include <linux/if_packet.h>

#include "afpacket.h"

#define PFRI_SLL_LEN 16
/* PACKET_RESERVE of a cooked device: its header and a tag in it. */
#define PFRI_COOKED_RESERVE (PFRI_SLL_LEN + 4)

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

/* libpcap's "Linux cooked" header, LINKTYPE_LINUX_SLL. */
static inline void pfri_frame_cook(struct pfring_packet *p, const struct sockaddr_ll *sll)
{
	u_char *h = (u_char *)(uintptr_t)p->data - PFRI_SLL_LEN;
	u_char addr[8] = {0};
	u_int16_t type = htons(sll->sll_pkttype), hatype = htons(sll->sll_hatype);
	u_int16_t halen = htons(sll->sll_halen), proto = sll->sll_protocol;

	memcpy(addr, sll->sll_addr, sizeof(addr));
	memcpy(h, &type, 2);
	memcpy(h + 2, &hatype, 2);
	memcpy(h + 4, &halen, 2);
	memcpy(h + 6, addr, 8);
	memcpy(h + 14, &proto, 2);
	p->data = h;
	p->caplen += PFRI_SLL_LEN;
	p->len += PFRI_SLL_LEN;
}

/* A frame in a ring, whichever version of header tells of it. */
struct pfri_frame {
	u_char *data;
	u_int32_t status, len, snaplen, sec, nsec, tci;
	u_int16_t tpid;
	const struct sockaddr_ll *sll;
};

static inline void pfri_frame_describe(const struct pfri_ring *r, const struct pfri_afp *a,
				       const struct pfri_frame *f, struct pfring_packet *p)
{
	p->data = f->data;
	p->ts_ns = (u_int64_t)f->sec * 1000000000u + f->nsec;
	p->caplen = f->snaplen;
	p->len = f->len;
	p->if_index = f->sll->sll_ifindex;
	p->hash = 0;
	p->vlan_tci = p->vlan_tpid = p->vlan_at = 0;
	p->flags = 0;
	p->pkt_type = f->sll->sll_pkttype;
	p->rx_direction = f->sll->sll_pkttype != PACKET_OUTGOING;
	p->queue = 0;
	pfri_frame_flags(a, f->status, p);
	if (a->cooked)
		pfri_frame_cook(p, f->sll);
	/* Behind the addresses, or before the protocol of a cooked header. */
	if (f->status & TP_STATUS_VLAN_VALID)
		pfri_frame_put_tag(p, f->status, f->tci, f->tpid,
				   a->cooked ? PFRI_SLL_LEN - 2 : 2 * ETH_ALEN);
	/* A filter in user space wants the bytes that the kernel's had, rules all there are: the
	 * sieve cuts behind them. */
	if (p->caplen > r->opt.caplen && !(r->soft & (PFRI_SOFT_FILTER | PFRI_SOFT_RULES)))
		p->caplen = r->opt.caplen;
}

#endif /* PFRI_AFPACKET_FRAME_H */
