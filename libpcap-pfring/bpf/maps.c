/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * maps.c - see maps.h. Called when a handle is opened and closed; draining the
 * wake buffer is the reader's.
 */
#include "sys.h"

#include "maps.h"

#define SEGMENT (256u << 10)
#define MIN_SEGMENT (16u << 10)
#define FEWEST 4   /* segments of a group */
#define SHARING 32 /* lanes of a group at most: each may hold a segment that is hardly used */
#define OLD_CHUNK (2u << 20) /* with its slack within the 4 MiB that kernels before 6.9 allow */

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

/*
 * How many segments of which size: small ones, so that those in use fit into
 * the cache, and enough of them for all lanes; but not so small that their
 * ends waste room.
 */
static void lay_out(struct pfri_layout *at, u_int64_t bytes, u_int32_t longest, bool private_)
{
	u_int sharing, wanted;

	at->lanes = pfri_maps_cpus();
	at->groups = private_ ? at->lanes : (at->lanes + SHARING - 1) / SHARING;
	sharing = (at->lanes + at->groups - 1) / at->groups;
	wanted = 16 + sharing;
	bytes /= at->groups;
	at->segment = SEGMENT;
	while (at->segment < longest)
		at->segment *= 2;
	while (at->segment > MIN_SEGMENT && at->segment / 2 >= longest &&
	       bytes / at->segment < wanted)
		at->segment /= 2;
	while (bytes / at->segment > PFR_MAX_SEGMENTS)
		at->segment *= 2;
	at->each = (u_int)(bytes / at->segment);
	if (at->each < FEWEST)
		at->each = FEWEST;
	if (at->each <= sharing)
		at->each = sharing + 1;
}

static u_int32_t element_bytes(const struct pfri_layout *at)
{
	/* A record may begin right before the end: behind it there is room for the longest. */
	return (u_int32_t)(at->chunk + at->segment);
}

/*
 * The pool in one element, which the program finds without a look-up, or where
 * that is too large in several. Memory that the kernel has not got is not
 * asked for again: half of it.
 */
static int make_pool(struct pfri_layout *at, u_int64_t element)
{
	for (;;) {
		const u_int64_t bytes = at->segment * at->each * at->groups;
		int fd;

		at->chunk = bytes;
		at->chunks = 1;
		fd = -E2BIG;
		if (bytes + at->segment <= INT32_MAX && (!element || bytes <= element))
			fd = pfri_bpf_map(BPF_MAP_TYPE_ARRAY, 4, element_bytes(at), 1,
					  BPF_F_MMAPABLE, "pfring_pool");
		if (fd == -E2BIG || fd == -EINVAL) {
			at->chunk = at->segment > OLD_CHUNK ? at->segment : OLD_CHUNK;
			at->chunks = (u_int)((bytes + at->chunk - 1) / at->chunk);
			fd = pfri_bpf_map(BPF_MAP_TYPE_ARRAY, 4, element_bytes(at), at->chunks,
					  BPF_F_MMAPABLE, "pfring_pool");
		}
		if (fd >= 0 || fd != -ENOMEM || at->each / 2 < FEWEST)
			return fd;
		at->each /= 2;
	}
}

static void *map_array(int fd, size_t bytes, int protection)
{
	void *mem = mmap(NULL, bytes, protection, MAP_SHARED, fd, 0);

	if (mem != MAP_FAILED)
		return mem;
	pfri_fail(-errno, "cannot map the ring: %s", strerror(errno));
	return NULL;
}

static int map_pool(struct pfri_maps *m)
{
	const u_int n = m->at.groups * m->at.each;
	const u_int in_chunk = (u_int)(m->at.chunk / m->at.segment);

	m->pool_bytes = (size_t)element_bytes(&m->at) * m->at.chunks;
	/* Writable: libpcap's rings are, and arpwatch and others swap bytes in the packet itself.
	 */
	m->pool_mem = map_array(m->at.pool_fd, m->pool_bytes, PROT_READ | PROT_WRITE);
	if (!m->pool_mem)
		return -errno;
	m->place = mmap(NULL, n * sizeof(*m->place), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m->place == MAP_FAILED) {
		m->place = NULL;
		return pfri_fail(-ENOMEM, "no memory for a table of %u segments", n);
	}
	for (u_int i = 0; i < n; i++)
		m->place[i] = m->pool_mem + (size_t)(i / in_chunk) * element_bytes(&m->at) +
			      (size_t)(i % in_chunk) * m->at.segment;
	return 0;
}

