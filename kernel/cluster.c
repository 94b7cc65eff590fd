// SPDX-License-Identifier: GPL-2.0-only
/*
 * cluster.c - rings that share the packets of a device.
 *
 * A cluster is a number in a network namespace. On each device its members form a group, ordered by
 * consumer id; a packet goes to member hash modulo count, so two devices with the same consumers
 * agree. Groups are built anew under RTNL whenever a member comes or goes, and read under RCU.
 * Cluster and type belong to the user who came first; others need CAP_NET_ADMIN.
 */
#include <linux/cred.h>
#include <linux/rtnetlink.h>

#include "pfr.h"

static struct pfr_cluster *cluster_find(struct pfr_net *pn, u32 id)
{
	struct pfr_cluster *c;

	list_for_each_entry(c, &pn->clusters, node)
		if (c->id == id)
			return c;
	return NULL;
}

static struct pfr_group *group_find(struct pfr_dev *d, const struct pfr_cluster *c)
{
	struct pfr_group *g;

	hlist_for_each_entry(g, &d->groups, node)
		if (g->cluster == c)
			return g;
	return NULL;
}

/* Rebuilds c's group on d from the subscriptions that are there now. */
int pfr_cluster_regroup(struct pfr_dev *d, struct pfr_cluster *c, gfp_t gfp)
{
	struct pfr_group *old = group_find(d, c), *g = NULL;
	struct pfr_sub *sub;
	u32 count = 0;

	ASSERT_RTNL();
	hlist_for_each_entry(sub, &d->subs, node)
		count += sub->ring->cluster == c;
	if (count) {
		g = kzalloc(struct_size(g, member, count), gfp);
		if (!g)
			return -ENOMEM;
		g->cluster = c;
		g->frags = d->pn->frags;
		g->type = c->type;
		g->options = c->options;
		hlist_for_each_entry(sub, &d->subs, node) {
			u32 at = g->count;

			if (sub->ring->cluster != c)
				continue;
			for (; at && g->member[at - 1]->ring->consumer > sub->ring->consumer; at--)
				g->member[at] = g->member[at - 1];
			g->member[at] = sub;
			g->count++;
		}
	}
	if (old && g)
		hlist_replace_rcu(&old->node, &g->node);
	else if (old)
		hlist_del_rcu(&old->node);
	else if (g)
		hlist_add_head_rcu(&g->node, &d->groups);
	if (old)
		kfree_rcu(old, rcu);
	return 0;
}

/* Two members may have one consumer id only if they can never be on the same device. */
static bool consumer_taken(struct pfr_cluster *c, u32 consumer, int ifindex)
{
	struct pfr_ring *ring;

	list_for_each_entry(ring, &c->rings, cluster_node)
		if (ring->consumer == consumer &&
		    (!ifindex || !ring->ifindex || ring->ifindex == ifindex))
			return true;
	return false;
}

static int consumer_choose(struct pfr_cluster *c, struct pfr_ring *ring, u32 wanted)
{
	u32 i;

	if (wanted != PFR_CONSUMER_AUTO)
		return consumer_taken(c, wanted, ring->ifindex) ? -EBUSY : wanted;
	for (i = 0; i < MAX_CLUSTER_QUEUES; i++)
		if (!consumer_taken(c, i, 0))
			return i;
	return -ENOSPC;
}

static struct pfr_cluster *cluster_get(struct pfr_ring *ring, const struct pfr_cluster_req *req)
{
	struct pfr_cluster *c = cluster_find(ring->pn, req->id);

	if (c) {
		if (!uid_eq(c->owner, current_euid()) &&
		    !ns_capable(sock_net(&ring->sk)->user_ns, CAP_NET_ADMIN))
			return ERR_PTR(-EACCES);
		if (c->type != req->type || c->options != req->options)
			return ERR_PTR(-EINVAL);
		return c;
	}
	if (!ring->pn->frags)
		ring->pn->frags = pfr_frags_create();
	c = kzalloc(sizeof(*c), GFP_KERNEL_ACCOUNT);
	if (!c || !ring->pn->frags) {
		kfree(c);
		return ERR_PTR(-ENOMEM);
	}
	INIT_LIST_HEAD(&c->rings);
	c->id = req->id;
	c->type = req->type;
	c->options = req->options;
	c->owner = current_euid();
	list_add(&c->node, &ring->pn->clusters);
	return c;
}

