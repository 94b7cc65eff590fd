/* SPDX-License-Identifier: BSD-3-Clause */
/* pfring_parse_pkt(): what it does to a packet's header beyond parsing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "frame.h"
#include "parse.h"

static struct pfring_pkthdr header_of(const struct frame *f)
{
	struct pfring_pkthdr h = {.caplen = f->n, .len = f->n};

	return h;
}

static void udp_frame(struct frame *f, u_int fragment)
{
	f_eth(f, 0x0800);
	f_ip4(f, IPPROTO_UDP, 1, 2, fragment, 0);
	f_udp(f, 1000, 53);
	f_done(f);
}

static void test_it_fills_the_header(void **state)
{
	struct frame f = {.n = 0};
	struct pfring_pkthdr h;

	(void)state;
	udp_frame(&f, 0x2000);
	h = header_of(&f);
	h.extended_hdr.flags = PKT_FLAGS_IP_FRAG_OFFSET | PKT_FLAGS_VLAN_HWACCEL;
	h.extended_hdr.parsed_pkt.last_matched_rule_id = 42;
	assert_int_equal(pfring_parse_pkt(f.b, &h, 4, 0, 0), 4);
	assert_int_equal(h.extended_hdr.parsed_pkt.l4_dst_port, 53);
	assert_int_equal(h.extended_hdr.flags, PKT_FLAGS_IP_MORE_FRAG | PKT_FLAGS_VLAN_HWACCEL);
	assert_int_equal(h.extended_hdr.parsed_pkt.last_matched_rule_id, 42);
	assert_int_equal(h.extended_hdr.pkt_hash, 0);
	assert_int_equal(h.ts.tv_sec, 0);
}

/* In nanoseconds; time() is a tick behind the clock that stamps. */
static u_int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (u_int64_t)t.tv_sec * 1000000000 + (u_int64_t)t.tv_nsec;
}

static void test_it_stamps_only_what_has_no_time(void **state)
{
	struct frame f = {.n = 0};
	struct pfring_pkthdr h;
	u_int64_t before = now();

	(void)state;
	udp_frame(&f, 0);
	h = header_of(&f);
	assert_int_equal(pfring_parse_pkt(f.b, &h, 4, 1, 0), 4);
	assert_true(h.extended_hdr.timestamp_ns >= before);
	assert_true(h.extended_hdr.timestamp_ns <= now());
	assert_true(h.extended_hdr.timestamp_ns / 1000 ==
		    (u_int64_t)h.ts.tv_sec * 1000000 + (u_int64_t)h.ts.tv_usec);

	h.ts.tv_sec = 0;
	h.ts.tv_usec = 5;
	h.extended_hdr.timestamp_ns = 5000;
	assert_int_equal(pfring_parse_pkt(f.b, &h, 4, 1, 0), 4);
	assert_int_equal(h.ts.tv_sec, 0);
	assert_int_equal(h.extended_hdr.timestamp_ns, 5000);
}

static void test_it_hashes_the_flow_at_every_level(void **state)
{
	struct frame f = {.n = 0};
	struct pfring_pkthdr h;
	struct pkt_parsing_info info;
	u_int32_t want, frag;

	(void)state;
	udp_frame(&f, 0);
	pfri_parse(f.b, f.n, 5, &info, &frag);
	want = pfri_flow_hash(&info, 0, cluster_per_flow);
	assert_int_not_equal(want, 0);
	for (u_int8_t level = 2; level <= 5; level++) {
		h = header_of(&f);
		pfring_parse_pkt(f.b, &h, level, 0, 1);
		assert_int_equal(h.extended_hdr.pkt_hash, want);
		assert_int_equal(h.extended_hdr.parsed_pkt.l4_dst_port, level >= 4 ? 53 : 0);
	}
}

static void test_it_refuses_what_is_no_frame(void **state)
{
	struct frame f = {.n = 0};
	struct pfring_pkthdr h;

	(void)state;
	udp_frame(&f, 0);
	h = header_of(&f);
	h.caplen = 13;
	assert_int_equal(pfring_parse_pkt(f.b, &h, 4, 0, 1), -EINVAL);
	assert_non_null(strstr(pfring_last_error(), "13 bytes"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_fills_the_header),
		cmocka_unit_test(test_it_stamps_only_what_has_no_time),
		cmocka_unit_test(test_it_hashes_the_flow_at_every_level),
		cmocka_unit_test(test_it_refuses_what_is_no_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
