/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * waiting.c - the contract's cases on waiting, and on what ends a wait:
 * packets, time, breakloop, shutdown, closing; from threads and handlers.
 */
#include <signal.h>
#include <sys/wait.h>

#include "contract.h"

static pfring *ring_;

static void *feed_one(void *arg)
{
	feed(*(u_int *)arg, 1);
	return NULL;
}

static void *break_it(void *arg)
{
	pfring_breakloop(arg);
	return NULL;
}

static void *shut_it(void *arg)
{
	pfring_shutdown(arg);
	return NULL;
}

static void *close_it(void *arg)
{
	pfring_close(arg);
	return NULL;
}

static void *signal_it(void *arg)
{
	pthread_kill(*(pthread_t *)arg, SIGUSR1);
	return NULL;
}

static void on_signal(int number, void (*handler)(int))
{
	struct sigaction act = {.sa_handler = handler, .sa_flags = SA_RESTART};

	CHECK(sigaction(number, &act, NULL) == 0, "no handler");
}

static void nobody(const struct pfring_pkthdr *h, const u_char *p, const u_char *user)
{
	(void)user;
	CHECK(false, "frame %d came though none was sent", frame_number(p, h->caplen));
}

void nothing_there_is_no_packet(void)
{
	struct pfring_packet pkt;
	struct pfring_pkthdr h;
	struct timespec ts;
	u_char *data;

	ring_ = opened(0, 0);
	CHECK(pfring_recv(ring_, &data, 0, &h, 0) == 0, "a packet came from nowhere");
	CHECK(pfring_recv_batch(ring_, &pkt, 1, 0) == 0, "a packet came from nowhere");
	CHECK(pfring_recv_batch(ring_, &pkt, 1, 50) == 0, "a packet came from nowhere");
	CHECK(pfring_is_pkt_available(ring_) == 0, "a packet came from nowhere");
	CHECK(pfring_next_pkt_time(ring_, &ts) == -EAGAIN, "a time of no packet");
	CHECK(pfring_poll(ring_, 50) == 0, "poll sees packets that are not there");
	pfring_close(ring_);
}

void the_end_of_a_file_is_told_again_and_again(void)
{
	struct pfring_packet pkt;
	struct pfring_pkthdr h;
	u_char *data;

	prepare(10);
	ring_ = opened(0, 0);
	expect(ring_, 0, 10, NULL);
	for (int i = 0; i < 3; i++) {
		CHECK(pfring_recv(ring_, &data, 0, &h, 1) == -ENODATA, "no end");
		CHECK(pfring_recv_batch(ring_, &pkt, 1, -1) == -ENODATA, "no end");
		CHECK(pfring_loop(ring_, nobody, NULL, 1) == 0, "the loop does not end");
	}
	pfring_close(ring_);
}

void a_waiting_read_ends_with_the_packet(void)
{
	struct pfring_pkthdr h;
	u_int number = 3;
	u_char *data;
	pthread_t t;

	ring_ = opened(0, 0);
	t = later(100, feed_one, &number);
	CHECK(pfring_recv(ring_, &data, 0, &h, 1) == 1, "the wait ended without a packet");
	is_frame(data, h.caplen, h.len, number, 0);
	pthread_join(t, NULL);
	pfring_close(ring_);
}

void one_packet_is_not_held_back(void)
{
	/* No time is measured: a packet held back until more come would never come here. */
	ring_ = opened(0, 0);
	for (u_int i = 0; i < 20; i++) {
		feed(i, 1);
		expect(ring_, i, 1, NULL);
	}
	pfring_close(ring_);
}

void a_libpcap_time_out_holds_back_for_a_moment_only(void)
{
	const struct pfring_open_options opts = {.sz = sizeof(opts), .to_ms = 100000};

	/* Its end would be beyond all patience. */
	ring_ = opened_opts(&opts);
	feed(0, 40);
	expect(ring_, 0, 40, NULL);
	feed(40, 40);
	expect(ring_, 40, 40, NULL);
	pfring_close(ring_);
}

void poll_tells_whether_packets_are_there(void)
{
	u_int number = 0;
	pthread_t t;

	ring_ = opened(0, 0);
	CHECK(pfring_poll(ring_, 20) == 0, "packets before any was sent");
	t = later(50, feed_one, &number);
	CHECK(pfring_poll(ring_, PATIENCE) == 1, "poll missed the packet");
	pthread_join(t, NULL);
	expect(ring_, 0, 1, NULL);
	expect_nothing(ring_);
	CHECK(pfring_poll(ring_, 20) == 0, "packets after the last was taken");
	pfring_close(ring_);
}

