/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * decide_headers.c - emits the parser of the program that evaluates rules; see decide.h.
 *
 * Called when a program is built. A header is decided on here only if
 * parse.c finds the same in it; padding, lengths that lie and fragments
 * included. Everything else is undecided.
 */
#include "decide_parts.h"

/* Copies R4 bytes of the frame from offset from on to the stack. */
static void copy_bytes(struct decider *t, int32_t from, int to)
{
	ebpf_alu64(t->e, BPF_MOV, BPF_REG_1, CTX);
	ebpf_alu64_imm(t->e, BPF_MOV, BPF_REG_2, from);
	address(t->e, BPF_REG_3, to);
	ebpf_call(t->e, BPF_FUNC_skb_load_bytes);
	leave(t, t->undecided, ebpf_jump_if_imm(t->e, BPF_JNE, BPF_REG_0, 0));
}

static void clear(struct pfri_ebpf *e, int from, int to)
{
	for (int at = from; at < to; at += 8)
		ebpf_store_imm(e, BPF_DW, FP, at, 0);
}

/*
 * The frame's beginning, or zeros behind the end of what is there: where a
 * copy's length is no constant, the verifier wants to know what lies there before.
 * Small frames are copied as far as IPv4 needs them; ipv6() takes the rest.
 */
static void load_head(struct decider *t)
{
	struct pfri_ebpf *e = t->e;
	unsigned all, usual, done[2];

	ebpf_load(e, BPF_W, BPF_REG_4, CTX, SKB(len));
	all = ebpf_jump_if_imm(e, BPF_JGE, BPF_REG_4, HEAD_MOST);
	clear(e, HEAD + HEAD_V4, HEAD + HEAD_MOST);
	usual = ebpf_jump_if_imm(e, BPF_JGE, BPF_REG_4, HEAD_V4);
	leave(t, t->undecided, ebpf_jump_if_imm(e, BPF_JLT, BPF_REG_4, ETH_HLEN));
	clear(e, HEAD - 2, HEAD + HEAD_V4);
	copy_bytes(t, 0, HEAD);
	done[0] = ebpf_jump(e);
	ebpf_land(e, usual);
	ebpf_alu64_imm(e, BPF_MOV, BPF_REG_4, HEAD_V4);
	copy_bytes(t, 0, HEAD);
	done[1] = ebpf_jump(e);
	ebpf_land(e, all);
	ebpf_alu64_imm(e, BPF_MOV, BPF_REG_4, HEAD_MOST);
	copy_bytes(t, 0, HEAD);
	ebpf_land(e, done[0]);
	ebpf_land(e, done[1]);
}

/* What load_head() left out of a frame without a tag inside. */
static void load_rest(struct decider *t)
{
	struct pfri_ebpf *e = t->e;
	unsigned tagged, none, more;

	tagged = ebpf_jump_if_imm(e, BPF_JNE, SAVED, ETH_HLEN);
	ebpf_load(e, BPF_W, BPF_REG_4, CTX, SKB(len));
	ebpf_alu64_imm(e, BPF_SUB, BPF_REG_4, HEAD_V4);
	none = ebpf_jump_if_imm(e, BPF_JEQ, BPF_REG_4, 0);
	more = ebpf_jump_if_imm(e, BPF_JGE, BPF_REG_4, HEAD_MOST - HEAD_V4);
	copy_bytes(t, HEAD_V4, HEAD + HEAD_V4);
	ebpf_land(e, tagged);
	ebpf_land(e, none);
	ebpf_land(e, more);
}

/* KEY.vlan = the stripped tag's number; what strips other tags than these is unknown here. */
static void stripped_tag(struct decider *t)
{
	struct pfri_ebpf *e = t->e;
	unsigned none, dot1q;

	ebpf_load(e, BPF_W, BPF_REG_1, CTX, SKB(vlan_present));
	none = ebpf_jump32_if_imm(e, BPF_JEQ, BPF_REG_1, 0);
	ebpf_load(e, BPF_W, BPF_REG_1, CTX, SKB(vlan_proto));
	ebpf_be16(e, BPF_REG_1);
	dot1q = ebpf_jump_if_imm(e, BPF_JEQ, BPF_REG_1, ETH_P_8021Q);
	leave(t, t->undecided, ebpf_jump_if_imm(e, BPF_JNE, BPF_REG_1, ETH_P_8021AD));
	ebpf_land(e, dot1q);
	ebpf_load(e, BPF_W, BPF_REG_1, CTX, SKB(vlan_tci));
	ebpf_alu64_imm(e, BPF_AND, BPF_REG_1, 0x0fff);
	ebpf_store(e, BPF_H, FP, KEY_FIELD(vlan), BPF_REG_1);
	ebpf_land(e, none);
}

