/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lanes: order, wrapping, books, turning back, wake-ups; then a producer that
 * runs at the same time, and one that writes nonsense (run under ASan too).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <linux/if_packet.h>

#include "lane.h"
#include "lane_write.h"

#ifdef __SANITIZE_THREAD__
#define SCALE 10 /* ThreadSanitizer takes its time */
#else
#define SCALE 1
#endif

#define DATA 65536u
#define LANES 3u
#define EACH (150000u / SCALE) /* packets of one producer */

struct rig {
	u_char *mem[LANES];
	struct pfri_lane lane[LANES];
	struct pfri_lane_writer w[LANES];
	struct pfri_lanes ls;
};

static void rig_make(struct rig *g, u_int n)
{
	memset(g, 0, sizeof(*g));
	g->ls = (struct pfri_lanes){.lane = g->lane, .n = n, .hash_mask = ~0u};
	for (u_int i = 0; i < n; i++) {
		/* Its own allocation each, so that ASan sees one byte too far. */
		g->mem[i] = aligned_alloc(4096, pfri_lane_bytes(DATA));
		assert_non_null(g->mem[i]);
		memset(g->mem[i], 0, pfri_lane_bytes(DATA));
		pfri_lane_init(g->mem[i], DATA, i, n);
		assert_int_equal(pfri_lane_attach(&g->lane[i], g->mem[i], pfri_lane_bytes(DATA)),
				 0);
		assert_int_equal(
			pfri_lane_writer_attach(&g->w[i], g->mem[i], pfri_lane_bytes(DATA)), 0);
	}
}

static void rig_free(struct rig *g)
{
	for (u_int i = 0; i < g->ls.n; i++)
		free(g->mem[i]);
}

static bool put(struct rig *g, u_int lane, u_int64_t ts, u_int32_t caplen)
{
	struct pfr_rec rec = {.ts_ns = ts,
			      .caplen = caplen,
			      .len = caplen + 1,
			      .ifindex = 7,
			      .hash = (u_int32_t)ts};
	static u_char bytes[MAX_CAPLEN];

	memset(bytes, (int)(ts & 0xff), caplen);
	bool ok = pfri_lane_put(&g->w[lane], &rec, bytes);

	pfri_lane_publish(&g->w[lane]);
	return ok;
}

static u_int recv_all(struct rig *g, struct pfring_packet *p, u_int max)
{
	return pfri_lanes_recv(&g->ls, p, max, UINT64_MAX);
}

static void test_packets_come_in_the_order_of_their_time(void **state)
{
	static const u_int64_t ts[LANES][4] = {{10, 40, 41, 90}, {20, 21, 22, 95}, {5, 30, 60, 61}};
	struct pfring_packet p[16];
	struct rig g;

	(void)state;
	rig_make(&g, LANES);
	for (u_int i = 0; i < 4; i++)
		for (u_int l = 0; l < LANES; l++)
			assert_true(put(&g, l, ts[l][i], 60));
	assert_int_equal(recv_all(&g, p, 16), 12);
	for (u_int i = 1; i < 12; i++)
		assert_true(p[i - 1].ts_ns < p[i].ts_ns);
	for (u_int i = 0; i < 12; i++) {
		assert_int_equal(p[i].caplen, 60);
		assert_int_equal(p[i].len, 61);
		assert_int_equal(p[i].if_index, 7);
		assert_int_equal(p[i].data[59], p[i].ts_ns & 0xff);
	}
	rig_free(&g);
}

static void test_packets_younger_than_the_horizon_wait(void **state)
{
	struct pfring_packet p[4];
	struct rig g;

	(void)state;
	rig_make(&g, 2);
	put(&g, 0, 100, 60);
	put(&g, 0, 300, 60);
	assert_int_equal(pfri_lanes_recv(&g.ls, p, 4, 200), 1);
	put(&g, 1, 250, 60);
	assert_int_equal(pfri_lanes_recv(&g.ls, p, 4, 400), 2);
	assert_int_equal(p[0].ts_ns, 250);
	/* A clock that was set back holds nothing up. */
	put(&g, 0, 5000000000u, 60);
	assert_int_equal(pfri_lanes_recv(&g.ls, p, 4, 1000), 1);
	rig_free(&g);
}

