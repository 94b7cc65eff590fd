/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * beside.c - something done on a thread of its own while the caller does another.
 *
 * Our ring and the real handle both make the kernel wait for RCU grace periods
 * (8 to 16 ms each), when they start and when they are closed: these waits go
 * on at the same time, so that a program has to wait no longer than over the
 * real library alone. The thread ends before the call of libpcap's that
 * started it does, and no signal is delivered to it. A program in a sandbox
 * gets none: its seccomp filter may kill who starts a thread.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

#include "overlay.h"

#define STACK (256u << 10) /* what it runs are calls of pfring.h */

static void *run(void *arg)
{
	struct pfro_beside *b = arg;

	b->tid = (pid_t)syscall(SYS_gettid);
	b->run(b->arg);
	return NULL;
}

/*
 * The kernel lets the joining thread go before it has the other one off its list. A
 * program that is to have one thread (unshare(CLONE_NEWUSER) asks for that) must have
 * one. Not a busy loop, for the caller may have a real-time priority.
 */
static void until_off_the_list(pid_t tid)
{
	const struct timespec moment = {.tv_nsec = 20000};
	int saved = errno;

	for (int i = 0; i < 5000 && !syscall(SYS_tgkill, getpid(), tid, 0); i++)
		if (i < 50)
			sched_yield();
		else
			nanosleep(&moment, NULL);
	errno = saved;
}

void pfro_beside_begin(struct pfro_beside *b)
{
	sigset_t all, before;
	pthread_attr_t attr;

	b->started = false;
	if (pfro_sandboxed())
		return;
	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	b->started = pthread_create(&b->thread, &attr, run, b) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
}

void pfro_beside_end(struct pfro_beside *b)
{
	/* Where no thread can be had or none may be started, one comes after the other. */
	if (!b->started) {
		b->run(b->arg);
		return;
	}
	pthread_join(b->thread, NULL);
	until_off_the_list(b->tid);
}
