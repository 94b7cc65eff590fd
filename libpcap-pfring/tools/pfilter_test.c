/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfilter_test - puts filtering rules into a ring by the thousand and tells
 * what that takes; then counts what passes them.
 *
 * Hash rule i is the flow 10.0.0.0+i:1024 <-> 192.168.0.1:53 of UDP, which is
 * what `pfsend -b N` sends; wildcard rule i is destination port 10000+i.
 */
#include "common.h"

static const struct tool_option options[] = {
	{'i', "device", "DEVICE", "what to capture from (alldevs lists them; file:PATH)"},
	{'H', "hash-rules", "COUNT", "so many hash rules (default 10000)"},
	{'W', "wildcard-rules", "COUNT", "so many wildcard rules (default 64)"},
	{'r', "refuse", NULL, "rules refuse what they match, instead of accepting it alone"},
	{'n', "count", "PACKETS", "then capture until so many passed"},
	{'d', "duration", "SECONDS", "then capture for so long"},
	{0},
};

static const struct tool tool = {
	.name = "pfilter_test",
	.summary = "test filtering rules",
	.options = options,
};

static u_int hash_rules = 10000, wildcard_rules = 64;
static rule_action_behaviour action = forward_packet_and_stop_rule_evaluation;

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

static void count(pfring *ring, u_int64_t most, u_int64_t seconds)
{
	static struct pfring_packet packets[TOOL_BATCH];
	struct pfring_stats64 st = {.sz = sizeof(st)};
	struct tool_clock clock;
	u_int64_t passed = 0;
	int n = 0;

	tool_clock_start(&clock, seconds);
	clock.next = clock.start + 3600ull * 1000000000u;
	puts("Capturing");
	fflush(stdout);
	while (!tool_stopped && !tool_clock_over(&clock) && (!most || passed < most)) {
		n = pfring_recv_batch(ring, packets, TOOL_BATCH, tool_clock_wait(&clock));
		if (n < 0 && n != -EINTR)
			break;
		passed += n > 0 ? (u_int)n : 0;
	}
	if (n < 0 && n != -EINTR && n != -ENODATA)
		tool_die(&tool, "%s", pfring_last_error());
	tool_check(&tool, pfring_stats64(ring, &st));
	printf("passed: %llu packets, refused: %llu, dropped: %llu\n", (unsigned long long)passed,
	       (unsigned long long)st.filtered_user, (unsigned long long)st.drop);
}

int main(int argc, char **argv)
{
	u_int64_t most = 0, seconds = 0;
	const char *device = NULL;
	pfring *ring;
	int c;

	while ((c = tool_next(&tool, argc, argv)) != -1) {
		switch (c) {
		case 'i':
			device = optarg;
			break;
		case 'H':
			hash_rules = (u_int)tool_number(&tool, "a count", 0, 1048576);
			break;
		case 'W':
			wildcard_rules = (u_int)tool_number(&tool, "a count", 0, 50000);
			break;
		case 'r':
			action = dont_forward_packet_and_stop_rule_evaluation;
			break;
		case 'n':
			most = tool_number(&tool, "a count", 1, UINT64_MAX);
			break;
		case 'd':
			seconds = tool_number(&tool, "a duration", 1, 100000000);
			break;
		}
	}
	ring = tool_open(&tool, device, 1536, PF_RING_PROMISC);
	tool_on_stop(ring);
	tool_banner(ring);
	add(ring);
	if (most || seconds) {
		tool_enable(&tool, ring);
		count(ring, most, seconds);
	}
	matches(ring);
	remove_all(ring);
	pfring_close(ring);
	return 0;
}
