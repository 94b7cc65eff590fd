/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of hash rules in which the capture program looks, from the library's
 * side. That the program finds the same is what test_rules_ebpf.py shows.
 */
#include "decide.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "bpf_backend.h"

#define RULES 64
#define PLACES (2 * RULES)

static struct pfri_flow_map map;

static struct pfri_flow_rule flow(u_int32_t i)
{
	struct pfri_flow_rule rule;

	memset(&rule, 0, sizeof(rule));
	rule.key.addr[0][0] = 0x0a000001;
	rule.key.addr[1][0] = 0x0a000002 + i;
	rule.key.version = 4;
	rule.key.proto = IPPROTO_UDP;
	rule.action = dont_forward_packet_and_stop_rule_evaluation;
	return rule;
}

static struct pfri_decider_flow *entry_of(const struct pfri_rule_slot *slot)
{
	return (void *)((char *)(uintptr_t)slot - offsetof(struct pfri_decider_flow, n));
}

static int make(void **state)
{
	(void)state;
	return pfri_flow_map_open(&map, RULES);
}

static int discard(void **state)
{
	(void)state;
	pfri_flow_map_close(&map);
	assert_int_equal(map.fd, 0);
	return 0;
}

static void test_rules_are_found_until_they_are_taken_out(void **state)
{
	const struct pfri_rule_slot *slot[RULES];

	(void)state;
	for (u_int32_t i = 0; i < RULES; i++) {
		struct pfri_flow_rule rule = flow(i);

		assert_true(pfri_flow_map_has_room(&map));
		slot[i] = pfri_flow_map_put(&map, &rule);
		if (slot[i])
			assert_int_equal(entry_of(slot[i])->state, PFRI_FLOW_THERE + PFRI_REFUSE);
	}
	for (u_int32_t i = 0; i < RULES; i++) {
		struct pfri_flow_rule rule = flow(i);

		assert_ptr_equal(pfri_flow_map_find(&map, &rule.key), slot[i]);
		pfri_flow_map_take_out(&map, &rule);
		assert_null(pfri_flow_map_find(&map, &rule.key));
		pfri_flow_map_take_out(&map, &rule);
	}
	/* Gone, but not free: a search goes on behind them. */
	assert_int_equal(map.used <= RULES, 1);
	assert_true(map.used > RULES / 2);
}

static void test_a_place_is_used_again_when_it_has_rested(void **state)
{
	struct pfri_flow_rule rule = flow(1);
	const struct pfri_rule_slot *first, *second;
	u_int64_t before;
	u_int32_t used;

	(void)state;
	first = pfri_flow_map_put(&map, &rule);
	assert_non_null(first);
	/* At once it is another one, unless this machine stood still for a second. */
	do {
		pfri_flow_map_take_out(&map, &rule);
		before = pfri_clock_ns(CLOCK_MONOTONIC);
		second = pfri_flow_map_put(&map, &rule);
	} while (second && pfri_clock_ns(CLOCK_MONOTONIC) - before > 900000000u);
	assert_non_null(second);
	assert_ptr_not_equal(second, first);
	used = map.used;
	assert_true(used >= 2);
	pfri_flow_map_take_out(&map, &rule);
	entry_of(first)->n = (struct pfri_rule_slot){.match = 7, .last_ns = 0};
	second = pfri_flow_map_put(&map, &rule);
	assert_ptr_equal(second, first);
	assert_int_equal(second->match, 0);
	assert_int_equal(map.used, used);
}

static void test_a_rule_without_a_place_meets_no_free_one_either(void **state)
{
	u_int32_t without = 0;

	(void)state;
	for (u_int32_t i = 0; i <= PLACES; i++) {
		struct pfri_flow_rule rule = flow(i);
		const struct pfri_rule_slot *slot = pfri_flow_map_put(&map, &rule);

		without += !slot;
		assert_ptr_equal(pfri_flow_map_find(&map, &rule.key), slot);
	}
	assert_true(without > 0);
	assert_false(pfri_flow_map_has_room(&map));
	assert_int_equal(map.used, PLACES + 1 - without);
}

static void test_actions_that_the_program_does_not_know_are_the_librarys(void **state)
{
	struct pfri_flow_rule rule = flow(3);
	const struct pfri_rule_slot *slot;

	(void)state;
	rule.action = reflect_packet_and_stop_rule_evaluation;
	slot = pfri_flow_map_put(&map, &rule);
	assert_non_null(slot);
	assert_int_equal(entry_of(slot)->state, PFRI_FLOW_THERE + PFRI_UNDECIDED);
	assert_int_equal((uintptr_t)entry_of(slot) % 64, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rules_are_found_until_they_are_taken_out, make,
						discard),
		cmocka_unit_test_setup_teardown(test_a_place_is_used_again_when_it_has_rested, make,
						discard),
		cmocka_unit_test_setup_teardown(
			test_a_rule_without_a_place_meets_no_free_one_either, make, discard),
		cmocka_unit_test_setup_teardown(
			test_actions_that_the_program_does_not_know_are_the_librarys, make,
			discard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
