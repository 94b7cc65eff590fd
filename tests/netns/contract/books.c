/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * books.c - the contract's cases on counters: every packet sent is delivered,
 * dropped or filtered, once, whatever the load.
 */
#include "contract.h"

static struct pfring_stats64 stats_of(pfring *ring)
{
	struct pfring_stats64 st = {.sz = sizeof(st)};

	CHECK(pfring_stats64(ring, &st) == 0, "no statistics");
	return st;
}

/* The books when all n frames are in them: the kernel may be busy with others' just then. */
static struct pfring_stats64 books_of(pfring *ring, u_int n)
{
	struct pfring_stats64 st = stats_of(ring);

	for (int ms = 0; ms < PATIENCE && st.recv + st.drop < n; ms++) {
		usleep(1000);
		st = stats_of(ring);
	}
	return st;
}

void counters_start_at_zero_and_add_up(void)
{
	struct pfring_stats64 st;
	pfring_stat old;
	pfring *ring;

	prepare(1000);
	ring = opened(0, 0);
	st = stats_of(ring);
	CHECK(!st.recv && !st.drop && !st.delivered && !st.filtered_user && !st.sent,
	      "not zero at first");
	feed(0, 1000);
	expect(ring, 0, 1000, NULL);
	st = stats_of(ring);
	CHECK(st.recv == 1000 && st.drop == 0 && st.delivered == 1000,
	      "recv %lu drop %lu delivered %lu", st.recv, st.drop, st.delivered);
	CHECK(pfring_stats(ring, &old) == 0, "no statistics");
	CHECK(old.recv == 1000 && old.drop == 0 && old.shunt == 0, "pfring_stats differs");
	/* Asking does not change them. */
	CHECK(stats_of(ring).recv == 1000, "reading the counters changed them");
	pfring_close(ring);
}

void a_full_ring_drops_the_newest_and_says_so(void)
{
	struct pfring_open_options opts = {.sz = sizeof(opts), .buffer_bytes = 256 * 1024};
	const u_int n = 20000;
	struct pfring_stats64 st;
	pfring *ring = opened_opts(&opts);

	feed(0, n);
	st = books_of(ring, n);
	CHECK(st.recv + st.drop == n, "recv %lu and drop %lu are not %u", st.recv, st.drop, n);
	CHECK(st.recv > 100 && st.drop > 1000, "recv %lu drop %lu: the ring was not full", st.recv,
	      st.drop);
	expect(ring, 0, (u_int)st.recv, NULL);
	expect_nothing(ring);
	feed(n, 50);
	expect(ring, n, 50, NULL);
	CHECK(stats_of(ring).delivered == st.recv + 50, "delivered %lu", stats_of(ring).delivered);
	pfring_close(ring);
}

#define LOAD 200000

static _Atomic bool all_sent;

static void *send_load(void *arg)
{
	(void)arg;
	feed(0, LOAD);
	all_sent = true;
	return NULL;
}

/* Packets that the capturing end has received, by the interface's own count. */
static u_int64_t crossed(void)
{
	FILE *f = fopen("/proc/self/net/dev", "re");
	u_int64_t packets = 0;
	char line[512];

	CHECK(f, "cannot read /proc/self/net/dev");
	while (fgets(line, sizeof(line), f)) {
		char *at = strstr(line, CAPTURE ":");

		if (at)
			sscanf(at + strlen(CAPTURE ":"), "%*u %lu", &packets);
	}
	fclose(f);
	return packets;
}

/* A ring that is made of blocks closes one for each of these frames: 50 ms count of a second. */
void a_trickle_outlasts_a_reader_that_pauses(void)
{
	enum { TRICKLE = 40 };
	const struct pfring_open_options opts = {.sz = sizeof(opts), .to_ms = 1000};
	u_int came = 0, seen[TRICKLE] = {0};
	struct pfring_packet pkt;
	pfring *ring;

	prepare(TRICKLE);
	ring = opened_opts(&opts);
	for (u_int i = 0; i < TRICKLE; i++) {
		feed(i, 1);
		usleep(55000);
	}
	while (pfring_recv_batch(ring, &pkt, 1, came < TRICKLE ? PATIENCE : QUIET) == 1) {
		int number = frame_number(pkt.data, pkt.caplen);

		CHECK(number >= 0 && number < TRICKLE && !seen[number]++, "frame %d", number);
		came++;
	}
	CHECK(came == TRICKLE && stats_of(ring).drop == 0, "%u came, %lu were dropped", came,
	      stats_of(ring).drop);
	pfring_close(ring);
}

void books_balance_under_load(void)
{
	struct pfring_packet pkt[128];
	u_int64_t came = 0;
	bool quiet = false;
	struct pfring_stats64 st;
	int last = -1;
	pfring *ring = opened(0, 0);
	pthread_t t;

	CHECK(pfring_set_bpf_filter(ring, "udp") == 0, "the filter is refused");
	t = later(0, send_load, NULL);
	while (!all_sent || !quiet) {
		int rc = pfring_recv_batch(ring, pkt, 128, 100);

		CHECK(rc >= 0, "recv_batch: %d", rc);
		quiet = !rc && came + stats_of(ring).drop == LOAD / 2;
		if (!rc && all_sent && !quiet) {
			rc = pfring_recv_batch(ring, pkt, 128, PATIENCE);
			CHECK(rc > 0 || came + stats_of(ring).drop == LOAD / 2,
			      "%lu came and %lu crossed the wire", came, crossed());
		}
		for (int i = 0; i < rc; i++) {
			int number = frame_number(pkt[i].data, pkt[i].caplen);

			CHECK(number > last, "frame %d after %d", number, last);
			CHECK(is_udp((u_int)number), "frame %d is not for this filter", number);
			if (++came % 16 == 0)
				is_frame(pkt[i].data, pkt[i].caplen, pkt[i].len, (u_int)number, 0);
			last = number;
		}
	}
	pthread_join(t, NULL);
	st = stats_of(ring);
	CHECK(came + st.drop == LOAD / 2, "%lu came (recv %lu), %lu were dropped, %u were sent",
	      came, st.recv, st.drop, LOAD / 2);
	CHECK(st.recv == came && st.delivered == came, "recv %lu delivered %lu but %lu came",
	      st.recv, st.delivered, came);
	CHECK(crossed() == LOAD, "%lu crossed the wire", crossed());
	CHECK(came > 1000, "hardly anything came: %lu", came);
	pfring_close(ring);
}

