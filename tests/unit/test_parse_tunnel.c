/* SPDX-License-Identifier: BSD-3-Clause */
/* The parser at level 5: each tunnel's header forms, and what is not a tunnel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
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

static void outer_ip(struct frame *f, u_int version, u_int proto)
{
	f_eth(f, version == 4 ? 0x0800 : 0x86dd);
	if (version == 4)
		f_ip4(f, proto, 1, 2, 0, 0);
	else
		f_ip6(f, proto, 1, 2);
}

static void outer_udp(struct frame *f, u_int version, u_int port)
{
	outer_ip(f, version, IPPROTO_UDP);
	f_udp(f, 40000, port);
}

/* Ends 3 and 4, ports 5000 and 443. */
static void inner_tcp(struct frame *f, u_int version)
{
	if (version == 4)
		f_ip4(f, IPPROTO_TCP, 3, 4, 0, 0);
	else
		f_ip6(f, IPPROTO_TCP, 3, 4);
	f_tcp(f, 5000, 443, 0);
	f_done(f);
}

static void assert_inner_tcp(u_int version)
{
	struct in6_addr src, dst;

	v6(&src, 3);
	v6(&dst, 4);
	assert_int_equal(info.tunnel.tunneled_ip_version, version);
	assert_int_equal(info.tunnel.tunneled_proto, IPPROTO_TCP);
	assert_int_equal(info.tunnel.tunneled_l4_src_port, 5000);
	assert_int_equal(info.tunnel.tunneled_l4_dst_port, 443);
	if (version == 4) {
		assert_int_equal(info.tunnel.tunneled_ip_src.v4, v4(3));
		assert_int_equal(info.tunnel.tunneled_ip_dst.v4, v4(4));
	} else {
		assert_memory_equal(&info.tunnel.tunneled_ip_src.v6, &src, 16);
		assert_memory_equal(&info.tunnel.tunneled_ip_dst.v6, &dst, 16);
	}
	assert_int_equal(frag, 0);
}

static void assert_no_inner(void)
{
	assert_int_equal(info.tunnel.tunneled_ip_version, 0);
	assert_int_equal(info.tunnel.tunneled_proto, 0);
	assert_int_equal(info.tunnel.tunneled_l4_src_port, 0);
}

/* Outer and inner version in all four combinations. */
#define FOR_VERSIONS(out, in)                                                                      \
	for (u_int out = 4; out <= 6; out += 2)                                                    \
		for (u_int in = 4; in <= 6; in += 2)

static void test_gre_with_each_set_of_options(void **state)
{
	static const u_int options[] = {0, 0x8000, 0x2000, 0x1000, 0xa000, 0x3000, 0xb000};

	(void)state;
	for (size_t i = 0; i < COUNT(options); i++) {
		FOR_VERSIONS(out, in)
		{
			struct frame f = {.n = 0};

			outer_ip(&f, out, IPPROTO_GRE);
			f_16(&f, options[i]);
			f_16(&f, in == 4 ? 0x0800 : 0x86dd);
			if (options[i] & 0x8000)
				f_32(&f, 0xaaaa0000);
			if (options[i] & 0x2000)
				f_32(&f, 0xdeadbeef);
			if (options[i] & 0x1000)
				f_32(&f, 77);
			inner_tcp(&f, in);
			assert_int_equal(parse(&f), 5);
			assert_int_equal(info.l3_proto, IPPROTO_GRE);
			assert_true(info.tunnel.tunnel_id ==
				    (options[i] & 0x2000 ? 0xdeadbeef : NO_TUNNEL_ID));
			assert_inner_tcp(in);
		}
	}
}

static void test_gre_carrying_ethernet(void **state)
{
	(void)state;
	FOR_VERSIONS(out, in)
	{
		struct frame f = {.n = 0};

		outer_ip(&f, out, IPPROTO_GRE);
		f_16(&f, 0);
		f_16(&f, 0x6558);
		f_eth(&f, 0x8100);
		f_tag(&f, 9, in == 4 ? 0x0800 : 0x86dd);
		inner_tcp(&f, in);
		assert_int_equal(parse(&f), 5);
		assert_int_equal(info.vlan_id, 0); /* the tag belongs to the inside */
		assert_inner_tcp(in);
	}
}

