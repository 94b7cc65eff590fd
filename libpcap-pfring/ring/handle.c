/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * handle.c - a handle's life: which backend it gets, opening, closing.
 *
 * The handle is one anonymous mapping (see backend.h for why), opened by one
 * thread and freed by whoever leaves it last (handle.h).
 */
#include <linux/membarrier.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "filter.h"
#include "handle.h"
#include "hwrules.h"
#include "names.h"
#include "rules.h"

/*
 * The most of a libpcap program's time-out that packets gather: what it has not read when it is
 * stopped is lost to it, and twenty wake-ups a second cost next to nothing.
 */
#define GATHER_MS 50

static _Atomic u_int32_t next_id = 1;

const struct pfri_ops *const pfri_backends[] = {
	&pfri_kernel_ops, &pfri_bpf_ops, &pfri_packet_ops, &pfri_file_ops, &pfri_pcap_ops, NULL,
};

/* What a bare interface name tries, best first. */
static const struct pfri_ops *const ladder[] = {
	&pfri_kernel_ops,
	&pfri_bpf_ops,
	&pfri_packet_ops,
};

/*
 * The memory of the last handles that were closed. A program whose signal
 * handler closes cannot know it at its next call: that call is to fail, not
 * to crash. Lock-free, for it runs in signal handlers.
 */
static _Atomic(struct pfri_ring *) graves[8];
static _Atomic u_int next_grave;

static void bury(struct pfri_ring *r)
{
	u_int at = atomic_fetch_add(&next_grave, 1) % (sizeof(graves) / sizeof(graves[0]));
	struct pfri_ring *oldest = atomic_exchange(&graves[at], r);

	if (oldest)
		munmap(oldest, sizeof(*oldest));
}

void pfri_handle_free(struct pfri_ring *r)
{
	int saved = errno; /* the last call to leave reports its own failure, not close()'s */

	if (atomic_fetch_or(&r->users, PFRI_FREED) & PFRI_FREED)
		return;
	pfri_tx_close(r);
	pfri_rules_free(r);
	pfri_hw_free(r);
	if (r->ops)
		r->ops->close(r);
	close(r->wake_fd);
	if (r->notice_fd >= 0)
		close(r->notice_fd);
	r->wake_fd = r->select_fd = r->net_fd = r->notice_fd = -1;
	r->head = r->count = 0;
	bury(r);
	errno = saved;
}

static struct pfri_ring *handle_new(void)
{
	pthread_mutexattr_t attr;
	struct pfri_ring *r =
		mmap(NULL, sizeof(*r), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (r == MAP_FAILED) {
		pfri_fail(-ENOMEM, "no memory for a ring handle");
		return NULL;
	}
	r->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (r->wake_fd < 0) {
		int err = -errno;

		munmap(r, sizeof(*r));
		pfri_fail(err, "cannot make an event descriptor: %s (raise `ulimit -n`?)",
			  strerror(-err));
		return NULL;
	}
	r->select_fd = r->net_fd = r->notice_fd = -1;
	r->choice.queues = RING_ANY_CHANNEL;
	r->choice.vlan = -1;
	r->sampling = 1;
	r->filtering = software_only;
	r->watermark = DEFAULT_POLL_WATERMARK;
	r->poll_duration = DEFAULT_POLL_DURATION;
	r->id = atomic_fetch_add(&next_id, 1);
	/* Recursive: a callback may call back into the handle it was called from. */
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&r->rx_lock, &attr);
	pthread_mutex_init(&r->tx_lock, &attr);
	pthread_mutexattr_destroy(&attr);
	return r;
}

