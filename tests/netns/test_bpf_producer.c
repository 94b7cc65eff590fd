/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The eBPF producer beside a plain packet socket on one wire: each record must
 * be what the socket saw, for every filter, snap length and tag. Then its
 * books, wake-ups, turning back and GSO mark.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "producer.h" /* before pf_ring.h, see there */

#include <linux/if_packet.h>
#include <linux/virtio_net.h>

#include "bpf_compile.h"
#include "bpf_programs.h"
#include "bpf_vm.h"
#include "maps.h"
#include "sys.h"
#include "wire.h"

#define LEN(a) (sizeof(a) / sizeof(*(a)))

struct rig {
	struct pfri_maps maps;
	struct pfri_producer producer;
	int gen, cap, reference;
	int out; /* sends on cap0: a socket is never shown what it sent itself */
};

static void attach(struct rig *g, const struct sock_filter *f, unsigned len)
{
	static struct bpf_insn code[32768];
	struct pfri_ebpf e = {.insn = code, .max = LEN(code)};
	static char log[1 << 18];
	int fd;

	assert_int_equal(pfri_producer_emit(&e, &g->producer, f, len), 0);
	fd = pfri_bpf_load(code, e.len, "producer", log, sizeof(log));
	if (fd < 0) {
		fprintf(stderr, "%s", log);
		fail_msg("the verifier refuses the program: %s", strerror(-fd));
	}
	assert_int_equal(setsockopt(g->cap, SOL_SOCKET, SO_ATTACH_BPF, &fd, sizeof(fd)), 0);
	close(fd);
}

static void keep_all(struct rig *g, u_int32_t caplen)
{
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, caplen);

	g->producer.caplen = caplen;
	attach(g, &all, 1);
}

static void rig_open_within(struct rig *g, u_int64_t bytes, const struct pfri_maps_limits *limits)
{
	int one = 1;

	memset(g, 0, sizeof(*g));
	assert_int_equal(pfri_maps_open(&g->maps, bytes, 2048, limits), 0);
	g->producer = (struct pfri_producer){.at = g->maps.at,
					     .private_ = limits->private_,
					     .caplen = MAX_CAPLEN,
					     .generation = 7};
	g->maps.lanes.hash_mask = ~0u;
	g->gen = wire_socket("gen0", 0);
	g->out = wire_socket("cap0", 0);
	/* Opened first, so the last to be given a packet. */
	g->reference = wire_socket("cap0", ETH_P_ALL);
	setsockopt(g->reference, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one));
	g->cap = wire_socket("cap0", 0);
	keep_all(g, MAX_CAPLEN);
	struct sockaddr_ll sll = {.sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = (int)if_nametoindex("cap0")};
	assert_int_equal(bind(g->cap, (struct sockaddr *)&sll, sizeof(sll)), 0);
}

static void rig_open(struct rig *g, u_int64_t bytes)
{
	static const struct pfri_maps_limits newest;

	rig_open_within(g, bytes, &newest);
}

static void rig_close(struct rig *g)
{
	pfri_maps_close(&g->maps);
	close(g->gen);
	close(g->out);
	close(g->cap);
	close(g->reference);
}

static u_int drain(struct rig *g, struct pfring_packet *p, u_int max)
{
	u_int n = pfri_lanes_recv(&g->maps.lanes, p, max, UINT64_MAX);

	return n;
}

/* What the plain socket says of the next packet, as the ring should say it. */
static void reference(struct rig *g, struct pfring_packet *want, u_char *buf)
{
	char control[256];
	struct sockaddr_ll from;
	struct iovec iov = {buf + 4, 4096};
	struct msghdr m = {.msg_name = &from,
			   .msg_namelen = sizeof(from),
			   .msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof(control)};
	struct tpacket_auxdata aux = {0};
	ssize_t n;

	assert_true(wire_readable(g->reference, WIRE_PATIENCE));
	n = recvmsg(g->reference, &m, 0);
	assert_true(n > 0);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA)
			memcpy(&aux, CMSG_DATA(c), sizeof(aux));
	memset(want, 0, sizeof(*want));
	want->data = buf + 4;
	want->caplen = want->len = (u_int32_t)n;
	want->if_index = from.sll_ifindex;
	want->pkt_type = from.sll_pkttype;
	want->rx_direction = from.sll_pkttype != PACKET_OUTGOING;
	if (aux.tp_status & TP_STATUS_VLAN_VALID) {
		u_int16_t tag[2] = {htons(aux.tp_vlan_tpid), htons(aux.tp_vlan_tci)};

		memmove(buf, buf + 4, 12);
		memcpy(buf + 12, tag, 4);
		want->data = buf;
		want->caplen = want->len += 4;
		want->vlan_tci = aux.tp_vlan_tci;
		want->vlan_tpid = aux.tp_vlan_tpid;
		want->flags = PKT_FLAGS_VLAN_HWACCEL;
	}
}

