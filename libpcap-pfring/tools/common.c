/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * common.c - see common.h. The numbers' texts are kept in a few static
 * buffers: one thread prints.
 */
#include <getopt.h>
#include <sched.h>
#include <stdarg.h>

#include "common.h"

#define MAX_OPTIONS 40

volatile sig_atomic_t tool_stopped;
static pfring *stop_ring;
static void (*stop_wake)(void);

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

int tool_next(const struct tool *tool, int argc, char **argv)
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

void tool_mac(const struct tool *tool, const char *text, u_char mac[6])
{
	u_int b[6];
	char rest;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
		   &rest) != 6)
		tool_usage(tool, "\"%s\" is no MAC address (02:00:00:00:00:01)", text);
	for (int i = 0; i < 6; i++)
		mac[i] = (u_char)b[i];
}

packet_direction tool_direction(const struct tool *tool)
{
	/* Numbers as PF_RING's programs take them: 0 both, 1 received, 2 sent. */
	return (packet_direction)tool_number(tool, "a direction", 0, 2);
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

void tool_check(const struct tool *tool, int rc)
{
	if (rc < 0)
		tool_die(tool, "%s", pfring_last_error());
}

pfring *tool_open(const struct tool *tool, const char *device, u_int32_t caplen, u_int32_t flags)
{
	pfring *ring;

	if (!device)
		tool_usage(tool, "no device was given (-i); alldevs lists them");
	ring = pfring_open(device, caplen, flags);
	if (!ring)
		tool_die(tool, "%s", pfring_last_error());
	pfring_set_application_name(ring, tool->name);
	return ring;
}

void tool_enable(const struct tool *tool, pfring *ring)
{
	tool_check(tool, pfring_enable_ring(ring));
}

void tool_banner(pfring *ring)
{
	const char *why = "", *backend = pfring_get_backend(ring, &why);
	u_int32_t v = 0;

	pfring_version(ring, &v);
	printf("Using PF_RING v.%u.%u.%u\n", v >> 16 & 255, v >> 8 & 255, v & 255);
	printf("Capture path: %s%s%s\n", backend, why && why[0] ? ": " : "", why ? why : "");
	fflush(stdout);
}

static void on_stop(int sig)
{
	if (sig != SIGALRM)
		tool_stopped = 1;
	if (stop_ring)
		pfring_breakloop(stop_ring);
	if (stop_wake)
		stop_wake();
}

void tool_on_stop(pfring *ring)
{
	/* Without SA_RESTART: what waits ends. */
	struct sigaction sa = {.sa_handler = on_stop};

	stop_ring = ring;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
}

void tool_on_stop_call(void (*wake)(void))
{
	struct itimerval often = {{.tv_usec = 500000}, {.tv_usec = 500000}};
	struct sigaction sa = {.sa_handler = on_stop};

	stop_wake = wake;
	tool_on_stop(NULL);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
}

u_int64_t tool_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u_int64_t)t.tv_sec * 1000000000u + (u_int64_t)t.tv_nsec;
}

void tool_clock_start(struct tool_clock *c, unsigned long long seconds)
{
	c->start = c->last = tool_now();
	c->next = c->start + 1000000000u;
	c->until = seconds ? c->start + seconds * 1000000000u : 0;
}

int tool_clock_wait(const struct tool_clock *c)
{
	u_int64_t end = c->until && c->until < c->next ? c->until : c->next, now = tool_now();

	return now < end ? (int)((end - now + 999999) / 1000000) : 0;
}

bool tool_clock_due(struct tool_clock *c, double *ms)
{
	u_int64_t now = tool_now();

	if (now < c->next)
		return false;
	*ms = (double)(now - c->last) / 1e6;
	c->last = now;
	while (c->next <= now)
		c->next += 1000000000u;
	return true;
}

bool tool_clock_over(const struct tool_clock *c)
{
	return c->until && tool_now() >= c->until;
}

const char *tool_text(double value, bool decimals)
{
	static char text[8][64];
	static u_int at;

	return pfring_format_numbers(value, text[at++ % 8], sizeof(text[0]), decimals);
}

void tool_print_stats(struct tool_count *count, u_int64_t received, u_int64_t dropped,
		      const struct tool_clock *clock, double ms)
{
	double seconds = (double)(tool_now() - clock->start) / 1e9;
	double bytes = (double)count->bytes + (double)count->packets * TOOL_OVERHEAD;
	u_int64_t total = received + dropped, new_packets = count->packets - count->last_packets;
	double new_bytes =
		(double)(count->bytes - count->last_bytes) + (double)new_packets * TOOL_OVERHEAD;

	puts("=========================");
	printf("Absolute Stats: [%llu pkts rcvd][%llu pkts dropped]\n",
	       (unsigned long long)received, (unsigned long long)dropped);
	printf("Total Pkts=%llu/Dropped=%.1f %%\n", (unsigned long long)total,
	       total ? 100.0 * (double)dropped / (double)total : 0.0);
	printf("%s pkts - %s bytes", tool_text((double)count->packets, false),
	       tool_text(bytes, false));
	if (seconds > 0)
		printf(" [%s pkt/sec - %s Mbit/sec]",
		       tool_text((double)count->packets / seconds, true),
		       tool_text(bytes * 8 / seconds / 1e6, true));
	putchar('\n');
	puts("=========================");
	if (ms > 0) {
		printf("Actual Stats: %llu pkts [%s ms][%s pps/%.2f Gbps]\n",
		       (unsigned long long)new_packets, tool_text(ms, true),
		       tool_text((double)new_packets * 1000 / ms, true),
		       new_bytes * 8 / (ms * 1e6));
		puts("=========================");
	}
	fflush(stdout);
	count->last_packets = count->packets;
	count->last_bytes = count->bytes;
}
