/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * closing.c - the contract's cases on closing at any instant: from a signal
 * handler between any two instructions, and from another thread, while the
 * program reads or sends as fast as it can.
 */
#include <dirent.h>
#include <signal.h>

#include "contract.h"

#define ROUNDS 40
#define FRAMES 600

static pfring *ring_;
static u_char frame_[FRAME_MAX];

static u_int descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	u_int n = 0;

	CHECK(d, "cannot read /proc/self/fd");
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* All return what ended them, and none touches bytes that a close takes away. */

static int by_copying(void)
{
	u_char store[FRAME_MAX], *buffer = store;
	struct pfring_pkthdr h;
	int rc;

	do {
		rc = pfring_recv(ring_, &buffer, sizeof(store), &h, 0);
	} while (rc >= 0 || rc == -ENODATA);
	return rc;
}

static int by_waiting(void)
{
	u_char store[FRAME_MAX], *buffer = store;
	struct pfring_pkthdr h;
	int rc;

	do {
		rc = pfring_recv(ring_, &buffer, sizeof(store), &h, 1);
	} while (rc >= 0 || rc == -ENODATA);
	return rc;
}

static int by_batches(void)
{
	struct pfring_packet pkt[8];
	int rc;

	do {
		rc = pfring_recv_batch(ring_, pkt, 8, 1);
	} while (rc >= 0 || rc == -ENODATA || rc == -EINTR);
	return rc;
}

static void look_at_it(const struct pfring_pkthdr *h, const u_char *p, const u_char *user)
{
	(void)user;
	/* In a callback the bytes are safe. */
	CHECK(frame_number(p, h->caplen) >= 0, "bytes of no frame");
}

static int by_looping(void)
{
	int rc;

	do {
		rc = pfring_loop(ring_, look_at_it, NULL, 1);
	} while (rc >= 0);
	return rc;
}

static int by_sending(void)
{
	u_int len = frame_make(frame_, 2);
	int rc;

	do {
		rc = pfring_send(ring_, frame_, len, rand() % 2);
	} while (rc >= 0 || rc == -ENOBUFS);
	return rc;
}

static int by_asking(void)
{
	pfring_stat st;
	int rc;

	do {
		pfring_is_pkt_available(ring_);
		rc = pfring_stats(ring_, &st);
	} while (rc >= 0);
	return rc;
}

static int (*const ways[])(void) = {by_copying, by_waiting, by_batches,
				    by_looping, by_sending, by_asking};

static void rounds(void (*close_soon)(void), void (*closed)(void))
{
	u_int before = 0;

	prepare(FRAMES);
	srand(42);
	for (u_int i = 0; i < ROUNDS; i++) {
		u_int way = i % (sizeof(ways) / sizeof(ways[0]));
		int rc;

		if (way == 4 && !is_live())
			continue;
		ring_ = opened(0, 0);
		feed(0, FRAMES);
		close_soon();
		rc = ways[way]();
		closed();
		CHECK(rc == -EBADF, "round %u ended with %d", i, rc);
		/* What a program does that knows nothing of its handler. */
		pfring_close(ring_);
		CHECK(pfring_poll(ring_, 0) == -EBADF, "a closed ring polls");
		if (i == 5)
			before = descriptors();
	}
	CHECK(descriptors() == before, "%u descriptors, not %u", descriptors(), before);
}

static timer_t timer_;

static void close_in_handler(int number)
{
	(void)number;
	pfring_close(ring_);
}

static void set_timer(void)
{
	struct itimerspec at = {.it_value = {.tv_nsec = 1 + rand() % 3000000}};

	CHECK(timer_settime(timer_, 0, &at, NULL) == 0, "the timer does not start");
}

static void nothing(void)
{
}

void a_handler_may_close_at_any_instant(void)
{
	struct sigaction act = {.sa_handler = close_in_handler, .sa_flags = SA_RESTART};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};

	CHECK(sigaction(SIGUSR1, &act, NULL) == 0, "no handler");
	CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer_) == 0, "no timer");
	rounds(set_timer, nothing);
	timer_delete(timer_);
}

static pthread_t closer;

static void *close_it(void *arg)
{
	pfring_close(arg);
	return NULL;
}

static void start_closer(void)
{
	closer = later(rand() % 3, close_it, ring_);
}

static void join_closer(void)
{
	pthread_join(closer, NULL);
}

void another_thread_may_close_at_any_instant(void)
{
	rounds(start_closer, join_closer);
}
