/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Filtering modes: which rules go to the adapter, as what, and when they leave
 * it. The adapter is played by ioctl() below, in front of a veth that has no
 * rules: a table of eight places that takes or refuses what a driver would.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <sys/syscall.h>

#include "pfring.h"
#include "wire.h"

#define PLACES 8

static struct {
	bool there;   /* off: the veth answers for itself */
	bool no_ipv6; /* refuses what is of IPv6 */
	int error;    /* what an insertion fails with, 0: it does not */
	u_int used;   /* bit for each place */
	u_int deletions;
	struct ethtool_rx_flow_spec rule[PLACES];
} adapter;

static int insert(const struct ethtool_rx_flow_spec *fs)
{
	if (adapter.error)
		return adapter.error;
	if (fs->location >= PLACES)
		return EINVAL;
	switch (fs->flow_type & ~(u_int)(FLOW_EXT | FLOW_MAC_EXT | FLOW_RSS)) {
	case IPV6_USER_FLOW:
	case TCP_V6_FLOW:
	case UDP_V6_FLOW:
		if (adapter.no_ipv6)
			return EOPNOTSUPP;
	}
	adapter.rule[fs->location] = *fs;
	adapter.used |= 1u << fs->location;
	return 0;
}

/* An errno value, or -1: that is not for us. Other questions are smaller, and aligned otherwise. */
static int answer(void *question)
{
	struct ethtool_rxnfc *q = question;
	u_int32_t cmd;
	u_int at;

	memcpy(&cmd, question, sizeof(cmd));
	if (cmd < ETHTOOL_GRXCLSRLCNT || cmd > ETHTOOL_SRXCLSRLINS)
		return -1;
	at = q->fs.location;
	switch (cmd) {
	case ETHTOOL_GRXCLSRLCNT:
		q->data = PLACES;
		return 0;
	case ETHTOOL_GRXCLSRULE:
		return at < PLACES && adapter.used & 1u << at ? 0 : ENOENT;
	case ETHTOOL_SRXCLSRLINS:
		return insert(&q->fs);
	case ETHTOOL_SRXCLSRLDEL:
		adapter.deletions++;
		if (at >= PLACES || !(adapter.used & 1u << at))
			return ENOENT;
		adapter.used &= ~(1u << at);
		return 0;
	}
	return -1;
}

/* The library's calls come here before they come to the kernel. */
int ioctl(int fd, unsigned long request, ...)
{
	struct ifreq *ifr;
	va_list args;
	int rc = -1;

	va_start(args, request);
	ifr = va_arg(args, struct ifreq *);
	va_end(args);
	if (request == SIOCETHTOOL && adapter.there)
		rc = answer(ifr->ifr_data);
	if (rc < 0)
		return (int)syscall(SYS_ioctl, fd, request, ifr);
	errno = rc;
	return rc ? -1 : 0;
}

static pfring *opened(const char *name, filtering_mode mode)
{
	pfring *ring = pfring_open(name, 1536, 0);

	assert_non_null(ring);
	assert_int_equal(pfring_set_filtering_mode(ring, mode), 0);
	return ring;
}

static int plug_in(void **state)
{
	(void)state;
	memset(&adapter, 0, sizeof(adapter));
	adapter.there = true;
	return 0;
}

static u_int places(void)
{
	return (u_int)__builtin_popcount(adapter.used);
}

static filtering_rule web(void)
{
	filtering_rule rule;

	memset(&rule, 0, sizeof(rule));
	rule.rule_id = 5;
	rule.rule_action = dont_forward_packet_and_stop_rule_evaluation;
	rule.core_fields.proto = IPPROTO_TCP;
	rule.core_fields.dhost.v4 = 0x0a010203;
	rule.core_fields.dhost_mask.v4 = 0xffffff00;
	rule.core_fields.dport_low = rule.core_fields.dport_high = 80;
	return rule;
}

static hash_filtering_rule flow(void)
{
	hash_filtering_rule rule;

	memset(&rule, 0, sizeof(rule));
	rule.ip_version = 4;
	rule.proto = IPPROTO_UDP;
	rule.host_peer_a.v4 = 0x0a000001;
	rule.host_peer_b.v4 = 0x0a000002;
	rule.port_peer_a = 1000;
	rule.port_peer_b = 53;
	rule.rule_action = dont_forward_packet_and_stop_rule_evaluation;
	return rule;
}

static int rule_stats(pfring *ring, u_int16_t id)
{
	filtering_rule_stats st;
	u_int len = sizeof(st);

	return pfring_get_filtering_rule_stats(ring, id, (char *)&st, &len);
}

