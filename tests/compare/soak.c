/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * soak.c - a handle under everything at once, for a while.
 *
 *      soak TX_NAMESPACE SECONDS      inside the namespace of the capturing end
 *
 * One thread reads, in changing ways and with changing filters; one sends
 * numbered frames; two break the loop again and again; one takes the interface
 * down and up. Each round ends with a fence: a frame that comes behind all
 * others, so that who has it has all that was not lost, and the books must
 * balance. Handles come and go beside all this, and at the end memory and
 * descriptors must be what they were. A plain client of <pcap.h>, built with
 * ThreadSanitizer as well (test_overlay_soak.py). Prints a line, or what is
 * wrong.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <pcap.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define ROUND_MS 500
#define PACE 64 /* frames between two naps of the sender */
#define MAGIC 0x50465249
#define LIMIT_MS 60000 /* for what takes milliseconds */

static const char *const filters[] = {"", "udp", "ether[22] & 1 = 0", "len > 300", "not len > 300"};

#define FILTERS (sizeof(filters) / sizeof(filters[0]))

static struct bpf_program programs[FILTERS];
static pcap_t *handle;
static int gen0;
static atomic_bool running, flapping, over;
static atomic_uint sent, breaks;
/* Who sends a burst, or has the interface down, holds its lock: a round that ends takes both. */
static pthread_mutex_t sending = PTHREAD_MUTEX_INITIALIZER, link_down = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool fence_wanted;
static atomic_uint fence;
/* The reader's own. */
static unsigned delivered, disorder, damaged, last, in_callback;
static bool one_filter;

static void fail(const char *what, const char *why)
{
	printf("failed: %s: %s\n", what, why);
	exit(1);
}

static void nap_us(long us)
{
	nanosleep(&(struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000}, NULL);
}

static void on_packet(unsigned char *user, const struct pcap_pkthdr *h, const unsigned char *p)
{
	unsigned number, magic;

	(void)user;
	delivered++;
	memcpy(&magic, p + 14, 4);
	memcpy(&number, p + 18, 4);
	if (h->caplen < 60 || h->caplen > h->len || magic != MAGIC)
		damaged++;
	else if (number <= last)
		disorder++;
	else
		last = number;
	/* Programs do this. */
	if (++in_callback % 997 == 0 && !one_filter)
		pcap_setfilter(handle, &programs[in_callback % FILTERS]);
}

/* A frame with the next number; one that did not go has no number. */
static bool send_one(unsigned char *frame, unsigned number)
{
	memcpy(frame + 18, &number, 4);
	frame[23] = number % 3 ? 17 : 6;
	if (send(gen0, frame, number % 5 ? 60 : 60 + number % 1400, 0) > 0) {
		sent++;
		return true;
	}
	if (errno != ENOBUFS && errno != ENETDOWN && errno != EINTR)
		fail("send", strerror(errno));
	return false;
}

/* On one processor: the pair of interfaces keeps order per processor only. */
static void *send_all(void *arg)
{
	unsigned char frame[1514] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0};
	unsigned number = 0, magic = MAGIC;
	cpu_set_t one;

	(void)arg;
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
	memcpy(frame + 14, &magic, 4);
	while (!over) {
		pthread_mutex_lock(&sending);
		for (unsigned i = 0; i < PACE && running; i++)
			number += send_one(frame, number + 1);
		if (fence_wanted && !running && send_one(frame, number + 1)) {
			fence = ++number;
			fence_wanted = false;
		}
		pthread_mutex_unlock(&sending);
		nap_us(500);
	}
	return NULL;
}

static void *break_all(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;

	while (!over) {
		if (running) {
			pcap_breakloop(handle);
			breaks++;
		}
		nap_us(rand_r(&seed) % 3000);
	}
	return NULL;
}

static void on_alarm(int number)
{
	(void)number;
	if (running)
		pcap_breakloop(handle);
}