/* By the type in R1: goes on at IP; else a tag or what is no IP is left to the caller. */
static void dispatch(struct decider *t, struct pfri_jumps *tagged)
{
	static const uint16_t tags[] = {ETH_P_8021Q, ETH_P_8021AD, QINQ_OLD};
	struct pfri_ebpf *e = t->e;

	ebpf_store(e, BPF_H, FP, ETH_TYPE, BPF_REG_1);
	leave(t, &t->v4, ebpf_jump_if_imm(e, BPF_JEQ, BPF_REG_1, ETH_P_IP));
	leave(t, &t->v6, ebpf_jump_if_imm(e, BPF_JEQ, BPF_REG_1, ETH_P_IPV6));
	for (int i = 0; i < 3; i++)
		leave(t, tagged, ebpf_jump_if_imm(e, BPF_JEQ, BPF_REG_1, tags[i]));
	leave(t, t->undecided, ebpf_jump_if_imm(e, BPF_JEQ, BPF_REG_1, ETH_P_MPLS_UC));
	leave(t, t->undecided, ebpf_jump_if_imm(e, BPF_JEQ, BPF_REG_1, ETH_P_MPLS_MC));
	leave(t, &t->wild, ebpf_jump(e));
}

/* Ethernet with at most one tag in the frame, behind at most one that was stripped. */
void pfri_decide_ethernet(struct decider *t)
{
	const int tagged_most = HEAD_MOST - 2 * ETH_ALEN;
	struct pfri_jumps tagged = {0};
	struct pfri_ebpf *e = t->e;
	unsigned outer, fits;

	clear(e, DST4, DPORT + 2);
	clear(e, KEY_FIELD(port), KEY + (int)sizeof(struct pfri_flow_key));
	load_head(t);
	stripped_tag(t);
	ebpf_alu64_imm(e, BPF_MOV, SAVED, ETH_HLEN);
	load_be16(e, BPF_REG_1, TYPE_AT);
	dispatch(t, &tagged);

	pfri_land_all(e, &tagged);
	ebpf_load(e, BPF_W, BPF_REG_4, CTX, SKB(len));
	leave(t, t->undecided, ebpf_jump_if_imm(e, BPF_JLT, BPF_REG_4, ETH_HLEN + 4));
	ebpf_load(e, BPF_W, BPF_REG_1, CTX, SKB(vlan_present));
	outer = ebpf_jump32_if_imm(e, BPF_JNE, BPF_REG_1, 0);
	load_be16(e, BPF_REG_1, L3);
	ebpf_alu64_imm(e, BPF_AND, BPF_REG_1, 0x0fff);
	ebpf_store(e, BPF_H, FP, KEY_FIELD(vlan), BPF_REG_1);
	ebpf_land(e, outer);
	ebpf_alu64_imm(e, BPF_SUB, BPF_REG_4, 2 * ETH_ALEN + 4);
	fits = ebpf_jump_if_imm(e, BPF_JLE, BPF_REG_4, tagged_most);
	ebpf_alu64_imm(e, BPF_MOV, BPF_REG_4, tagged_most);
	ebpf_land(e, fits);
	copy_bytes(t, 2 * ETH_ALEN + 4, TYPE_AT);
	ebpf_alu64_imm(e, BPF_MOV, SAVED, ETH_HLEN + 4);
	load_be16(e, BPF_REG_1, TYPE_AT);
	dispatch(t, t->undecided);
}

/* R5 = bytes from the network header on, at least least; R3 = its first byte. */
static void network(struct decider *t, int32_t least, int32_t first, uint8_t mask)
{
	struct pfri_ebpf *e = t->e;

	ebpf_load(e, BPF_W, BPF_REG_5, CTX, SKB(len));
	ebpf_alu64(e, BPF_SUB, BPF_REG_5, SAVED);
	leave(t, t->undecided, ebpf_jump_if_imm(e, BPF_JLT, BPF_REG_5, least));
	ebpf_load(e, BPF_B, BPF_REG_3, FP, L3);
	ebpf_alu64_imm(e, BPF_AND, BPF_REG_3, mask);
	leave(t, t->undecided, ebpf_jump_if_imm(e, BPF_JNE, BPF_REG_3, first));
}

/* R5 = min(R5, R1), unless the datagram's length in R1 is 0: then nobody knows better. */
static void shorten(struct pfri_ebpf *e)
{
	unsigned more = ebpf_jump_if(e, BPF_JGE, BPF_REG_1, BPF_REG_5);

	ebpf_alu64(e, BPF_MOV, BPF_REG_5, BPF_REG_1);
	ebpf_land(e, more);
}

