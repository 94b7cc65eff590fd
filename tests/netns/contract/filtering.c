/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * filtering.c - the contract's cases on filters: what holds from when on, what
 * bytecode means, and that no handle feels another's filter.
 */
#include <linux/filter.h>
#include <linux/if_packet.h>

#include "contract.h"

#define N 1000

static bool is_tcp(u_int i)
{
	return !is_udp(i) && !is_tagged(i);
}

void a_filter_holds_from_the_first_packet(void)
{
	struct pfring_open_options opts = {.sz = sizeof(opts), .filter = "udp"};
	pfring *ring;

	prepare(N);
	ring = opened_opts(&opts);
	feed(0, N);
	expect(ring, 0, count_wanted(0, N, is_udp), is_udp);
	expect_nothing(ring);
	pfring_close(ring);
}

void a_new_filter_also_holds_for_queued_packets(void)
{
	struct pfring_pkthdr h;
	u_char *data;
	pfring *ring;

	prepare(N);
	ring = opened(0, 0);
	feed(0, N / 2);
	/* One by one, so that the handle has taken more from the ring than it gave out. */
	for (u_int i = 0; i < 10; i++) {
		CHECK(pfring_recv(ring, &data, 0, &h, 1) == 1, "frame %u did not come", i);
		is_frame(data, h.caplen, h.len, i, 0);
	}
	CHECK(pfring_set_bpf_filter(ring, "udp") == 0, "the filter is refused");
	feed(N / 2, N / 2);
	expect(ring, 10, count_wanted(10, N - 10, is_udp), is_udp);
	expect_nothing(ring);
	pfring_close(ring);
}

/* Reads one frame, one of those that a filter wants of first, first + 1 ...; returns the next. */
static u_int read_one(pfring *ring, u_int first, bool (*wanted)(u_int i))
{
	while (!wanted(first))
		first++;
	expect(ring, first, 1, NULL);
	return first + 1;
}

/*
 * What is queued is tested when its turn comes: so what lies behind the packet
 * that was read last is the next filter's, whatever the one between said.
 */
void of_two_new_filters_the_first_takes_nothing_from_the_second(void)
{
	struct pfring_pkthdr h;
	u_char *data;
	pfring *ring;
	u_int at = 0;

	prepare(N);
	ring = opened(0, 0);
	feed(0, N);
	for (; at < 10; at++) {
		CHECK(pfring_recv(ring, &data, 0, &h, 1) == 1, "frame %u did not come", at);
		is_frame(data, h.caplen, h.len, at, 0);
	}
	for (u_int round = 0; round < 10; round++) {
		CHECK(pfring_set_bpf_filter(ring, "udp") == 0, "the filter is refused");
		at = read_one(ring, at, is_udp);
		CHECK(pfring_set_bpf_filter(ring, "vlan 5") == 0, "the filter is refused");
		at = read_one(ring, at, is_tagged);
		CHECK(pfring_set_bpf_filter(ring, "tcp") == 0, "the filter is refused");
		at = read_one(ring, at, is_tcp);
	}
	CHECK(pfring_set_bpf_filter(ring, "udp") == 0, "the filter is refused");
	expect(ring, at, count_wanted(at, N - at, is_udp), is_udp);
	expect_nothing(ring);
	pfring_close(ring);
}

static pfring *turning;
static u_int turned_at, turns;

static void turn(const struct pfring_pkthdr *h, const u_char *data, const u_char *user)
{
	bool (*const wanted)(u_int) = turns & 1 ? is_tagged : is_udp;

	(void)user;
	while (turns && !wanted(turned_at))
		turned_at++;
	is_frame(data, h->caplen, h->len, turned_at++, 0);
	if (++turns == 50)
		pfring_breakloop(turning);
	CHECK(pfring_set_bpf_filter(turning, turns & 1 ? "vlan 5" : "udp") == 0,
	      "the filter is refused");
}

void a_callback_may_change_the_filter_of_what_is_queued(void)
{
	prepare(N);
	turning = opened(0, 0);
	feed(0, N);
	CHECK(pfring_loop(turning, turn, NULL, 1) == 0, "the loop failed");
	CHECK(turns == 50, "%u packets came", turns);
	pfring_close(turning);
}

void a_bad_filter_leaves_the_old_one(void)
{
	pfring *ring;
	int rc;

	prepare(N);
	ring = opened(0, 0);
	CHECK(pfring_set_bpf_filter(ring, "udp") == 0, "the filter is refused");
	rc = pfring_set_bpf_filter(ring, "udp or or");
	CHECK(rc == -EINVAL, "a bad filter gives %d", rc);
	CHECK(strstr(pfring_last_error(), "syntax error"), "libpcap's words are missing");
	feed(0, N);
	expect(ring, 0, count_wanted(0, N, is_udp), is_udp);
	expect_nothing(ring);
	pfring_close(ring);
}

void a_removed_filter_lets_everything_through(void)
{
	pfring *ring;

	prepare(N);
	ring = opened(0, 0);
	CHECK(pfring_set_bpf_filter(ring, "udp") == 0, "the filter is refused");
	feed(0, N / 2);
	expect(ring, 0, count_wanted(0, N / 2, is_udp) - 1, is_udp);
	expect(ring, N / 2 - 2, 1, is_udp);
	CHECK(pfring_remove_bpf_filter(ring) == 0, "the filter stays");
	feed(N / 2, N / 2);
	/* Odd N/2 - 1 was refused while the filter was there: a file may still have it. */
	if (!is_live())
		expect(ring, N / 2 - 1, 1, NULL);
	expect(ring, N / 2, N / 2, NULL);
	expect_nothing(ring);
	pfring_close(ring);
}

