/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfilter_test - puts filtering rules into a ring by the thousand and tells
 * what that takes; then counts what passes them.
 *
 * Hash rule i is the flow 10.0.0.0+i:1024 <-> 192.168.0.1:53 of UDP, which is
 * what `pfsend -b N` sends; wildcard rule i is destination port 10000+i.
 */
#include "capture.h"

static struct tool_capture capture = {.caplen = 1536, .flags = PF_RING_PROMISC};
static u_int hash_rules = 10000, wildcard_rules = 64;
static rule_action_behaviour action = forward_packet_and_stop_rule_evaluation;

static const struct tool_option options[] = {
	TOOL_DEVICE(&capture.device),
	TOOL_NUMBER('H', "hash-rules", "COUNT", "so many hash rules (default 10000)", &hash_rules,
		    "a count", 0, 1048576),
	TOOL_NUMBER('W', "wildcard-rules", "COUNT", "so many wildcard rules (default 64)",
		    &wildcard_rules, "a count", 0, 50000),
	{'r', "refuse", NULL, "rules refuse what they match, instead of accepting it alone"},
	TOOL_COUNT("then capture until so many passed", &capture.count),
	TOOL_NUMBER('d', "duration", "SECONDS", "then capture for so long", &capture.seconds,
		    "a duration", 1, 100000000),
	{0},
};

static const struct tool tool = {
	.name = "pfilter_test",
	.summary = "test filtering rules",
	.options = options,
};

static hash_filtering_rule hash_rule(u_int i)
{
	hash_filtering_rule rule = {.ip_version = 4,
				    .proto = IPPROTO_UDP,
				    .host_peer_a.v4 = 0x0a000001 + i,
				    .host_peer_b.v4 = 0xc0a80001,
				    .port_peer_a = 1024,
				    .port_peer_b = 53,
				    .rule_action = action};

	rule.rule_id = (u_int16_t)i;
	return rule;
}

static void took(const char *what, u_int n, u_int64_t since)
{
	double us = (double)(tool_now() - since) / 1000;

	printf("%s: %u in %.2f ms, %.2f us each\n", what, n, us / 1000, n ? us / n : 0.0);
}

static void add(pfring *ring)
{
	u_int64_t start = tool_now();

	for (u_int i = 0; i < hash_rules; i++) {
		hash_filtering_rule rule = hash_rule(i);

		tool_check(&tool, pfring_handle_hash_filtering_rule(ring, &rule, 1));
	}
	took("hash rules added", hash_rules, start);
	start = tool_now();
	for (u_int i = 0; i < wildcard_rules; i++) {
		filtering_rule rule = {.rule_id = (u_int16_t)i, .rule_action = action};

		rule.core_fields.proto = IPPROTO_UDP;
		rule.core_fields.dport_low = rule.core_fields.dport_high = (u_int16_t)(10000 + i);
		tool_check(&tool, pfring_add_filtering_rule(ring, &rule));
	}
	took("wildcard rules added", wildcard_rules, start);
	tool_check(&tool, pfring_toggle_filtering_policy(
				  ring, action != forward_packet_and_stop_rule_evaluation));
}

/* What every rule says that it matched. */
static void matches(pfring *ring)
{
	u_int64_t matched[2] = {0}, start = tool_now();
	hash_filtering_rule_stats st;

	for (u_int i = 0; i < hash_rules; i++) {
		hash_filtering_rule rule = hash_rule(i);
		u_int len = sizeof(st);

		tool_check(&tool,
			   pfring_get_hash_filtering_rule_stats(ring, &rule, (char *)&st, &len));
		matched[0] += st.match;
	}
	for (u_int i = 0; i < wildcard_rules; i++) {
		u_int len = sizeof(st);

		tool_check(&tool,
			   pfring_get_filtering_rule_stats(ring, (u_int16_t)i, (char *)&st, &len));
		matched[1] += st.match;
	}
	took("statistics read", hash_rules + wildcard_rules, start);
	printf("matched: %llu packets by hash rules, %llu by wildcard rules\n",
	       (unsigned long long)matched[0], (unsigned long long)matched[1]);
}

static void remove_all(pfring *ring)
{
	u_int64_t start = tool_now();

	for (u_int i = 0; i < hash_rules; i++) {
		hash_filtering_rule rule = hash_rule(i);

		tool_check(&tool, pfring_handle_hash_filtering_rule(ring, &rule, 0));
	}
	for (u_int i = 0; i < wildcard_rules; i++)
		tool_check(&tool, pfring_remove_filtering_rule(ring, (u_int16_t)i));
	took("rules removed", hash_rules + wildcard_rules, start);
}

static void count(pfring *ring)
{
	struct pfring_stats64 st = {.sz = sizeof(st)};

	tool_capture_start(&tool, &capture, ring);
	tool_say("Capturing");
	tool_check(&tool, tool_capture_run(&capture, ring, NULL, NULL));
	tool_check(&tool, pfring_stats64(ring, &st));
	printf("passed: %llu packets, refused: %llu, dropped: %llu\n",
	       (unsigned long long)capture.seen.packets, (unsigned long long)st.filtered_user,
	       (unsigned long long)st.drop);
}

int main(int argc, char **argv)
{
	pfring *ring;

	while (tool_next(&tool, argc, argv) != -1)
		action = dont_forward_packet_and_stop_rule_evaluation;
	ring = tool_capture_open(&tool, &capture, capture.device);
	tool_banner(ring);
	add(ring);
	if (capture.count || capture.seconds)
		count(ring);
	matches(ring);
	remove_all(ring);
	pfring_close(ring);
	return 0;
}
