/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The translator against the kernel: a classic program on one packet socket,
 * its translation on a second one beside it, the same packets to both, with
 * everything a packet socket knows (VLAN metadata, packet type, headers).
 * Whole verdicts are compared with the cBPF machine's by test runs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "bpf_translate.h" /* before pf_ring.h, see there */

#include "bpf_compile.h"
#include "bpf_programs.h"
#include "bpf_vm.h"
#include "sys.h"
#include "wire.h"

#define LEN(a) (sizeof(a) / sizeof(*(a)))

static struct bpf_insn code[32768];

/* Loads the translation of a program, its verdict being the return value; or -errno. */
static int load(const struct sock_filter *f, unsigned len)
{
	struct pfri_ebpf e = {.insn = code, .max = LEN(code)};
	char log[4096];
	int fd;

	ebpf_alu64(&e, BPF_MOV, BPF_REG_6, BPF_REG_1);
	fd = pfri_bpf_translate(f, len, &e);
	if (fd)
		return fd;
	ebpf_exit(&e);
	assert_int_equal(e.err, 0);
	fd = pfri_bpf_load(code, e.len, "translation", log, sizeof(log));
	if (fd < 0)
		fail_msg("the verifier refuses %u instructions (%s): %s", e.len, strerror(-fd),
			 log);
	return fd;
}

struct pair {
	int gen, all, classic, extended;
};

static void open_pair(struct pair *p)
{
	p->gen = wire_socket("gen0", 0);
	/* Opened first, so the last to be given a packet: then the others have it too. */
	p->all = wire_socket("cap0", ETH_P_ALL);
	p->classic = wire_socket("cap0", ETH_P_ALL);
	p->extended = wire_socket("cap0", ETH_P_ALL);
}

static void close_pair(struct pair *p)
{
	close(p->gen);
	close(p->all);
	close(p->classic);
	close(p->extended);
}

static void attach(struct pair *p, struct sock_filter *f, unsigned len, const char *what)
{
	struct sock_fprog prog = {.len = (unsigned short)len, .filter = f};
	int fd = load(f, len);

	if (fd < 0)
		fail_msg("%s: not translated: %s", what, strerror(-fd));
	assert_int_equal(setsockopt(p->classic, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)),
			 0);
	assert_int_equal(setsockopt(p->extended, SOL_SOCKET, SO_ATTACH_BPF, &fd, sizeof(fd)), 0);
	close(fd);
}

static int taken(int fd)
{
	static uint8_t buf[2 * GEN_MAX_PACKET];

	return (int)recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
}

/* Sends one frame; 1 if both kept it, 0 if both refused it. */
static int compare(struct pair *p, const uint8_t *frame, size_t len, const char *what)
{
	int classic, extended;

	assert_int_equal(send(p->gen, frame, len, 0), len);
	assert_true(wire_readable(p->all, WIRE_PATIENCE));
	assert_true(taken(p->all) > 0);
	classic = taken(p->classic);
	extended = taken(p->extended);
	if (classic != extended)
		fail_msg("%s: classic keeps %d bytes of %zu, eBPF %d", what, classic, len,
			 extended);
	return classic > 0;
}

static size_t packet(uint64_t *rng, uint8_t *buf)
{
	size_t len = gen_packet(rng, buf);

	/* veth takes its MTU and a tag, and no frame shorter than a header with two tags. */
	return len > 1514 ? 1514 : len < 22 ? 22 : len;
}

static void test_generated_programs_keep_the_same_bytes_of_the_same_packets(void **state)
{
	struct sock_filter f[GEN_MAX_INSNS];
	uint8_t buf[GEN_MAX_PACKET];
	unsigned kept = 0, pairs = 0;
	uint64_t rng = 314159;
	struct pair p;

	(void)state;
	open_pair(&p);
	for (int n = 0; n < 1500; n++) {
		unsigned len = gen_program(&rng,
					   GEN_WILD_OFFSETS | GEN_WILD_SHIFTS | GEN_NEGATIVE |
						   GEN_XOR | GEN_ANCILLARY,
					   f);
		char what[32];

		snprintf(what, sizeof(what), "program %d", n);
		attach(&p, f, len, what);
		for (int i = 0; i < 16; i++, pairs++)
			kept += (unsigned)compare(&p, buf, packet(&rng, buf), what);
	}
	close_pair(&p);
	assert_int_equal(pairs, 24000);
	assert_true(kept > pairs / 10 && kept < pairs * 9 / 10);
}

