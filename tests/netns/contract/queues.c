/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * queues.c - the contract's cases on devices with several receive queues, over
 * a pair of devices with four each, both ends in this namespace.
 */
#include <linux/if_packet.h>

#include "contract.h"
#include "wire.h"

#define QUEUES 4
#define N 400

static void make_pair(void)
{
	CHECK(system("ip link add q0 numtxqueues 4 numrxqueues 4 type veth "
		     "peer name q1 numtxqueues 4 numrxqueues 4 && "
		     "sysctl -qw net.ipv6.conf.q0.disable_ipv6=1 "
		     "net.ipv6.conf.q1.disable_ipv6=1 && "
		     "ip link set q0 up && ip link set q1 up") == 0,
	      "cannot make the devices");
}

/* The kernel spreads the flows of the frames over the queues. */
static void send_all(void)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex("q0")};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	u_char frame[FRAME_MAX];

	wire_carrier(fd, "q0");
	for (u_int i = 0; i < N; i++) {
		u_int len = frame_make(frame, i);

		CHECK(sendto(fd, frame, len, 0, (struct sockaddr *)&to, sizeof(to)) == (int)len,
		      "cannot send frame %u: %s", i, strerror(errno));
	}
	close(fd);
}

/* Reads until nothing comes for a while; returns how many frames came. */
static u_int read_all(pfring *ring, u_int *times, int ms)
{
	struct pfring_packet pkt;
	u_int count = 0;

	while (pfring_recv_batch(ring, &pkt, 1, ms) == 1) {
		int number = frame_number(pkt.data, pkt.caplen);

		CHECK(number >= 0 && number < N, "frame %d", number);
		is_frame(pkt.data, pkt.caplen, pkt.len, (u_int)number, 0);
		times[number]++;
		count++;
	}
	return count;
}

void the_rings_of_all_queues_together_miss_nothing(void)
{
	pfring *ring[MAX_NUM_RX_CHANNELS];
	u_int times[N] = {0}, of[QUEUES] = {0}, came = 0, used = 0, n;
	char name[40];

	make_pair();
	snprintf(name, sizeof(name), "%s:q1", backend);
	n = pfring_open_multichannel(name, 0, 0, ring);
	if (!strcmp(backend, "pcap")) {
		/* libpcap's devices have no queues that could be named. */
		CHECK(n == 0, "%u rings", n);
		return;
	}
	CHECK(n == QUEUES, "%u rings, not %d", n, QUEUES);
	for (u_int q = 0; q < n; q++) {
		CHECK(pfring_get_num_rx_channels(ring[q]) == QUEUES, "the count differs");
		CHECK(pfring_enable_ring(ring[q]) == 0, "ring %u cannot be enabled", q);
	}
	send_all();
	for (u_int turn = 0; turn < PATIENCE && came < N; turn++)
		for (u_int q = 0; q < n; q++) {
			u_int count = read_all(ring[q], times, 1);

			of[q] += count;
			came += count;
		}
	for (u_int q = 0; q < n; q++) {
		expect_nothing(ring[q]);
		used += of[q] > 0;
	}
	CHECK(used > 1, "all came in one queue: the case tests nothing");
	for (u_int i = 0; i < N; i++)
		CHECK(times[i] == 1, "frame %u came %u times", i, times[i]);
	for (u_int q = 0; q < n; q++)
		pfring_close(ring[q]);
}

void a_queue_that_is_not_there_gives_nothing(void)
{
	u_int times[N] = {0};
	char name[40];
	pfring *ring;

	make_pair();
	snprintf(name, sizeof(name), "%s:q1@9", backend);
	ring = pfring_open(name, 0, 0);
	if (!strcmp(backend, "pcap")) {
		CHECK(!ring, "%s opens", name);
		return;
	}
	CHECK(ring && pfring_enable_ring(ring) == 0, "%s does not open", name);
	send_all();
	CHECK(read_all(ring, times, QUIET) == 0, "a frame came in queue 9 of four");
	pfring_close(ring);
}
