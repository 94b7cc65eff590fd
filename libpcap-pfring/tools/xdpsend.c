/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xdpsend.c - see xdpsend.h.
 *
 * BPF_PROG_TEST_RUN with BPF_F_TEST_XDP_LIVE_FRAMES (kernel 5.18) makes frames
 * from a page pool, and a program of four instructions redirects each to the
 * device (Documentation/bpf/bpf_prog_run.rst). One call sends them all, on a
 * thread of its own: each call takes the kernel some 13 ms before its first
 * frame and as long behind its last. The kernel does not say how many the
 * device took, so the caller's thread reads the interface's own counter:
 * nobody else should send on it meanwhile. Needs CAP_BPF and CAP_NET_ADMIN.
 */
#include <linux/bpf.h>
#include <sys/syscall.h>

#include "xdpsend.h"

#define MOST (1u << 30) /* frames for one call */
#define BATCH 64	/* what NAPI takes in one go */
#define PATIENCE_NS 5000000000u

struct job {
	int prog;
	const struct iovec *frame;
	u_int n;
	int rc; /* when done */
	_Atomic bool done;
};

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

static void *run(void *arg)
{
	struct job *job = arg;
	struct xdp_md ctx = {.data_end = (u_int32_t)job->frame->iov_len};
	union bpf_attr attr = {0};
	sigset_t wake;

	sigemptyset(&wake);
	sigaddset(&wake, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &wake, NULL);
	attr.test.prog_fd = (u_int32_t)job->prog;
	attr.test.data_in = (u_int64_t)(uintptr_t)job->frame->iov_base;
	attr.test.data_size_in = (u_int32_t)job->frame->iov_len;
	attr.test.ctx_in = (u_int64_t)(uintptr_t)&ctx;
	attr.test.ctx_size_in = sizeof(ctx);
	attr.test.repeat = job->n;
	attr.test.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
	attr.test.batch_size = BATCH;
	job->rc = bpf(BPF_PROG_TEST_RUN, &attr) < 0 && errno != EINTR ? -errno : 0;
	job->done = true;
	return NULL;
}

static void woken(int sig)
{
	(void)sig;
}

/* Signals are the caller's thread's, but for the one that ends the call. */
static pthread_t start(const struct tool *tool, struct job *job)
{
	struct sigaction sa = {.sa_handler = woken};
	sigset_t all, old;
	pthread_t thread;

	sigaction(SIGUSR1, &sa, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (pthread_create(&thread, NULL, run, job))
		tool_die(tool, "cannot start a second thread");
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return thread;
}

/* Half the time that the rest should take, so that the end is seen at once; and so is the start. */
static void wait_for(const struct job *job, u_int64_t out, u_int64_t since)
{
	double ns = job->done ? 1e6 : 0;
	struct timespec t = {0};

	if (out && !job->done)
		ns = (double)(tool_now() - since) * (double)(job->n - out) / (double)out / 2;
	t.tv_nsec = (long)max_val(min_val(ns, 20e6), 200e3);
	nanosleep(&t, NULL);
}

int xdp_send(const struct tool *tool, pfring *ring, const struct iovec *frame, u_int64_t n,
	     struct tool_count *count, xdp_report report, struct tool_clock *clock)
{
	struct job job = {.frame = frame};
	u_int64_t begun, sent = 0;
	char device[IFNAMSIZ];
	int ifindex;
	double ms;
	bool last;

	tool_check(tool, pfring_get_bound_device_ifindex(ring, &ifindex));
	if (!if_indextoname((u_int)ifindex, device))
		tool_die(tool, "the device is gone");
	job.prog = load(ifindex);
	if (job.prog < 0)
		tool_die(tool, "the kernel takes no XDP program: %s", strerror(errno));
	begun = device_sent(device);
	do {
		u_int64_t before = sent, since = tool_now();
		pthread_t thread;

		job.n = n ? (u_int)min_val(n - sent, MOST) : MOST;
		job.done = false;
		thread = start(tool, &job);
		/* The counter may lag behind the call: until all are out, or it stands still. */
		for (int still = 0; sent - before < job.n && still < 50;) {
			u_int64_t seen = sent, now;

			wait_for(&job, sent - before, since);
			now = tool_now();
			sent = device_sent(device) - begun;
			/* The rate is that of sending: it begins when the last look saw nothing. */
			if (!sent)
				clock->start = clock->last = now;
			still = job.done && sent == seen ? still + 1 : 0;
			count->packets = sent;
			count->bytes = sent * frame->iov_len;
			if (tool_clock_due(clock, &ms))
				report(ring, count, clock, ms);
			if (tool_stopped || (sent == before && tool_now() - since > PATIENCE_NS))
				pthread_kill(thread, SIGUSR1);
		}
		last = tool_stopped || (n && sent >= n);
		/* Now, not when the kernel has taken down what it had set up. */
		if (last && sent)
			report(NULL, count, clock, (double)(tool_now() - clock->last) / 1e6);
		pthread_join(thread, NULL);
		if (job.rc)
			tool_die(tool,
				 "the kernel does not send frames by itself (it is to be "
				 "5.18 or newer): %s",
				 strerror(-job.rc));
		if (sent == before && !tool_stopped)
			tool_die(tool,
				 "%s takes no frames from XDP (a veth needs `ethtool -K PEER gro "
				 "on` on the other end)",
				 device);
	} while (!last);
	close(job.prog);
	return 0;
}
