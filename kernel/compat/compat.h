/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compat.h - what differs between kernels 5.10 and the newest, and the only
 * place with conditionals about it. Each PFR_HAVE_* is the result of compiling
 * compat/probe_*.c against the kernel at hand (see Kbuild), or of looking up what
 * it exports, never of comparing version numbers: distributions carry interfaces back.
 */
#ifndef PFR_COMPAT_H
#define PFR_COMPAT_H

#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/net.h>
#include <linux/netdevice.h>
#include <linux/sched/mm.h>
#include <linux/skbuff.h>

/* 6.5: skb_gso_segment() has moved there. */
#ifdef PFR_HAVE_GSO_H
#include <net/gso.h>
#endif

/* 6.19: proto_ops.bind() takes an address of unknown size. */
#ifdef PFR_HAVE_SOCKADDR_UNSIZED
typedef struct sockaddr_unsized pfr_sockaddr;
#else
typedef struct sockaddr pfr_sockaddr;
#endif

/* 6.15: hrtimer_init() is gone. */
static inline void pfr_hrtimer_setup(struct hrtimer *timer,
				     enum hrtimer_restart (*fn)(struct hrtimer *), clockid_t clock,
				     enum hrtimer_mode mode)
{
#ifdef PFR_HAVE_HRTIMER_SETUP
	hrtimer_setup(timer, fn, clock, mode);
#else
	hrtimer_init(timer, clock, mode);
	timer->function = fn;
#endif
}

/* 6.3: vm_flags must not be written directly. */
static inline void pfr_vm_flags_clear(struct vm_area_struct *vma, unsigned long flags)
{
#ifdef PFR_HAVE_VM_FLAGS_CLEAR
	vm_flags_clear(vma, flags);
#else
	vma->vm_flags &= ~flags;
#endif
}

/* 5.18: the field may hold the time to send the packet at, on another clock. */
static inline ktime_t pfr_skb_tstamp(const struct sk_buff *skb)
{
#ifdef PFR_HAVE_TSTAMPS
	return skb_tstamp(skb);
#else
	return skb->tstamp;
#endif
}

/* 5.19: the adapter's may be a pointer, which nobody but the driver may look at. */
static inline ktime_t pfr_skb_hwtstamp(struct sk_buff *skb)
{
#ifdef PFR_HAVE_TSTAMPS
	if (skb_shinfo(skb)->tx_flags & SKBTX_HW_TSTAMP_NETDEV)
		return skb->dev->netdev_ops->ndo_get_tstamp
			       ? netdev_get_tstamp(skb->dev, skb_hwtstamps(skb), false)
			       : 0;
#endif
	return skb_hwtstamps(skb)->hwtstamp;
}

/* 6.12: what comes behind the headers may be in a device's own memory. */
static inline u32 pfr_skb_readable(const struct sk_buff *skb)
{
#ifdef PFR_HAVE_FRAGS_READABLE
	if (unlikely(!skb_frags_readable(skb)))
		return skb_headlen(skb);
#endif
	return skb->len;
}

/*
 * 5.13: modules may say in a softirq whose memory cgroup pays. Before, what packets make the ring
 * learn is charged to nobody; the tables' limits still hold. Before 5.11 a page that is charged
 * could not be mapped to user space.
 */
#if defined(PFR_HAVE_ACTIVE_MEMCG) || !defined(CONFIG_MEMCG)
#define PFR_GFP_ACCOUNT __GFP_ACCOUNT
#define pfr_set_active_memcg(memcg) set_active_memcg(memcg)
#else
#define PFR_GFP_ACCOUNT 0
static inline struct mem_cgroup *pfr_set_active_memcg(struct mem_cgroup *memcg)
{
	return NULL;
}
#endif

/* Compilers that clear each variable leave one alone that says so, if they know the word. */
#if __has_attribute(__uninitialized__)
#define pfr_uninitialized __attribute__((__uninitialized__))
#else
#define pfr_uninitialized
#endif

#endif /* PFR_COMPAT_H */
