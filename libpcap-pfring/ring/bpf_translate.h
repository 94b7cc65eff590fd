/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bpf_translate.h - turns a classic BPF program into eBPF for a socket filter.
 *
 * Packet loads stay what they are (BPF_LD_ABS and _IND exist for socket
 * filters), so they keep the kernel's own semantics, negative offsets and
 * stripped VLAN tags included; a load outside the packet ends the whole eBPF
 * program with 0.
 */
#ifndef PFRI_BPF_TRANSLATE_H
#define PFRI_BPF_TRANSLATE_H

#include <linux/filter.h>

#include "ebpf.h"

/*
 * Emits the len instructions at f, which passed pfri_bpf_check(). Before: R6
 * holds the context. After: whatever path was taken, the next instruction
 * emitted runs with the verdict in R0. R1-R5, R7, R8 and the stack down to
 * -64 are used. Returns 0; -EOPNOTSUPP if the program needs something eBPF
 * socket filters cannot see (hardware type, payload offset, netlink
 * attributes) or jumps back; -E2BIG if it does not fit.
 */
int pfri_bpf_translate(const struct sock_filter *f, unsigned len, struct pfri_ebpf *e);

#endif /* PFRI_BPF_TRANSLATE_H */