static void test_every_expression_keeps_the_same_packets(void **state)
{
	static struct sock_filter f[BPF_MAXINSNS];
	void *live = compile_open("cap0");
	uint8_t buf[GEN_MAX_PACKET];
	unsigned expressions = 0, matched = 0, vlan = 0;
	uint64_t rng = 99;
	struct pair p;

	(void)state;
	assert_non_null(live);
	open_pair(&p);
	for (const char *const *e = gen_expressions; *e; e++) {
		unsigned len = compile(live, *e, f), hits = 0;

		assert_true(len > 0);
		/* Loops, or (a bug of libpcap's) reads memory that it has not written. */
		if (strstr(*e, "protochain") || !strcmp(*e, "vlan and geneve")) {
			assert_int_equal(pfri_bpf_check(f, len), 1);
			assert_int_equal(load(f, len), -EOPNOTSUPP);
			continue;
		}
		attach(&p, f, len, *e);
		for (int i = 0; i < 100; i++)
			hits += (unsigned)compare(&p, buf, packet(&rng, buf), *e);
		expressions++;
		matched += hits != 0;
		vlan += hits && strstr(*e, "vlan");
	}
	compile_close(live);
	close_pair(&p);
	assert_true(expressions >= 100);
	assert_true(matched >= 80);
	assert_true(vlan >= 6);
}

/* Test runs show a socket filter what follows the Ethernet header; so does this. */
static unsigned run_behind_ethernet(const struct sock_filter *f, const uint8_t *frame, uint32_t len)
{
	struct pfring_packet pkt = {
		.data = frame + ETH_HLEN, .caplen = len - ETH_HLEN, .len = len - ETH_HLEN};

	return pfri_bpf_run(f, &pkt, true);
}

static void test_whole_verdicts_equal_the_machines(void **state)
{
	struct sock_filter f[GEN_MAX_INSNS];
	uint8_t buf[GEN_MAX_PACKET];
	unsigned zero = 0;
	uint64_t rng = 2718;

	(void)state;
	for (int n = 0; n < 1000; n++) {
		unsigned len = gen_program(&rng, GEN_WILD_OFFSETS | GEN_WILD_SHIFTS | GEN_XOR, f);
		int fd = load(f, len);

		for (int i = 0; i < 8; i++) {
			uint32_t size = (uint32_t)packet(&rng, buf), got, want;

			if (size < 60) /* a test run wants the IP header whole */
				size = 60;
			assert_int_equal(pfri_bpf_test_run(fd, buf, size, &got), 0);
			want = run_behind_ethernet(f, buf, size);
			if (got != want)
				fail_msg("program %d: the machine says %u, the translation %u", n,
					 want, got);
			zero += !got;
		}
		close(fd);
	}
	assert_true(zero > 400 && zero < 7200);
}

static void test_what_a_socket_filter_cannot_see_is_refused(void **state)
{
	static const int ads[] = {SKF_AD_HATYPE, SKF_AD_PAY_OFFSET, SKF_AD_NLATTR,
				  SKF_AD_NLATTR_NEST};

	(void)state;
	for (size_t i = 0; i < LEN(ads); i++) {
		struct sock_filter f[] = {
			BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + ads[i])),
			BPF_STMT(BPF_RET | BPF_A, 0)};

		assert_int_equal(load(f, 2), -EOPNOTSUPP);
	}
}

static void test_a_program_that_does_not_fit_is_refused(void **state)
{
	struct sock_filter f[] = {BPF_STMT(BPF_LD | BPF_IMM, 1), BPF_STMT(BPF_RET | BPF_A, 0)};
	struct bpf_insn small[3];
	struct pfri_ebpf e = {.insn = small, .max = LEN(small)};

	(void)state;
	assert_int_equal(pfri_bpf_translate(f, 2, &e), -E2BIG);
}

static void test_the_longest_program_loads(void **state)
{
	static struct sock_filter f[BPF_MAXINSNS];

	(void)state;
	/* Comparisons with two targets each, the far one at the end. */
	for (unsigned i = 0; i < BPF_MAXINSNS - 1; i++)
		f[i] = i % 2 ? (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, i, 0,
							    i < BPF_MAXINSNS - 4 ? 2 : 0)
			     : (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_ABS, i % 60);
	f[BPF_MAXINSNS - 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 77);
	int fd = load(f, BPF_MAXINSNS);
	uint8_t buf[80] = {0};
	uint32_t ret;

	assert_true(fd >= 0);
	assert_int_equal(pfri_bpf_test_run(fd, buf, sizeof(buf), &ret), 0);
	assert_int_equal(ret, 77);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_generated_programs_keep_the_same_bytes_of_the_same_packets),
		cmocka_unit_test(test_every_expression_keeps_the_same_packets),
		cmocka_unit_test(test_whole_verdicts_equal_the_machines),
		cmocka_unit_test(test_what_a_socket_filter_cannot_see_is_refused),
		cmocka_unit_test(test_a_program_that_does_not_fit_is_refused),
		cmocka_unit_test(test_the_longest_program_loads),
	};

	wire_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
