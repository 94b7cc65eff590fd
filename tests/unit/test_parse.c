/* SPDX-License-Identifier: BSD-3-Clause */
/* The parser on what it is made for, header by header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "frame.h"
#include "parse.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct pkt_parsing_info info;
static u_int32_t frag;

static int parse(const struct frame *f)
{
	return pfri_parse(f->b, f->n, 5, &info, &frag);
}

static bool is_v6(const ip_addr *a, u_int n)
{
	struct in6_addr want;

	v6(&want, n);
	return !memcmp(&a->v6, &want, 16);
}

static void test_less_than_an_ethernet_header_is_level_0(void **state)
{
	static const u_char bytes[14] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 8, 0};

	(void)state;
	for (u_int n = 0; n < 14; n++) {
		assert_int_equal(pfri_parse(bytes, n, 5, &info, &frag), 0);
		assert_int_equal(info.offset.eth_offset, -1);
		assert_int_equal(info.offset.l3_offset, -1);
		assert_int_equal(info.eth_type, 0);
	}
	assert_int_equal(pfri_parse(bytes, 14, 5, &info, &frag), 2);
	assert_memory_equal(info.dmac, bytes, 6);
	assert_memory_equal(info.smac, bytes + 6, 6);
	assert_int_equal(info.eth_type, 0x0800);
	assert_int_equal(info.offset.eth_offset, 0);
	assert_int_equal(info.offset.l3_offset, 14);
}

static void test_tags_of_every_kind_and_number(void **state)
{
	static const struct {
		u_int tpid[4], tags, vlan, qinq;
	} cases[] = {
		{{0}, 0, 0, 0},
		{{0x8100}, 1, 101, 0},
		{{0x88a8}, 1, 101, 0},
		{{0x88a8, 0x8100}, 2, 101, 102},
		{{0x8100, 0x8100}, 2, 101, 102},
		{{0x8100, 0x88a8}, 2, 101, 102},
		{{0x9100, 0x8100}, 2, 101, 102},
		{{0x88a8, 0x8100, 0x8100}, 3, 101, 102},
		{{0x88a8, 0x88a8, 0x8100, 0x8100}, 4, 101, 102},
	};

	(void)state;
	for (size_t c = 0; c < COUNT(cases); c++) {
		for (u_int version = 4; version <= 6; version += 2) {
			u_int ip_type = version == 4 ? 0x0800 : 0x86dd, l3;
			struct frame f = {.n = 0};

			f_eth(&f, cases[c].tags ? cases[c].tpid[0] : ip_type);
			for (u_int t = 0; t < cases[c].tags; t++) /* priority 7, DEI, VID */
				f_tag(&f, 0xf000 | (101 + t),
				      t + 1 < cases[c].tags ? cases[c].tpid[t + 1] : ip_type);
			l3 = f.n;
			if (version == 4)
				f_ip4(&f, IPPROTO_UDP, 1, 2, 0, 0);
			else
				f_ip6(&f, IPPROTO_UDP, 1, 2);
			f_udp(&f, 1000, 53);
			f_done(&f);

			assert_int_equal(parse(&f), 4);
			assert_int_equal(info.eth_type, ip_type);
			assert_int_equal(info.vlan_id, cases[c].vlan);
			assert_int_equal(info.qinq_vlan_id, cases[c].qinq);
			assert_int_equal(info.offset.vlan_offset, cases[c].tags ? 14 : -1);
			assert_int_equal(info.offset.l3_offset, l3);
			assert_int_equal(info.ip_version, version);
			assert_int_equal(info.l4_dst_port, 53);
		}
	}
}

static void test_a_tag_that_is_cut_off_is_not_guessed(void **state)
{
	struct frame f = {.n = 0};

	(void)state;
	f_eth(&f, 0x8100);
	f_16(&f, 5);
	assert_int_equal(parse(&f), 2);
	assert_int_equal(info.eth_type, 0x8100);
	assert_int_equal(info.vlan_id, 0);
	assert_int_equal(info.offset.vlan_offset, -1);
	assert_int_equal(info.offset.l3_offset, -1);
}

