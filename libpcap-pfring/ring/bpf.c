/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bpf.c - backend "bpf:": an AF_PACKET socket whose filter is an eBPF program
 * that copies what it accepts straight into mapped memory (bpf/producer.c).
 *
 * Needs CAP_NET_RAW and CAP_BPF when it is opened; sees what tcpdump sees and
 * leaves nothing behind. See bpf_backend.h for what a handle consists of.
 * Called by the handle's owner; close also from signal handlers.
 */
#include "producer.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "bpf_backend.h"
#include "sys.h"

#define MAX_EBPF 28000 /* the longest classic program, translated, and the capture */
#define GSO_FRAME (65535u + 18)
/* Where nothing else is asked for: room for a burst of 100,000 small packets, wherever it comes. */
#define BUDGET (11u << 20)
#define BUDGET_PER_CPU (512u << 10)
#define LARGEST (1u << 30)
#define STRAGGLER_NS 250000000u /* far beyond the time that a program can be on its way */

static const struct pfri_ops classic_ops;

/* The longest frame that is not an oddity; jumbo GSO frames (BIG TCP) still fit one by one. */
static u_int32_t usual_frame(const struct pfri_ring *r, const struct pfri_afp *a)
{
	u_int32_t longest = a->offload || !a->mtu ? GSO_FRAME : a->mtu + 18;

	return longest < r->opt.caplen ? longest : r->opt.caplen;
}

static u_int64_t ring_size(const struct pfri_ring *r)
{
	u_int64_t size = r->opt.buffer_bytes, cpus = pfri_maps_cpus();

	if (!size)
		size = cpus * BUDGET_PER_CPU > BUDGET ? cpus * BUDGET_PER_CPU : BUDGET;
	return size < LARGEST ? size : LARGEST;
}

/* Emits and loads the program for a classic filter. A descriptor, or -errno with its reason. */
static int load(struct pfri_ring *r, const struct sock_filter *filter, u_int len,
		u_int32_t generation, const struct pfri_decider *decider)
{
	struct pfri_bpf *b = pfri_bpf_of(r);
	struct pfri_producer p = {
		.at = b->maps.at,
		.private_ = b->private_,
		.caplen = r->whole ? MAX_CAPLEN : r->opt.caplen,
		.generation = generation,
		.clock = (enum pfri_clock)b->clock,
		.decider = decider,
	};
	size_t bytes = MAX_EBPF * sizeof(struct bpf_insn);
	struct pfri_ebpf e = {.max = MAX_EBPF};
	char log[160];
	int fd;

	e.insn = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (e.insn == MAP_FAILED)
		return pfri_fail(-ENOMEM, "no memory to build a program");
	fd = pfri_producer_emit(&e, &p, filter, len);
	if (fd == 0)
		fd = pfri_bpf_load(e.insn, e.len, "pfring_capture", log, sizeof(log));
	munmap(e.insn, bytes);
	if (fd == -EPERM || fd == -EACCES)
		return pfri_fail(-EPERM, "no permission to load eBPF programs (CAP_BPF is needed)");
	if (fd < 0)
		return pfri_fail(fd, "the kernel does not take the capture program: %s",
				 strerror(-fd));
	return fd;
}

/* The same with the rules in it, if they can be; *staged tells. */
static int load_with_rules(struct pfri_ring *r, const struct sock_filter *filter, u_int len,
			   u_int32_t generation, bool *staged)
{
	struct pfri_decider d;
	int prog;

	*staged = pfri_bpf_rules_stage(r, &d);
	if (!*staged)
		return -ENOENT;
	prog = load(r, filter, len, generation, &d);
	if (prog < 0) {
		pfri_bpf_rules_failed(r, prog);
		*staged = false;
	}
	return prog;
}

static int attach(struct pfri_bpf *b, int prog)
{
	if (setsockopt(b->afp.fd, SOL_SOCKET, SO_ATTACH_BPF, &prog, sizeof(prog)) < 0)
		return pfri_fail(-errno, "cannot attach the capture program: %s", strerror(errno));
	b->attached = true;
	return 0;
}

