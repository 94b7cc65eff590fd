/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * common.c - see common.h. The numbers' texts are kept in a few static
 * buffers: one thread prints.
 */
#include <stdarg.h>

#include "common.h"

volatile sig_atomic_t tool_stopped;
static pfring *stop_ring;
static void (*stop_wake)(void);

void tool_check(const struct tool *tool, int rc)
{
	if (rc < 0)
		tool_die(tool, "%s", pfring_last_error());
}

pfring *tool_open_opts(const struct tool *tool, const char *device,
		       const struct pfring_open_options *o)
{
	pfring *ring;

	tool_need_device(tool, device);
	ring = pfring_open_opts(device, o);
	if (!ring)
		tool_die(tool, "%s", pfring_last_error());
	pfring_set_application_name(ring, tool->name);
	return ring;
}

pfring *tool_open(const struct tool *tool, const char *device, u_int32_t caplen, u_int32_t flags)
{
	struct pfring_open_options o = {.sz = sizeof(o), .caplen = caplen, .flags = flags};

	return tool_open_opts(tool, device, &o);
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
	tool_say("Capture path: %s%s%s", backend, why && why[0] ? ": " : "", why ? why : "");
}

void tool_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
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