static void test_mpls_stacks_carry_both_ip_versions(void **state)
{
	(void)state;
	for (u_int labels = 1; labels <= 5; labels++) {
		for (u_int version = 4; version <= 6; version += 2) {
			struct frame f = {.n = 0};
			u_int l3;

			f_eth(&f, labels & 1 ? 0x8847 : 0x8848);
			for (u_int i = 1; i <= labels; i++)
				f_mpls(&f, 1000 + i, i == labels);
			l3 = f.n;
			if (version == 4)
				f_ip4(&f, IPPROTO_TCP, 1, 2, 0, 0);
			else
				f_ip6(&f, IPPROTO_TCP, 1, 2);
			f_tcp(&f, 1000, 80, 0);
			f_done(&f);

			assert_int_equal(parse(&f), 4);
			assert_int_equal(info.eth_type, version == 4 ? 0x0800 : 0x86dd);
			assert_int_equal(info.ip_version, version);
			assert_int_equal(info.offset.l3_offset, l3);
			assert_int_equal(info.l4_dst_port, 80);
		}
	}
}

static void test_mpls_without_ip_or_without_end_stays_mpls(void **state)
{
	struct frame pw = {.n = 0}, endless = {.n = 0};

	(void)state;
	f_eth(&pw, 0x8847);
	f_mpls(&pw, 16, 1);
	f_32(&pw, 0); /* control word of a pseudo wire */
	f_eth(&pw, 0x0800);
	assert_int_equal(parse(&pw), 2);
	assert_int_equal(info.eth_type, 0x8847);
	assert_int_equal(info.offset.l3_offset, 18);

	f_eth(&endless, 0x8847);
	for (int i = 0; i < 50; i++)
		f_mpls(&endless, 16, 0);
	assert_int_equal(parse(&endless), 2);
	assert_int_equal(info.eth_type, 0x8847);
	assert_int_equal(info.offset.l3_offset, -1);
}

static void test_every_field_of_tcp_over_ipv4(void **state)
{
	struct frame f = {.n = 0};

	(void)state;
	f_eth(&f, 0x0800);
	f_ip4(&f, IPPROTO_TCP, 1, 2, 0x4000, 8);
	f_tcp(&f, 12345, 443, 12);
	f_fill(&f, 'x', 10);
	f_done(&f);
	assert_int_equal(parse(&f), 4);
	assert_int_equal(info.ip_version, 4);
	assert_int_equal(info.l3_proto, IPPROTO_TCP);
	assert_int_equal(info.ip_tos, 0x28);
	assert_int_equal(info.ipv4_src, 0x0a000001);
	assert_int_equal(info.ipv4_dst, 0x0a000002);
	assert_int_equal(info.l4_src_port, 12345);
	assert_int_equal(info.l4_dst_port, 443);
	assert_int_equal(info.tcp.flags, 0x18);
	assert_int_equal(info.tcp.seqNum, 0x11223344);
	assert_int_equal(info.tcp.ackNum, 0x55667788);
	assert_int_equal(info.offset.l3_offset, 14);
	assert_int_equal(info.offset.l4_offset, 14 + 28);
	assert_int_equal(info.offset.payload_offset, 14 + 28 + 32);
	assert_true(info.tunnel.tunnel_id == NO_TUNNEL_ID);
	assert_int_equal(frag, 0);
}

static void test_every_field_of_tcp_over_ipv6(void **state)
{
	struct frame f = {.n = 0};

	(void)state;
	f_eth(&f, 0x86dd);
	f_ip6(&f, IPPROTO_TCP, 1, 2);
	f_tcp(&f, 12345, 443, 0);
	f_done(&f);
	assert_int_equal(parse(&f), 4);
	assert_int_equal(info.ip_version, 6);
	assert_int_equal(info.l3_proto, IPPROTO_TCP);
	assert_int_equal(info.ip_tos, 0x28);
	assert_true(is_v6(&info.ip_src, 1));
	assert_true(is_v6(&info.ip_dst, 2));
	assert_int_equal(info.l4_src_port, 12345);
	assert_int_equal(info.l4_dst_port, 443);
	assert_int_equal(info.offset.l4_offset, 54);
	assert_int_equal(info.offset.payload_offset, 74);
}

