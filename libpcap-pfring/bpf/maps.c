/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * maps.c - see maps.h. Called when a handle is opened and closed; draining the
 * wake buffer is the reader's.
 */
#include "sys.h" /* first: <linux/bpf.h> has members that pf_ring.h's macros rename */

#include "maps.h"

#define MIN_DATA (64u << 10)
#define SEGMENT (256u << 10)
#define MIN_SEGMENT (16u << 10)

u_int pfri_maps_cpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_CONF);

	return n > 0 ? (u_int)n : 1;
}

static int refused(int err, const char *what)
{
	if (err == -EPERM)
		return pfri_fail(
			err,
			"no permission for %s (CAP_BPF is needed; before Linux 5.11 also a "
			"higher RLIMIT_MEMLOCK: ulimit -l unlimited)",
			what);
	return pfri_fail(err, "cannot make %s: %s", what, strerror(-err));
}

/* The array; kernels before 6.9 take elements of 4 MiB at most. */
static int make_lanes(struct pfri_maps *m, u_int n, u_int64_t data_size)
{
	int fd;

	for (;; data_size /= 2) {
		m->stride = pfri_lane_bytes(data_size);
		fd = m->stride > INT32_MAX
			     ? -E2BIG
			     : pfri_bpf_map(BPF_MAP_TYPE_ARRAY, 4, (u_int32_t)m->stride, n,
					    BPF_F_MMAPABLE, "pfring_lanes");
		if (fd >= 0 || data_size <= MIN_DATA ||
		    (fd != -E2BIG && fd != -ENOMEM && fd != -EINVAL))
			break;
	}
	m->data_size = data_size;
	return fd;
}

/* Small, so that few are in use at a time; but not so small that their ends waste room. */
static u_int64_t pick_segment(u_int64_t data_size, u_int32_t longest)
{
	u_int64_t segment = SEGMENT;

	while (segment < longest)
		segment *= 2;
	while (segment > MIN_SEGMENT && segment / 2 >= longest && data_size / segment < 4)
		segment /= 2;
	while (data_size / segment > PFR_MAX_SEGMENTS)
		segment *= 2;
	return segment < data_size ? segment : data_size;
}

static int map_lanes(struct pfri_maps *m, u_int n)
{
	bool split = sysconf(_SC_PAGESIZE) == 4096;

	m->bytes = m->stride * n;
	m->mem = mmap(NULL, m->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, m->lanes_fd, 0);
	if (m->mem == MAP_FAILED) {
		m->mem = NULL;
		return pfri_fail(-errno, "cannot map the ring: %s", strerror(errno));
	}
	for (u_int i = 0; i < n; i++)
		pfri_lane_init(m->mem + i * m->stride, m->data_size, m->segment, i, n);
	/* A wild pointer of the program's cannot harm the ring beyond the reader's page. */
	if (split) {
		mprotect(m->mem, m->bytes, PROT_READ);
		for (u_int i = 0; i < n; i++)
			mprotect(m->mem + i * m->stride + 4096, 4096, PROT_READ | PROT_WRITE);
	}
	m->lanes.lane = mmap(NULL, n * sizeof(struct pfri_lane), PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m->lanes.lane == MAP_FAILED) {
		m->lanes.lane = NULL;
		return pfri_fail(-ENOMEM, "no memory for %u lanes", n);
	}
	m->lanes.n = n;
	for (u_int i = 0; i < n; i++) {
		int err = pfri_lane_attach(&m->lanes.lane[i], m->mem + i * m->stride, m->stride);

		if (err)
			return pfri_fail(err, "lane %u is not as it was made", i);
	}
	return 0;
}

static int map_wake(struct pfri_maps *m)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *read_, *written;

	m->wake_fd = pfri_bpf_map(BPF_MAP_TYPE_RINGBUF, 0, 0, (u_int32_t)page, 0, "pfring_wake");
	if (m->wake_fd < 0)
		return refused(m->wake_fd, "a BPF ring buffer (Linux 5.8)");
	read_ = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, m->wake_fd, 0);
	if (read_ == MAP_FAILED)
		return pfri_fail(-errno, "cannot map the wake buffer: %s", strerror(errno));
	m->wake_read = read_;
	written = mmap(NULL, page, PROT_READ, MAP_SHARED, m->wake_fd, (off_t)page);
	if (written == MAP_FAILED)
		return pfri_fail(-errno, "cannot map the wake buffer: %s", strerror(errno));
	m->wake_written = written;
	return 0;
}

int pfri_maps_open(struct pfri_maps *m, u_int64_t data_size, u_int32_t longest)
{
	u_int n = pfri_maps_cpus();
	int err;

	memset(m, 0, sizeof(*m));
	m->wake_fd = -1;
	m->lanes_fd = make_lanes(m, n, data_size);
	if (m->lanes_fd < 0)
		return refused(m->lanes_fd, "a BPF array that can be mapped");
	m->segment = pick_segment(m->data_size, longest);
	err = map_lanes(m, n);
	if (!err)
		err = map_wake(m);
	if (err)
		pfri_maps_close(m);
	return err;
}

void pfri_maps_close(struct pfri_maps *m)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (m->wake_read)
		munmap(m->wake_read, page);
	if (m->wake_written)
		munmap((void *)(uintptr_t)m->wake_written, page);
	if (m->lanes.lane)
		munmap(m->lanes.lane, m->lanes.n * sizeof(struct pfri_lane));
	if (m->mem)
		munmap(m->mem, m->bytes);
	if (m->wake_fd >= 0)
		close(m->wake_fd);
	if (m->lanes_fd >= 0)
		close(m->lanes_fd);
	memset(m, 0, sizeof(*m));
	m->lanes_fd = m->wake_fd = -1;
}

void pfri_maps_drain_wake(struct pfri_maps *m)
{
	__atomic_store_n(m->wake_read, __atomic_load_n(m->wake_written, __ATOMIC_ACQUIRE),
			 __ATOMIC_RELEASE);
}
