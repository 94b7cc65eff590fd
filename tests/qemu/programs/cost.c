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
#include "measure.h"

enum { NONE, PCAP, PFRING, HASH_10, HASH_10000, WILD_64, WAYS };

#define FLOWS 10 /* that the frames are of */
#define BUFFER (32 << 20)

static int with_rules;

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
	struct sender s;
	double start;

	sender_open(&s);
	start = now(CLOCK_PROCESS_CPUTIME_ID);
	for (unsigned i = 0; i < count; i++) {
		if (with_rules)
			make_udp(s.frame, i % FLOWS);
		sender_send(&s);
	}
	start = now(CLOCK_PROCESS_CPUTIME_ID) - start;
	close(s.fd);
	return start;
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

static void add_10(pfring *r)
{
	add_hash_rules(r, 10);
}

static void add_10000(pfring *r)
{
	add_hash_rules(r, 10000);
}

static double measure(int way)
{
	static void (*const rules[WAYS])(pfring *) = {
		[HASH_10] = add_10, [HASH_10000] = add_10000, [WILD_64] = add_wildcard_rules};
	int ready[2], result[2];
	double sender, reader = 0;
	char byte;

	if (way == NONE)
		return send_all() / count;
	if (pipe(ready) || pipe(result))
		DIE("pipe");
	if (!fork()) {
		alarm(300);
		if (way == PCAP ? read_pcap(ready[1], BUFFER)
				: read_pfring(ready[1], BUFFER, rules[way]))
			DIE("packets were lost");
		reader = now(CLOCK_PROCESS_CPUTIME_ID) - began;
		if (write(result[1], &reader, sizeof(reader)) != sizeof(reader))
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

int main(int argc, char **argv)
{
	static const int both[] = {NONE, PCAP, PFRING};
	static const int rules[] = {NONE, PFRING, HASH_10, HASH_10000, WILD_64};
	static double results[5][TURNS];
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
	for (unsigned time = 0; time < TURNS; time++)
		for (unsigned i = 0; i < n; i++)
			results[i][time] = measure(ways[i]);
	for (unsigned i = 0; i < n; i++)
		printf("%.0f%c", median(results[i]), i + 1 < n ? ' ' : '\n');
	return 0;
}
