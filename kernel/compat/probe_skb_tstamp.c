// SPDX-License-Identifier: GPL-2.0-only
/* Compiles if skb_tstamp() tells arrival times from delivery times. */
#include <linux/skbuff.h>

ktime_t probe(const struct sk_buff *skb);
ktime_t probe(const struct sk_buff *skb)
{
	return skb_tstamp(skb);
}