static void test_ring_full_drops_newest_and_counts(void **state)
{
	u_int64_t accepted, drops, wakeups;
	struct pfring_packet p[DATA / 96 + 1];
	u_int n = 0, lost = 0;
	struct rig g;

	(void)state;
	rig_make(&g, 1);
	for (u_int i = 0; i < 2000; i++)
		if (put(&g, 0, i, 60))
			n++;
		else
			lost++;
	assert_int_equal(n, DATA / 96);
	assert_int_equal(recv_all(&g, p, n + 1), n);
	assert_int_equal(p[n - 1].ts_ns, n - 1); /* the oldest are kept */
	assert_false(put(&g, 0, 3000, 60));	 /* handed out is not yet given back */
	lost++;
	pfri_lanes_release(&g.ls);
	assert_true(put(&g, 0, 3001, 60));
	n++;
	pfri_lanes_books(&g.ls, &accepted, &drops, &wakeups);
	assert_int_equal(accepted, n);
	assert_int_equal(drops, lost);
	rig_free(&g);
}

static void test_records_are_never_split(void **state)
{
	struct pfring_packet p;
	struct rig g;
	u_int64_t ts = 0;

	(void)state;
	rig_make(&g, 1);
	/* Many laps with sizes that hit the end in every way. */
	for (u_int caplen = 1; caplen < 40000; caplen += 7, ts++) {
		assert_true(put(&g, 0, ts, caplen));
		assert_int_equal(recv_all(&g, &p, 1), 1);
		assert_int_equal(p.caplen, caplen);
		assert_int_equal(p.data[0], ts & 0xff);
		assert_int_equal(p.data[caplen - 1], ts & 0xff);
		pfri_lanes_release(&g.ls);
	}
	rig_free(&g);
}

static void test_a_skip_record_leads_to_the_front(void **state)
{
	struct pfring_packet p[4];
	struct rig g;
	struct pfr_rec *skip;

	(void)state;
	rig_make(&g, 1);
	put(&g, 0, 1, 60);
	assert_int_equal(recv_all(&g, p, 4), 1);
	pfri_lanes_release(&g.ls);
	skip = (void *)(g.mem[0] + PFR_LANE_DATA + 96);
	memset(skip, 0, sizeof(*skip));
	skip->flags = PFR_REC_SKIP;
	g.w[0].pos = DATA;
	put(&g, 0, 2, 60);
	assert_int_equal(recv_all(&g, p, 4), 1);
	assert_int_equal(p[0].ts_ns, 2);
	assert_ptr_equal(p[0].data, g.mem[0] + PFR_LANE_DATA + 32);
	pfri_lanes_release(&g.ls);
	assert_int_equal(pfri_lanes_queued(&g.ls), 0);
	assert_int_equal(g.ls.corrupt, 0);
	rig_free(&g);
}

static void test_a_tag_lies_behind_the_addresses_whatever_was_in_the_array(void **state)
{
	struct pfr_rec rec = {.caplen = 64,
			      .len = 64,
			      .flags = PFR_REC_VLAN,
			      .vlan_tci = 5,
			      .vlan_tpid = 0x88a8,
			      .pkttype = PACKET_OUTGOING,
			      .queue = 3};
	const u_char bytes[64] = {0};
	struct pfring_packet p;
	struct rig g;

	(void)state;
	rig_make(&g, 1);
	assert_true(pfri_lane_put(&g.w[0], &rec, bytes));
	pfri_lane_publish(&g.w[0]);
	/* The caller's array holds what an earlier, cooked packet left there. */
	memset(&p, 0xff, sizeof(p));
	assert_int_equal(recv_all(&g, &p, 1), 1);
	assert_int_equal(p.vlan_at, 0);
	assert_int_equal(p.vlan_tci, 5);
	assert_int_equal(p.vlan_tpid, 0x88a8);
	assert_int_equal(p.flags, PKT_FLAGS_VLAN_HWACCEL);
	assert_int_equal(p.rx_direction, 0);
	assert_int_equal(p.queue, 3);
	pfri_lanes_release(&g.ls);
	rig_free(&g);
}

