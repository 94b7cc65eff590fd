// SPDX-License-Identifier: GPL-2.0-only
/* Compiles if skb_gso_segment() has a header of its own. */
#include <net/gso.h>

int probe = sizeof(&skb_gso_segment);
