/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * decide.c - emits the evaluation of filtering rules; see decide.h.
 *
 * Called when a program is built. What the program finds in a packet lies on
 * its stack, where the words of the classic filter are not needed any more:
 *
 *      -80   the key of the flow, the ends in order as make_key() puts them: struct
 *            pfri_flow_key, with IPv4 struct pfri_flow_key4 in its place
 *      -158  the frame from its first byte on, a tag inside taken out: so the
 *            network header is at -144, aligned as the verifier wants it
 *      -180  what wildcard rules ask for and the key does not have as it is
 *
 * A header is decided on here only if parse.c finds the same in it; padding,
 * lengths that lie and fragments included. Everything else is undecided.
 */
#include "decide.h" /* first: <linux/bpf.h> has members that pf_ring.h's macros rename */

#include <linux/if_ether.h>
#include <stddef.h>

#define CTX BPF_REG_6
#define SAVED BPF_REG_9 /* where the network header is in the frame; then the counters */
#define FP BPF_REG_10

#define HEAD (-158)
#define HEAD_V4 54   /* Ethernet, IPv4, TCP: shorter than any frame that a wire lets through */
#define HEAD_MOST 74 /* the same with IPv6 */
#define TYPE_AT (HEAD + 12)
#define L3 (HEAD + ETH_HLEN)
#define KEY (-80)
#define KEY_FIELD(f) (KEY + (int)offsetof(struct pfri_flow_key, f))
#define KEY4_FIELD(f) (KEY + (int)offsetof(struct pfri_flow_key4, f))
#define SPORT (-164)
#define DPORT (-162)
#define TCP_FLAGS (-166)
#define ETH_TYPE (-168)
#define SRC4 (-172) /* host byte order */
#define DST4 (-176)
#define MATCHED (-180) /* slot of the rule that matched */

#define SKB(f) ((int)offsetof(struct __sk_buff, f))
#define QINQ_OLD 0x9100

/* The program as it grows. */
struct decider {
	struct pfri_ebpf *e;
	const struct pfri_decider *d;
	struct pfri_jumps *undecided;
	struct pfri_jumps v4, v6, wild, count[2]; /* count: [0] forwarded, [1] refused */
};

static void leave(struct decider *t, struct pfri_jumps *to, unsigned jump)
{
	if (to->n < sizeof(to->at) / sizeof(to->at[0]))
		to->at[to->n++] = jump;
	else
		t->e->err = -7; /* E2BIG */
}

static void load_be16(struct pfri_ebpf *e, uint8_t dst, int off)
{
	ebpf_load(e, BPF_H, dst, FP, off);
	ebpf_be16(e, dst);
}

/* R1 = FP + off or another register + off. */
static void address(struct pfri_ebpf *e, uint8_t dst, int off)
{
	ebpf_alu64(e, BPF_MOV, dst, FP);
	ebpf_alu64_imm(e, BPF_ADD, dst, off);
}

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
static void ethernet(struct decider *t)
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

/* Makes from < to mean keep, from > to mean swap; equal: falls through. */
static void order(struct decider *t, uint8_t size, int from, int to, struct pfri_jumps *keep,
		  struct pfri_jumps *swap)
{
	ebpf_load(t->e, size, BPF_REG_1, FP, from);
	ebpf_load(t->e, size, BPF_REG_2, FP, to);
	leave(t, swap, ebpf_jump_if(t->e, BPF_JGT, BPF_REG_1, BPF_REG_2));
	leave(t, keep, ebpf_jump_if(t->e, BPF_JLT, BPF_REG_1, BPF_REG_2));
}

static void move(struct pfri_ebpf *e, uint8_t size, int to, int from)
{
	ebpf_load(e, size, BPF_REG_1, FP, from);
	ebpf_store(e, size, FP, to, BPF_REG_1);
}

static void store_ends4(struct pfri_ebpf *e, bool swap)
{
	for (int end = 0; end < 2; end++) {
		move(e, BPF_W, KEY4_FIELD(addr) + 4 * end, (end == swap) ? SRC4 : DST4);
		move(e, BPF_H, KEY4_FIELD(port) + 2 * end, (end == swap) ? SPORT : DPORT);
	}
}

