/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cBPF machine: single rules by hand, then thousands of programs against
 * two oracles. The kernel's classic BPF filters a datagram socket pair, which
 * needs no privilege: what arrives, and how much of it, is its verdict.
 * libpcap's interpreter is asked where it and the kernel agree; where they do
 * not (test_differs_from_libpcap_where_the_kernel_does) is asserted too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pcap/pcap.h>

#include "bpf_programs.h"
#include "bpf_vm.h"

#define S(c, k) BPF_STMT(c, k)
#define J(c, k, t, f) BPF_JUMP(c, k, t, f)
#define LEN(a) (sizeof(a) / sizeof(*(a)))
#define RUN(view, ...)                                                                             \
	run((struct sock_filter[]){__VA_ARGS__}, LEN(((struct sock_filter[]){__VA_ARGS__})), view)

static const u_char tcp_frame[64] = {
	2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0x20, 5, 8, 0, 0x46, 0, 0, 44, [64 - 1] = 0x99,
};

static struct pfring_packet tagged = {
	.data = tcp_frame,
	.caplen = 64,
	.len = 104,
	.if_index = 7,
	.hash = 0x01020304,
	.vlan_tci = 0x2005,
	.vlan_tpid = 0x8100,
	.flags = PKT_FLAGS_VLAN_HWACCEL,
	.pkt_type = 4,
	.queue = 3,
};

static unsigned run(const struct sock_filter *f, unsigned len, bool kernel_view)
{
	assert_int_equal(pfri_bpf_check(f, len), 0);
	return pfri_bpf_run(f, &tagged, kernel_view);
}

static void test_loads_see_the_frame_without_its_stripped_tag(void **state)
{
	(void)state;
	assert_int_equal(RUN(true, S(BPF_LD | BPF_H | BPF_ABS, 12), S(BPF_RET | BPF_A, 0)), 0x0800);
	assert_int_equal(RUN(false, S(BPF_LD | BPF_H | BPF_ABS, 12), S(BPF_RET | BPF_A, 0)),
			 0x8100);
	/* A load across the seam: the last two bytes of the address, then the type. */
	assert_int_equal(RUN(true, S(BPF_LD | BPF_W | BPF_ABS, 10), S(BPF_RET | BPF_A, 0)),
			 0x00020800);
	assert_int_equal(RUN(false, S(BPF_LD | BPF_W | BPF_ABS, 10), S(BPF_RET | BPF_A, 0)),
			 0x00028100);
	assert_int_equal(RUN(true, S(BPF_LD | BPF_W | BPF_LEN, 0), S(BPF_RET | BPF_A, 0)), 100);
	assert_int_equal(RUN(false, S(BPF_LD | BPF_W | BPF_LEN, 0), S(BPF_RET | BPF_A, 0)), 104);
	assert_int_equal(RUN(true, S(BPF_LD | BPF_B | BPF_ABS, 59), S(BPF_RET | BPF_A, 0)), 0x99);
	assert_int_equal(RUN(true, S(BPF_LD | BPF_B | BPF_ABS, 60), S(BPF_RET | BPF_K, 1)), 0);
	assert_int_equal(RUN(false, S(BPF_LD | BPF_B | BPF_ABS, 63), S(BPF_RET | BPF_A, 0)), 0x99);
}

