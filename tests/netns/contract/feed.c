/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * feed.c - numbered frames: made, sent or written, and recognised.
 *
 * Sending goes through a plain AF_PACKET socket opened in the other namespace,
 * files are written byte by byte: nothing of the library helps here.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sched.h>

#include "contract.h"
#include "wire.h"

extern char *tx_namespace, *folder;

static char path[4096];

bool is_udp(u_int i)
{
	return i % 2 == 0;
}

bool is_tagged(u_int i)
{
	return i % 8 == 7;
}

u_int frame_length(u_int i)
{
	return 60 + i * 37 % (FRAME_MAX - 60 + 1);
}

static u_char *put(u_char *at, u_int value, int bytes)
{
	while (bytes--)
		*at++ = (u_char)(value >> (8 * bytes));
	return at;
}

u_int frame_make(u_char *frame, u_int i)
{
	static const u_char to[] = {0x02, 0x50, 0x46, 0x00, 0xa0, 0x01};
	u_int len = frame_length(i);
	u_char *p = frame;

	for (u_int at = 0; at < len; at++)
		frame[at] = (u_char)(i + at);
	memcpy(p, to, sizeof(to));
	p = put(p + 6, 0x0250, 2);
	p = put(p, i, 4);
	if (is_tagged(i)) {
		p = put(p, ETH_P_8021Q, 2);
		p = put(p, 5, 2);
		put(p, ETH_P_ARP, 2);
		return len;
	}
	p = put(p, ETH_P_IP, 2);
	p = put(p, 0x4500, 2);
	p = put(p, len - 14, 2);
	p = put(p, i & 0xffff, 2);
	p = put(p, 0, 2);
	p = put(p, 64, 1);
	p = put(p, is_udp(i) ? IPPROTO_UDP : IPPROTO_TCP, 1);
	p = put(p, 0, 2);
	p = put(p, 0x0a000001, 4);
	p = put(p, 0x0a000002, 4);
	p = put(p, 1000 + i % 4, 2); /* source port */
	p = put(p, 2000 + i % 4, 2); /* destination port */
	if (is_udp(i))
		put(p, len - 34, 2);
	else
		put(p + 8, 0x5010, 2); /* header length, ACK */
	return len;
}

int frame_number(const u_char *data, u_int caplen)
{
	if (caplen < 12 || data[6] != 0x02 || data[7] != 0x50)
		return -1;
	return data[8] << 24 | data[9] << 16 | data[10] << 8 | data[11];
}

void is_frame(const u_char *data, u_int caplen, u_int len, u_int i, u_int cut)
{
	u_int want = frame_length(i), kept = cut && cut < want ? cut : want;
	u_char frame[FRAME_MAX];

	CHECK(frame_number(data, caplen) == (int)i, "frame %d came, not %u",
	      frame_number(data, caplen), i);
	CHECK(len == want, "frame %u: length %u, not %u", i, len, want);
	CHECK(caplen == kept, "frame %u: %u bytes kept, not %u", i, caplen, kept);
	frame_make(frame, i);
	for (u_int at = 0; at < caplen; at++)
		CHECK(data[at] == frame[at], "frame %u: byte %u is %02x, not %02x", i, at, data[at],
		      frame[at]);
}

static void put32(FILE *f, u_int32_t v)
{
	CHECK(fwrite(&v, sizeof(v), 1, f) == 1, "cannot write %s", path);
}

void prepare(u_int n)
{
	u_char frame[FRAME_MAX];
	FILE *f;

	if (is_live())
		return;
	snprintf(path, sizeof(path), "%s/contract.pcap", folder);
	f = fopen(path, "we");
	CHECK(f, "cannot create %s", path);
	put32(f, 0xa1b23c4d); /* nanoseconds */
	put32(f, 2 | 4 << 16);
	put32(f, 0);
	put32(f, 0);
	put32(f, 262144);
	put32(f, 1);
	for (u_int i = 0; i < n; i++) {
		u_int len = frame_make(frame, i);

		put32(f, 1700000000 + i / 1000);
		put32(f, i % 1000 * 1000003 % 1000000000);
		put32(f, len);
		put32(f, len);
		CHECK(fwrite(frame, len, 1, f) == 1, "cannot write %s", path);
	}
	CHECK(fclose(f) == 0, "cannot write %s", path);
}

