/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bpf_translate.c - classic BPF to eBPF, one instruction after the other.
 *
 * Called by the producer (bpf/producer.c) when a program is built. A is in R0,
 * where packet loads put their result anyway, X in R7, the memory words on the
 * stack; the upper halves of A and X are always 0. Unreachable instructions
 * are left out because the verifier refuses them. No allocation; any thread.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "bpf_translate.h"

#include "backend.h"
#include "bpf_vm.h"

#define A BPF_REG_0
#define X BPF_REG_7
#define SAVE BPF_REG_8
#define CTX BPF_REG_6

/* One translation. Jumps forward are resolved when their target is emitted. */
struct translation {
	struct pfri_ebpf *e;
	const struct sock_filter *f;
	unsigned len;
	/* By classic instruction, len being the end: first jump waiting for it, plus 1; 0 none. */
	u_int16_t waiting[PFRI_MAXINSNS + 1];
	bool reached[PFRI_MAXINSNS + 1];
};

static int memory_word(u_int32_t k)
{
	return -4 * (int)(BPF_MEMWORDS - k);
}

/*
 * Notes that the eBPF jump at index jump goes to classic instruction pc. The
 * jumps waiting for one instruction are chained through their offset fields.
 */
static void wait_for(struct translation *t, unsigned jump, unsigned pc)
{
	t->reached[pc] = true;
	if (jump >= t->e->max || jump >= UINT16_MAX)
		t->e->err = -E2BIG;
	if (t->e->err)
		return;
	t->e->insn[jump].off = (int16_t)t->waiting[pc];
	t->waiting[pc] = (u_int16_t)(jump + 1);
}

static void arrive(struct translation *t, unsigned pc)
{
	unsigned jump = t->waiting[pc];

	while (jump && !t->e->err) {
		unsigned next = (u_int16_t)t->e->insn[jump - 1].off;

		ebpf_land(t->e, jump - 1);
		jump = next;
	}
}

/* The loads at SKF_AD_OFF. Their width means nothing. */
static int ancillary(struct pfri_ebpf *e, int ad)
{
	int off;

	switch (ad) {
	case SKF_AD_PROTOCOL:
		off = offsetof(struct __sk_buff, protocol);
		break;
	case SKF_AD_PKTTYPE:
		off = offsetof(struct __sk_buff, pkt_type);
		break;
	case SKF_AD_IFINDEX:
		off = offsetof(struct __sk_buff, ifindex);
		break;
	case SKF_AD_MARK:
		off = offsetof(struct __sk_buff, mark);
		break;
	case SKF_AD_QUEUE:
		off = offsetof(struct __sk_buff, queue_mapping);
		break;
	case SKF_AD_RXHASH:
		off = offsetof(struct __sk_buff, hash);
		break;
	case SKF_AD_VLAN_TAG:
		off = offsetof(struct __sk_buff, vlan_tci);
		break;
	case SKF_AD_VLAN_TAG_PRESENT:
		off = offsetof(struct __sk_buff, vlan_present);
		break;
	case SKF_AD_VLAN_TPID:
		off = offsetof(struct __sk_buff, vlan_proto);
		break;
	case SKF_AD_ALU_XOR_X:
		ebpf_alu32(e, BPF_XOR, A, X);
		return 0;
	case SKF_AD_CPU:
		ebpf_call(e, BPF_FUNC_get_smp_processor_id);
		return 0;
	case SKF_AD_RANDOM:
		ebpf_call(e, BPF_FUNC_get_prandom_u32);
		return 0;
	default:
		return -EOPNOTSUPP;
	}
	ebpf_load(e, BPF_W, A, CTX, off);
	if (ad == SKF_AD_PROTOCOL || ad == SKF_AD_VLAN_TPID)
		ebpf_be16(e, A);
	return 0;
}

static void alu(struct translation *t, const struct sock_filter *f)
{
	u_int8_t op = BPF_OP(f->code);
	unsigned not_zero;

	if (op == BPF_NEG || BPF_SRC(f->code) == BPF_K) {
		ebpf_alu32_imm(t->e, op, A, op == BPF_NEG ? 0 : f->k);
		return;
	}
	if (op == BPF_DIV || op == BPF_MOD) {
		not_zero = ebpf_jump32_if_imm(t->e, BPF_JNE, X, 0);
		ebpf_alu32_imm(t->e, BPF_MOV, A, 0);
		wait_for(t, ebpf_jump(t->e), t->len);
		ebpf_land(t->e, not_zero);
	}
	ebpf_alu32(t->e, op, A, X);
}

static unsigned compare(struct pfri_ebpf *e, u_int8_t op, const struct sock_filter *f)
{
	return BPF_SRC(f->code) == BPF_X ? ebpf_jump32_if(e, op, A, X)
					 : ebpf_jump32_if_imm(e, op, A, f->k);
}

