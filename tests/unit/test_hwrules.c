/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hardware rules: how they are put to a driver, and what is refused before one
 * is asked. What drivers answer is in tests/netns.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>

#include "backend.h"
#include "hwrules.h"

#define QUEUES 4

static struct ethtool_rx_flow_spec fs;

static int spec(const hw_filtering_rule *rule, int queue)
{
	memset(&fs, 0xee, sizeof(fs));
	return pfri_hw_spec(rule, QUEUES, queue, &fs);
}

static void test_a_five_tuple_goes_to_its_queue(void **state)
{
	hw_filtering_rule rule = {.rule_family_type = intel_82599_five_tuple_rule, .rule_id = 9};
	intel_82599_five_tuple_filter_hw_rule *t = &rule.rule_family.five_tuple_rule;

	(void)state;
	*t = (intel_82599_five_tuple_filter_hw_rule){IPPROTO_TCP, 0x0a000001, 0x0a000002, 80, 0, 3};
	assert_int_equal(spec(&rule, -1), 0);
	assert_int_equal(fs.flow_type, TCP_V4_FLOW);
	assert_int_equal(fs.location, 9);
	assert_int_equal(fs.ring_cookie, 3);
	assert_int_equal(ntohl(fs.h_u.tcp_ip4_spec.ip4src), 0x0a000001);
	assert_int_equal(ntohl(fs.h_u.tcp_ip4_spec.ip4dst), 0x0a000002);
	assert_int_equal(fs.m_u.tcp_ip4_spec.ip4src, 0xffffffff);
	assert_int_equal(ntohs(fs.h_u.tcp_ip4_spec.psrc), 80);
	assert_int_equal(fs.m_u.tcp_ip4_spec.psrc, 0xffff);
	/* What is 0 takes no part. */
	assert_int_equal(fs.m_u.tcp_ip4_spec.pdst, 0);
}

static void test_a_queue_that_is_not_there_drops(void **state)
{
	hw_filtering_rule rule = {.rule_family_type = intel_82599_perfect_filter_rule};
	intel_82599_perfect_filter_hw_rule *t = &rule.rule_family.perfect_rule;

	(void)state;
	t->vlan_id = 7;
	t->queue_id = QUEUES;
	assert_int_equal(spec(&rule, -1), 0);
	assert_int_equal(fs.ring_cookie, RX_CLS_FLOW_DISC);
	assert_int_equal(fs.flow_type, IP_USER_FLOW | FLOW_EXT);
	assert_int_equal(ntohs(fs.h_ext.vlan_tci), 7);
	assert_int_equal(ntohs(fs.m_ext.vlan_tci), 4095);
	assert_int_equal(fs.h_u.usr_ip4_spec.ip_ver, ETH_RX_NFC_IP4);
	t->queue_id = QUEUES - 1;
	assert_int_equal(spec(&rule, -1), 0);
	assert_int_equal(fs.ring_cookie, QUEUES - 1);
}

static void test_a_passed_flow_goes_to_the_rings_queue_or_is_spread(void **state)
{
	hw_filtering_rule rule = {.rule_family_type = generic_flow_tuple_rule};
	generic_flow_tuple_hw_rule *t = &rule.rule_family.flow_tuple_rule;

	(void)state;
	t->action = flow_pass_rule;
	t->protocol = IPPROTO_UDP;
	t->dst_port = 53;
	assert_int_equal(spec(&rule, 2), 0);
	assert_int_equal(fs.flow_type, UDP_V4_FLOW);
	assert_int_equal(fs.ring_cookie, 2);
	assert_int_equal(spec(&rule, -1), 0);
	assert_int_equal(fs.flow_type, UDP_V4_FLOW | FLOW_RSS);
	assert_int_equal(fs.ring_cookie, 0);
	t->action = flow_drop_rule;
	assert_int_equal(spec(&rule, -1), 0);
	assert_int_equal(fs.flow_type, UDP_V4_FLOW);
	assert_int_equal(fs.ring_cookie, RX_CLS_FLOW_DISC);
}

