/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * decide.c - emits the evaluation of filtering rules; see decide.h.
 *
 * Called when a program is built. Behind the parser (decide_headers.c): the flow's
 * key, the table of hash rules, the wildcard rules, the policy, and the counters.
 */
#include "decide_parts.h"

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

/* The second words stay as they are: nobody looks at them. */
static void store_ends4(struct pfri_ebpf *e, bool swap)
{
	for (int end = 0; end < 2; end++) {
		ebpf_load(e, BPF_W, BPF_REG_1, FP, end == swap ? SRC4 : DST4);
		ebpf_store(e, BPF_DW, FP, KEY_FIELD(addr) + 16 * end, BPF_REG_1);
		move(e, BPF_H, KEY_FIELD(port) + 2 * end, (end == swap) ? SPORT : DPORT);
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
}

/* Words of the key that are not 0 in every flow of this version. */
static bool word_counts(unsigned word, bool v6)
{
	return v6 || word % 2 == 0;
}

/* PLACE = the home of the key, as home() in ring/bpf_flows.c has it. */
static void find_home(struct decider *t, bool v6)
{
	const struct pfri_flow_hash *h = &t->d->flows;
	struct pfri_ebpf *e = t->e;

	ebpf_alu64_imm(e, BPF_MOV, BPF_REG_0, 0);
	for (unsigned i = 0; i < PFRI_FLOW_WORDS; i++) {
		if (!word_counts(i, v6))
			continue;
		ebpf_load(e, BPF_DW, BPF_REG_1, FP, KEY + 8 * (int)i);
		ebpf_alu64(e, BPF_MOV, BPF_REG_2, BPF_REG_1);
		ebpf_alu64_imm(e, BPF_RSH, BPF_REG_2, 32);
		ebpf_alu64(e, BPF_XOR, BPF_REG_1, BPF_REG_2);
		ebpf_load_imm64(e, BPF_REG_2, 0, h->secret[i]);
		ebpf_alu64(e, BPF_MUL, BPF_REG_1, BPF_REG_2);
		ebpf_alu64(e, BPF_ADD, BPF_REG_0, BPF_REG_1);
	}
	ebpf_alu64(e, BPF_MOV, BPF_REG_1, BPF_REG_0);
	ebpf_alu64_imm(e, BPF_RSH, BPF_REG_1, 32);
	ebpf_alu64(e, BPF_XOR, BPF_REG_0, BPF_REG_1);
	ebpf_load_imm64(e, BPF_REG_2, 0, h->secret[PFRI_FLOW_WORDS]);
	ebpf_alu64(e, BPF_MUL, BPF_REG_0, BPF_REG_2);
	ebpf_alu64_imm(e, BPF_RSH, BPF_REG_0, (int32_t)(64 - h->bits));
	ebpf_store(e, BPF_W, FP, PLACE, BPF_REG_0);
}

/* The hash rule of the key, if there is one. SAVED = its counters. */
static void look_up(struct decider *t, bool v6)
{
	struct pfri_jumps other = {0};
	struct pfri_ebpf *e = t->e;
	unsigned again;

	find_home(t, v6);
	ebpf_alu64_imm(e, BPF_MOV, SAVED, PFRI_FLOW_WINDOW);
	again = e->len;
	ebpf_map(e, BPF_REG_1, t->d->flows_fd);
	address(e, BPF_REG_2, PLACE);
	ebpf_call(e, BPF_FUNC_map_lookup_elem);
	leave(t, t->undecided, ebpf_jump_if_imm(e, BPF_JEQ, BPF_REG_0, 0));
	ebpf_load(e, BPF_W, BPF_REG_1, BPF_REG_0, offsetof(struct pfri_decider_flow, state));
	leave(t, &t->wild, ebpf_jump_if_imm(e, BPF_JEQ, BPF_REG_1, PFRI_FLOW_FREE));
	for (unsigned i = PFRI_FLOW_WORDS; i--;) {
		if (!word_counts(i, v6))
			continue;
		ebpf_load(e, BPF_DW, BPF_REG_2, FP, KEY + 8 * (int)i);
		ebpf_load(e, BPF_DW, BPF_REG_3, BPF_REG_0, 8 * (int)i);
		leave(t, &other, ebpf_jump_if(e, BPF_JNE, BPF_REG_2, BPF_REG_3));
	}
	ebpf_alu64(e, BPF_MOV, SAVED, BPF_REG_0);
	leave(t, &t->count_flow[0],
	      ebpf_jump_if_imm(e, BPF_JEQ, BPF_REG_1, PFRI_FLOW_THERE + PFRI_FORWARD));
	leave(t, &t->count_flow[1],
	      ebpf_jump_if_imm(e, BPF_JEQ, BPF_REG_1, PFRI_FLOW_THERE + PFRI_REFUSE));
	leave(t, t->undecided, ebpf_jump(e));
	pfri_land_all(e, &other);
	ebpf_load(e, BPF_W, BPF_REG_1, FP, PLACE);
	ebpf_alu64_imm(e, BPF_ADD, BPF_REG_1, 1);
	ebpf_alu64_imm(e, BPF_AND, BPF_REG_1, (int32_t)((1u << t->d->flows.bits) - 1));
	ebpf_store(e, BPF_W, FP, PLACE, BPF_REG_1);
	ebpf_alu64_imm(e, BPF_SUB, SAVED, 1);
	ebpf_land_at(e, ebpf_jump_if_imm(e, BPF_JNE, SAVED, 0), again);
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

/* Counts a match in the struct pfri_rule_slot that lies at SAVED + at. */
static void count_at(struct decider *t, int at)
{
	struct pfri_ebpf *e = t->e;

	ebpf_alu64_imm(e, BPF_MOV, BPF_REG_1, 1);
	ebpf_atomic64(e, BPF_ADD, SAVED, at + (int)offsetof(struct pfri_rule_slot, match),
		      BPF_REG_1);
	ebpf_call(e, t->d->coarse ? BPF_FUNC_ktime_get_coarse_ns : BPF_FUNC_ktime_get_ns);
	ebpf_store(e, BPF_DW, SAVED, at + (int)offsetof(struct pfri_rule_slot, last_ns), BPF_REG_0);
}

/*
 * The same in the slot whose number is in MATCHED: through memory, because
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
	count_at(t, 0);
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
	if (d->flows_fd || d->n || d->more) {
		pfri_decide_ethernet(&t);
		for (int v6 = 0; v6 < 2; v6++) {
			pfri_land_all(e, v6 ? &t.v6 : &t.v4);
			pfri_decide_ip(&t, v6);
			if (d->flows_fd) {
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
		struct pfri_jumps *end = refused ? &to->refused : &to->forwarded;

		if (t.count[refused].n) {
			pfri_land_all(e, &t.count[refused]);
			count(&t);
			leave(&t, end, ebpf_jump(e));
		}
		if (t.count_flow[refused].n) {
			pfri_land_all(e, &t.count_flow[refused]);
			count_at(&t, offsetof(struct pfri_decider_flow, n));
			leave(&t, end, ebpf_jump(e));
		}
	}
}