/* Members are in no structure of the packet path any more. */
static void cluster_drop(struct pfr_ring *ring)
{
	struct pfr_cluster *c = ring->cluster;

	list_del_init(&ring->cluster_node);
	ring->cluster = NULL;
	if (!--c->members) {
		list_del(&c->node);
		kfree(c);
	}
}

int pfr_cluster_join(struct pfr_ring *ring, const struct pfr_cluster_req *req)
{
	struct pfr_cluster *c;
	struct pfr_sub *sub;
	int consumer, err;

	ASSERT_RTNL();
	if (pfr_quick_mode)
		return -EOPNOTSUPP;
	if (!ring->bound || ring->gone)
		return -ENODEV;
	if (ring->cluster)
		return -EBUSY;
	if (req->type > MAX_CLUSTER_TYPE_ID || req->options & ~CLUSTER_OPTION_RELAXED_DISTRIBUTION)
		return -EINVAL;
	if (req->consumer >= MAX_CLUSTER_QUEUES && req->consumer != PFR_CONSUMER_AUTO)
		return -EINVAL;
	c = cluster_get(ring, req);
	if (IS_ERR(c))
		return PTR_ERR(c);
	c->members++;
	list_add(&ring->cluster_node, &c->rings);
	ring->cluster = c;
	ring->consumer = U32_MAX; /* nobody's, while one is looked for */
	consumer = consumer_choose(c, ring, req->consumer);
	if (consumer < 0) {
		cluster_drop(ring);
		return consumer;
	}
	ring->consumer = consumer;
	/* First silent on its own, then in the group: no packet comes twice. */
	list_for_each_entry(sub, &ring->subs, ring_node)
		WRITE_ONCE(sub->grouped, true);
	list_for_each_entry(sub, &ring->subs, ring_node) {
		err = pfr_cluster_regroup(sub->dev, c, GFP_KERNEL_ACCOUNT);
		if (err) {
			pfr_cluster_leave(ring);
			return err;
		}
	}
	return 0;
}

/* The members that stay share what this one had. */
int pfr_cluster_leave(struct pfr_ring *ring)
{
	struct pfr_cluster *c = ring->cluster;
	struct pfr_sub *sub;

	ASSERT_RTNL();
	if (!c)
		return -ENOENT;
	ring->cluster = NULL; /* so that regroup does not count it */
	list_for_each_entry(sub, &ring->subs, ring_node)
		pfr_cluster_regroup(sub->dev, c, GFP_KERNEL | __GFP_NOFAIL);
	ring->cluster = c;
	cluster_drop(ring);
	/* Pairs with capture.c: who sees the ring on its own sees it out of the group. */
	list_for_each_entry(sub, &ring->subs, ring_node)
		smp_store_release(&sub->grouped, false);
	return 0;
}

/* A full member's packet goes to the next with room, if the cluster was made so. */
static void deliver_at(struct pfr_group *g, u32 at, struct pfr_frame *f)
{
	u32 i;

	if (!(g->options & CLUSTER_OPTION_RELAXED_DISTRIBUTION)) {
		pfr_capture_one(g->member[at], f, true);
		return;
	}
	for (i = 0; i < g->count; i++)
		if (pfr_capture_one(g->member[(at + i) % g->count], f, i == g->count - 1))
			return;
}

void pfr_cluster_deliver(struct pfr_group *g, struct pfr_frame *f)
{
	const struct pfr_parsed *p;
	u32 a, b;

	if (g->count == 1) {
		pfr_capture_one(g->member[0], f, true);
		return;
	}
	if (g->type == cluster_round_robin) {
		a = (u32)atomic_inc_return(&g->turn) - 1;
		deliver_at(g, a % g->count, f);
		return;
	}
	p = pfr_frame_parse(f, pfr_hash_wants_inner(g->type));
	if (g->type == cluster_per_flow_ip_with_dup_tuple && p->outer.version) {
		a = pfr_hash_host(&p->outer, false) % g->count;
		b = pfr_hash_host(&p->outer, true) % g->count;
		deliver_at(g, a, f);
		if (a != b)
			deliver_at(g, b, f);
		return;
	}
	f->hash = pfr_hash_flow(p, g->type, g->frags);
	deliver_at(g, f->hash % g->count, f);
}