/* Sends a frame and compares what became of it. Returns 1 if the filter kept it. */
static int compare(struct rig *g, int from, const u_char *frame, size_t len,
		   const struct sock_filter *f, const char *what)
{
	struct pfring_packet want, got[2];
	static u_char buf[8192];
	u_int verdict, n, keep;

	assert_int_equal(send(from, frame, len, 0), len);
	reference(g, &want, buf);
	verdict = pfri_bpf_run(f, &want, true);
	n = drain(g, got, 2);
	if (n != (verdict ? 1 : 0))
		fail_msg("%s: verdict %u, but %u packets in the ring", what, verdict, n);
	pfri_lanes_release(&g->maps.lanes);
	if (!n)
		return 0;
	keep = verdict;
	if (want.flags & PKT_FLAGS_VLAN_HWACCEL) {
		if (keep >= 12)
			keep = keep > MAX_CAPLEN ? keep : keep + 4;
		else {
			/* No room for the tag behind the addresses: the frame stays without it. */
			want.data += 4;
			memcpy((u_char *)(uintptr_t)want.data, frame, 12);
			want.len -= 4;
			want.caplen = want.len;
			want.flags = 0;
			want.vlan_tci = want.vlan_tpid = 0;
		}
	}
	if (want.caplen > keep)
		want.caplen = keep;
	if (want.caplen > g->producer.caplen)
		want.caplen = g->producer.caplen;
	if (got->caplen != want.caplen || got->len != want.len)
		fail_msg("%s: caplen %u of %u, expected %u of %u", what, got->caplen, got->len,
			 want.caplen, want.len);
	assert_memory_equal(got->data, want.data, want.caplen);
	assert_int_equal(got->if_index, want.if_index);
	assert_int_equal(got->pkt_type, want.pkt_type);
	assert_int_equal(got->rx_direction, want.rx_direction);
	assert_int_equal(got->vlan_tci, want.vlan_tci);
	assert_int_equal(got->vlan_tpid, want.vlan_tpid);
	assert_int_equal(got->flags, want.flags);
	assert_int_equal(got->hash, g->producer.generation);
	return 1;
}

static size_t frame(uint64_t *rng, u_char *buf)
{
	size_t len = gen_packet(rng, buf);

	return len > 1514 ? 1514 : len < 22 ? 22 : len;
}

static void test_records_are_what_a_socket_sees_under_generated_filters(void **state)
{
	static const u_int32_t caplens[] = {MAX_CAPLEN, 1514, 128, 96, 64, 17, 16, 15, 12, 11, 1};
	struct sock_filter f[GEN_MAX_INSNS];
	u_char buf[GEN_MAX_PACKET];
	uint64_t rng = 161803;
	u_int kept = 0;
	struct rig g;

	(void)state;
	rig_open(&g, 1 << 20);
	for (int n = 0; n < 600; n++) {
		/* Where the network header of a tagged frame on its way out lies depends on its
		 * sender. */
		bool negative = n % 2;
		unsigned len = gen_program(&rng,
					   GEN_WILD_OFFSETS | GEN_WILD_SHIFTS | GEN_XOR |
						   (negative ? GEN_NEGATIVE : 0),
					   f);
		char what[32];

		g.producer.caplen = caplens[gen_random(&rng, LEN(caplens))];
		g.producer.generation = (uint32_t)n;
		attach(&g, f, len);
		snprintf(what, sizeof(what), "program %d", n);
		for (int i = 0; i < 12; i++)
			kept += (u_int)compare(&g, negative || gen_random(&rng, 3) ? g.gen : g.out,
					       buf, frame(&rng, buf), f, what);
	}
	assert_true(kept > 1000);
	assert_int_equal(g.maps.lanes.corrupt, 0);
	rig_close(&g);
}

static void test_records_are_what_a_socket_sees_under_expressions(void **state)
{
	static struct sock_filter f[BPF_MAXINSNS];
	void *live = compile_open("cap0");
	u_char buf[GEN_MAX_PACKET];
	uint64_t rng = 5;
	u_int kept = 0, expressions = 0;
	struct rig g;

	(void)state;
	rig_open(&g, 1 << 20);
	g.producer.caplen = 200;
	for (const char *const *e = gen_expressions; *e; e++) {
		unsigned len = compile(live, *e, f);

		if (pfri_bpf_check(f, len))
			continue;
		attach(&g, f, len);
		for (int i = 0; i < 40; i++)
			kept += (u_int)compare(&g, g.gen, buf, frame(&rng, buf), f, *e);
		expressions++;
	}
	assert_true(expressions >= 100);
	assert_true(kept > 600);
	compile_close(live);
	rig_close(&g);
}

