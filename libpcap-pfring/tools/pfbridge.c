/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfbridge - sends what one device receives out of another, one way or both.
 *
 * One thread for each way. Only received packets are taken, so what one way
 * sends does not come back through the other.
 */
#include "forward.h"

static struct direction ways[2];
static const char *filter;
static u_int16_t watermark = 1;
static u_int64_t seconds;
static bool both, quiet;

static const struct tool_option options[] = {
	TOOL_TEXT('a', "ingress", "DEVICE", "where packets come from", &ways[0].from),
	TOOL_TEXT('b', "egress", "DEVICE", "where they go", &ways[0].to),
	TOOL_TRUE('d', "both", "and the other way as well", &both),
	TOOL_FILTER(&filter),
	TOOL_WATERMARK("wake up when so many are there (default 1)", &watermark),
	TOOL_CORE,
	TOOL_COUNT("stop after so many from the first device", &ways[0].most),
	TOOL_DURATION('t', &seconds),
	TOOL_QUIET("no lines each second, only the last ones", &quiet),
	{0},
};

static const struct tool tool = {
	.name = "pfbridge",
	.summary = "send what one device receives out of another",
	.options = options,
};

static int failed; /* what ended the second way; read when its thread is over */
static char failure[512];

static void open_way(struct direction *way)
{
	int in = 0, out = 0;

	direction_open(&tool, way, filter, watermark);
	pfring_get_bound_device_ifindex(way->in, &in);
	pfring_get_bound_device_ifindex(way->out, &out);
	if (in == out && in > 0)
		tool_usage(&tool, "%s and %s are the same device: that would be a loop", way->from,
			   way->to);
}

static void *run_second(void *arg)
{
	int rc = 1;

	(void)arg;
	while (!tool_stopped && rc > 0)
		rc = direction_forward(&ways[1], 100);
	if (rc < 0)
		snprintf(failure, sizeof(failure), "%s", pfring_last_error());
	failed = rc < 0 ? rc : 0;
	return NULL;
}

static void print(const struct direction *way)
{
	printf("%s -> %s: ", way->from, way->to);
	direction_print(way);
}

static int run_first(void)
{
	struct tool_clock clock;
	double ms;
	int rc = 1;

	tool_clock_start(&clock, seconds);
	while (!tool_stopped && rc > 0 && !tool_clock_over(&clock)) {
		rc = direction_forward(&ways[0], min_val(tool_clock_wait(&clock), 100));
		if (tool_clock_due(&clock, &ms) && !quiet)
			print(&ways[0]);
	}
	return rc;
}

int main(int argc, char **argv)
{
	pthread_t second;
	int rc;

	tool_options(&tool, argc, argv);
	if (!ways[0].from || !ways[0].to)
		tool_usage(&tool, "two devices are needed, -a and -b");
	if (!strcmp(ways[0].from, ways[0].to))
		tool_usage(&tool, "%s to itself would be a loop; pfbounce sends packets back",
			   ways[0].from);
	ways[1].from = ways[0].to;
	ways[1].to = ways[0].from;
	for (int i = 0; i <= both; i++)
		open_way(&ways[i]);
	tool_on_stop(ways[0].in);
	tool_banner(ways[0].in);
	for (int i = both; i >= 0; i--)
		direction_enable(&tool, &ways[i]);
	tool_say("Bridging");
	if (both && pthread_create(&second, NULL, run_second, NULL))
		tool_die(&tool, "cannot start a second thread");
	rc = run_first();
	if (rc < 0)
		fprintf(stderr, "pfbridge: %s\n", pfring_last_error());
	if (both) {
		tool_stopped = 1;
		pthread_join(second, NULL);
		if (failed)
			fprintf(stderr, "pfbridge: %s\n", failure);
		print(&ways[1]);
	}
	print(&ways[0]);
	return rc < 0 || failed;
}
