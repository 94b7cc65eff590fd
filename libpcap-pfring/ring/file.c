/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * file.c - backend "file:": a capture file, or a stream of one, as a ring.
 *
 * Classic pcap of Ethernet, in both precisions and byte orders, is walked in
 * place; every other format and link type is left to the system libpcap. All
 * calls come with the handle held.
 *
 * The bytes are read into a buffer, not mapped: a mapped file that somebody
 * truncates raises SIGBUS at any later touch, also in the program's own code
 * that holds a packet of the batch, and no check before the batch prevents
 * that. A buffer that stays in the core's cache costs one copy from the page
 * cache and saves the page faults; pipes work the same way.
 *
 *      buf +----------+---------------------------+-----------+
 *          | consumed | whole records, then a cut | room      |
 *          +----------+---------------------------+-----------+
 *                     head                        tail        PFRI_CHUNK
 *
 * Descriptors point into buf, so it is only moved and refilled when none is
 * out. libpcap reads the file through a stdio cookie, so that what open() has
 * looked at need not be read again and a wait can be broken off.
 */
#include <byteswap.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "linktype.h"
#include "pcapsource.h"

#define PCAP_MAGIC 0xa1b2c3d4 /* time stamps in microseconds */
#define PCAP_MAGIC_NS 0xa1b23c4d
#define STDIO_BUFFER 65536 /* behind the chunk, for libpcap */
#define MAPPED (PFRI_CHUNK + STDIO_BUFFER)
#define FILE_HEADER 24
#define RECORD_HEADER 16

struct file {
	int fd;
	bool stream;  /* reading may wait: a pipe, a terminal, a socket */
	bool swapped; /* written on a machine of the other byte order */
	bool held;    /* descriptors into buf are out */
	bool eof;
	bool damaged; /* the one error was told */
	u_int32_t ns_unit;
	u_int32_t snaplen;
	u_char *buf;
	size_t head, tail;
	u_int64_t at; /* offset in the file of buf[head] */
	u_int64_t count;
	FILE *stdio;		    /* what libpcap reads; it closes it */
	struct pfri_pcapsource src; /* src.p is NULL where we walk ourselves */
};

static const char *path_of(const struct pfri_ring *r)
{
	return strcmp(r->name.device, "-") ? r->name.device : "(standard input)";
}

/* Whether read() would return at once. */
static bool readable(const struct file *f)
{
	struct pollfd p = {.fd = f->fd, .events = POLLIN};

	return !f->stream || poll(&p, 1, 0) > 0;
}

