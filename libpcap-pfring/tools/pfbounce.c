/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfbounce - sends each packet back where it came from, with source and
 * destination MAC addresses exchanged.
 */
#include "forward.h"

static struct direction way;
static const char *filter;
static u_int64_t seconds;
static bool keep, quiet;

static const struct tool_option options[] = {
	TOOL_TEXT('i', "device", "DEVICE", "whose packets are sent back", &way.from),
	TOOL_TEXT('o', "output", "DEVICE", "send them out of this one instead", &way.to),
	TOOL_FILTER(&filter),
	TOOL_TRUE('k', "keep", "leave the MAC addresses as they are (needs -o)", &keep),
	TOOL_CORE,
	TOOL_COUNT("stop after so many", &way.most),
	TOOL_DURATION('d', &seconds),
	TOOL_QUIET("no line each second, only the last one", &quiet),
	{0},
};

static const struct tool tool = {
	.name = "pfbounce",
	.summary = "send each packet back where it came from",
	.options = options,
};

int main(int argc, char **argv)
{
	struct tool_clock clock;
	double ms;
	int rc = 1;

	tool_options(&tool, argc, argv);
	if (keep && !way.to)
		tool_usage(&tool, "-k needs -o: unchanged packets sent back would run in circles");
	way.swap_macs = !keep;
	if (!way.to)
		way.to = way.from;
	direction_open(&tool, &way, filter, 1);
	tool_on_stop(way.in);
	tool_banner(way.in);
	direction_enable(&tool, &way);
	tool_clock_start(&clock, seconds);
	tool_say("Bouncing");
	while (!tool_stopped && rc > 0 && !tool_clock_over(&clock)) {
		rc = direction_forward(&way, tool_clock_wait(&clock));
		if (tool_clock_due(&clock, &ms) && !quiet)
			direction_print(&way);
	}
	if (rc < 0)
		fprintf(stderr, "pfbounce: %s\n", pfring_last_error());
	direction_print(&way);
	free(way.copy);
	pfring_close(way.in);
	pfring_close(way.out);
	return rc < 0;
}