static int map_lanes(struct pfri_maps *m)
{
	const u_int n = m->at.lanes;
	const struct pfri_pool pool = {.place = m->place,
				       .segment = m->at.segment,
				       .groups = m->at.groups,
				       .each = m->at.each};

	m->lane_bytes = (size_t)n * PFR_LANE_DATA;
	m->lane_mem = map_array(m->at.lanes_fd, m->lane_bytes, PROT_READ | PROT_WRITE);
	if (!m->lane_mem)
		return -errno;
	pfri_lanes_init_pool(m->lane_mem, &pool, n);
	/* A wild pointer of the program's cannot harm what the producer goes by. */
	if (sysconf(_SC_PAGESIZE) == 4096)
		for (u_int i = 0; i < n; i++)
			mprotect(m->lane_mem + (size_t)i * PFR_LANE_DATA, 4096, PROT_READ);
	m->lanes.lane = mmap(NULL, n * sizeof(struct pfri_lane), PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m->lanes.lane == MAP_FAILED) {
		m->lanes.lane = NULL;
		return pfri_fail(-ENOMEM, "no memory for %u lanes", n);
	}
	m->lanes.n = n;
	pfri_lanes_attach_pool(&m->lanes, m->lane_mem, &pool);
	return 0;
}

static int map_wake(struct pfri_maps *m)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *read_, *written;

	m->at.wake_fd = pfri_bpf_map(BPF_MAP_TYPE_RINGBUF, 0, 0, (u_int32_t)page, 0, "pfring_wake");
	if (m->at.wake_fd < 0)
		return refused(m->at.wake_fd, "a BPF ring buffer (Linux 5.8)");
	read_ = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, m->at.wake_fd, 0);
	if (read_ == MAP_FAILED)
		return pfri_fail(-errno, "cannot map the wake buffer: %s", strerror(errno));
	m->wake_read = read_;
	written = mmap(NULL, page, PROT_READ, MAP_SHARED, m->at.wake_fd, (off_t)page);
	if (written == MAP_FAILED)
		return pfri_fail(-errno, "cannot map the wake buffer: %s", strerror(errno));
	m->wake_written = written;
	return 0;
}

int pfri_maps_open(struct pfri_maps *m, u_int64_t bytes, u_int32_t longest,
		   const struct pfri_maps_limits *limits)
{
	int err;

	memset(m, 0, sizeof(*m));
	m->at.lanes_fd = m->at.pool_fd = m->at.wake_fd = -1;
	lay_out(&m->at, bytes, longest, limits->private_);
	m->at.lanes_fd = pfri_bpf_map(BPF_MAP_TYPE_ARRAY, 4, m->at.lanes * PFR_LANE_DATA, 1,
				      BPF_F_MMAPABLE, "pfring_lanes");
	if (m->at.lanes_fd < 0)
		return refused(m->at.lanes_fd, "a BPF array that can be mapped");
	m->at.pool_fd = make_pool(&m->at, limits->element);
	err = m->at.pool_fd < 0 ? refused(m->at.pool_fd, "a BPF array that can be mapped") : 0;
	if (!err)
		err = map_pool(m);
	if (!err)
		err = map_lanes(m);
	if (!err)
		err = map_wake(m);
	if (err)
		pfri_maps_close(m);
	return err;
}

bool pfri_maps_possible(void)
{
	int fd = pfri_bpf_map(BPF_MAP_TYPE_ARRAY, 4, 4096, 1, BPF_F_MMAPABLE, "pfring_probe");

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void unmap(const void *mem, size_t bytes)
{
	if (mem)
		munmap((void *)(uintptr_t)mem, bytes);
}

void pfri_maps_close(struct pfri_maps *m)
{
	const int fds[] = {m->at.wake_fd, m->at.pool_fd, m->at.lanes_fd};
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	unmap(m->wake_read, page);
	unmap(m->wake_written, page);
	unmap(m->lanes.lane, m->lanes.n * sizeof(struct pfri_lane));
	unmap(m->lane_mem, m->lane_bytes);
	unmap(m->place, m->at.groups * m->at.each * sizeof(*m->place));
	unmap(m->pool_mem, m->pool_bytes);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	memset(m, 0, sizeof(*m));
	m->at.lanes_fd = m->at.pool_fd = m->at.wake_fd = -1;
}

void pfri_maps_drain_wake(struct pfri_maps *m)
{
	__atomic_store_n(m->wake_read, __atomic_load_n(m->wake_written, __ATOMIC_ACQUIRE),
			 __ATOMIC_RELEASE);
}
