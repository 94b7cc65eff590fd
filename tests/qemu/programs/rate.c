/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rate.c - how many packets a second are captured without losing one.
 *
 *      rate FROM TO SIZE COUNT     one line: none libpcap pfring lost rings-rate
 *
 * The first processor sends (and runs the softirq that captures), the last one
 * reads; they may be the same. For libpcap (the system's, TPACKET_V3) and for one ring of pfring:
 * the speed of a sender that does not wait if nothing is lost then, else the highest that bisection
 * finds. Then four rings listen to libpcap's rate: packets that any of them lost, and the rate that
 * the sender reached. Each figure is the median of some turns through all. Books that do not
 * balance are a failure.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>

#include "measure.h"

enum { NONE, PCAP, PFRING };
static const char *const names[] = {"", "libpcap", "pfring"};

#define STEPS 6
#define RINGS 4
#define BUFFER (2 << 20) /* of each reader: one that falls behind shows soon */

static void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		DIE("sched_setaffinity: %s", strerror(errno));
}

/* At most pps packets a second, 0: without waiting. What came of it. */
static double send_all(double pps)
{
	struct sender s;
	double start;

	sender_open(&s);
	stay_on(0);
	start = now(CLOCK_MONOTONIC);
	for (unsigned i = 0; i < count; i++) {
		while (pps > 0 && now(CLOCK_MONOTONIC) < start + i / pps * 1e9)
			;
		sender_send(&s);
	}
	pps = count / (now(CLOCK_MONOTONIC) - start) * 1e9;
	close(s.fd);
	return pps;
}

static void too_late(int sig)
{
	(void)sig;
	dprintf(2, "after two minutes: %u of %u packets read, %u lost\n", got, count, dropped);
	_exit(1);
}

static void run_reader(int way, int ready, int result)
{
	unsigned lost;

	signal(SIGALRM, too_late);
	alarm(120);
	stay_on((int)sysconf(_SC_NPROCESSORS_ONLN) - 1);
	lost = way == PCAP ? read_pcap(ready, BUFFER) : read_pfring(ready, BUFFER, NULL);
	if (write(result, &lost, sizeof(lost)) != sizeof(lost))
		DIE("write");
	_exit(0);
}

/* The rate that was reached, and the packets that all readers together lost at it. */
static double trial(int way, unsigned readers, double pps, unsigned *lost)
{
	int ready[2], result[2];
	unsigned each;
	char byte;

	*lost = 0;
	if (pipe(ready) || pipe(result))
		DIE("pipe");
	for (unsigned i = 0; i < readers; i++)
		if (!fork())
			run_reader(way, ready[1], result[1]);
	close(ready[1]);
	close(result[1]);
	for (unsigned i = 0; i < readers; i++)
		if (read(ready[0], &byte, 1) != 1)
			DIE("%s: a reader did not start", names[way]);
	pps = send_all(pps);
	for (unsigned i = 0; i < readers; i++) {
		if (read(result[0], &each, sizeof(each)) != sizeof(each))
			DIE("%s: a reader's books do not balance", names[way]);
		*lost += each;
	}
	while (wait(NULL) > 0)
		;
	close(ready[0]);
	close(result[0]);
	return pps;
}

static double highest(int way)
{
	double low = 0, high, reached;
	unsigned lost;

	high = trial(way, 1, 0, &lost);
	if (!lost)
		return high;
	for (unsigned i = 0; i < STEPS; i++) {
		double middle = (low + high) / 2;

		reached = trial(way, 1, middle, &lost);
		if (lost)
			high = middle;
		else
			low = reached;
	}
	return low;
}

int main(int argc, char **argv)
{
	double none[TURNS], libpcap[TURNS], pfring[TURNS], rings[TURNS];
	unsigned lost, worst = 0;

	if (argc != 5)
		return 2;
	from = argv[1];
	to = argv[2];
	size = (unsigned)atoi(argv[3]);
	count = (unsigned)atoi(argv[4]);
	for (unsigned i = 0; i < TURNS; i++) {
		none[i] = trial(NONE, 0, 0, &lost);
		libpcap[i] = highest(PCAP);
		pfring[i] = highest(PFRING);
		rings[i] = trial(PFRING, RINGS, libpcap[i], &lost);
		worst = lost > worst ? lost : worst;
	}
	printf("%.0f %.0f %.0f %u %.0f\n", median(none), median(libpcap), median(pfring), worst,
	       median(rings));
	return 0;
}
