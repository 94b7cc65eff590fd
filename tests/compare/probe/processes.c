/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * processes.c - several handles, threads, children, other namespaces, and less
 * privilege than at the start.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "probe.h"

static void *read_fifty(void *arg)
{
	struct sum *sum = arg;

	pcap_loop(sum->p, 50, add, (void *)sum);
	return NULL;
}

static void many_handles(void)
{
	static const char *const texts[] = {"",	    "udp", "tcp", "vlan",
					    "icmp", "arp", "ip",  "len > 900"};
	pcap_t *p[8];

	title("eight handles");
	for (int i = 0; i < 8; i++) {
		p[i] = opened(&(struct how){.immediate = i % 2, .snaplen = 50 + i * 100});
		filter(p[i], texts[i]);
	}
	send_each_kind(10);
	for (int i = 0; i < 8; i++) {
		struct sum sum = drain(p[i]);

		see_sum(texts[i], &sum);
	}
	for (int i = 0; i < 8; i += 2)
		pcap_close(p[i]);
	send_each_kind(10);
	for (int i = 1; i < 8; i += 2) {
		struct sum sum = drain(p[i]);

		see_sum(texts[i], &sum);
		pcap_close(p[i]);
	}
}

static void threads(void)
{
	struct sum sums[4];
	pthread_t t[4];

	title("four threads");
	for (int i = 0; i < 4; i++) {
		/* Large: libpcap's immediate ring has room for 31 packets by default. */
		sums[i] = (struct sum){
			.p = opened(&(struct how){.immediate = i % 2, .buffer = 16 << 20})};
		pthread_create(&t[i], NULL, read_fifty, &sums[i]);
	}
	send_frames(UDP, 50, 100);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], NULL);
		see_sum("each", &sums[i]);
		pcap_close(sums[i].p);
	}
}

static void children(void)
{
	pcap_t *p = opened(NULL);
	struct sum sum = {.p = p};
	int status = -1, ended[2];
	pid_t pid;

	title("child");
	fflush(stdout);
	pid = fork();
	if (!pid) {
		see("reads: %d", pcap_loop(p, 5, add, (void *)&sum));
		see_sum("reads", &sum);
		exit(0);
	}
	send_frames(UDP, 5, 60);
	waitpid(pid, &status, 0);
	see("ended: %d", status);
	pcap_close(p);

	p = opened(NULL);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		pcap_close(p);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	see("one that only closes: %d", status);
	send_frames(UDP, 5, 60);
	sum = gather(p, 5);
	see_sum("the parent goes on", &sum);
	pcap_close(p);

	/* As daemons do: who opened is gone. Who comes after them has the pipe's other end. */
	fflush(stdout);
	if (pipe(ended)) {
		fprintf(stderr, "probe: no pipe\n");
		exit(2);
	}
	pid = fork();
	if (!pid) {
		p = opened(NULL);
		fflush(stdout);
		if (fork())
			_exit(0);
		usleep(20000);
		send_frames(TCP, 5, 60);
		sum = gather(p, 5);
		see_sum("an orphan reads", &sum);
		exit(0);
	}
	waitpid(pid, &status, 0);
	close(ended[1]);
	while (read(ended[0], &(char){0}, 1) > 0)
		;
	close(ended[0]);
}

static void namespaces(void)
{
	int home = open("/proc/self/ns/net", O_RDONLY);
	char errbuf[PCAP_ERRBUF_SIZE] = "", path[128];
	pcap_t *p = opened(NULL), *there;
	struct sum sum;
	int fd;

	title("namespace");
	snprintf(path, sizeof(path), "/run/netns/%s", tx_namespace);
	fd = open(path, O_RDONLY);
	if (setns(fd, CLONE_NEWNET))
		see("setns: %s", strerror(errno));
	send_frames(UDP, 5, 60);
	sum = gather(p, 5);
	see_sum("a handle stays where it was opened", &sum);
	there = pcap_open_live(CAPTURE, 100, 0, TO_MS, errbuf);
	see("the other has no " CAPTURE ": %d \"%s\"", there != NULL, errbuf);
	there = pcap_open_live("gen0", 100, 0, TO_MS, errbuf);
	see("but gen0: %d", there != NULL);
	filter(p, "tcp");
	if (setns(home, CLONE_NEWNET))
		see("setns: %s", strerror(errno));
	close(fd);
	close(home);
	send_each_kind(3);
	sum = drain(p);
	see_sum("a filter set from elsewhere", &sum);
	if (there) {
		sum = drain(there);
		see_sum("what gen0 sends", &sum);
		pcap_close(there);
	}
	pcap_close(p);
}

/* tcpdump gives up root before it sets its filter. */
static void privileges(void)
{
	char errbuf[PCAP_ERRBUF_SIZE] = "";
	int status;
	pid_t pid;

	title("without privileges");
	fflush(stdout);
	pid = fork();
	if (!pid) {
		pcap_t *p = opened(NULL);
		struct sum sum;

		if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
			see("cannot become nobody");
		filter(p, "tcp or vlan");
		send_each_kind(4);
		sum = drain(p);
		see_sum("filter set as nobody", &sum);
		filter(p, "udp");
		send_each_kind(4);
		sum = drain(p);
		see_sum("another", &sum);
		see("direction: %d", pcap_setdirection(p, PCAP_D_OUT));
		send_each_kind(1);
		sum = drain(p);
		see_sum("out", &sum);
		see("books: %d", pcap_stats(p, &(struct pcap_stat){0}));
		pcap_close(p);
		p = pcap_open_live(CAPTURE, 100, 1, TO_MS, errbuf);
		see("open: %d \"%s\"", p != NULL, errbuf);
		p = pcap_create(CAPTURE, errbuf);
		CODE(p, pcap_activate(p));
		exit(0);
	}
	waitpid(pid, &status, 0);
	see("ended: %d", status);
}

/* As sniffers in a sandbox do: from here on who opens or starts anything is killed. */
static void enter_sandbox(void)
{
	static struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 5, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bpf, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		see("no sandbox: %s", strerror(errno));
}

static void sandboxed(void)
{
	int status;
	pid_t pid;

	title("in a sandbox");
	fflush(stdout);
	pid = fork();
	if (!pid) {
		pcap_t *p = opened(NULL);
		struct sum sum = {.p = p};

		filter(p, "udp");
		send_frames(UDP, 20, 60);
		enter_sandbox();
		see("reads: %d", pcap_loop(p, 20, add, (void *)&sum));
		see_sum("reads", &sum);
		pcap_close(p);
		see("closed");
		exit(0);
	}
	waitpid(pid, &status, 0);
	see("ended: %d", status);
}

void probe_processes(void)
{
	many_handles();
	threads();
	children();
	namespaces();
	privileges();
	sandboxed();
}
