/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lanes over a pool of segments: each lane finds its own, one may have all,
 * two producers share it with a reader, and one that writes nonsense (run
 * under ASan too). The producer here does what the eBPF program does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sched.h>

#include "lane.h"

#ifdef __SANITIZE_THREAD__
#define SCALE 10 /* ThreadSanitizer takes its time */
#else
#define SCALE 1
#endif

#define LANES 3u
#define EACH (150000u / SCALE) /* packets of one producer */
#define SEGMENT 4096u
#define EACH_GROUP 8u

struct pooled {
	u_char *mem, *segment[EACH_GROUP]; /* each its own allocation, for ASan */
	const u_char *place[EACH_GROUP];
	struct pfri_lane lane[LANES];
	struct pfri_lanes ls;
	_Atomic int stop;
	struct {
		u_int64_t prod;
		u_int at; /* segment in use */
		u_int left;
	} w[LANES];
};

static void pooled_make(struct pooled *g, u_int n)
{
	const struct pfri_pool pool = {
		.place = g->place, .segment = SEGMENT, .groups = 1, .each = EACH_GROUP};

	memset(g, 0, sizeof(*g));
	g->mem = aligned_alloc(4096, (size_t)n * PFR_LANE_DATA);
	assert_non_null(g->mem);
	memset(g->mem, 0, (size_t)n * PFR_LANE_DATA);
	for (u_int i = 0; i < EACH_GROUP; i++) {
		/* Behind a record's start may be as much as a hostile producer says there is. */
		g->segment[i] = aligned_alloc(4096, SEGMENT);
		assert_non_null(g->segment[i]);
		memset(g->segment[i], 0, SEGMENT);
		g->place[i] = g->segment[i];
	}
	pfri_lanes_init_pool(g->mem, &pool, n);
	g->ls = (struct pfri_lanes){.lane = g->lane, .n = n, .hash_mask = ~0u};
	pfri_lanes_attach_pool(&g->ls, g->mem, &pool);
}

static void pooled_free(struct pooled *g)
{
	for (u_int i = 0; i < EACH_GROUP; i++)
		free(g->segment[i]);
	free(g->mem);
}

static __u64 *free_segments(struct pooled *g)
{
	return &((struct pfr_lane_cons *)(void *)(g->mem + 4096))->free;
}

/* Room for one record of size bytes in a segment of lane i; false: full. */
static bool pooled_room(struct pooled *g, u_int i, u_int64_t size)
{
	struct pfr_lane_prod *prod = (void *)(g->mem + i * PFR_LANE_DATA);
	const struct pfr_rec skip = {.flags = PFR_REC_SKIP};
	__u64 bit;

	if (size <= g->w[i].left)
		return true;
	do {
		bit = __atomic_load_n(free_segments(g), __ATOMIC_RELAXED);
		bit &= -bit;
		if (!bit)
			return false;
	} while (!(__atomic_fetch_and(free_segments(g), ~bit, __ATOMIC_ACQUIRE) & bit)); /* I */
	if (g->w[i].left)
		memcpy(g->segment[g->w[i].at] + SEGMENT - g->w[i].left, &skip, sizeof(skip));
	g->w[i].prod += g->w[i].left;
	g->w[i].at = PFR_SEGMENT_OF(bit);
	g->w[i].left = SEGMENT;
	__atomic_store_n(&prod->place[g->w[i].prod / SEGMENT % PFR_MAX_SEGMENTS], g->w[i].at,
			 __ATOMIC_RELAXED);
	__atomic_store_n(&prod->prod, g->w[i].prod, __ATOMIC_RELEASE); /* E */
	return true;
}