static void set_up(int s, bool up)
{
	struct ifreq ifr = {.ifr_name = "cap0"};

	if (ioctl(s, SIOCGIFFLAGS, &ifr) < 0)
		fail("flags", strerror(errno));
	ifr.ifr_flags = (short)(up ? ifr.ifr_flags | IFF_UP : ifr.ifr_flags & ~IFF_UP);
	if (ioctl(s, SIOCSIFFLAGS, &ifr) < 0)
		fail("up and down", strerror(errno));
}

static void *flap(void *arg)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)arg;
	while (!over) {
		pthread_mutex_lock(&link_down);
		if (running && flapping) {
			set_up(s, false);
			nap_us(10000);
			set_up(s, true);
		}
		pthread_mutex_unlock(&link_down);
		nap_us(70000);
	}
	close(s);
	return NULL;
}

/* A handle of its own that lives for a moment, as port scanners have them. */
static void *come_and_go(void *arg)
{
	char errbuf[PCAP_ERRBUF_SIZE];

	(void)arg;
	while (!over) {
		pcap_t *p = pcap_open_live("cap0", 100, 0, 10, errbuf);

		if (p) {
			pcap_setnonblock(p, 1, errbuf);
			pcap_setfilter(p, &programs[1]);
			pcap_next(p, &(struct pcap_pkthdr){0});
			pcap_breakloop(p);
			pcap_close(p);
		}
		nap_us(20000);
	}
	return NULL;
}