static void test_ipv6_addresses_are_taken_as_they_are(void **state)
{
	hw_filtering_rule rule = {.rule_family_type = generic_flow_tuple_rule};
	generic_flow_tuple_hw_rule *t = &rule.rule_family.flow_tuple_rule;

	(void)state;
	t->action = flow_drop_rule;
	t->ip_version = 6;
	t->protocol = IPPROTO_ICMPV6;
	assert_int_equal(inet_pton(AF_INET6, "2001:db8::1", &t->dst_ip.v6), 1);
	assert_int_equal(spec(&rule, -1), 0);
	assert_int_equal(fs.flow_type, IPV6_USER_FLOW);
	assert_memory_equal(fs.h_u.usr_ip6_spec.ip6dst, &t->dst_ip.v6, 16);
	assert_int_equal(fs.m_u.usr_ip6_spec.ip6dst[3], 0xffffffff);
	assert_int_equal(fs.m_u.usr_ip6_spec.ip6src[0], 0);
	assert_int_equal(fs.h_u.usr_ip6_spec.l4_proto, IPPROTO_ICMPV6);
	t->protocol = IPPROTO_SCTP;
	t->src_port = 1;
	assert_int_equal(spec(&rule, -1), 0);
	assert_int_equal(fs.flow_type, SCTP_V6_FLOW);
	assert_int_equal(ntohs(fs.h_u.sctp_ip6_spec.psrc), 1);
}

static void test_malformed_rules_are_refused(void **state)
{
	hw_filtering_rule rule = {.rule_family_type = generic_flow_tuple_rule};
	generic_flow_tuple_hw_rule *t = &rule.rule_family.flow_tuple_rule;

	(void)state;
	t->action = flow_pass_rule;
	t->src_port = 80; /* of what protocol? */
	assert_int_equal(spec(&rule, -1), -EINVAL);
	t->protocol = IPPROTO_GRE;
	assert_int_equal(spec(&rule, -1), -EINVAL);
	t->protocol = IPPROTO_TCP;
	t->ip_version = 5;
	assert_int_equal(spec(&rule, -1), -EINVAL);
	t->ip_version = 0;
	t->action = (generic_flow_rule_action_type)77;
	assert_int_equal(spec(&rule, -1), -EINVAL);
	rule.rule_family_type = (hw_filtering_rule_type)99;
	assert_int_equal(spec(&rule, -1), -EINVAL);
	memset(&rule, 0, sizeof(rule));
	rule.rule_family_type = intel_82599_perfect_filter_rule;
	rule.rule_family.perfect_rule.vlan_id = 4096;
	assert_int_equal(spec(&rule, -1), -EINVAL);
}

static void test_rules_of_other_hardware_are_told_apart_from_malformed_ones(void **state)
{
	hw_filtering_rule rule = {.rule_family_type = silicom_redirector_rule};

	(void)state;
	assert_int_equal(spec(&rule, -1), -EOPNOTSUPP);
	rule.rule_family_type = generic_flow_id_rule;
	assert_int_equal(spec(&rule, -1), -EOPNOTSUPP);
	rule.rule_family_type = generic_flow_tuple_rule;
	rule.rule_family.flow_tuple_rule.action = flow_mark_rule;
	assert_int_equal(spec(&rule, -1), -EOPNOTSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_five_tuple_goes_to_its_queue),
		cmocka_unit_test(test_a_queue_that_is_not_there_drops),
		cmocka_unit_test(test_a_passed_flow_goes_to_the_rings_queue_or_is_spread),
		cmocka_unit_test(test_ipv6_addresses_are_taken_as_they_are),
		cmocka_unit_test(test_malformed_rules_are_refused),
		cmocka_unit_test(test_rules_of_other_hardware_are_told_apart_from_malformed_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
