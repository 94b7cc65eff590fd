// SPDX-License-Identifier: BSD-3-Clause
/*
 * gen.c - sends numbered frames into a device and says what each cost.
 *
 *   gen live  -i DEV -n COUNT [-s SIZE] [-r PPS] [-f FLOW] [-4] [-T N]  kernel made, gen.bpf.c
 *   gen paced -i DEV -n COUNT [-s SIZE] [-r PPS] [-f FLOW] [-4] [-t N]  sendmmsg, AF_PACKET
 *   gen one   -i DEV -n COUNT [-s SIZE] [-f FLOW] [-4]                  a send() for each
 *   gen poke  -i DEV                                                    outside any stream
 *
 * -T: of N flows in turn, which differ in the source port.
 * -4: the frames say that they are IPv4, which the stack then spends time on.
 * -t: of N frames one is TCP, and carries no number.
 * Prints one JSON object: sent, wall and CPU nanoseconds (live: waiting taken
 * off), and quartiles of the time per frame over slices of SLICE_FRAMES. Since veth runs the peer's
 * receive path on the sender's CPU, that time contains what a capture adds.
 * Started by lab.py inside a name space of its own, pinned to one CPU.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "frame.h"

#ifndef GEN_BPF_OBJECT
#error "GEN_BPF_OBJECT: path of the compiled gen.bpf.c"
#endif

struct job {
	const char *device;
	unsigned long long count, rate;
	unsigned int size, flow, flows, ethertype, tcp_every;
};

static void die(const char *what)
{
	fprintf(stderr, "gen: %s: %s\n", what, strerror(errno));
	exit(1);
}

static unsigned long long clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void make_frame(unsigned char *f, const struct job *j, unsigned long long seq)
{
	/* 02: locally administered; nobody in the bench's name spaces has this address. */
	static const unsigned char mac[12] = {2, 0, 0, 0, 0, 0x99, 2, 0, 0, 0, 0, 1};
	struct iphdr ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP};
	struct udphdr udp = {0};
	unsigned int magic = FRAME_MAGIC, sum = 0;
	unsigned short w;

	memset(f, 0xa5, j->size);
	memcpy(f, mac, sizeof(mac));
	f[12] = j->ethertype >> 8;
	f[13] = j->ethertype & 255;
	ip.tot_len = htons(j->size - 14);
	ip.saddr = htonl(FRAME_SADDR);
	ip.daddr = htonl(FRAME_DADDR);
	for (unsigned int i = 0; i < sizeof(ip); i += 2) {
		memcpy(&w, (char *)&ip + i, 2);
		sum += w;
	}
	sum = (sum >> 16) + (sum & 0xffff);
	ip.check = ~((sum >> 16) + sum);
	udp.source = htons(40000 + j->flow % 1000);
	udp.dest = htons(FRAME_DPORT);
	udp.len = htons(j->size - 34);
	memcpy(f + 14, &ip, sizeof(ip));
	memcpy(f + 34, &udp, sizeof(udp));
	memcpy(f + FRAME_OFF_MAGIC, &magic, 4);
	memcpy(f + FRAME_OFF_FLOW, &j->flow, 4);
	memcpy(f + FRAME_OFF_SEQ, &seq, 8);
}

