// SPDX-License-Identifier: GPL-2.0-only
/*
 * tx.c - frames from user space to a device's queue.
 *
 * send() and sendmmsg() end here: one whole frame per message, handed to the stack's transmit path,
 * queueing disciplines and taps included. Process context, no lock of ours. What a socket has
 * queued is charged to it (SO_SNDBUF), so a slow device makes send() wait or return -EAGAIN.
 */
#include <linux/if_arp.h>
#include <linux/if_vlan.h>
#include <linux/uio.h>

#include "pfr.h"

/*
 * Taps see a clone without its socket. The clone shares its data's trailer, in
 * which tskey is zero for every frame without a time stamp request.
 */
static void tx_mark(const struct pfr_ring *ring, struct sk_buff *skb)
{
	skb_shinfo(skb)->tskey = ring->cookie;
}

bool pfr_tx_sent_by(const struct pfr_ring *ring, struct sk_buff *skb)
{
	return skb->pkt_type == PACKET_OUTGOING && !skb_shinfo(skb)->tx_flags &&
	       skb_shinfo(skb)->tskey == ring->cookie;
}

/* The bound device, or the one that the message names. Held. */
static struct net_device *tx_device(struct pfr_ring *ring, struct msghdr *msg)
{
	const struct sockaddr_pfr *sa = msg->msg_name;

	if (!sa || !msg->msg_namelen)
		return pfr_device_get(ring);
	if (msg->msg_namelen < (int)sizeof(*sa) || sa->family != PF_RING || sa->ifindex <= 0)
		return ERR_PTR(-EINVAL);
	return dev_get_by_index(sock_net(&ring->sk), sa->ifindex);
}

/* A frame may be one tag longer than the device's MTU says, if the tag is there. */
static bool tx_too_long(const struct net_device *dev, const struct sk_buff *skb)
{
	u32 max = READ_ONCE(dev->mtu) + dev->hard_header_len;

	if (eth_type_vlan(skb->protocol))
		max += VLAN_HLEN;
	return skb->len > max;
}

static int tx_frame(struct pfr_ring *ring, struct net_device *dev, struct msghdr *msg, size_t len)
{
	int hlen = LL_RESERVED_SPACE(dev);
	struct sk_buff *skb;
	int err;

	if (!len || len > READ_ONCE(dev->mtu) + dev->hard_header_len + VLAN_HLEN)
		return -EMSGSIZE;
	cmpxchg(&ring->sk.sk_err, ENETDOWN, 0); /* is over: what this goes to is up */
	skb = sock_alloc_send_skb(&ring->sk, hlen + len + dev->needed_tailroom,
				  msg->msg_flags & MSG_DONTWAIT, &err);
	if (!skb)
		return err;
	skb_reserve(skb, hlen);
	skb_put(skb, len);
	err = -EFAULT;
	if (memcpy_from_msg(skb->data, msg, len))
		goto drop;
	err = -EINVAL;
	/* The first test is not part of the second: that one would write the missing bytes. */
	if (len < dev->hard_header_len || !dev_validate_header(dev, skb->data, len))
		goto drop;
	skb->dev = dev;
	skb->priority = ring->sk.sk_priority;
	skb->mark = ring->sk.sk_mark;
	skb_reset_mac_header(skb);
	skb_set_network_header(skb, dev->hard_header_len);
	if (dev->type == ARPHRD_ETHER || dev->type == ARPHRD_LOOPBACK)
		skb->protocol = len >= ETH_HLEN ? eth_hdr(skb)->h_proto : 0;
	else
		skb->protocol = dev_parse_header_protocol(skb);
	err = -EMSGSIZE;
	if (tx_too_long(dev, skb))
		goto drop;
	skb_probe_transport_header(skb);
	tx_mark(ring, skb);
	err = dev_queue_xmit(skb);
	return err > 0 ? net_xmit_errno(err) : err;

drop:
	kfree_skb(skb);
	return err;
}

int pfr_tx_sendmsg(struct socket *sock, struct msghdr *msg, size_t len)
{
	struct pfr_ring *ring = pfr_ring(sock->sk);
	struct net_device *dev;
	int err;

	if (READ_ONCE(ring->mode) == recv_only_mode ||
	    READ_ONCE(ring->mode) == management_only_mode)
		return -EPERM;
	dev = tx_device(ring, msg);
	if (IS_ERR(dev))
		return PTR_ERR(dev);
	if (!dev)
		return -ENXIO;
	err = dev->flags & IFF_UP ? tx_frame(ring, dev, msg, len) : -ENETDOWN;
	dev_put(dev);
	atomic64_inc(err ? &ring->tx_errors : &ring->tx);
	return err ?: len;
}