/*
 * Loads the program that keeps everything. It shows whether this path is open
 * at all, with which clock, and it stays for the time when nothing can be
 * loaded any more.
 */
static int load_all(struct pfri_ring *r)
{
	struct pfri_bpf *b = pfri_bpf_of(r);
	struct sock_filter insn[PFRI_MAXINSNS];
	u_int len, user_len = r->prog.len;
	bool user;

	r->prog.len = 0;
	len = pfri_afp_program(r, &b->afp, insn, &user);
	r->prog.len = user_len;
	b->all_len = len <= sizeof(b->all) / sizeof(b->all[0]) ? len : 0;
	memcpy(b->all, insn, b->all_len * sizeof(insn[0]));
	b->clock = r->opt.local_clock_coarse ? PFRI_CLOCK_COARSE : PFRI_CLOCK_TAI;
	b->all_fd = load(r, insn, len, 0, NULL);
	if (b->all_fd == -EINVAL && b->clock != PFRI_CLOCK_MONOTONIC) {
		b->clock = PFRI_CLOCK_MONOTONIC;
		b->all_fd = load(r, insn, len, 0, NULL);
	}
	return b->all_fd < 0 ? b->all_fd : 0;
}

/* The memory and a program for it. Which atomic operations there are shows when it is loaded. */
static int open_ring(struct pfri_ring *r)
{
	struct pfri_bpf *b = pfri_bpf_of(r);
	const u_int32_t longest = (u_int32_t)PFR_REC_SIZE(usual_frame(r, &b->afp) + 4);
	int rc;

	for (b->private_ = false;; b->private_ = true) {
		const struct pfri_maps_limits limits = {.private_ = b->private_};

		rc = pfri_maps_open(&b->maps, ring_size(r), longest, &limits);
		if (!rc)
			rc = load_all(r);
		if (rc != -EINVAL || b->private_)
			return rc;
		pfri_maps_close(&b->maps);
	}
}