static void test_an_adapter_without_rules_refuses_hardware_only(void **state)
{
	filtering_rule rule = web();
	hash_filtering_rule hash = flow();
	pfring *ring = pfring_open("packet:cap0", 1536, 0);

	(void)state;
	adapter.there = false;
	assert_non_null(ring);
	assert_int_equal(pfring_set_filtering_mode(ring, hardware_only), -EOPNOTSUPP);
	assert_non_null(strstr(pfring_last_error(), "ntuple"));
	/* The mode is what it was. */
	assert_int_equal(pfring_add_filtering_rule(ring, &rule), 0);
	assert_int_equal(rule_stats(ring, 5), 0);
	/* With both, software has what the adapter has not. */
	assert_int_equal(pfring_set_filtering_mode(ring, hardware_and_software), 0);
	rule.rule_id = FILTERING_RULE_AUTO_RULE_ID;
	assert_int_equal(pfring_add_filtering_rule(ring, &rule), 0);
	assert_int_equal(rule.rule_id, 6);
	assert_int_equal(rule_stats(ring, 6), 0);
	assert_int_equal(pfring_handle_hash_filtering_rule(ring, &hash, 1), 0);
	assert_int_equal(pfring_handle_hash_filtering_rule(ring, &hash, 0), 0);
	assert_int_equal(pfring_remove_filtering_rule(ring, 6), 0);
	assert_int_equal(pfring_remove_filtering_rule(ring, 6), -ENOENT);
	pfring_close(ring);
}

static void test_a_wildcard_rule_goes_to_the_adapter_with_its_masks(void **state)
{
	pfring *ring = opened("packet:cap0", hardware_only);
	const struct ethtool_rx_flow_spec *fs = &adapter.rule[0];
	filtering_rule rule = web();

	(void)state;
	assert_int_equal(pfring_add_filtering_rule(ring, &rule), 0);
	assert_int_equal(adapter.used, 1);
	assert_int_equal(fs->flow_type, TCP_V4_FLOW);
	assert_int_equal(fs->ring_cookie, RX_CLS_FLOW_DISC);
	assert_int_equal(ntohl(fs->h_u.tcp_ip4_spec.ip4dst), 0x0a010200);
	assert_int_equal(ntohl(fs->m_u.tcp_ip4_spec.ip4dst), 0xffffff00);
	assert_int_equal(fs->m_u.tcp_ip4_spec.ip4src, 0);
	assert_int_equal(ntohs(fs->h_u.tcp_ip4_spec.pdst), 80);
	assert_int_equal(fs->m_u.tcp_ip4_spec.pdst, 0xffff);
	/* It is there and nowhere else, so nobody counts. */
	assert_int_equal(rule_stats(ring, 5), -EOPNOTSUPP);
	assert_int_equal(rule_stats(ring, 4), -ENOENT);
	assert_int_equal(pfring_add_filtering_rule(ring, &rule), -EEXIST);
	assert_int_equal(pfring_set_filtering_mode(ring, software_only), 0);
	assert_int_equal(pfring_add_filtering_rule(ring, &rule), -EEXIST);
	assert_int_equal(pfring_remove_filtering_rule(ring, 5), 0);
	assert_int_equal(adapter.used, 0);
	assert_int_equal(pfring_remove_filtering_rule(ring, 5), -ENOENT);
	pfring_close(ring);
}

static void test_both_directions_and_both_versions_take_a_place_each(void **state)
{
	pfring *ring = opened("packet:cap0@0", hardware_only);
	filtering_rule rule = web();

	(void)state;
	rule.bidirectional = 1;
	rule.rule_action = forward_packet_and_stop_rule_evaluation;
	assert_int_equal(pfring_add_filtering_rule(ring, &rule), 0);
	assert_int_equal(adapter.used, 3);
	assert_int_equal(ntohl(adapter.rule[1].h_u.tcp_ip4_spec.ip4src), 0x0a010200);
	assert_int_equal(ntohs(adapter.rule[1].h_u.tcp_ip4_spec.psrc), 80);
	/* Forwarded: to the queue that the ring is on. */
	assert_int_equal(adapter.rule[1].ring_cookie, 0);
	assert_int_equal(adapter.rule[1].flow_type, TCP_V4_FLOW);
	memset(&rule.core_fields, 0, sizeof(rule.core_fields));
	rule.rule_id = FILTERING_RULE_AUTO_RULE_ID;
	rule.core_fields.proto = IPPROTO_UDP;
	rule.core_fields.sport_low = 53;
	assert_int_equal(pfring_add_filtering_rule(ring, &rule), 0);
	assert_int_equal(rule.rule_id, 6);
	assert_int_equal(places(), 6);
	assert_int_equal(adapter.rule[2].flow_type, UDP_V4_FLOW);
	assert_int_equal(adapter.rule[4].flow_type, UDP_V6_FLOW);
	assert_int_equal(ntohs(adapter.rule[5].h_u.udp_ip6_spec.pdst), 53);
	/* Four places are wanted, two are left: none is taken. */
	rule.rule_id = 7;
	rule.core_fields.sport_low = 54;
	assert_int_equal(pfring_add_filtering_rule(ring, &rule), -ENOSPC);
	assert_int_equal(places(), 6);
	assert_int_equal(pfring_remove_filtering_rule(ring, 7), -ENOENT);
	/* The same both ways: one place. */
	memset(&rule.core_fields, 0, sizeof(rule.core_fields));
	rule.core_fields.eth_type = 0x88b5;
	assert_int_equal(pfring_add_filtering_rule(ring, &rule), 0);
	assert_int_equal(places(), 7);
	assert_int_equal(adapter.rule[6].flow_type, ETHER_FLOW);
	assert_int_equal(ntohs(adapter.rule[6].h_u.ether_spec.h_proto), 0x88b5);
	/* The ring is gone, and so are its rules. */
	pfring_close(ring);
	assert_int_equal(adapter.used, 0);
}

