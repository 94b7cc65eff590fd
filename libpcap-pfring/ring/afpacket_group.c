/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * afpacket_group.c - clusters on packet sockets: PACKET_FANOUT groups.
 *
 * The cluster id is the group id, so members of any process in the network
 * namespace share. Both directions of a flow must meet one member: the
 * kernel's fan-out hash is symmetric (since 4.7) over addresses and ports; the
 * two-tuple is a classic program that hashes the addresses alone.
 */
#include <linux/if_packet.h>

#include "afpacket.h"

#define LD(size, k) BPF_STMT(BPF_LD | (size) | BPF_ABS, k)
#define ALU(op, src, k) BPF_STMT(BPF_ALU | (op) | (src), k)

/*
 * xor of the addresses, folded and multiplied so that neighbours spread; other
 * protocols go to the first member. Offsets are from the network header
 * (SKF_NET_OFF), so VLAN tags in the frame do not matter.
 */
static const struct sock_filter two_tuple[] = {
	LD(BPF_H, (u_int)(SKF_AD_OFF + SKF_AD_PROTOCOL)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 4),
	LD(BPF_W, (u_int)(SKF_NET_OFF + 12)),
	BPF_STMT(BPF_MISC | BPF_TAX, 0),
	LD(BPF_W, (u_int)(SKF_NET_OFF + 16)),
	BPF_JUMP(BPF_JMP | BPF_JA, 23, 0, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 1, 0),
	BPF_STMT(BPF_RET | BPF_K, 0),
	LD(BPF_W, (u_int)(SKF_NET_OFF + 8)),
	BPF_STMT(BPF_MISC | BPF_TAX, 0),
	LD(BPF_W, (u_int)(SKF_NET_OFF + 12)),
	ALU(BPF_XOR, BPF_X, 0),
	BPF_STMT(BPF_MISC | BPF_TAX, 0),
	LD(BPF_W, (u_int)(SKF_NET_OFF + 16)),
	ALU(BPF_XOR, BPF_X, 0),
	BPF_STMT(BPF_MISC | BPF_TAX, 0),
	LD(BPF_W, (u_int)(SKF_NET_OFF + 20)),
	ALU(BPF_XOR, BPF_X, 0),
	BPF_STMT(BPF_MISC | BPF_TAX, 0),
	LD(BPF_W, (u_int)(SKF_NET_OFF + 24)),
	ALU(BPF_XOR, BPF_X, 0),
	BPF_STMT(BPF_MISC | BPF_TAX, 0),
	LD(BPF_W, (u_int)(SKF_NET_OFF + 28)),
	ALU(BPF_XOR, BPF_X, 0),
	BPF_STMT(BPF_MISC | BPF_TAX, 0),
	LD(BPF_W, (u_int)(SKF_NET_OFF + 32)),
	ALU(BPF_XOR, BPF_X, 0),
	BPF_STMT(BPF_MISC | BPF_TAX, 0),
	LD(BPF_W, (u_int)(SKF_NET_OFF + 36)),
	ALU(BPF_XOR, BPF_X, 0),
	ALU(BPF_MUL, BPF_K, 0x9e3779b1u),
	ALU(BPF_RSH, BPF_K, 16),
	BPF_STMT(BPF_RET | BPF_A, 0),
};

static int group_kind(cluster_type type)
{
	switch (type) {
	case cluster_round_robin:
		return PACKET_FANOUT_LB;
	case cluster_per_flow_2_tuple:
		return PACKET_FANOUT_CBPF;
	case cluster_per_flow:
	case cluster_per_flow_4_tuple:
	case cluster_per_flow_5_tuple:
	case cluster_per_flow_tcp_5_tuple:
	case cluster_per_flow_ip_5_tuple:
		return PACKET_FANOUT_HASH;
	default:
		return -EOPNOTSUPP;
	}
}

int pfri_afp_join(struct pfri_afp *a)
{
	int kind = group_kind(a->cluster_type);
	int arg = (a->cluster & 0xffff) | kind << 16;
	struct sock_fprog prog = {.len = sizeof(two_tuple) / sizeof(two_tuple[0]),
				  .filter = (struct sock_filter *)(uintptr_t)two_tuple};

	if (setsockopt(a->fd, SOL_PACKET, PACKET_FANOUT, &arg, sizeof(arg)) < 0)
		return pfri_fail(
			-errno,
			"cannot join cluster %d: %s (its members must share one device, one "
			"type and one network namespace)",
			a->cluster, strerror(errno));
	if (kind == PACKET_FANOUT_CBPF &&
	    setsockopt(a->fd, SOL_PACKET, PACKET_FANOUT_DATA, &prog, sizeof(prog)) < 0)
		return pfri_fail(-errno, "cannot give cluster %d its program: %s", a->cluster,
				 strerror(errno));
	a->joined = true;
	return 0;
}

int pfri_afp_set_cluster(struct pfri_ring *r, struct pfri_afp *a, u_int id, cluster_type type)
{
	int rc;

	if (id > 0xffff)
		return pfri_fail(-EINVAL, "%s: cluster ids are 0 to 65535", r->ops->name);
	if (a->cluster >= 0)
		return pfri_fail(-EALREADY, "the ring is in cluster %d already", a->cluster);
	rc = group_kind(type);
	if (rc < 0)
		return pfri_fail(rc,
				 "%s: cannot balance by tunnelled or duplicated tuples; use the "
				 "kernel module",
				 r->ops->name);
	a->cluster = (int)id;
	a->cluster_type = type;
	/* The kernel only takes bound sockets; a ring that is not enabled joins when it is. */
	rc = a->bound ? pfri_afp_join(a) : 0;
	if (rc)
		a->cluster = -1;
	return rc;
}
