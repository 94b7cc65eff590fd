/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xdpsend.c - see xdpsend.h.
 *
 * BPF_PROG_TEST_RUN with BPF_F_TEST_XDP_LIVE_FRAMES (kernel 5.18) makes frames
 * from a page pool, and a program of three instructions redirects each to the
 * device (Documentation/bpf/bpf_prog_run.rst). The kernel does not say how many
 * the device took, so the interface's own counter is what counts: nobody else
 * should send on it meanwhile. Needs CAP_BPF and CAP_NET_ADMIN.
 */
#include <linux/bpf.h>
#include <sys/syscall.h>

#include "xdpsend.h"

/*
 * Frames for one call. Each takes the kernel some 25 ms beside its frames, to
 * take the page pool down; so it is one for about a second.
 */
#define CHUNK (1u << 20)
#define PROBE 64

static int bpf(int cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static int load(int ifindex)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1, .imm = ifindex},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = 0},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr = {0};

	attr.prog_type = BPF_PROG_TYPE_XDP;
	attr.insns = (u_int64_t)(uintptr_t)insns;
	attr.insn_cnt = sizeof(insns) / sizeof(insns[0]);
	attr.license = (u_int64_t)(uintptr_t) "BSD";
	return bpf(BPF_PROG_LOAD, &attr);
}

/* Frames that the device has sent since it is there; it was there a moment ago. */
static u_int64_t device_sent(const char *device)
{
	FILE *f = fopen("/proc/thread-self/net/dev", "r");
	unsigned long long sent = 0;
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		char *name = line + strspn(line, " "), *colon = strchr(line, ':');

		if (!colon)
			continue;
		*colon = 0;
		/* Eight columns of what was received, then bytes and packets sent. */
		if (!strcmp(name, device) &&
		    sscanf(colon + 1, "%*u %*u %*u %*u %*u %*u %*u %*u %*u %llu", &sent) == 1)
			break;
	}
	if (f)
		fclose(f);
	return sent;
}

static int run(int prog, const struct iovec *frame, u_int n)
{
	struct xdp_md ctx = {.data_end = (u_int32_t)frame->iov_len};
	union bpf_attr attr = {0};

	attr.test.prog_fd = (u_int32_t)prog;
	attr.test.data_in = (u_int64_t)(uintptr_t)frame->iov_base;
	attr.test.data_size_in = (u_int32_t)frame->iov_len;
	attr.test.ctx_in = (u_int64_t)(uintptr_t)&ctx;
	attr.test.ctx_size_in = sizeof(ctx);
	attr.test.repeat = n;
	attr.test.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
	attr.test.batch_size = PROBE;
	return bpf(BPF_PROG_TEST_RUN, &attr) < 0 && errno != EINTR ? -errno : 0;
}

/* The counter may lag behind: waits until it stands at want, or still. */
static u_int64_t settled(const char *device, u_int64_t want)
{
	u_int64_t seen = device_sent(device), before = 0;

	for (int still = 0; seen < want && still < 50;) {
		struct timespec t = {.tv_nsec = 1000000};

		before = seen;
		nanosleep(&t, NULL);
		seen = device_sent(device);
		still = seen == before ? still + 1 : 0;
	}
	return seen;
}

int xdp_send(const struct tool *tool, pfring *ring, const struct iovec *frame, u_int64_t n,
	     struct tool_count *count, xdp_report report, struct tool_clock *clock)
{
	u_int64_t begun, sent = 0;
	u_int per_second = CHUNK;
	char device[IFNAMSIZ];
	int ifindex, prog, rc;
	double ms;

	tool_check(tool, pfring_get_bound_device_ifindex(ring, &ifindex));
	if (!if_indextoname((u_int)ifindex, device))
		tool_die(tool, "the device is gone");
	prog = load(ifindex);
	if (prog < 0)
		tool_die(tool, "the kernel takes no XDP program: %s", strerror(errno));
	begun = device_sent(device);
	do {
		u_int chunk = sent ? per_second : PROBE;
		u_int64_t started = tool_now();

		if (n && n - sent < chunk)
			chunk = (u_int)(n - sent);
		rc = run(prog, frame, chunk);
		if (rc)
			tool_die(tool,
				 "the kernel does not send frames by itself (it is to be "
				 "5.18 or newer): %s",
				 strerror(-rc));
		chunk = (u_int)(settled(device, begun + sent + chunk) - begun - sent);
		if (!chunk && !tool_stopped)
			tool_die(tool,
				 "%s takes no frames from XDP (a veth needs `ethtool -K PEER gro "
				 "on` on the other end)",
				 device);
		if (sent)
			per_second = (u_int)max_val(chunk * 1e9 / (double)(tool_now() - started),
						    (double)PROBE);
		sent += chunk;
		count->packets = sent;
		count->bytes = sent * frame->iov_len;
		if (tool_clock_due(clock, &ms) && report)
			report(ring, count, clock, ms);
	} while (!tool_stopped && (!n || sent < n));
	close(prog);
	return 0;
}
