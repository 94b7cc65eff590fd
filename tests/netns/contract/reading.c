/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reading.c - the contract's cases on reading: every way gives every packet,
 * whole, in order, with its time.
 */
#include "contract.h"

#define N 3000

void packets_come_whole_and_in_order(void)
{
	pfring *ring;

	prepare(N);
	ring = opened(0, 0);
	feed(0, N);
	expect(ring, 0, N, NULL);
	expect_nothing(ring);
	pfring_close(ring);
}

static void copy_into(u_int size, u_int cut)
{
	u_char *store = malloc(size + 1), *buffer = store;
	struct pfring_pkthdr h;
	pfring *ring;

	CHECK(store, "no memory");
	prepare(N);
	ring = opened(0, 0);
	feed(0, N);
	for (u_int i = 0; i < N; i++) {
		store[size] = 0xa5;
		CHECK(pfring_recv(ring, &buffer, size, &h, 1) == 1, "frame %u did not come", i);
		CHECK(buffer == store, "the buffer was exchanged");
		is_frame(buffer, h.caplen, h.len, i, cut);
		CHECK(store[size] == 0xa5, "frame %u was written past the buffer", i);
	}
	pfring_close(ring);
	free(store);
}

void copying_gives_the_same_bytes(void)
{
	copy_into(FRAME_MAX, 0);
}

void a_small_buffer_cuts(void)
{
	copy_into(100, 100);
}

void the_snap_length_cuts(void)
{
	struct pfring_pkthdr h;
	u_char *data;
	pfring *ring;

	prepare(N);
	ring = opened(96, 0);
	feed(0, N);
	for (u_int i = 0; i < N; i++) {
		CHECK(pfring_recv(ring, &data, 0, &h, 1) == 1, "frame %u did not come", i);
		is_frame(data, h.caplen, h.len, i, 96);
	}
	pfring_close(ring);
}

void snap_lengths_out_of_range_mean_everything(void)
{
	static const u_int lengths[] = {0, 300000, UINT32_MAX};

	prepare(200);
	for (u_int k = 0; k < 3; k++) {
		pfring *ring = opened(lengths[k], 0);

		feed(0, 200);
		expect(ring, 0, 200, NULL);
		pfring_close(ring);
	}
}

static u_int calls;
static pfring *looping;

static void count_and_stop(const struct pfring_pkthdr *h, const u_char *p, const u_char *user)
{
	CHECK(!strcmp((const char *)user, "user"), "the user's pointer did not come along");
	is_frame(p, h->caplen, h->len, calls, 0);
	if (++calls == N && is_live())
		pfring_breakloop(looping);
}

void the_loop_calls_back_for_each_packet(void)
{
	int rc;

	prepare(N);
	looping = opened(0, 0);
	feed(0, N);
	rc = pfring_loop(looping, count_and_stop, (const u_char *)"user", 1);
	CHECK(rc == 0, "the loop ended with %d", rc);
	CHECK(calls == N, "%u calls, not %u", calls, N);
	pfring_close(looping);
}

void bursts_give_the_same_packets(void)
{
	pfring_packet_info info[200];
	u_int64_t last = 0;
	pfring *ring;
	u_int next = 0;

	prepare(N);
	ring = opened(0, 0);
	feed(0, N);
	while (next < N) {
		int rc = pfring_recv_burst(ring, info, 200, 1);

		CHECK(rc > 0, "frame %u did not come: %d", next, rc);
		for (int i = 0; i < rc; i++) {
			u_int64_t ns =
				(u_int64_t)info[i].ts.tv_sec * 1000000000 + info[i].ts.tv_nsec;

			is_frame(info[i].data, info[i].caplen, info[i].len, next++, 0);
			CHECK(ns && ns >= last, "the time goes back");
			last = ns;
		}
	}
	pfring_close(ring);
}

void mixed_ways_of_reading_lose_nothing(void)
{
	struct pfring_packet pkt[7];
	pfring_packet_info info[5];
	struct pfring_pkthdr h;
	struct timespec ts;
	u_char *data;
	pfring *ring;

	prepare(N);
	ring = opened(0, 0);
	feed(0, N);
	for (u_int next = 0, turn = 0; next < N; turn++) {
		int rc;

		switch (turn % 4) {
		case 0:
			CHECK(pfring_recv(ring, &data, 0, &h, 1) == 1, "no frame %u", next);
			is_frame(data, h.caplen, h.len, next++, 0);
			break;
		case 1:
			rc = pfring_recv_batch(ring, pkt, 7, PATIENCE);
			CHECK(rc > 0, "no frame %u: %d", next, rc);
			for (int i = 0; i < rc; i++)
				is_frame(pkt[i].data, pkt[i].caplen, pkt[i].len, next++, 0);
			break;
		case 2:
			rc = pfring_next_pkt_time(ring, &ts);
			CHECK(rc == 0 || rc == -EAGAIN, "next_pkt_time: %d", rc);
			break;
		case 3:
			rc = pfring_recv_burst(ring, info, 5, 1);
			CHECK(rc > 0, "no frame %u: %d", next, rc);
			for (int i = 0; i < rc; i++)
				is_frame(info[i].data, info[i].caplen, info[i].len, next++, 0);
			break;
		}
	}
	expect_nothing(ring);
	pfring_close(ring);
}