static void store_ends6(struct pfri_ebpf *e, bool swap)
{
	for (int end = 0; end < 2; end++) {
		const int from = L3 + (end == swap ? 8 : 24), to = KEY_FIELD(addr) + 16 * end;

		move(e, BPF_DW, to, from);
		move(e, BPF_DW, to + 8, from + 8);
		move(e, BPF_H, KEY_FIELD(port) + 2 * end, end == swap ? SPORT : DPORT);
	}
}

/* The key of the flow: numbers compared and stored as make_key() in rule_flows.c does. */
static void make_key(struct decider *t, bool v6)
{
	struct pfri_jumps keep = {0}, swap = {0};
	struct pfri_ebpf *e = t->e;
	unsigned done;

	if (v6) {
		order(t, BPF_DW, L3 + 8, L3 + 24, &keep, &swap);
		order(t, BPF_DW, L3 + 16, L3 + 32, &keep, &swap);
	} else {
		order(t, BPF_W, SRC4, DST4, &keep, &swap);
	}
	order(t, BPF_H, SPORT, DPORT, &keep, &swap);
	pfri_land_all(e, &keep);
	(v6 ? store_ends6 : store_ends4)(e, false);
	done = ebpf_jump(e);
	pfri_land_all(e, &swap);
	(v6 ? store_ends6 : store_ends4)(e, true);
	ebpf_land(e, done);
	if (v6)
		return;
	move(e, BPF_H, KEY4_FIELD(vlan), KEY_FIELD(vlan));
	move(e, BPF_B, KEY4_FIELD(proto), KEY_FIELD(proto));
	ebpf_store_imm(e, BPF_B, FP, KEY4_FIELD(zero), 0);
}

/* The hash rule of the key, if there is one. MATCHED = its slot. */
static void look_up(struct decider *t, bool v6)
{
	struct pfri_ebpf *e = t->e;

	ebpf_map(e, BPF_REG_1, t->d->flows_fd[v6]);
	address(e, BPF_REG_2, KEY);
	ebpf_call(e, BPF_FUNC_map_lookup_elem);
	leave(t, &t->wild, ebpf_jump_if_imm(e, BPF_JEQ, BPF_REG_0, 0));
	ebpf_load(e, BPF_W, BPF_REG_1, BPF_REG_0, offsetof(struct pfri_decider_flow, slot));
	ebpf_store(e, BPF_W, FP, MATCHED, BPF_REG_1);
	ebpf_load(e, BPF_W, BPF_REG_1, BPF_REG_0, offsetof(struct pfri_decider_flow, decision));
	leave(t, &t->count[0], ebpf_jump_if_imm(e, BPF_JEQ, BPF_REG_1, PFRI_FORWARD));
	leave(t, &t->count[1], ebpf_jump_if_imm(e, BPF_JEQ, BPF_REG_1, PFRI_REFUSE));
	leave(t, t->undecided, ebpf_jump(e));
}

/* Leaves for no if size bytes at off, masked, are not want. */
static void expect(struct decider *t, uint8_t size, int off, uint32_t mask, uint32_t want,
		   struct pfri_jumps *no)
{
	const uint32_t all = size == BPF_B ? 0xff : size == BPF_H ? 0xffff : ~0u;

	if (!mask)
		return;
	ebpf_load(t->e, size, BPF_REG_1, FP, off);
	if (mask != all)
		ebpf_alu32_imm(t->e, BPF_AND, BPF_REG_1, mask);
	leave(t, no, ebpf_jump32_if_imm(t->e, BPF_JNE, BPF_REG_1, want & mask));
}

static void expect_mac(struct decider *t, int off, const u_int8_t mac[ETH_ALEN],
		       struct pfri_jumps *no)
{
	/* Four bytes where they are aligned, two before or behind them. */
	const int word = off % 4 ? 2 : 0, half = off % 4 ? 0 : 4;
	uint32_t four;
	uint16_t two;

	memcpy(&four, mac + word, 4);
	memcpy(&two, mac + half, 2);
	expect(t, BPF_W, off + word, ~0u, four, no);
	expect(t, BPF_H, off + half, 0xffff, two, no);
}

static void expect_port(struct decider *t, int off, u_int16_t low, u_int16_t high,
			struct pfri_jumps *no)
{
	if (!high) {
		expect(t, BPF_H, off, 0xffff, low, no);
		return;
	}
	ebpf_load(t->e, BPF_H, BPF_REG_1, FP, off);
	leave(t, no, ebpf_jump_if_imm(t->e, BPF_JLT, BPF_REG_1, low));
	leave(t, no, ebpf_jump_if_imm(t->e, BPF_JGT, BPF_REG_1, high));
}

