// SPDX-License-Identifier: GPL-2.0-only
/*
 * reflect.c - packets that go out of another device.
 *
 * pfr_reflect() is called on the packet path. The packet belongs to the stack
 * and other taps, so what is sent is a copy with a head of its own; pieces of
 * a large packet stay shared and are never written. What was received is sent
 * at once. What was sent is seen with its device's transmit queue locked, and
 * locking a second one there could deadlock: a worker sends it. Which devices
 * rings reflect to is RTNL's; a device that goes takes its reflectors along.
 */
#include <linux/etherdevice.h>
#include <linux/if_arp.h>
#include <linux/random.h>
#include <linux/rtnetlink.h>

#include "pfr.h"

#define LATER_MAX 1024 /* packets of one ring that wait for the worker */

static u32 cookie __read_mostly; /* marks what was reflected, as tx.c marks what was sent */

static bool was_reflected(struct sk_buff *skb)
{
	return skb_shinfo(skb)->tskey == cookie && !skb_shinfo(skb)->tx_flags;
}

static bool is_ether(const struct net_device *dev)
{
	return dev->type == ARPHRD_ETHER || dev->type == ARPHRD_LOOPBACK;
}

static void swap_addresses(struct sk_buff *skb)
{
	struct ethhdr *eth = eth_hdr(skb);
	u8 addr[ETH_ALEN];

	ether_addr_copy(addr, eth->h_dest);
	ether_addr_copy(eth->h_dest, eth->h_source);
	ether_addr_copy(eth->h_source, addr);
}

/* A copy of skb, which starts at its first header, ready for dev. */
static struct sk_buff *copy_for(struct net_device *dev, struct sk_buff *skb, bool bounce)
{
	struct sk_buff *copy = pskb_copy(skb, GFP_ATOMIC | __GFP_NOWARN);

	if (!copy)
		return NULL;
	if (skb_cow_head(copy, READ_ONCE(dev->needed_headroom)) ||
	    !pskb_may_pull(copy, dev->hard_header_len)) {
		kfree_skb(copy);
		return NULL;
	}
	skb_reset_mac_header(copy);
	if (bounce)
		swap_addresses(copy);
	copy->dev = dev;
	copy->tstamp = 0; /* when it came, which a queue would take for when to send it */
	if (copy->ip_summed == CHECKSUM_COMPLETE)
		copy->ip_summed = CHECKSUM_NONE;
	skb_scrub_packet(copy, true);
	return copy;
}

/* A frame that its device cannot take whole, in pieces: the core, cutting it, loses the mark. */
static struct sk_buff *cut(struct sk_buff *skb)
{
	netdev_features_t features = netif_skb_features(skb);
	struct sk_buff *pieces;

	if (!netif_needs_gso(skb, features))
		return skb;
	pieces = skb_gso_segment(skb, features);
	if (!pieces)
		return skb;
	if (IS_ERR(pieces)) {
		kfree_skb(skb);
		return NULL;
	}
	consume_skb(skb);
	return pieces;
}

static void transmit(struct pfr_ring *ring, struct sk_buff *whole)
{
	struct sk_buff *pieces = cut(whole), *skb, *next;
	bool sent = pieces;

	skb_list_walk_safe(pieces, skb, next)
	{
		int rc;

		skb_mark_not_on_list(skb);
		skb_shinfo(skb)->tskey = cookie;
		rc = dev_queue_xmit(skb);
		sent &= rc == NET_XMIT_SUCCESS || rc == NET_XMIT_CN;
	}
	if (sent)
		this_cpu_inc(ring->counters->reflected);
	else
		this_cpu_inc(ring->counters->reflect_errors);
}

/*
 * What waits for the worker holds its device; its ring is not freed before the worker is done. Not
 * on pfr_wq, where rings wait for it: enough of them would fill that, with the worker behind them.
 */
static struct sk_buff_head later;

static struct pfr_ring **ring_of(struct sk_buff *skb)
{
	return (struct pfr_ring **)skb->cb;
}

/* What comes meanwhile is for the next time: who waits for this one's end would never see it. */
static void transmit_later(struct work_struct *work)
{
	struct sk_buff_head now;
	struct sk_buff *skb;

	__skb_queue_head_init(&now);
	spin_lock_irq(&later.lock);
	skb_queue_splice_init(&later, &now);
	spin_unlock_irq(&later.lock);
	while ((skb = __skb_dequeue(&now))) {
		struct pfr_ring *ring = *ring_of(skb);
		struct net_device *dev = skb->dev;

		memset(skb->cb, 0, sizeof(skb->cb));
		local_bh_disable();
		transmit(ring, skb);
		atomic_dec(&ring->reflected_later);
		local_bh_enable();
		dev_put(dev);
		cond_resched();
	}
}

