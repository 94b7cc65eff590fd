/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cost.c - what capturing one packet costs, in processor time of both sides.
 *
 *      cost FROM TO SIZE COUNT              one line: none pcap pfring, ns a packet
 *      cost FROM TO SIZE COUNT rules        one line: none pfring, then with 10 hash
 *                                           rules, 10,000, and 64 wildcard rules
 *
 * For a guest with instruction counting (QEMU -icount shift=0), where a
 * nanosecond is an instruction and the numbers are the same every time. Frames
 * are sent without a reader, with libpcap reading (the system's, TPACKET_V3),
 * and with pfring: reading, perhaps with rules (each packet meets the hash rule
 * of its flow, and no wildcard rule at all); the softirq runs in the sender's send(), so sender
 * and reader together are the whole path. Losing a packet is a failure.
 */
#define _GNU_SOURCE
#include <linux/if_packet.h>
#include <pcap/pcap.h>
#include <sys/wait.h>
#include <time.h>

#include <net/if.h>

#include "pfring.h"

enum { NONE, PCAP, PFRING, HASH_10, HASH_10000, WILD_64 };

#define FLOWS 10 /* that the frames are of */
#define TIMES 5	 /* everything is measured so often: when the reader is woken varies */

static const char *from, *to;
static unsigned size, count;
static int with_rules;
static double began; /* the reader's processor time when it was ready */

#define DIE(...) (fprintf(stderr, __VA_ARGS__), fprintf(stderr, "\n"), exit(1))

static double cpu_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* What opening costs (the ring's memory is cleared) is no packet's. */
static void tell_ready(int fd)
{
	began = cpu_now();
	if (write(fd, "", 1) != 1)
		DIE("write");
}

/* UDP over IPv4 to somebody else, from 10.0.x.x; what no rule looks at is 0. */
static void make_udp(unsigned char *frame, unsigned flow)
{
	static const unsigned char head[] = {2,	   0, 0,  0,  0, 9, 2, 0, 0,	0,    0, 1, 8,	0,
					     0x45, 0, 0,  46, 0, 0, 0, 0, 64,	17,   0, 0, 10, 0,
					     0,	   0, 10, 9,  9, 9, 0, 9, 0x04, 0x00, 0, 26};

	memcpy(frame, head, sizeof(head));
	frame[28] = (unsigned char)(flow >> 8);
	frame[29] = (unsigned char)flow;
}

static double send_all(void)
{
	struct sockaddr_ll sll = {.sll_family = AF_PACKET,
				  .sll_ifindex = (int)if_nametoindex(from)};
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	unsigned char frame[2048] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,
				     0,	   0,	 0,    0,    1,	   0x88, 0xb5};
	double start = cpu_now();

	for (unsigned i = 0; i < count; i++) {
		if (with_rules)
			make_udp(frame, i % FLOWS);
		if (sendto(fd, frame, size, 0, (struct sockaddr *)&sll, sizeof(sll)) !=
		    (ssize_t)size)
			DIE("send: %s", strerror(errno));
	}
	return cpu_now() - start;
}

static void ignore(u_char *n, const struct pcap_pkthdr *h, const u_char *p)
{
	(void)h;
	(void)p;
	++*(unsigned *)(void *)n;
}

static unsigned read_pcap(int ready)
{
	char err[PCAP_ERRBUF_SIZE];
	pcap_t *p = pcap_create(to, err);
	unsigned n = 0;

	if (!p)
		DIE("pcap_create: %s", err);
	pcap_set_snaplen(p, 2048);
	pcap_set_timeout(p, 10);
	pcap_set_buffer_size(p, 32 << 20);
	if (pcap_activate(p) < 0)
		DIE("pcap_activate: %s", pcap_geterr(p));
	tell_ready(ready);
	while (n < count)
		if (pcap_dispatch(p, -1, ignore, (u_char *)&n) < 0)
			DIE("pcap_dispatch: %s", pcap_geterr(p));
	return n;
}

static void add_hash_rules(pfring *r, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		hash_filtering_rule rule = {.ip_version = 4,
					    .proto = 17,
					    .host_peer_a.v4 = 0x0a000000 + i,
					    .host_peer_b.v4 = 0x0a090909,
					    .port_peer_a = 9,
					    .port_peer_b = 1024};

		if (pfring_handle_hash_filtering_rule(r, &rule, 1))
			DIE("hash rule: %s", pfring_last_error());
	}
}

