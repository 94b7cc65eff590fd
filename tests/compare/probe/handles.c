/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * handles.c - handles as the probe's parts need them.
 */
#include "probe.h"

pcap_t *made(const struct how *how)
{
	char errbuf[PCAP_ERRBUF_SIZE] = "";
	pcap_t *p = pcap_create(CAPTURE, errbuf);

	if (!p) {
		see("create: \"%s\"", errbuf);
		exit(2);
	}
	pcap_set_snaplen(p, how && how->snaplen ? how->snaplen : 262144);
	pcap_set_timeout(p, how && how->timeout ? how->timeout : TO_MS);
	if (how) {
		pcap_set_immediate_mode(p, how->immediate);
		pcap_set_promisc(p, how->promisc);
		if (how->buffer)
			pcap_set_buffer_size(p, how->buffer);
		if (how->nano)
			pcap_set_tstamp_precision(p, PCAP_TSTAMP_PRECISION_NANO);
		if (how->nonblock)
			pcap_setnonblock(p, 1, errbuf);
	}
	return p;
}

pcap_t *opened(const struct how *how)
{
	pcap_t *p = made(how);
	int rc = pcap_activate(p);

	if (rc) {
		see("activate: %d \"%s\"", rc, SAID(p));
		exit(2);
	}
	return p;
}

void filter(pcap_t *p, const char *text)
{
	struct bpf_program program;

	if (pcap_compile(p, &program, text, 1, PCAP_NETMASK_UNKNOWN)) {
		see("\"%s\" cannot be compiled: %s", text, SAID(p));
		return;
	}
	if (pcap_setfilter(p, &program))
		see("\"%s\" cannot be set: %s", text, SAID(p));
	pcap_freecode(&program);
}

void see_datalinks(pcap_t *p)
{
	int *list = NULL, n = pcap_list_datalinks(p, &list);

	see("link types: %d", n);
	for (int i = 0; i < n; i++)
		see("link type %s", pcap_datalink_val_to_name(list[i]));
	if (n > 0)
		pcap_free_datalinks(list);
}
