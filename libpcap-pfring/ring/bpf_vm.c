/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bpf_vm.c - checks and runs classic BPF programs as the kernel does.
 *
 * Called for packets that were queued before a filter was set, for sources the
 * kernel does not filter (files, shared memory), and by tests as the oracle's
 * opponent. No state, no allocation; any thread.
 *
 * Ancillary loads answer from the descriptor, whatever the width of the load
 * (the kernel ignores it too). What a descriptor cannot know reads as 0, as it
 * does in the kernel for a packet that has no such thing: mark, CPU, payload
 * offset, netlink attributes. The hardware type is Ethernet's.
 */
#include <net/if_arp.h>
#include <sys/random.h>
#include <linux/if_ether.h>

#include "bpf_vm.h"

#define MAX_LOOPS 1024 /* a chain of headers in a 64 KiB packet has no more useful links */
#define ETH_ALEN2 12   /* the two addresses; a stripped tag belongs behind them */
#define TAG_LEN 4

/* Where the network header starts in what the program sees: Ethernet has one length. */
#define NET_OFFSET 14

/* The frame as the program sees it: [0, split) from front, the rest from back. */
struct view {
	const u_char *front, *back;
	u_int32_t caplen, len, split;
	const struct pfring_packet *pkt;
	bool tagged;
};

/* Every opcode that the kernel takes, and what its k must satisfy. */
enum operand {
	OP_BAD,
	OP_ANY,
	OP_LOAD_ABS, /* an offset, or a known ancillary load */
	OP_DIVISOR,  /* not 0 */
	OP_SHIFT,    /* below 32 */
	OP_MEM,	     /* a memory word */
	OP_JUMP,     /* k instructions on */
	OP_BRANCH    /* jt or jf instructions on */
};

/* clang-format off */
static const u_char operands[256] = {
	[BPF_LD | BPF_W | BPF_ABS] = OP_LOAD_ABS, [BPF_LD | BPF_H | BPF_ABS] = OP_LOAD_ABS,
	[BPF_LD | BPF_B | BPF_ABS] = OP_LOAD_ABS, [BPF_LD | BPF_W | BPF_IND] = OP_ANY,
	[BPF_LD | BPF_H | BPF_IND] = OP_ANY,      [BPF_LD | BPF_B | BPF_IND] = OP_ANY,
	[BPF_LD | BPF_W | BPF_LEN] = OP_ANY,      [BPF_LDX | BPF_W | BPF_LEN] = OP_ANY,
	[BPF_LD | BPF_IMM] = OP_ANY,              [BPF_LDX | BPF_IMM] = OP_ANY,
	[BPF_LD | BPF_MEM] = OP_MEM,              [BPF_LDX | BPF_MEM] = OP_MEM,
	[BPF_LDX | BPF_B | BPF_MSH] = OP_ANY,
	[BPF_ST] = OP_MEM,                        [BPF_STX] = OP_MEM,
	[BPF_ALU | BPF_ADD | BPF_K] = OP_ANY,     [BPF_ALU | BPF_ADD | BPF_X] = OP_ANY,
	[BPF_ALU | BPF_SUB | BPF_K] = OP_ANY,     [BPF_ALU | BPF_SUB | BPF_X] = OP_ANY,
	[BPF_ALU | BPF_MUL | BPF_K] = OP_ANY,     [BPF_ALU | BPF_MUL | BPF_X] = OP_ANY,
	[BPF_ALU | BPF_DIV | BPF_K] = OP_DIVISOR, [BPF_ALU | BPF_DIV | BPF_X] = OP_ANY,
	[BPF_ALU | BPF_MOD | BPF_K] = OP_DIVISOR, [BPF_ALU | BPF_MOD | BPF_X] = OP_ANY,
	[BPF_ALU | BPF_AND | BPF_K] = OP_ANY,     [BPF_ALU | BPF_AND | BPF_X] = OP_ANY,
	[BPF_ALU | BPF_OR | BPF_K] = OP_ANY,      [BPF_ALU | BPF_OR | BPF_X] = OP_ANY,
	[BPF_ALU | BPF_XOR | BPF_K] = OP_ANY,     [BPF_ALU | BPF_XOR | BPF_X] = OP_ANY,
	[BPF_ALU | BPF_LSH | BPF_K] = OP_SHIFT,   [BPF_ALU | BPF_LSH | BPF_X] = OP_ANY,
	[BPF_ALU | BPF_RSH | BPF_K] = OP_SHIFT,   [BPF_ALU | BPF_RSH | BPF_X] = OP_ANY,
	[BPF_ALU | BPF_NEG] = OP_ANY,
	[BPF_MISC | BPF_TAX] = OP_ANY,            [BPF_MISC | BPF_TXA] = OP_ANY,
	[BPF_RET | BPF_K] = OP_ANY,               [BPF_RET | BPF_A] = OP_ANY,
	[BPF_JMP | BPF_JA] = OP_JUMP,
	[BPF_JMP | BPF_JEQ | BPF_K] = OP_BRANCH,  [BPF_JMP | BPF_JEQ | BPF_X] = OP_BRANCH,
	[BPF_JMP | BPF_JGT | BPF_K] = OP_BRANCH,  [BPF_JMP | BPF_JGT | BPF_X] = OP_BRANCH,
	[BPF_JMP | BPF_JGE | BPF_K] = OP_BRANCH,  [BPF_JMP | BPF_JGE | BPF_X] = OP_BRANCH,
	[BPF_JMP | BPF_JSET | BPF_K] = OP_BRANCH, [BPF_JMP | BPF_JSET | BPF_X] = OP_BRANCH,
};
/* clang-format on */

