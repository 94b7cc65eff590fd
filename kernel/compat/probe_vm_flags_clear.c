// SPDX-License-Identifier: GPL-2.0-only
/* Compiles if there is vm_flags_clear(). */
#include <linux/mm.h>

int probe = sizeof(&vm_flags_clear);
