/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets, numbers and time zones as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "frame.h"
#include "parse.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void test_numbers_have_their_thousands_apart(void **state)
{
	static const struct {
		double value;
		const char *whole, *decimals;
	} cases[] = {
		{0, "0", "0.00"},
		{7, "7", "7.00"},
		{999, "999", "999.00"},
		{1000, "1'000", "1'000.00"},
		{12345, "12'345", "12'345.00"},
		{123456, "123'456", "123'456.00"},
		{64415543, "64'415'543", "64'415'543.00"},
		{5410905612.0, "5'410'905'612", "5'410'905'612.00"},
		{4293748.94, "4'293'749", "4'293'748.94"},
		{0.056, "0", "0.06"},
		{999.999, "1'000", "1'000.00"},
		{-1234.5, "-1'234", "-1'234.50"},
		{-999, "-999", "-999.00"},
		{-0.001, "0", "0.00"},
		{9007199254740992.0, "9'007'199'254'740'992", "9'007'199'254'740'992.00"},
		{1e21, "1'000'000'000'000'000'000'000", "1'000'000'000'000'000'000'000.00"},
		{INFINITY, "inf", "inf"},
		{-INFINITY, "-inf", "-inf"},
		{NAN, "nan", "nan"},
	};
	char buf[64];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_ptr_equal(pfring_format_numbers(cases[i].value, buf, sizeof(buf), 0), buf);
		assert_string_equal(buf, cases[i].whole);
		pfring_format_numbers(cases[i].value, buf, sizeof(buf), 1);
		assert_string_equal(buf, cases[i].decimals);
	}
}

static void test_a_number_never_overruns_its_buffer(void **state)
{
	(void)state;
	for (u_int room = 0; room <= 20; room++) {
		char buf[32], want[] = "4'293'748.94";

		memset(buf, 'x', sizeof(buf));
		pfring_format_numbers(4293748.94, buf, room, 1);
		for (size_t i = room; i < sizeof(buf); i++)
			assert_int_equal(buf[i], 'x');
		if (room && room < sizeof(want))
			want[room - 1] = 0;
		if (room)
			assert_string_equal(buf, want);
	}
}

static void test_the_largest_number_fits_the_inner_buffer(void **state)
{
	char buf[512];

	(void)state;
	pfring_format_numbers(1.7976931348623157e308, buf, sizeof(buf), 1);
	assert_int_equal(strlen(buf), 309 + 102 + 3);
	assert_memory_equal(buf, "179'769'313'", 12);
}

static void test_local_time_is_told_in_seconds_east_of_utc(void **state)
{
	static const struct {
		const char *zone;
		time_t when;
		int32_t seconds;
	} cases[] = {
		{"UTC0", 1700000000, 0},
		{"CET-1CEST,M3.5.0,M10.5.0/3", 1700000000, 3600}, /* November */
		{"CET-1CEST,M3.5.0,M10.5.0/3", 1690000000, 7200}, /* July */
		{"EST5", 1700000000, -18000},
		{"IST-5:30", 1700000000, 19800},
		{"XXX-14", 1700000000, 50400},
	};
	char *saved = getenv("TZ") ? strdup(getenv("TZ")) : NULL;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		setenv("TZ", cases[i].zone, 1);
		assert_int_equal(gmt_to_local(cases[i].when), cases[i].seconds);
	}
	setenv("TZ", "IST-5:30", 1);
	assert_int_equal(gmt_to_local(0), 19800); /* now */
	if (saved)
		setenv("TZ", saved, 1);
	else
		unsetenv("TZ");
	free(saved);
	tzset();
}

/* Prints as a program does that has nothing but the bytes. */
static const char *print(struct frame *f)
{
	static char text[512];
	int n;

	f_done(f);
	n = pfring_print_pkt(text, sizeof(text), f->b, f->n, f->n);
	assert_int_equal(n, strlen(text));
	return text;
}

#define MACS "02:00:00:00:00:01 > 02:00:00:00:00:02 "