/* What kernels have: everything; arrays of 4 MiB; no atomic operation that returns a value. */
static const struct pfri_maps_limits kernels[] = {
	{0}, {.element = 1}, {.private_ = true}, {.private_ = true, .element = 1}};

static void books_of_a_full_ring(const struct pfri_maps_limits *limits)
{
	u_int64_t accepted, drops, wakeups, sent = 0, got = 0;
	struct pfring_packet p[256];
	u_char buf[GEN_MAX_PACKET];
	uint64_t rng = 1;
	struct rig g;
	u_int n;

	rig_open_within(&g, 64 << 10, limits);
	for (int lap = 0; lap < 20; lap++) {
		for (int i = 0; i < 400; i++, sent++) {
			size_t len = frame(&rng, buf);

			assert_int_equal(send(g.gen, buf, len, 0), len);
		}
		while ((n = drain(&g, p, 256))) {
			got += n;
			pfri_lanes_release(&g.maps.lanes);
		}
	}
	pfri_lanes_books(&g.maps.lanes, &accepted, &drops, &wakeups);
	assert_int_equal(got, accepted);
	assert_int_equal(accepted + drops, sent);
	assert_true(drops > 0);
	assert_int_equal(g.maps.lanes.corrupt, 0);
	rig_close(&g);
}

static void test_ring_full_drops_newest_and_the_books_balance(void **state)
{
	(void)state;
	for (u_int i = 0; i < LEN(kernels); i++)
		books_of_a_full_ring(&kernels[i]);
}

/* Numbered frames of 60 bytes; all of them must come back, in order and each once. */
static void send_numbered(struct rig *g, u_int first, u_int n)
{
	u_char buf[60] = {0};

	for (u_int i = first; i < first + n; i++) {
		memcpy(buf + 20, &i, sizeof(i));
		assert_int_equal(send(g->gen, buf, sizeof(buf), 0), sizeof(buf));
	}
}

static void expect_numbered(struct rig *g, u_int first, u_int n)
{
	struct pfring_packet p[256];
	u_int got;

	while ((got = drain(g, p, 256))) {
		for (u_int i = 0; i < got; i++, first++, n--)
			assert_memory_equal(p[i].data + 20, &first, sizeof(first));
		pfri_lanes_release(&g->maps.lanes);
	}
	assert_int_equal(n, 0);
}

static void test_one_cpu_may_fill_the_memory_of_all(void **state)
{
	const u_int64_t bytes = 8 << 20, rec = PFR_REC_SIZE(60);

	(void)state;
	wire_stay();
	for (u_int i = 0; i < 2; i++) {
		struct rig g;
		u_int per_segment, room;

		rig_open_within(&g, bytes, &kernels[i]);
		assert_int_equal(pfri_maps_data(&g.maps), bytes);
		assert_int_equal(g.maps.at.chunks, i ? 4 : 1);
		per_segment = (u_int)(g.maps.at.segment / rec);
		room = per_segment * (g.maps.at.each - g.maps.at.lanes);
		/* Three times, from whatever segment the lane is in. */
		for (u_int lap = 0; lap < 3; lap++) {
			send_numbered(&g, lap * room, room - per_segment);
			expect_numbered(&g, lap * room, room - per_segment);
		}
		assert_int_equal(g.maps.lanes.corrupt, 0);
		rig_close(&g);
	}
}

static void test_few_segments_are_in_use_while_the_reader_keeps_up(void **state)
{
	struct pfring_packet p[64];
	u_char buf[GEN_MAX_PACKET];
	u_int64_t got = 0, used = 0;
	uint64_t rng = 3;
	struct rig g;
	u_int n;

	(void)state;
	wire_stay();
	rig_open(&g, 1 << 20);
	keep_all(&g, 2000);
	assert_true(g.maps.at.each >= 8);
	for (int i = 0; i < 5000; i++) {
		size_t len = frame(&rng, buf);

		assert_int_equal(send(g.gen, buf, len, 0), len);
		if (i % 8 == 7)
			while ((n = drain(&g, p, 64))) {
				got += n;
				for (u_int k = 0; k < n; k++) {
					size_t at = (size_t)(p[k].data - g.maps.pool_mem);

					used |= 1ull << at / g.maps.at.segment;
				}
				pfri_lanes_release(&g.maps.lanes);
			}
	}
	/* More than the whole ring went through two places of it; others' packets take a third. */
	assert_true(got >= 5000);
	assert_true(__builtin_popcountll(used) <= 3);
	rig_close(&g);
}