static void test_transports_over_both_versions(void **state)
{
	static const struct {
		u_int proto4, proto6, level, ports;
		int payload; /* from l4, -1: none */
	} cases[] = {
		{IPPROTO_UDP, IPPROTO_UDP, 4, 1, 8},
		{IPPROTO_UDPLITE, IPPROTO_UDPLITE, 4, 1, 8},
		{IPPROTO_SCTP, IPPROTO_SCTP, 4, 1, 12},
		{IPPROTO_ICMP, IPPROTO_ICMPV6, 4, 0, 8},
		{89, 89, 3, 0, 0},		     /* OSPF: only where it is */
		{IPPROTO_ESP, IPPROTO_ESP, 3, 0, 0}, /* what follows is encrypted */
	};
	static const u_char l4[16] = {0x30, 0x39, 0x01, 0xbb};

	(void)state;
	for (size_t c = 0; c < COUNT(cases); c++) {
		for (u_int version = 4; version <= 6; version += 2) {
			struct frame f = {.n = 0};
			int at;

			f_eth(&f, version == 4 ? 0x0800 : 0x86dd);
			if (version == 4)
				f_ip4(&f, cases[c].proto4, 1, 2, 0, 0);
			else
				f_ip6(&f, cases[c].proto6, 1, 2);
			at = (int)f.n;
			f_bytes(&f, l4, sizeof(l4));
			f_done(&f);
			assert_int_equal(parse(&f), cases[c].level);
			assert_int_equal(info.l3_proto,
					 version == 4 ? cases[c].proto4 : cases[c].proto6);
			assert_int_equal(info.l4_src_port, cases[c].ports ? 0x3039 : 0);
			assert_int_equal(info.l4_dst_port, cases[c].ports ? 443 : 0);
			assert_int_equal(info.icmp_type,
					 cases[c].proto4 == IPPROTO_ICMP ? 0x30 : 0);
			assert_int_equal(info.icmp_code,
					 cases[c].proto4 == IPPROTO_ICMP ? 0x39 : 0);
			assert_int_equal(info.offset.l4_offset, at);
			assert_int_equal(info.offset.payload_offset, at + cases[c].payload);
		}
	}
}

static void test_ipv6_extension_headers_are_walked(void **state)
{
	static const struct {
		u_int chain[6], n; /* the last is the transport */
		u_int more;	   /* length of each, in 8 bytes beyond the first */
	} cases[] = {
		{{0, 17}, 2, 0},
		{{43, 17}, 2, 2},
		{{60, 17}, 2, 255},
		{{0, 60, 43, 17}, 4, 1},
		{{60, 60, 60, 60, 60, 17}, 6, 0},
	};

	(void)state;
	for (size_t c = 0; c < COUNT(cases); c++) {
		struct frame f = {.n = 0};
		u_int at;

		f_eth(&f, 0x86dd);
		f_ip6(&f, cases[c].chain[0], 1, 2);
		for (u_int i = 1; i < cases[c].n; i++)
			f_ext(&f, cases[c].chain[i], cases[c].more);
		at = f.n;
		f_udp(&f, 1000, 53);
		f_done(&f);
		assert_int_equal(parse(&f), 4);
		assert_int_equal(info.l3_proto, IPPROTO_UDP);
		assert_int_equal(info.offset.l4_offset, at);
		assert_int_equal(info.l4_src_port, 1000);
		assert_int_equal(frag, 0);
	}
}

static void test_ipv6_authentication_header_has_its_own_length_unit(void **state)
{
	struct frame f = {.n = 0};

	(void)state;
	f_eth(&f, 0x86dd);
	f_ip6(&f, IPPROTO_AH, 1, 2);
	f_8(&f, IPPROTO_TCP);
	f_8(&f, 4); /* 6 words */
	f_fill(&f, 0, 22);
	f_tcp(&f, 1, 2, 0);
	f_done(&f);
	assert_int_equal(parse(&f), 4);
	assert_int_equal(info.l3_proto, IPPROTO_TCP);
	assert_int_equal(info.offset.l4_offset, 54 + 24);
}

static void test_ipv6_chains_that_end_early(void **state)
{
	struct frame none = {.n = 0}, cut = {.n = 0};

	(void)state;
	f_eth(&none, 0x86dd);
	f_ip6(&none, IPPROTO_NONE, 1, 2);
	f_udp(&none, 1, 2); /* after "no next header" nothing may be looked at */
	f_done(&none);
	assert_int_equal(parse(&none), 3);
	assert_int_equal(info.l3_proto, IPPROTO_NONE);
	assert_int_equal(info.offset.l4_offset, -1);
	assert_int_equal(info.l4_src_port, 0);

	f_eth(&cut, 0x86dd);
	f_ip6(&cut, IPPROTO_HOPOPTS, 1, 2);
	f_8(&cut, IPPROTO_UDP);
	f_8(&cut, 9);
	f_fill(&cut, 0, 30);
	f_done(&cut);
	assert_int_equal(parse(&cut), 3);
	assert_int_equal(info.l3_proto, IPPROTO_HOPOPTS);
	assert_true(is_v6(&info.ip_src, 1));
	assert_int_equal(info.offset.l4_offset, -1);
}

