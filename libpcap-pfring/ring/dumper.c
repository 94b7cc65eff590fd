/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dumper.c - writes capture files: pcap in both precisions, and pcapng.
 *
 * Public calls only; a dumper belongs to one thread at a time. Records gather
 * in a buffer that always starts with a record, and go out in one write; a
 * large one goes out from where it lies. When a write fails half way, a regular
 * file is cut back to its last whole record, so that what is there can be read.
 * The first failure stays: later calls repeat it and write nothing.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stddef.h>
#include <sys/uio.h>

#include "backend.h"
#include "linktype.h"

#define BUFFER 262144
#define LARGE 65536 /* a record from here on is not copied */

/* pcapng, draft-ietf-opsawg-pcapng: block types and options. */
#define NG_SHB 0x0a0d0d0a
#define NG_IDB 1
#define NG_EPB 6
#define NG_BYTE_ORDER 0x1a2b3c4d
#define NG_OPT_USERAPPL 4
#define NG_OPT_IF_TSRESOL 9
#define NG_OPT_EPB_FLAGS 2
#define NG_INBOUND 1
#define NG_OUTBOUND 2

struct pfring_dumper {
	int fd;
	enum pfring_dump_format format;
	int err; /* the first failure, with its text in why */
	u_char *buf;
	size_t used;
	u_int64_t packets; /* whole ones that have left the buffer */
	char path[128];	   /* for texts */
	char why[PFRI_ERRLEN];
};

struct record {
	u_int32_t seconds, fraction, caplen, len;
};

/* An enhanced packet block before and after the packet's bytes. */
struct ng_head {
	u_int32_t type, total, interface, ts_high, ts_low, caplen, len;
};

struct ng_flags {
	u_int16_t code, size;
	u_int32_t value;
	u_int32_t end;
};

struct ng_tail {
	u_char bytes[3 + sizeof(struct ng_flags) + 4]; /* padding, option, total */
	size_t len;
};

static u_int32_t padding(u_int32_t len)
{
	return -len & 3;
}

/* Length of the record at p, which is whole; *packets counts it if it is a packet. */
static size_t record_len(const struct pfring_dumper *d, const u_char *p, u_int64_t *packets)
{
	u_int32_t v[4];

	memcpy(v, p, d->format == PFRING_DUMP_PCAPNG ? 8 : 16);
	if (d->format == PFRING_DUMP_PCAPNG) {
		*packets += v[0] == NG_EPB;
		return v[1];
	}
	*packets += 1;
	return sizeof(struct record) + v[2];
}

/* How many of the first len bytes of the buffer are whole records. */
static size_t whole_records(struct pfring_dumper *d, size_t len)
{
	size_t at = 0;

	while (at < len) {
		u_int64_t packets = 0;
		size_t next = at + record_len(d, d->buf + at, &packets);

		if (next > len)
			break;
		d->packets += packets;
		at = next;
	}
	return at;
}

/* A write that fails must be an answer, not a signal that ends the program. */
struct held_signals {
	sigset_t ours, before, pending;
};

static void hold_signals(struct held_signals *s)
{
	sigemptyset(&s->ours);
	sigaddset(&s->ours, SIGPIPE);
	sigaddset(&s->ours, SIGXFSZ);
	sigpending(&s->pending);
	pthread_sigmask(SIG_BLOCK, &s->ours, &s->before);
}

/* err: what the write said; only then is a signal pending that was not before. */
static void let_signals(struct held_signals *s, int err)
{
	static const struct timespec now;
	int number = err == -EPIPE ? SIGPIPE : err == -EFBIG ? SIGXFSZ : 0;

	if (number && !sigismember(&s->pending, number)) {
		sigset_t one;

		sigemptyset(&one);
		sigaddset(&one, number);
		sigtimedwait(&one, NULL, &now);
	}
	pthread_sigmask(SIG_SETMASK, &s->before, NULL);
}

/* Writes it all, or says in *done how far it came. */
static int write_all(int fd, struct iovec *iov, int n, size_t *done)
{
	struct held_signals signals;
	int err = 0;

	*done = 0;
	hold_signals(&signals);
	while (n && !err) {
		ssize_t put = writev(fd, iov, n);

		if (put < 0 && errno == EAGAIN) {
			struct pollfd p = {.fd = fd, .events = POLLOUT};

			poll(&p, 1, -1);
		} else if (put < 0 && errno != EINTR) {
			err = -errno;
		}
		if (put < 0)
			continue;
		*done += (size_t)put;
		while (n && (size_t)put >= iov->iov_len) {
			put -= (ssize_t)iov->iov_len;
			iov++;
			n--;
		}
		if (n) {
			iov->iov_base = (char *)iov->iov_base + put;
			iov->iov_len -= (size_t)put;
		}
	}
	let_signals(&signals, err);
	return err;
}

