/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The library's own filtering rules through the public calls, on capture files
 * made here: what each action does, the order, statistics, purging, and one
 * clear error for each malformed rule. tests/python/test_rule_model.py compares
 * thousands of random rules with a model; here is what it does not ask.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "capfile.h"
#include "frame.h"
#include "parse.h"

#define MAX_FRAMES 64

static char path[] = "/tmp/pfring-rules-XXXXXX";
static struct frame sent[MAX_FRAMES];
static u_int n_sent;

static struct frame *add_frame(void)
{
	struct frame *f = &sent[n_sent++];

	memset(f, 0, sizeof(*f));
	return f;
}

/* One packet of a flow between hosts a and b. */
static struct frame *add_packet(u_int proto, u_int a, u_int a_port, u_int b, u_int b_port)
{
	struct frame *f = add_frame();

	f_eth(f, ETH_P_IP);
	f_ip4(f, proto, a, b, 0, 0);
	if (proto == IPPROTO_TCP)
		f_tcp(f, a_port, b_port, 0);
	else
		f_udp(f, a_port, b_port);
	return f;
}

static void add_text(struct frame *f, const char *text)
{
	f_bytes(f, text, (u_int)strlen(text));
}

/* A ring over the frames added so far; they are given up. */
static pfring *open_frames(u_int32_t caplen)
{
	struct bytes b = {0};
	char name[128];
	pfring *ring;

	put_header(&b, 0xa1b2c3d4, 262144, 1);
	for (u_int i = 0; i < n_sent; i++) {
		f_done(&sent[i]);
		put32(&b, 1700000000 + i);
		put32(&b, 0);
		put32(&b, sent[i].n);
		put32(&b, sent[i].n);
		put(&b, sent[i].b, sent[i].n);
	}
	save(path, &b, b.len);
	free(b.at);
	n_sent = 0;
	snprintf(name, sizeof(name), "file:%s", path);
	ring = pfring_open(name, caplen, 0);
	assert_non_null(ring);
	assert_int_equal(pfring_enable_ring(ring), 0);
	return ring;
}

/* The packets that come, by their place in the file: bit i is packet i. Books are checked. */
static u_int64_t read_all(pfring *ring)
{
	struct pfring_stats64 st = {.sz = sizeof(st)};
	struct pfring_packet pkt[16];
	u_int64_t seen = 0, n = 0;
	int rc;

	while ((rc = pfring_recv_batch(ring, pkt, 16, -1)) > 0)
		for (int i = 0; i < rc; i++, n++)
			seen |= 1ull << (pkt[i].ts_ns / 1000000000u - 1700000000u);
	assert_int_equal(rc, -ENODATA);
	assert_int_equal(pfring_stats64(ring, &st), 0);
	assert_int_equal(st.recv, n);
	assert_int_equal(st.delivered, n);
	assert_int_equal(st.drop, 0);
	return seen;
}

static filtering_rule rule_of(u_int16_t id, rule_action_behaviour action)
{
	filtering_rule rule;

	memset(&rule, 0, sizeof(rule));
	rule.rule_id = id;
	rule.rule_action = action;
	return rule;
}

static hash_filtering_rule flow_of(u_int8_t proto, u_int a, u_int16_t a_port, u_int b,
				   u_int16_t b_port)
{
	hash_filtering_rule rule;

	memset(&rule, 0, sizeof(rule));
	rule.proto = proto;
	rule.host_peer_a.v4 = v4(a);
	rule.host_peer_b.v4 = v4(b);
	rule.port_peer_a = a_port;
	rule.port_peer_b = b_port;
	return rule;
}

static hash_filtering_rule_stats stats_of(pfring *ring, u_int16_t id)
{
	hash_filtering_rule_stats st;
	u_int len = sizeof(st);

	assert_int_equal(pfring_get_filtering_rule_stats(ring, id, (char *)&st, &len), 0);
	assert_int_equal(len, sizeof(st));
	return st;
}

static void test_the_policy_alone_drops_all(void **state)
{
	struct pfring_stats64 st = {.sz = sizeof(st)};
	pfring *ring;

	(void)state;
	for (int i = 0; i < 5; i++)
		add_packet(IPPROTO_UDP, 1, 1000, 2, 53);
	ring = open_frames(0);
	assert_int_equal(pfring_toggle_filtering_policy(ring, 0), 0);
	assert_int_equal(read_all(ring), 0);
	assert_int_equal(pfring_stats64(ring, &st), 0);
	assert_int_equal(st.filtered_user, 5);
	pfring_close(ring);
}