/* Wherever they are refused: in the kernel, or by the library from what lies in the ring. */
void poll_tells_nothing_of_refused_packets(void)
{
	ring_ = opened(0, 0);
	CHECK(pfring_toggle_filtering_policy(ring_, 0) == 0, "no policy");
	feed(0, 5);
	CHECK(pfring_poll(ring_, 100) == 0, "a packet that the policy refuses");
	CHECK(pfring_toggle_filtering_policy(ring_, 1) == 0, "no policy");
	feed(5, 1);
	CHECK(pfring_poll(ring_, PATIENCE) == 1, "poll missed the packet");
	expect(ring_, 5, 1, NULL);
	expect_nothing(ring_);
	pfring_close(ring_);
}

void the_descriptor_becomes_readable(void)
{
	struct pollfd p = {.events = POLLIN};

	ring_ = opened(0, 0);
	p.fd = pfring_get_selectable_fd(ring_);
	CHECK(p.fd >= 0, "no descriptor: %d", p.fd);
	CHECK(poll(&p, 1, 20) == 0, "readable without a packet");
	feed(0, 1);
	CHECK(poll(&p, 1, PATIENCE) == 1 && (p.revents & POLLIN), "not readable");
	expect(ring_, 0, 1, NULL);
	pfring_close(ring_);
}

void the_descriptor_is_quiet_when_all_is_read(void)
{
	struct pfring_packet pkt[64];
	struct pollfd p = {.events = POLLIN};

	ring_ = opened(0, 0);
	p.fd = pfring_get_selectable_fd(ring_);
	CHECK(poll(&p, 1, 0) == 0, "readable before anything came");
	for (u_int i = 0; i < 5; i++) {
		feed(i * 10, 10);
		expect(ring_, i * 10, 10, NULL);
		/* The read that finds nothing gives back what the last one handed out. */
		CHECK(pfring_recv_batch(ring_, pkt, 64, 0) == 0, "one packet too many");
		CHECK(poll(&p, 1, 0) == 0, "still readable in round %u", i);
	}
	pfring_close(ring_);
}

/* As a program does that reads one packet for each time the descriptor is readable. */
void the_descriptor_is_quiet_when_the_last_packet_was_taken(void)
{
	struct pollfd p = {.events = POLLIN};
	struct pfring_pkthdr h;
	u_char store[FRAME_MAX], *data;

	ring_ = opened(0, 0);
	p.fd = pfring_get_selectable_fd(ring_);
	for (u_int i = 0; i < 20; i++) {
		feed(i * 3, 3);
		for (u_int j = i * 3; j < i * 3 + 3; j++) {
			data = store;
			CHECK(poll(&p, 1, PATIENCE) == 1, "not readable for frame %u", j);
			CHECK(pfring_recv(ring_, &data, i % 2 ? sizeof(store) : 0, &h, 1) == 1,
			      "frame %u does not come", j);
			is_frame(data, h.caplen, h.len, j, 0);
		}
		CHECK(poll(&p, 1, 0) == 0, "still readable in round %u", i);
		is_frame(data, h.caplen, h.len, i * 3 + 2, 0);
	}
	pfring_close(ring_);
}

void breakloop_ends_a_wait_of_another_thread(void)
{
	struct pfring_packet pkt;
	struct pfring_pkthdr h;
	u_char *data;
	pthread_t t;

	ring_ = opened(0, 0);
	t = later(50, break_it, ring_);
	CHECK(pfring_recv(ring_, &data, 0, &h, 1) == -EINTR, "recv did not end so");
	pthread_join(t, NULL);
	t = later(50, break_it, ring_);
	CHECK(pfring_recv_batch(ring_, &pkt, 1, -1) == -EINTR, "recv_batch did not end so");
	pthread_join(t, NULL);
	t = later(50, break_it, ring_);
	CHECK(pfring_loop(ring_, nobody, NULL, 1) == 0, "loop did not end so");
	pthread_join(t, NULL);
	feed(0, 100);
	expect(ring_, 0, 100, NULL);
	pfring_close(ring_);
}

static void break_in_handler(int number)
{
	(void)number;
	pfring_breakloop(ring_);
}

void breakloop_in_a_signal_handler_ends_the_loop(void)
{
	pthread_t self = pthread_self(), t;

	ring_ = opened(0, 0);
	on_signal(SIGUSR1, break_in_handler);
	t = later(50, signal_it, &self);
	CHECK(pfring_loop(ring_, nobody, NULL, 1) == 0, "the loop did not end so");
	pthread_join(t, NULL);
	feed(0, 10);
	expect(ring_, 0, 10, NULL);
	pfring_close(ring_);
}

static u_int seen;

static void break_at_every_tenth(const struct pfring_pkthdr *h, const u_char *p, const u_char *user)
{
	(void)user;
	is_frame(p, h->caplen, h->len, seen, 0);
	if (++seen % 10 == 0)
		pfring_breakloop(ring_);
}

