/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rate.c - how many packets a second are captured without losing one.
 *
 *      rate FROM TO SIZE COUNT     one line: SIZE none libpcap pfring lost rings-rate
 *
 * One processor sends (and runs the softirq that captures), the other reads.
 * For libpcap (the system's, TPACKET_V3) and for one ring of pfring: the speed
 * of a sender that does not wait if nothing is lost then, else the highest that
 * bisection finds. Then four rings listen to libpcap's rate: packets that any of
 * them lost, and the rate that the sender reached. Each figure is the median of
 * some turns through all. Books that do not balance are a failure.
 */
#define _GNU_SOURCE
#include <linux/if_packet.h>
#include <pcap/pcap.h>
#include <sched.h>
#include <sys/wait.h>
#include <time.h>

#include <net/if.h>

#include "pfring.h"

enum { NONE, PCAP, PFRING };

#define TURNS 5
#define STEPS 6
#define RINGS 4
#define BUFFER (2 << 20) /* of each reader: one that falls behind shows soon */

static const char *from, *to;
static unsigned size, count;

#define DIE(...) (fprintf(stderr, __VA_ARGS__), fprintf(stderr, "\n"), exit(1))

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

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
	struct sockaddr_ll sll = {.sll_family = AF_PACKET,
				  .sll_ifindex = (int)if_nametoindex(from)};
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	unsigned char frame[2048] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,
				     0,	   0,	 0,    0,    1,	   0x88, 0xb5};
	double start;

	stay_on(0);
	start = now();
	for (unsigned i = 0; i < count; i++) {
		while (pps > 0 && now() < start + i / pps)
			;
		if (sendto(fd, frame, size, 0, (struct sockaddr *)&sll, sizeof(sll)) !=
		    (ssize_t)size)
			DIE("send: %s", strerror(errno));
	}
	pps = count / (now() - start);
	close(fd);
	return pps;
}

static void tell_ready(int fd)
{
	if (write(fd, "", 1) != 1)
		DIE("write");
}

static void ignore(u_char *n, const struct pcap_pkthdr *h, const u_char *p)
{
	(void)h;
	(void)p;
	++*(unsigned *)(void *)n;
}

/* Both return the packets that were lost, once every packet is accounted for. */
static unsigned read_pcap(int ready)
{
	char err[PCAP_ERRBUF_SIZE];
	pcap_t *p = pcap_create(to, err);
	struct pcap_stat stats = {0};
	unsigned n = 0;

	if (!p)
		DIE("pcap_create: %s", err);
	pcap_set_snaplen(p, 2048);
	pcap_set_timeout(p, 10);
	pcap_set_buffer_size(p, BUFFER);
	if (pcap_activate(p) < 0)
		DIE("pcap_activate: %s", pcap_geterr(p));
	tell_ready(ready);
	while (n + stats.ps_drop < count) {
		int rc = pcap_dispatch(p, -1, ignore, (u_char *)&n);

		if (rc < 0 || (!rc && pcap_stats(p, &stats)))
			DIE("libpcap: %s", pcap_geterr(p));
	}
	return stats.ps_drop;
}

static unsigned read_pfring(int ready)
{
	struct pfring_open_options opts = {
		.sz = sizeof(opts), .caplen = 2048, .buffer_bytes = BUFFER, .timeout_ms = 10};
	struct pfring_packet packets[256];
	pfring_stat stats = {0};
	char name[64];
	unsigned n = 0;
	pfring *r;

	snprintf(name, sizeof(name), "pfring:%s", to);
	r = pfring_open_opts(name, &opts);
	if (!r || pfring_enable_ring(r))
		DIE("pfring: %s", pfring_last_error());
	tell_ready(ready);
	while (n + stats.drop < count) {
		int rc = pfring_recv_batch(r, packets, 256, 100);

		if (rc < 0 || (!rc && pfring_stats(r, &stats)))
			DIE("pfring: %s", pfring_last_error());
		n += (unsigned)rc;
	}
	return (unsigned)stats.drop;
}

static void run_reader(int way, int ready, int result)
{
	unsigned lost;

	alarm(120);
	stay_on(1);
	lost = way == PCAP ? read_pcap(ready) : read_pfring(ready);
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
			DIE("a reader did not start");
	pps = send_all(pps);
	for (unsigned i = 0; i < readers; i++) {
		if (read(result[0], &each, sizeof(each)) != sizeof(each))
			DIE("a reader's books do not balance");
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

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values)
{
	qsort(values, TURNS, sizeof(*values), compare);
	return values[TURNS / 2];
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
	printf("%u %.0f %.0f %.0f %u %.0f\n", size, median(none), median(libpcap), median(pfring),
	       worst, median(rings));
	return 0;
}