static void test_the_lowest_id_decides(void **state)
{
	filtering_rule drop = rule_of(7, dont_forward_packet_and_stop_rule_evaluation);
	filtering_rule keep = rule_of(3, forward_packet_and_stop_rule_evaluation);
	pfring *ring;

	(void)state;
	add_packet(IPPROTO_UDP, 1, 1000, 2, 53);
	add_packet(IPPROTO_UDP, 1, 1000, 2, 54);
	ring = open_frames(0);
	keep.core_fields.dport_low = 53;
	assert_int_equal(pfring_add_filtering_rule(ring, &drop), 0);
	assert_int_equal(pfring_add_filtering_rule(ring, &keep), 0);
	assert_int_equal(read_all(ring), 1);
	assert_int_equal(stats_of(ring, 3).match_forward, 1);
	assert_int_equal(stats_of(ring, 7).match, 1);
	assert_int_equal(stats_of(ring, 7).filtered, 1);
	pfring_close(ring);
}

static void test_chosen_ids_come_behind_all_others(void **state)
{
	filtering_rule rule = rule_of(41, forward_packet_and_stop_rule_evaluation);
	pfring *ring;

	(void)state;
	add_packet(IPPROTO_UDP, 1, 1, 2, 2);
	ring = open_frames(0);
	assert_int_equal(pfring_add_filtering_rule(ring, &rule), 0);
	rule.rule_id = FILTERING_RULE_AUTO_RULE_ID;
	assert_int_equal(pfring_add_filtering_rule(ring, &rule), 0);
	assert_int_equal(rule.rule_id, 42);
	rule.rule_id = 65534;
	assert_int_equal(pfring_add_filtering_rule(ring, &rule), 0);
	rule.rule_id = FILTERING_RULE_AUTO_RULE_ID;
	assert_int_equal(pfring_add_filtering_rule(ring, &rule), 0);
	assert_int_equal(rule.rule_id, 0);
	assert_int_equal(pfring_add_filtering_rule(ring, &rule), -EEXIST);
	pfring_close(ring);
}

static void test_continuing_rules_count_and_decide_nothing(void **state)
{
	filtering_rule watch = rule_of(0, execute_action_and_continue_rule_evaluation);
	filtering_rule stop = rule_of(1, execute_action_and_stop_rule_evaluation);
	pfring *ring;

	(void)state;
	add_packet(IPPROTO_UDP, 1, 1000, 2, 53);
	add_packet(IPPROTO_TCP, 1, 1000, 2, 80);
	ring = open_frames(0);
	stop.core_fields.proto = IPPROTO_TCP;
	assert_int_equal(pfring_add_filtering_rule(ring, &watch), 0);
	assert_int_equal(pfring_add_filtering_rule(ring, &stop), 0);
	assert_int_equal(read_all(ring), 1);
	assert_int_equal(stats_of(ring, 0).match, 2);
	assert_int_equal(stats_of(ring, 0).match_forward, 0);
	assert_int_equal(stats_of(ring, 0).filtered, 0);
	assert_int_equal(stats_of(ring, 1).filtered, 1);
	pfring_close(ring);
}