static void test_packets_are_told_in_one_line(void **state)
{
	struct frame tcp = {.n = 0}, udp = {.n = 0}, icmp = {.n = 0}, arp = {.n = 0};
	struct frame lldp = {.n = 0}, middle = {.n = 0}, first = {.n = 0};

	(void)state;
	f_eth(&tcp, 0x0800);
	f_ip4(&tcp, IPPROTO_TCP, 1, 2, 0, 0);
	f_tcp(&tcp, 1234, 443, 0);
	assert_string_equal(print(&tcp), MACS "IPv4 TCP 10.0.0.1:1234 > 10.0.0.2:443 tos 0x28 "
					      "[PSH,ACK] seq 287454020 ack 1432778632 len 54\n");

	f_eth(&udp, 0x88a8);
	f_tag(&udp, 100, 0x8100);
	f_tag(&udp, 200, 0x86dd);
	f_ip6(&udp, IPPROTO_UDP, 1, 2);
	f_udp(&udp, 53, 5353);
	assert_string_equal(print(&udp), MACS "vlan 100.200 IPv6 UDP [2001:db8::1]:53 > "
					      "[2001:db8::2]:5353 tos 0x28 len 70\n");

	f_eth(&icmp, 0x0800);
	f_ip4(&icmp, IPPROTO_ICMP, 1, 2, 0, 0);
	f_32(&icmp, 0x03010000);
	f_32(&icmp, 0);
	assert_string_equal(print(&icmp),
			    MACS "IPv4 ICMP 10.0.0.1 > 10.0.0.2 tos 0x28 type 3 code 1 len 42\n");

	f_eth(&arp, 0x0806);
	f_fill(&arp, 0, 28);
	assert_string_equal(print(&arp), MACS "ARP len 42\n");

	f_eth(&lldp, 0x88cc);
	assert_string_equal(print(&lldp), MACS "type 0x88cc len 14\n");

	f_eth(&first, 0x0800);
	f_ip4(&first, IPPROTO_UDP, 1, 2, 0x2000, 0);
	f_udp(&first, 7, 8);
	assert_string_equal(print(&first), MACS "IPv4 UDP 10.0.0.1:7 > 10.0.0.2:8 tos 0x28 "
						"first fragment len 42\n");

	f_eth(&middle, 0x0800);
	f_ip4(&middle, 99, 1, 2, 0x0003, 0);
	assert_string_equal(print(&middle), MACS "IPv4 proto 99 10.0.0.1 > 10.0.0.2 tos 0x28 "
						 "fragment len 34\n");
}

static void test_a_tunnel_is_told_with_what_is_inside(void **state)
{
	struct frame f = {.n = 0};

	(void)state;
	f_eth(&f, 0x0800);
	f_ip4(&f, IPPROTO_UDP, 1, 2, 0, 0);
	f_udp(&f, 40000, 4789);
	f_32(&f, 0x08000000);
	f_32(&f, 77 << 8);
	f_eth(&f, 0x86dd);
	f_ip6(&f, IPPROTO_TCP, 3, 4);
	f_tcp(&f, 5, 6, 0);
	assert_string_equal(print(&f), MACS "IPv4 UDP 10.0.0.1:40000 > 10.0.0.2:4789 tos 0x28 "
					    "tunnel 77 { TCP [2001:db8::3]:5 > [2001:db8::4]:6 } "
					    "len 124\n");
}

static void test_a_cut_or_broken_packet_is_told_as_such(void **state)
{
	static const u_char bytes[34] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0};
	char text[128];

	(void)state;
	pfring_print_pkt(text, sizeof(text), bytes, 60, 13);
	assert_string_equal(text, "no Ethernet frame len 60 captured 13\n");
	pfring_print_pkt(text, sizeof(text), bytes, 60, 20);
	assert_string_equal(text, MACS "type 0x0800 len 60 captured 20\n");
}

