// SPDX-License-Identifier: GPL-2.0-only
/*
 * filter_block.c - the wildcard rules of a ring, and which of them a packet may match.
 *
 * Rules lie in blocks of 64 with a map (pfr.h) that passes over those that
 * cannot match, so a packet pays for the rules it meets and not for those that
 * are there. Packets read blocks under RCU: a rule that comes behind all others
 * of a block is added in place, another one makes a block be replaced by one or
 * two new ones in one step. Everything else is ring->mutex's, and so is the
 * tree, in which an id finds its place.
 */
#include <linux/bitops.h>

#include "pfr.h"

#define REBUILDS 64 /* blocks that may wait to be freed */

static bool addr_fits(const struct pfr_wild *w, int end, int shift, u32 byte)
{
	return !(((byte << shift) ^ (u32)w->low[end]) & (u32)w->low_mask[end] & 0xffU << shift);
}

static bool proto_fits(const struct pfr_wild *w, u32 byte)
{
	return !((byte ^ w->value >> 32) & w->mask >> 32 & 0xff);
}

/* Few ports one by one; where there are many it is all or nearly all entries. */
static void ports_enter(u64 *entry, u64 bit, u16 port, u16 span)
{
	u32 i;

	for (i = 0; i <= min_t(u16, span, 255); i++)
		entry[span < 255 ? pfr_port_fold(port + i) : i] |= bit;
}

/* Tells the map what w asks for. A bidirectional rule is content with either end. */
static void map_enter(struct pfr_block_map *map, u8 at, const struct pfr_wild *w)
{
	u64 bit = BIT_ULL(at);
	u32 byte;
	int end, i;

	for (byte = 0; byte < 256; byte++) {
		if (proto_fits(w, byte))
			map->proto[byte] |= bit;
		for (end = 0; end < 2; end++) {
			int other = w->bidirectional ? !end : end;

			for (i = 0; i < 4; i++)
				if (addr_fits(w, end, 8 * i, byte) ||
				    addr_fits(w, other, 8 * i, byte))
					map->addr[end][i][byte] |= bit;
		}
	}
	for (end = 0; end < 2; end++) {
		ports_enter(map->port[end], bit, w->port[end], w->span[end]);
		if (w->bidirectional)
			ports_enter(map->port[end], bit, w->port[!end], w->span[!end]);
	}
}

static struct pfr_block *block_create(void)
{
	struct pfr_block *block = kvzalloc(sizeof(*block), GFP_KERNEL_ACCOUNT);

	if (block)
		INIT_LIST_HEAD(&block->node);
	return block;
}

/* At the next free place, at which no packet looks yet. */
static void block_append(struct pfr_block *block, struct pfr_wild *w)
{
	w->block = block;
	w->at = block->used++;
	map_enter(&block->map, w->at, w);
	block->rule[w->at] = w;
	smp_store_release(&block->live, block->live | BIT_ULL(w->at)); /* pairs with pfr.h */
}

/* Appends the rules between two places of another block; the map is moved in one go. */
static void block_take(struct pfr_block *block, const struct pfr_block *from, u8 first, u8 end)
{
	const u64 *old = (const u64 *)&from->map;
	u64 *new = (u64 *)&block->map;
	u64 bits;
	u32 i;

	if (first == end)
		return;
	bits = GENMASK_ULL(end - 1, first) & from->live;
	for (i = 0; i < sizeof(from->map) / sizeof(*old); i++)
		new[i] |= (old[i] & bits) >> first << block->used;
	block->live |= bits >> first << block->used;
	for (; first < end; first++, block->used++) {
		if (!(from->live & BIT_ULL(first)))
			continue;
		block->rule[block->used] = from->rule[first];
		block->rule[block->used]->block = block;
		block->rule[block->used]->at = block->used;
	}
}

static void block_free(struct pfr_rules *rules, struct pfr_block *block)
{
	kvfree_rcu(block, rcu);
	if (!(++rules->rebuilt % REBUILDS))
		synchronize_rcu_expedited();
}

/* Packets see either what was there or all of this. */
static void blocks_replace(struct pfr_block *old, struct pfr_block *low, struct pfr_block *high)
{
	struct list_head *before = old->node.prev, *behind = old->node.next;
	struct pfr_block *last = high ?: low;

	if (high) {
		low->node.next = &high->node;
		high->node.prev = &low->node;
	}
	low->node.prev = before;
	last->node.next = behind;
	behind->prev = &last->node;
	rcu_assign_pointer(list_next_rcu(before), &low->node);
}