static void test_gre_of_other_kinds_is_not_opened(void **state)
{
	static const u_int heads[][2] = {
		{0x3001, 0x880b}, /* PPTP */
		{0x4000, 0x0800}, /* source routes of RFC 1701 */
		{0x0005, 0x0800}, /* version 5 */
	};

	(void)state;
	for (size_t i = 0; i < COUNT(heads); i++) {
		struct frame f = {.n = 0};

		outer_ip(&f, 4, IPPROTO_GRE);
		f_16(&f, heads[i][0]);
		f_16(&f, heads[i][1]);
		inner_tcp(&f, 4);
		assert_int_equal(parse(&f), 3);
		assert_true(info.tunnel.tunnel_id == NO_TUNNEL_ID);
		assert_no_inner();
	}
}

static void test_a_type_that_contradicts_the_packet_is_not_believed(void **state)
{
	struct frame f = {.n = 0};

	(void)state;
	outer_ip(&f, 4, IPPROTO_GRE);
	f_16(&f, 0);
	f_16(&f, 0x86dd);
	inner_tcp(&f, 4);
	assert_int_equal(parse(&f), 5);
	assert_no_inner();
}

static void test_vxlan_on_both_ports(void **state)
{
	static const u_int ports[] = {4789, 8472};

	(void)state;
	for (size_t i = 0; i < COUNT(ports); i++) {
		FOR_VERSIONS(out, in)
		{
			struct frame f = {.n = 0};

			outer_udp(&f, out, ports[i]);
			f_32(&f, 0x08000000);
			f_32(&f, 0xabcdefu << 8 | 0x55);
			f_eth(&f, in == 4 ? 0x0800 : 0x86dd);
			inner_tcp(&f, in);
			assert_int_equal(parse(&f), 5);
			assert_int_equal(info.tunnel.tunnel_id, 0xabcdef);
			assert_int_equal(info.l4_dst_port, ports[i]);
			assert_inner_tcp(in);
		}
	}
}

static void test_vxlan_needs_its_flag_and_its_destination_port(void **state)
{
	struct frame no_flag = {.n = 0}, reply = {.n = 0};

	(void)state;
	outer_udp(&no_flag, 4, 4789);
	f_32(&no_flag, 0);
	f_32(&no_flag, 5 << 8);
	f_eth(&no_flag, 0x0800);
	inner_tcp(&no_flag, 4);
	assert_int_equal(parse(&no_flag), 4);
	assert_true(info.tunnel.tunnel_id == NO_TUNNEL_ID);
	assert_no_inner();

	outer_ip(&reply, 4, IPPROTO_UDP);
	f_udp(&reply, 4789, 40000);
	f_32(&reply, 0x08000000);
	f_32(&reply, 5 << 8);
	f_eth(&reply, 0x0800);
	inner_tcp(&reply, 4);
	assert_int_equal(parse(&reply), 4);
	assert_no_inner();
}

static void test_vxlan_without_ip_inside_is_still_a_tunnel(void **state)
{
	struct frame f = {.n = 0};

	(void)state;
	outer_udp(&f, 4, 4789);
	f_32(&f, 0x08000000);
	f_32(&f, 5 << 8);
	f_eth(&f, 0x0806);
	f_fill(&f, 0, 28);
	f_done(&f);
	assert_int_equal(parse(&f), 5);
	assert_int_equal(info.tunnel.tunnel_id, 5);
	assert_no_inner();
}

static void test_geneve_with_and_without_options(void **state)
{
	(void)state;
	for (u_int words = 0; words <= 63; words += 21) {
		for (u_int bridged = 0; bridged <= 1; bridged++) {
			FOR_VERSIONS(out, in)
			{
				u_int ip_type = in == 4 ? 0x0800 : 0x86dd;
				struct frame f = {.n = 0};

				outer_udp(&f, out, 6081);
				f_8(&f, words);
				f_8(&f, 0);
				f_16(&f, bridged ? 0x6558 : ip_type);
				f_32(&f, 0x123456 << 8);
				f_fill(&f, 0x45, 4 * words);
				if (bridged)
					f_eth(&f, ip_type);
				inner_tcp(&f, in);
				assert_int_equal(parse(&f), 5);
				assert_int_equal(info.tunnel.tunnel_id, 0x123456);
				assert_inner_tcp(in);
			}
		}
	}
}

