// SPDX-License-Identifier: GPL-2.0-only
/*
 * device.c - which rings listen on which devices.
 *
 * A device with a listener has one packet hook of ours, in transparent modes 1 and 2 an rx handler
 * as well, and a list of subscriptions; a ring bound to "any" subscribes to every device of its
 * namespace as they come and go, so there is no global hook. Everything here runs under RTNL; the
 * packet path reads the lists under RCU.
 */
#include <linux/if_vlan.h>
#include <linux/rtnetlink.h>

#include "pfr.h"

static struct pfr_dev *dev_find(struct pfr_net *pn, const struct net_device *dev)
{
	struct pfr_dev *d;

	hlist_for_each_entry(d, &pn->devs, node)
		if (d->dev == dev)
			return d;
	return NULL;
}

static bool has_vlan_devices(struct net_device *dev)
{
	struct net_device *upper;
	struct list_head *at;

	netdev_for_each_upper_dev_rcu(dev, upper, at) {
		if (is_vlan_dev(upper))
			return true;
	}
	return false;
}

/*
 * What the hook has to see: everything in mode 0; where an rx handler of ours
 * takes the received packets, only sent ones that a ring wants and what VLAN
 * devices take away. A hook that is not there costs the device nothing.
 */
static void dev_refresh(struct pfr_dev *d)
{
	bool tap, tags, tx = false;
	struct pfr_sub *sub;

	ASSERT_RTNL();
	hlist_for_each_entry(sub, &d->subs, node)
		tx |= (sub->ring->directions & PFR_DIR_TX) && sub->queues == RING_ANY_CHANNEL;
	tx &= pfr_enable_tx_capture;
	tags = d->mode && has_vlan_devices(d->dev);
	tap = !d->mode || tx || tags;
	WRITE_ONCE(d->hook.ignore_outgoing, !tx);
	if (tap && !d->tapped)
		dev_add_pack(&d->hook);
	WRITE_ONCE(d->tags_tapped, tags);
	if (!tap && d->tapped)
		dev_remove_pack(&d->hook); /* waits, so that it can be added again */
	d->tapped = tap;
}

void pfr_device_refresh(struct pfr_ring *ring)
{
	struct pfr_sub *sub;

	ASSERT_RTNL();
	list_for_each_entry(sub, &ring->subs, ring_node)
		dev_refresh(sub->dev);
}

static struct pfr_dev *dev_create(struct pfr_net *pn, struct net_device *dev, bool named)
{
	struct pfr_dev *d = kzalloc(sizeof(*d), GFP_KERNEL_ACCOUNT);
	int err;

	if (!d)
		return ERR_PTR(-ENOMEM);
	d->pn = pn;
	d->dev = dev;
	d->hook.type = htons(ETH_P_ALL);
	d->hook.dev = dev;
	d->hook.func = pfr_capture_hook;
	d->mode = pfr_transparent_mode;
	if (d->mode) {
		err = netdev_rx_handler_register(dev, pfr_capture_rx_handler, d);
		if (err && d->mode == 2 && named) {
			kfree(d);
			return ERR_PTR(err);
		}
		if (err) /* a bridge's, bond's or macvlan's: the hook sees the same packets */
			d->mode = 0;
	}
	dev_hold(dev);
	hlist_add_head(&d->node, &pn->devs);
	return d;
}

/* Its hook may still run elsewhere until the grace period is over. */
static void dev_destroy(struct pfr_dev *d)
{
	if (d->tapped)
		__dev_remove_pack(&d->hook);
	if (d->mode)
		netdev_rx_handler_unregister(d->dev);
	hlist_del(&d->node);
	dev_put(d->dev);
	kfree_rcu(d, rcu);
}

static void sub_del(struct pfr_sub *sub)
{
	struct pfr_dev *d = sub->dev;

	hlist_del_rcu(&sub->node);
	list_del(&sub->ring_node);
	if (sub->grouped) /* cannot fail: the new group is smaller, and memory is waited for */
		pfr_cluster_regroup(d, sub->ring->cluster, GFP_KERNEL | __GFP_NOFAIL);
	kfree_rcu(sub, rcu);
	if (hlist_empty(&d->subs))
		dev_destroy(d);
	else
		dev_refresh(d);
}

static int sub_add(struct pfr_ring *ring, struct net_device *dev, u64 queues)
{
	struct pfr_dev *d = dev_find(ring->pn, dev);
	struct pfr_sub *sub;
	int err;

	if (d && pfr_quick_mode)
		return -EBUSY;
	sub = kzalloc(sizeof(*sub), GFP_KERNEL_ACCOUNT);
	if (!sub)
		return -ENOMEM;
	if (!d) {
		d = dev_create(ring->pn, dev, ring->ifindex);
		if (IS_ERR(d)) {
			kfree(sub);
			return PTR_ERR(d);
		}
	}
	sub->ring = ring;
	sub->dev = d;
	sub->queues = queues;
	sub->grouped = ring->cluster;
	hlist_add_head_rcu(&sub->node, &d->subs);
	list_add(&sub->ring_node, &ring->subs);
	if (ring->cluster) {
		err = pfr_cluster_regroup(d, ring->cluster, GFP_KERNEL_ACCOUNT);
		if (err) {
			sub_del(sub);
			return err;
		}
	}
	dev_refresh(d);
	return 0;
}

