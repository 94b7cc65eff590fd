/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * behind.c - what a process does behind the library's back: it closes every
 * descriptor that it does not know of, has to have one thread only, changes its
 * root. Each in a child of its own.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
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
		alarm(30);
		fn(arg);
		exit(0);
	}
	waitpid(pid, &status, 0);
	see("ended: %d", status);
}

/* Packets that are there come; then reading is an error, and no wait for what cannot come. */
static void closed(const void *arg)
{
	const struct how *how = arg;
	pcap_t *p = opened(how);
	struct sum sum = {.p = p};

	send_frames(UDP, 5, 60);
	settle(p, 5);
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
	title("alone");
	for (int i = 0; i < 12; i++)
		in_child(alone, i % 2 ? folder : NULL);
	title("root");
	snprintf(empty, sizeof(empty), "%s/empty", folder);
	mkdir(empty, 0700);
	in_child(jailed, empty);
}
