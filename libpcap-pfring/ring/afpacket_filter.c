/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * afpacket_filter.c - the classic program a packet socket runs.
 *
 * [outgoing copies of lo] [direction] [receive queues] [the user's program,
 * or "ret snaplen"]. The parts in front only ever refuse, so the user's
 * program is attached as it was given. Copying fewer bytes is the biggest gain
 * there is, so a snap length is in force even without a filter.
 */
#include <linux/if_packet.h>

#include "afpacket.h"

#define LDANC(what) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (u_int)(SKF_AD_OFF + (what)))
#define JEQ(k, t, f) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, t, f)
#define RET(k) BPF_STMT(BPF_RET | BPF_K, k)
#define EMIT(insn) (out[n++] = (struct sock_filter)insn)

static u_int prefix(const struct pfri_ring *r, const struct pfri_afp *a, struct sock_filter *out)
{
	bool rx_only = r->direction == rx_only_direction || r->name.queues != RING_ANY_CHANNEL ||
		       (r->ifindex && r->ifindex == a->lo);
	u_int n = 0;

	if (rx_only) {
		/* A queue is a place of arrival: what is sent has none. */
		EMIT(LDANC(SKF_AD_PKTTYPE));
		EMIT(JEQ(PACKET_OUTGOING, 0, 1));
		EMIT(RET(0));
	}
	if (r->direction == tx_only_direction) {
		EMIT(LDANC(SKF_AD_PKTTYPE));
		EMIT(JEQ(PACKET_OUTGOING, 1, 0));
		EMIT(RET(0));
	}
	if (!r->ifindex && a->lo && !rx_only) {
		/* On lo every packet passes twice; the outgoing copy is the surplus one. */
		EMIT(LDANC(SKF_AD_PKTTYPE));
		EMIT(JEQ(PACKET_OUTGOING, 0, 3));
		EMIT(LDANC(SKF_AD_IFINDEX));
		EMIT(JEQ((u_int)a->lo, 0, 1));
		EMIT(RET(0));
	}
	if (r->name.queues != RING_ANY_CHANNEL) {
		bool first = r->name.queues & 1;
		u_int left = (u_int)__builtin_popcountll(r->name.queues) + first;

		/*
		 * skb->queue_mapping is the receive queue + 1, 0 where the driver does
		 * not tell. Such packets are the first queue's, so that the rings of
		 * all queues together miss nothing.
		 */
		EMIT(LDANC(SKF_AD_QUEUE));
		if (first)
			EMIT(JEQ(0, left--, 0));
		for (u_int q = 0; q < MAX_NUM_RX_CHANNELS; q++)
			if (r->name.queues >> q & 1)
				EMIT(JEQ(q + 1, left--, 0));
		EMIT(RET(0));
	}
	return n;
}

/* Rules are to see all of what the program accepts, so what it keeps is no matter here. */
static bool keep_whole(struct sock_filter *insn, u_int n)
{
	for (u_int i = 0; i < n; i++) {
		if (BPF_CLASS(insn[i].code) != BPF_RET)
			continue;
		if (BPF_RVAL(insn[i].code) != BPF_K)
			return false;
		if (insn[i].k)
			insn[i].k = MAX_CAPLEN;
	}
	return true;
}

u_int pfri_afp_program(struct pfri_ring *r, const struct pfri_afp *a, struct sock_filter *out,
		       bool *user)
{
	u_int n = prefix(r, a, out), keep = r->whole ? MAX_CAPLEN : r->opt.caplen;

	*user = false;
	if (r->prog.len) {
		/* A cooked header is made after the kernel's filter has run. */
		*user = a->cooked || (r->opt.flags & PF_RING_USERSPACE_BPF) ||
			n + r->prog.len > PFRI_MAXINSNS;
		if (!*user) {
			memcpy(out + n, r->prog.insn, r->prog.len * sizeof(*out));
			*user = r->whole && !keep_whole(out + n, r->prog.len);
		}
		if (!*user)
			return n + r->prog.len;
	}
	/* Without both addresses there is no place to put a stripped tag back. */
	EMIT(RET(max_val(keep, 2u * ETH_ALEN)));
	return n;
}

static int attach(struct pfri_afp *a, struct sock_filter *insn, u_int n)
{
	struct sock_fprog fprog = {.len = (unsigned short)n, .filter = insn};

	if (setsockopt(a->fd, SOL_SOCKET, SO_ATTACH_FILTER, &fprog, sizeof(fprog)) < 0)
		return -errno;
	return 0;
}

int pfri_afp_mute(struct pfri_afp *a)
{
	struct sock_filter none = RET(0);
	int err = attach(a, &none, 1);

	return err ? pfri_fail(err, "cannot stop the socket: %s", strerror(-err)) : 0;
}

int pfri_afp_filter(struct pfri_ring *r, struct pfri_afp *a)
{
	struct sock_filter insn[PFRI_MAXINSNS];
	bool user;
	u_int n = pfri_afp_program(r, a, insn, &user);
	int err = attach(a, insn, n);

	if (err && r->prog.len && !user) {
		/* Refused or too big for net.core.optmem_max: run it in user space. */
		u_int len = r->prog.len;

		r->prog.len = 0;
		n = pfri_afp_program(r, a, insn, &user);
		r->prog.len = len;
		err = attach(a, insn, n);
		user = true;
	}
	if (err)
		return pfri_fail(err, "%s: the kernel refuses the filter: %s", r->name.device,
				 strerror(-err));
	return user;
}