/* Reads once more behind tail. 1, 0 at the end of the file, or negative. */
static int fill(struct file *f)
{
	ssize_t n;

	do {
		n = read(f->fd, f->buf + f->tail, PFRI_CHUNK - f->tail);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	f->tail += (size_t)n;
	return n > 0;
}

static void consume(struct file *f, size_t n)
{
	f->head += n;
	f->at += n;
}

/*
 * Takes whole records off the buffer. Returns how many; *bad is set if the
 * next record claims more than any can have. Made twice, so that no byte order
 * is tested per packet.
 */
static inline __attribute__((always_inline)) u_int walk(struct file *f, struct pfring_packet *pkt,
							u_int max, bool swapped, bool *bad)
{
	const u_char *p = f->buf + f->head;
	const u_char *const end = f->buf + f->tail;
	u_int n = 0;

	while (n < max && end - p >= RECORD_HEADER) {
		u_int32_t h[4]; /* seconds, fraction, captured, length */

		memcpy(h, p, sizeof(h));
		if (swapped)
			for (int i = 0; i < 4; i++)
				h[i] = bswap_32(h[i]);
		if (h[2] > MAX_CAPLEN) {
			*bad = true;
			break;
		}
		if ((size_t)(end - p) < RECORD_HEADER + h[2])
			break;
		pkt[n++] = (struct pfring_packet){
			.data = p + RECORD_HEADER,
			.ts_ns = (u_int64_t)h[0] * 1000000000u + (u_int64_t)h[1] * f->ns_unit,
			.caplen = min_val(h[2], f->snaplen),
			.len = h[3],
			.if_index = UNKNOWN_INTERFACE,
			.rx_direction = 1,
		};
		p += RECORD_HEADER + h[2];
	}
	consume(f, (size_t)(p - f->buf) - f->head);
	f->count += n;
	return n;
}

static int damage(struct pfri_ring *r, struct file *f, bool bad)
{
	size_t left = f->tail - f->head;
	u_int32_t caplen;

	f->damaged = true;
	if (left < RECORD_HEADER)
		return pfri_fail(-EBADMSG,
				 "file %.120s is truncated after %" PRIu64
				 " packets: at byte %" PRIu64
				 " a record header of %d bytes is due and %zu are there",
				 path_of(r), f->count, f->at, RECORD_HEADER, left);
	memcpy(&caplen, f->buf + f->head + 8, sizeof(caplen));
	if (f->swapped)
		caplen = bswap_32(caplen);
	if (bad)
		return pfri_fail(-EBADMSG,
				 "file %.120s is damaged after %" PRIu64
				 " packets: the record at byte "
				 "%" PRIu64 " claims %u captured bytes, of at most %d",
				 path_of(r), f->count, f->at, caplen, MAX_CAPLEN);
	return pfri_fail(-EBADMSG,
			 "file %.120s is truncated after %" PRIu64 " packets: the record at byte "
			 "%" PRIu64 " has %zu of %u captured bytes",
			 path_of(r), f->count, f->at, left - RECORD_HEADER, caplen);
}

static int recv_own(struct pfri_ring *r, struct file *f, struct pfring_packet *pkt, u_int max)
{
	bool bad = false;

	for (;;) {
		u_int n =
			f->swapped ? walk(f, pkt, max, true, &bad) : walk(f, pkt, max, false, &bad);
		int ret;

		if (n) {
			f->held = true;
			return (int)n;
		}
		if (bad)
			return damage(r, f, true);
		if (f->held || !readable(f))
			return 0;
		memmove(f->buf, f->buf + f->head, f->tail - f->head);
		f->tail -= f->head;
		f->head = 0;
		ret = fill(f);
		if (ret < 0)
			return pfri_fail(ret, "file %.120s cannot be read: %s", path_of(r),
					 strerror(-ret));
		if (ret == 0)
			return f->tail ? damage(r, f, false) : -ENODATA;
	}
}

/*
 * libpcap's read(): first what open() has looked at, then the file. A writer
 * that stops in the middle of a record makes libpcap wait in here; that ends
 * when the handle is shut down or closed.
 */
static ssize_t cookie_read(void *cookie, char *out, size_t size)
{
	struct pfri_ring *r = cookie;
	struct file *f = PFRI_PRIV(r, struct file);
	ssize_t n;

	if (f->head < f->tail) {
		size = min_val(size, f->tail - f->head);
		memcpy(out, f->buf + f->head, size);
		consume(f, size);
		return (ssize_t)size;
	}
	while (f->stream && pfri_poll_fd(f->fd, r->wake_fd, -1) == -EINTR) {
		if (r->shut || r->users & PFRI_CLOSING) {
			errno = EINTR;
			return -1;
		}
		/* A mere breakloop leaves its wake-up to the caller; look again soon. */
		if (pfri_poll_fd(f->fd, -1, 50) > 0)
			break;
	}
	do {
		n = read(f->fd, out, size);
	} while (n < 0 && errno == EINTR);
	if (n > 0)
		f->at += (size_t)n;
	f->eof = n == 0;
	return n;
}

/* Tells where libpcap's next read() starts; nothing else can be asked of a stream. */
static int cookie_seek(void *cookie, off64_t *offset, int whence)
{
	if (whence != SEEK_CUR || *offset)
		return -1;
	*offset = (off64_t)PFRI_PRIV((struct pfri_ring *)cookie, struct file)->at;
	return 0;
}

/* pfri_pcapsource_recv()'s ready: whether stdio has bytes that libpcap has not, or the file. */
static bool cookie_ready(void *arg)
{
	struct file *f = arg;

	return !f->stream || f->eof || ftello(f->stdio) < (off_t)f->at || readable(f);
}

static int file_recv(struct pfri_ring *r, struct pfring_packet *pkt, u_int max)
{
	struct file *f = PFRI_PRIV(r, struct file);
	int ret;

	if (f->damaged)
		return -ENODATA;
	if (!f->src.p)
		return recv_own(r, f, pkt, max);
	ret = pfri_pcapsource_recv(&f->src, pkt, max, cookie_ready, f);
	if (ret >= 0 || ret == -ENODATA)
		return ret;
	f->damaged = true;
	return pfri_fail_because(-EBADMSG, f->src.why,
				 "file %.80s cannot be read on after %" PRIu64 " packets: %.120s",
				 path_of(r), f->src.count, f->src.why);
}

static void file_release(struct pfri_ring *r)
{
	struct file *f = PFRI_PRIV(r, struct file);

	f->held = false;
	if (f->src.p)
		pfri_pcapsource_release(&f->src);
}

static int file_poll(struct pfri_ring *r, int timeout_ms)
{
	struct file *f = PFRI_PRIV(r, struct file);

	/* An end, an error and bytes at hand are all worth a recv_batch(). */
	if (!f->stream || f->damaged || f->eof || f->src.data)
		return 1;
	if (f->src.p && cookie_ready(f))
		return 1;
	return pfri_poll_fd(f->fd, r->wake_fd, timeout_ms);
}

static int file_set_filter(struct pfri_ring *r)
{
	r->refilter = PFRI_REFILTER_ALWAYS;
	return 1;
}

static int file_stats(struct pfri_ring *r, struct pfring_stats64 *st)
{
	struct file *f = PFRI_PRIV(r, struct file);

	st->recv += f->src.p ? f->src.count : f->count;
	st->ring_bytes += PFRI_CHUNK;
	st->queued_bytes += f->tail - f->head;
	return 0;
}

static void file_close(struct pfri_ring *r)
{
	struct file *f = PFRI_PRIV(r, struct file);

	pfri_pcapsource_close(&f->src);
	munmap(f->buf, MAPPED);
	close(f->fd);
	r->pcap = NULL;
}

/* Formats that are a capture file only after something else has unpacked them. */
static const char *compression(const u_char *p, size_t len)
{
	static const struct {
		const char *name, *magic;
	} known[] = {
		{"gzip", "\x1f\x8b"}, {"zstd", "\x28\xb5\x2f\xfd"}, {"xz", "\xfd\x37zXZ"},
		{"bzip2", "BZh"},     {"lz4", "\x04\x22\x4d\x18"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (len >= strlen(known[i].magic) &&
		    !memcmp(p, known[i].magic, strlen(known[i].magic)))
			return known[i].name;
	return NULL;
}

/*
 * Whether the header in buf is one that walk() can go on from: version 2.4,
 * Ethernet, none of the bits for frame check sequences.
 */
static bool own_format(struct file *f)
{
	u_int32_t h[6];
	u_int16_t version[2];

	if (f->tail < FILE_HEADER)
		return false;
	memcpy(h, f->buf, sizeof(h));
	memcpy(version, &h[1], sizeof(version));
	f->swapped = h[0] == bswap_32(PCAP_MAGIC) || h[0] == bswap_32(PCAP_MAGIC_NS);
	if (f->swapped) {
		for (int i = 0; i < 6; i++)
			h[i] = bswap_32(h[i]);
		version[0] = bswap_16(version[0]);
		version[1] = bswap_16(version[1]);
	}
	f->ns_unit = h[0] == PCAP_MAGIC_NS ? 1 : 1000;
	/* As libpcap: no limit, or one that cannot be, is the largest. */
	f->snaplen = h[4] && h[4] <= INT32_MAX ? h[4] : MAX_CAPLEN;
	return (h[0] == PCAP_MAGIC || h[0] == PCAP_MAGIC_NS) && version[0] == 2 &&
	       version[1] == 4 && h[5] == PFRI_LINKTYPE_ETHERNET;
}

static int open_pcap(struct pfri_ring *r, struct file *f)
{
	const struct pfri_pcaplib *lib = pfri_pcaplib();
	char why[PCAP_ERRBUF_SIZE] = "";
	pcap_t *p;
	int err;

	if (!lib)
		return -errno;
	f->stdio = fopencookie(r, "r",
			       (cookie_io_functions_t){.read = cookie_read, .seek = cookie_seek});
	if (!f->stdio)
		return pfri_fail(-ENOMEM, "no memory to open a file; free some");
	setvbuf(f->stdio, (char *)f->buf + PFRI_CHUNK, _IOFBF, STDIO_BUFFER);
	p = lib->fopen_offline_with_tstamp_precision(f->stdio, PCAP_TSTAMP_PRECISION_NANO, why);
	if (!p) {
		fclose(f->stdio);
		return pfri_fail_because(-EBADMSG, why,
					 "file %.100s is no capture file that can be read: %.120s",
					 path_of(r), why);
	}
	err = pfri_pcapsource_open(&f->src, lib, p, 1);
	if (err)
		return err;
	r->pcap = p;
	r->linktype = pfri_linktype_of(lib->datalink(p));
	f->snaplen = (u_int32_t)lib->snapshot(p);
	return 0;
}

static int open_format(struct pfri_ring *r, struct file *f)
{
	const char *packer;
	int ret;

	while (f->tail < FILE_HEADER) {
		ret = fill(f);
		if (ret < 0)
			return pfri_fail(ret, "file %.150s cannot be read: %s", path_of(r),
					 strerror(-ret));
		if (ret == 0)
			break;
	}
	if (!f->tail)
		return pfri_fail(-EBADMSG,
				 "file %.150s is empty: not even a capture file's header is "
				 "in it",
				 path_of(r));
	packer = compression(f->buf, f->tail);
	if (packer)
		return pfri_fail(-EBADMSG, "file %.150s is compressed (%s); unpack it first",
				 path_of(r), packer);
	if (!own_format(f))
		return open_pcap(r, f);
	consume(f, FILE_HEADER);
	r->linktype = PFRI_LINKTYPE_ETHERNET;
	r->longest = f->snaplen;
	return 0;
}

static int file_open(struct pfri_ring *r)
{
	struct file *f = PFRI_PRIV(r, struct file);
	struct stat st;
	int err;

	memset(f, 0, sizeof(*f));
	f->fd = strcmp(r->name.device, "-") ? open(r->name.device, O_RDONLY | O_CLOEXEC)
					    : fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	if (f->fd < 0 || fstat(f->fd, &st)) {
		err = -errno;
		pfri_fail(err, "file %.150s cannot be opened: %s", path_of(r), strerror(-err));
		goto err_close;
	}
	if (S_ISDIR(st.st_mode)) {
		err = pfri_fail(-EISDIR, "%.150s is a directory; name a capture file in it",
				path_of(r));
		goto err_close;
	}
	f->stream = !S_ISREG(st.st_mode);
	if (!f->stream)
		posix_fadvise(f->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	f->buf = mmap(NULL, MAPPED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (f->buf == MAP_FAILED) {
		err = pfri_fail(-ENOMEM, "no memory for a buffer of %d bytes; free some",
				PFRI_CHUNK);
		goto err_close;
	}
	err = open_format(r, f);
	if (err)
		goto err_unmap;
	r->select_fd = f->fd;
	if (f->snaplen < r->opt.caplen)
		r->opt.caplen = f->snaplen;
	return 0;

err_unmap:
	munmap(f->buf, MAPPED);
err_close:
	if (f->fd >= 0)
		close(f->fd);
	return err;
}

const struct pfri_ops pfri_file_ops = {
	.recv_batch = file_recv,
	.release = file_release,
	.poll = file_poll,
	.name = "file",
	.caps = PFRI_CAP_SELECT | PFRI_CAP_EOF,
	.open = file_open,
	.set_filter = file_set_filter,
	.stats = file_stats,
	.close = file_close,
};