static void test_ancillary_loads_ignore_the_width(void **state)
{
	static const struct {
		int ad;
		u_int32_t kernel, bytes; /* answers in the two views */
	} want[] = {
		{SKF_AD_PKTTYPE, 4, 4},
		{SKF_AD_IFINDEX, 7, 7},
		{SKF_AD_QUEUE, 3, 3},
		{SKF_AD_HATYPE, 1, 1},
		{SKF_AD_RXHASH, 0x01020304, 0x01020304},
		{SKF_AD_PROTOCOL, 0x0800, 0x8100},
		{SKF_AD_VLAN_TAG, 0x2005, 0},
		{SKF_AD_VLAN_TAG_PRESENT, 1, 0},
		{SKF_AD_VLAN_TPID, 0x8100, 0},
		{SKF_AD_MARK, 0, 0},
		{SKF_AD_CPU, 0, 0},
		{SKF_AD_PAY_OFFSET, 0, 0},
		{SKF_AD_NLATTR, 0, 0},
		{SKF_AD_NLATTR_NEST, 0, 0},
	};
	static const u_int16_t sizes[] = {BPF_W, BPF_H, BPF_B};

	(void)state;
	for (size_t i = 0; i < LEN(want); i++)
		for (size_t s = 0; s < LEN(sizes); s++) {
			struct sock_filter f[] = {S(BPF_LD | sizes[s] | BPF_ABS,
						    (u_int32_t)(SKF_AD_OFF + want[i].ad)),
						  S(BPF_RET | BPF_A, 0)};

			assert_int_equal(run(f, 2, true), want[i].kernel);
			assert_int_equal(run(f, 2, false), want[i].bytes);
		}
	assert_int_equal(
		RUN(true, S(BPF_LD | BPF_IMM, 0xf0), S(BPF_LDX | BPF_IMM, 0x3c),
		    S(BPF_LD | BPF_W | BPF_ABS, (u_int32_t)(SKF_AD_OFF + SKF_AD_ALU_XOR_X)),
		    S(BPF_RET | BPF_A, 0)),
		0xcc);
}

static void test_negative_offsets_count_from_the_headers(void **state)
{
	(void)state;
	assert_int_equal(RUN(true, S(BPF_LD | BPF_B | BPF_ABS, (u_int32_t)SKF_NET_OFF),
			     S(BPF_RET | BPF_A, 0)),
			 0x46);
	assert_int_equal(RUN(true, S(BPF_LD | BPF_H | BPF_ABS, (u_int32_t)SKF_LL_OFF + 12),
			     S(BPF_RET | BPF_A, 0)),
			 0x0800);
	assert_int_equal(RUN(true, S(BPF_LDX | BPF_B | BPF_MSH, (u_int32_t)SKF_NET_OFF),
			     S(BPF_MISC | BPF_TXA, 0), S(BPF_RET | BPF_A, 0)),
			 24);
	assert_int_equal(RUN(true, S(BPF_LD | BPF_B | BPF_ABS, (u_int32_t)SKF_LL_OFF - 1),
			     S(BPF_RET | BPF_K, 1)),
			 0);
	assert_int_equal(RUN(true, S(BPF_LD | BPF_B | BPF_ABS, 0x80000000), S(BPF_RET | BPF_K, 1)),
			 0);
	/* An indirect load may come to a negative offset, or wrap back to a good one. */
	assert_int_equal(RUN(true, S(BPF_LDX | BPF_IMM, 2),
			     S(BPF_LD | BPF_H | BPF_IND, (u_int32_t)SKF_NET_OFF - 4),
			     S(BPF_RET | BPF_A, 0)),
			 0);
	assert_int_equal(RUN(true, S(BPF_LDX | BPF_IMM, 0xffffffff),
			     S(BPF_LD | BPF_H | BPF_IND, 13), S(BPF_RET | BPF_A, 0)),
			 0x0800);
}

static void test_arithmetic_is_the_kernels(void **state)
{
	(void)state;
	assert_int_equal(RUN(true, S(BPF_LD | BPF_IMM, 5), S(BPF_ALU | BPF_DIV | BPF_X, 0),
			     S(BPF_RET | BPF_K, 9)),
			 0);
	assert_int_equal(RUN(true, S(BPF_LD | BPF_IMM, 5), S(BPF_ALU | BPF_MOD | BPF_X, 0),
			     S(BPF_RET | BPF_K, 9)),
			 0);
	assert_int_equal(RUN(true, S(BPF_LD | BPF_IMM, 5), S(BPF_LDX | BPF_IMM, 33),
			     S(BPF_ALU | BPF_LSH | BPF_X, 0), S(BPF_RET | BPF_A, 0)),
			 10);
	assert_int_equal(RUN(true, S(BPF_LD | BPF_IMM, 1), S(BPF_ALU | BPF_NEG, 0),
			     S(BPF_ALU | BPF_RSH | BPF_K, 28), S(BPF_RET | BPF_A, 0)),
			 15);
	assert_int_equal(RUN(true, S(BPF_LD | BPF_IMM, 0x80000000),
			     J(BPF_JMP | BPF_JGT | BPF_K, 1, 1, 0), S(BPF_RET | BPF_K, 0),
			     S(BPF_RET | BPF_K, 1)),
			 1);
}