/* Classic branches name both ways; eBPF's fall through on one of them. */
static void branch(struct translation *t, unsigned pc)
{
	const struct sock_filter *f = &t->f[pc];
	unsigned on_true = pc + 1 + f->jt, on_false = pc + 1 + f->jf;
	u_int8_t op = BPF_OP(f->code);

	if (on_true == on_false) {
		if (f->jt)
			wait_for(t, ebpf_jump(t->e), on_true);
	} else if (f->jt || op == BPF_JSET) {
		wait_for(t, compare(t->e, op, f), on_true);
		if (f->jf)
			wait_for(t, ebpf_jump(t->e), on_false);
	} else {
		op = op == BPF_JEQ ? BPF_JNE : op == BPF_JGT ? BPF_JLE : BPF_JLT;
		wait_for(t, compare(t->e, op, f), on_false);
	}
	t->reached[on_true] = t->reached[on_false] = true;
}

static int translate_one(struct translation *t, unsigned pc)
{
	const struct sock_filter *f = &t->f[pc];
	struct pfri_ebpf *e = t->e;

	switch (BPF_CLASS(f->code)) {
	case BPF_LD:
		if (BPF_MODE(f->code) == BPF_ABS && f->k >= (u_int32_t)SKF_AD_OFF)
			return ancillary(e, (int32_t)f->k - SKF_AD_OFF);
		if (BPF_MODE(f->code) == BPF_ABS || BPF_MODE(f->code) == BPF_IND)
			ebpf_emit(e, (struct bpf_insn){(u_int8_t)f->code, 0,
						       BPF_MODE(f->code) == BPF_IND ? X : 0, 0,
						       (int32_t)f->k});
		else if (BPF_MODE(f->code) == BPF_LEN)
			ebpf_load(e, BPF_W, A, CTX, offsetof(struct __sk_buff, len));
		else if (BPF_MODE(f->code) == BPF_MEM)
			ebpf_load(e, BPF_W, A, BPF_REG_10, memory_word(f->k));
		else
			ebpf_alu32_imm(e, BPF_MOV, A, f->k);
		return 0;
	case BPF_LDX:
		if (BPF_MODE(f->code) == BPF_MSH) {
			ebpf_alu64(e, BPF_MOV, SAVE, A);
			ebpf_emit(e, (struct bpf_insn){BPF_LD | BPF_ABS | BPF_B, 0, 0, 0,
						       (int32_t)f->k});
			ebpf_alu32_imm(e, BPF_AND, A, 0xf);
			ebpf_alu32_imm(e, BPF_LSH, A, 2);
			ebpf_alu64(e, BPF_MOV, X, A);
			ebpf_alu64(e, BPF_MOV, A, SAVE);
		} else if (BPF_MODE(f->code) == BPF_LEN) {
			ebpf_load(e, BPF_W, X, CTX, offsetof(struct __sk_buff, len));
		} else if (BPF_MODE(f->code) == BPF_MEM) {
			ebpf_load(e, BPF_W, X, BPF_REG_10, memory_word(f->k));
		} else {
			ebpf_alu32_imm(e, BPF_MOV, X, f->k);
		}
		return 0;
	case BPF_ST:
		ebpf_store(e, BPF_W, BPF_REG_10, memory_word(f->k), A);
		return 0;
	case BPF_STX:
		ebpf_store(e, BPF_W, BPF_REG_10, memory_word(f->k), X);
		return 0;
	case BPF_ALU:
		alu(t, f);
		return 0;
	case BPF_JMP:
		if (BPF_OP(f->code) != BPF_JA)
			branch(t, pc);
		else if (f->k)
			wait_for(t, ebpf_jump(e), pc + 1 + f->k);
		return 0;
	case BPF_RET:
		if (BPF_RVAL(f->code) == BPF_K)
			ebpf_alu32_imm(e, BPF_MOV, A, f->k);
		wait_for(t, ebpf_jump(e), t->len);
		return 0;
	}
	if (BPF_MISCOP(f->code) == BPF_TAX)
		ebpf_alu64(e, BPF_MOV, X, A);
	else
		ebpf_alu64(e, BPF_MOV, A, X);
	return 0;
}

/* Whether the next instruction is a way on from this one. */
static bool falls_through(const struct sock_filter *f)
{
	if (BPF_CLASS(f->code) == BPF_JMP)
		return BPF_OP(f->code) == BPF_JA ? f->k == 0 : false; /* branch() has noted both */
	return BPF_CLASS(f->code) != BPF_RET;
}

int pfri_bpf_translate(const struct sock_filter *f, unsigned len, struct pfri_ebpf *e)
{
	struct translation t = {.e = e, .f = f, .len = len};
	int err = pfri_bpf_check(f, len);

	if (err)
		return err > 0 ? -EOPNOTSUPP : err;
	ebpf_alu32_imm(e, BPF_MOV, A, 0);
	ebpf_alu32_imm(e, BPF_MOV, X, 0);
	t.reached[0] = true;
	for (unsigned pc = 0; pc < len; pc++) {
		if (!t.reached[pc])
			continue;
		arrive(&t, pc);
		err = translate_one(&t, pc);
		if (err)
			return err;
		if (e->err)
			return e->err;
		if (falls_through(&f[pc]))
			t.reached[pc + 1] = true;
	}
	arrive(&t, len);
	return e->err;
}