static bool is_ancillary(u_int32_t k)
{
	u_int32_t ad = k - (u_int32_t)SKF_AD_OFF;

	return ad < SKF_AD_MAX && ad % 4 == 0;
}

/* 0, -EINVAL, or 1: fine but for the jump's direction, which only user space can follow. */
static int check_operand(const struct sock_filter *f, unsigned pc, unsigned len)
{
	unsigned left = len - pc - 1;
	bool ok = false;

	switch (f->code < 256 ? operands[f->code] : OP_BAD) {
	case OP_ANY:
		return 0;
	case OP_LOAD_ABS:
		ok = f->k < (u_int32_t)SKF_AD_OFF || is_ancillary(f->k);
		break;
	case OP_DIVISOR:
		ok = f->k != 0;
		break;
	case OP_SHIFT:
		ok = f->k < 32;
		break;
	case OP_MEM:
		ok = f->k < BPF_MEMWORDS;
		break;
	case OP_JUMP:
		if ((int32_t)f->k < 0 && -(int64_t)(int32_t)f->k <= pc + 1)
			return 1;
		ok = f->k < left;
		break;
	case OP_BRANCH:
		ok = f->jt < left && f->jf < left;
		break;
	}
	return ok ? 0 : -EINVAL;
}

/*
 * No memory word may be read that some path to the reader has not written.
 * Jumps only go forward, so one pass knows, for each instruction, what every
 * jump to it has written. Like the kernel, an instruction behind a return is
 * taken to be reached from it.
 */
static bool memory_is_written(const struct sock_filter *insn, unsigned len)
{
	u_int16_t written[BPF_MAXINSNS], now = 0;
	unsigned pc;

	memset(written, 0xff, sizeof(written));
	for (pc = 0; pc < len; pc++) {
		const struct sock_filter *f = &insn[pc];

		now &= written[pc];
		switch (operands[f->code]) {
		case OP_MEM:
			if (BPF_CLASS(f->code) == BPF_ST || BPF_CLASS(f->code) == BPF_STX)
				now |= (u_int16_t)(1u << f->k);
			else if (!(now & (1u << f->k)))
				return false;
			break;
		case OP_JUMP:
			written[pc + 1 + f->k] &= now;
			now = 0xffff;
			break;
		case OP_BRANCH:
			written[pc + 1 + f->jt] &= now;
			written[pc + 1 + f->jf] &= now;
			now = 0xffff;
			break;
		}
	}
	return true;
}