static void test_the_reader_is_woken_once_per_sleep_and_only_at_the_watermark(void **state)
{
	const struct pfr_rec rec = {.caplen = 60};
	const u_char bytes[60] = {0};
	struct pfring_packet p[8];
	struct rig g;

	(void)state;
	rig_make(&g, 1);
	assert_true(pfri_lanes_arm(&g.ls, 200));
	assert_true(pfri_lane_put(&g.w[0], &rec, bytes));
	assert_false(pfri_lane_publish(&g.w[0]));
	assert_true(pfri_lane_put(&g.w[0], &rec, bytes));
	assert_false(pfri_lane_publish(&g.w[0]));
	assert_true(pfri_lane_put(&g.w[0], &rec, bytes));
	assert_true(pfri_lane_publish(&g.w[0]));
	assert_true(pfri_lane_put(&g.w[0], &rec, bytes));
	assert_false(pfri_lane_publish(&g.w[0]));
	/* What is there already is no reason to sleep. */
	assert_false(pfri_lanes_arm(&g.ls, 200));
	assert_int_equal(recv_all(&g, p, 8), 4);
	pfri_lanes_release(&g.ls);
	assert_true(pfri_lanes_arm(&g.ls, 0));
	assert_true(pfri_lane_put(&g.w[0], &rec, bytes));
	assert_true(pfri_lane_publish(&g.w[0]));
	rig_free(&g);
}

static void test_a_reader_that_comes_back_goes_on(void **state)
{
	struct pfring_packet p[4];
	struct pfri_lane again;
	struct rig g;

	(void)state;
	rig_make(&g, 1);
	put(&g, 0, 1, 60);
	put(&g, 0, 2, 60);
	assert_int_equal(recv_all(&g, p, 1), 1);
	pfri_lanes_release(&g.ls);
	assert_int_equal(pfri_lane_attach(&again, g.mem[0], pfri_lane_bytes(DATA)), 0);
	g.lane[0] = again;
	assert_int_equal(recv_all(&g, p, 4), 1);
	assert_int_equal(p[0].ts_ns, 2);
	rig_free(&g);
}

static void test_memory_that_is_no_lane_is_refused(void **state)
{
	struct pfri_lane l;
	struct rig g;
	struct pfr_lane_prod *h;

	(void)state;
	rig_make(&g, 1);
	h = (void *)g.mem[0];
	assert_int_equal(pfri_lane_attach(&l, h, 100), -EBADMSG);
	assert_int_equal(pfri_lane_attach(&l, h, pfri_lane_bytes(DATA) - 1), -EBADMSG);
	h->data_size = DATA * 2;
	assert_int_equal(pfri_lane_attach(&l, h, pfri_lane_bytes(DATA)), -EBADMSG);
	h->data_size = DATA - 1;
	assert_int_equal(pfri_lane_attach(&l, h, pfri_lane_bytes(DATA)), -EBADMSG);
	h->data_size = (u_int64_t)1 << 63;
	assert_int_equal(pfri_lane_attach(&l, h, pfri_lane_bytes(DATA)), -EBADMSG);
	h->data_size = DATA;
	h->segment = DATA / 4; /* a pool's lane, but nobody told us of a pool */
	assert_int_equal(pfri_lane_attach(&l, h, pfri_lane_bytes(DATA)), -EBADMSG);
	h->segment = 0;
	h->abi++;
	assert_int_equal(pfri_lane_attach(&l, h, pfri_lane_bytes(DATA)), -EPROTO);
	rig_free(&g);
}