static void test_what_is_refused_halfway_leaves_nothing_behind(void **state)
{
	pfring *ring = opened("packet:cap0", hardware_only);
	filtering_rule rule = web();

	(void)state;
	adapter.no_ipv6 = true;
	memset(&rule.core_fields.dhost, 0, sizeof(rule.core_fields.dhost));
	assert_int_equal(pfring_add_filtering_rule(ring, &rule), -EOPNOTSUPP);
	assert_int_equal(adapter.used, 0);
	assert_int_equal(adapter.deletions, 1);
	pfring_close(ring);
}

static void refused(pfring *ring, const filtering_rule *rule, const char *what)
{
	filtering_rule copy = *rule;

	assert_int_equal(pfring_add_filtering_rule(ring, &copy), -EOPNOTSUPP);
	assert_non_null(strstr(pfring_last_error(), what));
	assert_int_equal(adapter.used, 0);
}

static void test_what_no_adapter_can_do_is_named(void **state)
{
	pfring *ring = opened("packet:cap0", hardware_only);
	hash_filtering_rule hash = flow();
	filtering_rule rule = web();

	(void)state;
	rule.core_fields.dport_high = 90;
	refused(ring, &rule, "range");
	rule = web();
	rule.core_fields.tcp.flags = 2;
	refused(ring, &rule, "TCP flags");
	rule = web();
	strcpy(rule.extended_fields.payload_pattern, "GET");
	refused(ring, &rule, "pattern");
	rule = web();
	rule.extended_fields.tunnel.tunnel_id = 7;
	refused(ring, &rule, "tunnel");
	rule = web();
	rule.balance_pool = 2;
	refused(ring, &rule, "balancing");
	rule = web();
	rule.rule_action = execute_action_and_continue_rule_evaluation;
	refused(ring, &rule, "forward");
	rule = web();
	rule.plugin_action.plugin_id = 1;
	refused(ring, &rule, "plugins");
	rule = web();
	rule.core_fields.proto = 0;
	refused(ring, &rule, "ports");
	rule = web();
	rule.core_fields.smac[0] = 2;
	refused(ring, &rule, "MAC");
	rule = web();
	rule.core_fields.if_index = 77;
	refused(ring, &rule, "another device");
	hash.rule_action = forward_packet_del_rule_and_stop_rule_evaluation;
	assert_int_equal(pfring_handle_hash_filtering_rule(ring, &hash, 1), -EOPNOTSUPP);
	/* Malformed is told before. */
	rule = web();
	rule.core_fields.vlan_id = 4096;
	assert_int_equal(pfring_add_filtering_rule(ring, &rule), -EINVAL);
	pfring_close(ring);
}