static void gtpu(struct frame *f, u_int flags, u_int type)
{
	f_8(f, 0x30 | flags);
	f_8(f, type);
	f_16(f, 0);
	f_32(f, 0xcafe0001);
}

static void test_gtpu_with_each_set_of_options(void **state)
{
	(void)state;
	for (u_int flags = 0; flags <= 3; flags++) { /* N-PDU number, sequence */
		FOR_VERSIONS(out, in)
		{
			struct frame f = {.n = 0};

			outer_udp(&f, out, 2152);
			gtpu(&f, flags, 255);
			if (flags) {
				f_16(&f, 7);
				f_8(&f, 0);
				f_8(&f, 0x85); /* no meaning without the E bit */
			}
			inner_tcp(&f, in);
			assert_int_equal(parse(&f), 5);
			assert_true(info.tunnel.tunnel_id == 0xcafe0001);
			assert_inner_tcp(in);
		}
	}
}

static void test_gtpu_extension_headers_are_skipped(void **state)
{
	(void)state;
	for (u_int headers = 0; headers <= 4; headers++) {
		FOR_VERSIONS(out, in)
		{
			struct frame f = {.n = 0};

			outer_udp(&f, out, 2152);
			gtpu(&f, 4, 255);
			f_16(&f, 0);
			f_8(&f, 0);
			f_8(&f, headers ? 0x85 : 0); /* PDU session container */
			for (u_int i = 1; i <= headers; i++) {
				f_8(&f, i);
				f_fill(&f, 0x11, 4 * i - 2);
				f_8(&f, i < headers ? 0x85 : 0);
			}
			inner_tcp(&f, in);
			assert_int_equal(parse(&f), 5);
			assert_inner_tcp(in);
		}
	}
}

static void test_gtpu_that_carries_no_packet(void **state)
{
	struct frame echo = {.n = 0}, endless = {.n = 0}, prime = {.n = 0};

	(void)state;
	outer_udp(&echo, 4, 2152);
	gtpu(&echo, 2, 1);
	inner_tcp(&echo, 4);
	assert_int_equal(parse(&echo), 5);
	assert_true(info.tunnel.tunnel_id == 0xcafe0001);
	assert_no_inner();

	outer_udp(&endless, 4, 2152); /* an extension header of length 0 */
	gtpu(&endless, 4, 255);
	f_32(&endless, 0x85);
	f_8(&endless, 0);
	inner_tcp(&endless, 4);
	assert_int_equal(parse(&endless), 5);
	assert_no_inner();

	outer_udp(&prime, 4, 2152); /* GTP', for billing */
	gtpu(&prime, 0, 255);
	prime.b[14 + 20 + 8] = 0x20;
	inner_tcp(&prime, 4);
	assert_int_equal(parse(&prime), 4);
	assert_no_inner();
}

static void test_ip_in_ip(void **state)
{
	(void)state;
	FOR_VERSIONS(out, in)
	{
		struct frame f = {.n = 0};

		outer_ip(&f, out, in == 4 ? IPPROTO_IPIP : IPPROTO_IPV6);
		inner_tcp(&f, in);
		assert_int_equal(parse(&f), 5);
		assert_true(info.tunnel.tunnel_id == NO_TUNNEL_ID);
		assert_inner_tcp(in);
	}
}

static void test_a_fragment_inside_is_told_apart_from_one_outside(void **state)
{
	struct frame in = {.n = 0}, out = {.n = 0};

	(void)state;
	outer_ip(&in, 6, IPPROTO_IPIP);
	f_ip4(&in, IPPROTO_UDP, 3, 4, 0x2000, 0);
	f_udp(&in, 5000, 443);
	f_done(&in);
	assert_int_equal(parse(&in), 5);
	assert_int_equal(frag, PFRI_FRAG_INNER);
	assert_int_equal(info.tunnel.tunneled_l4_src_port, 5000);

	f_eth(&out, 0x0800); /* the middle of a tunnelled datagram: looks like IP by chance */
	f_ip4(&out, IPPROTO_IPIP, 1, 2, 0x2001, 0);
	inner_tcp(&out, 4);
	assert_int_equal(parse(&out), 3);
	assert_int_equal(frag, PKT_FLAGS_IP_MORE_FRAG | PKT_FLAGS_IP_FRAG_OFFSET);
	assert_no_inner();
}

