/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bpf_programs.h - classic BPF programs and packets for differential tests.
 *
 * The same numbers on every machine for the same seed. Programs are always
 * valid and made of units that jumps do not enter in the middle, so that a
 * caller can ask for units on which libpcap and the kernel agree. Packets are
 * frames of every kind that the expressions name, some damaged, some cut.
 */
#ifndef TEST_BPF_PROGRAMS_H
#define TEST_BPF_PROGRAMS_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GEN_MAX_INSNS 512
#define GEN_MAX_PACKET 1600

/* What a generated program may contain besides what everybody agrees on. */
enum gen_feature {
	GEN_WILD_OFFSETS = 1 << 0, /* indirect offsets that wrap around */
	GEN_WILD_SHIFTS = 1 << 1,  /* shifts by X >= 32 */
	GEN_NEGATIVE = 1 << 2,	   /* SKF_NET_OFF and SKF_LL_OFF */
	GEN_XOR = 1 << 3,	   /* SKF_AD_ALU_XOR_X */
	GEN_ANCILLARY = 1 << 4,	   /* the loads that pcap_compile emits, and their kin */
};

uint32_t gen_random(uint64_t *rng, uint32_t below);

/* Returns the number of instructions; prog has room for GEN_MAX_INSNS. */
unsigned gen_program(uint64_t *rng, unsigned features, struct sock_filter *prog);

/* Changes a few fields at random: the program may now be invalid. */
void gen_damage(uint64_t *rng, struct sock_filter *prog, unsigned len);

/* Returns the length of an Ethernet frame (14 .. GEN_MAX_PACKET) in buf. */
size_t gen_packet(uint64_t *rng, uint8_t *buf);

/* pcap-filter(7) expressions for Ethernet, ended by NULL. */
extern const char *const gen_expressions[];

#endif
