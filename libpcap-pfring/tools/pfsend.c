/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfsend - sends made frames or a capture file, as fast as it goes or at a
 * rate: the guide's second example.
 *
 * Frames go out in batches; at a rate, a batch is what is due by now, so that
 * the rate holds over any stretch of time and a slow machine catches up.
 */
#include <arpa/inet.h>

#include "frames.h"
#include "xdpsend.h"

static struct {
	const char *device, *file;
	struct frame_model model;
	u_int64_t count;
	double gbps, pps;
	u_int batch;
	bool counted, own_mac, timing, xdp, quiet;
} opt = {
	.model = {.len = 60,
		  .addresses = 1,
		  .dmac = {2, 0, 0, 0, 0, 2},
		  .smac = {2, 0, 0, 0, 0, 1},
		  .src = 0x0a000001,
		  .dst = 0xc0a80001,
		  .sport = 1024,
		  .dport = 53},
	.batch = 64,
	.own_mac = true,
};

static const struct tool_option options[] = {
	TOOL_TEXT('i', "device", "DEVICE", "where to send (alldevs lists them)", &opt.device),
	TOOL_TEXT('f', "file", "FILE", "the frames of this capture file instead of made ones",
		  &opt.file),
	{'n', "count", "PACKETS", "how many, 0 for ever (default; with -f: the file once)"},
	{'r', "rate", "GBPS", "bits per second on the wire, in 10^9"},
	{'p', "pps", "PPS", "packets per second"},
	TOOL_TRUE('t', "timing", "with -f: in the file's own time", &opt.timing),
	TOOL_TRUE('x', "xdp", "the kernel sends one frame again and again (XDP; no -f, -b, rates)",
		  &opt.xdp),
	TOOL_NUMBER('l', "length", "BYTES", "length of made frames, without checksum (default 60)",
		    &opt.model.len, "a length", 42, 65535),
	TOOL_NUMBER('b', "addresses", "COUNT",
		    "so many source addresses, one after another (default 1)", &opt.model.addresses,
		    "a count", 1, 1000000),
	{'S', "source", "IP", "the first source address (default 10.0.0.1)"},
	{'D', "destination", "IP", "destination address (default 192.168.0.1)"},
	{'m', "dst-mac", "MAC", "destination MAC address (default 02:00:00:00:00:02)"},
	{'M', "src-mac", "MAC", "source MAC address (default: the device's)"},
	{'P', "ports", "SRC:DST", "UDP ports (default 1024:53)"},
	TOOL_NUMBER('V', "vlan", "ID", "with a VLAN tag", &opt.model.vlan, "a VLAN", 1, 4095),
	TOOL_NUMBER('B', "batch", "PACKETS", "most frames for one system call (default 64)",
		    &opt.batch, "a batch", 1, FRAMES_AHEAD),
	TOOL_CORE,
	TOOL_QUIET("no line each second, only the last one", &opt.quiet),
	{0},
};

static const struct tool tool = {
	.name = "pfsend",
	.summary = "send made frames or a capture file",
	.options = options,
	.note = "Rates count 24 bytes for each packet that the wire takes beside its frame.",
};

static u_int32_t address(void)
{
	struct in_addr a;

	if (inet_pton(AF_INET, optarg, &a) != 1)
		tool_usage(&tool, "\"%s\" is no IPv4 address", optarg);
	return ntohl(a.s_addr);
}

static void ports(void)
{
	u_int src, dst;
	char rest;

	if (sscanf(optarg, "%u:%u%c", &src, &dst, &rest) != 2 || src > 65535 || dst > 65535)
		tool_usage(&tool, "\"%s\" are no ports (1024:53)", optarg);
	opt.model.sport = (u_int16_t)src;
	opt.model.dport = (u_int16_t)dst;
}

static void parse(int argc, char **argv)
{
	int c;

	while ((c = tool_next(&tool, argc, argv)) != -1) {
		switch (c) {
		case 'n':
			opt.count = tool_number(&tool, "a count", 0, UINT64_MAX);
			opt.counted = true;
			break;
		case 'r':
			opt.gbps = tool_real(&tool, "a rate", 1e-6, 1e4);
			break;
		case 'p':
			opt.pps = tool_real(&tool, "a rate", 1e-3, 1e10);
			break;
		case 'S':
			opt.model.src = address();
			break;
		case 'D':
			opt.model.dst = address();
			break;
		case 'm':
			tool_mac(&tool, opt.model.dmac);
			break;
		case 'M':
			tool_mac(&tool, opt.model.smac);
			opt.own_mac = false;
			break;
		case 'P':
			ports();
			break;
		}
	}
	if (opt.timing && !opt.file)
		tool_usage(&tool, "-t is the timing of a file (-f)");
	if ((opt.gbps > 0) + (opt.pps > 0) + opt.timing > 1)
		tool_usage(&tool, "choose one of -r, -p and -t");
	if (opt.xdp && (opt.file || opt.gbps > 0 || opt.pps > 0 || opt.model.addresses > 1))
		tool_usage(&tool, "-x sends one made frame as fast as it goes");
}

