/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kernel_backend.h - what the files of backend "pfring:" share, and nobody else.
 */
#ifndef PFRI_KERNEL_BACKEND_H
#define PFRI_KERNEL_BACKEND_H

#include "backend.h"

/* kernel.c: the module's socket. */
int pfri_kernel_fd(const struct pfri_ring *r);

/* kernel_rules.c */
extern const struct pfri_rule_ops pfri_kernel_rules;

#endif /* PFRI_KERNEL_BACKEND_H */
