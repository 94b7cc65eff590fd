/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfcount_dummy_plugin - counts in the kernel: a rule hands each packet to a
 * plugin of pf_ring.ko, and this program only reads the plugin's statistics.
 */
#include "common.h"

#define RULE 5

static const struct tool_option options[] = {
	{'i', "device", "DEVICE", "what to capture from (alldevs lists them)"},
	{'P', "plugin", "ID", "the plugin (default 1, dummy); /proc/net/pf_ring/plugins_info"},
	{'p', "protocol", "NUMBER", "only packets of this IP protocol"},
	{'d', "duration", "SECONDS", "stop after so long"},
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
	printf("Plugin Stats: [%llu pkts][%llu bytes]\n",
	       len >= 8 ? (unsigned long long)value[0] : 0,
	       len >= 16 ? (unsigned long long)value[1] : 0);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	filtering_rule rule = {.rule_id = RULE,
			       .rule_action = execute_action_and_stop_rule_evaluation,
			       .plugin_action.plugin_id = 1};
	const char *device = NULL;
	u_int64_t seconds = 0;
	struct tool_clock clock;
	pfring *ring;
	double ms;
	int c;

	while ((c = tool_next(&tool, argc, argv)) != -1) {
		switch (c) {
		case 'i':
			device = optarg;
			break;
		case 'P':
			rule.plugin_action.plugin_id =
				(u_int16_t)tool_number(&tool, "a plugin", 1, MAX_PLUGIN_ID);
			break;
		case 'p':
			rule.core_fields.proto = (u_int8_t)tool_number(&tool, "a protocol", 0, 255);
			break;
		case 'd':
			seconds = tool_number(&tool, "a duration", 1, 100000000);
			break;
		}
	}
	ring = tool_open(&tool, device, 128, PF_RING_PROMISC);
	tool_banner(ring);
	tool_check(&tool, pfring_add_filtering_rule(ring, &rule));
	tool_check(&tool, pfring_toggle_filtering_policy(ring, 0));
	tool_on_stop(ring);
	tool_enable(&tool, ring);
	tool_clock_start(&clock, seconds);
	puts("Counting");
	fflush(stdout);
	while (!tool_stopped && !tool_clock_over(&clock)) {
		poll(NULL, 0, tool_clock_wait(&clock));
		if (tool_clock_due(&clock, &ms))
			print(ring);
	}
	print(ring);
	pfring_close(ring);
	return 0;
}