int pfri_bpf_check(const struct sock_filter *insn, unsigned len)
{
	bool loops = false;
	unsigned pc;
	int err;

	if (!insn || len == 0)
		return -EINVAL;
	for (pc = 0; pc < len; pc++) {
		err = check_operand(&insn[pc], pc, len);
		if (err < 0)
			return err;
		loops |= err;
	}
	if (BPF_CLASS(insn[len - 1].code) != BPF_RET)
		return -EINVAL;
	return loops || len > BPF_MAXINSNS || !memory_is_written(insn, len);
}

static void make_view(struct view *v, const struct pfring_packet *pkt, bool kernel_view)
{
	v->pkt = pkt;
	v->front = v->back = pkt->data;
	v->split = ETH_ALEN2;
	v->caplen = pkt->caplen;
	v->len = pkt->len;
	v->tagged = kernel_view && (pkt->flags & PKT_FLAGS_VLAN_HWACCEL);
	if (!v->tagged)
		return;
	v->back = pkt->data + TAG_LEN;
	v->len -= v->len > TAG_LEN ? TAG_LEN : v->len;
	if (pkt->vlan_at)
		v->split = pkt->vlan_at;
	if (v->caplen >= v->split + TAG_LEN)
		v->caplen -= TAG_LEN;
	else if (v->caplen > v->split)
		v->caplen = v->split; /* the snap length cut through the tag */
}

/* Loads size bytes at an offset as the kernel counts it; false: outside the packet. */
static bool load(const struct view *v, u_int32_t k, unsigned size, u_int32_t *value)
{
	int32_t off = (int32_t)k;
	const u_char *p;
	u_char both[4];

	if (__builtin_expect(off < 0, 0)) {
		if (off >= SKF_NET_OFF)
			off = off - SKF_NET_OFF + NET_OFFSET;
		else if (off >= SKF_LL_OFF)
			off -= SKF_LL_OFF;
		else
			return false;
	}
	if (v->caplen < size || (u_int32_t)off > v->caplen - size)
		return false;
	if ((u_int32_t)off >= v->split) {
		p = v->back + off;
	} else if ((u_int32_t)off + size <= v->split || !v->tagged) {
		p = v->front + off;
	} else {
		for (unsigned i = 0; i < size; i++)
			both[i] = ((u_int32_t)off + i < v->split ? v->front : v->back)[off + i];
		p = both;
	}
	switch (size) {
	case 4:
		*value =
			(u_int32_t)p[0] << 24 | (u_int32_t)p[1] << 16 | (u_int32_t)p[2] << 8 | p[3];
		break;
	case 2:
		*value = (u_int32_t)p[0] << 8 | p[1];
		break;
	default:
		*value = p[0];
	}
	return true;
}

/* skb->protocol of an Ethernet frame: the type, or which kind of 802.3 frame it is. */
static u_int32_t protocol(const struct view *v)
{
	u_int32_t type, word;

	if (!load(v, ETH_ALEN2, 2, &type))
		return 0;
	if (type >= ETH_P_802_3_MIN)
		return type;
	return load(v, NET_OFFSET, 2, &word) && word == 0xffff ? ETH_P_802_3 : ETH_P_802_2;
}

static u_int32_t ancillary(const struct view *v, u_int32_t k, u_int32_t a, u_int32_t x)
{
	const struct pfring_packet *pkt = v->pkt;

	switch ((int32_t)k - SKF_AD_OFF) {
	case SKF_AD_PROTOCOL:
		return protocol(v);
	case SKF_AD_PKTTYPE:
		return pkt->pkt_type;
	case SKF_AD_IFINDEX:
		return (u_int32_t)pkt->if_index;
	case SKF_AD_QUEUE:
		return pkt->queue;
	case SKF_AD_HATYPE:
		return ARPHRD_ETHER;
	case SKF_AD_RXHASH:
		return pkt->hash;
	case SKF_AD_ALU_XOR_X:
		return a ^ x;
	case SKF_AD_VLAN_TAG:
		return v->tagged ? pkt->vlan_tci : 0;
	case SKF_AD_VLAN_TAG_PRESENT:
		return v->tagged;
	case SKF_AD_VLAN_TPID:
		return v->tagged ? pkt->vlan_tpid : 0;
	case SKF_AD_RANDOM:
		return getrandom(&a, sizeof(a), GRND_NONBLOCK) == sizeof(a) ? a : 0;
	}
	return 0; /* mark, CPU, payload offset, netlink attributes: see the top of the file */
}

