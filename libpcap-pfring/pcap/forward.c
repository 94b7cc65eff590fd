/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * forward.c - the calls we leave to the real libpcap: one jump each.
 *
 * Written in assembly so that arguments and result pass untouched, whatever
 * they are. real.c fills in the targets before any program can call.
 */
#include <stdio.h>

#include "real.h"

#if defined(__x86_64__)
#define JUMP(name)                                                                                 \
	__asm__(".text\n\t.balign 16\n\t.globl " #name "\n\t.type " #name ", @function\n" #name    \
		":\n\tendbr64\n\tjmp *pfro_real_" #name "(%rip)\n\t.size " #name ", .-" #name      \
		"\n");
#elif defined(__aarch64__)
#define JUMP(name)                                                                                 \
	__asm__(".text\n\t.balign 16\n\t.globl " #name "\n\t.type " #name ", %function\n" #name    \
		":\n\thint #34\n\tadrp x16, pfro_real_" #name                                      \
		"\n\tldr x16, [x16, :lo12:pfro_real_" #name "]\n\tbr x16\n\t.size " #name          \
		", .-" #name "\n");
#else
#error "no jump is written for this processor"
#endif

PFRO_ASKED(JUMP)
PFRO_FORWARD(JUMP)

/*
 * Since 1.11. The structures behind these pointers are not in older headers,
 * so they are only passed on.
 */
extern void (*pfro_real_pcap_open)(void), (*pfro_real_pcap_findalldevs_ex)(void),
	(*pfro_real_pcap_createsrcstr)(void), (*pfro_real_pcap_parsesrcstr)(void),
	(*pfro_real_pcap_setsampling)(void);

static void not_there(char *errbuf)
{
	if (errbuf)
		snprintf(errbuf, PCAP_ERRBUF_SIZE,
			 "this call is newer than the system's libpcap (%s)", pfro_real_path());
}

__attribute__((visibility("default"))) pcap_t *pcap_open(const char *source, int snaplen, int flags,
							 int read_timeout,
							 struct pcap_rmtauth *auth, char *errbuf)
{
	__typeof__(pcap_open) *real = (void *)pfro_real_pcap_open;

	if (real)
		return real(source, snaplen, flags, read_timeout, auth, errbuf);
	not_there(errbuf);
	return NULL;
}

__attribute__((visibility("default"))) int
pcap_findalldevs_ex(const char *source, struct pcap_rmtauth *auth, pcap_if_t **devs, char *errbuf)
{
	__typeof__(pcap_findalldevs_ex) *real = (void *)pfro_real_pcap_findalldevs_ex;

	if (real)
		return real(source, auth, devs, errbuf);
	not_there(errbuf);
	return PCAP_ERROR;
}

__attribute__((visibility("default"))) int pcap_createsrcstr(char *source, int type,
							     const char *host, const char *port,
							     const char *name, char *errbuf)
{
	__typeof__(pcap_createsrcstr) *real = (void *)pfro_real_pcap_createsrcstr;

	if (real)
		return real(source, type, host, port, name, errbuf);
	not_there(errbuf);
	return PCAP_ERROR;
}

__attribute__((visibility("default"))) int
pcap_parsesrcstr(const char *source, int *type, char *host, char *port, char *name, char *errbuf)
{
	__typeof__(pcap_parsesrcstr) *real = (void *)pfro_real_pcap_parsesrcstr;

	if (real)
		return real(source, type, host, port, name, errbuf);
	not_there(errbuf);
	return PCAP_ERROR;
}

__attribute__((visibility("default"))) struct pcap_samp *pcap_setsampling(pcap_t *p)
{
	__typeof__(pcap_setsampling) *real = (void *)pfro_real_pcap_setsampling;

	return real ? real(p) : NULL;
}
