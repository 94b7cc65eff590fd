// SPDX-License-Identifier: GPL-2.0-only
/* Compiles if packets tell arrival from delivery times, and times from what drivers look up. */
#include <linux/netdevice.h>

int probe[] = {sizeof(&skb_tstamp), sizeof(&netdev_get_tstamp)};