static void test_a_hash_rule_takes_both_directions_of_its_flow(void **state)
{
	hash_filtering_rule flow = flow_of(IPPROTO_TCP, 1, 1000, 2, 80);
	hash_filtering_rule_stats st;
	u_int len = sizeof(st);
	pfring *ring;

	(void)state;
	add_packet(IPPROTO_TCP, 1, 1000, 2, 80);
	add_packet(IPPROTO_TCP, 2, 80, 1, 1000);
	add_packet(IPPROTO_TCP, 1, 1001, 2, 80);
	add_packet(IPPROTO_UDP, 1, 1000, 2, 80);
	add_packet(IPPROTO_TCP, 1, 80, 2, 1000);
	ring = open_frames(0);
	flow.rule_action = dont_forward_packet_and_stop_rule_evaluation;
	assert_int_equal(pfring_handle_hash_filtering_rule(ring, &flow, 1), 0);
	assert_int_equal(pfring_handle_hash_filtering_rule(ring, &flow, 1), -EEXIST);
	assert_int_equal(read_all(ring), 0x1c);
	/* Both forms of the call, in any order of the peers. */
	flow = flow_of(IPPROTO_TCP, 2, 80, 1, 1000);
	assert_int_equal(pfring_get_hash_filtering_rule_stats(ring, &flow, (char *)&st, &len), 0);
	assert_int_equal(st.match, 2);
	assert_int_equal(st.filtered, 2);
	memset(&st, 0, sizeof(st));
	assert_int_equal(pfring_get_hash_filtering_rule_stats(ring, &flow, &st), 0);
	assert_int_equal(st.match, 2);
	assert_int_equal(pfring_handle_hash_filtering_rule(ring, &flow, 0), 0);
	assert_int_equal(pfring_handle_hash_filtering_rule(ring, &flow, 0), -ENOENT);
	assert_int_equal(pfring_get_hash_filtering_rule_stats(ring, &flow, &st), -ENOENT);
	pfring_close(ring);
}

static void test_a_match_makes_and_deletes_the_rule_of_its_flow(void **state)
{
	filtering_rule learn = rule_of(0, forward_packet_add_rule_and_stop_rule_evaluation);
	filtering_rule forget = rule_of(1, forward_packet_del_rule_and_stop_rule_evaluation);
	hash_filtering_rule flow = flow_of(IPPROTO_TCP, 1, 1000, 2, 80);
	hash_filtering_rule_stats st;
	pfring *ring;

	(void)state;
	add_packet(IPPROTO_TCP, 1, 1000, 2, 80);
	add_packet(IPPROTO_TCP, 2, 80, 1, 1000);
	add_packet(IPPROTO_TCP, 1, 1001, 2, 80);
	ring = open_frames(0);
	learn.core_fields.dport_low = 80;
	learn.core_fields.sport_low = 1000;
	assert_int_equal(pfring_toggle_filtering_policy(ring, 0), 0);
	assert_int_equal(pfring_add_filtering_rule(ring, &learn), 0);
	/* The second is let through by the rule that the first has made. */
	assert_int_equal(read_all(ring), 3);
	assert_int_equal(pfring_get_hash_filtering_rule_stats(ring, &flow, &st), 0);
	assert_int_equal(st.match, 1);
	assert_int_equal(st.match_forward, 1);
	pfring_close(ring);

	add_packet(IPPROTO_TCP, 1, 1000, 2, 80);
	add_packet(IPPROTO_TCP, 1, 1000, 2, 81);
	ring = open_frames(0);
	flow.rule_action = forward_packet_del_rule_and_stop_rule_evaluation;
	assert_int_equal(pfring_handle_hash_filtering_rule(ring, &flow, 1), 0);
	flow.port_peer_b = 81;
	flow.rule_action = execute_action_and_continue_rule_evaluation;
	assert_int_equal(pfring_handle_hash_filtering_rule(ring, &flow, 1), 0);
	assert_int_equal(pfring_add_filtering_rule(ring, &forget), 0);
	assert_int_equal(read_all(ring), 3);
	assert_int_equal(pfring_get_hash_filtering_rule_stats(ring, &flow, &st), -ENOENT);
	flow.port_peer_b = 80;
	assert_int_equal(pfring_get_hash_filtering_rule_stats(ring, &flow, &st), -ENOENT);
	assert_int_equal(stats_of(ring, 1).match_forward, 1);
	pfring_close(ring);
}

static void test_a_pattern_is_looked_for_behind_the_snap_length(void **state)
{
	filtering_rule rule = rule_of(0, forward_packet_and_stop_rule_evaluation);
	struct pfring_packet pkt;
	pfring *ring;

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct frame *f = add_packet(IPPROTO_UDP, 1, 1000, 2, 5060);

		f_fill(f, 'x', 200);
		add_text(f, i == 1 ? "needle" : "needl.e");
	}
	ring = open_frames(64);
	snprintf(rule.extended_fields.payload_pattern, 32, "needle");
	assert_int_equal(pfring_add_filtering_rule(ring, &rule), 0);
	assert_int_equal(pfring_toggle_filtering_policy(ring, 0), 0);
	assert_int_equal(pfring_recv_batch(ring, &pkt, 1, -1), 1);
	assert_int_equal(pkt.caplen, 64);
	assert_int_equal(pkt.len, 14 + 20 + 8 + 206);
	assert_int_equal(pkt.ts_ns / 1000000000u, 1700000001u);
	assert_int_equal(pfring_recv_batch(ring, &pkt, 1, -1), -ENODATA);
	pfring_close(ring);
}

