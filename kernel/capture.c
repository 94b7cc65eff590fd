// SPDX-License-Identifier: GPL-2.0-only
/*
 * capture.c - a packet's way from a device's hook to the rings on that device.
 *
 * Called by the stack, in an RCU section with bottom halves off, once for each
 * packet received or sent. For each ring: direction and queue, then the filter
 * (SO_ATTACH_FILTER or _BPF, honouring the length it returns), then the rules
 * (filter.c), then sampling, then the copy (record.h). The packet may be shared with
 * other taps: its data pointer is moved to the frame's first byte and always moved back.
 */
#include <linux/filter.h>
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <net/ip.h>

#include "record.h"

/*
 * Queues of our own among the kernel's. Only in the ranges of connection tracking does the kernel
 * send no ICMP "time exceeded" for a datagram that is not its own and never becomes whole; a
 * listener must not. The top of the bridge's range collides with no conntrack zone below 61440.
 * Per device, for the same fragment may pass on several.
 */
#define PFR_DEFRAG_DEVICES 4096
#define PFR_DEFRAG_USER(dev)                                                                       \
	(__IP_DEFRAG_CONNTRACK_BRIDGE_IN - (u32)(dev)->ifindex % PFR_DEFRAG_DEVICES)

static __always_inline u8 frame_flags(const struct sk_buff *skb, u8 direction)
{
	u8 flags = 0;

	if (skb_is_gso(skb))
		flags |= PFR_REC_GSO;
	if (skb->ip_summed == CHECKSUM_PARTIAL)
		flags |= PFR_REC_CSUM;
	else if (direction == PFR_DIR_RX && skb_csum_unnecessary(skb))
		flags |= PFR_REC_CSUM_OK;
	return flags;
}

static __always_inline void frame_init(struct pfr_frame *f, struct sk_buff *skb, u8 direction,
				       u8 flags)
{
	f->skb = skb;
	f->len = skb->len;
	f->ifindex = skb->dev->ifindex;
	f->hash = 0;
	f->tci = 0;
	f->tpid = 0;
	if (skb_vlan_tag_present(skb)) {
		f->tpid = ntohs(skb->vlan_proto);
		f->tci = skb_vlan_tag_get(skb);
	}
	f->pkttype = skb->pkt_type;
	f->flags = frame_flags(skb, direction) | flags;
	f->queue = skb_rx_queue_recorded(skb) ? skb_get_rx_queue(skb) + 1 : 0;
	f->direction = direction;
	f->looping = direction == PFR_DIR_TX && (skb->dev->flags & IFF_LOOPBACK);
	f->parsed_valid = false;
	f->parsed_inner = false;
	f->digest_valid = false;
	f->system = 0;
	f->coarse = 0;
}

static bool queue_has(u64 queues, u16 queue)
{
	return queues == RING_ANY_CHANNEL || (queue < 64 && queues & BIT_ULL(queue));
}

/* A device whose driver names no queue has one: number 0. Sent packets have none. */
static bool queue_wanted(u64 queues, const struct pfr_frame *f)
{
	if (likely(queues == RING_ANY_CHANNEL))
		return true;
	return f->direction == PFR_DIR_RX && queue_has(queues, f->queue ? f->queue - 1 : 0);
}

static bool sampled(struct pfr_ring *ring, u32 rate)
{
	u32 left;

	div_u64_rem(atomic64_inc_return(&ring->sampled) - 1, rate, &left);
	return !left;
}

/*
 * Inlined where most packets go, so that one ring on a device costs no call,
 * and what only sent packets need nothing for received ones.
 */
static __always_inline bool capture_one(const struct pfr_sub *sub, struct pfr_frame *f,
					u8 direction, bool count_drop)
{
	struct pfr_ring *ring = sub->ring;
	const struct sk_filter *filter;
	struct pfr_rules *rules;
	/* Pairs with the release of sockopt.c: who sees it enabled sees its lanes. */
	u8 takes = smp_load_acquire(&ring->takes);
	u32 keep = pfr_skb_readable(f->skb);
	u32 rate;

	if (!(takes & direction) || !queue_wanted(sub->queues, f))
		return true;
	/* On the loopback device each packet passes twice; one is enough. */
	if (direction == PFR_DIR_TX && f->looping && (takes & PFR_DIR_RX))
		return true;
	if (direction == PFR_DIR_TX && ring->discard_injected && pfr_tx_sent_by(ring, f->skb))
		return true;
	filter = rcu_dereference(ring->sk.sk_filter);
	if (filter) {
		u32 verdict = bpf_prog_run_clear_cb(filter->prog, f->skb);

		if (!verdict) {
			this_cpu_inc(ring->counters->filtered);
			return true;
		}
		keep = min(keep, verdict);
	}
	rules = rcu_dereference(ring->rules);
	if (unlikely(rules) && !pfr_filter_pass(ring, rules, f))
		return true;
	rate = READ_ONCE(ring->sampling);
	if (rate > 1 && !sampled(ring, rate)) {
		this_cpu_inc(ring->counters->sampled_out);
		return true;
	}
	return record_put(ring, f, keep, count_drop);
}

