// SPDX-License-Identifier: GPL-2.0-only
/* Compiles if a page's memory cgroup is kept in memcg_data, not in its page type. */
#include <linux/memcontrol.h>

int probe = MEMCG_DATA_KMEM;