static const char *reason(int err)
{
	switch (err) {
	case -ENOSPC:
		return "the disk is full; free some space and capture again";
	case -EDQUOT:
		return "the disk quota is used up; free some space and capture again";
	case -EPIPE:
		return "the program that was reading it has gone";
	case -EFBIG:
		return "it has reached the largest size allowed (ulimit -f)";
	default:
		return strerror(-err);
	}
}

static int fail(struct pfring_dumper *d, int err)
{
	d->err = pfri_fail(err,
			   "%.120s cannot be written: %.80s; %" PRIu64 " whole packets are in it",
			   d->path, reason(err), d->packets);
	snprintf(d->why, sizeof(d->why), "%s", pfring_last_error());
	return err;
}

/* Writes the buffer, then extra[0..n) (one record, or nothing), and empties the buffer. */
static int drain(struct pfring_dumper *d, const struct iovec *extra, int n)
{
	struct iovec iov[4] = {{d->buf, d->used}};
	size_t done, whole;
	int err;

	for (int i = 0; i < n; i++)
		iov[1 + i] = extra[i];
	err = write_all(d->fd, iov, 1 + n, &done);
	whole = whole_records(d, done < d->used ? done : d->used);
	d->used = 0;
	if (!err) {
		d->packets += n > 0;
		return 0;
	}
	if (done > whole) {
		off_t end = lseek(d->fd, 0, SEEK_CUR);

		/* Not seekable: the reader of a pipe has half a record, which cannot be taken back.
		 */
		if (end >= 0 && !ftruncate(d->fd, end - (off_t)(done - whole)))
			lseek(d->fd, end - (off_t)(done - whole), SEEK_SET);
	}
	return fail(d, err);
}

static int put(struct pfring_dumper *d, const struct iovec *parts, int n)
{
	size_t len = 0;
	int err;

	for (int i = 0; i < n; i++)
		len += parts[i].iov_len;
	if (len >= LARGE)
		return drain(d, parts, n);
	if (d->used + len > BUFFER) {
		err = drain(d, NULL, 0);
		if (err)
			return err;
	}
	for (int i = 0; i < n; i++) {
		memcpy(d->buf + d->used, parts[i].iov_base, parts[i].iov_len);
		d->used += parts[i].iov_len;
	}
	return 0;
}

static int put_pcap(struct pfring_dumper *d, const struct pfring_packet *p)
{
	u_int32_t ns = (u_int32_t)(p->ts_ns % 1000000000u);
	struct record h = {(u_int32_t)(p->ts_ns / 1000000000u),
			   d->format == PFRING_DUMP_PCAP_NS ? ns : ns / 1000, p->caplen, p->len};
	struct iovec parts[] = {{&h, sizeof(h)}, {(void *)(uintptr_t)p->data, p->caplen}};

	return put(d, parts, 2);
}

/* epb_flags: direction, and in bits 2..4 how the packet was addressed. */
static u_int32_t ng_flags(const struct pfring_packet *p)
{
	/* PACKET_HOST, _BROADCAST, _MULTICAST, _OTHERHOST: unicast, broadcast, multicast,
	 * promiscuous */
	static const u_int8_t reception[] = {1, 3, 2, 4};

	if (!p->rx_direction)
		return NG_OUTBOUND;
	return NG_INBOUND | (p->pkt_type < 4 ? (u_int32_t)reception[p->pkt_type] << 2 : 0);
}

static int put_ng(struct pfring_dumper *d, const struct pfring_packet *p)
{
	struct ng_tail tail = {.len = padding(p->caplen)};
	struct ng_head h = {
		.type = NG_EPB,
		.ts_high = (u_int32_t)(p->ts_ns >> 32),
		.ts_low = (u_int32_t)p->ts_ns,
		.caplen = p->caplen,
		.len = p->len,
	};
	struct iovec parts[3];

	memset(tail.bytes, 0, sizeof(tail.bytes));
	/* A packet from a file has no direction to tell. */
	if (p->if_index != UNKNOWN_INTERFACE) {
		struct ng_flags flags = {NG_OPT_EPB_FLAGS, 4, ng_flags(p), 0};

		memcpy(tail.bytes + tail.len, &flags, sizeof(flags));
		tail.len += sizeof(flags);
	}
	h.total = (u_int32_t)(sizeof(h) + p->caplen + tail.len + 4);
	memcpy(tail.bytes + tail.len, &h.total, 4);
	tail.len += 4;
	parts[0] = (struct iovec){&h, sizeof(h)};
	parts[1] = (struct iovec){(void *)(uintptr_t)p->data, p->caplen};
	parts[2] = (struct iovec){tail.bytes, tail.len};
	return put(d, parts, 3);
}

