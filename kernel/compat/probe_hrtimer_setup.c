// SPDX-License-Identifier: GPL-2.0-only
/* Compiles if there is hrtimer_setup(). */
#include <linux/hrtimer.h>

int probe = sizeof(&hrtimer_setup);
