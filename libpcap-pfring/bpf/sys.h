/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sys.h - the few bpf(2) calls that we need.
 *
 * Raw system calls and not libbpf: our programs are written by our own code,
 * without ELF, BTF or relocations, so three commands are all there is to call,
 * and libpfring stays free of a dependency that many small systems lack.
 */
#ifndef PFRI_BPF_SYS_H
#define PFRI_BPF_SYS_H

#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>

/* Descriptors (close-on-exec), or -errno. name: up to 15 letters, shown by bpftool. */
int pfri_bpf_map(enum bpf_map_type type, uint32_t key, uint32_t value, uint32_t entries,
		 uint32_t flags, const char *name);

/* Loads a socket filter. log (may be NULL) gets the end of the verifier's complaint. */
int pfri_bpf_load(const struct bpf_insn *insn, unsigned len, const char *name, char *log,
		  size_t log_size);

/* Runs a loaded program once over a frame; 0 with its return value, or -errno. */
int pfri_bpf_test_run(int prog, const void *frame, uint32_t len, uint32_t *ret);

#endif /* PFRI_BPF_SYS_H */
