/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * program.c - filters by hand: compile, run over bytes, free. No handle.
 *
 * For programs of the field that filter packets themselves. Any thread.
 */
#include <stdlib.h>

#include "backend.h"

#define ETHERNET 1 /* LINKTYPE_ETHERNET */

int pfring_parse_bpf_filter(const char *filter_buffer, u_int caplen, void *filter)
{
	struct pfring_bpf_program *program = filter;
	struct sock_filter *room;
	int n;

	if (!filter_buffer || !filter)
		return pfri_fail(-EINVAL, "pfring_parse_bpf_filter: no expression or no place for "
					  "the program was given");
	room = malloc(PFRI_MAXPROG * sizeof(*room));
	if (!room)
		return pfri_fail(-ENOMEM, "no memory for a filter");
	n = pfring_compile_filter(ETHERNET, caplen, filter_buffer, 1, 0xffffffffu, room,
				  PFRI_MAXPROG);
	if (n < 0) {
		free(room);
		return n;
	}
	/* Programs are short: what was room for the longest is not kept. */
	program->bf_insns = malloc((size_t)n * sizeof(*room));
	if (!program->bf_insns) {
		free(room);
		return pfri_fail(-ENOMEM, "no memory for a filter");
	}
	memcpy(program->bf_insns, room, (size_t)n * sizeof(*room));
	free(room);
	program->bf_len = (u_int)n;
	return 0;
}

void pfring_free_bpf_filter(void *filter)
{
	struct pfring_bpf_program *program = filter;

	if (!program)
		return;
	free(program->bf_insns);
	program->bf_insns = NULL;
	program->bf_len = 0;
}

/*
 * The program's length is not given: it ends where no jump leads further. A
 * program that pfring_parse_bpf_filter() made ends with its last return.
 */
static u_int length(const struct sock_filter *insn)
{
	u_int last = 0, i = 0;

	for (;; i++) {
		u_int reach = 0;

		if (BPF_CLASS(insn[i].code) == BPF_RET) {
			if (i >= last)
				return i + 1;
			continue;
		}
		if (BPF_CLASS(insn[i].code) == BPF_JMP)
			reach = BPF_OP(insn[i].code) == BPF_JA ? insn[i].k
							       : max_val(insn[i].jt, insn[i].jf);
		if (reach >= PFRI_MAXPROG || i >= PFRI_MAXPROG)
			return 0;
		last = max_val(last, i + 1 + reach);
	}
}

u_int32_t pfring_bpf_filter(void *bpf_insn, u_char *buffer, u_int32_t caplen, u_int32_t len)
{
	u_int n;
	int keep;

	if (!bpf_insn || !buffer)
		return 0;
	n = length(bpf_insn);
	keep = n ? pfring_filter_packet(bpf_insn, n, buffer, caplen, len) : 0;
	return keep > 0 ? (u_int32_t)keep : 0;
}