static void read_somehow(unsigned turn)
{
	char errbuf[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *h;
	const unsigned char *data;
	int rc = 0;

	switch (turn % 5) {
	case 0:
		rc = pcap_loop(handle, -1, on_packet, NULL);
		break;
	case 1:
		rc = pcap_dispatch(handle, -1, on_packet, NULL);
		break;
	case 2:
		rc = pcap_dispatch(handle, 7, on_packet, NULL);
		break;
	case 3:
		rc = pcap_next_ex(handle, &h, &data);
		if (rc == 1)
			on_packet(NULL, h, data);
		break;
	case 4:
		pcap_setnonblock(handle, 1, errbuf);
		rc = pcap_dispatch(handle, -1, on_packet, NULL);
		pcap_setnonblock(handle, 0, errbuf);
		break;
	}
	if (rc == PCAP_ERROR)
		fail("read", pcap_geterr(handle));
	if (turn % 11 == 0 && pcap_setfilter(handle, &programs[turn / 11 % FILTERS]))
		fail("filter", pcap_geterr(handle));
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Reads to the end of all that was sent, with every frame wanted and the interface up. */
static void read_to_the_fence(void)
{
	uint64_t end = now_ms() + LIMIT_MS, again = 0;
	char errbuf[PCAP_ERRBUF_SIZE];

	if (pcap_setfilter(handle, &programs[0]))
		fail("filter", pcap_geterr(handle));
	fence = 0;
	pcap_setnonblock(handle, 1, errbuf);
	while (fence_wanted || !fence || last != fence) {
		/* It may be lost as any other. */
		if (now_ms() >= again) {
			fence_wanted = true;
			again = now_ms() + 1000;
		}
		if (now_ms() > end)
			fail("fence", "the last frame did not come");
		if (pcap_dispatch(handle, -1, on_packet, NULL) == PCAP_ERROR)
			fail("read", pcap_geterr(handle));
		nap_us(1000);
	}
	pcap_setnonblock(handle, 0, errbuf);
}

/*
 * A round with one filter for all of it and no flapping: each frame that was
 * sent is delivered or told as lost. Other rounds: no more than was received.
 */
static void one_round(unsigned number)
{
	unsigned before = delivered, sent_before = sent, turn = number;
	struct pcap_stat was, is;
	bool plain = number % 4 == 3;
	uint64_t end = now_ms() + ROUND_MS;

	pcap_stats(handle, &was);
	flapping = !plain;
	one_filter = plain;
	if (!plain && pcap_setfilter(handle, &programs[number % FILTERS]))
		fail("filter", pcap_geterr(handle));
	running = true;
	while (now_ms() < end) {
		if (!plain)
			read_somehow(turn++);
		else if (pcap_dispatch(handle, 400, on_packet, NULL) == PCAP_ERROR)
			fail("read", pcap_geterr(handle));
	}
	running = false;
	pthread_mutex_lock(&sending);
	pthread_mutex_lock(&link_down);
	pthread_mutex_unlock(&link_down);
	pthread_mutex_unlock(&sending);
	one_filter = true;
	read_to_the_fence();
	pcap_stats(handle, &is);
	if (plain) {
		unsigned got = delivered - before, lost = is.ps_drop - was.ps_drop,
			 out = sent - sent_before;

		if (got + lost != out || is.ps_recv - was.ps_recv != out) {
			printf("failed: round %u: %u sent, %u delivered, %u lost, %u received\n",
			       number, out, got, lost, is.ps_recv - was.ps_recv);
			exit(1);
		}
	} else if (delivered - before > is.ps_recv - was.ps_recv) {
		fail("books", "more delivered than received");
	}
}

static long resident_kib(void)
{
	long pages = 0, all;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%ld %ld", &all, &pages) != 2)
		fail("statm", strerror(errno));
	fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static unsigned descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (d && readdir(d))
		n++;
	closedir(d);
	return n;
}

static int socket_on_gen0(const char *namespace)
{
	struct sockaddr_ll sll = {.sll_family = AF_PACKET};
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), there, fd;
	char path[128];

	snprintf(path, sizeof(path), "/run/netns/%s", namespace);
	there = open(path, O_RDONLY | O_CLOEXEC);
	if (there < 0 || setns(there, CLONE_NEWNET))
		fail(path, strerror(errno));
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	sll.sll_ifindex = (int)if_nametoindex("gen0");
	if (fd < 0 || bind(fd, (struct sockaddr *)&sll, sizeof(sll)) || setns(home, CLONE_NEWNET))
		fail("gen0", strerror(errno));
	close(home);
	close(there);
	return fd;
}

int main(int argc, char **argv)
{
	char errbuf[PCAP_ERRBUF_SIZE] = "";
	struct sigaction act = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	void *(*const parts[])(void *) = {send_all, break_all, break_all, flap, come_and_go};
	enum { THREADS = sizeof(parts) / sizeof(parts[0]) };
	pthread_t t[THREADS];
	unsigned rounds = 0, fds = 0, count;
	long memory = 0, now = 0;
	sigset_t set;
	uint64_t end;
	pcap_t *dead;

	if (argc != 3)
		return 2;
	gen0 = socket_on_gen0(argv[1]);
	dead = pcap_open_dead(DLT_EN10MB, 2000);
	for (unsigned i = 0; i < FILTERS; i++)
		if (pcap_compile(dead, &programs[i], filters[i], 1, 0))
			fail(filters[i], pcap_geterr(dead));
	handle = pcap_create("cap0", errbuf);
	pcap_set_snaplen(handle, 2000);
	pcap_set_timeout(handle, 10);
	pcap_set_buffer_size(handle, 4 << 20);
	if (pcap_activate(handle))
		fail("activate", pcap_geterr(handle));
	/* Signals to the reader only. */
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, parts[i], (void *)(uintptr_t)(i + 1));
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	sigaction(SIGALRM, &act, NULL);
	ualarm(7000, 7000);
	end = now_ms() + (uint64_t)atoi(argv[2]) * 1000;
	for (; now_ms() < end || rounds < 4; rounds++) {
		one_round(rounds);
		if (rounds == 3)
			memory = resident_kib();
	}
	now = resident_kib();
	over = true;
	ualarm(0, 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	pcap_close(handle);
	count = descriptors();
	handle = pcap_open_live("cap0", 100, 0, 10, errbuf);
	pcap_close(handle);
	fds = descriptors();
	if (disorder || damaged) {
		printf("failed: %u frames out of order, %u damaged\n", disorder, damaged);
		return 1;
	}
	if (fds > count)
		fail("descriptors", "a handle left one open");
	printf("%u rounds, %u sent, %u delivered, %u breaks, memory %ld then %ld KiB\n", rounds,
	       (unsigned)sent, delivered, (unsigned)breaks, memory, now);
	return 0;
}