static void test_a_tag_cut_by_the_snap_length_hides_what_follows(void **state)
{
	struct pfring_packet cut = tagged;
	struct sock_filter last[] = {S(BPF_LD | BPF_B | BPF_ABS, 11), S(BPF_RET | BPF_K, 1)};
	struct sock_filter next[] = {S(BPF_LD | BPF_B | BPF_ABS, 12), S(BPF_RET | BPF_K, 1)};

	(void)state;
	for (cut.caplen = 12; cut.caplen <= 16; cut.caplen++) {
		assert_int_equal(pfri_bpf_run(last, &cut, true), 1);
		assert_int_equal(pfri_bpf_run(next, &cut, true), 0);
	}
	assert_int_equal(pfri_bpf_run(next, &cut, true), 1); /* 17 bytes: one behind the tag */
}

/* A pair of sockets whose receiver filters; -1 if the kernel refuses the program. */
static int attach(int fd, struct sock_filter *f, unsigned len)
{
	struct sock_fprog prog = {.len = (unsigned short)len, .filter = f};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));
}

static unsigned kernel_verdict(const int fd[2], const u_char *buf, size_t len)
{
	static u_char out[2 * GEN_MAX_PACKET];
	ssize_t n;

	assert_int_equal(send(fd[0], buf, len, MSG_DONTWAIT), len);
	n = recv(fd[1], out, sizeof(out), MSG_DONTWAIT);
	if (n < 0)
		assert_int_equal(errno, EAGAIN);
	return n < 0 ? 0 : (unsigned)n;
}

/* The machine's verdict as a datagram socket shows it: no more than there is. */
static unsigned our_verdict(const struct sock_filter *f, const u_char *buf, size_t len)
{
	struct pfring_packet pkt = {.data = buf, .caplen = (u_int32_t)len, .len = (u_int32_t)len};
	unsigned v = pfri_bpf_run(f, &pkt, true);

	return v < len ? v : (unsigned)len;
}

static void test_agrees_with_the_kernel_on_generated_programs(void **state)
{
	uint64_t rng = 20251121;
	struct sock_filter f[GEN_MAX_INSNS];
	u_char buf[GEN_MAX_PACKET];
	unsigned pairs = 0, kept = 0;
	int fd[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd), 0);
	for (int p = 0; p < 3000; p++) {
		unsigned len = gen_program(&rng, GEN_WILD_OFFSETS | GEN_WILD_SHIFTS | GEN_XOR, f);

		assert_int_equal(pfri_bpf_check(f, len), 0);
		assert_int_equal(attach(fd[1], f, len), 0);
		for (int i = 0; i < 24; i++) {
			size_t n = gen_packet(&rng, buf);
			unsigned want = kernel_verdict(fd, buf, n), got = our_verdict(f, buf, n);

			if (want != got)
				fail_msg("program %d, packet %d of %zu bytes: kernel %u, we %u", p,
					 i, n, want, got);
			pairs++;
			kept += want != 0;
		}
	}
	close(fd[0]);
	close(fd[1]);
	assert_int_equal(pairs, 72000);
	assert_true(kept > pairs / 10 && kept < pairs * 9 / 10); /* neither side is trivial */
}

static void test_accepts_the_programs_that_the_kernel_accepts(void **state)
{
	uint64_t rng = 1977;
	struct sock_filter f[GEN_MAX_INSNS];
	unsigned good = 0, bad = 0;
	int fd[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd), 0);
	for (int p = 0; p < 6000; p++) {
		unsigned len =
			gen_program(&rng, GEN_WILD_OFFSETS | GEN_NEGATIVE | GEN_ANCILLARY, f);
		int ours, theirs;

		gen_damage(&rng, f, len);
		if (gen_random(&rng, 8) == 0)
			len -= gen_random(&rng, 3);
		ours = pfri_bpf_check(f, len) ? -EINVAL : 0;
		theirs = attach(fd[1], f, len) ? -errno : 0;
		if (ours != theirs)
			fail_msg("program %d of %u instructions: kernel %d, we %d", p, len, theirs,
				 ours);
		*(ours ? &bad : &good) += 1;
	}
	close(fd[0]);
	close(fd[1]);
	assert_true(good > 1000 && bad > 1000);
	assert_int_equal(pfri_bpf_check(f, 0), -EINVAL);
	assert_int_equal(pfri_bpf_check(NULL, 1), -EINVAL);
}