static void test_balancing_rings_share_all_packets_by_the_told_hash(void **state)
{
	u_int64_t together = 0;

	(void)state;
	for (u_int8_t id = 0; id < 3; id++) {
		filtering_rule rule = rule_of(0, forward_packet_and_stop_rule_evaluation);
		u_int64_t want = 0, got;
		pfring *ring;

		for (u_int i = 0; i < 40; i++) {
			struct frame *f = add_packet(IPPROTO_UDP, 1, 1000 + i, 2, 53);
			struct pfring_pkthdr h = {0};

			f_done(f);
			h.caplen = h.len = f->n;
			assert_true(pfring_parse_pkt(f->b, &h, 4, 0, 1) >= 4);
			if (h.extended_hdr.pkt_hash % 3 == id)
				want |= 1ull << i;
		}
		ring = open_frames(0);
		rule.balance_id = id;
		rule.balance_pool = 3;
		assert_int_equal(pfring_add_filtering_rule(ring, &rule), 0);
		got = read_all(ring);
		assert_int_equal(got, want);
		assert_int_equal(together & got, 0);
		assert_int_equal(stats_of(ring, 0).match, 40);
		assert_int_equal(stats_of(ring, 0).filtered, 40 - __builtin_popcountll(got));
		together |= got;
		pfring_close(ring);
	}
	assert_int_equal(together, (1ull << 40) - 1);
}

static void test_sampling_counts_what_rules_let_through(void **state)
{
	filtering_rule rule = rule_of(0, dont_forward_packet_and_stop_rule_evaluation);
	struct pfring_packet pkt[16];
	int rc, n = 0;
	pfring *ring;

	(void)state;
	for (u_int i = 0; i < 40; i++)
		add_packet(IPPROTO_UDP, 1, i % 2 ? 1000 : 2000, 2, 53);
	ring = open_frames(0);
	rule.core_fields.sport_low = 2000;
	assert_int_equal(pfring_add_filtering_rule(ring, &rule), 0);
	assert_int_equal(pfring_set_sampling_rate(ring, 5), 0);
	while ((rc = pfring_recv_batch(ring, pkt, 16, -1)) > 0)
		n += rc;
	assert_int_equal(n, 4);
	pfring_close(ring);
}

static void test_purging_spares_locked_rules(void **state)
{
	filtering_rule rule = rule_of(0, forward_packet_and_stop_rule_evaluation);
	hash_filtering_rule flow = flow_of(IPPROTO_TCP, 1, 1000, 2, 80);
	hash_filtering_rule_stats st;
	char room[64];
	u_int len = sizeof(room);
	pfring *ring;

	(void)state;
	add_packet(IPPROTO_UDP, 1, 1000, 2, 53);
	ring = open_frames(0);
	for (u_int16_t id = 0; id < 10; id++) {
		rule.rule_id = id;
		rule.locked = id == 4;
		assert_int_equal(pfring_add_filtering_rule(ring, &rule), 0);
	}
	assert_int_equal(pfring_handle_hash_filtering_rule(ring, &flow, 1), 0);
	assert_int_equal(pfring_purge_idle_rules(ring, 60), 0);
	assert_int_equal(pfring_purge_idle_hash_rules(ring, 60), 0);
	assert_int_equal(stats_of(ring, 9).match, 0);
	assert_int_equal(pfring_get_hash_filtering_rule_stats(ring, &flow, &st), 0);
	assert_int_equal(pfring_purge_idle_rules(ring, 0), 0);
	assert_int_equal(pfring_purge_idle_hash_rules(ring, 0), 0);
	assert_int_equal(stats_of(ring, 4).match, 0);
	assert_int_equal(pfring_get_filtering_rule_stats(ring, 9, room, &len), -ENOENT);
	assert_int_equal(pfring_get_hash_filtering_rule_stats(ring, &flow, &st), -ENOENT);
	assert_int_equal(pfring_remove_filtering_rule(ring, 4), 0);
	assert_int_equal(pfring_remove_filtering_rule(ring, 4), -ENOENT);
	pfring_close(ring);
}