void the_next_packets_time_is_told_before_it_is_taken(void)
{
	struct pfring_pkthdr h;
	struct timespec ts;
	u_char *data;
	pfring *ring;

	prepare(100);
	ring = opened(0, 0);
	feed(0, 100);
	for (u_int i = 0; i < 100; i++) {
		int rc, tries = PATIENCE;

		while ((rc = pfring_next_pkt_time(ring, &ts)) == -EAGAIN && tries--)
			usleep(1000);
		CHECK(rc == 0, "no time for frame %u: %d", i, rc);
		CHECK(pfring_is_pkt_available(ring) == 1, "a packet with a time is there");
		CHECK(pfring_recv(ring, &data, 0, &h, 0) == 1, "frame %u was announced", i);
		is_frame(data, h.caplen, h.len, i, 0);
		CHECK(h.extended_hdr.timestamp_ns ==
			      (u_int64_t)ts.tv_sec * 1000000000 + (u_int64_t)ts.tv_nsec,
		      "frame %u has another time than announced", i);
	}
	pfring_close(ring);
}

void headers_are_parsed_when_asked_for(void)
{
	struct pfring_pkthdr h;
	u_char *data;
	pfring *ring;

	prepare(64);
	ring = opened(0, PF_RING_LONG_HEADER);
	feed(0, 64);
	for (u_int i = 0; i < 64; i++) {
		const struct pkt_parsing_info *x = &h.extended_hdr.parsed_pkt;

		CHECK(pfring_recv(ring, &data, 0, &h, 1) == 1, "frame %u did not come", i);
		if (is_tagged(i)) {
			CHECK(x->vlan_id == 5, "frame %u: VLAN %u", i, x->vlan_id);
			continue;
		}
		CHECK(x->ip_version == 4, "frame %u: IP version %u", i, x->ip_version);
		CHECK(x->l3_proto == (is_udp(i) ? IPPROTO_UDP : IPPROTO_TCP),
		      "frame %u: protocol %u", i, x->l3_proto);
		CHECK(x->l4_src_port == 1000 + i % 4 && x->l4_dst_port == 2000 + i % 4,
		      "frame %u: ports %u and %u", i, x->l4_src_port, x->l4_dst_port);
	}
	pfring_close(ring);
}

void time_never_goes_back(void)
{
	struct pfring_packet pkt;
	u_int64_t last = 0;
	pfring *ring;

	prepare(N);
	ring = opened(0, 0);
	feed(0, N);
	for (u_int i = 0; i < N; i++) {
		CHECK(pfring_recv_batch(ring, &pkt, 1, PATIENCE) == 1, "no frame %u", i);
		CHECK(pkt.ts_ns >= last, "frame %u is older than the one before", i);
		CHECK(pkt.ts_ns > 1600000000ull * 1000000000, "frame %u has no time", i);
		last = pkt.ts_ns;
		if (!is_live())
			CHECK(last == (1700000000ull + i / 1000) * 1000000000 +
					      i % 1000 * 1000003ull % 1000000000,
			      "frame %u: the file says another time", i);
	}
	pfring_close(ring);
}

static bool first_of_ten(u_int i)
{
	return i % 10 == 0;
}

void sampling_takes_one_of_ten(void)
{
	pfring *ring;

	prepare(N);
	ring = opened(0, 0);
	CHECK(pfring_set_sampling_rate(ring, 10) == 0, "sampling is refused");
	feed(0, N);
	expect(ring, 0, N / 10, first_of_ten);
	expect_nothing(ring);
	pfring_close(ring);
}

void bytes_stay_until_the_next_read(void)
{
	struct pfring_packet pkt[32];
	pfring *ring;
	int rc;

	ring = opened(0, 0);
	feed(0, 32);
	rc = pfring_recv_batch(ring, pkt, 32, PATIENCE);
	CHECK(rc > 0, "no packet: %d", rc);
	/* Far more than any ring of default size holds. */
	feed(1000, 40000);
	for (int i = 0; i < rc; i++)
		is_frame(pkt[i].data, pkt[i].caplen, pkt[i].len, (u_int)i, 0);
	pfring_close(ring);
}

void packets_may_be_written_into(void)
{
	struct pfring_pkthdr h;
	u_char *data;
	pfring *ring;

	prepare(40);
	ring = opened(0, 0);
	feed(0, 40);
	for (u_int i = 0; i < 20; i++) {
		CHECK(pfring_recv(ring, &data, 0, &h, 1) == 1, "packet %u does not come", i);
		memset(data, 0xff, h.caplen);
	}
	expect(ring, 20, 20, NULL);
	pfring_close(ring);
}

static bool second_of_ten(u_int i)
{
	return i % 10 == 1;
}

void sampling_also_takes_one_of_ten_of_what_is_queued(void)
{
	struct pfring_pkthdr h;
	u_char *data;
	pfring *ring;

	prepare(N);
	ring = opened(0, 0);
	feed(0, N);
	CHECK(pfring_recv(ring, &data, 0, &h, 1) == 1, "frame 0 did not come");
	CHECK(pfring_set_sampling_rate(ring, 10) == 0, "sampling is refused");
	expect(ring, 1, N / 10, second_of_ten);
	CHECK(pfring_set_sampling_rate(ring, 1) == 0, "sampling cannot be switched off");
	pfring_close(ring);
}