static u_int32_t alu(u_int16_t op, u_int32_t a, u_int32_t b)
{
	switch (op) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_MUL:
		return a * b;
	case BPF_DIV:
		return a / b;
	case BPF_MOD:
		return a % b;
	case BPF_AND:
		return a & b;
	case BPF_OR:
		return a | b;
	case BPF_XOR:
		return a ^ b;
	case BPF_LSH:
		return a << (b & 31); /* the kernel's eBPF masks, it does not give 0 */
	case BPF_RSH:
		return a >> (b & 31);
	}
	return -a; /* BPF_NEG */
}

static bool branch(u_int16_t op, u_int32_t a, u_int32_t b)
{
	switch (op) {
	case BPF_JEQ:
		return a == b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	}
	return (a & b) != 0; /* BPF_JSET */
}

unsigned pfri_bpf_run(const struct sock_filter *f, const struct pfring_packet *pkt,
		      bool kernel_view)
{
	static const u_char sizes[] = {4, 2, 1}; /* by BPF_SIZE >> 3 */
	u_int32_t a = 0, x = 0, b, mem[BPF_MEMWORDS] = {0};
	unsigned loops = 0;
	struct view v;

	make_view(&v, pkt, kernel_view);
	for (;; f++) {
		switch (f->code) {
		case BPF_LD | BPF_W | BPF_ABS:
		case BPF_LD | BPF_H | BPF_ABS:
		case BPF_LD | BPF_B | BPF_ABS:
			if (__builtin_expect(f->k >= (u_int32_t)SKF_AD_OFF, 0))
				a = ancillary(&v, f->k, a, x);
			else if (!load(&v, f->k, sizes[BPF_SIZE(f->code) >> 3], &a))
				return 0;
			break;
		case BPF_LD | BPF_W | BPF_IND:
		case BPF_LD | BPF_H | BPF_IND:
		case BPF_LD | BPF_B | BPF_IND:
			if (!load(&v, x + f->k, sizes[BPF_SIZE(f->code) >> 3], &a))
				return 0;
			break;
		case BPF_LDX | BPF_B | BPF_MSH:
			if (!load(&v, f->k, 1, &b))
				return 0;
			x = (b & 0xf) << 2;
			break;
		case BPF_LD | BPF_W | BPF_LEN:
			a = v.len;
			break;
		case BPF_LDX | BPF_W | BPF_LEN:
			x = v.len;
			break;
		case BPF_LD | BPF_IMM:
			a = f->k;
			break;
		case BPF_LDX | BPF_IMM:
			x = f->k;
			break;
		case BPF_LD | BPF_MEM:
			a = mem[f->k];
			break;
		case BPF_LDX | BPF_MEM:
			x = mem[f->k];
			break;
		case BPF_ST:
			mem[f->k] = a;
			break;
		case BPF_STX:
			mem[f->k] = x;
			break;
		case BPF_MISC | BPF_TAX:
			x = a;
			break;
		case BPF_MISC | BPF_TXA:
			a = x;
			break;
		case BPF_RET | BPF_K:
			return f->k;
		case BPF_RET | BPF_A:
			return a;
		case BPF_JMP | BPF_JA:
			if ((int32_t)f->k < 0 && ++loops > MAX_LOOPS)
				return 0;
			f += (int32_t)f->k;
			break;
		default:
			b = BPF_SRC(f->code) == BPF_X ? x : f->k;
			if (BPF_CLASS(f->code) == BPF_JMP) {
				f += branch(BPF_OP(f->code), a, b) ? f->jt : f->jf;
				break;
			}
			if (b == 0 && (BPF_OP(f->code) == BPF_DIV || BPF_OP(f->code) == BPF_MOD))
				return 0;
			a = alu(BPF_OP(f->code), a, b);
		}
	}
}