/* Copies the caller's options, however old its header, and fills in the defaults. */
static int take_options(struct pfri_ring *r, const struct pfring_open_options *opts)
{
	size_t n = opts->sz < sizeof(r->opt) ? opts->sz : sizeof(r->opt);

	if (opts->sz < offsetof(struct pfring_open_options, flags) + sizeof(opts->flags))
		return pfri_fail(-EINVAL, "pfring_open_options.sz is not set");
	memcpy(&r->opt, opts, n);
	r->opt.sz = sizeof(r->opt);
	if (!r->opt.caplen || r->opt.caplen > MAX_CAPLEN)
		r->opt.caplen = MAX_CAPLEN;
	r->longest = MAX_CAPLEN;
	if (r->opt.timeout_ms < 0)
		return pfri_fail(-EINVAL, "a time-out of %d ms makes no sense; use 0 or more",
				 r->opt.timeout_ms);
	if (r->opt.to_ms > 0 && !r->opt.timeout_ms)
		r->opt.timeout_ms = min_val(r->opt.to_ms, GATHER_MS);
	if ((r->opt.flags & PF_RING_HW_TIMESTAMP) && !r->opt.hw_tstamp)
		r->opt.hw_tstamp = 1;
	pfri_trailer_init(r);
	return 0;
}

static const struct pfri_ops *backend_named(const char *name)
{
	for (size_t i = 0; pfri_backends[i]; i++)
		if (!strcmp(pfri_backends[i]->name, name))
			return pfri_backends[i];
	return NULL;
}

static int try_backend(struct pfri_ring *r, const struct pfri_ops *ops)
{
	int err;

	memset(r->priv, 0, sizeof(r->priv));
	err = ops->open(r);
	if (err)
		return err;
	r->ops = ops;
	return 0;
}

/*
 * PF_RING's own "pcap:" reads capture files, too. An interface of that name goes
 * first; no device of libpcap's has a slash in its name.
 */
static bool names_capture_file(const char *device)
{
	int saved = errno;
	struct stat st;
	bool file = strchr(device, '/') || (!if_nametoindex(device) && !stat(device, &st) &&
					    (S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode)));

	errno = saved;
	return file;
}

/*
 * A named backend or none; otherwise down the ladder. Each step down is told
 * in r->why. A name that is no interface may still be a device of libpcap's
 * (usbmon0, nflog ...).
 */
static int choose(struct pfri_ring *r)
{
	int err = -ENODEV;

	if (r->name.backend[0]) {
		const struct pfri_ops *ops = backend_named(r->name.backend);

		if (!ops)
			return pfri_fail(-EPROTONOSUPPORT, "this build has no backend \"%s:\"",
					 r->name.backend);
		snprintf(r->why, sizeof(r->why), "named by the caller");
		if (ops == &pfri_pcap_ops && names_capture_file(r->name.device))
			ops = &pfri_file_ops;
		return try_backend(r, ops);
	}
	r->why[0] = 0;
	for (size_t i = 0; i < sizeof(ladder) / sizeof(ladder[0]); i++) {
		size_t used = strlen(r->why);

		err = try_backend(r, ladder[i]);
		if (!err) {
			if (!used)
				snprintf(r->why, sizeof(r->why),
					 "the best path this machine offers");
			return 0;
		}
		if (err == -ENODEV)
			break;
		snprintf(r->why + used, sizeof(r->why) - used, "%s%s: %s", used ? "; " : "",
			 ladder[i]->name, pfring_last_error());
	}
	if (err == -ENODEV) {
		const struct pfri_ops *pcap = backend_named("pcap");
		char said[PFRI_ERRLEN];

		snprintf(said, sizeof(said), "%s", pfring_last_error());
		snprintf(r->why, sizeof(r->why), "no network interface, but a device of libpcap's");
		if (pcap && try_backend(r, pcap) == 0)
			return 0;
		return pfri_fail(-ENODEV, "%s", said);
	}
	return err;
}