static void test_only_the_first_fragment_has_ports(void **state)
{
	static const struct {
		u_int offset, more, flags, ports;
	} cases[] = {
		{0, 0, 0, 1},
		{0, 1, PKT_FLAGS_IP_MORE_FRAG, 1},
		{185, 1, PKT_FLAGS_IP_MORE_FRAG | PKT_FLAGS_IP_FRAG_OFFSET, 0},
		{370, 0, PKT_FLAGS_IP_FRAG_OFFSET, 0},
		{8191, 0, PKT_FLAGS_IP_FRAG_OFFSET, 0},
	};

	(void)state;
	for (size_t c = 0; c < COUNT(cases); c++) {
		for (u_int version = 4; version <= 6; version += 2) {
			struct frame f = {.n = 0};
			u_int at;

			f_eth(&f, version == 4 ? 0x0800 : 0x86dd);
			if (version == 4) {
				f_ip4(&f, IPPROTO_UDP, 1, 2, cases[c].offset | cases[c].more << 13,
				      4);
			} else {
				f_ip6(&f, IPPROTO_FRAGMENT, 1, 2);
				f_frag6(&f, IPPROTO_UDP, cases[c].offset, (int)cases[c].more);
			}
			at = f.n;
			f_udp(&f, 1000, 53);
			f_done(&f);
			assert_int_equal(parse(&f), cases[c].ports ? 4 : 3);
			assert_int_equal(frag, cases[c].flags);
			assert_int_equal(info.l3_proto, IPPROTO_UDP);
			assert_int_equal(info.l4_src_port, cases[c].ports ? 1000 : 0);
			assert_int_equal(info.l4_dst_port, cases[c].ports ? 53 : 0);
			assert_int_equal(info.offset.l4_offset, cases[c].ports ? (int)at : -1);
			assert_int_equal(info.offset.payload_offset, cases[c].ports ? at + 8 : at);
		}
	}
}

static void test_a_level_goes_no_further_than_asked(void **state)
{
	struct frame f = {.n = 0};

	(void)state;
	f_eth(&f, 0x8100);
	f_tag(&f, 7, 0x0800);
	f_ip4(&f, IPPROTO_UDP, 1, 2, 0, 0);
	f_udp(&f, 1000, 4789);
	f_32(&f, 0x08000000);
	f_32(&f, 77 << 8);
	f_eth(&f, 0x86dd);
	f_ip6(&f, IPPROTO_TCP, 3, 4);
	f_tcp(&f, 3000, 4000, 0);
	f_done(&f);
	for (int level = 0; level <= 9; level++) {
		int reached = pfri_parse(f.b, f.n, level, &info, &frag);

		assert_int_equal(reached, level < 2 ? 2 : level > 5 ? 5 : level);
		assert_int_equal(info.vlan_id, 7);
		assert_int_equal(info.ip_version, level >= 3 ? 4 : 0);
		assert_int_equal(info.offset.l4_offset, level >= 3 ? 38 : -1);
		assert_int_equal(info.l4_src_port, level >= 4 ? 1000 : 0);
		assert_int_equal(info.offset.payload_offset, level >= 4 ? 46 : -1);
		assert_int_equal(info.tunnel.tunneled_ip_version, level >= 5 ? 6 : 0);
		assert_int_equal(info.tunnel.tunnel_id, level >= 5 ? 77 : NO_TUNNEL_ID);
	}
}

static void test_padding_is_not_taken_for_headers(void **state)
{
	(void)state;
	for (u_int version = 4; version <= 6; version += 2) {
		struct frame f = {.n = 0};

		f_eth(&f, version == 4 ? 0x0800 : 0x86dd);
		if (version == 4)
			f_ip4(&f, IPPROTO_UDP, 1, 2, 0, 0);
		else
			f_ip6(&f, IPPROTO_UDP, 1, 2);
		f_16(&f, 1000); /* the datagram ends in the middle of the ports */
		f_done(&f);
		f_fill(&f, 0xee, 40);
		assert_int_equal(parse(&f), 3);
		assert_int_equal(info.l4_src_port, 0);
		assert_int_equal(info.l4_dst_port, 0);
		assert_int_equal(info.offset.payload_offset, -1);
	}
}