static void test_a_sleeping_reader_is_woken_once(void **state)
{
	const u_char buf[60] = {0};
	struct pfring_packet p[16];
	struct rig g;

	(void)state;
	rig_open(&g, 1 << 20);
	assert_int_equal(send(g.gen, buf, 60, 0), 60);
	assert_false(wire_readable(g.maps.at.wake_fd, 20));
	assert_false(pfri_lanes_arm(&g.maps.lanes, 1)); /* there is something already */
	assert_int_equal(drain(&g, p, 16), 1);
	pfri_lanes_release(&g.maps.lanes);
	assert_true(pfri_lanes_arm(&g.maps.lanes, 1));
	for (int i = 0; i < 5; i++)
		assert_int_equal(send(g.gen, buf, 60, 0), 60);
	assert_true(wire_readable(g.maps.at.wake_fd, WIRE_PATIENCE));
	pfri_maps_drain_wake(&g.maps);
	assert_false(wire_readable(g.maps.at.wake_fd, 20));
	assert_int_equal(drain(&g, p, 16), 5);
	pfri_lanes_release(&g.maps.lanes);
	/* With a watermark: not before that many bytes (96 a packet) are there. */
	assert_true(pfri_lanes_arm(&g.maps.lanes, 96 * 8));
	for (int i = 0; i < 7; i++)
		assert_int_equal(send(g.gen, buf, 60, 0), 60);
	assert_false(wire_readable(g.maps.at.wake_fd, 20));
	for (int i = 0; i < 20; i++) /* more than one lane may share them */
		assert_int_equal(send(g.gen, buf, 60, 0), 60);
	assert_true(wire_readable(g.maps.at.wake_fd, WIRE_PATIENCE));
	rig_close(&g);
}

static void test_time_stamps_follow_the_clock(void **state)
{
	static const enum pfri_clock clocks[] = {PFRI_CLOCK_TAI, PFRI_CLOCK_MONOTONIC,
						 PFRI_CLOCK_COARSE};
	static const clockid_t ids[] = {CLOCK_TAI, CLOCK_MONOTONIC, CLOCK_MONOTONIC_COARSE};
	const u_char buf[60] = {0};
	struct pfring_packet p;
	struct rig g;

	(void)state;
	rig_open(&g, 1 << 20);
	for (u_int i = 0; i < LEN(clocks); i++) {
		u_int64_t before, after;

		g.producer.clock = clocks[i];
		keep_all(&g, 96);
		for (int k = 0; k < 20; k++) {
			before = pfri_clock_ns(ids[i]);
			assert_int_equal(send(g.gen, buf, 60, 0), 60);
			after = pfri_clock_ns(ids[i]);
			assert_int_equal(drain(&g, &p, 1), 1);
			pfri_lanes_release(&g.maps.lanes);
			assert_true(before <= p.ts_ns && p.ts_ns <= after);
		}
	}
	rig_close(&g);
}

static void test_a_frame_of_several_segments_is_marked(void **state)
{
	struct {
		struct virtio_net_hdr vnet;
		u_char frame[14 + 20 + 20 + 4000];
	} __attribute__((packed)) big = {
		.vnet = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
			 .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
			 .hdr_len = 54,
			 .gso_size = 1000,
			 .csum_start = 34,
			 .csum_offset = 16},
		.frame = {2,  0,    0, 0,	  0,	      1, 2, 0,	  0,	0,  0, 2,  8,
			  0,  0x45, 0, 4040 >> 8, 4040 & 255, 0, 0, 0x40, 0,	64, 6, 0,  0,
			  10, 0,    0, 1,	  10,	      0, 0, 2,	  0,	80, 0, 80, 0,
			  0,  0,    1, 0,	  0,	      0, 0, 0x50, 0x10, 1,  0},
	};
	int one = 1, gen = wire_socket("gen0", 0);
	struct pfring_packet p[4];
	struct rig g;

	(void)state;
	rig_open(&g, 1 << 20);
	assert_int_equal(setsockopt(gen, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)), 0);
	assert_int_equal(send(gen, &big, sizeof(big), 0), sizeof(big));
	assert_true(wire_readable(g.reference, WIRE_PATIENCE));
	assert_int_equal(drain(&g, p, 4), 1);
	assert_int_equal(p->len, sizeof(big.frame));
	assert_int_equal(p->flags, PKT_FLAGS_GSO);
	close(gen);
	rig_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records_are_what_a_socket_sees_under_generated_filters),
		cmocka_unit_test(test_records_are_what_a_socket_sees_under_expressions),
		cmocka_unit_test(test_ring_full_drops_newest_and_the_books_balance),
		cmocka_unit_test(test_one_cpu_may_fill_the_memory_of_all),
		cmocka_unit_test(test_few_segments_are_in_use_while_the_reader_keeps_up),
		cmocka_unit_test(test_a_sleeping_reader_is_woken_once),
		cmocka_unit_test(test_time_stamps_follow_the_clock),
		cmocka_unit_test(test_a_frame_of_several_segments_is_marked),
	};

	wire_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