static void pcap_header(struct pfring_dumper *d, int link_type, u_int32_t snaplen)
{
	const struct {
		u_int32_t magic;
		u_int16_t major, minor;
		u_int32_t zone, accuracy, snaplen, linktype;
	} h = {d->format == PFRING_DUMP_PCAP_NS ? 0xa1b23c4d : 0xa1b2c3d4,
	       2,
	       4,
	       0,
	       0,
	       snaplen,
	       (u_int32_t)link_type};

	memcpy(d->buf, &h, sizeof(h));
	d->used = sizeof(h);
}

static void ng_header(struct pfring_dumper *d, int link_type, u_int32_t snaplen)
{
	static const char writer[] = "pfring " RING_VERSION; /* 12 characters, no terminator */
	struct {
		u_int32_t type, total, magic;
		u_int16_t major, minor;
		int32_t section_len[2];
		u_int16_t code, size;
		char writer[12];
		u_int32_t end, total_again;
	} shb = {NG_SHB,	  sizeof(shb), NG_BYTE_ORDER, 1, 0,	     {-1, -1},
		 NG_OPT_USERAPPL, 12,	       {0},	      0, sizeof(shb)};
	struct {
		u_int32_t type, total;
		u_int16_t linktype, reserved;
		u_int32_t snaplen;
		u_int16_t code, size;
		u_char tsresol[4];
		u_int32_t end, total_again;
	} idb = {NG_IDB, sizeof(idb), (u_int16_t)link_type, 0, snaplen, NG_OPT_IF_TSRESOL, 1,
		 {9},	 0,	      sizeof(idb)};

	_Static_assert(sizeof(writer) == 13, "shb.writer has no padding");
	memcpy(shb.writer, writer, sizeof(shb.writer));
	memcpy(d->buf, &shb, sizeof(shb));
	memcpy(d->buf + sizeof(shb), &idb, sizeof(idb));
	d->used = sizeof(shb) + sizeof(idb);
}

/* The header is written at once: an unwritable file is known before the capture starts. */
static int write_header(struct pfring_dumper *d, int link_type, u_int32_t snaplen)
{
	struct iovec iov;
	size_t done;
	int err;

	link_type = pfri_linktype_of(link_type);
	if (!snaplen)
		snaplen = MAX_CAPLEN;
	if (d->format == PFRING_DUMP_PCAPNG)
		ng_header(d, link_type, snaplen);
	else
		pcap_header(d, link_type, snaplen);
	iov = (struct iovec){d->buf, d->used};
	d->used = 0;
	err = write_all(d->fd, &iov, 1, &done);
	return err ? fail(d, err) : 0;
}

static void dumper_free(struct pfring_dumper *d)
{
	if (d->fd >= 0)
		close(d->fd);
	free(d->buf);
	free(d);
}

pfring_dumper *pfring_dump_open(const char *path, int link_type, u_int32_t snaplen,
				enum pfring_dump_format format)
{
	struct pfring_dumper *d;
	int err;

	if (!path || format < PFRING_DUMP_PCAP || format > PFRING_DUMP_PCAPNG) {
		pfri_fail(-EINVAL, "pfring_dump_open: no path or no known format was given");
		return NULL;
	}
	d = calloc(1, sizeof(*d));
	if (d)
		d->buf = malloc(BUFFER);
	if (!d || !d->buf) {
		free(d);
		pfri_fail(-ENOMEM, "no memory for a buffer of %d bytes; free some", BUFFER);
		return NULL;
	}
	d->format = format;
	if (strcmp(path, "-")) {
		snprintf(d->path, sizeof(d->path), "%s", path);
		d->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	} else {
		snprintf(d->path, sizeof(d->path), "standard output");
		d->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	}
	if (d->fd < 0) {
		err = pfri_fail(-errno, "%.150s cannot be created: %s", d->path, strerror(errno));
		goto err_free;
	}
	err = write_header(d, link_type, snaplen);
	if (err)
		goto err_free;
	return d;

err_free:
	dumper_free(d);
	errno = -err;
	return NULL;
}

static int state_of(pfring_dumper *d)
{
	if (!d)
		return pfri_fail(-EINVAL, "no dumper was given (pfring_dump_open() failed?)");
	return d->err ? pfri_fail(d->err, "%s", d->why) : 0;
}

int pfring_dump_packets(pfring_dumper *d, const struct pfring_packet *packets, u_int n)
{
	int err = state_of(d);

	for (u_int i = 0; i < n && !err; i++)
		err = d->format == PFRING_DUMP_PCAPNG ? put_ng(d, &packets[i])
						      : put_pcap(d, &packets[i]);
	return err;
}

int pfring_dump_flush(pfring_dumper *d)
{
	int err = state_of(d);

	return err ? err : drain(d, NULL, 0);
}

int pfring_dump_close(pfring_dumper *d)
{
	int err;

	if (!d)
		return state_of(d);
	err = pfring_dump_flush(d);
	/* Network file systems tell only now that the disk was full. */
	if (close(d->fd) && !err)
		err = fail(d, -errno);
	d->fd = -1;
	dumper_free(d);
	return err;
}
