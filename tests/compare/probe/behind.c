/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * behind.c - what a process does behind the library's back: it closes every
 * descriptor that it does not know of, has to have one thread only, changes its
 * root, cancels the reading thread, jumps out of a callback. Each in a child of
 * its own.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "probe.h"

static void in_child(void (*fn)(const void *), const void *arg)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		/* Who waits for ever, or asks again and again, has to be ended. */
		alarm(120);
		fn(arg);
		exit(0);
	}
	waitpid(pid, &status, 0);
	see("ended: %d", status);
}

/* A packet that is there comes; then reading is an error, and no wait for what cannot come. */
static void closed(const void *arg)
{
	const struct how *how = arg;
	pcap_t *p = opened(how);
	struct pollfd ready = {.fd = pcap_get_selectable_fd(p), .events = POLLIN};
	struct sum sum = {.p = p};

	send_frame(UDP, 0, 60);
	see("ready: %d", poll(&ready, 1, 2 * PATIENCE));
	for (int fd = STDERR_FILENO + 1; fd < 256; fd++)
		close(fd);
	see("dispatch: %d", pcap_dispatch(p, -1, add, (void *)&sum));
	CODE(p, pcap_dispatch(p, -1, add, (void *)&sum));
	CODE(p, pcap_loop(p, 1, add, (void *)&sum));
	CODE(p, pcap_next_ex(p, &(struct pcap_pkthdr *){0}, &(const unsigned char *){0}));
	see_sum("came", &sum);
	see("books: %d", pcap_stats(p, &(struct pcap_stat){0}));
	CODE(p, pcap_inject(p, "0123456789abcdef", 16));
	pcap_close(p);
}

/* A process of several threads gets EINVAL, and libpcap has none of its own. */
static void alone(const void *arg)
{
	pcap_t *p = opened(NULL);

	if (arg)
		pcap_close(p);
	if (unshare(CLONE_NEWUSER) && errno == EINVAL)
		see("there is another thread");
}

static void jailed(const void *arg)
{
	pcap_t *p;
	struct sum sum;

	if (chroot(arg) || chdir("/"))
		see("chroot: %s", strerror(errno));
	for (int i = 0; i < 2; i++) {
		p = opened(&(struct how){.immediate = i, .promisc = 1});
		filter(p, "vlan or arp");
		send_each_kind(3);
		sum = drain(p);
		see_sum("behind a new root", &sum);
		see("books: %d", pcap_stats(p, &(struct pcap_stat){0}));
		pcap_close(p);
	}
}

static int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void *read_on(void *p)
{
	struct sum sum = {.p = p};

	see("loop: %d", pcap_loop(p, -1, add, (void *)&sum));
	return NULL;
}

static void stay(unsigned char *there, const struct pcap_pkthdr *h, const unsigned char *data)
{
	(void)h;
	(void)data;
	*(volatile int *)(void *)there = 1;
	for (;;)
		usleep(1000);
}

static volatile int there;

static void *read_and_stay(void *p)
{
	see("loop: %d", pcap_loop(p, -1, stay, (void *)(uintptr_t)&there));
	return NULL;
}

/* In a wait, or in a callback. Closing frees everything then, too. */
static void cancelled(const void *arg)
{
	const struct how *how = arg;
	int before = descriptors();

	for (int in_callback = 0; in_callback < 2; in_callback++) {
		pcap_t *p = opened(how);
		struct sum sum;
		void *result;
		pthread_t t;

		there = 0;
		pthread_create(&t, NULL, in_callback ? read_and_stay : read_on, p);
		if (in_callback)
			send_frames(UDP, 2, 60);
		for (int i = 0; in_callback && !there && i < 2 * PATIENCE; i++)
			usleep(1000);
		usleep(20000);
		pthread_cancel(t);
		pthread_join(t, &result);
		see("cancelled: %d", result == PTHREAD_CANCELED);
		/* What was being delivered in a callback is gone with it. */
		if (!in_callback) {
			send_frames(TCP, 3, 60);
			sum = gather(p, 3);
			see_sum("another thread goes on", &sum);
		}
		pcap_close(p);
	}
	see("descriptors left: %d", descriptors() - before);
}

static jmp_buf out;

static void jump(unsigned char *sum, const struct pcap_pkthdr *h, const unsigned char *data)
{
	add(sum, h, data);
	if (((struct sum *)(void *)sum)->count == 3)
		longjmp(out, 1);
}

static void loop_until_jump(struct sum *sum)
{
	if (!setjmp(out))
		see("loop: %d", pcap_loop(sum->p, -1, jump, (void *)sum));
}

static void jumped(const void *arg)
{
	int before = descriptors();
	pcap_t *p = opened(arg);
	struct sum sum = {.p = p};

	send_frames(UDP, 3, 60);
	settle(p, 3);
	loop_until_jump(&sum);
	see_sum("jumped", &sum);
	pcap_close(p);
	see("descriptors left: %d", descriptors() - before);
}

void probe_behind(void)
{
	static const struct how modes[] = {{0}, {.nonblock = 1}, {.immediate = 1}};
	static const char *const names[] = {"descriptors closed",
					    "descriptors closed, non-blocking",
					    "descriptors closed, immediate"};
	char empty[512];

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		title(names[i]);
		in_child(closed, &modes[i]);
	}
	title("cancelled");
	in_child(cancelled, &modes[0]);
	in_child(cancelled, &modes[2]);
	title("jumped");
	in_child(jumped, &modes[0]);
	in_child(jumped, &modes[2]);
	title("alone");
	for (int i = 0; i < 12; i++)
		in_child(alone, i % 2 ? folder : NULL);
	title("root");
	snprintf(empty, sizeof(empty), "%s/empty", folder);
	mkdir(empty, 0700);
	in_child(jailed, empty);
}