static void expect_host(struct decider *t, bool destination, const ip_addr *host,
			const ip_addr *mask, bool v6, struct pfri_jumps *no)
{
	uint32_t want[4], bits[4], any = 0;

	expect(t, BPF_B, KEY_FIELD(version), 0xff, v6 ? 6 : 4, no);
	memcpy(want, host, sizeof(want));
	memcpy(bits, mask, sizeof(bits));
	for (int i = 0; i < 4; i++)
		any |= bits[i];
	if (!any)
		memset(bits, 0xff, sizeof(bits));
	if (!v6)
		expect(t, BPF_W, destination ? DST4 : SRC4, bits[0], want[0], no);
	for (int i = 0; v6 && i < 4; i++)
		expect(t, BPF_W, L3 + (destination ? 24 : 8) + 4 * i, bits[i], want[i], no);
}

/* The fields that have a direction, as ends_match() in rule_match.c; tunnels are the library's. */
static void expect_ends(struct decider *t, const struct pfri_wild *w, bool swap,
			struct pfri_jumps *no)
{
	const filtering_rule_core_fields *c = &w->rule.core_fields;
	const bool v6 = c->eth_type == ETH_P_IPV6;

	if (w->wants & PFRI_WANT_SMAC)
		expect_mac(t, HEAD + (swap ? 0 : ETH_ALEN), c->smac, no);
	if (w->wants & PFRI_WANT_DMAC)
		expect_mac(t, HEAD + (swap ? ETH_ALEN : 0), c->dmac, no);
	if (w->wants & PFRI_WANT_SPORT)
		expect_port(t, swap ? DPORT : SPORT, c->sport_low, c->sport_high, no);
	if (w->wants & PFRI_WANT_DPORT)
		expect_port(t, swap ? SPORT : DPORT, c->dport_low, c->dport_high, no);
	if (w->wants & PFRI_WANT_SHOST)
		expect_host(t, swap, &c->shost, &c->shost_mask,
			    v6 || pfri_rule_is_v6(&c->shost, &c->shost_mask), no);
	if (w->wants & PFRI_WANT_DHOST)
		expect_host(t, !swap, &c->dhost, &c->dhost_mask,
			    v6 || pfri_rule_is_v6(&c->dhost, &c->dhost_mask), no);
}

/* Goes where a packet goes that the rule matches, or on. False: it matches every packet. */
static bool wildcard(struct decider *t, const struct pfri_wild *w, uint32_t slot)
{
	const filtering_rule_core_fields *c = &w->rule.core_fields;
	const enum pfri_decision decision = pfri_decision_of(w->rule.rule_action);
	const u_int32_t wants = w->wants;
	struct pfri_jumps no = {0}, swapped = {0};
	struct pfri_ebpf *e = t->e;
	unsigned matched;

	if (wants & PFRI_WANT_PROTO)
		expect(t, BPF_B, KEY_FIELD(proto), 0xff, c->proto, &no);
	if (wants & (PFRI_WANT_SPORT | PFRI_WANT_DPORT)) {
		ebpf_load(e, BPF_W, BPF_REG_1, FP, SPORT); /* both */
		leave(t, &no, ebpf_jump32_if_imm(e, BPF_JEQ, BPF_REG_1, 0));
	}
	if (wants & PFRI_WANT_IF) {
		ebpf_load(e, BPF_W, BPF_REG_1, CTX, SKB(ifindex));
		leave(t, &no, ebpf_jump32_if_imm(e, BPF_JNE, BPF_REG_1, c->if_index));
	}
	if (wants & PFRI_WANT_VLAN)
		expect(t, BPF_H, KEY_FIELD(vlan), 0xffff, c->vlan_id, &no);
	if (wants & PFRI_WANT_TYPE)
		expect(t, BPF_H, ETH_TYPE, 0xffff, c->eth_type, &no);
	if (wants & PFRI_WANT_FLAGS) {
		expect(t, BPF_B, KEY_FIELD(proto), 0xff, IPPROTO_TCP, &no);
		expect(t, BPF_B, TCP_FLAGS, c->tcp.flags, c->tcp.flags, &no);
	}
	expect_ends(t, w, false, w->rule.bidirectional ? &swapped : &no);
	if (swapped.n) {
		matched = ebpf_jump(e);
		pfri_land_all(e, &swapped);
		expect_ends(t, w, true, &no);
		ebpf_land(e, matched);
	}
	/* Perhaps, or with consequences that are the library's. */
	if (decision == PFRI_UNDECIDED || wants & (PFRI_WANT_TUNNEL | PFRI_WANT_PATTERN) ||
	    w->rule.balance_pool) {
		leave(t, t->undecided, ebpf_jump(e));
	} else {
		ebpf_store_imm(e, BPF_W, FP, MATCHED, slot);
		leave(t, &t->count[decision == PFRI_REFUSE], ebpf_jump(e));
	}
	pfri_land_all(e, &no);
	return no.n;
}