static int watch(int epoll_fd, int fd, u_int32_t events)
{
	struct epoll_event ev = {.events = events, .data.fd = fd};

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

static int open_select(struct pfri_ring *r, struct pfri_bpf *b)
{
	b->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	b->more_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (b->epoll_fd < 0 || b->more_fd < 0 || watch(b->epoll_fd, b->maps.at.wake_fd, EPOLLIN) ||
	    watch(b->epoll_fd, b->more_fd, EPOLLIN) || watch(b->epoll_fd, b->afp.fd, EPOLLIN))
		return pfri_fail(-errno, "cannot make a selectable descriptor: %s",
				 strerror(errno));
	r->select_fd = b->epoll_fd;
	return 0;
}

static void bpf_close(struct pfri_ring *r)
{
	struct pfri_bpf *b = pfri_bpf_of(r);

	pfri_backlog_close(&b->backlog);
	pfri_afp_close(r, &b->afp);
	pfri_maps_close(&b->maps);
	pfri_bpf_rules_close(r);
	if (b->all_fd >= 0)
		close(b->all_fd);
	if (b->epoll_fd >= 0)
		close(b->epoll_fd);
	if (b->more_fd >= 0)
		close(b->more_fd);
	b->all_fd = b->epoll_fd = b->more_fd = -1;
	r->select_fd = -1;
}

static int bpf_open(struct pfri_ring *r)
{
	struct pfri_bpf *b = pfri_bpf_of(r);
	int rc;

	b->all_fd = b->epoll_fd = b->more_fd = b->afp.fd = -1;
	b->maps.at.lanes_fd = b->maps.at.pool_fd = b->maps.at.wake_fd = -1;
	rc = pfri_afp_open(r, &b->afp);
	if (rc)
		return rc;
	if (b->afp.cooked)
		rc = pfri_fail(-EOPNOTSUPP, "cooked link headers are made by packet: only");
	else if (r->opt.hw_tstamp)
		rc = pfri_fail(-EOPNOTSUPP,
			       "a socket filter does not see the adapter's time stamps");
	if (!rc)
		rc = open_ring(r);
	if (!rc)
		rc = open_select(r, b);
	if (rc) {
		bpf_close(r);
		return rc;
	}
	pfri_backlog_reserve(r, &b->afp);
	pfri_bpf_set_epoch(b, pfri_bpf_now(b));
	return 0;
}

/* Records written from now on bear a new number; those with an old one are tested again. */
static void new_generation(struct pfri_bpf *b)
{
	b->generation++;
	b->stale = true;
	b->stale_until = pfri_bpf_now(b) + STRAGGLER_NS;
	b->maps.lanes.hash_mask = ~0u;
}

/* The classic program takes the eBPF one's place; the lanes are emptied first. */
static int go_classic(struct pfri_ring *r)
{
	struct pfri_bpf *b = pfri_bpf_of(r);
	int rc = pfri_backlog_open(r, &b->afp, &b->backlog);

	if (!rc)
		rc = pfri_afp_filter(r, &b->afp);
	if (rc < 0) {
		pfri_backlog_close(&b->backlog);
		return rc;
	}
	r->refilter = rc ? PFRI_REFILTER_ALWAYS : PFRI_REFILTER_QUEUED;
	new_generation(b);
	b->drained_until_ms = pfri_now_ms() + STRAGGLER_NS / 1000000;
	r->ops = &classic_ops;
	pfri_bpf_rules_attached(r, false);
	snprintf(r->why, sizeof(r->why),
		 "it began as bpf:, but the filter came after the privilege to load it (CAP_BPF) "
		 "was gone");
	return rc;
}

/* Where the kernel takes no filter of any kind: keep everything and filter in user space. */
static int filter_in_user_space(struct pfri_ring *r)
{
	struct pfri_bpf *b = pfri_bpf_of(r);
	int rc = attach(b, b->all_fd);

	if (rc)
		return rc;
	pfri_bpf_rules_attached(r, false);
	r->refilter = PFRI_REFILTER_ALWAYS;
	return 1;
}

/*
 * Until another program was in force, the one that keeps everything may do: it
 * has generation 0, as all that was captured so far.
 */
static bool is_all(const struct pfri_bpf *b, const struct sock_filter *insn, u_int len)
{
	return !b->generation && len == b->all_len && !memcmp(insn, b->all, len * sizeof(*insn));
}

static int install(struct pfri_ring *r)
{
	struct pfri_bpf *b = pfri_bpf_of(r);
	struct sock_filter insn[PFRI_MAXINSNS];
	bool user, staged;
	u_int len = pfri_afp_program(r, &b->afp, insn, &user);
	int prog, rc;

	if (user)
		return filter_in_user_space(r);
	prog = load_with_rules(r, insn, len, b->generation + 1, &staged);
	if (!staged && is_all(b, insn, len)) {
		r->refilter = PFRI_REFILTER_NONE;
		pfri_bpf_rules_attached(r, false);
		return attach(b, b->all_fd);
	}
	if (!staged)
		prog = load(r, insn, len, b->generation + 1, NULL);
	if (prog == -EPERM && r->prog.len) {
		rc = go_classic(r);
		if (rc >= 0)
			return rc;
	}
	if (prog < 0)
		return filter_in_user_space(r);
	rc = attach(b, prog);
	close(prog);
	if (rc)
		return rc;
	pfri_bpf_rules_attached(r, staged);
	new_generation(b);
	r->refilter = PFRI_REFILTER_QUEUED;
	return 1;
}

int pfri_bpf_reload(struct pfri_ring *r)
{
	struct pfri_bpf *b = pfri_bpf_of(r);
	struct sock_filter insn[PFRI_MAXINSNS];
	bool user, staged;
	u_int len = pfri_afp_program(r, &b->afp, insn, &user);
	int prog, rc;

	if (user || r->refilter == PFRI_REFILTER_ALWAYS)
		return -EOPNOTSUPP; /* rules come behind the filter, which is the library's */
	prog = load_with_rules(r, insn, len, b->generation, &staged);
	if (prog < 0)
		return prog;
	rc = attach(b, prog);
	close(prog);
	if (!rc)
		pfri_bpf_rules_attached(r, true);
	return rc;
}

static int bpf_set_filter(struct pfri_ring *r)
{
	struct pfri_bpf *b = pfri_bpf_of(r);

	/* Bound means that packets may be queued; before that the filter waits in r. */
	if (!b->afp.bound || !r->enabled) {
		r->refilter = PFRI_REFILTER_NONE;
		return 0;
	}
	return install(r);
}

static int bpf_enable(struct pfri_ring *r, bool on)
{
	struct pfri_bpf *b = pfri_bpf_of(r);
	bool first = !b->afp.bound;
	int rc;

	if (!on)
		return b->afp.bound ? pfri_afp_mute(&b->afp) : 0;
	rc = pfri_afp_start(r, &b->afp);
	if (!rc)
		rc = install(r);
	if (rc < 0)
		return rc;
	/* No older program has let anything pass. */
	if (first)
		pfri_bpf_stale_over(r, b);
	if (r->select_used)
		r->ops->poll(r, 0);
	return 0;
}

static int bpf_send(struct pfri_ring *r, const struct iovec *frames, u_int n, int ifindex)
{
	return pfri_afp_send(r, &pfri_bpf_of(r)->afp, frames, n, ifindex);
}

static int bpf_send_stamped(struct pfri_ring *r, const struct iovec *frame, struct timespec *ts)
{
	return pfri_afp_send_stamped(r, &pfri_bpf_of(r)->afp, frame, ts);
}

static int bpf_set_promisc(struct pfri_ring *r, bool on)
{
	return pfri_afp_set_promisc(r, &pfri_bpf_of(r)->afp, on);
}

static int bpf_set_cluster(struct pfri_ring *r, u_int id, u_int consumer, cluster_type type,
			   u_int32_t options)
{
	/* The kernel numbers a group's members itself and knows no options. */
	(void)consumer;
	(void)options;
	return pfri_afp_set_cluster(r, &pfri_bpf_of(r)->afp, id, type);
}

/* A socket leaves its group only by being closed. The lanes are not the socket's: they stay. */
static int bpf_remove_from_cluster(struct pfri_ring *r)
{
	struct pfri_bpf *b = pfri_bpf_of(r);
	struct pfri_afp fresh = {.fd = -1};
	int rc;

	if (b->afp.cluster < 0)
		return pfri_fail(-ENOENT, "the ring is in no cluster");
	if (r->ops == &classic_ops)
		return pfri_fail(-EPERM,
				 "leaving a cluster needs the privilege to open a packet socket");
	if (!b->afp.bound) {
		b->afp.cluster = -1;
		return 0;
	}
	rc = pfri_afp_open(r, &fresh);
	if (rc) {
		r->net_fd = b->afp.fd;
		r->select_fd = b->epoll_fd;
		return rc;
	}
	pfri_afp_set_promisc(r, &fresh, b->afp.promisc);
	pfri_backlog_reserve(r, &fresh);
	close(b->afp.fd); /* epoll forgets it by itself */
	b->afp = fresh;
	r->select_fd = b->epoll_fd;
	watch(b->epoll_fd, b->afp.fd, EPOLLIN);
	return r->enabled ? bpf_enable(r, true) : 0;
}

static int bpf_stats(struct pfri_ring *r, struct pfring_stats64 *st)
{
	struct pfri_bpf *b = pfri_bpf_of(r);
	u_int64_t accepted, drops, wakeups;

	/* The socket itself counts only what came into its queue, and the interface's losses. */
	pfri_afp_stats(r, &b->afp, st);
	pfri_lanes_books(&b->maps.lanes, &accepted, &drops, &wakeups);
	st->recv += accepted;
	st->drop += drops;
	st->wakeups += wakeups;
	st->filtered_user += pfri_lanes_filtered(&b->maps.lanes);
	st->ring_bytes = b->maps.lane_bytes + b->maps.pool_bytes + b->backlog.bytes;
	st->queued_bytes = pfri_lanes_queued(&b->maps.lanes) + pfri_backlog_queued(&b->afp);
	return 0;
}

static int bpf_tell(struct pfri_ring *r, enum pfri_setting what)
{
	return what == PFRI_SET_RULES ? pfri_bpf_rules_tell(r) : 0;
}

static u_int bpf_inspect(struct pfri_ring *r, struct pfring_details *d, struct pfring_lane *lanes,
			 u_int max)
{
	static const char *const clocks[] = {
		[PFRI_CLOCK_TAI] = "tai",
		[PFRI_CLOCK_MONOTONIC] = "monotonic",
		[PFRI_CLOCK_COARSE] = "coarse",
	};
	struct pfri_bpf *b = pfri_bpf_of(r);

	d->copies = 1;
	if (d->filter == PFRING_FILTER_KERNEL && r->ops == &pfri_bpf_ops)
		d->filter = PFRING_FILTER_EBPF;
	if (d->rules != PFRING_RULES_NONE &&
	    pfri_bpf_rules_below(r, d->rules_why, sizeof(d->rules_why)))
		d->rules = PFRING_RULES_EBPF;
	snprintf(d->clock, sizeof(d->clock), "%s",
		 r->ops == &pfri_bpf_ops ? clocks[b->clock] : "kernel");
	for (u_int i = 0; i < b->maps.lanes.n && i < max; i++)
		pfri_lane_describe(&b->maps.lanes.lane[i], &lanes[i]);
	return b->maps.lanes.n;
}

#define CAPS                                                                                       \
	(PFRI_CAP_KERNEL_FILTER | PFRI_CAP_SEND | PFRI_CAP_CLUSTER | PFRI_CAP_QUEUES |             \
	 PFRI_CAP_ANY | PFRI_CAP_DIRECTION | PFRI_CAP_SELECT | PFRI_CAP_KERNEL_VIEW |              \
	 PFRI_CAP_CUTS)

const struct pfri_ops pfri_bpf_ops = {
	.recv_batch = pfri_bpf_recv,
	.release = pfri_bpf_release,
	.poll = pfri_bpf_poll,
	.send_batch = bpf_send,
	.send_stamped = bpf_send_stamped,
	.name = "bpf",
	.caps = CAPS,
	.open = bpf_open,
	.enable = bpf_enable,
	.set_filter = bpf_set_filter,
	.set_promisc = bpf_set_promisc,
	.set_cluster = bpf_set_cluster,
	.remove_from_cluster = bpf_remove_from_cluster,
	.stats = bpf_stats,
	.inspect = bpf_inspect,
	.tell = bpf_tell,
	.flow_rule = pfri_bpf_rules_flow,
	.close = bpf_close,
};

static int classic_set_filter(struct pfri_ring *r)
{
	struct pfri_bpf *b = pfri_bpf_of(r);
	int rc;

	if (!r->enabled)
		return 0;
	rc = pfri_afp_filter(r, &b->afp);
	if (rc < 0)
		return rc;
	/* The lanes' packets all bear older numbers: they are tested with what is in force. */
	new_generation(b);
	if (rc)
		r->refilter = PFRI_REFILTER_ALWAYS;
	else
		pfri_backlog_refilter(r, &b->backlog);
	return 1;
}

static int classic_enable(struct pfri_ring *r, bool on)
{
	struct pfri_bpf *b = pfri_bpf_of(r);
	int rc;

	if (!on)
		return pfri_afp_mute(&b->afp);
	rc = pfri_afp_filter(r, &b->afp);
	r->refilter = rc > 0 ? PFRI_REFILTER_ALWAYS : PFRI_REFILTER_NONE;
	return rc < 0 ? rc : 0;
}

/* The same handle after go_classic(). */
static const struct pfri_ops classic_ops = {
	.recv_batch = pfri_bpf_classic_recv,
	.release = pfri_bpf_classic_release,
	.poll = pfri_bpf_classic_poll,
	.send_batch = bpf_send,
	.send_stamped = bpf_send_stamped,
	.name = "packet",
	.caps = CAPS & ~(u_int32_t)PFRI_CAP_CUTS,
	.enable = classic_enable,
	.set_filter = classic_set_filter,
	.set_promisc = bpf_set_promisc,
	.set_cluster = bpf_set_cluster,
	.remove_from_cluster = bpf_remove_from_cluster,
	.stats = bpf_stats,
	.inspect = bpf_inspect,
	.tell = bpf_tell,
	.close = bpf_close,
};
