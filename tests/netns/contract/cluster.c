/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cluster.c - the contract's cases on clusters: members share the packets of a
 * device, each goes to one of them, and flows stay together.
 *
 * A backend without clusters refuses with -EOPNOTSUPP; which those are is in
 * docs/backends.md.
 */
#include "contract.h"

#define N 2000
#define GROUP 77

/* Frames of one flow have the same ports and protocol. What is not IP has no flow. */
static u_int flow_of(u_int i)
{
	return i % 4 * 2 + is_udp(i);
}

static bool has_clusters(pfring *ring)
{
	int rc = pfring_set_cluster(ring, GROUP, cluster_per_flow);

	if (rc == -EOPNOTSUPP) {
		CHECK(!strcmp(backend, "pcap"), "%s is said to have clusters", backend);
		return false;
	}
	CHECK(rc == 0, "joining gives %d", rc);
	return true;
}

void a_cluster_gives_each_packet_to_one_member(void)
{
	static u_int times[N];
	int owner[8];
	pfring *ring[2];
	u_int came = 0;

	memset(owner, -1, sizeof(owner));
	for (int m = 0; m < 2; m++) {
		ring[m] = not_enabled();
		CHECK(ring[m], "%s does not open", source());
		if (!has_clusters(ring[m])) {
			pfring_close(ring[m]);
			return;
		}
	}
	for (int m = 0; m < 2; m++)
		CHECK(pfring_enable_ring(ring[m]) == 0, "cannot be enabled");
	feed(0, N);
	for (int m = 0, quiet = 0; quiet < (came == N ? 3 : PATIENCE / QUIET); m = !m) {
		struct pfring_packet pkt[64];
		/* Who is empty is waited for when the other one is, too. */
		int rc = pfring_recv_batch(ring[m], pkt, 64, quiet ? QUIET : 0);

		CHECK(rc >= 0, "recv_batch gives %d", rc);
		quiet = rc ? 0 : quiet + 1;
		for (int i = 0; i < rc; i++, came++) {
			u_int number = (u_int)frame_number(pkt[i].data, pkt[i].caplen), flow;

			CHECK(number < N, "frame %u", number);
			is_frame(pkt[i].data, pkt[i].caplen, pkt[i].len, number, 0);
			times[number]++;
			if (is_tagged(number))
				continue;
			flow = flow_of(number);
			CHECK(owner[flow] < 0 || owner[flow] == m, "frame %u: its flow is torn",
			      number);
			owner[flow] = m;
		}
	}
	for (u_int i = 0; i < N; i++)
		CHECK(times[i] == 1, "frame %u came %u times", i, times[i]);
	pfring_close(ring[0]);
	pfring_close(ring[1]);
}

void who_leaves_a_cluster_sees_everything_again(void)
{
	pfring *one = not_enabled(), *two = not_enabled();

	CHECK(one && two, "%s does not open", source());
	CHECK(pfring_remove_from_cluster(one) < 0, "it leaves though it never joined");
	if (!has_clusters(one) || !has_clusters(two)) {
		pfring_close(one);
		pfring_close(two);
		return;
	}
	CHECK(pfring_enable_ring(one) == 0 && pfring_enable_ring(two) == 0, "not enabled");
	CHECK(pfring_remove_from_cluster(one) == 0, "it cannot leave");
	feed(0, N);
	expect(one, 0, N, NULL);
	expect(two, 0, N, NULL);
	expect_nothing(one);
	expect_nothing(two);
	pfring_close(one);
	pfring_close(two);
}

void who_leaves_a_cluster_still_reads_what_was_queued(void)
{
	pfring *ring = not_enabled();

	CHECK(ring, "%s does not open", source());
	if (!has_clusters(ring)) {
		pfring_close(ring);
		return;
	}
	CHECK(pfring_enable_ring(ring) == 0, "not enabled");
	feed(0, N);
	expect(ring, 0, N / 2, NULL);
	CHECK(pfring_remove_from_cluster(ring) == 0, "it cannot leave");
	feed(N, N);
	expect(ring, N / 2, N / 2 + N, NULL);
	expect_nothing(ring);
	pfring_close(ring);
}