/* As people have them: networks, hosts, ports, now and then both directions. */
static void add_wildcard_rules(pfring *r)
{
	for (unsigned i = 0; i < 64; i++) {
		filtering_rule rule = {.rule_id = (u_int16_t)i, .bidirectional = i % 8 == 7};
		filtering_rule_core_fields *c = &rule.core_fields;

		rule.rule_action = dont_forward_packet_and_stop_rule_evaluation;
		c->proto = i % 4 == 3 ? 6 : i % 4 ? 17 : 0;
		if (i % 3) {
			c->shost.v4 = 0xc0000000 + (i << 8);
			c->shost_mask.v4 = 0xffffff00;
		} else {
			c->dport_low = (u_int16_t)(2000 + i);
		}
		if (pfring_add_filtering_rule(r, &rule))
			DIE("wildcard rule: %s", pfring_last_error());
	}
}

static unsigned read_pfring(int ready, int way)
{
	struct pfring_open_options opts = {
		.sz = sizeof(opts), .caplen = 2048, .buffer_bytes = 32 << 20, .timeout_ms = 10};
	struct pfring_packet packets[256];
	char name[64];
	unsigned n = 0;
	pfring *r;

	snprintf(name, sizeof(name), "pfring:%s", to);
	r = pfring_open_opts(name, &opts);
	if (!r || pfring_enable_ring(r))
		DIE("pfring: %s", pfring_last_error());
	if (way == HASH_10 || way == HASH_10000)
		add_hash_rules(r, way == HASH_10 ? 10 : 10000);
	else if (way == WILD_64)
		add_wildcard_rules(r);
	tell_ready(ready);
	while (n < count) {
		int rc = pfring_recv_batch(r, packets, 256, 1000);

		if (rc < 0)
			DIE("pfring_recv_batch: %s", pfring_last_error());
		n += (unsigned)rc;
	}
	return n;
}

static double measure(int way)
{
	int ready[2], result[2];
	double sender, reader = 0;
	char byte;

	if (way == NONE)
		return send_all() / count;
	if (pipe(ready) || pipe(result))
		DIE("pipe");
	if (!fork()) {
		double start;

		alarm(300);
		if (way == PCAP)
			read_pcap(ready[1]);
		else
			read_pfring(ready[1], way);
		start = cpu_now() - began;
		if (write(result[1], &start, sizeof(start)) != sizeof(start))
			DIE("write");
		_exit(0);
	}
	close(ready[1]);
	close(result[1]);
	if (read(ready[0], &byte, 1) != 1)
		DIE("the reader did not start");
	sender = send_all();
	if (read(result[0], &reader, sizeof(reader)) != sizeof(reader))
		DIE("the reader did not get everything");
	wait(NULL);
	return (sender + reader) / count;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	static const int both[] = {NONE, PCAP, PFRING};
	static const int rules[] = {NONE, PFRING, HASH_10, HASH_10000, WILD_64};
	static double results[5][TIMES];
	const int *ways = both;
	unsigned n = 3;

	if (argc != 5 && argc != 6)
		return 2;
	if (argc == 6) {
		with_rules = 1;
		ways = rules;
		n = 5;
	}
	from = argv[1];
	to = argv[2];
	size = (unsigned)atoi(argv[3]);
	count = (unsigned)atoi(argv[4]);
	for (unsigned i = 0; i < n; i++)
		measure(ways[i]); /* everything is in memory now */
	for (unsigned time = 0; time < TIMES; time++)
		for (unsigned i = 0; i < n; i++)
			results[i][time] = measure(ways[i]);
	for (unsigned i = 0; i < n; i++) {
		qsort(results[i], TIMES, sizeof(double), compare);
		printf("%.0f%c", results[i][TIMES / 2], i + 1 < n ? ' ' : '\n');
	}
	return 0;
}
