/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Compiling expressions. The oracle is libpcap itself, linked into the test
 * and called the way tcpdump calls it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pcap/pcap.h>

#include "backend.h"
#include "bpf_vm.h"
#include "filter.h"
#include "filters.h"

#define ETHERNET 1

static const struct pfri_ops live_ops = {.name = "live", .caps = PFRI_CAP_KERNEL_VIEW};
static const struct pfri_ops file_ops = {.name = "file", .caps = PFRI_CAP_EOF};
static const struct pfri_ops tagged_ops = {.name = "tagged"};

static struct pfri_ring *ring_of(const struct pfri_ops *ops, const char *device)
{
	struct pfri_ring *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->ops = ops;
	r->linktype = ETHERNET;
	r->opt.caplen = MAX_CAPLEN;
	strcpy(r->name.device, device);
	return r;
}

static void assert_libpcap_compiles_the_same(const struct pfri_prog *prog, pcap_t *oracle,
					     const char *expr)
{
	struct bpf_program want;

	if (pcap_compile(oracle, &want, expr, 1, 0))
		fail_msg("libpcap: %s: %s", expr, pcap_geterr(oracle));
	if (prog->len != want.bf_len ||
	    memcmp(prog->insn, want.bf_insns, want.bf_len * sizeof(*want.bf_insns)))
		fail_msg("%s: other code than libpcap's", expr);
	pcap_freecode(&want);
}

static void compile_all(const struct pfri_ops *ops, const char *const *exprs, size_t n)
{
	struct pfri_ring *r = ring_of(ops, "no-such-device0");
	pcap_t *oracle = pcap_open_dead(DLT_EN10MB, MAX_CAPLEN);

	for (size_t i = 0; i < n; i++) {
		if (pfri_filter_compile(r, exprs[i], &r->prog))
			fail_msg("%s: %s", exprs[i], pfring_last_error());
		assert_libpcap_compiles_the_same(&r->prog, oracle, exprs[i]);
	}
	pcap_close(oracle);
	free(r);
}

static void test_expressions_compile_as_libpcap_compiles_them_without_a_device(void **state)
{
	(void)state;
	assert_true(TEST_FILTERS >= 60);
	compile_all(&live_ops, test_filters, TEST_FILTERS);
}

static void test_vlan_is_read_from_the_frame_where_tags_are_in_it(void **state)
{
	(void)state;
	compile_all(&tagged_ops, test_vlan_filters, TEST_VLAN_FILTERS);
	compile_all(&file_ops, test_vlan_filters, TEST_VLAN_FILTERS);
}

static void test_vlan_on_a_live_handle_asks_the_device(void **state)
{
	struct pfri_ring *r = ring_of(&live_ops, "no-such-device0");

	(void)state;
	assert_true(pfri_filter_compile(r, "tcp and (vlan)", &r->prog) < 0);
	assert_non_null(strstr(pfring_last_error(), "no-such-device0"));
	/* The letters alone are no keyword. */
	assert_int_equal(pfri_filter_compile(r, "port vlan-http", &r->prog), -EINVAL);
	assert_non_null(strstr(pfring_last_error(), "unknown port 'vlan-http'"));
	free(r);
}

static void test_no_expression_is_no_filter(void **state)
{
	struct pfri_ring *r = ring_of(&live_ops, "lo");
	const char *const none[] = {NULL, "", "  \t\n"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		r->prog.len = 7;
		assert_int_equal(pfri_filter_compile(r, none[i], &r->prog), 0);
		assert_int_equal(r->prog.len, 0);
	}
	free(r);
}

static void test_a_bad_expression_keeps_libpcaps_message_and_the_old_program(void **state)
{
	static const char *const bad[] = {
		"tcp prot 80",		"host",		  "port 70000",		"not",
		"vlan vlan vlan 99999", "tcp[0:3]",	  "ether host 1.2.3.4", "inbound and (",
		"net 1.2.3.4/33",	"proto nonsense",
	};
	struct pfri_ring *r = ring_of(&tagged_ops, "lo");
	pcap_t *oracle = pcap_open_dead(DLT_EN10MB, MAX_CAPLEN);
	struct bpf_program unused;
	struct pfri_prog *old = malloc(sizeof(*old));

	(void)state;
	assert_int_equal(pfri_filter_compile(r, "tcp", &r->prog), 0);
	*old = r->prog;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(pfri_filter_compile(r, bad[i], &r->prog), -EINVAL);
		assert_int_equal(pcap_compile(oracle, &unused, bad[i], 1, 0), -1);
		assert_non_null(strstr(pfring_last_error(), pcap_geterr(oracle)));
		assert_non_null(strstr(pfring_last_error(), bad[i]));
		assert_memory_equal(old, &r->prog, sizeof(*old));
	}
	pcap_close(oracle);
	free(old);
	free(r);
}

static void test_a_metadata_word_with_an_error_keeps_libpcaps_message(void **state)
{
	struct pfri_ring *r = ring_of(&live_ops, "no-such-device0");

	(void)state;
	assert_int_equal(pfri_filter_compile(r, "inbound and tcp prot 80", &r->prog), -EINVAL);
	assert_non_null(strstr(pfring_last_error(), "syntax error"));
	free(r);
}

