/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Filters of a live handle are instruction for instruction what libpcap makes
 * on its own live handle for the same interface, though most are compiled
 * without one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pcap/pcap.h>
#include <sys/wait.h>

#include "filter.h"
#include "filters.h"
#include "handle.h"
#include "wire.h"

static pcap_t *oracle;
static bpf_u_int32 netmask;

static void assert_libpcap_compiles_the_same(pfring *ring, const char *expr)
{
	struct pfri_ring *r = pfri_of(ring);
	struct bpf_program want;

	if (pfri_filter_compile(r, expr, &r->next))
		fail_msg("%s", pfring_last_error());
	if (pcap_compile(oracle, &want, expr, 1, netmask))
		fail_msg("libpcap: %s: %s", expr, pcap_geterr(oracle));
	if (r->next.len != want.bf_len ||
	    memcmp(r->next.insn, want.bf_insns, want.bf_len * sizeof(*want.bf_insns)))
		fail_msg("%s: other code than libpcap's on a live handle", expr);
	pcap_freecode(&want);
}

static void compile_all(const char *name)
{
	pfring *ring = pfring_open(name, MAX_CAPLEN, 0);

	if (!ring)
		fail_msg("%s", pfring_last_error());
	for (size_t i = 0; i < TEST_FILTERS; i++)
		assert_libpcap_compiles_the_same(ring, test_filters[i]);
	for (size_t i = 0; i < TEST_VLAN_FILTERS; i++)
		assert_libpcap_compiles_the_same(ring, test_vlan_filters[i]);
	pfring_close(ring);
}

static void test_live_and_dead_handles_compile_to_identical_code(void **state)
{
	(void)state;
	assert_true(TEST_FILTERS >= 60);
	assert_int_equal(netmask, htonl(0xffffff00));
	compile_all("packet:cap0");
}

static void test_a_libpcap_handle_compiles_on_itself(void **state)
{
	(void)state;
	compile_all("pcap:cap0");
}

static void test_compiling_leaves_no_socket_behind(void **state)
{
	pfring *ring = pfring_open("packet:cap0", 96, 0);
	struct pfri_ring *r = pfri_of(ring);
	int lowest = dup(0);

	(void)state;
	close(lowest);
	for (int i = 0; i < 20; i++)
		assert_int_equal(pfri_filter_compile(r, "vlan and tcp", &r->next), 0);
	assert_int_equal(dup(0), lowest);
	close(lowest);
	pfring_close(ring);
}

static int without_privileges(void)
{
	pfring *ring = pfring_open("packet:cap0", 96, 0);
	struct pfri_ring *r = pfri_of(ring);

	if (!ring || setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
		return 1;
	if (pfri_filter_compile(r, "tcp port 80 and inbound", &r->next))
		return 2;
	if (pfri_filter_compile(r, "vlan 5", &r->next) != -EPERM)
		return 3;
	return strstr(pfring_last_error(), "CAP_NET_RAW") ? 0 : 4;
}

static void test_without_privileges_all_but_vlan_compiles(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (!pid)
		_exit(without_privileges());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int setup(void **state)
{
	char why[PCAP_ERRBUF_SIZE];
	bpf_u_int32 net;

	(void)state;
	wire_setup();
	wire_run("ip addr add 10.9.8.7/24 dev cap0");
	oracle = pcap_create("cap0", why);
	return pcap_lookupnet("cap0", &net, &netmask, why) || pcap_activate(oracle);
}

static int teardown(void **state)
{
	(void)state;
	pcap_close(oracle);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_live_and_dead_handles_compile_to_identical_code),
		cmocka_unit_test(test_a_libpcap_handle_compiles_on_itself),
		cmocka_unit_test(test_compiling_leaves_no_socket_behind),
		cmocka_unit_test(test_without_privileges_all_but_vlan_compiles),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
