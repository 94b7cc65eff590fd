// SPDX-License-Identifier: GPL-2.0-only
/* Compiles if skb_tstamp() tells arrival times from delivery times. */
#include <linux/skbuff.h>

int probe = sizeof(&skb_tstamp);
