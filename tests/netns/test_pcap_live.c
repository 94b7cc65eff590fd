/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Backend "pcap:" through the public calls, on a wire of our own: what libpcap
 * captures comes out whole and in order, filters and directions hold from the
 * moment they are set, the books balance, the end is an error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "handle.h"
#include "wire.h"

static int gen, cap0; /* where frames go in, and the number of where they come out */

/* A frame numbered i; with a tag if vlan is not 0. */
static u_int make_frame(u_char *f, u_int i, u_int vlan)
{
	u_int len = 60 + i % 1000, at = 12;

	memset(f, (int)i, len);
	memcpy(f, "\x02\0\0\0\0\x02\x02\0\0\0\0\x01", 12);
	if (vlan) {
		f[at++] = 0x81;
		f[at++] = 0;
		f[at++] = (u_char)(vlan >> 8);
		f[at++] = (u_char)vlan;
	}
	f[at++] = 0x88;
	f[at++] = 0xb6;
	memcpy(f + at, &i, sizeof(i));
	return len;
}

static void send_frames(u_int from, u_int n, u_int vlan)
{
	u_char f[2000];

	for (u_int i = from; i < from + n; i++) {
		u_int len = make_frame(f, i, vlan);

		assert_int_equal(send(gen, f, len, 0), len);
	}
}

static pfring *open_ring(const char *name, u_int caplen)
{
	pfring *ring = pfring_open(name, caplen, PF_RING_PROMISC);

	if (!ring)
		fail_msg("%s", pfring_last_error());
	assert_int_equal(pfring_enable_ring(ring), 0);
	return ring;
}

/* Frames from .. from+n-1 come next, whole, in order. */
static void expect_frames(pfring *ring, u_int from, u_int n, u_int vlan)
{
	struct pfring_packet pkt[64];
	u_char want[2000];
	u_int seen = 0;

	while (seen < n) {
		int got = pfring_recv_batch(ring, pkt, 64, WIRE_PATIENCE);

		if (got <= 0)
			fail_msg("%d after %u: %s", got, seen, pfring_last_error());
		for (int k = 0; k < got; k++, seen++) {
			u_int len = make_frame(want, from + seen, vlan);

			assert_int_equal(pkt[k].len, len);
			assert_int_equal(pkt[k].caplen, len);
			assert_memory_equal(pkt[k].data, want, len);
			assert_int_equal(pkt[k].if_index, cap0);
			assert_true(pkt[k].ts_ns > 1700000000000000000ull);
			if (vlan) {
				assert_true(pkt[k].flags & PKT_FLAGS_VLAN_HWACCEL);
				assert_int_equal(pkt[k].vlan_tci, vlan);
				assert_int_equal(pkt[k].vlan_tpid, ETH_P_8021Q);
			}
		}
	}
	assert_int_equal(seen, n);
}

static void test_frames_come_whole_and_in_order_and_the_books_balance(void **state)
{
	pfring *ring = open_ring("pcap:cap0", 0);
	pfring_stat st;
	const char *why;

	(void)state;
	assert_string_equal(pfring_get_backend(ring, &why), "pcap");
	assert_int_equal(pfring_get_link_type(ring), 1);
	send_frames(0, 1000, 0);
	expect_frames(ring, 0, 1000, 0);
	send_frames(0, 500, 5);
	expect_frames(ring, 0, 500, 5);
	assert_int_equal(pfring_stats(ring, &st), 0);
	assert_int_equal(st.recv, 1500);
	assert_int_equal(st.drop, 0);
	pfring_close(ring);
}

static void test_a_snap_length_cuts_and_keeps_the_length(void **state)
{
	pfring *ring = open_ring("pcap:cap0", 64);
	struct pfring_packet p;

	(void)state;
	send_frames(900, 1, 0);
	assert_int_equal(pfring_recv_batch(ring, &p, 1, WIRE_PATIENCE), 1);
	assert_int_equal(p.caplen, 64);
	assert_int_equal(p.len, 960);
	pfring_close(ring);
}

static void test_vlan_filters_see_the_tag_that_the_stack_took_off(void **state)
{
	pfring *ring = open_ring("pcap:cap0", 0);
	struct pfring_packet p;

	(void)state;
	assert_int_equal(pfring_set_bpf_filter(ring, "vlan 7"), 0);
	send_frames(0, 20, 0);
	send_frames(0, 20, 6);
	send_frames(100, 20, 7);
	expect_frames(ring, 100, 20, 7);
	assert_int_equal(pfring_recv_batch(ring, &p, 1, 0), 0);
	assert_int_equal(pfring_remove_bpf_filter(ring), 0);
	send_frames(200, 20, 6);
	expect_frames(ring, 200, 20, 6);
	pfring_close(ring);
}

/* The frame that marks the end of a test: longer than all before it. */
#define MARK 850
#define MARK_LEN (60 + MARK)

/*
 * With one packet taken, others wait in the batch, in libpcap and in its ring.
 * Those that come out all pass the new filter.
 */
