/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a bare name and bpf: become as privileges go: without CAP_BPF from the
 * start, without any when the filter or a rule comes (as tcpdump does), with
 * little locked memory. Each in a child that gives them up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "numbered.h"

#define CAP_PERFMON_BIT 38
#define CAP_BPF_BIT 39

/* In a child: drops the capability and runs what; its exit status is what's. */
static int without(int capability, int (*what)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
		struct __user_cap_data_struct d[2];

		if (syscall(SYS_capget, &h, d))
			_exit(99);
		if (capability < 0) {
			memset(d, 0, sizeof(d));
		} else {
			/* CAP_SYS_ADMIN stands for CAP_BPF, as before 5.8. */
			d[capability / 32].effective &= ~(1u << capability % 32);
			d[capability / 32].permitted &= ~(1u << capability % 32);
			d[0].effective &= ~(1u << CAP_SYS_ADMIN);
			d[0].permitted &= ~(1u << CAP_SYS_ADMIN);
		}
		if (syscall(SYS_capset, &h, d))
			_exit(98);
		_exit(what());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int open_bare(void)
{
	const char *why;
	pfring *r = pfring_open("cap0", 0, 0);

	if (!r || strcmp(pfring_get_backend(r, &why), "packet"))
		return 1;
	if (!strstr(why, "bpf") || !strstr(why, "CAP_BPF"))
		return 2;
	if (pfring_enable_ring(r))
		return 3;
	pfring_close(r);
	r = pfring_open("bpf:cap0", 0, 0);
	return r || errno != EPERM || !strstr(pfring_last_error(), "CAP_BPF") ? 4 : 0;
}

static void test_without_cap_bpf_a_bare_name_is_packet_and_says_why(void **state)
{
	(void)state;
	assert_int_equal(without(CAP_BPF_BIT, open_bare), 0);
}

static void test_a_bare_name_is_bpf_where_it_can_be_had(void **state)
{
	const char *why;
	pfring *r = pfring_open("cap0", 0, 0);

	(void)state;
	assert_non_null(r);
	assert_string_equal(pfring_get_backend(r, &why), "bpf");
	pfring_close(r);
}

static pfring *handed_down;
static u_int already;

/* Without any privilege now: the filter comes under load. */
static int filter_late(void)
{
	struct pfring_packet p[64];
	u_int expected = 0, wrong = 0, before = 0, after = 0;
	const char *why;
	int n, gen = (int)already; /* nobody here may open a socket any more */

	wire_stay();
	for (u_int i = 0; i < 30000; i += 30) {
		send_frames(gen, i, 30);
		if (i == 15000) {
			if (pfring_set_bpf_filter(handed_down, "udp port 1000"))
				return 10;
			if (strcmp(pfring_get_backend(handed_down, &why), "packet") ||
			    !strstr(why, "bpf"))
				return 11;
			before = expected;
		}
		if (i % 300)
			continue;
		while ((n = pfring_recv_batch(handed_down, p, 64, 0)) > 0)
			for (int k = 0; k < n; k++) {
				u_int num = number(&p[k]);

				if (i >= 15000 && num % 3)
					wrong++;
				if (num % 3)
					continue;
				if (num != expected)
					return 12;
				expected += 3;
			}
	}
	for (int quiet = 0; quiet < 5; quiet += n == 0) {
		n = pfring_recv_batch(handed_down, p, 64, expected < 30000 ? WIRE_PATIENCE : 20);
		for (int k = 0; k < n; k++, expected += 3, after++)
			if (number(&p[k]) != expected)
				return 13;
	}
	if (wrong)
		return 14;
	if (expected != 30000)
		return 15;
	return stats(handed_down).drop || !before || !after ? 16 : 0;
}

static void test_a_filter_after_the_privileges_are_gone_turns_it_into_packet(void **state)
{
	(void)state;
	already = (u_int)wire_socket("gen0", 0);
	handed_down = open_bpf("bpf:cap0", NULL);
	assert_int_equal(without(-1, filter_late), 0);
	pfring_close(handed_down);
	close((int)already);
}

/* The handle had a filter when its program was loaded; neither that nor none can be loaded now. */
static int loosen_late(void)
{
	struct pfring_packet p[64];
	u_int got = 0;
	int n;

	const char *why;

	if (pfring_set_bpf_filter(handed_down, "udp port 1001"))
		return 20;
	if (strcmp(pfring_get_backend(handed_down, &why), "packet"))
		return 25;
	send_frames((int)already, 0, 300);
	while ((n = pfring_recv_batch(handed_down, p, 64, got < 100 ? WIRE_PATIENCE : 100)) > 0)
		for (int k = 0; k < n; k++, got++)
			if (number(&p[k]) % 3 != 1)
				return 21;
	if (got != 100 || stats(handed_down).filtered_user)
		return 22;
	if (pfring_remove_bpf_filter(handed_down))
		return 23;
	send_frames((int)already, 300, 300);
	got = 0;
	while ((n = pfring_recv_batch(handed_down, p, 64, got < 300 ? WIRE_PATIENCE : 100)) > 0)
		got += (u_int)n;
	return got == 300 ? 0 : 24;
}

static void test_another_filter_after_the_privileges_are_gone_is_the_kernels(void **state)
{
	struct pfring_open_options opts = {.sz = sizeof(opts), .filter = "udp port 1000"};

	(void)state;
	already = (u_int)wire_socket("gen0", 0);
	handed_down = open_bpf("bpf:cap0", &opts);
	assert_int_equal(without(-1, loosen_late), 0);
	pfring_close(handed_down);
	close((int)already);
}

static int outgoing; /* a socket on the ring's own interface */

/* A tagged frame, a long one, and one that goes out, as they are told where nothing can be loaded.
 */
static int describe_late(void)
{
	static const u_char tag[4] = {0x81, 0, 0x20, 7};
	u_int64_t before, after;
	struct timespec ts;
	struct pfring_packet p;
	u_char f[1000] = {0};

	if (pfring_set_bpf_filter(handed_down, "ether src 02:00:00:00:00:02"))
		return 30;
	clock_gettime(CLOCK_REALTIME, &ts);
	before = (u_int64_t)ts.tv_sec * 1000000000u + (u_int64_t)ts.tv_nsec;
	make_frame(f, 1, 1, false);
	memmove(f + 16, f + 12, 88);
	memcpy(f + 12, tag, 4);
	if (send((int)already, f, 104, 0) != 104)
		return 31;
	if (pfring_recv_batch(handed_down, &p, 1, WIRE_PATIENCE) != 1)
		return 32;
	clock_gettime(CLOCK_REALTIME, &ts);
	after = (u_int64_t)ts.tv_sec * 1000000000u + (u_int64_t)ts.tv_nsec;
	if (p.len != 104 || p.caplen != 104 || memcmp(p.data, f, 104))
		return 33;
	if (p.vlan_tci != 0x2007 || p.vlan_tpid != 0x8100 || !p.rx_direction)
		return 34;
	if (p.ts_ns < before || p.ts_ns > after)
		return 35;
	make_frame(f, 2, 1, false);
	if (send(outgoing, f, 1000, 0) != 1000)
		return 36;
	if (pfring_recv_batch(handed_down, &p, 1, WIRE_PATIENCE) != 1)
		return 37;
	if (p.len != 1000 || p.caplen != 128 || memcmp(p.data, f, 128) || p.vlan_tci)
		return 38;
	return p.rx_direction || p.if_index != (int)if_nametoindex("cap0") ? 39 : 0;
}

static void test_a_packet_is_told_alike_after_the_privileges_are_gone(void **state)
{
	struct pfring_open_options opts = {.sz = sizeof(opts), .caplen = 128};

	(void)state;
	already = (u_int)wire_socket("gen0", 0);
	outgoing = wire_socket("cap0", 0);
	handed_down = open_bpf("bpf:cap0", &opts);
	assert_int_equal(without(-1, describe_late), 0);
	pfring_close(handed_down);
	close((int)already);
	close(outgoing);
}

/* Refuses every third frame by a hash rule or a wildcard rule. */
static int add_rules(pfring *r)
{
	filtering_rule wild = {.rule_id = 7,
			       .rule_action = dont_forward_packet_and_stop_rule_evaluation};
	hash_filtering_rule flow = {.proto = 17, .ip_version = 4};

	flow.host_peer_a.v4 = 0x0a000001;
	flow.host_peer_b.v4 = 0x0a000002;
	flow.port_peer_a = 5000;
	flow.port_peer_b = 1001;
	wild.core_fields.dport_low = 1001;
	return pfring_handle_hash_filtering_rule(r, &flow, 1) ||
	       pfring_add_filtering_rule(r, &wild);
}

/* 0, or what is wrong; the flow of frame 64, which has a hash rule, goes to port 1001. */
static int rules_hold(pfring *r, int gen, u_int32_t place)
{
	struct pfring_details d = {.sz = sizeof(d)};
	struct pfring_packet p[64];
	u_int got = 0, flow = 0;
	int n;

	if (add_rules(r))
		return 1;
	if (pfring_get_details(r, &d) || d.rules != place)
		return 2;
	if ((place == PFRING_RULES_USER) != (d.rules_why[0] != 0))
		return 3;
	send_frames(gen, 0, 192);
	while ((n = pfring_recv_batch(r, p, 64, got < 129 ? WIRE_PATIENCE : 100)) > 0)
		for (int k = 0; k < n; k++, got++) {
			flow += number(&p[k]) == 64;
			if (number(&p[k]) % 3 == 1 && number(&p[k]) != 64)
				return 4;
		}
	if (flow != 1)
		return 5;
	if (got != 129)
		return 6;
	return stats(r).filtered_user == 63 && stats(r).recv == 129 ? 0 : 7;
}

static int rules_with_little_privilege(void)
{
	return rules_hold(open_bpf("bpf:cap0", NULL), (int)already, PFRING_RULES_EBPF);
}

static void test_rules_run_in_the_program_with_no_more_than_cap_bpf(void **state)
{
	(void)state;
	already = (u_int)wire_socket("gen0", 0);
	assert_int_equal(without(CAP_PERFMON_BIT, rules_with_little_privilege), 0);
	close((int)already);
}

static int rules_late(void)
{
	return rules_hold(handed_down, (int)already, PFRING_RULES_USER);
}

static void test_rules_after_the_privileges_are_gone_are_the_librarys(void **state)
{
	(void)state;
	already = (u_int)wire_socket("gen0", 0);
	handed_down = open_bpf("bpf:cap0", NULL);
	assert_int_equal(without(-1, rules_late), 0);
	pfring_close(handed_down);
	close((int)already);
}

static int open_with_little_locked_memory(void)
{
	struct rlimit none = {0, 0};
	const char *why;
	pfring *r;

	if (setrlimit(RLIMIT_MEMLOCK, &none))
		return 1;
	r = pfring_open("cap0", 0, 0);
	if (!r)
		return 2;
	/* Before 5.11 maps counted against it: then packet:, and the reason is told. */
	if (strcmp(pfring_get_backend(r, &why), "bpf") && !strstr(why, "MEMLOCK"))
		return 3;
	return pfring_enable_ring(r) ? 4 : 0;
}

static void test_a_small_memlock_limit_is_no_reason_to_fail(void **state)
{
	(void)state;
	assert_int_equal(without(CAP_IPC_LOCK, open_with_little_locked_memory), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_cap_bpf_a_bare_name_is_packet_and_says_why),
		cmocka_unit_test(test_a_bare_name_is_bpf_where_it_can_be_had),
		cmocka_unit_test(test_a_filter_after_the_privileges_are_gone_turns_it_into_packet),
		cmocka_unit_test(test_another_filter_after_the_privileges_are_gone_is_the_kernels),
		cmocka_unit_test(test_a_packet_is_told_alike_after_the_privileges_are_gone),
		cmocka_unit_test(test_rules_run_in_the_program_with_no_more_than_cap_bpf),
		cmocka_unit_test(test_rules_after_the_privileges_are_gone_are_the_librarys),
		cmocka_unit_test(test_a_small_memlock_limit_is_no_reason_to_fail),
	};

	wire_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