static bool pooled_put(struct pooled *g, u_int i, u_int64_t ts, u_int32_t caplen)
{
	struct pfr_lane_prod *prod = (void *)(g->mem + i * PFR_LANE_DATA);
	const struct pfr_rec rec = {.ts_ns = ts, .caplen = caplen, .len = caplen};
	u_int64_t size = PFR_REC_SIZE(caplen);
	u_char *at;

	if (!pooled_room(g, i, size))
		return false;
	at = g->segment[g->w[i].at] + SEGMENT - g->w[i].left;
	memcpy(at, &rec, sizeof(rec)); /* C */
	memset(at + sizeof(rec), (int)(ts & 0xff), caplen);
	g->w[i].left -= (u_int)size;
	g->w[i].prod += size;
	__atomic_store_n(&prod->prod, g->w[i].prod, __ATOMIC_RELEASE); /* E */
	return true;
}

static void test_lanes_take_turns_with_the_segments_of_a_pool(void **state)
{
	struct pfring_packet p[64];
	u_int64_t ts = 0, taken = 0;
	struct pooled g;
	u_int n;

	(void)state;
	pooled_make(&g, LANES);
	for (u_int round = 0; round < 2000; round++) {
		u_int lane = round / 7 % LANES, k = round % 5;

		while (k-- && pooled_put(&g, lane, ts, (u_int32_t)(ts * 7 % 1500)))
			ts++;
		n = pfri_lanes_recv(&g.ls, p, round % 3 ? 64 : 2, UINT64_MAX);
		for (u_int i = 0; i < n; i++, taken++) {
			assert_int_equal(p[i].ts_ns, taken);
			assert_int_equal(p[i].caplen, taken * 7 % 1500);
			if (p[i].caplen)
				assert_int_equal(p[i].data[p[i].caplen - 1], taken & 0xff);
		}
		pfri_lanes_release(&g.ls);
	}
	assert_true(taken > 3000);
	assert_int_equal(g.ls.corrupt, 0);
	/* Each lane holds the segment it is in, all others are free again. */
	while ((n = pfri_lanes_recv(&g.ls, p, 64, UINT64_MAX)))
		pfri_lanes_release(&g.ls);
	assert_true(__builtin_popcountll(*free_segments(&g)) >= (int)(EACH_GROUP - LANES));
	pooled_free(&g);
}

static void test_one_lane_may_have_the_whole_pool(void **state)
{
	struct pfring_packet p[512];
	struct pooled g;
	u_int n = 0;

	(void)state;
	pooled_make(&g, LANES);
	while (pooled_put(&g, 1, n, 60))
		n++;
	assert_int_equal(n, EACH_GROUP * (SEGMENT / 96));
	assert_false(pooled_put(&g, 0, 0, 60));
	assert_int_equal(pfri_lanes_queued(&g.ls), (u_int64_t)EACH_GROUP * SEGMENT - SEGMENT % 96);
	assert_int_equal(pfri_lanes_recv(&g.ls, p, 512, UINT64_MAX), n);
	/* What was handed out is not given to anybody. */
	assert_false(pooled_put(&g, 0, 0, 60));
	pfri_lanes_release(&g.ls);
	assert_true(pooled_put(&g, 0, 0, 60));
	assert_int_equal(g.ls.corrupt, 0);
	pooled_free(&g);
}

static void *fill_pool(void *arg)
{
	struct pooled *g = arg;

	for (u_int i = 0; i < EACH; i++)
		while (!pooled_put(g, 0, 2 * (u_int64_t)i, i % 1000))
			sched_yield();
	return NULL;
}

static void *fill_pool_too(void *arg)
{
	struct pooled *g = arg;

	for (u_int i = 0; i < EACH; i++)
		while (!pooled_put(g, 1, 2 * (u_int64_t)i + 1, i % 1000))
			sched_yield();
	return NULL;
}