static int bind_any(struct pfr_ring *ring, u64 queues)
{
	struct net_device *dev;
	int err;

	for_each_netdev(sock_net(&ring->sk), dev) {
		err = sub_add(ring, dev, queues);
		if (err)
			return err;
	}
	list_add_tail(&ring->any_node, &ring->pn->any_rings);
	strscpy(ring->device, "any", sizeof(ring->device));
	return 0;
}

static int bind_one(struct pfr_ring *ring, int ifindex, u64 queues)
{
	struct net_device *dev = __dev_get_by_index(sock_net(&ring->sk), ifindex);

	if (!dev)
		return -ENODEV;
	if (!(dev->flags & IFF_UP))
		return -ENETDOWN;
	if (pfr_reflect_loops(ring, ifindex))
		return -ELOOP;
	ring->ifindex = ifindex;
	strscpy(ring->device, dev->name, sizeof(ring->device));
	return sub_add(ring, dev, queues);
}

/* Once in a ring's life. */
int pfr_device_bind(struct pfr_ring *ring, int ifindex, u64 queues)
{
	int err;

	ASSERT_RTNL();
	if (ring->bound)
		return -EINVAL;
	if (pfr_quick_mode && !ifindex)
		return -EOPNOTSUPP;
	err = ifindex ? bind_one(ring, ifindex, queues) : bind_any(ring, queues);
	if (err) {
		pfr_device_unbind(ring);
		ring->ifindex = 0;
		return err;
	}
	WRITE_ONCE(ring->queues, queues);
	ring->bound = true;
	return 0;
}

static void promisc_drop(struct pfr_ring *ring, struct net_device *dev)
{
	if (ring->promisc)
		dev_set_promiscuity(dev, -1);
	ring->promisc = false;
}

void pfr_device_unbind(struct pfr_ring *ring)
{
	struct pfr_sub *sub, *next;

	ASSERT_RTNL();
	list_del_init(&ring->any_node);
	list_for_each_entry_safe(sub, next, &ring->subs, ring_node) {
		promisc_drop(ring, sub->dev->dev);
		sub_del(sub);
	}
}

/* The bound device, held; NULL for "any", before bind() and when it is gone. RTNL or not. */
struct net_device *pfr_device_get(struct pfr_ring *ring)
{
	int ifindex = READ_ONCE(ring->ifindex);

	if (!ifindex || READ_ONCE(ring->gone))
		return NULL;
	return dev_get_by_index(sock_net(&ring->sk), ifindex);
}

int pfr_device_promisc(struct pfr_ring *ring, bool on)
{
	struct net_device *dev;
	int err = 0;

	ASSERT_RTNL();
	if (!ring->bound || ring->gone)
		return -ENODEV;
	if (!ring->ifindex)
		return -EOPNOTSUPP;
	dev = list_first_entry(&ring->subs, struct pfr_sub, ring_node)->dev->dev;
	if (on != ring->promisc)
		err = dev_set_promiscuity(dev, on ? 1 : -1);
	if (!err)
		ring->promisc = on;
	return err;
}

static void report(struct pfr_ring *ring, int err)
{
	ring->sk.sk_err = err;
	if (!sock_flag(&ring->sk, SOCK_DEAD))
		ring->sk.sk_error_report(&ring->sk);
}

static void dev_went_down(struct pfr_dev *d)
{
	struct pfr_sub *sub;

	hlist_for_each_entry(sub, &d->subs, node)
		if (sub->ring->ifindex)
			report(sub->ring, ENETDOWN);
}

static void dev_went_away(struct pfr_dev *d)
{
	struct hlist_node *next;
	struct pfr_sub *sub;

	/* The last sub_del() frees d, so the list head is not looked at again after it. */
	hlist_for_each_entry_safe(sub, next, &d->subs, node) {
		struct pfr_ring *ring = sub->ring;

		if (ring->ifindex) {
			promisc_drop(ring, d->dev);
			WRITE_ONCE(ring->gone, true);
			report(ring, ENODEV);
		}
		sub_del(sub);
	}
}

static int device_event(struct notifier_block *nb, unsigned long event, void *ptr)
{
	struct net_device *dev = netdev_notifier_info_to_dev(ptr);
	struct pfr_net *pn = pfr_net(dev_net(dev));
	struct pfr_dev *d = dev_find(pn, dev);
	struct pfr_ring *ring;

	switch (event) {
	case NETDEV_REGISTER:
		/* A ring that finds no memory for one more device says so and keeps the others. */
		list_for_each_entry(ring, &pn->any_rings, any_node)
			if (sub_add(ring, dev, ring->queues))
				report(ring, ENOMEM);
		break;
	case NETDEV_CHANGEUPPER: /* a VLAN device came or went */
		if (d)
			dev_refresh(d);
		break;
	case NETDEV_DOWN:
		if (d)
			dev_went_down(d);
		break;
	case NETDEV_UNREGISTER:
		pfr_reflect_dev_gone(pn, dev);
		if (d)
			dev_went_away(d);
		break;
	}
	return NOTIFY_DONE;
}

struct notifier_block pfr_device_notifier = {
	.notifier_call = device_event,
};