static void queue_then_filter(const char *filter, bool tagged_pass, bool plain_pass)
{
	pfring *ring = open_ring("pcap:cap0", 0);
	u_int before = 0, mark = 0;
	struct pfring_packet pkt[64];
	struct pfring_pkthdr h;
	u_char *data;

	send_frames(0, 1, 9);
	for (u_int k = 0; k < 30; k++) {
		send_frames(k, 1, 7);
		send_frames(k, 1, 0);
	}
	assert_int_equal(pfring_recv(ring, &data, 0, &h, 1), 1);
	assert_int_equal(pfring_poll(ring, WIRE_PATIENCE), 1);
	assert_int_equal(pfring_set_bpf_filter(ring, filter), 0);
	send_frames(MARK, 1, 7);
	send_frames(MARK, 1, 0);
	while (mark < (u_int)tagged_pass + plain_pass) {
		int n = pfring_recv_batch(ring, pkt, 64, WIRE_PATIENCE);

		assert_true(n > 0);
		for (int k = 0; k < n; k++) {
			bool tagged = pkt[k].data[12] == 0x81;

			assert_true(tagged ? tagged_pass : plain_pass);
			if (pkt[k].len == MARK_LEN)
				mark++;
			else
				before++;
		}
	}
	assert_true(before <= 30);
	assert_int_equal(pfring_recv_batch(ring, pkt, 64, 20), 0);
	pfring_close(ring);
}

static void test_what_was_queued_before_a_filter_obeys_it(void **state)
{
	(void)state;
	queue_then_filter("vlan 7", true, false);
	queue_then_filter("not vlan", false, true);
	queue_then_filter("greater 800", true, true);
	queue_then_filter("arp", false, false);
}

static void test_directions_are_libpcaps(void **state)
{
	pfring *ring = open_ring("pcap:cap0", 0);
	struct pfring_packet p;
	u_char f[2000];
	u_int len = make_frame(f, 3, 0);

	(void)state;
	assert_int_equal(pfring_set_direction(ring, rx_only_direction), 0);
	assert_int_equal(pfring_send(ring, f, len, 1), len);
	send_frames(10, 3, 0);
	expect_frames(ring, 10, 3, 0);
	assert_int_equal(pfring_recv_batch(ring, &p, 1, 0), 0);
	/* The frame did leave. */
	assert_int_equal(recv(gen, f, sizeof(f), 0), len);
	pfring_close(ring);
}

static void *break_soon(void *ring)
{
	usleep(20000);
	pfring_breakloop(ring);
	return NULL;
}

static void test_a_wait_on_a_silent_wire_can_be_broken_off(void **state)
{
	pfring *ring = open_ring("pcap:cap0", 0);
	struct pfring_packet p;
	pthread_t other;

	(void)state;
	assert_int_equal(pfring_recv_batch(ring, &p, 1, 30), 0);
	assert_int_equal(pthread_create(&other, NULL, break_soon, ring), 0);
	assert_int_equal(pfring_recv_batch(ring, &p, 1, -1), -EINTR);
	pthread_join(other, NULL);
	pfring_close(ring);
}

static void test_no_such_device_and_a_device_that_is_down(void **state)
{
	(void)state;
	assert_null(pfring_open("pcap:no-such-device", 0, 0));
	assert_int_equal(errno, ENODEV);
	assert_non_null(strstr(pfring_last_error(), "no-such-device"));
	wire_run("ip link add down0 type veth peer name down1");
	assert_null(pfring_open("pcap:down0", 0, 0));
	assert_int_equal(errno, ENETDOWN);
	assert_non_null(strstr(pfring_last_error(), "down0"));
	assert_null(pfring_open("pcap:cap0", 0, PF_RING_HW_TIMESTAMP));
	assert_int_equal(errno, EOPNOTSUPP);
	wire_run("ip link del down0");
}

/* Last: the wire is gone afterwards. */
static void test_a_device_that_disappears_ends_the_capture(void **state)
{
	pfring *ring = open_ring("pcap:cap0", 0);
	struct pfring_packet p;
	int n;

	(void)state;
	send_frames(0, 5, 0);
	wire_run("ip link del gen0");
	expect_frames(ring, 0, 5, 0);
	do {
		n = pfring_recv_batch(ring, &p, 1, WIRE_PATIENCE);
	} while (n == -EINTR);
	assert_true(n < 0);
	assert_non_null(strstr(pfring_last_error(), "cap0"));
	pfring_close(ring);
}

static int setup(void **state)
{
	(void)state;
	wire_setup();
	cap0 = (int)if_nametoindex("cap0");
	gen = wire_socket("gen0", ETH_P_ALL);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames_come_whole_and_in_order_and_the_books_balance),
		cmocka_unit_test(test_a_snap_length_cuts_and_keeps_the_length),
		cmocka_unit_test(test_vlan_filters_see_the_tag_that_the_stack_took_off),
		cmocka_unit_test(test_what_was_queued_before_a_filter_obeys_it),
		cmocka_unit_test(test_directions_are_libpcaps),
		cmocka_unit_test(test_a_wait_on_a_silent_wire_can_be_broken_off),
		cmocka_unit_test(test_no_such_device_and_a_device_that_is_down),
		cmocka_unit_test(test_a_device_that_disappears_ends_the_capture),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
