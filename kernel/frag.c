// SPDX-License-Identifier: GPL-2.0-only
/*
 * frag.c - what later fragments of a datagram do not say: their ports.
 *
 * The first fragment leaves its ports here, the others find them, so that all go to the member of a
 * cluster that has the flow. One table per network namespace, direct mapped, an entry good for five
 * seconds; a collision or a fragment before its first costs coherence, never memory. Called on the
 * packet path; the spinlock is taken for fragments only.
 */
#include <linux/jhash.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/spinlock.h>
#include <net/ipv6.h>

#include "pfr.h"

#define FRAG_BITS 10
#define FRAG_LIFE (5 * HZ)

struct frag {
	struct pfr_tuple first;
	unsigned long seen;
};

struct pfr_frags {
	spinlock_t lock;
	u32 secret;
	struct frag slot[1 << FRAG_BITS];
};

struct pfr_frags *pfr_frags_create(void)
{
	struct pfr_frags *frags = kvzalloc(sizeof(*frags), GFP_KERNEL_ACCOUNT);

	if (frags) {
		spin_lock_init(&frags->lock);
		frags->secret = get_random_u32();
	}
	return frags;
}

void pfr_frags_destroy(struct pfr_frags *frags)
{
	kvfree(frags);
}

static struct frag *frag_slot(struct pfr_frags *frags, const struct pfr_tuple *t)
{
	u32 hash = jhash(&t->src, sizeof(t->src), frags->secret);

	hash = jhash(&t->dst, sizeof(t->dst), hash);
	return &frags->slot[jhash_1word(t->frag_id, hash) >> (32 - FRAG_BITS)];
}

void pfr_frags_learn(struct pfr_frags *frags, const struct pfr_tuple *t)
{
	struct frag *f = frag_slot(frags, t);

	spin_lock(&frags->lock);
	f->first = *t;
	f->seen = jiffies;
	spin_unlock(&frags->lock);
}

/* Fills in ports and, for IPv6, the protocol of the first fragment's header. */
void pfr_frags_find(struct pfr_frags *frags, struct pfr_tuple *t)
{
	struct frag *f = frag_slot(frags, t);
	const struct pfr_tuple *first = &f->first;

	spin_lock(&frags->lock);
	if (first->version == t->version && first->frag_id == t->frag_id &&
	    ipv6_addr_equal(&first->src, &t->src) && ipv6_addr_equal(&first->dst, &t->dst) &&
	    (t->version == 6 || first->proto == t->proto) &&
	    time_before(jiffies, f->seen + FRAG_LIFE))
		*t = *first;
	spin_unlock(&frags->lock);
}
