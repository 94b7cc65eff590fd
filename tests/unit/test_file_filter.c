/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "file:" through the public calls on a trace of every kind of packet: each
 * filter gives what libpcap gives for the same file and the same expression,
 * byte for byte, and the books balance.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "capfile.h"
#include "filters.h"
#include "frame.h"

static char folder[] = "/tmp/pfring-filter-XXXXXX";
static char path[64], name[80];
static u_int total;

/* One frame of kind i: link, network and transport layers in all combinations. */
static void make_frame(struct frame *f, u_int i)
{
	static const u_int outer[] = {0, 0x8100, 0x88a8, 0x8100, 0x8847, 0x8864, 0x8100};
	static const u_int transports[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_SCTP};
	static const u_int ports[] = {80, 443, 53, 22, 1500, 8080};
	u_int link = i % 7, network = i / 7 % 5, transport = i / 35 % 4, end = 1 + i % 3;
	u_int type = network == 4 ? ETH_P_ARP : network >= 2 ? ETH_P_IPV6 : ETH_P_IP;
	u_int next = transports[transport];

	if (network >= 2 && next == IPPROTO_ICMP)
		next = IPPROTO_ICMPV6;
	memset(f, 0, sizeof(*f));
	f_eth(f, outer[link] ? outer[link] : type);
	if (i % 11 == 0)
		memset(f->b, 0xff, 6);
	if (link == 1)
		f_tag(f, 5, type);
	if (link == 2 || link == 3) {
		f_tag(f, 5, 0x8100);
		f_tag(f, 6, type);
	}
	if (link == 6)
		f_tag(f, 5, ETH_P_MPLS_UC);
	if (link == 4 || link == 6)
		f_mpls(f, 100, 1);
	if (link == 5) {
		f_16(f, 0x1100);
		f_16(f, 7);
		f_16(f, 60);
		f_16(f, network >= 2 ? 0x57 : 0x21);
	}
	if (network == 0) {
		f_ip4(f, next, end, 2, 0, 0);
	} else if (network == 1) {
		f_ip4(f, next, end, 254, i % 2 ? 0x2000 : 0x0010, 8);
	} else if (network == 2) {
		f_ip6(f, next, end, 2);
	} else if (network == 3) {
		f_ip6(f, 0, end, 2);
		f_ext(f, next, 0);
	} else {
		f_bytes(f, "\0\1\10\0\6\4\0\1\2\0\0\0\0\1\12\0\0\1\0\0\0\0\0\0\12\0\0\2", 28);
	}
	if (network < 4 && transport == 0)
		f_tcp(f, ports[i % 6], 1024 + i, i % 3 * 4);
	else if (network < 4 && transport == 1)
		f_udp(f, 1024 + i, ports[i / 2 % 6]);
	else
		f_fill(f, (u_char)i, 12);
	f_fill(f, (u_char)i, i * 13 % 1200);
	f_done(f);
}

static int make_trace(void **state)
{
	struct bytes b = {0};

	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/trace.pcap", folder);
	snprintf(name, sizeof(name), "file:%s", path);
	put_header(&b, 0xa1b2c3d4, 1000, 1);
	for (u_int i = 0; i < 1200; i++) {
		struct frame f;

		make_frame(&f, i);
		put32(&b, 1700000000);
		put32(&b, i);
		put32(&b, f.n > 1000 ? 1000 : f.n);
		put32(&b, f.n);
		put(&b, f.b, f.n > 1000 ? 1000 : f.n);
		total++;
	}
	save(path, &b, b.len);
	free(b.at);
	return 0;
}