static void test_files_refuse_what_only_an_interface_knows(void **state)
{
	static const char *const words[] = {"inbound", "outbound", "ifindex 2"};
	struct pfri_ring *r = ring_of(&file_ops, "x.pcap");

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(pfri_filter_compile(r, words[i], &r->prog), -EINVAL);
		assert_non_null(strstr(pfring_last_error(), "savefile"));
	}
	free(r);
}

static void test_files_compile_as_libpcap_does_for_their_link_type(void **state)
{
	static const int types[][2] = {{1, DLT_EN10MB},	      {101, DLT_RAW},
				       {113, DLT_LINUX_SLL},  {276, DLT_LINUX_SLL2},
				       {105, DLT_IEEE802_11}, {9, DLT_PPP}};
	struct pfri_ring *r = ring_of(&file_ops, "x.pcap");

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		pcap_t *oracle = pcap_open_dead(types[i][1], 96);

		r->linktype = types[i][0];
		r->opt.caplen = 96;
		assert_int_equal(pfri_filter_compile(r, "tcp port 80 or ip6", &r->prog), 0);
		assert_libpcap_compiles_the_same(&r->prog, oracle, "tcp port 80 or ip6");
		pcap_close(oracle);
	}
	free(r);
}

static void test_a_program_too_long_for_the_kernel_is_taken_for_user_space(void **state)
{
	struct pfri_ring *r = ring_of(&tagged_ops, "lo");
	char *expr = malloc(100000);
	char *end = expr;

	(void)state;
	end += sprintf(end, "ip");
	for (int i = 0; i < 1500; i++)
		end += sprintf(end, " and ether[%d] != %d", i, i % 256);
	assert_int_equal(pfri_filter_compile(r, expr, &r->prog), 0);
	assert_true(r->prog.len > PFRI_MAXINSNS);
	assert_int_equal(pfri_bpf_check(r->prog.insn, r->prog.len), 1);
	free(expr);
	free(r);
}

static void test_a_program_that_finds_no_room_is_refused(void **state)
{
	struct sock_filter insn[16];

	(void)state;
	assert_int_equal(pfring_compile_filter(1, 0, "tcp port 80", 1, 0, insn, 16), -E2BIG);
	assert_non_null(strstr(pfring_last_error(), "room for 16"));
}

static void test_the_return_value_is_the_snap_length(void **state)
{
	struct pfri_ring *r = ring_of(&tagged_ops, "lo");

	(void)state;
	r->opt.caplen = 96;
	assert_int_equal(pfri_filter_compile(r, "tcp", &r->prog), 0);
	assert_int_equal(r->prog.insn[r->prog.len - 1].k, 0);
	assert_int_equal(r->prog.insn[r->prog.len - 2].k, 96);
	free(r);
}

static void test_the_public_call_compiles_for_any_link_type(void **state)
{
	struct pfri_prog *prog = calloc(1, sizeof(*prog));
	struct bpf_program want;
	pcap_t *oracle;
	int n;

	(void)state;
	/* LINKTYPE_RAW and DLT_RAW are two numbers for one type. */
	oracle = pcap_open_dead(DLT_RAW, 1500);
	for (int type = DLT_RAW; type <= 101; type += 101 - DLT_RAW) {
		for (int optimize = 0; optimize <= 1; optimize++) {
			assert_int_equal(pcap_compile(oracle, &want, "tcp port 80", optimize, 0),
					 0);
			n = pfring_compile_filter(type, 1500, "tcp port 80", optimize, 0,
						  prog->insn, PFRI_MAXINSNS);
			assert_int_equal(n, want.bf_len);
			assert_memory_equal(prog->insn, want.bf_insns, (size_t)n * 8);
			pcap_freecode(&want);
		}
	}
	pcap_close(oracle);
	/* The netmask counts, in network order; unknown is an error as in libpcap. */
	n = pfring_compile_filter(1, 0, "ip broadcast", 1, htonl(0xffffff00), prog->insn, 100);
	assert_true(n > 0);
	assert_int_equal(pfring_compile_filter(1, 0, "ip broadcast", 1, PCAP_NETMASK_UNKNOWN,
					       prog->insn, 100),
			 -EINVAL);
	/* An empty expression takes everything in one instruction. */
	assert_int_equal(pfring_compile_filter(1, 0, "", 1, 0, prog->insn, 1), 1);
	assert_int_equal(prog->insn[0].code, BPF_RET | BPF_K);
	assert_int_equal(prog->insn[0].k, MAX_CAPLEN);
	assert_int_equal(pfring_compile_filter(1, 0, NULL, 1, 0, prog->insn, 1), 1);
	assert_int_equal(pfring_compile_filter(1, 0, "tcp", 1, 0, prog->insn, 2), -E2BIG);
	assert_int_equal(pfring_compile_filter(1, 0, "tcp tcp", 1, 0, prog->insn, 99), -EINVAL);
	free(prog);
}

