/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The protocol of a lane, explored wholly: every interleaving of one producer
 * and one consumer, with stores that leave the producer's (and the consumer's)
 * store buffer at any later time. The steps are those of <linux/pf_ring_lane.h>
 * and carry its letters.
 *
 * The model: a ring of two slots, PACKETS packets. A processor's store goes
 * to its buffer and from there to memory at any time; plain stores overtake
 * each other (weak ordering), a release store leaves only when all older ones
 * have left, and a full barrier waits until the buffer is empty. A processor
 * sees its own stores. The consumer may load a record's data early, when it
 * has not yet looked at the position (a load before D), where the model is
 * told to leave out the acquire.
 *
 * With a pool, a slot stands for a segment: the producer takes a free one by an
 * atomic operation (which waits until its buffer is empty, and acts on memory),
 * the consumer finds the record where the producer's table says and frees it.
 *
 * What is proven for the protocol: no packet is read wrong, lost or twice,
 * the books balance, and the consumer never sleeps for ever beside a packet;
 * with a producer that has no barrier between E and F the same, thanks to the
 * short first sleep. And the model can fail: each barrier left out is found.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SLOTS 3
#define PACKETS 5
#define BUFFER 5

enum variable {
	PROD,
	CONS,
	NEED,
	DATA0,
	PLACE0 = DATA0 + MAX_SLOTS,
	FREE = PLACE0 + MAX_SLOTS, /* a bit per slot */
	VARIABLES
};

/* What the explored protocol leaves out. */
struct protocol {
	bool pool;		  /* three slots found through the table; else two in a row */
	bool greedy;		  /* takes a slot that is not free */
	bool j_early;		  /* frees the slot before the record is read */
	bool e_plain;		  /* prod is stored without release */
	bool b_plain;		  /* cons is stored before the record is read */
	bool d_plain;		  /* records are loaded before prod */
	bool no_producer_barrier; /* nothing between E and F */
	bool no_consumer_barrier; /* no H */
	bool no_short_sleep;	  /* the first sleep has no end */
	bool blind_producer;	  /* A: room is taken for granted */
};

struct store {
	uint8_t variable, value, release;
};

struct cpu {
	uint8_t pc, n;
	struct store buffer[BUFFER];
};

struct state {
	uint8_t memory[VARIABLES];
	struct cpu p, c;
	/* producer */
	uint8_t packet, prod, cons_seen, drops, woken, place;
	/* consumer */
	uint8_t cons, prod_seen, taken, last, sleep, early, naps;
	uint8_t notified; /* a wake-up is pending: the ring buffer's descriptor is readable */
};

enum { WRONG_DATA = 1, SLEEPS_FOR_EVER, BOOKS };

static struct state *seen;
static size_t seen_size, seen_count;
static struct protocol now;
static int wrong, looked_for; /* one mistake of the kind that is looked for is enough */

static uint8_t load(const struct state *s, const struct cpu *cpu, enum variable v)
{
	for (int i = cpu->n - 1; i >= 0; i--)
		if (cpu->buffer[i].variable == v)
			return cpu->buffer[i].value;
	return s->memory[v];
}

static void store(struct cpu *cpu, enum variable v, uint8_t value, bool release)
{
	cpu->buffer[cpu->n++] = (struct store){(uint8_t)v, value, release};
}

static uint8_t slots(void)
{
	return now.pool ? 3 : 2;
}

/* Where the consumer looks for the record at its position. */
static uint8_t look_up(const struct state *s)
{
	uint8_t slot = s->cons % slots();

	return load(s, &s->c, DATA0 + (now.pool ? load(s, &s->c, PLACE0 + slot) : slot));
}

