/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * files.c - what is captured live goes to a file and comes back; savefiles have
 * the codes and the texts of the real library.
 */
#include "probe.h"

static void written(int nano)
{
	char path[512], errbuf[PCAP_ERRBUF_SIZE] = "";
	pcap_t *p = opened(&(struct how){.nano = nano, .snaplen = 500}), *f;
	pcap_dumper_t *d;
	struct sum sum = {0};
	struct bpf_program program;
	struct pcap_stat st;

	title(nano ? "file, nano" : "file");
	snprintf(path, sizeof(path), "%s/probe.pcap", folder);
	d = pcap_dump_open(p, path);
	see("dump_open: %d", d != NULL);
	send_each_kind(5);
	settle(p, 5 * KINDS);
	see("loop into it: %d", pcap_loop(p, 5 * KINDS, pcap_dump, (void *)d));
	see("flush: %d, %ld bytes", pcap_dump_flush(d), pcap_dump_ftell(d));
	pcap_dump_close(d);
	pcap_close(p);

	f = pcap_open_offline(path, errbuf);
	see("open: %d \"%s\"", f != NULL, errbuf);
	see("link type %d, snap length %d, version %d.%d, swapped %d", pcap_datalink(f),
	    pcap_snapshot(f), pcap_major_version(f), pcap_minor_version(f), pcap_is_swapped(f));
	see("loop: %d", pcap_loop(f, -1, add, (void *)&sum));
	see_sum("read back", &sum);
	CODE(f, pcap_next_ex(f, &(struct pcap_pkthdr *){0}, &(const unsigned char *){0}));
	CODE(f, pcap_stats(f, &st));
	CODE(f, pcap_inject(f, "x", 1));
	CODE(f, pcap_setnonblock(f, 1, errbuf));
	CODE(f, pcap_setdirection(f, PCAP_D_IN));
	CODE(f, pcap_fileno(f) >= 0);
	CODE(f, pcap_get_selectable_fd(f));
	CODE(f, pcap_activate(f));
	CODE(f, pcap_set_snaplen(f, 1));
	CODE(f, pcap_compile(f, &program, "vlan and udp", 1, 0));
	CODE(f, pcap_setfilter(f, &program));
	pcap_freecode(&program);
	pcap_close(f);

	f = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, errbuf);
	sum = (struct sum){0};
	pcap_breakloop(f);
	see("breakloop: %d", pcap_loop(f, -1, add, (void *)&sum));
	filter(f, "vlan and udp");
	see("dispatch 3: %d", pcap_dispatch(f, 3, add, (void *)&sum));
	see("the rest: %d", pcap_dispatch(f, -1, add, (void *)&sum));
	see("the end: %d", pcap_dispatch(f, -1, add, (void *)&sum));
	see_sum("filtered", &sum);
	pcap_close(f);
}

void probe_files(void)
{
	char errbuf[PCAP_ERRBUF_SIZE] = "";

	written(0);
	written(1);
	title("no file");
	see("%d \"%s\"", pcap_open_offline("/nonexistent", errbuf) != NULL, errbuf);
	see("%d \"%s\"", pcap_open_offline("/dev/null", errbuf) != NULL, errbuf);
}