static void test_a_length_of_zero_is_a_gso_frames(void **state)
{
	(void)state;
	for (u_int version = 4; version <= 6; version += 2) {
		struct frame f = {.n = 0};

		f_eth(&f, version == 4 ? 0x0800 : 0x86dd);
		if (version == 4)
			f_ip4(&f, IPPROTO_TCP, 1, 2, 0, 0);
		else
			f_ip6(&f, IPPROTO_TCP, 1, 2);
		f_tcp(&f, 1000, 80, 0);
		assert_int_equal(parse(&f), 4);
		assert_int_equal(info.l4_dst_port, 80);
	}
}

static void test_malformed_headers_end_the_walk(void **state)
{
	static const struct {
		u_int at, value, level;
		const char *what;
	} cases[] = {
		{14, 0x44, 2, "header of 16 bytes"},
		{14, 0x40, 2, "header of no bytes"},
		{14, 0x65, 2, "version 6 behind type 0x0800"},
		{14, 0x55, 2, "version 5"},
		{14, 0x4f, 3, "options reach behind the datagram"},
		{17, 19, 3, "total length inside the header"},
		{17, 20, 3, "total length is the header's"},
		{46, 0x40, 4, "TCP header of 16 bytes"},
		{46, 0xf0, 4, "TCP header longer than the packet"},
	};

	(void)state;
	for (size_t c = 0; c < COUNT(cases); c++) {
		struct frame f = {.n = 0};
		int level;

		f_eth(&f, 0x0800);
		f_ip4(&f, IPPROTO_TCP, 1, 2, 0, 0);
		f_tcp(&f, 1000, 80, 0);
		f_done(&f);
		f.b[cases[c].at] = (u_char)cases[c].value;
		level = parse(&f);
		if (level != (int)cases[c].level || info.offset.payload_offset != -1)
			fail_msg("%s: level %d, payload at %d", cases[c].what, level,
				 info.offset.payload_offset);
		assert_int_equal(info.ip_version, level >= 3 ? 4 : 0);
		assert_int_equal(info.l4_dst_port, level >= 4 ? 80 : 0);
	}
}

static void test_offsets_stay_in_16_bits_on_the_largest_frames(void **state)
{
	static u_char big[MAX_CAPLEN];
	struct frame f = {.n = 0};
	u_int at;

	(void)state;
	f_eth(&f, 0x86dd);
	f_ip6(&f, IPPROTO_DSTOPTS, 1, 2);
	memcpy(big, f.b, f.n);
	for (at = f.n; at + 2048 <= sizeof(big); at += 2048) {
		big[at] = IPPROTO_DSTOPTS;
		big[at + 1] = 255;
	}
	assert_int_equal(pfri_parse(big, sizeof(big), 5, &info, &frag), 3);
	assert_int_equal(info.l3_proto, IPPROTO_DSTOPTS);
	assert_int_equal(info.offset.l4_offset, -1);

	/* Nor does a cut-off tag soup run away. */
	for (at = 12; at + 4 <= sizeof(big); at += 4)
		memcpy(big + at, "\x81\0\0\x01", 4);
	assert_int_equal(pfri_parse(big, sizeof(big), 5, &info, &frag), 2);
	assert_int_equal(info.offset.l3_offset, -1);
	assert_int_equal(info.vlan_id, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_less_than_an_ethernet_header_is_level_0),
		cmocka_unit_test(test_tags_of_every_kind_and_number),
		cmocka_unit_test(test_a_tag_that_is_cut_off_is_not_guessed),
		cmocka_unit_test(test_mpls_stacks_carry_both_ip_versions),
		cmocka_unit_test(test_mpls_without_ip_or_without_end_stays_mpls),
		cmocka_unit_test(test_every_field_of_tcp_over_ipv4),
		cmocka_unit_test(test_every_field_of_tcp_over_ipv6),
		cmocka_unit_test(test_transports_over_both_versions),
		cmocka_unit_test(test_ipv6_extension_headers_are_walked),
		cmocka_unit_test(test_ipv6_authentication_header_has_its_own_length_unit),
		cmocka_unit_test(test_ipv6_chains_that_end_early),
		cmocka_unit_test(test_only_the_first_fragment_has_ports),
		cmocka_unit_test(test_a_level_goes_no_further_than_asked),
		cmocka_unit_test(test_padding_is_not_taken_for_headers),
		cmocka_unit_test(test_a_length_of_zero_is_a_gso_frames),
		cmocka_unit_test(test_malformed_headers_end_the_walk),
		cmocka_unit_test(test_offsets_stay_in_16_bits_on_the_largest_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