/* The same, but a segment of a TCP connection. */
static void make_segment(unsigned char *f, const struct job *j)
{
	unsigned char tcp[20] = {0x9c, 0x40, 0x01, 0xbb, [12] = 0x50, [13] = 0x10, [14] = 0xff};
	unsigned int sum;
	unsigned short w;

	make_frame(f, j, 0);
	memcpy(f + 34, tcp, sizeof(tcp));
	f[23] = IPPROTO_TCP;
	memcpy(&w, f + 24, 2);
	/* RFC 1624: the header's sum with one word of it changed; 6 in place of 17. */
	sum = ntohs(w) + IPPROTO_UDP - IPPROTO_TCP;
	w = htons((sum & 0xffff) + (sum >> 16));
	memcpy(f + 24, &w, 2);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* slices: CLOCK_MONOTONIC at each slice's start, and at the end of the last whole one. */
static void report(const struct job *j, unsigned long long sent, unsigned long long wall,
		   unsigned long long cpu, const unsigned long long *slices, unsigned int n)
{
	static double per[SLICE_MAX];
	unsigned int k = 0;

	/* The first slice warms caches and page pool up; the ring of slices keeps the last. */
	for (unsigned int i = 2; i < n; i++)
		per[k++] = (double)(slices[i] - slices[i - 1]) / SLICE_FRAMES;
	qsort(per, k, sizeof(*per), by_value);
	printf("{\"sent\": %llu, \"wall_ns\": %llu, \"cpu_ns\": %llu, \"size\": %u, \"slices\": "
	       "%u, "
	       "\"q25_ns\": %.2f, \"median_ns\": %.2f, \"q75_ns\": %.2f}\n",
	       sent, wall, cpu, j->size, k, k ? per[k / 4] : 0, k ? per[k / 2] : 0,
	       k ? per[k * 3 / 4] : 0);
}

static int run_live(const struct job *j)
{
	unsigned char frame[FRAME_MAX];
	struct xdp_md ctx = {.data_end = j->size};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = j->size,
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = (int)j->count,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = 64);
	struct bpf_object *obj;
	struct bpf_program *prog;
	struct gen_state *g;
	unsigned long long t0, c0, wall, cpu;
	unsigned int slices;
	int fd, err;

	ctx.ingress_ifindex = if_nametoindex(j->device);
	if (!ctx.ingress_ifindex)
		die(j->device);
	obj = bpf_object__open_file(GEN_BPF_OBJECT, NULL);
	if (!obj || bpf_object__load(obj))
		die("load " GEN_BPF_OBJECT);
	prog = bpf_object__find_program_by_name(obj, "generate");
	fd = bpf_object__find_map_fd_by_name(obj, "state");
	g = mmap(NULL, (sizeof(*g) + 4095) & ~4095ul, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (!prog || g == MAP_FAILED)
		die("map of the generator's state");
	g->flow = j->flow;
	g->flows = j->flows;
	g->period_q20 = j->rate ? (1000000000ull << 20) / j->rate : 0;
	make_frame(frame, j, 0);

	t0 = clock_ns(CLOCK_MONOTONIC);
	c0 = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	err = bpf_prog_test_run_opts(bpf_program__fd(prog), &opts);
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - c0;
	wall = clock_ns(CLOCK_MONOTONIC) - t0;
	if (err) {
		errno = -err;
		die("BPF_PROG_TEST_RUN with live frames");
	}
	/* Wall time without the call's set-up and its 25 ms of tear-down: by the slices' stamps. */
	slices = g->seq / SLICE_FRAMES;
	if (slices > SLICE_MAX)
		slices = SLICE_MAX;
	if (slices > 1)
		wall = (g->slice[slices - 1] - g->slice[0]) * 1.0 /
		       ((slices - 1.0) * SLICE_FRAMES) * g->seq;
	/* The kernel does not preempt the program here, so what it spun was all CPU time. */
	report(j, g->seq, wall, cpu - g->spun_ns, g->slice, slices);
	bpf_object__close(obj);
	return 0;
}

#define BURST 32

static int packet_socket(const struct job *j)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(j->device)};
	int fd = socket(AF_PACKET, SOCK_RAW, 0), one = 1;

	if (fd < 0 || !to.sll_ifindex || bind(fd, (struct sockaddr *)&to, sizeof(to)))
		die(j->device);
	if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)))
		die("PACKET_QDISC_BYPASS");
	return fd;
}