static void test_two_producers_share_a_pool_with_a_reader(void **state)
{
	u_int64_t next[2] = {0, 1};
	struct pfring_packet p[64];
	struct pooled g;
	pthread_t t[2];

	(void)state;
	pooled_make(&g, 2);
	assert_int_equal(pthread_create(&t[0], NULL, fill_pool, &g), 0);
	assert_int_equal(pthread_create(&t[1], NULL, fill_pool_too, &g), 0);
	while (next[0] + next[1] < 4 * (u_int64_t)EACH + 1) {
		u_int n = pfri_lanes_recv(&g.ls, p, 64, UINT64_MAX);

		for (u_int i = 0; i < n; i++) {
			u_int lane = p[i].ts_ns & 1;

			assert_int_equal(p[i].ts_ns, next[lane]);
			assert_int_equal(p[i].caplen, next[lane] / 2 % 1000);
			if (p[i].caplen)
				assert_int_equal(p[i].data[0], next[lane] & 0xff);
			next[lane] += 2;
		}
		pfri_lanes_release(&g.ls);
		if (!n)
			sched_yield();
	}
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(g.ls.corrupt, 0);
	pooled_free(&g);
}

static u_int32_t noise(u_int64_t *s)
{
	*s ^= *s >> 12;
	*s ^= *s << 25;
	*s ^= *s >> 27;
	return (u_int32_t)(*s >> 16);
}

__attribute__((no_sanitize("thread"))) static u_int touch(const struct pfring_packet *p)
{
	u_int sum = 0;

	for (u_int i = 0; i < p->caplen; i++)
		sum += p->data[i];
	return sum;
}

/* What a hostile producer can do: positions, places and records change at any time. */
__attribute__((no_sanitize("thread"))) static void nonsense(struct pooled *g, u_int64_t *seed)
{
	u_char *mem = g->mem + noise(seed) % 2 * PFR_LANE_DATA;
	struct pfr_lane_prod *prod = (void *)mem;
	volatile u_int8_t *place = &prod->place[noise(seed) % PFR_MAX_SEGMENTS];
	volatile __u64 *pos = &prod->prod;
	volatile struct pfr_rec *rec =
		(void *)(g->segment[noise(seed) % EACH_GROUP] + noise(seed) % SEGMENT / 32 * 32);

	*place = (u_int8_t)noise(seed);
	if (noise(seed) % 4 == 0)
		*pos = noise(seed) % 16 ? *pos + noise(seed) % 64 * 32 : noise(seed);
	rec->caplen = noise(seed) % 8 ? noise(seed) % 1024 : noise(seed);
	rec->flags = (u_int8_t)noise(seed);
}

static void *write_nonsense_to_pool(void *arg)
{
	struct pooled *g = arg;
	u_int64_t seed = 815;

	while (!atomic_load(&g->stop))
		nonsense(g, &seed);
	return NULL;
}

static void test_a_hostile_producer_of_a_pool_gives_at_worst_wrong_packets(void **state)
{
	u_int64_t packets = 0, sum = 0, seed = 42;
	struct pfring_packet p[64];
	struct pooled g;
	pthread_t t;

	(void)state;
	pooled_make(&g, 2);
	assert_int_equal(pthread_create(&t, NULL, write_nonsense_to_pool, &g), 0);
	for (u_int round = 0;
	     round < 20000 / SCALE || g.ls.corrupt < 100 || packets < 10000 / SCALE; round++) {
		u_int n;

		/* Some of it between the reads: the other thread may hardly ever run beside us. */
		for (int i = 0; i < 8; i++)
			nonsense(&g, &seed);
		n = pfri_lanes_recv(&g.ls, p, 64, UINT64_MAX);
		for (u_int i = 0; i < n; i++) {
			assert_true(p[i].len >= p[i].caplen);
			/* ASan sees a byte outside of the segment. */
			sum += touch(&p[i]);
		}
		packets += n;
		pfri_lanes_release(&g.ls);
	}
	atomic_store(&g.stop, 1);
	pthread_join(t, NULL);
	assert_true(sum > 0);
	pooled_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lanes_take_turns_with_the_segments_of_a_pool),
		cmocka_unit_test(test_one_lane_may_have_the_whole_pool),
		cmocka_unit_test(test_two_producers_share_a_pool_with_a_reader),
		cmocka_unit_test(test_a_hostile_producer_of_a_pool_gives_at_worst_wrong_packets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