static void test_agrees_with_libpcap_on_generated_programs(void **state)
{
	uint64_t rng = 42;
	struct sock_filter f[GEN_MAX_INSNS];
	u_char buf[GEN_MAX_PACKET];
	unsigned kept = 0;

	(void)state;
	for (int p = 0; p < 3000; p++) {
		gen_program(&rng, 0, f);
		for (int i = 0; i < 24; i++) {
			u_int n = (u_int)gen_packet(&rng, buf);
			unsigned want = bpf_filter((const struct bpf_insn *)(void *)f, buf, n, n);
			struct pfring_packet pkt = {.data = buf, .caplen = n, .len = n};

			assert_int_equal(pfri_bpf_run(f, &pkt, false), want);
			kept += want != 0;
		}
	}
	assert_true(kept > 7200 && kept < 64800);
}

static void test_agrees_with_both_on_every_expression(void **state)
{
	pcap_t *dead = pcap_open_dead(DLT_EN10MB, 65535);
	u_char buf[GEN_MAX_PACKET];
	unsigned expressions = 0, matched = 0;
	uint64_t rng = 7;
	int fd[2];

	(void)state;
	assert_non_null(dead);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd), 0);
	for (const char *const *e = gen_expressions; *e; e++, expressions++) {
		struct bpf_program prog;
		unsigned hits = 0;

		if (pcap_compile(dead, &prog, *e, (int)gen_random(&rng, 2), 0xff000000))
			fail_msg("%s: %s", *e, pcap_geterr(dead));
		struct sock_filter *f = (struct sock_filter *)(void *)prog.bf_insns;

		/* "ip6 protochain" loops: the kernel refuses it, libpcap and we do not. */
		bool loops = strstr(*e, "protochain");

		assert_int_equal(pfri_bpf_check(f, prog.bf_len), loops);
		assert_int_equal(attach(fd[1], f, prog.bf_len), loops ? -1 : 0);
		for (int i = 0; i < 300; i++) {
			u_int n = (u_int)gen_packet(&rng, buf);
			struct pfring_packet pkt = {.data = buf, .caplen = n, .len = n};
			unsigned got = pfri_bpf_run(f, &pkt, false);

			if (got != bpf_filter(prog.bf_insns, buf, n, n))
				fail_msg("%s: libpcap differs on packet %d", *e, i);
			if (!loops && our_verdict(f, buf, n) != kernel_verdict(fd, buf, n))
				fail_msg("%s: the kernel differs on packet %d", *e, i);
			hits += got != 0;
		}
		matched += hits != 0;
		pcap_freecode(&prog);
	}
	pcap_close(dead);
	close(fd[0]);
	close(fd[1]);
	assert_true(expressions >= 100);
	assert_true(matched >= 85); /* the packets are such that most expressions find some */
}

static void test_differs_from_libpcap_where_the_kernel_does(void **state)
{
	struct sock_filter shift[] = {S(BPF_LD | BPF_IMM, 5), S(BPF_LDX | BPF_IMM, 33),
				      S(BPF_ALU | BPF_LSH | BPF_X, 0), S(BPF_RET | BPF_A, 0)};
	struct sock_filter wrap[] = {S(BPF_LDX | BPF_IMM, 0xffffffff),
				     S(BPF_LD | BPF_B | BPF_IND, 1), S(BPF_RET | BPF_K, 1)};
	const u_char buf[64] = {1};
	int fd[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd), 0);
	assert_int_equal(attach(fd[1], shift, LEN(shift)), 0);
	assert_int_equal(kernel_verdict(fd, buf, 64), 10);
	assert_int_equal(our_verdict(shift, buf, 64), 10);
	assert_int_equal(bpf_filter((struct bpf_insn *)(void *)shift, buf, 64, 64), 0);
	assert_int_equal(attach(fd[1], wrap, LEN(wrap)), 0);
	assert_int_equal(kernel_verdict(fd, buf, 64), 1);
	assert_int_equal(our_verdict(wrap, buf, 64), 1);
	assert_int_equal(bpf_filter((struct bpf_insn *)(void *)wrap, buf, 64, 64), 0);
	close(fd[0]);
	close(fd[1]);
}