static void test_a_corrupt_record_costs_what_is_queued_and_no_more(void **state)
{
	struct pfring_packet p[8];
	struct pfr_rec *second;
	struct rig g;

	(void)state;
	rig_make(&g, 1);
	for (u_int i = 0; i < 4; i++)
		put(&g, 0, i, 60);
	second = (void *)(g.mem[0] + PFR_LANE_DATA + 96);
	second->caplen = 0xfffffff0u;
	assert_int_equal(recv_all(&g, p, 8), 1);
	assert_int_equal(g.ls.corrupt, 1);
	put(&g, 0, 9, 60);
	assert_int_equal(recv_all(&g, p, 8), 1);
	assert_int_equal(p[0].ts_ns, 9);
	/* A position that runs away, and one that goes back. */
	__atomic_store_n(&((struct pfr_lane_prod *)(void *)g.mem[0])->prod, (u_int64_t)1 << 40,
			 __ATOMIC_RELEASE);
	assert_int_equal(recv_all(&g, p, 8), 0);
	__atomic_store_n(&((struct pfr_lane_prod *)(void *)g.mem[0])->prod, 96, __ATOMIC_RELEASE);
	assert_int_equal(recv_all(&g, p, 8), 0);
	assert_int_equal(g.ls.corrupt, 3);
	rig_free(&g);
}

struct writer {
	struct rig *g;
	u_int lane, count, lost;
	_Atomic int stop;
};

static void *write_numbers(void *arg)
{
	struct writer *w = arg;

	for (u_int i = 0; i < w->count; i++) {
		struct pfr_rec rec = {.ts_ns = i, .caplen = 8 + i % 200, .hash = w->lane};
		u_char bytes[208];

		memset(bytes, (int)(i & 0xff), sizeof(bytes));
		if (!pfri_lane_put(&w->g->w[w->lane], &rec, bytes))
			w->lost++;
		pfri_lane_publish(&w->g->w[w->lane]);
	}
	return NULL;
}

static void test_two_producers_and_a_reader_at_the_same_time(void **state)
{
	struct writer w[2] = {{.lane = 0, .count = EACH}, {.lane = 1, .count = EACH}};
	u_int64_t accepted, drops, wakeups, got = 0, last[2] = {0, 0};
	struct pfring_packet p[64];
	pthread_t t[2];
	struct rig g;
	bool over = false;

	(void)state;
	rig_make(&g, 2);
	for (u_int i = 0; i < 2; i++) {
		w[i].g = &g;
		assert_int_equal(pthread_create(&t[i], NULL, write_numbers, &w[i]), 0);
	}
	for (u_int idle = 0; idle < 2;) {
		u_int n = recv_all(&g, p, 64);

		for (u_int i = 0; i < n; i++) {
			u_int l = p[i].hash;

			assert_true(l < 2);
			assert_true(p[i].ts_ns >= last[l]);
			last[l] = p[i].ts_ns + 1;
			assert_int_equal(p[i].caplen, 8 + p[i].ts_ns % 200);
			assert_int_equal(p[i].data[0], p[i].ts_ns & 0xff);
			assert_int_equal(p[i].data[p[i].caplen - 1], p[i].ts_ns & 0xff);
		}
		got += n;
		pfri_lanes_release(&g.ls);
		pfri_lanes_books(&g.ls, &accepted, &drops, &wakeups);
		if (!over && accepted + drops == 2 * EACH) {
			pthread_join(t[0], NULL);
			pthread_join(t[1], NULL);
			over = true;
		}
		idle = over && !n ? idle + 1 : 0;
		if (!n)
			sched_yield();
	}
	pfri_lanes_books(&g.ls, &accepted, &drops, &wakeups);
	assert_int_equal(got, accepted);
	assert_int_equal(drops, w[0].lost + w[1].lost);
	assert_int_equal(accepted + drops, 2 * EACH);
	assert_int_equal(g.ls.corrupt, 0);
	rig_free(&g);
}

static u_int32_t noise(u_int64_t *s)
{
	*s ^= *s >> 12;
	*s ^= *s << 25;
	*s ^= *s >> 27;
	return (u_int32_t)(*s >> 16);
}

