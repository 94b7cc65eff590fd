/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bpf_vm.h - runs a classic BPF program over one packet in user space.
 *
 * Semantics are the kernel's (Documentation/networking/filter.rst), not
 * libpcap's where they differ: a load outside the packet ends the program
 * with 0, division by zero with 0, and the ancillary loads at SKF_AD_OFF
 * answer from the packet's descriptor.
 *
 * A packet whose stripped VLAN tag was put back (PKT_FLAGS_VLAN_HWACCEL) is
 * shown to the program as the kernel's filter saw it: without the tag, which
 * is then in SKF_AD_VLAN_TAG, _TAG_PRESENT and _TPID.
 */
#ifndef PFRI_BPF_VM_H
#define PFRI_BPF_VM_H

#include <linux/filter.h>

#include "pfring.h"

/*
 * 0 if the program is one the kernel would accept (known opcodes, jumps
 * forward and inside, memory words initialised, ends in a return); 1 if only
 * user space can run it, because it jumps back (libpcap's protochain) or reads
 * a memory word that it may not have written, which is 0 then (libpcap's
 * "vlan and geneve"); else -EINVAL. pfri_bpf_run() never checks again; it ends
 * a program that jumps back too often with 0.
 */
int pfri_bpf_check(const struct sock_filter *insn, unsigned len);

/*
 * Runs a checked program. Returns its verdict: how many bytes to keep, 0 to
 * refuse the packet. pkt->caplen bytes at pkt->data may be read; the packet
 * length A sees is pkt->len. kernel_view as described above; without it the
 * bytes are taken as they are and no tag is reported.
 */
unsigned pfri_bpf_run(const struct sock_filter *insn, const struct pfring_packet *pkt,
		      bool kernel_view);

/* bpf_print.c: a checked program as text, cut to buf_len. Returns the whole text's length. */
size_t pfri_bpf_print(const struct sock_filter *insn, unsigned len, char *buf, size_t buf_len);

#endif /* PFRI_BPF_VM_H */