static void test_a_program_that_loops_ends(void **state)
{
	struct sock_filter f[] = {S(BPF_JMP | BPF_JA, 0), S(BPF_JMP | BPF_JA, (u_int32_t)-2),
				  S(BPF_RET | BPF_K, 1)};

	(void)state;
	assert_int_equal(pfri_bpf_check(f, LEN(f)), 1);
	assert_int_equal(pfri_bpf_run(f, &tagged, true), 0);
	f[1].k = (u_int32_t)-3;
	assert_int_equal(pfri_bpf_check(f, LEN(f)), -EINVAL);
}

static void test_programs_read_without_a_manual(void **state)
{
	struct sock_filter f[] = {
		S(BPF_LD | BPF_H | BPF_ABS, 12),
		J(BPF_JMP | BPF_JEQ | BPF_K, 0x800, 0, 8),
		S(BPF_LDX | BPF_B | BPF_MSH, 14),
		S(BPF_LD | BPF_H | BPF_IND, 16),
		S(BPF_ALU | BPF_AND | BPF_K, 0x1fff),
		S(BPF_ST, 3),
		S(BPF_LD | BPF_B | BPF_ABS, (u_int32_t)(SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT)),
		J(BPF_JMP | BPF_JSET | BPF_X, 0, 1, 0),
		S(BPF_LD | BPF_W | BPF_ABS, (u_int32_t)SKF_NET_OFF + 4),
		S(BPF_RET | BPF_K, 96),
		S(BPF_RET | BPF_K, 0),
	};
	static const char want[] = "   0  A = P[12:2]\n"
				   "   1  if A == 0x800 goto 2 else 10\n"
				   "   2  X = 4 * (P[14:1] & 0xf)\n"
				   "   3  A = P[X + 16:2]\n"
				   "   4  A &= 0x1fff\n"
				   "   5  M[3] = A\n"
				   "   6  A = vlan\n"
				   "   7  if A & X goto 9 else 8\n"
				   "   8  A = net[4:4]\n"
				   "   9  keep 96\n"
				   "  10  refuse\n";
	char text[sizeof(want)], part[20];

	(void)state;
	assert_int_equal(pfri_bpf_check(f, LEN(f)), 0);
	assert_int_equal(pfri_bpf_print(f, LEN(f), text, sizeof(text)), sizeof(want) - 1);
	assert_string_equal(text, want);
	assert_int_equal(pfri_bpf_print(f, LEN(f), part, sizeof(part)), sizeof(want) - 1);
	assert_memory_equal(part, want, sizeof(part) - 1);
	assert_int_equal(part[sizeof(part) - 1], 0);
	assert_int_equal(pfri_bpf_print(f, LEN(f), NULL, 0), sizeof(want) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loads_see_the_frame_without_its_stripped_tag),
		cmocka_unit_test(test_ancillary_loads_ignore_the_width),
		cmocka_unit_test(test_negative_offsets_count_from_the_headers),
		cmocka_unit_test(test_arithmetic_is_the_kernels),
		cmocka_unit_test(test_a_tag_cut_by_the_snap_length_hides_what_follows),
		cmocka_unit_test(test_agrees_with_the_kernel_on_generated_programs),
		cmocka_unit_test(test_accepts_the_programs_that_the_kernel_accepts),
		cmocka_unit_test(test_agrees_with_libpcap_on_generated_programs),
		cmocka_unit_test(test_agrees_with_both_on_every_expression),
		cmocka_unit_test(test_a_program_that_loops_ends),
		cmocka_unit_test(test_programs_read_without_a_manual),
		cmocka_unit_test(test_differs_from_libpcap_where_the_kernel_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