/*
 * Counts a match in the slot whose number is in MATCHED: through memory, because
 * without CAP_PERFMON the verifier wants an offset to be as unknown on one way here as
 * on every other.
 */
static void count(struct decider *t)
{
	struct pfri_ebpf *e = t->e;

	ebpf_load(e, BPF_W, BPF_REG_3, FP, MATCHED);
	leave(t, t->undecided, ebpf_jump_if_imm(e, BPF_JGE, BPF_REG_3, (int32_t)t->d->slots));
	ebpf_alu64_imm(e, BPF_MUL, BPF_REG_3, sizeof(struct pfri_rule_slot));
	ebpf_map_value(e, SAVED, t->d->slots_fd, sizeof(struct pfri_decider_state));
	ebpf_alu64(e, BPF_ADD, SAVED, BPF_REG_3);
	ebpf_alu64_imm(e, BPF_MOV, BPF_REG_1, 1);
	ebpf_atomic64(e, BPF_ADD, SAVED, offsetof(struct pfri_rule_slot, match), BPF_REG_1);
	ebpf_call(e, t->d->coarse ? BPF_FUNC_ktime_get_coarse_ns : BPF_FUNC_ktime_get_ns);
	ebpf_store(e, BPF_DW, SAVED, offsetof(struct pfri_rule_slot, last_ns), BPF_REG_0);
}

static void load_policy(struct decider *t)
{
	ebpf_map_value(t->e, BPF_REG_1, t->d->slots_fd,
		       offsetof(struct pfri_decider_state, policy));
	ebpf_load(t->e, BPF_W, BPF_REG_1, BPF_REG_1, 0);
}

void pfri_decide_emit(struct pfri_ebpf *e, const struct pfri_decider *d, struct pfri_decisions *to)
{
	struct decider t = {.e = e, .d = d, .undecided = &to->undecided};
	bool on = true; /* somebody reaches the policy; code that nothing leads to is refused */

	load_policy(&t);
	leave(&t, t.undecided, ebpf_jump_if_imm(e, BPF_JEQ, BPF_REG_1, PFRI_UNDECIDED));
	if (d->flows_fd[0] || d->n || d->more) {
		ethernet(&t);
		for (int v6 = 0; v6 < 2; v6++) {
			pfri_land_all(e, v6 ? &t.v6 : &t.v4);
			(v6 ? ipv6 : ipv4)(&t);
			if (d->flows_fd[v6]) {
				make_key(&t, v6);
				look_up(&t, v6);
			} else {
				leave(&t, &t.wild, ebpf_jump(e));
			}
		}
		pfri_land_all(e, &t.wild);
		for (uint32_t i = 0; i < d->n && on; i++)
			on = wildcard(&t, &d->wild[i], d->numbered ? d->wild[i].slot : i + 1);
		if (on && d->more) {
			leave(&t, t.undecided, ebpf_jump(e));
			on = false;
		}
		if (on)
			load_policy(&t);
	}
	if (on) {
		leave(&t, &to->refused, ebpf_jump_if_imm(e, BPF_JEQ, BPF_REG_1, PFRI_REFUSE));
		leave(&t, &to->forwarded, ebpf_jump(e));
	}
	for (int refused = 0; refused < 2; refused++) {
		if (!t.count[refused].n)
			continue;
		pfri_land_all(e, &t.count[refused]);
		count(&t);
		leave(&t, refused ? &to->refused : &to->forwarded, ebpf_jump(e));
	}
}
