/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bpf_print.c - classic BPF as text that reads without a manual.
 *
 *      A is the accumulator, X the index, M[n] a memory word, P[o:n] the n
 *      bytes of the packet from offset o on, link[] and net[] the same from
 *      the start of the link and network header.
 *
 * Any thread; for programs that passed pfri_bpf_check().
 */
#include <stdarg.h>

#include "bpf_vm.h"

struct text {
	char *buf;
	size_t len, used; /* used counts on when buf is full */
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *fmt, ...)
{
	size_t left = t->used < t->len ? t->len - t->used : 0;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(left ? t->buf + t->used : NULL, left, fmt, ap);
	va_end(ap);
	t->used += n > 0 ? (size_t)n : 0;
}

static const char *ancillary(u_int32_t k)
{
	static const char *const names[] = {
		"protocol",  "pkttype",	 "ifindex", "nlattr(A, X)",   "nlattr_nest(A, X)",
		"mark",	     "queue",	 "hatype",  "rxhash",	      "cpu",
		"A ^ X",     "vlan_tci", "vlan",    "payload_offset", "random",
		"vlan_tpid",
	};

	return names[(k - (u_int32_t)SKF_AD_OFF) / 4];
}

static void load(struct text *t, const struct sock_filter *f)
{
	static const int sizes[] = {4, 2, 1};
	int size = sizes[BPF_SIZE(f->code) >> 3];
	int32_t k = (int32_t)f->k;
	char reg = BPF_CLASS(f->code) == BPF_LDX ? 'X' : 'A';

	switch (BPF_MODE(f->code)) {
	case BPF_IMM:
		put(t, "%c = 0x%x", reg, f->k);
		break;
	case BPF_MEM:
		put(t, "%c = M[%u]", reg, f->k);
		break;
	case BPF_LEN:
		put(t, "%c = length", reg);
		break;
	case BPF_MSH:
		put(t, "X = 4 * (P[%d:1] & 0xf)", k);
		break;
	case BPF_IND:
		put(t, "A = P[X + %d:%d]", k, size);
		break;
	default:
		if (k >= SKF_AD_OFF && k < 0)
			put(t, "A = %s", ancillary(f->k));
		else if (k >= SKF_NET_OFF && k < 0)
			put(t, "A = net[%d:%d]", k - SKF_NET_OFF, size);
		else if (k >= SKF_LL_OFF && k < 0)
			put(t, "A = link[%d:%d]", k - SKF_LL_OFF, size);
		else
			put(t, "A = P[%d:%d]", k, size);
	}
}

static void operand(struct text *t, const struct sock_filter *f)
{
	if (BPF_SRC(f->code) == BPF_X)
		put(t, "X");
	else
		put(t, f->k < 10 ? "%u" : "0x%x", f->k);
}

static void branch(struct text *t, const struct sock_filter *f, unsigned pc)
{
	static const char *const ops[] = {"", "==", ">", ">=", "&"};

	if (BPF_OP(f->code) == BPF_JA) {
		put(t, "goto %d", (int)pc + 1 + (int32_t)f->k);
		return;
	}
	put(t, "if A %s ", ops[BPF_OP(f->code) >> 4]);
	operand(t, f);
	put(t, " goto %u else %u", pc + 1 + f->jt, pc + 1 + f->jf);
}

static void alu(struct text *t, const struct sock_filter *f)
{
	static const char *const ops[] = {"+", "-", "*", "/", "|", "&", "<<", ">>", "", "%", "^"};

	if (BPF_OP(f->code) == BPF_NEG) {
		put(t, "A = -A");
		return;
	}
	put(t, "A %s= ", ops[BPF_OP(f->code) >> 4]);
	operand(t, f);
}

size_t pfri_bpf_print(const struct sock_filter *insn, unsigned len, char *buf, size_t buf_len)
{
	struct text t = {.buf = buf, .len = buf ? buf_len : 0};

	for (unsigned pc = 0; pc < len; pc++) {
		const struct sock_filter *f = &insn[pc];

		put(&t, "%4u  ", pc);
		switch (BPF_CLASS(f->code)) {
		case BPF_LD:
		case BPF_LDX:
			load(&t, f);
			break;
		case BPF_ST:
		case BPF_STX:
			put(&t, "M[%u] = %c", f->k, BPF_CLASS(f->code) == BPF_ST ? 'A' : 'X');
			break;
		case BPF_ALU:
			alu(&t, f);
			break;
		case BPF_JMP:
			branch(&t, f, pc);
			break;
		case BPF_RET:
			if (BPF_RVAL(f->code) == BPF_A)
				put(&t, "keep A");
			else if (f->k)
				put(&t, "keep %u", f->k);
			else
				put(&t, "refuse");
			break;
		default:
			put(&t, BPF_MISCOP(f->code) == BPF_TAX ? "X = A" : "A = X");
		}
		put(&t, "\n");
	}
	return t.used;
}