static DECLARE_WORK(later_work, transmit_later);

void pfr_reflect(struct pfr_ring *ring, struct pfr_reflector *r, const struct pfr_frame *f,
		 bool bounce)
{
	struct net_device *dev = rcu_dereference(r->dev);
	struct sk_buff *copy = NULL;

	if (dev && dev != f->skb->dev && is_ether(f->skb->dev) && !was_reflected(f->skb) &&
	    is_skb_forwardable(dev, f->skb))
		copy = copy_for(dev, f->skb, bounce);
	if (copy && f->direction == PFR_DIR_RX) {
		transmit(ring, copy);
		return;
	}
	if (!copy || !atomic_add_unless(&ring->reflected_later, 1, LATER_MAX)) {
		this_cpu_inc(ring->counters->reflect_errors);
		kfree_skb(copy);
		return;
	}
	dev_hold(dev);
	*ring_of(copy) = ring;
	skb_queue_tail(&later, copy);
	schedule_work(&later_work);
}

static void reflector_free(struct pfr_reflector *r)
{
	struct net_device *dev = rcu_dereference_protected(r->dev, lockdep_rtnl_is_held());

	list_del(&r->ring_node);
	list_del(&r->net_node);
	if (dev)
		dev_put(dev);
	kfree(r);
}

/* The one for the device of this name, which the caller may use from now on. */
struct pfr_reflector *pfr_reflector_get(struct pfr_ring *ring, const char *name)
{
	struct net_device *dev = __dev_get_by_name(sock_net(&ring->sk), name);
	struct pfr_reflector *r, *next, *found = NULL;

	ASSERT_RTNL();
	if (!dev)
		return ERR_PTR(-ENODEV);
	if (dev->ifindex == ring->ifindex)
		return ERR_PTR(-ELOOP);
	if (!ns_capable(sock_net(&ring->sk)->user_ns, CAP_NET_ADMIN))
		return ERR_PTR(-EPERM);
	if (!is_ether(dev))
		return ERR_PTR(-EOPNOTSUPP);
	list_for_each_entry_safe(r, next, &ring->reflectors, ring_node) {
		if (rcu_access_pointer(r->dev) == dev)
			found = r;
		else if (!atomic_read(&r->users))
			reflector_free(r);
	}
	if (!found) {
		found = kzalloc(sizeof(*found), GFP_KERNEL_ACCOUNT);
		if (!found)
			return ERR_PTR(-ENOMEM);
		dev_hold(dev);
		rcu_assign_pointer(found->dev, dev);
		list_add(&found->ring_node, &ring->reflectors);
		list_add(&found->net_node, &ring->pn->reflectors);
	}
	atomic_inc(&found->users);
	return found;
}

/* After the grace period of what used it. */
void pfr_reflector_put(struct pfr_reflector *r)
{
	atomic_dec(&r->users);
}

/* Whether a device that the ring is about to listen to is one that it reflects to. */
bool pfr_reflect_loops(struct pfr_ring *ring, int ifindex)
{
	struct pfr_reflector *r;

	ASSERT_RTNL();
	list_for_each_entry(r, &ring->reflectors, ring_node) {
		const struct net_device *dev = rtnl_dereference(r->dev);

		if (dev && dev->ifindex == ifindex && atomic_read(&r->users))
			return true;
	}
	return false;
}

/* The core waits for packets that are on their way before it frees the device. */
static void reflector_lose(struct pfr_reflector *r)
{
	struct net_device *dev = rtnl_dereference(r->dev);

	RCU_INIT_POINTER(r->dev, NULL);
	list_del_init(&r->net_node);
	if (dev)
		dev_put(dev);
}

void pfr_reflect_dev_gone(struct pfr_net *pn, struct net_device *dev)
{
	struct pfr_reflector *r, *next;

	ASSERT_RTNL();
	list_for_each_entry_safe(r, next, &pn->reflectors, net_node)
		if (rcu_access_pointer(r->dev) == dev)
			reflector_lose(r);
}

/* The socket is closed: devices are let go at once, under RTNL. */
void pfr_reflect_release(struct pfr_ring *ring)
{
	struct pfr_reflector *r;

	ASSERT_RTNL();
	list_for_each_entry(r, &ring->reflectors, ring_node)
		reflector_lose(r);
}

/* After the ring's last packet and its last rule. */
void pfr_reflect_free(struct pfr_ring *ring)
{
	struct pfr_reflector *r, *next;

	flush_work(&later_work);
	list_for_each_entry_safe(r, next, &ring->reflectors, ring_node)
		kfree(r);
}

void __init pfr_reflect_init(void)
{
	skb_queue_head_init(&later);
	cookie = get_random_u32() | 1;
}