/* What a hostile producer can do: anything at all, at any time, to the whole lane. */
__attribute__((no_sanitize("thread"))) static void nonsense(struct rig *g, u_int64_t *seed)
{
	u_char *mem = g->mem[noise(seed) % 2];
	volatile u_int32_t *any = (void *)(mem + (noise(seed) % (pfri_lane_bytes(DATA) / 4)) * 4);
	volatile u_int64_t *prod = (void *)(mem + offsetof(struct pfr_lane_prod, prod));
	volatile struct pfr_rec *rec = (void *)(mem + PFR_LANE_DATA + noise(seed) % DATA / 32 * 32);

	*any = noise(seed);
	if (noise(seed) % 4 == 0)
		*prod = noise(seed) % 16 ? *prod + noise(seed) % 512 * 32 : noise(seed);
	rec->caplen = noise(seed) % 8 ? noise(seed) % 2048 : noise(seed);
	rec->flags = (u_int8_t)noise(seed);
}

static void *write_nonsense(void *arg)
{
	struct writer *w = arg;
	u_int64_t seed = 4711;

	while (!atomic_load(&w->stop))
		nonsense(w->g, &seed);
	return NULL;
}

__attribute__((no_sanitize("thread"))) static u_int touch(const struct pfring_packet *p)
{
	u_int sum = 0;

	for (u_int i = 0; i < p->caplen; i++)
		sum += p->data[i];
	return sum;
}

static void test_a_hostile_producer_gives_at_worst_wrong_packets(void **state)
{
	struct writer w = {0};
	struct pfring_packet p[64];
	u_int64_t packets = 0, sum = 0, seed = 42;
	pthread_t t;
	struct rig g;

	(void)state;
	rig_make(&g, 2);
	w.g = &g;
	assert_int_equal(pthread_create(&t, NULL, write_nonsense, &w), 0);
	for (u_int round = 0;
	     round < 20000 / SCALE || g.ls.corrupt < 100 || packets < 10000 / SCALE; round++) {
		u_int n;

		/* Some of it between the reads: the other thread may hardly ever run beside us. */
		for (int i = 0; i < 8; i++)
			nonsense(&g, &seed);
		n = recv_all(&g, p, 64);
		for (u_int i = 0; i < n; i++) {
			size_t in0 = (size_t)(p[i].data - g.mem[0]),
			       in1 = (size_t)(p[i].data - g.mem[1]);
			size_t in = in0 < pfri_lane_bytes(DATA) ? in0 : in1;

			assert_true(in + p[i].caplen <= pfri_lane_bytes(DATA));
			assert_true(p[i].len >= p[i].caplen);
			if (i % 16 == 0)
				sum += touch(&p[i]);
		}
		packets += n;
		pfri_lanes_release(&g.ls);
	}
	atomic_store(&w.stop, 1);
	pthread_join(t, NULL);
	assert_true(sum > 0);
	rig_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packets_come_in_the_order_of_their_time),
		cmocka_unit_test(test_packets_younger_than_the_horizon_wait),
		cmocka_unit_test(test_ring_full_drops_newest_and_counts),
		cmocka_unit_test(test_records_are_never_split),
		cmocka_unit_test(test_a_skip_record_leads_to_the_front),
		cmocka_unit_test(test_a_tag_lies_behind_the_addresses_whatever_was_in_the_array),
		cmocka_unit_test(test_the_reader_is_woken_once_per_sleep_and_only_at_the_watermark),
		cmocka_unit_test(test_a_reader_that_comes_back_goes_on),
		cmocka_unit_test(test_memory_that_is_no_lane_is_refused),
		cmocka_unit_test(test_a_corrupt_record_costs_what_is_queued_and_no_more),
		cmocka_unit_test(test_two_producers_and_a_reader_at_the_same_time),
		cmocka_unit_test(test_a_hostile_producer_gives_at_worst_wrong_packets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
