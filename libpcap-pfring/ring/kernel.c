/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kernel.c - backend "pfring:", the ring of the kernel module pf_ring.ko.
 *
 * The module fills one lane per CPU, which lane.c drains; filter, direction,
 * queues, sampling and clusters are its own. Beside its socket lies an unbound
 * packet socket (afpacket.c): it knows the interface, and promiscuous mode and
 * hardware time stamps go through it as on every other path. The interface
 * between module and library is part three of <linux/pf_ring.h>.
 */
#include "afpacket.h"
#include "kernel_backend.h"
#include "lane.h"

#define MAX_LANES 128  /* more CPUs share lanes */
#define HOLD_BACK_MS 5 /* how long packets wait for a batch unless the user says */
#define BURST 64

/*
 * What the default watermark means here: DEFAULT_POLL_WATERMARK is a number of
 * packets from the time of small rings, and a wake-up costs as much as ten
 * packets. The module does not wait for it longer than HOLD_BACK_MS, nor beyond
 * half of a lane.
 */
#define MANY_PACKETS 1024

struct kring {
	struct pfri_afp afp;
	int fd;
	bool active;
	u_char *map[MAX_LANES];
	size_t stride;
	struct pfri_lane lane[MAX_LANES];
	struct pfri_lanes lanes;
	u_int64_t stale[MAX_LANES]; /* packets before these positions passed an older filter */
};

static struct kring *state(struct pfri_ring *r)
{
	return PFRI_PRIV(r, struct kring);
}

int pfri_kernel_fd(const struct pfri_ring *r)
{
	return ((const struct kring *)(const void *)r->priv)->fd;
}

