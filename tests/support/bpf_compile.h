/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bpf_compile.h - expressions to bytecode with the system libpcap, for tests
 * that cannot include <pcap/pcap.h>: it and <linux/bpf.h> both define struct
 * bpf_insn. Linked with -lpcap.
 */
#ifndef TEST_BPF_COMPILE_H
#define TEST_BPF_COMPILE_H

#include <linux/filter.h>

/* A live handle, so that VLAN keywords become the kernel's own loads; NULL device: a dead one. */
void *compile_open(const char *device);
void compile_close(void *handle);

/* Returns the number of instructions (out has room for 4096), 0 if it does not compile. */
unsigned compile(void *handle, const char *expression, struct sock_filter *out);

#endif