int peer_socket(u_int16_t protocol)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(protocol)};
	char ns[300];
	int home, there, fd;

	snprintf(ns, sizeof(ns), "/run/netns/%s", tx_namespace);
	home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	there = open(ns, O_RDONLY | O_CLOEXEC);
	CHECK(home >= 0 && there >= 0, "cannot open %s", ns);
	CHECK(setns(there, CLONE_NEWNET) == 0, "cannot enter %s", ns);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	to.sll_ifindex = (int)if_nametoindex("gen0");
	CHECK(fd >= 0 && to.sll_ifindex, "no socket or no gen0 in %s", ns);
	CHECK(bind(fd, (struct sockaddr *)&to, sizeof(to)) == 0, "cannot bind to gen0");
	CHECK(setns(home, CLONE_NEWNET) == 0, "cannot come back");
	close(home);
	close(there);
	return fd;
}

void feed(u_int first, u_int n)
{
	u_char frame[FRAME_MAX];
	cpu_set_t before, here;
	int fd;

	if (!is_live())
		return;
	/* A sender that changes its CPU is truly reordered, and fills another lane of a full ring.
	 */
	CHECK(sched_getaffinity(0, sizeof(before), &before) == 0, "no affinity");
	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	CHECK(sched_setaffinity(0, sizeof(here), &here) == 0, "cannot stay on a CPU");
	fd = peer_socket(0);
	wire_carrier(fd, "gen0");
	for (u_int i = first; i < first + n; i++) {
		u_int len = frame_make(frame, i);

		while (send(fd, frame, len, 0) < 0) {
			CHECK(errno == ENOBUFS || errno == EINTR, "cannot send frame %u: %s", i,
			      strerror(errno));
			usleep(200);
		}
	}
	close(fd);
	sched_setaffinity(0, sizeof(before), &before);
}

const char *source(void)
{
	static char name[4200];

	if (is_live())
		snprintf(name, sizeof(name), "%s:%s", backend, CAPTURE);
	else
		snprintf(name, sizeof(name), "%s:%s", backend, path);
	return name;
}

static pfring *open_as_asked(const struct pfring_open_options *opts)
{
	struct pfring_open_options o = *opts;

	o.immediate = immediate;
	return pfring_open_opts(source(), &o);
}

pfring *not_enabled(void)
{
	return open_as_asked(
		&(struct pfring_open_options){.sz = sizeof(struct pfring_open_options)});
}

pfring *opened_opts(const struct pfring_open_options *opts)
{
	pfring *ring = open_as_asked(opts);

	CHECK(ring, "%s does not open", source());
	CHECK(pfring_enable_ring(ring) == 0, "the ring cannot be enabled");
	return ring;
}

/*
 * Most cases send before they read. TPACKET_V3 closes a block every two
 * milliseconds however empty it is, so on a machine that takes its time the
 * default rings would not hold what is sent.
 */
static u_int64_t patient_bytes(void)
{
	return !strcmp(backend, "packet") ? 64u << 20 : !strcmp(backend, "pcap") ? 128u << 20 : 0;
}

pfring *opened(u_int caplen, u_int flags)
{
	const struct pfring_open_options opts = {.sz = sizeof(opts),
						 .caplen = caplen,
						 .flags = flags,
						 .buffer_bytes = patient_bytes()};

	return opened_opts(&opts);
}

u_int count_wanted(u_int first, u_int n, bool (*wanted)(u_int i))
{
	u_int count = 0;

	for (u_int i = first; i < first + n; i++)
		count += !wanted || wanted(i);
	return count;
}

void expect(pfring *ring, u_int first, u_int n, bool (*wanted)(u_int i))
{
	struct pfring_packet pkt[64];
	u_int next = first, left = n;

	while (left) {
		int rc = pfring_recv_batch(ring, pkt, min_val(left, 64u), PATIENCE);

		CHECK(rc > 0, "%u of %u packets did not come: %d", left, n, rc);
		for (int i = 0; i < rc; i++, next++, left--) {
			while (wanted && !wanted(next))
				next++;
			is_frame(pkt[i].data, pkt[i].caplen, pkt[i].len, next, 0);
		}
	}
}

void expect_nothing(pfring *ring)
{
	struct pfring_packet pkt;
	int rc = pfring_recv_batch(ring, &pkt, 1, QUIET);

	CHECK(rc == (is_live() ? 0 : -ENODATA), "%d: frame %d came", rc,
	      rc > 0 ? frame_number(pkt.data, pkt.caplen) : -1);
}

struct task {
	int ms;
	void *(*fn)(void *);
	void *arg;
};

static void *run_later(void *arg)
{
	struct task t = *(struct task *)arg;

	free(arg);
	usleep((useconds_t)t.ms * 1000);
	return t.fn(t.arg);
}

pthread_t later(int ms, void *(*fn)(void *), void *arg)
{
	struct task *t = malloc(sizeof(*t));
	pthread_t thread;

	CHECK(t, "no memory");
	*t = (struct task){ms, fn, arg};
	CHECK(pthread_create(&thread, NULL, run_later, t) == 0, "no thread");
	return thread;
}
