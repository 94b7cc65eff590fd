/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ebpf.h - writes eBPF instructions into a buffer.
 *
 * What the translator and the producers are written in: one inline per kind of
 * instruction, labels by index, and an error that sticks so that emitters need
 * not look after each instruction. No state besides the buffer; any thread.
 */
#ifndef PFRI_EBPF_H
#define PFRI_EBPF_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>

struct pfri_ebpf {
	struct bpf_insn *insn;
	unsigned len, max;
	int err; /* -E2BIG: full, or a jump too far */
};

static inline void ebpf_emit(struct pfri_ebpf *e, struct bpf_insn i)
{
	if (e->len < e->max)
		e->insn[e->len] = i;
	else
		e->err = -7; /* E2BIG */
	e->len++;
}

/* op is BPF_ADD, BPF_MOV ...; 64-bit, or 32-bit with the upper half zeroed. */
static inline void ebpf_alu64(struct pfri_ebpf *e, uint8_t op, uint8_t dst, uint8_t src)
{
	ebpf_emit(e, (struct bpf_insn){BPF_ALU64 | op | BPF_X, dst, src, 0, 0});
}

static inline void ebpf_alu64_imm(struct pfri_ebpf *e, uint8_t op, uint8_t dst, int32_t imm)
{
	ebpf_emit(e, (struct bpf_insn){BPF_ALU64 | op | BPF_K, dst, 0, 0, imm});
}

static inline void ebpf_alu32(struct pfri_ebpf *e, uint8_t op, uint8_t dst, uint8_t src)
{
	ebpf_emit(e, (struct bpf_insn){BPF_ALU | op | BPF_X, dst, src, 0, 0});
}

static inline void ebpf_alu32_imm(struct pfri_ebpf *e, uint8_t op, uint8_t dst, uint32_t imm)
{
	ebpf_emit(e, (struct bpf_insn){BPF_ALU | op | BPF_K, dst, 0, 0, (int32_t)imm});
}

/* Between host and network byte order; the rest of the register becomes 0. */
static inline void ebpf_be16(struct pfri_ebpf *e, uint8_t dst)
{
	ebpf_emit(e, (struct bpf_insn){BPF_ALU | BPF_END | BPF_TO_BE, dst, 0, 0, 16});
}

static inline void ebpf_be32(struct pfri_ebpf *e, uint8_t dst)
{
	ebpf_emit(e, (struct bpf_insn){BPF_ALU | BPF_END | BPF_TO_BE, dst, 0, 0, 32});
}

static inline void ebpf_load(struct pfri_ebpf *e, uint8_t size, uint8_t dst, uint8_t src, int off)
{
	ebpf_emit(e, (struct bpf_insn){BPF_LDX | BPF_MEM | size, dst, src, (int16_t)off, 0});
}

static inline void ebpf_store(struct pfri_ebpf *e, uint8_t size, uint8_t dst, int off, uint8_t src)
{
	ebpf_emit(e, (struct bpf_insn){BPF_STX | BPF_MEM | size, dst, src, (int16_t)off, 0});
}

static inline void ebpf_store_imm(struct pfri_ebpf *e, uint8_t size, uint8_t dst, int off,
				  uint32_t imm)
{
	ebpf_emit(e,
		  (struct bpf_insn){BPF_ST | BPF_MEM | size, dst, 0, (int16_t)off, (int32_t)imm});
}

/*
 * BPF_ADD; or, from Linux 5.12, BPF_XCHG or another with BPF_FETCH, which also
 * are full barriers and leave the old value in src.
 */
static inline void ebpf_atomic64(struct pfri_ebpf *e, int32_t op, uint8_t dst, int off, uint8_t src)
{
	ebpf_emit(e, (struct bpf_insn){BPF_STX | 0xc0 /* BPF_ATOMIC */ | BPF_DW, dst, src,
				       (int16_t)off, op});
}

static inline void ebpf_load_imm64(struct pfri_ebpf *e, uint8_t dst, uint8_t kind, uint64_t imm)
{
	ebpf_emit(e, (struct bpf_insn){BPF_LD | BPF_DW | BPF_IMM, dst, kind, 0, (int32_t)imm});
	ebpf_emit(e, (struct bpf_insn){0, 0, 0, 0, (int32_t)(imm >> 32)});
}

static inline void ebpf_map(struct pfri_ebpf *e, uint8_t dst, int fd)
{
	ebpf_load_imm64(e, dst, BPF_PSEUDO_MAP_FD, (uint32_t)fd);
}

/* The address of a byte of an array's only element. */
static inline void ebpf_map_value(struct pfri_ebpf *e, uint8_t dst, int fd, uint32_t off)
{
	ebpf_load_imm64(e, dst, BPF_PSEUDO_MAP_VALUE, (uint32_t)fd | (uint64_t)off << 32);
}

static inline void ebpf_call(struct pfri_ebpf *e, int helper)
{
	ebpf_emit(e, (struct bpf_insn){BPF_JMP | BPF_CALL, 0, 0, 0, helper});
}

static inline void ebpf_exit(struct pfri_ebpf *e)
{
	ebpf_emit(e, (struct bpf_insn){BPF_JMP | BPF_EXIT, 0, 0, 0, 0});
}

/* Jumps return their own index, to be given to ebpf_land() at the place they jump to. */
static inline unsigned ebpf_jump(struct pfri_ebpf *e)
{
	ebpf_emit(e, (struct bpf_insn){BPF_JMP | BPF_JA, 0, 0, 0, 0});
	return e->len - 1;
}

static inline unsigned ebpf_jump_if(struct pfri_ebpf *e, uint8_t op, uint8_t dst, uint8_t src)
{
	ebpf_emit(e, (struct bpf_insn){BPF_JMP | op | BPF_X, dst, src, 0, 0});
	return e->len - 1;
}

static inline unsigned ebpf_jump_if_imm(struct pfri_ebpf *e, uint8_t op, uint8_t dst, int32_t imm)
{
	ebpf_emit(e, (struct bpf_insn){BPF_JMP | op | BPF_K, dst, 0, 0, imm});
	return e->len - 1;
}

/* The same on the lower halves, unsigned constants included. */
static inline unsigned ebpf_jump32_if(struct pfri_ebpf *e, uint8_t op, uint8_t dst, uint8_t src)
{
	ebpf_emit(e, (struct bpf_insn){BPF_JMP32 | op | BPF_X, dst, src, 0, 0});
	return e->len - 1;
}

static inline unsigned ebpf_jump32_if_imm(struct pfri_ebpf *e, uint8_t op, uint8_t dst,
					  uint32_t imm)
{
	ebpf_emit(e, (struct bpf_insn){BPF_JMP32 | op | BPF_K, dst, 0, 0, (int32_t)imm});
	return e->len - 1;
}

/* Lets the jump at index jump go to index target, or to what is emitted next. */
static inline void ebpf_land_at(struct pfri_ebpf *e, unsigned jump, unsigned target)
{
	long off = (long)target - (long)jump - 1;

	if (off != (int16_t)off)
		e->err = -7; /* E2BIG */
	else if (jump < e->max)
		e->insn[jump].off = (int16_t)off;
}

static inline void ebpf_land(struct pfri_ebpf *e, unsigned jump)
{
	ebpf_land_at(e, jump, e->len);
}

#endif /* PFRI_EBPF_H */
