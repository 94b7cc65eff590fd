// SPDX-License-Identifier: BSD-3-Clause
/*
 * rx_pcap.c - the peer: a counting pcap_loop as every libpcap program has it.
 *
 * to_ms 100 and the library's own buffer of 2 MiB unless -t and -b say otherwise.
 * Runs over the system's libpcap, and over our overlay when lab.py puts that
 * into LD_LIBRARY_PATH. See rx.h for the life of a receiver.
 */
#include <pcap/pcap.h>

#include "rx.h"

static pcap_t *handle;
static struct rx_options opt;
static struct rx_count count;

static void stop(int sig)
{
	(void)sig;
	pcap_breakloop(handle);
}

static void on_packet(u_char *user, const struct pcap_pkthdr *h, const u_char *p)
{
	struct rx_count *n = (struct rx_count *)user;

	(void)p;
	n->packets++;
	n->bytes += h->len;
}

static void on_packet_verify(u_char *user, const struct pcap_pkthdr *h, const u_char *p)
{
	on_packet(user, h, p);
	rx_verify((struct rx_count *)user, p, h->caplen, h->len);
}

static void on_packet_delay(u_char *user, const struct pcap_pkthdr *h, const u_char *p)
{
	on_packet(user, h, p);
	rx_delay((struct rx_count *)user, h->ts.tv_sec * 1000000000ull + h->ts.tv_usec * 1000ull);
}

int main(int argc, char **argv)
{
	char err[PCAP_ERRBUF_SIZE] = "";
	struct bpf_program prog;
	struct pcap_stat st = {0};
	int rc;

	opt = rx_parse(argc, argv);
	handle = pcap_create(opt.device, err);
	if (!handle) {
		fprintf(stderr, "rx_pcap: %s\n", err);
		return 1;
	}
	pcap_set_snaplen(handle, opt.snaplen);
	pcap_set_promisc(handle, 1);
	pcap_set_timeout(handle, opt.timeout_ms);
	pcap_set_immediate_mode(handle, opt.immediate);
	if (opt.buffer_kib)
		pcap_set_buffer_size(handle, opt.buffer_kib * 1024);
	rc = pcap_activate(handle);
	if (rc < 0) {
		fprintf(stderr, "rx_pcap: %s: %s\n", pcap_statustostr(rc), pcap_geterr(handle));
		return 1;
	}
	if (opt.filter && (pcap_compile(handle, &prog, opt.filter, 1, PCAP_NETMASK_UNKNOWN) ||
			   pcap_setfilter(handle, &prog))) {
		fprintf(stderr, "rx_pcap: %s\n", pcap_geterr(handle));
		return 1;
	}
	rx_on_signal(stop);
	rx_ready();
	rc = pcap_loop(handle, -1,
		       opt.verify   ? on_packet_verify
		       : opt.delays ? on_packet_delay
				    : on_packet,
		       (u_char *)&count);
	if (rc != PCAP_ERROR_BREAK) {
		fprintf(stderr, "rx_pcap: %s\n", pcap_geterr(handle));
		return 1;
	}
	pcap_stats(handle, &st);
	rx_report(&opt, &count, st.ps_recv, st.ps_drop, pcap_lib_version());
	pcap_close(handle);
	return 0;
}