/* R4 = protocol, R5 = bytes of the datagram behind the network header, which starts at at. */
static void transport(struct decider *t, int at, struct pfri_jumps *done)
{
	static const uint8_t with_ports[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP,
					     IPPROTO_UDPLITE};
	struct pfri_jumps has = {0};
	struct pfri_ebpf *e = t->e;

	for (int i = 0; i < 4; i++)
		leave(t, &has, ebpf_jump_if_imm(e, BPF_JEQ, BPF_REG_4, with_ports[i]));
	leave(t, done, ebpf_jump(e));
	pfri_land_all(e, &has);
	leave(t, done, ebpf_jump_if_imm(e, BPF_JLT, BPF_REG_5, 4));
	load_be16(e, BPF_REG_0, at);
	ebpf_store(e, BPF_H, FP, SPORT, BPF_REG_0);
	load_be16(e, BPF_REG_0, at + 2);
	ebpf_store(e, BPF_H, FP, DPORT, BPF_REG_0);
	leave(t, done, ebpf_jump_if_imm(e, BPF_JNE, BPF_REG_4, IPPROTO_TCP));
	leave(t, done, ebpf_jump_if_imm(e, BPF_JLT, BPF_REG_5, 20));
	ebpf_load(e, BPF_B, BPF_REG_0, FP, at + 13);
	ebpf_store(e, BPF_B, FP, TCP_FLAGS, BPF_REG_0);
}

static void ipv4(struct decider *t)
{
	struct pfri_jumps done = {0};
	struct pfri_ebpf *e = t->e;
	unsigned unknown, plausible;

	network(t, 20, 0x45, 0xff); /* options are rare: the library's */
	load_be16(e, BPF_REG_1, L3 + 2);
	unknown = ebpf_jump_if_imm(e, BPF_JEQ, BPF_REG_1, 0);
	shorten(e);
	ebpf_land(e, unknown);
	plausible = ebpf_jump_if_imm(e, BPF_JGE, BPF_REG_5, 20);
	ebpf_alu64_imm(e, BPF_MOV, BPF_REG_5, 20);
	ebpf_land(e, plausible);
	ebpf_alu64_imm(e, BPF_SUB, BPF_REG_5, 20);
	ebpf_store_imm(e, BPF_B, FP, KEY_FIELD(version), 4);
	ebpf_load(e, BPF_B, BPF_REG_4, FP, L3 + 9);
	ebpf_store(e, BPF_B, FP, KEY_FIELD(proto), BPF_REG_4);
	for (int i = 0; i < 2; i++) {
		ebpf_load(e, BPF_W, BPF_REG_1, FP, L3 + 12 + 4 * i);
		ebpf_be32(e, BPF_REG_1);
		ebpf_store(e, BPF_W, FP, i ? DST4 : SRC4, BPF_REG_1);
	}
	load_be16(e, BPF_REG_0, L3 + 6);
	ebpf_alu64_imm(e, BPF_AND, BPF_REG_0, 0x1fff);
	leave(t, &done, ebpf_jump_if_imm(e, BPF_JNE, BPF_REG_0, 0)); /* not the first fragment */
	transport(t, L3 + 20, &done);
	pfri_land_all(e, &done);
}

static void ipv6(struct decider *t)
{
	static const uint8_t extensions[] = {IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_FRAGMENT,
					     IPPROTO_AH, IPPROTO_DSTOPTS};
	struct pfri_jumps done = {0};
	struct pfri_ebpf *e = t->e;
	unsigned unknown;

	load_rest(t);
	network(t, 40, 0x60, 0xf0);
	ebpf_load(e, BPF_B, BPF_REG_4, FP, L3 + 6);
	for (int i = 0; i < 5; i++)
		leave(t, t->undecided, ebpf_jump_if_imm(e, BPF_JEQ, BPF_REG_4, extensions[i]));
	ebpf_alu64_imm(e, BPF_SUB, BPF_REG_5, 40);
	load_be16(e, BPF_REG_1, L3 + 4);
	unknown = ebpf_jump_if_imm(e, BPF_JEQ, BPF_REG_1, 0);
	shorten(e);
	ebpf_land(e, unknown);
	ebpf_store_imm(e, BPF_B, FP, KEY_FIELD(version), 6);
	ebpf_store(e, BPF_B, FP, KEY_FIELD(proto), BPF_REG_4);
	transport(t, L3 + 40, &done);
	pfri_land_all(e, &done);
}

void pfri_decide_ip(struct decider *t, bool v6)
{
	(v6 ? ipv6 : ipv4)(t);
}