static void print(pfring *ring, struct tool_count *c, struct tool_clock *clock, double ms)
{
	double all = (double)(tool_now() - clock->start) / 1e6;
	double packets = (double)(c->packets - c->last_packets);
	double bytes = (double)(c->bytes - c->last_bytes) + packets * TOOL_OVERHEAD;
	double sum = (double)c->bytes + (double)c->packets * TOOL_OVERHEAD;
	char line[512];

	if (ms <= 0 || all <= 0)
		return;
	snprintf(line, sizeof(line),
		 "TX rate: [current %s pps/%.2f Gbps][average %s pps/%.2f Gbps][total %s pkts]\n",
		 tool_text(packets * 1000 / ms, true), bytes * 8 / (ms * 1e6),
		 tool_text((double)c->packets * 1000 / all, true), sum * 8 / (all * 1e6),
		 tool_text((double)c->packets, true));
	fputs(line, stdout);
	fflush(stdout);
	if (ring)
		pfring_set_application_stats(ring, line);
	c->last_packets = c->packets;
	c->last_bytes = c->bytes;
}

static bool at_a_rate(void)
{
	return opt.pps > 0 || opt.gbps > 0 || opt.timing;
}

/* When the frame after those already sent is due, in nanoseconds since the start. */
static double due(const struct frames *f, const struct tool_count *c)
{
	if (opt.pps > 0)
		return (double)c->packets * 1e9 / opt.pps;
	if (opt.gbps > 0)
		return ((double)c->bytes + (double)c->packets * TOOL_OVERHEAD) * 8 / opt.gbps;
	if (opt.timing)
		return (double)f->at_ns[c->packets % f->n] +
		       (double)(c->packets / f->n) * (double)f->at_ns[f->n - 1];
	return 0;
}

/* Waits until a frame is due; false if it still is not (a line is to be printed, or a signal). */
static bool wait_due(const struct frames *f, const struct tool_count *c,
		     const struct tool_clock *clock)
{
	u_int64_t at = clock->start + (u_int64_t)due(f, c), now = tool_now();

	if (at > now + 100000) {
		u_int64_t left = min_val(at, clock->next) - min_val(now, min_val(at, clock->next));
		/* The kernel sleeps some 50 us too long. */
		struct timespec t = {
			(time_t)(left / 1000000000u),
			(long)(left % 1000000000u > 60000 ? left % 1000000000u - 60000 : 0)};

		nanosleep(&t, NULL);
		now = tool_now();
	}
	while (now < at && now < clock->next && at < now + 100000)
		now = tool_now();
	return now >= at;
}

/* How many frames from the next one on are due by now. */
static u_int how_many(const struct frames *f, const struct tool_count *c, u_int at, u_int64_t begun)
{
	u_int most = opt.batch, n = 1;
	struct tool_count then = *c;
	double now;

	if (opt.count && opt.count - c->packets < most)
		most = (u_int)(opt.count - c->packets);
	if (!at_a_rate())
		return most;
	now = (double)(tool_now() - begun);
	for (; n < most; n++) {
		then.packets++;
		then.bytes += f->frame[at + n - 1].iov_len;
		if (due(f, &then) > now)
			break;
	}
	return n;
}

static int send_frames(pfring *ring, const struct frames *f, struct tool_count *count,
		       struct tool_clock *clock)
{
	u_int at = 0;
	double ms;
	int rc = 0;

	while (!tool_stopped && (!opt.count || count->packets < opt.count)) {
		if (tool_clock_due(clock, &ms) && !opt.quiet)
			print(ring, count, clock, ms);
		if (at_a_rate() && !wait_due(f, count, clock))
			continue;
		rc = pfring_send_batch(ring, f->frame + at, how_many(f, count, at, clock->start));
		if (rc == -ENOBUFS || rc == -EAGAIN || rc == -EINTR) {
			/* The device's queue is full: it drains in microseconds. */
			struct timespec t = {.tv_nsec = 20000};

			nanosleep(&t, NULL);
			rc = 0;
			continue;
		}
		if (rc < 0)
			return rc;
		for (int i = 0; i < rc; i++)
			count->bytes += f->frame[at + (u_int)i].iov_len;
		count->packets += (u_int)rc;
		at = (at + (u_int)rc) % f->n;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct tool_count count = {0};
	struct frames frames = {0};
	struct tool_clock clock;
	pfring *ring;
	int rc;

	parse(argc, argv);
	ring = tool_open(&tool, opt.device, 64, 0);
	tool_check(&tool, pfring_set_socket_mode(ring, send_only_mode));
	if (opt.own_mac)
		pfring_get_bound_device_address(ring, opt.model.smac);
	if (opt.file)
		frames_read(&tool, &frames, opt.file);
	else
		frames_make(&tool, &frames, &opt.model);
	if (opt.file && !opt.counted)
		opt.count = frames.n;
	tool_on_stop(NULL);
	tool_banner(ring);
	tool_enable(&tool, ring);
	tool_clock_start(&clock, 0);
	if (opt.quiet)
		clock.next = UINT64_MAX;
	if (opt.xdp)
		rc = xdp_send(&tool, ring, &frames.frame[0], opt.count, &count, print, &clock);
	else
		rc = send_frames(ring, &frames, &count, &clock);
	if (rc < 0)
		fprintf(stderr, "pfsend: %s\n", pfring_last_error());
	if (!opt.xdp)
		print(NULL, &count, &clock, (double)(tool_now() - clock.last) / 1e6);
	printf("Sent %llu packets, %llu bytes\n", (unsigned long long)count.packets,
	       (unsigned long long)count.bytes);
	frames_free(&frames);
	pfring_close(ring);
	return rc < 0;
}
