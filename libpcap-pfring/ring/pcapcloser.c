/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcapcloser.c - see pcapcloser.h. The list of what is to be closed has many
 * writers and one reader, who takes it whole; writers use nothing but atomic
 * operations and futexes, so they may be signal handlers. A request is a
 * mapping, not from malloc(), for the same reason; whoever of the two sides
 * comes last to its state frees it. The thread lives while there are handles.
 */
#include <linux/futex.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "pcapcloser.h"

/* A handler that interrupted malloc() must go on before the thread can close: it waits no longer.
 */
#define WAIT_MS 1000

enum { ASKED = 0, CLOSED, LEFT };

struct pfri_pcapclosing {
	const struct pfri_pcaplib *lib;
	pcap_t *p;
	pid_t owner; /* has the thread; a child after fork() has none */
	struct pfri_pcapclosing *next;
	_Atomic u_int32_t state; /* a futex */
};

static _Atomic(struct pfri_pcapclosing *) asked;
static _Atomic u_int32_t work; /* a futex: goes up with each request */

/* Under lock: */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static u_int handles; /* that the thread is to close one day */
static pid_t running; /* the process whose thread runs, or 0 */

static void futex_wait(_Atomic u_int32_t *word, u_int32_t value, int ms)
{
	struct timespec limit = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, ms < 0 ? NULL : &limit, NULL, 0);
}

static void futex_wake(_Atomic u_int32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

/* Whether that was the last handle: the thread ends. */
static bool one_less(void)
{
	bool last;

	pthread_mutex_lock(&lock);
	last = --handles == 0;
	if (last)
		running = 0;
	pthread_mutex_unlock(&lock);
	return last;
}

static void *run(void *arg)
{
	bool last = false;

	(void)arg;
	while (!last) {
		u_int32_t seen = atomic_load(&work);
		struct pfri_pcapclosing *c = atomic_exchange(&asked, NULL), *next;

		if (!c)
			futex_wait(&work, seen, -1);
		for (; c; c = next) {
			next = c->next;
			c->lib->close(c->p);
			last = one_less();
			if (atomic_exchange(&c->state, CLOSED) == LEFT)
				munmap(c, sizeof(*c));
			else
				futex_wake(&c->state);
		}
	}
	return NULL;
}

/* The program's signals are not for our thread. */
static int start(void)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t t;
	int err;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&t, &attr, run, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return err;
}

/* Counts one more handle. */
static int one_more(void)
{
	int err = 0;

	pthread_mutex_lock(&lock);
	if (running != getpid()) {
		err = start();
		if (!err) {
			running = getpid();
			handles = 0;
		}
	}
	if (!err)
		handles++;
	pthread_mutex_unlock(&lock);
	return err;
}

struct pfri_pcapclosing *pfri_pcapcloser_new(const struct pfri_pcaplib *lib, pcap_t *p)
{
	struct pfri_pcapclosing *c =
		mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int err;

	if (c == MAP_FAILED) {
		pfri_fail(-ENOMEM, "no memory to close a libpcap handle with");
		return NULL;
	}
	err = one_more();
	if (err) {
		munmap(c, sizeof(*c));
		pfri_fail(-err, "cannot start the thread that closes libpcap's handles: %s",
			  strerror(err));
		return NULL;
	}
	c->lib = lib;
	c->p = p;
	c->owner = getpid();
	return c;
}

void pfri_pcapcloser_close(struct pfri_pcapclosing *c)
{
	u_int64_t end = pfri_now_ms() + WAIT_MS;

	if (c->owner != getpid()) {
		c->lib->close(c->p);
		munmap(c, sizeof(*c));
		return;
	}
	c->next = atomic_load(&asked);
	while (!atomic_compare_exchange_weak(&asked, &c->next, c))
		;
	atomic_fetch_add(&work, 1);
	futex_wake(&work);
	while (atomic_load(&c->state) == ASKED && pfri_now_ms() < end)
		futex_wait(&c->state, ASKED, WAIT_MS);
	if (atomic_exchange(&c->state, LEFT) == CLOSED)
		munmap(c, sizeof(*c));
}