/* False only if the ring wanted the packet and had no room. */
bool pfr_capture_one(const struct pfr_sub *sub, struct pfr_frame *f, bool count_drop)
{
	return capture_one(sub, f, f->direction, count_drop);
}

/*
 * Shows the frame from its link-layer header on, and puts the data pointer back. The frame is not
 * cleared first: most of it, what the parser finds, is never looked at, and clearing it cost more
 * than the whole of frame_init().
 */
static __always_inline void capture_skb(struct pfr_dev *d, struct sk_buff *skb, u8 direction,
					u8 flags)
{
	u8 *const data = skb->data, *const mac = skb->head + skb->mac_header;
	const unsigned int len = skb->len;
	struct pfr_frame f pfr_uninitialized;
	struct pfr_group *group;
	struct pfr_sub *sub;

	/* One that was never set is 64 KiB away, behind the data. */
	if (likely(mac < data)) {
		skb->data = mac;
		skb->len += data - skb->data;
	}
	frame_init(&f, skb, direction, flags);
	hlist_for_each_entry_rcu(sub, &d->subs, node)
		if (!smp_load_acquire(&sub->grouped)) /* pairs with cluster.c's release */
			capture_one(sub, &f, direction, true);
	hlist_for_each_entry_rcu(group, &d->groups, node)
		pfr_cluster_deliver(group, &f);
	skb->data = data;
	skb->len = len;
}

/* The same, in one copy for all that is not received whole. */
static noinline void capture_other(struct pfr_dev *d, struct sk_buff *skb, u8 direction, u8 flags)
{
	capture_skb(d, skb, direction, flags);
}

/*
 * Received IPv4 fragments are taken out of a clone's way until the datagram is
 * whole; rings then see it once. The original goes on through the stack.
 */
static noinline bool capture_defrag(struct pfr_dev *d, struct sk_buff *skb)
{
	struct sk_buff *clone, *whole;
	struct iphdr buf;
	const struct iphdr *ip;

	if (skb->protocol != htons(ETH_P_IP))
		return false;
	ip = skb_header_pointer(skb, skb_network_offset(skb), sizeof(buf), &buf);
	if (!ip || ip->version != 4 || !ip_is_fragment(ip))
		return false;
	clone = skb_clone(skb, GFP_ATOMIC);
	if (!clone)
		return false;
	whole = ip_check_defrag(dev_net(d->dev), clone, PFR_DEFRAG_USER(d->dev));
	if (!whole)
		return true;
	capture_other(d, whole, PFR_DIR_RX, PFR_REC_DEFRAG);
	consume_skb(whole);
	return true;
}

/*
 * One received packet, from whoever has it first: the hook, our rx handler, or
 * (through pf_ring_nic.h, later) an aware driver. Called once for a packet.
 */
static __always_inline void capture_rx(struct pfr_dev *d, struct sk_buff *skb)
{
	if (unlikely(pfr_enable_ip_defrag) && capture_defrag(d, skb))
		return;
	capture_skb(d, skb, PFR_DIR_RX, 0);
}

/* VLAN devices take their packets before the rx handler sees them; the hook sees all. */
static bool hook_has(const struct pfr_dev *d, const struct sk_buff *skb)
{
	return !d->mode || (READ_ONCE(d->tags_tapped) && skb_vlan_tag_present(skb));
}

int pfr_capture_hook(struct sk_buff *skb, struct net_device *dev, struct packet_type *pt,
		     struct net_device *orig)
{
	struct pfr_dev *d = container_of(pt, struct pfr_dev, hook);

	switch (skb->pkt_type) {
	case PACKET_LOOPBACK: /* seen when it was sent */
		break;
	case PACKET_OUTGOING:
		if (pfr_enable_tx_capture)
			capture_other(d, skb, PFR_DIR_TX, 0);
		break;
	default:
		if (hook_has(d, skb))
			capture_rx(d, skb);
	}
	consume_skb(skb);
	return 0;
}

/* Whether an enabled ring listens to what this packet's queue receives. */
static bool listened_to(const struct pfr_dev *d, const struct sk_buff *skb)
{
	u16 queue = skb_rx_queue_recorded(skb) ? skb_get_rx_queue(skb) : 0;
	const struct pfr_sub *sub;

	hlist_for_each_entry_rcu(sub, &d->subs, node) {
		if (READ_ONCE(sub->ring->takes) & PFR_DIR_RX && queue_has(sub->queues, queue))
			return true;
	}
	return false;
}

/* Transparent modes 1 and 2. In mode 2 what a ring listens to goes no further into the stack. */
rx_handler_result_t pfr_capture_rx_handler(struct sk_buff **pskb)
{
	struct sk_buff *skb = *pskb;
	struct pfr_dev *d = rcu_dereference(skb->dev->rx_handler_data);

	if (skb->pkt_type == PACKET_LOOPBACK)
		return RX_HANDLER_PASS;
	if (!hook_has(d, skb))
		capture_rx(d, skb);
	if (d->mode < 2 || !listened_to(d, skb))
		return RX_HANDLER_PASS;
	consume_skb(skb);
	return RX_HANDLER_CONSUMED;
}
