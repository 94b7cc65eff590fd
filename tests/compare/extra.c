/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * extra.c - a program in the idiom of PF_RING's own libpcap.
 *
 *      extra DEVICE WHAT
 *
 * Built with -I.../pcap-pfring in front and linked to the system's -lpcap; its
 * extra calls are weak, so it starts over any libpcap. Prints what it finds, a
 * line each, for test_overlay_extra.py, which ends its standard input when all
 * packets are on their way.
 */
#include <pcap.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef PF_RING_PCAP
#error "pcap-pfring/pcap.h did not come first"
#endif

#pragma weak pcap_get_backend
#pragma weak pcap_get_pfring_handle
#pragma weak pcap_get_pfring_id
#pragma weak pcap_set_application_name
#pragma weak pcap_set_cluster
#pragma weak pcap_set_cluster_type
#pragma weak pcap_set_master
#pragma weak pcap_set_master_id
#pragma weak pcap_set_poll_watermark_timeout
#pragma weak pcap_set_watermark
#pragma weak pcap_stats64

/* As programs of the field declare them for themselves. */
int pcap_set_cluster(pcap_t *ring, u_int clusterId);
int pcap_set_application_name(pcap_t *handle, char *name);
int pcap_set_watermark(pcap_t *handle, u_int watermark);

static unsigned count, sound, precise;

static void on_packet(u_char *user, const struct pcap_pkthdr *h, const u_char *p)
{
	const struct ns_pcaphdr *ns = (const struct ns_pcaphdr *)(const void *)h;

	(void)user;
	(void)p;
	count++;
	sound += ns->ns / 1000 == (u_int64_t)h->ts.tv_usec;
	precise += ns->ns % 1000 != 0;
}

static pcap_t *opened(const char *device)
{
	char errbuf[PCAP_ERRBUF_SIZE] = "";
	pcap_t *p = pcap_create(device, errbuf);

	pcap_set_snaplen(p, 200);
	pcap_set_timeout(p, 20);
	/* A block for each 20 ms of a sender that takes its time. */
	pcap_set_buffer_size(p, 32 << 20);
	return p;
}

static void start(pcap_t *p)
{
	const char *why = "", *backend;
	int rc = pcap_activate(p);

	printf("activate %d \"%s\"\n", rc, rc < 0 ? pcap_geterr(p) : "");
	if (rc >= 0 && pcap_get_backend) {
		backend = pcap_get_backend(p, &why);
		printf("backend %s (%s)\n", backend, why);
	}
	printf("ready\n");
	fflush(stdout);
	if (rc < 0)
		exit(0);
}

/* Reads until standard input has ended, and from then on until nothing has come for a while. */
static void read_all(pcap_t *p)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	char errbuf[PCAP_ERRBUF_SIZE];
	unsigned quiet = 0;

	pcap_setnonblock(p, 1, errbuf);
	while (quiet < 60) {
		bool ended = poll(&input, 1, 5) > 0;
		int n = pcap_dispatch(p, -1, on_packet, NULL);

		if (n < 0)
			break;
		quiet = n || !ended ? 0 : quiet + 1;
		if (ended)
			nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	}
	printf("packets %u, sound %u\n", count, sound);
}

static void calls(pcap_t *p)
{
	struct pfring_stats64 st = {.sz = sizeof(st)};
	struct pcap_stat small;

	printf("before: name %d, watermark %d, id %d\n", pcap_set_application_name(p, "extra"),
	       pcap_set_watermark(p, 8), pcap_get_pfring_id(p));
	start(p);
	printf("ring %d, id %d\n", pcap_get_pfring_handle(p) != NULL, pcap_get_pfring_id(p) > 0);
	printf("name %d, watermark %d, its time %d\n", pcap_set_application_name(p, "again"),
	       pcap_set_watermark(p, 1), pcap_set_poll_watermark_timeout(p, 3));
	printf("master %d", pcap_set_master(p, p));
	printf(" \"%s\"\n", pcap_geterr(p));
	printf("master id %d", pcap_set_master_id(p, 3));
	printf(" \"%s\"\n", pcap_geterr(p));
	read_all(p);
	printf("precise %d\n", precise > 0);
	pcap_stats(p, &small);
	printf("books %d", pcap_stats64(p, &st));
	printf(" %llu %llu, small ones %u %u\n", (unsigned long long)st.recv,
	       (unsigned long long)st.drop, small.ps_recv, small.ps_drop);
}

/* On a handle that the real library serves every call says so. */
static void refused(pcap_t *p)
{
	struct pfring_stats64 st = {.sz = sizeof(st)};
	pcap_t *dead = pcap_open_dead(1, 100);

	start(p);
	printf("ring %d, id %d", pcap_get_pfring_handle(p) != NULL, pcap_get_pfring_id(p));
	printf(" \"%s\"\n", pcap_geterr(p));
	printf("books %d", pcap_stats64(p, &st));
	printf(" \"%s\"\n", pcap_geterr(p));
	printf("dead: cluster %d", pcap_set_cluster(dead, 1, cluster_per_flow));
	printf(" \"%s\"\n", pcap_geterr(dead));
	pcap_close(dead);
}

static void timed(pcap_t *p)
{
	struct pcap_pkthdr *h;
	const u_char *data;

	start(p);
	printf("a read of nothing ends: %d\n", pcap_next_ex(p, &h, &data));
}

static void close_inside(u_char *user, const struct pcap_pkthdr *h, const u_char *p)
{
	(void)h;
	(void)p;
	if (++count == 3)
		pcap_close((pcap_t *)(void *)user);
}

int main(int argc, char **argv)
{
	pcap_t *p;
	int rc;

	if (argc != 3)
		return 2;
	p = opened(argv[1]);
	if (!strcmp(argv[2], "calls")) {
		calls(p);
	} else if (!strcmp(argv[2], "refused")) {
		refused(p);
	} else if (!strcmp(argv[2], "timed")) {
		timed(p);
	} else if (!strcmp(argv[2], "close")) {
		start(p);
		rc = pcap_loop(p, -1, close_inside, (u_char *)p);
		printf("loop %d after %u\n", rc, count);
		return 0;
	} else {
		if (!strcmp(argv[2], "cluster"))
			printf("cluster %d\n", pcap_set_cluster(p, 9, cluster_round_robin));
		if (!strcmp(argv[2], "cluster-flow"))
			printf("cluster %d\n", pcap_set_cluster(p, 9));
		start(p);
		read_all(p);
	}
	pcap_close(p);
	return 0;
}