void filtered_packets_are_in_nobodys_books(void)
{
	struct pfring_stats64 st;
	pfring *ring = opened(0, 0);

	CHECK(pfring_set_bpf_filter(ring, "sctp") == 0, "the filter is refused");
	feed(0, 5000);
	expect_nothing(ring);
	st = stats_of(ring);
	CHECK(!st.recv && !st.drop && !st.delivered, "recv %lu drop %lu delivered %lu", st.recv,
	      st.drop, st.delivered);
	pfring_close(ring);
}

#define SHARED 20000

static _Atomic u_int taken, times[SHARED];

static void *take(void *arg)
{
	u_char store[FRAME_MAX], *buffer = store;
	struct pfring_pkthdr h;
	int number;

	while (pfring_recv(arg, &buffer, sizeof(store), &h, 1) == 1) {
		number = frame_number(buffer, h.caplen);
		CHECK(number >= 0 && number < SHARED, "frame %d", number);
		is_frame(buffer, h.caplen, h.len, (u_int)number, 0);
		times[number]++;
		if (++taken == SHARED)
			pfring_shutdown(arg);
	}
	return NULL;
}

void threads_share_a_reentrant_ring(void)
{
	/* Nobody reads while they are sent: blocks that are closed for their age would not last. */
	struct pfring_open_options opts = {.sz = sizeof(opts),
					   .flags = PF_RING_REENTRANT,
					   .buffer_bytes = 64 << 20,
					   .timeout_ms = 500};
	pthread_t t[4];
	pfring *ring;

	prepare(SHARED);
	ring = opened_opts(&opts);
	feed(0, SHARED);
	for (int i = 0; i < 4; i++)
		t[i] = later(0, take, ring);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	for (u_int i = 0; i < SHARED; i++)
		CHECK(times[i] == 1, "frame %u came %u times", i, times[i]);
	pfring_close(ring);
}

void delivered_is_what_was_handed_out(void)
{
	struct pfring_packet pkt[3];
	struct pfring_pkthdr h;
	u_char *data;
	pfring *ring;
	int n;

	prepare(100);
	ring = opened(0, 0);
	feed(0, 100);
	for (u_int i = 1; i <= 5; i++) {
		CHECK(pfring_recv(ring, &data, 0, &h, 1) == 1, "frame %u did not come", i);
		CHECK(stats_of(ring).delivered == i, "%lu, not %u", stats_of(ring).delivered, i);
	}
	/* Fewer than asked for where a block ends. */
	n = pfring_recv_batch(ring, pkt, 3, PATIENCE);
	CHECK(n > 0, "no batch: %d", n);
	n += 5;
	CHECK(stats_of(ring).delivered == (u_int)n, "%lu, not %d", stats_of(ring).delivered, n);
	CHECK(pfring_poll(ring, PATIENCE) == 1, "where is the rest?");
	CHECK(pfring_is_pkt_available(ring) == 1, "the rest is not there");
	CHECK(stats_of(ring).delivered == (u_int)n, "%lu, not %d", stats_of(ring).delivered, n);
	pfring_close(ring);
}

static void *take_udp(void *arg)
{
	u_char store[FRAME_MAX], *buffer = store;
	struct pfring_pkthdr h;

	for (u_int i = 0; i < 100; i += 2) {
		CHECK(pfring_recv(arg, &buffer, sizeof(store), &h, 1) == 1, "no frame %u", i);
		is_frame(buffer, h.caplen, h.len, i, 0);
	}
	return NULL;
}

void a_waiting_reader_lets_other_threads_in(void)
{
	u_char store[FRAME_MAX], *buffer = store;
	pfring *ring = opened(0, PF_RING_REENTRANT);
	struct pfring_packet pkt;
	struct pfring_pkthdr h;
	pthread_t reader = later(0, take_udp, ring);

	usleep(50000);
	for (int i = 0; i < 20; i++) {
		CHECK(pfring_recv(ring, &buffer, sizeof(store), &h, 0) == 0, "from nowhere");
		CHECK(pfring_recv_batch(ring, &pkt, 1, 1) == 0, "from nowhere");
		CHECK(pfring_is_pkt_available(ring) == 0, "from nowhere");
		CHECK(pfring_poll(ring, 1) == 0, "from nowhere");
	}
	CHECK(pfring_set_direction(ring, rx_only_direction) == 0, "rx only is refused");
	CHECK(pfring_set_bpf_filter(ring, "udp") == 0, "the filter is refused");
	feed(0, 100);
	pthread_join(reader, NULL);
	expect_nothing(ring);
	pfring_close(ring);
}