static int set(const struct kring *k, int option, int value)
{
	return setsockopt(k->fd, SOL_PF_RING, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* A socket of our module, of our ABI. Anything else that answers to family 27 is told apart. */
static int open_socket(struct kring *k)
{
	struct pfr_info info = {0};
	socklen_t len = sizeof(info);

	k->fd = socket(PF_RING, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	if (k->fd < 0) {
		if (errno == EAFNOSUPPORT)
			return pfri_fail(
				-EAFNOSUPPORT,
				"the kernel module pf_ring is not loaded (pfring module load)");
		if (errno == EPERM)
			return pfri_fail(-EPERM,
					 "You don't have permission to open a PF_RING socket "
					 "(CAP_NET_RAW is needed)");
		return pfri_fail(-errno, "cannot open a PF_RING socket: %s", strerror(errno));
	}
	if (getsockopt(k->fd, SOL_PF_RING, PFR_SO_INFO, &info, &len) < 0 || len != sizeof(info))
		return pfri_fail(-EPROTO,
				 "the loaded pf_ring module is not this project's: unload it, "
				 "then pfring module load");
	if (info.abi != PF_RING_ABI_VERSION)
		return pfri_fail(-EPROTO,
				 "the loaded pf_ring module has ABI %u, this library %u: load the "
				 "module that came with the library (pfring module build)",
				 info.abi, PF_RING_ABI_VERSION);
	return 0;
}

/* The ring's memory. A user's limit on locked memory makes the default smaller, never a wish. */
static int make_ring(struct pfri_ring *r, struct kring *k)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct pfr_ring_req req = {.caplen = r->opt.caplen};
	u_int64_t least = PFR_RING_MIN_LANE;
	int err;

	if (cpus > MAX_LANES)
		req.lanes = MAX_LANES;
	if (r->opt.buffer_bytes) {
		req.lane_bytes =
			r->opt.buffer_bytes / (u_int64_t)(cpus > MAX_LANES ? MAX_LANES : cpus);
		if (req.lane_bytes > PFR_RING_MAX_LANE)
			req.lane_bytes = PFR_RING_MAX_LANE;
		least = req.lane_bytes;
	}
	for (;;) {
		err = setsockopt(k->fd, SOL_PF_RING, PFR_SO_RING, &req, sizeof(req)) ? -errno : 0;
		if (err != -ENOBUFS || (req.lane_bytes && req.lane_bytes / 2 < least))
			break;
		req.lane_bytes = req.lane_bytes ? req.lane_bytes / 2 : 4u << 20;
	}
	if (err == -ENOBUFS)
		return pfri_fail(err,
				 "%s: the ring is larger than the user's limit on locked memory "
				 "(ulimit -l), which CAP_IPC_LOCK lifts",
				 r->name.device);
	if (err)
		return pfri_fail(err, "%s: no memory for the ring: %s", r->name.device,
				 strerror(-err));
	return 0;
}

/*
 * A lane is mapped read-only as a whole, then all behind the kernel's page once
 * more over itself: programs write into packets. A module from before that lets
 * nothing but the reader's page be written.
 */
static bool map_writable(const struct kring *k, u_char *lane, off_t at)
{
	const size_t lengths[] = {k->stride - 4096, 4096};

	for (u_int i = 0; i < 2; i++)
		if (mmap(lane + 4096, lengths[i], PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			 k->fd, at + 4096) != MAP_FAILED)
			return true;
	return false;
}

static int map_ring(struct pfri_ring *r, struct kring *k)
{
	struct pfr_info info = {0};
	socklen_t len = sizeof(info);
	int rc;

	if (getsockopt(k->fd, SOL_PF_RING, PFR_SO_INFO, &info, &len) < 0)
		return pfri_fail(-errno, "pf_ring does not describe its ring: %s", strerror(errno));
	k->stride = info.lane_stride;
	k->lanes.lane = k->lane;
	k->lanes.hash_mask = UINT32_MAX;
	for (u_int i = 0; i < info.lanes && i < MAX_LANES; i++) {
		off_t at = (off_t)(i * info.lane_stride);
		void *map = mmap(NULL, k->stride, PROT_READ, MAP_SHARED, k->fd, at);

		if (map == MAP_FAILED)
			return pfri_fail(-errno, "%s: cannot map the ring: %s", r->name.device,
					 strerror(errno));
		k->map[i] = map;
		if (!map_writable(k, map, at))
			return pfri_fail(-errno, "%s: cannot map the ring's reader page: %s",
					 r->name.device, strerror(errno));
		rc = pfri_lane_attach(&k->lane[i], map, k->stride);
		if (rc)
			return pfri_fail(rc, "pf_ring: lane %u makes no sense", i);
		k->lanes.n++;
	}
	return 0;
}

static int watermark(const struct pfri_ring *r)
{
	if (r->opt.immediate)
		return 1;
	return r->watermark == DEFAULT_POLL_WATERMARK ? MANY_PACKETS : r->watermark;
}

static int apply_options(struct pfri_ring *r, struct kring *k)
{
	u_int hold = r->opt.timeout_ms ? (u_int)r->opt.timeout_ms : HOLD_BACK_MS;
	int clock = r->opt.hw_tstamp		? PFR_TS_HARDWARE
		    : r->opt.local_clock_coarse ? PFR_TS_COARSE
						: PFR_TS_SYSTEM;
	int rc = set(k, PFR_SO_TIMESTAMP, clock);

	if (!rc)
		rc = set(k, PFR_SO_WATERMARK, watermark(r));
	if (!rc)
		rc = set(k, PFR_SO_WATERMARK_TIMEOUT, (int)(hold > 60000 ? 60000 : hold));
	/* As on every other path: a handle does not see what it sent itself. */
	if (!rc)
		rc = set(k, PFR_SO_DISCARD_INJECTED, 1);
	return rc ? pfri_fail(rc, "pf_ring refuses an option: %s", strerror(-rc)) : 0;
}

static int bind_ring(struct pfri_ring *r, struct kring *k)
{
	struct sockaddr_pfr sa = {
		.family = PF_RING,
		.ifindex = r->ifindex,
		.queues = r->name.queues,
	};

	if (bind(k->fd, (struct sockaddr *)(void *)&sa, sizeof(sa)) == 0)
		return 0;
	if (errno == EBUSY)
		return pfri_fail(-EBUSY,
				 "%s: taken (quick mode allows one ring per device, transparent "
				 "mode 2 none beside a bridge or bond)",
				 r->name.device);
	return pfri_fail(-errno, "%s: pf_ring cannot bind to the interface: %s", r->name.device,
			 strerror(errno));
}

/*
 * The module's own, which /proc/net/pf_ring tells of. Where that takes a privilege that the
 * caller has not, the packet socket's.
 */
static int kernel_set_promisc(struct pfri_ring *r, bool on)
{
	struct kring *k = state(r);
	int rc = set(k, PFR_SO_PROMISC, on);

	return pfri_afp_set_promisc(r, &k->afp, on && rc);
}

static void kernel_close(struct pfri_ring *r)
{
	struct kring *k = state(r);

	for (u_int i = 0; i < MAX_LANES; i++)
		if (k->map[i])
			munmap(k->map[i], k->stride);
	if (k->fd >= 0)
		close(k->fd);
	if (r->select_fd == k->fd)
		r->select_fd = -1;
	pfri_afp_close(r, &k->afp);
}

static int kernel_open(struct pfri_ring *r)
{
	struct kring *k = state(r);
	socklen_t len = sizeof(r->id);
	int rc;

	k->afp.fd = -1;
	rc = open_socket(k);
	if (!rc)
		rc = pfri_afp_open(r, &k->afp);
	if (!rc && k->afp.cooked)
		rc = pfri_fail(-EOPNOTSUPP, "%s: cooked headers are not made by pf_ring",
			       r->name.device);
	if (!rc)
		rc = make_ring(r, k);
	if (!rc)
		rc = map_ring(r, k);
	if (!rc)
		rc = apply_options(r, k);
	if (!rc)
		rc = bind_ring(r, k);
	if (!rc && k->afp.promisc)
		rc = kernel_set_promisc(r, true);
	if (rc) {
		kernel_close(r);
		return rc;
	}
	/* The number that /proc/net/pf_ring knows it by. */
	getsockopt(k->fd, SOL_PF_RING, PFR_SO_RING_ID, &r->id, &len);
	r->select_fd = k->fd;
	return 0;
}

/* After PFR_SO_SYNC no packet of the old filter is on its way any more: all lie before prod. */
static void mark_stale(struct pfri_ring *r, struct kring *k)
{
	bool any = false;

	setsockopt(k->fd, SOL_PF_RING, PFR_SO_SYNC, NULL, 0);
	for (u_int i = 0; i < k->lanes.n; i++) {
		k->stale[i] = __atomic_load_n(&k->lane[i].prod->prod, __ATOMIC_ACQUIRE);
		any |= k->stale[i] != k->lane[i].released;
	}
	r->refilter = any ? PFRI_REFILTER_QUEUED : PFRI_REFILTER_NONE;
}

static int attach(struct pfri_ring *r, struct kring *k)
{
	struct sock_fprog prog = {.len = (unsigned short)r->prog.len, .filter = r->prog.insn};
	int none = 0;

	if (!r->prog.len) {
		if (setsockopt(k->fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof(none)) < 0 &&
		    errno != ENOENT)
			return -errno;
		return 0;
	}
	return setsockopt(k->fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0 ? -errno
											: 0;
}

static int kernel_set_filter(struct pfri_ring *r)
{
	struct kring *k = state(r);
	int rc = set(k, PFR_SO_DIRECTION, r->direction);

	if (rc)
		return pfri_fail(rc, "pf_ring refuses the direction: %s", strerror(-rc));
	rc = r->opt.flags & PF_RING_USERSPACE_BPF ? -ENOMEM : attach(r, k);
	if (rc == -ENOMEM) { /* asked for, or too large for net.core.optmem_max */
		setsockopt(k->fd, SOL_SOCKET, SO_DETACH_FILTER, &rc, sizeof(rc));
		r->refilter = PFRI_REFILTER_ALWAYS;
		return r->prog.len > 0;
	}
	if (rc)
		return pfri_fail(rc, "%s: the kernel refuses the filter: %s", r->name.device,
				 strerror(-rc));
	/* A disabled ring keeps what it has. */
	if (k->active || pfri_lanes_queued(&k->lanes))
		mark_stale(r, k);
	else
		r->refilter = PFRI_REFILTER_NONE;
	return r->refilter != PFRI_REFILTER_NONE;
}

static int kernel_enable(struct pfri_ring *r, bool on)
{
	struct kring *k = state(r);
	int rc;

	if (on && (r->mode == send_only_mode || r->mode == management_only_mode))
		return 0;
	rc = setsockopt(k->fd, SOL_PF_RING, on ? PFR_SO_ACTIVATE : PFR_SO_DEACTIVATE, NULL, 0);
	if (rc < 0)
		return pfri_fail(-errno, "%s: pf_ring cannot %s the ring: %s", r->name.device,
				 on ? "enable" : "disable", strerror(errno));
	k->active = on;
	return 0;
}

/* Ends PFRI_REFILTER_QUEUED when all that an older filter let through has been handed out. */
static void refilter_check(struct pfri_ring *r, const struct kring *k)
{
	for (u_int i = 0; i < k->lanes.n; i++)
		if ((int64_t)(k->lane[i].released - k->stale[i]) < 0)
			return;
	r->refilter = PFRI_REFILTER_NONE;
}

static int kernel_recv(struct pfri_ring *r, struct pfring_packet *pkt, u_int max)
{
	struct kring *k = state(r);
	u_int64_t horizon = UINT64_MAX;
	u_int n;

	if (r->refilter == PFRI_REFILTER_QUEUED)
		refilter_check(r, k);
	if (k->lanes.n > 1 && !r->opt.hw_tstamp)
		horizon = pfri_clock_ns(CLOCK_REALTIME);
	n = pfri_lanes_recv(&k->lanes, pkt, max, horizon);
	if (!n && k->afp.gone)
		return pfri_afp_gone(r, &k->afp, 0);
	return (int)n;
}

static void kernel_release(struct pfri_ring *r)
{
	pfri_lanes_release(&state(r)->lanes);
}

/* ENETDOWN passes when the interface is up again; a hang-up is for good. */
static void socket_error(struct pfri_ring *r, struct kring *k, short events)
{
	socklen_t len = sizeof(int);
	int err = 0;

	getsockopt(k->fd, SOL_SOCKET, SO_ERROR, &err, &len);
	if (r->ifindex && (events & POLLHUP) && !k->afp.gone) {
		k->afp.gone = true;
		k->afp.gone_at_ms = pfri_now_ms();
	}
}

static int kernel_poll(struct pfri_ring *r, int timeout_ms)
{
	struct kring *k = state(r);
	struct pollfd p[2] = {
		{.fd = k->fd, .events = POLLIN},
		{.fd = r->wake_fd, .events = POLLIN},
	};
	int n = poll(p, 2, timeout_ms);

	if (n < 0)
		return errno == EINTR ? -EINTR
				      : pfri_fail(-errno, "poll failed: %s", strerror(errno));
	if ((p[0].revents | p[1].revents) & POLLNVAL)
		return pfri_fail(-EBADF, "the ring's descriptors were closed behind its back");
	if (p[1].revents)
		return -EINTR;
	if (p[0].revents & (POLLERR | POLLHUP))
		socket_error(r, k, p[0].revents);
	return n > 0;
}

static int kernel_send(struct pfri_ring *r, const struct iovec *frames, u_int n, int ifindex)
{
	struct kring *k = state(r);
	struct sockaddr_pfr to = {.family = PF_RING, .ifindex = ifindex ? ifindex : r->ifindex};
	struct mmsghdr msg[BURST];
	int rc;

	if (!to.ifindex)
		return pfri_fail(-EINVAL, "\"any\" cannot send; use pfring_send_ifindex()");
	if (n > BURST)
		n = BURST;
	memset(msg, 0, n * sizeof(msg[0]));
	for (u_int i = 0; i < n; i++) {
		msg[i].msg_hdr.msg_name = &to;
		msg[i].msg_hdr.msg_namelen = sizeof(to);
		msg[i].msg_hdr.msg_iov = (struct iovec *)(uintptr_t)&frames[i];
		msg[i].msg_hdr.msg_iovlen = 1;
	}
	do {
		rc = sendmmsg(k->fd, msg, n, 0);
	} while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return pfri_fail(-errno, "%s: cannot send %zu bytes: %s", r->name.device,
				 frames[0].iov_len, strerror(errno));
	return rc;
}

static int kernel_set_cluster(struct pfri_ring *r, u_int id, u_int consumer, cluster_type type,
			      u_int32_t options)
{
	struct pfr_cluster_req req = {id, consumer, type, options};

	if (setsockopt(state(r)->fd, SOL_PF_RING, PFR_SO_CLUSTER_JOIN, &req, sizeof(req)) == 0)
		return 0;
	switch (errno) {
	case EACCES:
		return pfri_fail(-EACCES, "cluster %u belongs to another user", id);
	case EBUSY:
		return pfri_fail(-EBUSY,
				 "the ring is in a cluster already, or consumer %u of "
				 "cluster %u is taken",
				 consumer, id);
	case ENOSPC:
		return pfri_fail(-ENOSPC, "cluster %u has %d members already", id,
				 MAX_CLUSTER_QUEUES);
	case EINVAL:
		return pfri_fail(-EINVAL,
				 "cluster %u is of another type or has other options, or "
				 "these do not exist",
				 id);
	}
	return pfri_fail(-errno, "cannot join cluster %u: %s", id, strerror(errno));
}

static int kernel_remove_from_cluster(struct pfri_ring *r)
{
	if (setsockopt(state(r)->fd, SOL_PF_RING, PFR_SO_CLUSTER_LEAVE, NULL, 0) == 0)
		return 0;
	if (errno == ENOENT)
		return pfri_fail(-ENOENT, "the ring is in no cluster");
	return pfri_fail(-errno, "cannot leave the cluster: %s", strerror(errno));
}

static int kernel_stats(struct pfri_ring *r, struct pfring_stats64 *st)
{
	struct kring *k = state(r);
	struct pfr_stats s = {0};
	socklen_t len = sizeof(s);

	if (getsockopt(k->fd, SOL_PF_RING, PFR_SO_STATS, &s, &len) < 0)
		return pfri_fail(-errno, "pf_ring gives no statistics: %s", strerror(errno));
	st->recv += s.recv;
	st->drop += s.drop;
	st->filtered_user += s.rule_filtered;
	st->reflected += s.reflected;
	st->reflect_failed += s.reflect_errors;
	st->wakeups += s.wakeups;
	st->ring_bytes = k->lanes.n * k->stride;
	st->queued_bytes = pfri_lanes_queued(&k->lanes);
	st->ifdrop += pfri_afp_ifdrop(r, &k->afp);
	return 0;
}

static u_int kernel_inspect(struct pfri_ring *r, struct pfring_details *d,
			    struct pfring_lane *lanes, u_int max)
{
	struct kring *k = state(r);

	d->copies = 1;
	snprintf(d->clock, sizeof(d->clock), "%s",
		 r->opt.hw_tstamp	     ? "adapter"
		 : r->opt.local_clock_coarse ? "coarse"
					     : "kernel");
	for (u_int i = 0; i < k->lanes.n && i < max; i++)
		pfri_lane_describe(&k->lane[i], &lanes[i]);
	return k->lanes.n;
}

/* What is told in /proc, and what the module does better than the library. */
static int kernel_tell(struct pfri_ring *r, enum pfri_setting what)
{
	struct kring *k = state(r);
	int rc = 0;

	switch (what) {
	case PFRI_SET_RULES:
		return 0; /* they are the module's: .rules */
	case PFRI_SET_WATERMARK:
		rc = set(k, PFR_SO_WATERMARK, r->watermark);
		if (!rc && r->watermark_timeout)
			rc = set(k, PFR_SO_WATERMARK_TIMEOUT, (int)r->watermark_timeout);
		break;
	case PFRI_SET_SAMPLING:
		/* What is queued has to be sampled as well, and in one count with what follows. */
		r->sampled_below = !k->active && !pfri_lanes_queued(&k->lanes);
		rc = set(k, PFR_SO_SAMPLING, r->sampled_below ? (int)r->sampling : 1);
		break;
	case PFRI_SET_APPNAME:
		if (setsockopt(k->fd, SOL_PF_RING, PFR_SO_APPL_NAME, r->appname,
			       (socklen_t)strlen(r->appname)) < 0)
			rc = -errno;
		break;
	case PFRI_SET_APPSTATS:
		if (setsockopt(k->fd, SOL_PF_RING, PFR_SO_APPL_STATS, r->notice,
			       (socklen_t)strlen(r->notice)) < 0)
			rc = -errno;
		break;
	}
	return rc ? pfri_fail(rc, "pf_ring refuses a setting: %s", strerror(-rc)) : 0;
}

const struct pfri_ops pfri_kernel_ops = {
	.recv_batch = kernel_recv,
	.release = kernel_release,
	.poll = kernel_poll,
	.send_batch = kernel_send,
	.name = "pfring",
	.caps = PFRI_CAP_KERNEL_FILTER | PFRI_CAP_SEND | PFRI_CAP_CLUSTER | PFRI_CAP_QUEUES |
		PFRI_CAP_ANY | PFRI_CAP_HW_TSTAMP | PFRI_CAP_DIRECTION | PFRI_CAP_SELECT |
		PFRI_CAP_KERNEL_VIEW | PFRI_CAP_CUTS,
	.open = kernel_open,
	.enable = kernel_enable,
	.set_filter = kernel_set_filter,
	.set_promisc = kernel_set_promisc,
	.set_cluster = kernel_set_cluster,
	.remove_from_cluster = kernel_remove_from_cluster,
	.stats = kernel_stats,
	.inspect = kernel_inspect,
	.tell = kernel_tell,
	.rules = &pfri_kernel_rules,
	.close = kernel_close,
};
