/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * breakloop.c - pcap_breakloop() before a read, in it, from a thread, from a
 * signal handler; what it leaves behind.
 */
#include "probe.h"

static pcap_t *handle;

static void *break_it(void *arg)
{
	pcap_breakloop(arg);
	return NULL;
}

static void on_alarm(int number)
{
	(void)number;
	pcap_breakloop(handle);
}

static void on_usr1(int number)
{
	(void)number;
}

static void *signal_main(void *arg)
{
	pthread_kill(*(pthread_t *)arg, SIGUSR1);
	return NULL;
}

static void before(void)
{
	pcap_t *p = opened(NULL);
	struct sum sum = {.p = p};
	struct pcap_pkthdr *h;
	const unsigned char *data;

	title("breakloop before");
	pcap_breakloop(p);
	see("dispatch: %d", pcap_dispatch(p, -1, add, (void *)&sum));
	pcap_breakloop(p);
	see("loop: %d", pcap_loop(p, -1, add, (void *)&sum));
	pcap_breakloop(p);
	see("next_ex: %d", pcap_next_ex(p, &h, &data));
	pcap_breakloop(p);
	pcap_breakloop(p);
	see("two are one: %d", pcap_dispatch(p, -1, add, (void *)&sum));
	send_frames(UDP, 10, 60);
	settle(p, 10);
	see("and none is left: %d", pcap_dispatch(p, 5, add, (void *)&sum));
	pcap_breakloop(p);
	see("with packets queued: %d", pcap_dispatch(p, -1, add, (void *)&sum));
	see_sum("delivered", &sum);
	pcap_breakloop(p);
	see("next_ex with packets queued: %d", pcap_next_ex(p, &h, &data));
	see("the rest: %d", pcap_dispatch(p, -1, add, (void *)&sum));
	see_sum("delivered", &sum);
	pcap_close(p);
}

static void nonblocking(void)
{
	struct how how = {.nonblock = 1};
	pcap_t *p = opened(&how);
	struct sum sum = {.p = p};

	title("breakloop, non-blocking");
	pcap_breakloop(p);
	see("empty: %d", pcap_dispatch(p, -1, add, (void *)&sum));
	see("again: %d", pcap_dispatch(p, -1, add, (void *)&sum));
	send_frames(UDP, 10, 60);
	settle(p, 10);
	see("with packets: %d", pcap_dispatch(p, -1, add, (void *)&sum));
	see("after: %d", pcap_dispatch(p, -1, add, (void *)&sum));
	see_sum("delivered", &sum);
	pcap_close(p);
}

static void inside(int immediate)
{
	struct how how = {.immediate = immediate};
	pcap_t *p = opened(&how);
	struct sum sum = {.p = p, .stop_at = 4};

	title(immediate ? "breakloop inside, immediate" : "breakloop inside");
	send_frames(UDP, 10, 60);
	settle(p, 10);
	see("dispatch -1: %d", pcap_dispatch(p, -1, add, (void *)&sum));
	see_sum("delivered", &sum);
	sum.stop_at = 6;
	see("dispatch 2, at its second: %d", pcap_dispatch(p, 2, add, (void *)&sum));
	see_sum("delivered", &sum);
	sum.stop_at = 8;
	see("loop 100: %d", pcap_loop(p, 100, add, (void *)&sum));
	see_sum("delivered", &sum);
	sum.stop_at = 10;
	see("loop, at the very last: %d", pcap_loop(p, -1, add, (void *)&sum));
	see_sum("delivered", &sum);
	send_frames(UDP, 3, 60);
	settle(p, 13);
	see("goes on: %d", pcap_dispatch(p, 3, add, (void *)&sum));
	pcap_close(p);
}

static void from_elsewhere(int immediate)
{
	struct how how = {.immediate = immediate};
	pcap_t *p = opened(&how);
	struct sigaction act = {.sa_handler = on_alarm};
	struct sum sum = {.p = p};
	struct pcap_pkthdr *h;
	const unsigned char *data;
	pthread_t t, self = pthread_self();

	handle = p;
	title(immediate ? "breakloop from elsewhere, immediate" : "breakloop from elsewhere");
	t = later(30, break_it, p);
	see("a thread ends a loop: %d", pcap_loop(p, -1, add, (void *)&sum));
	pthread_join(t, NULL);
	t = later(30, break_it, p);
	see("a thread ends a dispatch: %d", pcap_dispatch(p, -1, add, (void *)&sum));
	pthread_join(t, NULL);
	t = later(30, break_it, p);
	see("a thread ends a next_ex: %d", pcap_next_ex(p, &h, &data));
	pthread_join(t, NULL);
	sigaction(SIGALRM, &act, NULL);
	ualarm(30000, 0);
	see("a handler ends a loop: %d", pcap_loop(p, -1, add, (void *)&sum));
	act.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &act, NULL);
	ualarm(30000, 0);
	see("also one that restarts: %d", pcap_loop(p, -1, add, (void *)&sum));
	/* A signal that breaks nothing is no end: only the break that follows is. */
	act = (struct sigaction){.sa_handler = on_usr1};
	sigaction(SIGUSR1, &act, NULL);
	t = later(20, signal_main, &self);
	pthread_join(t, NULL);
	t = later(20, signal_main, &self);
	{
		pthread_t then = later(80, break_it, p);

		see("a signal alone does not: %d", pcap_loop(p, -1, add, (void *)&sum));
		pthread_join(then, NULL);
	}
	pthread_join(t, NULL);
	send_frames(UDP, 3, 60);
	see("goes on: %d", pcap_loop(p, 3, add, (void *)&sum));
	see_sum("delivered", &sum);
	signal(SIGALRM, SIG_DFL);
	pcap_close(p);
}

void probe_breakloop(void)
{
	before();
	nonblocking();
	for (int immediate = 0; immediate < 2; immediate++) {
		inside(immediate);
		from_elsewhere(immediate);
	}
}