static void build_all(struct frame f[4])
{
	memset(f, 0, 4 * sizeof(f[0]));
	f_eth(&f[0], 0x88a8);
	f_tag(&f[0], 1, 0x8100);
	f_tag(&f[0], 2, 0x8847);
	f_mpls(&f[0], 16, 0);
	f_mpls(&f[0], 17, 1);
	f_ip6(&f[0], 0, 1, 2);
	f_ext(&f[0], IPPROTO_FRAGMENT, 1);
	f_frag6(&f[0], IPPROTO_DSTOPTS, 0, 1);
	f_ext(&f[0], IPPROTO_TCP, 0);
	f_tcp(&f[0], 1, 2, 12);
	f_done(&f[0]);

	outer_ip(&f[1], 4, IPPROTO_GRE);
	f_16(&f[1], 0xb000);
	f_16(&f[1], 0x6558);
	f_fill(&f[1], 1, 12);
	f_eth(&f[1], 0x8100);
	f_tag(&f[1], 2, 0x86dd);
	inner_tcp(&f[1], 6);

	outer_udp(&f[2], 6, 2152);
	gtpu(&f[2], 4, 255);
	f_32(&f[2], 0x85);
	f_8(&f[2], 1);
	f_16(&f[2], 0);
	f_8(&f[2], 0);
	inner_tcp(&f[2], 4);

	outer_udp(&f[3], 4, 4789);
	f_32(&f[3], 0x08000000);
	f_32(&f[3], 5 << 8);
	f_eth(&f[3], 0x0800);
	inner_tcp(&f[3], 4);
}

static void test_a_shorter_capture_tells_less_and_nothing_else(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	u_char *guard =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct frame f[4];

	(void)state;
	assert_true(guard != MAP_FAILED && mprotect(guard + page, page, PROT_NONE) == 0);
	build_all(f);
	for (size_t i = 0; i < COUNT(f); i++) {
		struct pkt_parsing_info whole, *part = &info;
		int before = 0, level;

		level = pfri_parse(f[i].b, f[i].n, 5, &whole, &frag);
		assert_int_equal(level, i ? 5 : 4);
		for (u_int n = 0; n <= f[i].n; n++) {
			u_char *p = guard + page - n; /* one byte further is a crash */
			const int16_t *offsets = &part->offset.eth_offset;
			const int16_t *all = &whole.offset.eth_offset;

			memcpy(p, f[i].b, n);
			level = pfri_parse(p, n, 5, part, &frag);
			assert_true(level >= before);
			before = level;
			for (size_t o = 0; o < 5; o++) {
				assert_true(offsets[o] == -1 || offsets[o] == all[o]);
				assert_true(offsets[o] <= (int)n);
			}
			assert_true(!part->l4_src_port || part->l4_src_port == whole.l4_src_port);
			assert_true(!part->vlan_id || part->vlan_id == whole.vlan_id);
			assert_true(!part->tunnel.tunneled_l4_dst_port ||
				    part->tunnel.tunneled_l4_dst_port ==
					    whole.tunnel.tunneled_l4_dst_port);
			assert_true(part->tunnel.tunnel_id == NO_TUNNEL_ID ||
				    part->tunnel.tunnel_id == whole.tunnel.tunnel_id);
		}
		assert_memory_equal(part, &whole, sizeof(whole));
	}
	munmap(guard, 2 * page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gre_with_each_set_of_options),
		cmocka_unit_test(test_gre_carrying_ethernet),
		cmocka_unit_test(test_gre_of_other_kinds_is_not_opened),
		cmocka_unit_test(test_a_type_that_contradicts_the_packet_is_not_believed),
		cmocka_unit_test(test_vxlan_on_both_ports),
		cmocka_unit_test(test_vxlan_needs_its_flag_and_its_destination_port),
		cmocka_unit_test(test_vxlan_without_ip_inside_is_still_a_tunnel),
		cmocka_unit_test(test_geneve_with_and_without_options),
		cmocka_unit_test(test_gtpu_with_each_set_of_options),
		cmocka_unit_test(test_gtpu_extension_headers_are_skipped),
		cmocka_unit_test(test_gtpu_that_carries_no_packet),
		cmocka_unit_test(test_ip_in_ip),
		cmocka_unit_test(test_a_fragment_inside_is_told_apart_from_one_outside),
		cmocka_unit_test(test_a_shorter_capture_tells_less_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
