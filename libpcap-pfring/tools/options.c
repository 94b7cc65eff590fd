/* SPDX-License-Identifier: BSD-3-Clause */
/* options.c - see options.h. */
#include <getopt.h>
#include <sched.h>
#include <stdarg.h>

#include "options.h"

#define MAX_OPTIONS 40

static void complain(const struct tool *tool, const char *fmt, va_list ap)
{
	fprintf(stderr, "%s: ", tool->name);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

void tool_usage(const struct tool *tool, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(tool, fmt, ap);
	va_end(ap);
	fprintf(stderr, "%s: --help lists the options\n", tool->name);
	exit(2);
}

void tool_die(const struct tool *tool, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(tool, fmt, ap);
	va_end(ap);
	exit(1);
}

void tool_need_device(const struct tool *tool, const char *device)
{
	if (!device)
		tool_usage(tool, "no device was given (-i); alldevs lists them");
}

static void help(const struct tool *tool)
{
	printf("%s - %s\n\nusage: %s [OPTION]...%s%s\n\n", tool->name, tool->summary, tool->name,
	       tool->operands ? " " : "", tool->operands ? tool->operands : "");
	for (const struct tool_option *o = tool->options; o->letter; o++) {
		char left[64];

		snprintf(left, sizeof(left), "-%c, --%s%s%s", o->letter, o->name,
			 o->value ? " " : "", o->value ? o->value : "");
		printf("  %-28s %s\n", left, o->help);
	}
	printf("  %-28s %s\n", "-h, --help", "this text");
	if (tool->note)
		printf("\n%s\n", tool->note);
	exit(0);
}

/* A letter of the table, or -1 behind the last. */
static int parse(const struct tool *tool, int argc, char **argv)
{
	struct option names[MAX_OPTIONS + 2] = {{0}};
	char letters[2 * MAX_OPTIONS + 4] = ":h";
	size_t n = 0, at = 2;
	int c;

	for (const struct tool_option *o = tool->options; o->letter && n < MAX_OPTIONS; o++) {
		names[n++] = (struct option){o->name, o->value != NULL, NULL, o->letter};
		letters[at++] = o->letter;
		if (o->value)
			letters[at++] = ':';
	}
	names[n] = (struct option){"help", no_argument, NULL, 'h'};
	opterr = 0;
	c = getopt_long(argc, argv, letters, names, NULL);
	if (c == 'h')
		help(tool);
	if (c == ':')
		tool_usage(tool, "%s wants a value", argv[optind - 1]);
	if (c == '?' && optopt)
		tool_usage(tool, "there is no option -%c", optopt);
	if (c == '?')
		tool_usage(tool, "there is no option %s", argv[optind - 1]);
	if (c == -1 && optind < argc && !tool->operands)
		tool_usage(tool, "what is \"%s\" for?", argv[optind]);
	return c;
}

static void store_number(const struct tool *tool, const struct tool_option *o)
{
	unsigned long long v = tool_number(tool, o->what, o->min, o->max);

	switch (o->size) {
	case 1:
		*(u_int8_t *)o->to = (u_int8_t)v;
		break;
	case 2:
		*(u_int16_t *)o->to = (u_int16_t)v;
		break;
	case 4:
		*(u_int32_t *)o->to = (u_int32_t)v;
		break;
	case 8:
		*(u_int64_t *)o->to = v;
		break;
	}
}

int tool_next(const struct tool *tool, int argc, char **argv)
{
	int c;

	while ((c = parse(tool, argc, argv)) != -1) {
		const struct tool_option *o = tool->options;

		while (o->letter != c)
			o++;
		switch (o->kind) {
		case TOOL_VALUE_OTHER:
			return c;
		case TOOL_VALUE_TEXT:
			*(const char **)o->to = optarg;
			break;
		case TOOL_VALUE_TRUE:
			*(bool *)o->to = true;
			break;
		case TOOL_VALUE_NUMBER:
			store_number(tool, o);
			break;
		case TOOL_VALUE_CORE:
			tool_pin(tool, (unsigned)tool_number(tool, "a CPU", 0, CPU_SETSIZE - 1));
			break;
		}
	}
	return -1;
}

void tool_options(const struct tool *tool, int argc, char **argv)
{
	while (tool_next(tool, argc, argv) != -1)
		;
}

unsigned long long tool_number(const struct tool *tool, const char *what, unsigned long long min,
			       unsigned long long max)
{
	unsigned long long v;
	char *end;

	errno = 0;
	v = strtoull(optarg, &end, 0);
	if (errno || end == optarg || *end || strchr(optarg, '-') || v < min || v > max)
		tool_usage(tool, "%s is a number from %llu to %llu, not \"%s\"", what, min, max,
			   optarg);
	return v;
}

double tool_real(const struct tool *tool, const char *what, double min, double max)
{
	char *end;
	double v = strtod(optarg, &end);

	if (end == optarg || *end || !(v >= min && v <= max))
		tool_usage(tool, "%s is a number from %g to %g, not \"%s\"", what, min, max,
			   optarg);
	return v;
}

void tool_mac(const struct tool *tool, u_char mac[6])
{
	u_int b[6];
	char rest;

	if (sscanf(optarg, "%2x:%2x:%2x:%2x:%2x:%2x%c", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
		   &rest) != 6)
		tool_usage(tool, "\"%s\" is no MAC address (02:00:00:00:00:01)", optarg);
	for (int i = 0; i < 6; i++)
		mac[i] = (u_char)b[i];
}

cluster_type tool_cluster_type(const struct tool *tool)
{
	static const char *const names[] = {
		[cluster_per_flow] = "6-tuple",
		[cluster_round_robin] = "round-robin",
		[cluster_per_flow_2_tuple] = "2-tuple",
		[cluster_per_flow_4_tuple] = "4-tuple",
		[cluster_per_flow_5_tuple] = "5-tuple",
		[cluster_per_flow_tcp_5_tuple] = "tcp-5-tuple",
		[cluster_per_inner_flow] = "inner-6-tuple",
		[cluster_per_inner_flow_2_tuple] = "inner-2-tuple",
		[cluster_per_inner_flow_4_tuple] = "inner-4-tuple",
		[cluster_per_inner_flow_5_tuple] = "inner-5-tuple",
		[cluster_per_inner_flow_tcp_5_tuple] = "inner-tcp-5-tuple",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(optarg, names[i]))
			return (cluster_type)i;
	return (cluster_type)tool_number(tool, "a cluster type", 0, MAX_CLUSTER_TYPE_ID);
}

void tool_pin(const struct tool *tool, unsigned core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		tool_die(tool, "cannot run on CPU %u: %s", core, strerror(errno));
}
