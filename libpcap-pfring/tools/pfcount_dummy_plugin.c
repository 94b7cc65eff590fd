/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfcount_dummy_plugin - counts in the kernel: a rule hands each packet to a
 * plugin of pf_ring.ko, and this program only reads the plugin's statistics.
 */
#include "common.h"

#define RULE 5

static filtering_rule rule = {.rule_id = RULE,
			      .rule_action = execute_action_and_stop_rule_evaluation,
			      .plugin_action.plugin_id = 1};
static const char *device;
static u_int64_t seconds;

static const struct tool_option options[] = {
	TOOL_TEXT('i', "device", "DEVICE", "what to capture from (alldevs lists them)", &device),
	TOOL_NUMBER('P', "plugin", "ID",
		    "the plugin (default 1, dummy); /proc/net/pf_ring/plugins_info",
		    &rule.plugin_action.plugin_id, "a plugin", 1, MAX_PLUGIN_ID),
	TOOL_NUMBER('p', "protocol", "NUMBER", "only packets of this IP protocol",
		    &rule.core_fields.proto, "a protocol", 0, 255),
	TOOL_DURATION('d', &seconds),
	{0},
};

static const struct tool tool = {
	.name = "pfcount_dummy_plugin",
	.summary = "count in the kernel, by a plugin of pf_ring.ko",
	.options = options,
	.note = "Needs the kernel module and its plugin.",
};

static void print(pfring *ring)
{
	u_int64_t value[32];
	u_int len = sizeof(value);

	tool_check(&tool, pfring_get_filtering_rule_stats(ring, RULE, (char *)value, &len));
	/* Plugins write what they like; the dummy's are 64-bit counters, packets first. */
	tool_say("Plugin Stats: [%llu pkts][%llu bytes]",
		 len >= 8 ? (unsigned long long)value[0] : 0,
		 len >= 16 ? (unsigned long long)value[1] : 0);
}

int main(int argc, char **argv)
{
	struct tool_clock clock;
	pfring *ring;
	double ms;

	tool_options(&tool, argc, argv);
	ring = tool_open(&tool, device, 128, PF_RING_PROMISC);
	tool_banner(ring);
	tool_check(&tool, pfring_add_filtering_rule(ring, &rule));
	tool_check(&tool, pfring_toggle_filtering_policy(ring, 0));
	tool_on_stop(ring);
	tool_enable(&tool, ring);
	tool_clock_start(&clock, seconds);
	tool_say("Counting");
	while (!tool_stopped && !tool_clock_over(&clock)) {
		poll(NULL, 0, tool_clock_wait(&clock));
		if (tool_clock_due(&clock, &ms))
			print(ring);
	}
	print(ring);
	pfring_close(ring);
	return 0;
}
