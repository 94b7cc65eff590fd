/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * backlog.c - reads packets from a packet socket's own queue (see backlog.h).
 *
 * The kernel copies each into a slot of ours, with its address and two control
 * messages: PACKET_AUXDATA (length on the wire, stripped tag, checksums) and
 * its time. In front of every slot there is room to put the tag back.
 */
#include <sys/mman.h>

#include "afpacket_frame.h"
#include "backlog.h"

#define SLOTS 64 /* packets of one call */
#define HEADROOM 16
#define LEAST_ROOM (16u << 20) /* the kernel doubles it: some 30,000 small packets */
#define MOST_ROOM (512u << 20)

void pfri_backlog_reserve(const struct pfri_ring *r, const struct pfri_afp *a)
{
	u_int64_t want = r->opt.buffer_bytes;
	int room = (int)(want < LEAST_ROOM ? LEAST_ROOM : want < MOST_ROOM ? want : MOST_ROOM);

	if (setsockopt(a->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		setsockopt(a->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
}

int pfri_backlog_open(struct pfri_ring *r, struct pfri_afp *a, struct pfri_backlog *q)
{
	int one = 1;

	q->slot = ((size_t)r->opt.caplen + HEADROOM + 63) & ~(size_t)63;
	q->bytes = SLOTS * q->slot;
	q->mem = mmap(NULL, q->bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (q->mem == MAP_FAILED) {
		q->mem = NULL;
		return pfri_fail(-ENOMEM, "no memory to copy packets to");
	}
	if (setsockopt(a->fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)) < 0 ||
	    setsockopt(a->fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one)) < 0) {
		int err = -errno;

		pfri_backlog_close(q);
		return pfri_fail(err, "the socket does not describe its packets: %s",
				 strerror(-err));
	}
	return 0;
}

void pfri_backlog_close(struct pfri_backlog *q)
{
	if (q->mem)
		munmap(q->mem, q->bytes);
	q->mem = NULL;
}

void pfri_backlog_refilter(struct pfri_ring *r, struct pfri_backlog *q)
{
	/* As pfri_tp3_refilter(): far beyond any bottom half. */
	q->refilter_ns = pfri_clock_ns(CLOCK_REALTIME) + 250000000u;
	r->refilter = PFRI_REFILTER_QUEUED;
}

/* Everything that was queued before q->refilter_ns has been handed out. */
static void refilter_over(struct pfri_ring *r, struct pfri_backlog *q)
{
	q->refilter_ns = 0;
	if (r->refilter == PFRI_REFILTER_QUEUED)
		r->refilter = PFRI_REFILTER_NONE;
}

static void describe(struct pfri_afp *a, struct msghdr *m, u_int copied, struct pfring_packet *p)
{
	const struct sockaddr_ll *sll = m->msg_name;

	*p = (struct pfring_packet){
		.data = m->msg_iov->iov_base,
		.caplen = copied,
		.len = copied,
		.if_index = sll->sll_ifindex,
		.pkt_type = sll->sll_pkttype,
		.rx_direction = sll->sll_pkttype != PACKET_OUTGOING,
	};
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		struct tpacket_auxdata aux;
		struct timespec ts;

		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
			memcpy(&ts, CMSG_DATA(c), sizeof(ts));
			p->ts_ns = (u_int64_t)ts.tv_sec * 1000000000u + (u_int64_t)ts.tv_nsec;
		} else if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA) {
			memcpy(&aux, CMSG_DATA(c), sizeof(aux));
			p->len = aux.tp_len;
			if (p->caplen > aux.tp_snaplen)
				p->caplen = aux.tp_snaplen;
			pfri_frame_flags(a, aux.tp_status, p);
			if (aux.tp_status & TP_STATUS_VLAN_VALID)
				pfri_frame_put_tag(p, aux.tp_status, aux.tp_vlan_tci,
						   aux.tp_vlan_tpid, 2 * ETH_ALEN);
		}
	}
}

int pfri_backlog_recv(struct pfri_ring *r, struct pfri_afp *a, struct pfri_backlog *q,
		      struct pfring_packet *pkt, u_int max)
{
	union {
		struct cmsghdr align;
		u_char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata)) +
			     CMSG_SPACE(sizeof(struct timespec))];
	} control[SLOTS];
	struct sockaddr_ll from[SLOTS];
	struct mmsghdr msg[SLOTS];
	struct iovec iov[SLOTS];
	int n;

	if (max > SLOTS)
		max = SLOTS;
	for (u_int i = 0; i < max; i++) {
		iov[i].iov_base = q->mem + i * q->slot + HEADROOM;
		iov[i].iov_len = q->slot - HEADROOM;
		msg[i].msg_hdr = (struct msghdr){
			.msg_name = &from[i],
			.msg_namelen = sizeof(from[i]),
			.msg_iov = &iov[i],
			.msg_iovlen = 1,
			.msg_control = &control[i],
			.msg_controllen = sizeof(control[i]),
		};
	}
	n = recvmmsg(a->fd, msg, max, MSG_DONTWAIT, NULL);
	if (n <= 0) {
		/* The call has taken the interface's error off the socket. */
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			pfri_afp_look(r, a);
		if (q->refilter_ns && pfri_clock_ns(CLOCK_REALTIME) > q->refilter_ns)
			refilter_over(r, q);
		return 0;
	}
	for (int i = 0; i < n; i++)
		describe(a, &msg[i].msg_hdr, msg[i].msg_len, &pkt[i]);
	if (q->refilter_ns && pkt[0].ts_ns > q->refilter_ns)
		refilter_over(r, q);
	return n;
}

u_int64_t pfri_backlog_queued(const struct pfri_afp *a)
{
	u_int32_t info[16] = {0};
	socklen_t len = sizeof(info);

	/* SK_MEMINFO_RMEM_ALLOC comes first. */
	return getsockopt(a->fd, SOL_SOCKET, SO_MEMINFO, info, &len) ? 0 : info[0];
}