pfring *pfring_open_opts(const char *device_name, const struct pfring_open_options *opts)
{
	int saved = errno, err;
	struct pfri_ring *r;

	if (!device_name || !opts) {
		pfri_fail(-EINVAL, "no device name or no options were given");
		return NULL;
	}
	r = handle_new();
	if (!r)
		return NULL;
	err = take_options(r, opts);
	if (!err)
		err = pfri_name_parse(device_name, &r->name);
	if (!err)
		err = choose(r);
	if (!err && r->opt.filter && r->opt.filter[0])
		err = pfri_filter_compile(r, r->opt.filter, &r->prog);
	r->opt.filter = NULL;
	if (!err) {
		err = r->ops->set_filter(r);
		if (err > 0)
			err = 0;
	}
	if (err) {
		atomic_store(&r->users, PFRI_CLOSING);
		pfri_handle_free(r);
		errno = -err;
		return NULL;
	}
	pfri_soft_update(r);
	/* Paths tried in vain left theirs; bindings (cgo's) take any errno for a failure. */
	errno = saved;
	return &r->pub;
}

pfring *pfring_open(const char *device_name, u_int32_t caplen, u_int32_t flags)
{
	struct pfring_open_options opts = {.sz = sizeof(opts), .caplen = caplen, .flags = flags};

	return pfring_open_opts(device_name, &opts);
}

u_int8_t pfring_open_multichannel(const char *device_name, u_int32_t caplen, u_int32_t flags,
				  pfring *ring[MAX_NUM_RX_CHANNELS])
{
	char name[300];
	u_int n, i;

	if (!device_name || !ring) {
		pfri_fail(-EINVAL, "no device name or no array was given");
		return 0;
	}
	if (strchr(device_name, '@')) {
		pfri_fail(-EINVAL, "%s names a queue; give the device alone to open them all",
			  device_name);
		return 0;
	}
	ring[0] = pfring_open(device_name, caplen, flags);
	if (!ring[0])
		return 0;
	n = pfring_get_num_rx_channels(ring[0]);
	if (n == 1)
		return 1;
	pfring_close(ring[0]);
	if (n > MAX_NUM_RX_CHANNELS)
		n = MAX_NUM_RX_CHANNELS;
	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%s@%u", device_name, i);
		ring[i] = pfring_open(name, caplen, flags);
		if (!ring[i])
			break;
	}
	if (i == n)
		return n;
	/* A set with a hole would lose that queue's packets: all or none. */
	while (i--)
		pfring_close(ring[i]);
	return 0;
}

void pfri_wake(struct pfri_ring *r)
{
	u_int64_t one = 1;
	int saved = errno;

	atomic_store(&r->attention, 1);
	/* Full means that it is already readable. */
	if (write(r->wake_fd, &one, sizeof(one)) < 0)
		errno = saved;
}

/*
 * Makes every thread of the process pass a full barrier, so that pfring_recv()
 * needs none per packet. Kernels before 4.14 have none: there another thread
 * may close only while the reader waits.
 */
static void barrier_everywhere(void)
{
	int saved = errno;

	if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0) < 0 && errno == EPERM) {
		syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0);
		syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0);
	}
	errno = saved;
}

void pfring_breakloop(pfring *ring)
{
	struct pfri_ring *r = pfri_of(ring);

	if (!r)
		return;
	atomic_store(&r->breakloop, 1);
	pfri_wake(r);
}

void pfring_shutdown(pfring *ring)
{
	struct pfri_ring *r = pfri_of(ring);

	if (!r)
		return;
	atomic_store(&r->shut, true);
	pfri_wake(r);
}

void pfring_close(pfring *ring)
{
	struct pfri_ring *r = pfri_of(ring);

	if (!r)
		return;
	/* Stay inside until the sleepers are woken: the last one out frees the handle. */
	atomic_fetch_add(&r->users, 1);
	if (!(atomic_fetch_or(&r->users, PFRI_CLOSING) & PFRI_CLOSING)) {
		barrier_everywhere();
		/*
		 * A call in pfring_recv()'s short path, of this very thread if we are a
		 * signal handler, is counted for it: it finds PFRI_CLOSING and leaves.
		 */
		if (atomic_load(&r->busy)) {
			int not_yet = PFRI_NOT_COUNTED;

			atomic_fetch_add(&r->users, 1);
			if (!atomic_compare_exchange_strong(&r->owed, &not_yet, PFRI_COUNTED))
				atomic_fetch_sub(&r->users, 1);
		}
		pfri_wake(r);
	}
	pfri_leave(r, 0);
}