static void test_a_program_is_run_over_bytes_as_they_are(void **state)
{
	static const u_char tagged_arp[60] = {[12] = 0x81, 0, 0, 5, 8, 6};
	static const u_char arp[60] = {[12] = 8, 6};
	struct sock_filter insn[32];
	int n = pfring_compile_filter(1, 96, "vlan 5 and arp", 1, 0, insn, 32);

	(void)state;
	assert_true(n > 0);
	assert_int_equal(pfring_filter_packet(insn, (u_int)n, tagged_arp, 60, 60), 96);
	assert_int_equal(pfring_filter_packet(insn, (u_int)n, arp, 60, 60), 0);
	/* Loads beyond the captured bytes refuse the packet; "len" is the wire's. */
	assert_int_equal(pfring_filter_packet(insn, (u_int)n, tagged_arp, 17, 60), 0);
	assert_int_equal(pfring_filter_packet(insn, (u_int)n, NULL, 0, 60), 0);
	n = pfring_compile_filter(1, 0, "len > 1000", 1, 0, insn, 32);
	assert_int_equal(pfring_filter_packet(insn, (u_int)n, arp, 60, 1001), MAX_CAPLEN);
	assert_int_equal(pfring_filter_packet(insn, (u_int)n, arp, 60, 1000), 0);
	/* A verdict of 2^32 - 1 is "everything", not an error. */
	insn[0] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0xffffffff);
	assert_int_equal(pfring_filter_packet(insn, 1, arp, 60, 60), INT32_MAX);
	/* No return at the end, no program, no packet. */
	insn[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, 1);
	assert_int_equal(pfring_filter_packet(insn, 1, arp, 60, 60), -EINVAL);
	assert_int_equal(pfring_filter_packet(insn, 0, arp, 60, 60), -EINVAL);
	assert_int_equal(pfring_filter_packet(NULL, 1, arp, 60, 60), -EINVAL);
	assert_int_equal(pfring_filter_packet(insn, 1, NULL, 60, 60), -EINVAL);
}

static void test_a_batch_is_filtered_in_place_and_in_order(void **state)
{
	static const u_char arp[60] = {[12] = 0x08, 0x06}, ip[60] = {[12] = 0x08, 0x00};
	struct pfring_packet packets[5] = {};
	struct sock_filter insn[32];
	int n = pfring_compile_filter(1, 0, "arp", 1, 0, insn, 32);

	(void)state;
	assert_true(n > 0);
	for (u_int i = 0; i < 5; i++) {
		packets[i].data = i % 2 ? ip : arp;
		packets[i].caplen = packets[i].len = 60;
		packets[i].ts_ns = i;
	}
	assert_int_equal(pfring_filter_batch(insn, (u_int)n, packets, 5), 3);
	assert_int_equal(packets[0].ts_ns, 0);
	assert_int_equal(packets[1].ts_ns, 2);
	assert_int_equal(packets[2].ts_ns, 4);
	assert_int_equal(pfring_filter_batch(insn, (u_int)n, NULL, 0), 0);
	assert_int_equal(pfring_filter_batch(insn, 0, packets, 3), -EINVAL);
	assert_int_equal(pfring_filter_batch(NULL, 1, packets, 3), -EINVAL);
}

static void *compile_many(void *arg)
{
	struct sock_filter insn[64];
	long wrong = 0;

	for (int i = 0; i < 200; i++)
		wrong += pfring_compile_filter(1, 0, arg, 1, 0, insn, 64) < 2;
	return (void *)wrong;
}

static void test_threads_may_compile_at_once(void **state)
{
	static char *const exprs[4] = {"tcp port 80", "ip6 and udp", "arp", "net 10.0.0.0/8"};
	pthread_t t[4];
	void *wrong;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, compile_many, exprs[i]), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &wrong);
		assert_null(wrong);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_expressions_compile_as_libpcap_compiles_them_without_a_device),
		cmocka_unit_test(test_vlan_is_read_from_the_frame_where_tags_are_in_it),
		cmocka_unit_test(test_vlan_on_a_live_handle_asks_the_device),
		cmocka_unit_test(test_no_expression_is_no_filter),
		cmocka_unit_test(test_a_bad_expression_keeps_libpcaps_message_and_the_old_program),
		cmocka_unit_test(test_a_metadata_word_with_an_error_keeps_libpcaps_message),
		cmocka_unit_test(test_files_refuse_what_only_an_interface_knows),
		cmocka_unit_test(test_files_compile_as_libpcap_does_for_their_link_type),
		cmocka_unit_test(test_a_program_too_long_for_the_kernel_is_taken_for_user_space),
		cmocka_unit_test(test_a_program_that_finds_no_room_is_refused),
		cmocka_unit_test(test_the_return_value_is_the_snap_length),
		cmocka_unit_test(test_the_public_call_compiles_for_any_link_type),
		cmocka_unit_test(test_a_program_is_run_over_bytes_as_they_are),
		cmocka_unit_test(test_a_batch_is_filtered_in_place_and_in_order),
		cmocka_unit_test(test_threads_may_compile_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