static void test_a_parsed_header_is_believed_and_its_hash_told(void **state)
{
	struct frame f = {.n = 0};
	struct pfring_pkthdr h = {.caplen = 42, .len = 42};
	char text[256];

	(void)state;
	f_eth(&f, 0x0800);
	f_ip4(&f, IPPROTO_UDP, 1, 2, 0, 0);
	f_udp(&f, 7, 8);
	f_done(&f);
	assert_int_equal(pfring_parse_pkt(f.b, &h, 4, 0, 0), 4);
	h.extended_hdr.pkt_hash = 0xabcd;
	h.extended_hdr.parsed_pkt.l4_dst_port = 9;
	pfring_print_parsed_pkt(text, sizeof(text), NULL, &h);
	assert_string_equal(text, MACS "IPv4 UDP 10.0.0.1:7 > 10.0.0.2:9 tos 0x28 "
				       "hash 0x0000abcd len 42\n");
}

static void test_a_line_that_does_not_fit_still_ends(void **state)
{
	struct frame f = {.n = 0};
	char whole[256], text[256];
	int n;

	(void)state;
	f_eth(&f, 0x0800);
	f_ip4(&f, IPPROTO_TCP, 1, 2, 0, 0);
	f_tcp(&f, 1234, 443, 0);
	f_done(&f);
	n = pfring_print_pkt(whole, sizeof(whole), f.b, f.n, f.n);
	for (int room = 2; room <= n + 1; room++) {
		memset(text, 'x', sizeof(text));
		assert_int_equal(pfring_print_pkt(text, (u_int)room, f.b, f.n, f.n), room - 1);
		assert_memory_equal(text, whole, (size_t)room - 2);
		assert_string_equal(text + room - 2, "\n");
		assert_int_equal(text[room], 'x');
	}
	assert_int_equal(pfring_print_pkt(text, 1, f.b, f.n, f.n), -EINVAL);
	assert_int_equal(pfring_print_pkt(text, 0, f.b, f.n, f.n), -EINVAL);
}

/* In a child: what it does to a process must not happen to the other tests. */
static void test_a_preference_only_ever_lowers_the_nice_value(void **state)
{
	static const struct {
		int before;
		u_short percent;
		int after;
	} cases[] = {
		{0, 0, 0}, {5, 0, 5}, {0, 50, -10}, {0, 100, -20}, {0, 65535, -20}, {3, 25, -5},
	};
	pid_t pid;
	int status;

	(void)state;
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		struct rlimit now;
		bool may = geteuid() == 0 || (!getrlimit(RLIMIT_NICE, &now) && now.rlim_cur >= 40);

		for (size_t i = 0; i < COUNT(cases); i++) {
			int want = may ? cases[i].after : cases[i].before;

			if (setpriority(PRIO_PROCESS, 0, cases[i].before) && may)
				_exit(99);
			if (!may)
				want = getpriority(PRIO_PROCESS, 0);
			errno = 77;
			pfring_config(cases[i].percent);
			if (errno != 77 || getpriority(PRIO_PROCESS, 0) != want)
				_exit((int)i + 1);
		}
		pfring_config(1);
		_exit(may && getpriority(PRIO_PROCESS, 0) != -5 ? 98 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_have_their_thousands_apart),
		cmocka_unit_test(test_a_number_never_overruns_its_buffer),
		cmocka_unit_test(test_the_largest_number_fits_the_inner_buffer),
		cmocka_unit_test(test_local_time_is_told_in_seconds_east_of_utc),
		cmocka_unit_test(test_packets_are_told_in_one_line),
		cmocka_unit_test(test_a_tunnel_is_told_with_what_is_inside),
		cmocka_unit_test(test_a_cut_or_broken_packet_is_told_as_such),
		cmocka_unit_test(test_a_parsed_header_is_believed_and_its_hash_told),
		cmocka_unit_test(test_a_line_that_does_not_fit_still_ends),
		cmocka_unit_test(test_a_preference_only_ever_lowers_the_nice_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