/* One step of the producer. Returns false if it cannot go on now. */
static bool step_producer(struct state *s)
{
	struct cpu *p = &s->p;

	switch (p->pc) {
	case 0: /* A: is there room? */
		if (s->packet == PACKETS)
			return false;
		if (now.pool) {
			p->pc = 5;
			return true;
		}
		s->cons_seen = load(s, p, CONS);
		if (!now.blind_producer && s->prod - s->cons_seen >= slots()) {
			s->drops++;
			s->packet++;
			return true;
		}
		p->pc = 1;
		return true;
	case 5: /* I: a free slot, and the table */
		if (p->n)
			return false;
		if (!s->memory[FREE] && !now.greedy) {
			s->drops++;
			s->packet++;
			p->pc = 0;
			return true;
		}
		s->place = s->memory[FREE] ? (uint8_t)__builtin_ctz(s->memory[FREE]) : 0;
		s->memory[FREE] &= (uint8_t) ~(1 << s->place);
		store(p, PLACE0 + s->prod % slots(), s->place, false);
		p->pc = 1;
		return true;
	case 1: /* C: the record */
		if (p->n == BUFFER)
			return false;
		store(p, DATA0 + (now.pool ? s->place : s->prod % slots()),
		      (uint8_t)(s->packet + 1), false);
		s->place = 0; /* no longer needed: fewer states to tell apart */
		p->pc = 2;
		return true;
	case 2: /* E: the position */
		if (p->n == BUFFER)
			return false;
		s->prod++;
		s->packet++;
		store(p, PROD, s->prod, !now.e_plain);
		p->pc = now.no_producer_barrier ? 4 : 3;
		return true;
	case 3: /* the full barrier */
		if (p->n)
			return false;
		p->pc = 4;
		return true;
	default: { /* F: does the reader sleep? */
		uint8_t need = load(s, p, NEED);

		if (need && need != s->woken) {
			s->woken = need;
			s->notified = 1;
		}
		p->pc = 0;
		return true;
	}
	}
}

static void read_record(struct state *s, uint8_t value)
{
	/* Packets are numbered; a number may be missing (dropped), never repeat or be garbage. */
	if (value <= s->last || value > PACKETS)
		wrong |= 1 << WRONG_DATA;
	s->last = value;
	s->taken++;
}

/* The slot at the consumer's position is nobody's. */
static void free_slot(struct state *s)
{
	s->memory[FREE] |= (uint8_t)(1 << load(s, &s->c, PLACE0 + s->cons % slots()));
}

static bool step_consumer(struct state *s)
{
	struct cpu *c = &s->c;

	switch (c->pc) {
	case 0: /* a load that the processor moved up before D */
		if (now.d_plain)
			s->early = look_up(s);
		c->pc = 1;
		return true;
	case 1: /* D */
		s->prod_seen = load(s, c, PROD);
		c->pc = s->prod_seen == s->cons ? 4 : 2;
		if (now.b_plain && c->pc == 2) {
			if (c->n == BUFFER)
				return false;
			store(c, CONS, (uint8_t)(s->cons + 1), true);
		}
		return true;
	case 2:
		if (now.pool && now.j_early)
			free_slot(s);
		c->pc = 8;
		return true;
	case 8:
		read_record(s, now.d_plain ? s->early : look_up(s));
		c->pc = now.pool && !now.j_early ? 10 : 3;
		if (c->pc == 3)
			s->cons++;
		return true;
	case 10: /* J: an atomic operation too */
		if (c->n)
			return false;
		free_slot(s);
		s->cons++;
		c->pc = 3;
		return true;
	case 3: /* B */
		if (c->n == BUFFER)
			return false;
		if (!now.b_plain)
			store(c, CONS, s->cons, true);
		c->pc = 0;
		return true;
	case 4: /* G: announce the sleep */
		if (c->n == BUFFER)
			return false;
		if (s->sleep == (now.pool ? 1 : 3)) { /* enough sleeps to see everything */
			c->pc = 9;
			return true;
		}
		s->sleep++;
		s->naps = 0;
		store(c, NEED, s->sleep, true);
		c->pc = now.no_consumer_barrier ? 6 : 5;
		return true;
	case 5: /* H */
		if (c->n)
			return false;
		c->pc = 6;
		return true;
	case 6: /* look once more */
		s->prod_seen = load(s, c, PROD);
		c->pc = s->prod_seen != s->cons ? 0 : 7;
		return true;
	case 7: /* asleep */
		if (s->notified) {
			s->notified = 0;
			c->pc = 0;
			return true;
		}
		/* The first sleep is short, but far longer than any store stays in its buffer. */
		if (!now.no_short_sleep && !s->naps && !c->n && !s->p.n) {
			s->naps = 1;
			c->pc = 6;
			return true;
		}
		return false;
	default:
		return false;
	}
}

/* Lets store i of a cpu reach memory, if its kind allows that now. */
static bool drain(struct state *s, struct cpu *cpu, int i)
{
	const struct store st = cpu->buffer[i];

	if (st.release && i)
		return false;
	for (int j = 0; j < i; j++) /* one variable's stores keep their order */
		if (cpu->buffer[j].variable == st.variable)
			return false;
	s->memory[st.variable] = st.value;
	memmove(&cpu->buffer[i], &cpu->buffer[i + 1], (size_t)(cpu->n - i - 1) * sizeof(st));
	cpu->n--;
	memset(&cpu->buffer[cpu->n], 0, sizeof(st));
	return true;
}

