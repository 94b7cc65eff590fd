/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rx.h - what the C receivers have in common: options, counting, the verdict.
 *
 * A receiver opens its capture, prints "ready", counts until SIGINT or
 * SIGTERM, and prints one JSON object. By default it touches only what a
 * counting program touches; with -v it looks at every sequence number and at
 * the last captured byte instead, and says what was missing or wrong.
 * One thread; the signal handler only calls the library's breakloop.
 */
#ifndef BENCH_RX_H
#define BENCH_RX_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "frame.h"

#define RX_FLOWS 8
#define RX_DELAYS 65536

struct rx_options {
	const char *device, *filter;
	unsigned int snaplen, buffer_kib, timeout_ms;
	unsigned int hash_rules, wild_rules; /* rx_pfring only */
	bool verify, delays, coarse, immediate;
};

struct rx_count {
	unsigned long long packets, bytes;
	/* -v only */
	unsigned long long next[RX_FLOWS], missing, bad, foreign;
	/* -L only: nanoseconds, of the last RX_DELAYS frames */
	unsigned int delay[RX_DELAYS];
};

static inline struct rx_options rx_parse(int argc, char **argv)
{
	struct rx_options o = {.snaplen = 65535, .timeout_ms = 100};
	int c;

	while ((c = getopt(argc, argv, "i:s:b:t:f:H:W:vLCI")) != -1) {
		switch (c) {
		case 'i':
			o.device = optarg;
			break;
		case 's':
			o.snaplen = strtoul(optarg, NULL, 0);
			break;
		case 'b':
			o.buffer_kib = strtoul(optarg, NULL, 0);
			break;
		case 't':
			o.timeout_ms = strtoul(optarg, NULL, 0);
			break;
		case 'f':
			o.filter = optarg;
			break;
		case 'H':
			o.hash_rules = strtoul(optarg, NULL, 0);
			break;
		case 'W':
			o.wild_rules = strtoul(optarg, NULL, 0);
			break;
		case 'v':
			o.verify = true;
			break;
		case 'L':
			o.delays = true;
			break;
		case 'C':
			o.coarse = true;
			break;
		case 'I':
			o.immediate = true;
			break;
		default:
			o.device = NULL;
			optind = argc;
		}
	}
	if (!o.device) {
		fprintf(stderr,
			"usage: %s -i DEV [-s SNAPLEN] [-b KIB] [-t MS] [-f FILTER] [-v|-L] [-C] "
			"[-I]\n",
			argv[0]);
		exit(2);
	}
	return o;
}

static inline void rx_verify(struct rx_count *n, const unsigned char *p, unsigned int caplen,
			     unsigned int len)
{
	uint32_t magic, flow;
	uint64_t seq;

	if (caplen < FRAME_MIN || len < caplen) {
		n->bad++;
		return;
	}
	memcpy(&magic, p + FRAME_OFF_MAGIC, 4);
	memcpy(&flow, p + FRAME_OFF_FLOW, 4);
	memcpy(&seq, p + FRAME_OFF_SEQ, 8);
	if (magic != FRAME_MAGIC || flow >= RX_FLOWS) {
		n->foreign++;
		return;
	}
	/* make_frame() fills with 0xa5 from behind the sequence number to the end. */
	if (p[caplen - 1] != 0xa5 || seq < n->next[flow])
		n->bad++;
	else
		n->missing += seq - n->next[flow];
	n->next[flow] = seq + 1;
}

static inline void rx_delay(struct rx_count *n, uint64_t ts_ns)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	n->delay[(n->packets - 1) % RX_DELAYS] = now.tv_sec * 1000000000ull + now.tv_nsec - ts_ns;
}

static inline int rx_by_value(const void *a, const void *b)
{
	unsigned int x = *(const unsigned int *)a, y = *(const unsigned int *)b;

	return (x > y) - (x < y);
}

static inline void rx_ready(void)
{
	puts("ready");
	fflush(stdout);
}

static inline void rx_report(const struct rx_options *o, struct rx_count *n,
			     unsigned long long recv, unsigned long long drop, const char *backend)
{
	printf("{\"packets\": %llu, \"bytes\": %llu, \"recv\": %llu, \"drop\": %llu, "
	       "\"backend\": \"%s\"",
	       n->packets, n->bytes, recv, drop, backend);
	if (o->verify)
		printf(", \"missing\": %llu, \"bad\": %llu, \"foreign\": %llu", n->missing, n->bad,
		       n->foreign);
	if (o->delays && n->packets) {
		size_t k = n->packets < RX_DELAYS ? n->packets : RX_DELAYS;

		qsort(n->delay, k, sizeof(*n->delay), rx_by_value);
		printf(", \"delay_median_ns\": %u, \"delay_p99_ns\": %u", n->delay[k / 2],
		       n->delay[k * 99 / 100]);
	}
	puts("}");
}

static inline void rx_on_signal(void (*handler)(int))
{
	struct sigaction sa = {.sa_handler = handler};

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
}

#endif /* BENCH_RX_H */