static int run_paced(const struct job *j)
{
	static unsigned char frames[BURST][FRAME_MAX], segment[FRAME_MAX];
	static unsigned long long slices[SLICE_MAX];
	struct mmsghdr msg[BURST];
	struct iovec iov[BURST];
	unsigned long long sent = 0, t0, c0, now;
	unsigned int n_slices = 0, burst = BURST;
	int fd = packet_socket(j);

	memset(msg, 0, sizeof(msg));
	make_segment(segment, j);
	for (unsigned int i = 0; i < BURST; i++) {
		make_frame(frames[i], j, i);
		iov[i] = (struct iovec){frames[i], j->size};
		msg[i].msg_hdr.msg_iov = &iov[i];
		msg[i].msg_hdr.msg_iovlen = 1;
	}
	/* Bursts of at most 50 us of traffic, so that a low rate is a rate and not bursts. */
	if (j->rate && j->rate / 20000 < burst)
		burst = j->rate / 20000 ? j->rate / 20000 : 1;
	c0 = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	t0 = now = clock_ns(CLOCK_MONOTONIC);
	while (sent < j->count) {
		unsigned int n = j->count - sent < burst ? j->count - sent : burst;
		int got;

		if (j->rate)
			while (now < t0 + (unsigned long long)(sent * 1e9 / j->rate))
				now = clock_ns(CLOCK_MONOTONIC);
		for (unsigned int i = 0; i < n; i++) {
			unsigned long long seq = sent + i;

			memcpy(frames[i] + FRAME_OFF_SEQ, &seq, 8);
			if (j->tcp_every)
				iov[i].iov_base = seq % j->tcp_every ? frames[i] : segment;
		}
		got = sendmmsg(fd, msg, n, 0);
		if (got < 0 && (errno == ENOBUFS || errno == EAGAIN || errno == EINTR))
			continue;
		if (got <= 0)
			die("sendmmsg");
		if ((sent + got) / SLICE_FRAMES > sent / SLICE_FRAMES && n_slices < SLICE_MAX)
			slices[n_slices++] = clock_ns(CLOCK_MONOTONIC);
		sent += got;
	}
	now = clock_ns(CLOCK_MONOTONIC);
	report(j, sent, now - t0, clock_ns(CLOCK_PROCESS_CPUTIME_ID) - c0, slices, n_slices);
	close(fd);
	return 0;
}

static int run_one(const struct job *j)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(j->device)};
	static unsigned char frame[FRAME_MAX];
	unsigned long long t0, c0, seq;
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (fd < 0 || !to.sll_ifindex || bind(fd, (struct sockaddr *)&to, sizeof(to)))
		die(j->device);
	make_frame(frame, j, 0);
	c0 = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	t0 = clock_ns(CLOCK_MONOTONIC);
	for (seq = 0; seq < j->count;) {
		memcpy(frame + FRAME_OFF_SEQ, &seq, 8);
		if (send(fd, frame, j->size, 0) >= 0)
			seq++;
		else if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
			die("send");
	}
	report(j, seq, clock_ns(CLOCK_MONOTONIC) - t0, clock_ns(CLOCK_PROCESS_CPUTIME_ID) - c0,
	       NULL, 0);
	close(fd);
	return 0;
}

static int run_poke(struct job *j)
{
	unsigned char frame[FRAME_MAX];
	int fd;

	j->flow = FRAME_FLOW_POKE;
	fd = packet_socket(j);
	make_frame(frame, j, 0);
	if (send(fd, frame, j->size, 0) < 0)
		die("send");
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	struct job j = {.size = FRAME_MIN, .count = 1, .ethertype = FRAME_ETHERTYPE};
	int c;

	while ((c = getopt(argc, argv, "i:n:s:r:f:t:T:4")) != -1) {
		switch (c) {
		case 'i':
			j.device = optarg;
			break;
		case 'n':
			j.count = strtoull(optarg, NULL, 0);
			break;
		case 's':
			j.size = strtoul(optarg, NULL, 0);
			break;
		case 'r':
			j.rate = strtoull(optarg, NULL, 0);
			break;
		case 'f':
			j.flow = strtoul(optarg, NULL, 0);
			break;
		case 't':
			j.tcp_every = strtoul(optarg, NULL, 0);
			break;
		case 'T':
			j.flows = strtoul(optarg, NULL, 0);
			break;
		case '4':
			j.ethertype = ETH_P_IP;
			break;
		default:
			return 2;
		}
	}
	if (!j.device || j.size < FRAME_MIN || j.size > FRAME_MAX || optind + 1 != argc) {
		fprintf(stderr,
			"usage: gen live|paced|one|poke -i DEV -n COUNT [-s %d..%d] [-r PPS]\n",
			FRAME_MIN, FRAME_MAX);
		return 2;
	}
	if (!strcmp(argv[optind], "live"))
		return run_live(&j);
	if (!strcmp(argv[optind], "paced"))
		return run_paced(&j);
	if (!strcmp(argv[optind], "one"))
		return run_one(&j);
	if (!strcmp(argv[optind], "poke"))
		return run_poke(&j);
	fprintf(stderr, "gen: no generator '%s'; live, paced, one and poke exist\n", argv[optind]);
	return 2;
}