static bool is_new(const struct state *s)
{
	const uint8_t *b = (const uint8_t *)s;
	uint64_t h = 1469598103934665603u;
	size_t at;

	for (size_t i = 0; i < sizeof(*s); i++)
		h = (h ^ b[i]) * 1099511628211u;
	for (at = h % seen_size; seen[at].memory[NEED] != 0xff; at = (at + 1) % seen_size)
		if (!memcmp(&seen[at], s, sizeof(*s)))
			return false;
	seen[at] = *s;
	assert_true(++seen_count < seen_size * 3 / 4);
	return true;
}

/* Nothing can happen any more: what is left behind? */
static void judge_end(const struct state *s)
{
	if (s->c.pc == 7 && s->memory[PROD] != s->cons)
		wrong |= 1 << SLEEPS_FOR_EVER;
	if (s->c.pc == 7 && s->taken + s->drops != PACKETS)
		wrong |= 1 << BOOKS;
}

static void explore(const struct state *s)
{
	bool any = false;

	if ((wrong & looked_for) || !is_new(s))
		return;
	for (int who = 0; who < 2; who++) {
		struct state next = *s;

		if (who ? step_consumer(&next) : step_producer(&next)) {
			any = true;
			explore(&next);
		}
		for (int i = 0; i < (who ? s->c.n : s->p.n); i++) {
			next = *s;
			if (drain(&next, who ? &next.c : &next.p, i)) {
				any = true;
				explore(&next);
			}
		}
	}
	if (!any)
		judge_end(s);
}

/* Explores the protocol, wholly or until that is found; returns what can go wrong. */
static int all_of(struct protocol p, int until)
{
	struct state start = {.memory = {[FREE] = 7}};

	now = p;
	wrong = 0;
	looked_for = until;
	seen_size = 1u << 20;
	seen = malloc(seen_size * sizeof(*seen));
	assert_non_null(seen);
	memset(seen, 0xff, seen_size * sizeof(*seen));
	seen_count = 0;
	explore(&start);
	free(seen);
	assert_true(until || seen_count > 1000);
	return wrong;
}

static bool finds(struct protocol p, int mistake)
{
	return all_of(p, 1 << mistake) & 1 << mistake;
}

static void test_the_protocol_holds_in_every_interleaving(void **state)
{
	(void)state;
	assert_int_equal(all_of((struct protocol){0}, 0), 0);
	/* With the full barrier the short first sleep is not even needed. */
	assert_int_equal(all_of((struct protocol){.no_short_sleep = true}, 0), 0);
}

static void test_it_holds_for_a_producer_without_a_full_barrier(void **state)
{
	(void)state;
	assert_int_equal(all_of((struct protocol){.no_producer_barrier = true}, 0), 0);
}

static void test_it_holds_with_a_pool_of_segments(void **state)
{
	(void)state;
	assert_int_equal(all_of((struct protocol){.pool = true, .no_producer_barrier = true}, 0),
			 0);
	assert_true(finds((struct protocol){.pool = true, .e_plain = true}, WRONG_DATA));
	assert_true(finds((struct protocol){.pool = true, .d_plain = true}, WRONG_DATA));
	assert_true(finds((struct protocol){.pool = true, .greedy = true}, WRONG_DATA));
	assert_true(finds((struct protocol){.pool = true, .j_early = true}, WRONG_DATA));
}

static void test_each_barrier_is_needed(void **state)
{
	(void)state;
	assert_true(finds((struct protocol){.e_plain = true}, WRONG_DATA));
	assert_true(finds((struct protocol){.b_plain = true}, WRONG_DATA));
	assert_true(finds((struct protocol){.d_plain = true}, WRONG_DATA));
	assert_true(finds((struct protocol){.blind_producer = true}, WRONG_DATA));
	assert_true(finds((struct protocol){.no_consumer_barrier = true, .no_short_sleep = true},
			  SLEEPS_FOR_EVER));
	assert_true(finds((struct protocol){.no_producer_barrier = true, .no_short_sleep = true},
			  SLEEPS_FOR_EVER));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_protocol_holds_in_every_interleaving),
		cmocka_unit_test(test_it_holds_for_a_producer_without_a_full_barrier),
		cmocka_unit_test(test_it_holds_with_a_pool_of_segments),
		cmocka_unit_test(test_each_barrier_is_needed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