void breakloop_in_a_callback_loses_nothing(void)
{
	prepare(1000);
	ring_ = opened(0, 0);
	feed(0, 1000);
	for (u_int turn = 1; turn <= 100; turn++) {
		CHECK(pfring_loop(ring_, break_at_every_tenth, NULL, 1) == 0, "the loop failed");
		CHECK(seen == turn * 10, "%u packets after %u turns", seen, turn);
	}
	pfring_close(ring_);
}

void breakloop_before_the_loop_counts_once(void)
{
	prepare(10);
	ring_ = opened(0, 0);
	feed(0, 10);
	pfring_breakloop(ring_);
	CHECK(pfring_loop(ring_, nobody, NULL, 1) == 0, "the loop did not end at once");
	CHECK(pfring_loop(ring_, break_at_every_tenth, NULL, 1) == 0, "the loop failed");
	CHECK(seen == 10, "%u packets, not 10", seen);
	pfring_close(ring_);
}

void a_childs_breakloop_ends_one_wait_of_the_parent(void)
{
	struct pfring_packet pkt;
	pid_t pid;

	ring_ = opened(0, 0);
	pid = fork();
	if (!pid) {
		/* The descriptor is shared; the flag is the child's own. */
		pfring_breakloop(ring_);
		_exit(0);
	}
	CHECK(pid > 0 && waitpid(pid, NULL, 0) == pid, "no child");
	pfring_recv_batch(ring_, &pkt, 1, QUIET);
	CHECK(pfring_recv_batch(ring_, &pkt, 1, QUIET) == 0, "a second wait was ended, too");
	pfring_close(ring_);
}

void shutdown_ends_a_wait(void)
{
	struct pfring_packet pkt;
	struct pfring_pkthdr h;
	u_char *data;
	pthread_t t;

	ring_ = opened(0, 0);
	t = later(50, shut_it, ring_);
	CHECK(pfring_recv(ring_, &data, 0, &h, 1) == -EPIPE, "recv did not end so");
	CHECK(pfring_recv_batch(ring_, &pkt, 1, -1) == -EPIPE, "a ring shut down reads");
	pthread_join(t, NULL);
	pfring_close(ring_);
}

void closing_ends_a_wait_of_another_thread(void)
{
	struct pfring_pkthdr h;
	u_char *data;
	pthread_t t;

	for (int i = 0; i < 10; i++) {
		ring_ = opened(0, 0);
		t = later(30, close_it, ring_);
		CHECK(pfring_recv(ring_, &data, 0, &h, 1) < 0, "a packet from a closed ring");
		pthread_join(t, NULL);
	}
	ring_ = opened(0, 0);
	t = later(50, close_it, ring_);
	CHECK(pfring_loop(ring_, nobody, NULL, 1) <= 0, "the loop goes on in a closed ring");
	pthread_join(t, NULL);
}

static void close_in_handler(int number)
{
	(void)number;
	pfring_close(ring_);
}

void closing_in_a_signal_handler_ends_a_wait(void)
{
	pthread_t self = pthread_self(), t;
	struct pfring_pkthdr h;
	u_char *data;
	int rc;

	on_signal(SIGUSR1, close_in_handler);
	ring_ = opened(0, 0);
	t = later(50, signal_it, &self);
	CHECK(pfring_recv(ring_, &data, 0, &h, 1) < 0, "a packet from a closed ring");
	pthread_join(t, NULL);
	ring_ = opened(0, 0);
	t = later(50, signal_it, &self);
	rc = pfring_loop(ring_, nobody, NULL, 1);
	/* A program that stands still for so long begins the loop when the ring is closed. */
	CHECK(rc == 0 || rc == -EBADF, "the loop ended with %d", rc);
	pthread_join(t, NULL);
}

static void close_at_tenth(const struct pfring_pkthdr *h, const u_char *p, const u_char *user)
{
	(void)user;
	is_frame(p, h->caplen, h->len, seen, 0);
	CHECK(seen < 10, "a packet after the ring was closed");
	if (++seen == 10)
		pfring_close(ring_);
}

void closing_in_a_callback_ends_the_loop(void)
{
	prepare(100);
	ring_ = opened(0, 0);
	feed(0, 100);
	CHECK(pfring_loop(ring_, close_at_tenth, NULL, 1) == 0, "the loop did not end well");
	CHECK(seen == 10, "%u packets, not 10", seen);
}

void breakloop_ends_a_poll_and_nothing_more(void)
{
	struct pfring_pkthdr h;
	u_char *data;
	pthread_t t;

	ring_ = opened(0, 0);
	t = later(50, break_it, ring_);
	CHECK(pfring_poll(ring_, PATIENCE) == -EINTR, "the poll did not end so");
	pthread_join(t, NULL);
	CHECK(pfring_recv(ring_, &data, 0, &h, 0) == 0, "it is told again");
	CHECK(pfring_poll(ring_, 10) == 0, "the next poll ended so too");
	pfring_close(ring_);
}
