/* SPDX-License-Identifier: BSD-3-Clause */
/* bpf_compile.c - see bpf_compile.h. */
#include <pcap/pcap.h>
#include <string.h>

#include "bpf_compile.h"

void *compile_open(const char *device)
{
	char err[PCAP_ERRBUF_SIZE];
	pcap_t *p = device ? pcap_create(device, err) : pcap_open_dead(DLT_EN10MB, 262144);

	if (p && device && pcap_activate(p) < 0) {
		pcap_close(p);
		p = NULL;
	}
	return p;
}

void compile_close(void *handle)
{
	pcap_close(handle);
}

unsigned compile(void *handle, const char *expression, struct sock_filter *out)
{
	struct bpf_program prog;
	unsigned len;

	if (pcap_compile(handle, &prog, expression, 1, 0xff000000))
		return 0;
	len = prog.bf_len;
	memcpy(out, prog.bf_insns, len * sizeof(*out));
	pcap_freecode(&prog);
	return len;
}