void bytecode_cuts_to_the_length_it_returns(void)
{
	static const struct sock_filter keep_64[] = {BPF_STMT(BPF_RET | BPF_K, 64)};
	struct pfring_pkthdr h;
	u_char *data;
	pfring *ring;

	prepare(N);
	ring = opened(0, 0);
	CHECK(pfring_set_bpf_program(ring, keep_64, 1) == 0, "the program is refused");
	feed(0, N);
	for (u_int i = 0; i < N; i++) {
		CHECK(pfring_recv(ring, &data, 0, &h, 1) == 1, "frame %u did not come", i);
		/* The kernel counts 64 bytes of the frame without its tag. */
		is_frame(data, h.caplen, h.len, i, is_live() && is_tagged(i) ? 68 : 64);
	}
	pfring_close(ring);
}

void bytecode_that_refuses_all_delivers_nothing(void)
{
	static const struct sock_filter none[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
	pfring *ring;

	prepare(N);
	ring = opened(0, 0);
	CHECK(pfring_set_bpf_program(ring, none, 1) == 0, "the program is refused");
	feed(0, N);
	expect_nothing(ring);
	pfring_close(ring);
}

void vlan_filters_see_the_tag(void)
{
	pfring *ring;

	prepare(N);
	ring = opened(0, 0);
	CHECK(pfring_set_bpf_filter(ring, "vlan 5 and arp") == 0, "the filter is refused");
	feed(0, N);
	expect(ring, 0, count_wanted(0, N, is_tagged), is_tagged);
	expect_nothing(ring);
	pfring_close(ring);
	ring = opened(0, 0);
	CHECK(pfring_set_bpf_filter(ring, "vlan 6") == 0, "the filter is refused");
	feed(0, N);
	expect_nothing(ring);
	pfring_close(ring);
}

void two_handles_filter_for_themselves(void)
{
	pfring *udp = opened(0, 0), *tcp = opened(0, 0);

	CHECK(pfring_set_bpf_filter(udp, "udp") == 0, "the filter is refused");
	CHECK(pfring_set_bpf_filter(tcp, "tcp") == 0, "the filter is refused");
	feed(0, N);
	expect(udp, 0, count_wanted(0, N, is_udp), is_udp);
	expect(tcp, 0, count_wanted(0, N, is_tcp), is_tcp);
	expect_nothing(udp);
	expect_nothing(tcp);
	pfring_close(udp);
	pfring_close(tcp);
}

static void send_here(u_int first, u_int n)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
				 .sll_ifindex = (int)if_nametoindex(CAPTURE)};
	u_char frame[FRAME_MAX];
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0, "no socket");
	for (u_int i = first; i < first + n; i++) {
		u_int len = frame_make(frame, i);

		CHECK(sendto(fd, frame, len, 0, (struct sockaddr *)&to, sizeof(to)) == (int)len,
		      "cannot send frame %u: %s", i, strerror(errno));
	}
	close(fd);
}

void direction_is_respected(void)
{
	pfring *in = opened(0, 0), *out = opened(0, 0), *both = opened(0, 0);

	CHECK(pfring_set_direction(in, rx_only_direction) == 0, "rx only is refused");
	CHECK(pfring_set_direction(out, tx_only_direction) == 0, "tx only is refused");
	feed(0, 100);
	send_here(100, 100);
	expect(in, 0, 100, NULL);
	expect(out, 100, 100, NULL);
	expect(both, 0, 200, NULL);
	expect_nothing(in);
	expect_nothing(out);
	CHECK(pfring_set_direction(in, rx_and_tx_direction) == 0, "both is refused");
	send_here(200, 10);
	expect(in, 200, 10, NULL);
	pfring_close(in);
	pfring_close(out);
	pfring_close(both);
}

void a_filter_set_while_disabled_holds_for_what_was_queued(void)
{
	pfring *ring = opened(0, 0);
	struct pfring_packet pkt;
	int last = 9, number;

	feed(0, 100);
	expect(ring, 0, 10, NULL);
	CHECK(pfring_disable_ring(ring) == 0, "cannot be disabled");
	CHECK(pfring_set_bpf_filter(ring, "udp") == 0, "the filter is refused");
	CHECK(pfring_enable_ring(ring) == 0, "cannot be enabled");
	feed(100, 100);
	/* Whether disabling forgets what is queued is the backend's choice. */
	do {
		CHECK(pfring_recv_batch(ring, &pkt, 1, PATIENCE) == 1, "none after %d", last);
		number = frame_number(pkt.data, pkt.caplen);
		CHECK(number > last, "frame %d after %d", number, last);
		CHECK(is_udp((u_int)number), "frame %d is not for this filter", number);
		is_frame(pkt.data, pkt.caplen, pkt.len, (u_int)number, 0);
		last = number;
	} while (number < 100);
	expect(ring, (u_int)last + 2, (198 - (u_int)last) / 2, is_udp);
	expect_nothing(ring);
	pfring_close(ring);
}