/* Puts w at this place of a block, between others: into a copy, or two if it is full. */
static int block_rebuild(struct pfr_rules *rules, struct pfr_block *old, u8 at, struct pfr_wild *w)
{
	bool full = old->used == PFR_BLOCK;
	u8 cut = full ? PFR_BLOCK / 2 : old->used;
	struct pfr_block *low = block_create(), *high = full ? block_create() : NULL;

	if (!low || (full && !high)) {
		kvfree(low);
		kvfree(high);
		return -ENOMEM;
	}
	block_take(low, old, 0, min(at, cut));
	if (at <= cut) {
		block_append(low, w);
		block_take(low, old, at, cut);
		if (high)
			block_take(high, old, cut, old->used);
	} else {
		block_take(high, old, cut, at);
		block_append(high, w);
		block_take(high, old, at, old->used);
	}
	blocks_replace(old, low, high);
	block_free(rules, old);
	return 0;
}

/* Behind the rule pred, in front of all if there is none. */
static int block_insert(struct pfr_rules *rules, struct pfr_wild *pred, struct pfr_wild *w)
{
	struct list_head *behind = pred ? &pred->block->node : &rules->blocks;
	struct pfr_block *block = pred ? pred->block : NULL;
	u8 at = pred ? pred->at + 1 : 0;

	if (!pred && !list_empty(&rules->blocks))
		block = list_first_entry(&rules->blocks, struct pfr_block, node);
	if (block && at < block->used)
		return block_rebuild(rules, block, at, w);
	if (block && at < PFR_BLOCK) {
		block_append(block, w);
		return 0;
	}
	block = block_create();
	if (!block)
		return -ENOMEM;
	block_append(block, w);
	list_add_rcu(&block->node, behind);
	return 0;
}

struct pfr_wild *pfr_wild_find(struct pfr_rules *rules, u16 id)
{
	struct rb_node *at = rules->tree.rb_node;

	while (at) {
		struct pfr_wild *w = rb_entry(at, struct pfr_wild, tree);

		if (w->id == id)
			return w;
		at = id < w->id ? at->rb_left : at->rb_right;
	}
	return NULL;
}

int pfr_wild_insert(struct pfr_rules *rules, struct pfr_wild *w)
{
	struct rb_node **at = &rules->tree.rb_node, *parent = NULL;
	struct pfr_wild *pred = NULL;
	int err;

	while (*at) {
		struct pfr_wild *other = rb_entry(*at, struct pfr_wild, tree);

		if (other->id == w->id)
			return -EEXIST;
		parent = *at;
		if (w->id < other->id) {
			at = &parent->rb_left;
		} else {
			pred = other; /* the last turn to the right is the next lower id */
			at = &parent->rb_right;
		}
	}
	if (w->wants_inner)
		WRITE_ONCE(rules->inner, true);
	err = block_insert(rules, pred, w);
	if (err)
		return err;
	rb_link_node(&w->tree, parent, at);
	rb_insert_color(&w->tree, &rules->tree);
	rules->wild_count++;
	return 0;
}

static void wild_free_rcu(struct rcu_head *rcu)
{
	pfr_wild_free(container_of(rcu, struct pfr_wild, rcu));
}

void pfr_wild_remove(struct pfr_rules *rules, struct pfr_wild *w)
{
	struct pfr_block *block = w->block;

	WRITE_ONCE(block->live, block->live & ~BIT_ULL(w->at));
	if (!block->live) {
		list_del_rcu(&block->node);
		block_free(rules, block);
	}
	rb_erase(&w->tree, &rules->tree);
	rules->wild_count--;
	call_rcu(&w->rcu, wild_free_rcu);
}

void pfr_wild_purge(struct pfr_rules *rules, u32 seconds)
{
	struct rb_node *at = rb_first(&rules->tree);
	u64 now = get_jiffies_64();

	while (at) {
		struct pfr_wild *w = rb_entry(at, struct pfr_wild, tree);

		at = rb_next(at);
		if (pfr_rule_is_idle(&w->rule, now, seconds))
			pfr_wild_remove(rules, w);
		cond_resched();
	}
}

/* Behind all others, so that ids chosen one after the other are tried in this order. */
int pfr_wild_free_id(struct pfr_rules *rules, u32 *id)
{
	struct rb_node *last = rb_last(&rules->tree), *at;

	if (last)
		*id = rb_entry(last, struct pfr_wild, tree)->id + 1;
	if (*id < PFR_MAX_RULES)
		return 0;
	*id = 0;
	for (at = rb_first(&rules->tree); at; at = rb_next(at)) {
		if (rb_entry(at, struct pfr_wild, tree)->id != *id)
			break;
		++*id;
	}
	return *id < PFR_MAX_RULES ? 0 : -ENOSPC;
}

/* No packet meets them. */
void pfr_wilds_free(struct pfr_rules *rules)
{
	struct pfr_block *block, *next_block;
	struct pfr_wild *w, *next;

	rbtree_postorder_for_each_entry_safe(w, next, &rules->tree, tree)
		pfr_wild_free(w);
	list_for_each_entry_safe(block, next_block, &rules->blocks, node)
		kvfree(block);
}