static void test_statistics_say_how_much_room_they_need(void **state)
{
	filtering_rule rule = rule_of(0, forward_packet_and_stop_rule_evaluation);
	char small[8];
	u_int len = sizeof(small);
	pfring *ring;

	(void)state;
	add_packet(IPPROTO_UDP, 1, 1000, 2, 53);
	ring = open_frames(0);
	assert_int_equal(pfring_add_filtering_rule(ring, &rule), 0);
	assert_int_equal(pfring_get_filtering_rule_stats(ring, 0, small, &len), -ENOSPC);
	assert_int_equal(len, sizeof(filtering_rule_stats));
	assert_int_equal(pfring_get_filtering_rule_stats(ring, 0, NULL, &len), -EINVAL);
	assert_int_equal(pfring_get_filtering_rule_stats(ring, 0, small, NULL), -EINVAL);
	pfring_close(ring);
}

/* Each makes a good rule a bad one. */
static void bad_vlan(filtering_rule *rule)
{
	rule->core_fields.vlan_id = 4096;
}

static void bad_source(filtering_rule *rule)
{
	rule->core_fields.sport_low = 2;
	rule->core_fields.sport_high = 1;
}

static void bad_destination(filtering_rule *rule)
{
	rule->core_fields.dport_low = 2;
	rule->core_fields.dport_high = 1;
}

static void bad_balance(filtering_rule *rule)
{
	rule->balance_id = rule->balance_pool = 4;
}

static void bad_action(filtering_rule *rule)
{
	rule->rule_action = (rule_action_behaviour)10;
}

static void bad_name(filtering_rule *rule)
{
	memset(rule->reflector_device_name, 'x', REFLECTOR_NAME_LEN);
}

static void no_name(filtering_rule *rule)
{
	rule->rule_action = reflect_packet_and_stop_rule_evaluation;
}

static void test_each_malformed_rule_is_refused_with_a_reason(void **state)
{
	static void (*const spoil[])(filtering_rule *) = {
		bad_vlan, bad_source, bad_destination, bad_balance, bad_action, bad_name, no_name};
	const char *last = "";
	char said[7][256];
	pfring *ring;

	(void)state;
	add_packet(IPPROTO_UDP, 1, 1000, 2, 53);
	ring = open_frames(0);
	for (int i = 0; i < 7; i++) {
		filtering_rule rule = rule_of(1, forward_packet_and_stop_rule_evaluation);

		spoil[i](&rule);
		assert_int_equal(pfring_add_filtering_rule(ring, &rule), -EINVAL);
		snprintf(said[i], sizeof(said[i]), "%s", pfring_last_error());
		assert_string_not_equal(said[i], last);
		last = said[i];
	}
	assert_int_equal(pfring_add_filtering_rule(ring, NULL), -EINVAL);
	assert_int_equal(pfring_add_filtering_rule(NULL, NULL), -EINVAL);
	/* Nothing of all that is in force. */
	assert_int_equal(read_all(ring), 1);
	pfring_close(ring);
}

static void test_plugins_are_the_kernel_modules(void **state)
{
	filtering_rule rule = rule_of(1, execute_action_and_continue_rule_evaluation);
	hash_filtering_rule flow = flow_of(IPPROTO_TCP, 1, 1000, 2, 80);
	pfring *ring;

	(void)state;
	add_packet(IPPROTO_UDP, 1, 1000, 2, 53);
	ring = open_frames(0);
	rule.plugin_action.plugin_id = 3;
	assert_int_equal(pfring_add_filtering_rule(ring, &rule), -EOPNOTSUPP);
	rule.plugin_action.plugin_id = 0;
	rule.extended_fields.filter_plugin_id = 3;
	assert_int_equal(pfring_add_filtering_rule(ring, &rule), -EOPNOTSUPP);
	flow.plugin_action.plugin_id = 3;
	assert_int_equal(pfring_handle_hash_filtering_rule(ring, &flow, 1), -EOPNOTSUPP);
	pfring_close(ring);
}

