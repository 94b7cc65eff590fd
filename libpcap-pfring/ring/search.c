/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * search.c - pfring_search_payload(): only packets that hold a string.
 *
 * A wildcard rule for each string, accepting, and a policy that refuses the
 * rest: so it runs where rules run, in the kernel with the module.
 */
#include "handle.h"

int pfring_search_payload(pfring *ring, const char *string_to_search)
{
	filtering_rule rule = {.rule_id = FILTERING_RULE_AUTO_RULE_ID,
			       .rule_action = forward_packet_and_stop_rule_evaluation};
	const size_t room = sizeof(rule.extended_fields.payload_pattern);
	int rc;

	if (!string_to_search || !string_to_search[0] || strlen(string_to_search) > room)
		return pfri_fail(-EINVAL, "a string to search has 1 to %zu bytes", room);
	memcpy(rule.extended_fields.payload_pattern, string_to_search, strlen(string_to_search));
	rc = pfring_add_filtering_rule(ring, &rule);
	if (rc < 0)
		return rc;
	rc = pfring_toggle_filtering_policy(ring, 0);
	if (rc < 0)
		pfring_remove_filtering_rule(ring, rule.rule_id);
	return rc;
}
