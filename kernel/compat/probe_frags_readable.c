// SPDX-License-Identifier: GPL-2.0-only
/* Compiles if packets may have parts that no CPU can read. */
#include <linux/skbuff.h>

int probe[] = {sizeof(&skb_frags_readable)};