static void test_malformed_hash_rules_are_refused(void **state)
{
	hash_filtering_rule good = flow_of(IPPROTO_TCP, 1, 1000, 2, 80),
			    bad[3] = {good, good, good};
	pfring *ring;

	(void)state;
	add_packet(IPPROTO_UDP, 1, 1000, 2, 53);
	ring = open_frames(0);
	bad[0].ip_version = 5;
	bad[1].vlan_id = 4096;
	bad[2].rule_action = (rule_action_behaviour)-1;
	for (int i = 0; i < 3; i++)
		assert_int_equal(pfring_handle_hash_filtering_rule(ring, &bad[i], 1), -EINVAL);
	assert_int_equal(pfring_handle_hash_filtering_rule(ring, NULL, 1), -EINVAL);
	pfring_close(ring);
}

static void test_the_wildcard_table_ends_at_65535_rules(void **state)
{
	filtering_rule rule =
		rule_of(FILTERING_RULE_AUTO_RULE_ID, forward_packet_and_stop_rule_evaluation);
	pfring *ring;

	(void)state;
	add_packet(IPPROTO_UDP, 1, 1000, 2, 53);
	ring = open_frames(0);
	rule.core_fields.dport_low = 54;
	for (u_int i = 0; i < 65535; i++) {
		rule.rule_id = FILTERING_RULE_AUTO_RULE_ID;
		assert_int_equal(pfring_add_filtering_rule(ring, &rule), 0);
	}
	assert_int_equal(rule.rule_id, 65534);
	rule.rule_id = FILTERING_RULE_AUTO_RULE_ID;
	assert_int_equal(pfring_add_filtering_rule(ring, &rule), -ENOSPC);
	assert_int_equal(pfring_purge_idle_rules(ring, 0), 0);
	assert_int_equal(pfring_add_filtering_rule(ring, &rule), 0);
	assert_int_equal(rule.rule_id, 0);
	pfring_close(ring);
}

static void test_ten_thousand_flows_come_and_go_in_any_order(void **state)
{
	hash_filtering_rule_stats st;
	u_int n = 10000;
	pfring *ring;

	(void)state;
	add_packet(IPPROTO_UDP, 1, 1000, 2, 53);
	ring = open_frames(0);
	for (u_int i = 0; i < n; i++) {
		hash_filtering_rule flow = flow_of(IPPROTO_TCP, i, (u_int16_t)i, i * 7, 80);

		assert_int_equal(pfring_handle_hash_filtering_rule(ring, &flow, 1), 0);
	}
	for (u_int k = 0; k < n; k += 2) {
		u_int i = k * 4999 % n;
		hash_filtering_rule flow = flow_of(IPPROTO_TCP, i, (u_int16_t)i, i * 7, 80);

		assert_int_equal(pfring_handle_hash_filtering_rule(ring, &flow, 0), 0);
	}
	for (u_int i = 0; i < n; i++) {
		hash_filtering_rule flow = flow_of(IPPROTO_TCP, i, (u_int16_t)i, i * 7, 80);
		int rc = pfring_get_hash_filtering_rule_stats(ring, &flow, &st);

		assert_int_equal(rc, i % 2 ? 0 : -ENOENT);
	}
	pfring_close(ring);
}

static int setup(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_policy_alone_drops_all),
		cmocka_unit_test(test_the_lowest_id_decides),
		cmocka_unit_test(test_chosen_ids_come_behind_all_others),
		cmocka_unit_test(test_continuing_rules_count_and_decide_nothing),
		cmocka_unit_test(test_a_hash_rule_takes_both_directions_of_its_flow),
		cmocka_unit_test(test_a_match_makes_and_deletes_the_rule_of_its_flow),
		cmocka_unit_test(test_a_pattern_is_looked_for_behind_the_snap_length),
		cmocka_unit_test(test_balancing_rings_share_all_packets_by_the_told_hash),
		cmocka_unit_test(test_sampling_counts_what_rules_let_through),
		cmocka_unit_test(test_purging_spares_locked_rules),
		cmocka_unit_test(test_statistics_say_how_much_room_they_need),
		cmocka_unit_test(test_each_malformed_rule_is_refused_with_a_reason),
		cmocka_unit_test(test_plugins_are_the_kernel_modules),
		cmocka_unit_test(test_malformed_hash_rules_are_refused),
		cmocka_unit_test(test_the_wildcard_table_ends_at_65535_rules),
		cmocka_unit_test(test_ten_thousand_flows_come_and_go_in_any_order),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
