/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * measure.h - what cost.c and rate.c share: the sending side, the two kinds of
 * reader, and their books.
 *
 * A reader accounts for count packets: it read them, or its library says that
 * they were lost. Each figure is the median of TURNS turns through all ways.
 */
#ifndef MEASURE_H
#define MEASURE_H

#include <linux/if_packet.h>
#include <pcap/pcap.h>
#include <sys/wait.h>
#include <time.h>

#include <net/if.h>

#include "pfring.h"

#define TURNS 5

static const char *from, *to; /* devices */
static unsigned size, count;  /* of the packets; bytes without the checksum */
static double began;	      /* the reader's processor time when it was ready */
static unsigned got, dropped; /* packets, of a reader */

#define DIE(...) (fprintf(stderr, __VA_ARGS__), fprintf(stderr, "\n"), exit(1))

/* Nanoseconds. */
static double now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

struct sender {
	struct sockaddr_ll to;
	int fd;
	unsigned char frame[2048];
};

static void sender_open(struct sender *s)
{
	*s = (struct sender){
		.to = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(from)},
		.fd = socket(AF_PACKET, SOCK_RAW, 0),
		.frame = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5}};
	if (s->fd < 0)
		DIE("socket: %s", strerror(errno));
}

static inline void sender_send(struct sender *s)
{
	if (sendto(s->fd, s->frame, size, 0, (struct sockaddr *)&s->to, sizeof(s->to)) !=
	    (ssize_t)size)
		DIE("send: %s", strerror(errno));
}

/* What opening costs (the ring's memory is cleared) is no packet's. */
static void tell_ready(int fd)
{
	began = now(CLOCK_PROCESS_CPUTIME_ID);
	if (write(fd, "", 1) != 1)
		DIE("write");
}

static void count_it(u_char *user, const struct pcap_pkthdr *h, const u_char *p)
{
	(void)user;
	(void)h;
	(void)p;
	got++;
}

/* Both readers return the packets that were lost, once every packet is accounted for. */
static unsigned read_pcap(int ready, int buffer)
{
	char err[PCAP_ERRBUF_SIZE];
	pcap_t *p = pcap_create(to, err);
	struct pcap_stat stats;

	if (!p)
		DIE("pcap_create: %s", err);
	pcap_set_snaplen(p, 2048);
	pcap_set_timeout(p, 10);
	pcap_set_buffer_size(p, buffer);
	if (pcap_activate(p) < 0)
		DIE("pcap_activate: %s", pcap_geterr(p));
	tell_ready(ready);
	while (got + dropped < count) {
		int rc = pcap_dispatch(p, -1, count_it, NULL);

		if (rc < 0 || (!rc && pcap_stats(p, &stats)))
			DIE("libpcap: %s", pcap_geterr(p));
		if (!rc)
			dropped = stats.ps_drop;
	}
	return dropped;
}

/* prepare: what to do with the ring before packets come, or NULL. */
static unsigned read_pfring(int ready, int buffer, void (*prepare)(pfring *))
{
	struct pfring_open_options opts = {.sz = sizeof(opts),
					   .caplen = 2048,
					   .buffer_bytes = (u_int64_t)buffer,
					   .timeout_ms = 10};
	struct pfring_packet packets[256];
	pfring_stat stats;
	char name[64];
	pfring *r;

	snprintf(name, sizeof(name), "pfring:%s", to);
	r = pfring_open_opts(name, &opts);
	if (!r || pfring_enable_ring(r))
		DIE("pfring: %s", pfring_last_error());
	if (prepare)
		prepare(r);
	tell_ready(ready);
	while (got + dropped < count) {
		int rc = pfring_recv_batch(r, packets, 256, 100);

		if (rc < 0 || (!rc && pfring_stats(r, &stats)))
			DIE("pfring: %s", pfring_last_error());
		if (!rc)
			dropped = (unsigned)stats.drop;
		got += (unsigned)rc;
	}
	return dropped;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double values[TURNS])
{
	qsort(values, TURNS, sizeof(*values), compare);
	return values[TURNS / 2];
}

#endif /* MEASURE_H */