static int remove_trace(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static u_int compare(const char *expr, pcap_t *want, pfring *ring)
{
	struct pfring_stats64 st = {.sz = sizeof(st)};
	struct pcap_pkthdr *wh;
	const u_char *wdata;
	struct pfring_pkthdr h;
	u_char *data;
	u_int n = 0;
	int ret;

	while ((ret = pfring_recv(ring, &data, 0, &h, 1)) == 1) {
		if (pcap_next_ex(want, &wh, &wdata) != 1)
			fail_msg("%s: more than libpcap's %u packets", expr, n);
		assert_int_equal(h.ts.tv_sec, wh->ts.tv_sec);
		assert_int_equal(h.ts.tv_usec, wh->ts.tv_usec);
		assert_int_equal(h.caplen, wh->caplen);
		assert_int_equal(h.len, wh->len);
		assert_memory_equal(data, wdata, wh->caplen);
		n++;
	}
	assert_int_equal(ret, -ENODATA);
	if (pcap_next_ex(want, &wh, &wdata) != PCAP_ERROR_BREAK)
		fail_msg("%s: only %u packets", expr, n);
	assert_int_equal(pfring_stats64(ring, &st), 0);
	assert_int_equal(st.recv, n);
	assert_int_equal(st.drop, 0);
	assert_int_equal(st.delivered, n);
	assert_int_equal(st.filtered_user, total - n);
	return n;
}

/* How many packets pass, or -1 if both refuse the expression with the same words. */
static int filter_both(const char *expr)
{
	char why[PCAP_ERRBUF_SIZE];
	pcap_t *want = pcap_open_offline(path, why);
	pfring *ring = pfring_open(name, 0, 0);
	struct bpf_program program;
	int n = -1;

	assert_non_null(want);
	assert_non_null(ring);
	assert_int_equal(pfring_enable_ring(ring), 0);
	if (pcap_compile(want, &program, expr, 1, 0)) {
		assert_int_equal(pfring_set_bpf_filter(ring, expr), -EINVAL);
		assert_non_null(strstr(pfring_last_error(), pcap_geterr(want)));
	} else {
		assert_int_equal(pcap_setfilter(want, &program), 0);
		pcap_freecode(&program);
		if (pfring_set_bpf_filter(ring, expr))
			fail_msg("%s", pfring_last_error());
		n = (int)compare(expr, want, ring);
	}
	pcap_close(want);
	pfring_close(ring);
	return n;
}

static void test_every_filter_gives_what_libpcap_gives(void **state)
{
	u_int selective = 0;

	(void)state;
	for (size_t i = 0; i < TEST_FILTERS; i++) {
		int n = filter_both(test_filters[i]);

		selective += n > 0 && n < (int)total;
	}
	/* The trace has something for most of them, or the comparison would be empty. */
	assert_true(selective >= 50);
}

static void test_vlan_filters_look_into_the_frame(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_VLAN_FILTERS; i++)
		assert_true(filter_both(test_vlan_filters[i]) > 0);
}

static void test_without_a_filter_everything_comes(void **state)
{
	(void)state;
	assert_int_equal(filter_both(""), total);
}

static void test_the_filter_of_open_holds_from_the_first_packet(void **state)
{
	struct pfring_open_options opts = {.sz = sizeof(opts), .filter = "arp"};
	pfring *ring = pfring_open_opts(name, &opts);
	struct pfring_pkthdr h;
	u_char *data;
	int n = 0;

	(void)state;
	assert_non_null(ring);
	assert_string_equal(pfring_get_backend(ring, NULL), "file");
	assert_int_equal(pfring_enable_ring(ring), 0);
	while (pfring_recv(ring, &data, 0, &h, 1) == 1)
		n++;
	assert_int_equal(n, filter_both("arp"));
	pfring_close(ring);
	opts.filter = "arp arp";
	assert_null(pfring_open_opts(name, &opts));
	assert_non_null(strstr(pfring_last_error(), "syntax error"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_filter_gives_what_libpcap_gives),
		cmocka_unit_test(test_vlan_filters_look_into_the_frame),
		cmocka_unit_test(test_without_a_filter_everything_comes),
		cmocka_unit_test(test_the_filter_of_open_holds_from_the_first_packet),
	};

	return cmocka_run_group_tests(tests, make_trace, remove_trace);
}