static void test_hash_rules_take_both_directions_of_a_flow(void **state)
{
	pfring *ring = opened("packet:cap0", hardware_only);
	hash_filtering_rule hash = flow(), back = flow();
	hash_filtering_rule_stats st;

	(void)state;
	assert_int_equal(pfring_handle_hash_filtering_rule(ring, &hash, 1), 0);
	assert_int_equal(adapter.used, 3);
	assert_int_equal(ntohl(adapter.rule[0].h_u.udp_ip4_spec.ip4src), 0x0a000001);
	assert_int_equal(ntohs(adapter.rule[0].h_u.udp_ip4_spec.pdst), 53);
	assert_int_equal(ntohl(adapter.rule[1].h_u.udp_ip4_spec.ip4src), 0x0a000002);
	assert_int_equal(ntohs(adapter.rule[1].h_u.udp_ip4_spec.pdst), 1000);
	assert_int_equal(adapter.rule[1].ring_cookie, RX_CLS_FLOW_DISC);
	/* It is known by either end. */
	back.host_peer_a = hash.host_peer_b;
	back.host_peer_b = hash.host_peer_a;
	back.port_peer_a = hash.port_peer_b;
	back.port_peer_b = hash.port_peer_a;
	assert_int_equal(pfring_handle_hash_filtering_rule(ring, &back, 1), -EEXIST);
	assert_int_equal(pfring_get_hash_filtering_rule_stats(ring, &hash, &st), -EOPNOTSUPP);
	assert_int_equal(pfring_purge_idle_hash_rules(ring, 1), 0);
	assert_int_equal(adapter.used, 3);
	assert_int_equal(pfring_handle_hash_filtering_rule(ring, &back, 0), 0);
	assert_int_equal(adapter.used, 0);
	assert_int_equal(pfring_handle_hash_filtering_rule(ring, &hash, 0), -ENOENT);
	pfring_close(ring);
}

static void both_at(const char *name)
{
	pfring *ring = opened(name, hardware_and_software);
	hash_filtering_rule hash = flow();
	filtering_rule rule = web(), locked = web();

	assert_int_equal(pfring_add_filtering_rule(ring, &rule), 0);
	locked.rule_id = 6;
	locked.locked = 1;
	assert_int_equal(pfring_add_filtering_rule(ring, &locked), 0);
	assert_int_equal(pfring_handle_hash_filtering_rule(ring, &hash, 1), 0);
	assert_int_equal(places(), 4);
	/* Software has them and counts. */
	assert_int_equal(rule_stats(ring, 5), 0);
	/* What the adapter cannot do is software's alone. */
	rule.rule_id = FILTERING_RULE_AUTO_RULE_ID;
	strcpy(rule.extended_fields.payload_pattern, "GET");
	assert_int_equal(pfring_add_filtering_rule(ring, &rule), 0);
	assert_int_equal(rule.rule_id, 7);
	assert_int_equal(places(), 4);
	assert_int_equal(rule_stats(ring, 7), 0);
	/* Another failure of the adapter's is the call's, and undone. */
	adapter.error = EPERM;
	rule = web();
	rule.rule_id = FILTERING_RULE_AUTO_RULE_ID;
	assert_int_equal(pfring_add_filtering_rule(ring, &rule), -EPERM);
	assert_non_null(strstr(pfring_last_error(), "CAP_NET_ADMIN"));
	assert_int_equal(rule.rule_id, FILTERING_RULE_AUTO_RULE_ID);
	assert_int_equal(rule_stats(ring, 8), -ENOENT);
	hash.port_peer_a++;
	assert_int_equal(pfring_handle_hash_filtering_rule(ring, &hash, 1), -EPERM);
	assert_int_equal(pfring_handle_hash_filtering_rule(ring, &hash, 0), -ENOENT);
	adapter.error = 0;
	/* Idle rules leave both; locked ones stay in both. */
	assert_int_equal(pfring_purge_idle_rules(ring, 0), 0);
	assert_int_equal(rule_stats(ring, 5), -ENOENT);
	assert_int_equal(rule_stats(ring, 6), 0);
	assert_int_equal(places(), 3);
	assert_int_equal(pfring_purge_idle_hash_rules(ring, 100), 0);
	assert_int_equal(places(), 3);
	assert_int_equal(pfring_purge_idle_hash_rules(ring, 0), 0);
	assert_int_equal(places(), 1);
	assert_int_equal(pfring_remove_filtering_rule(ring, 6), 0);
	assert_int_equal(adapter.used, 0);
	pfring_close(ring);
}

static void test_with_both_a_rule_is_in_the_adapter_and_in_software(void **state)
{
	(void)state;
	both_at("packet:cap0");
	both_at("bpf:cap0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_an_adapter_without_rules_refuses_hardware_only,
				       plug_in),
		cmocka_unit_test_setup(test_a_wildcard_rule_goes_to_the_adapter_with_its_masks,
				       plug_in),
		cmocka_unit_test_setup(test_both_directions_and_both_versions_take_a_place_each,
				       plug_in),
		cmocka_unit_test_setup(test_what_is_refused_halfway_leaves_nothing_behind, plug_in),
		cmocka_unit_test_setup(test_what_no_adapter_can_do_is_named, plug_in),
		cmocka_unit_test_setup(test_hash_rules_take_both_directions_of_a_flow, plug_in),
		cmocka_unit_test_setup(test_with_both_a_rule_is_in_the_adapter_and_in_software,
				       plug_in),
	};

	wire_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
