/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * filter.h - from an expression or bytecode to the program in force.
 *
 * The expression is compiled by the system libpcap. A dead handle serves for
 * all but VLAN keywords: their kernel form is only generated on a live handle,
 * so that is opened on the device for the time of the call (CAP_NET_RAW).
 */
#ifndef PFRI_FILTER_H
#define PFRI_FILTER_H

#include "backend.h"

/*
 * Compiles expr for a handle: its link type, its snap length, its device's
 * netmask and, with PFRI_CAP_KERNEL_VIEW, the kernel's VLAN loads. *prog is
 * changed on success only. 0, or negative with libpcap's own message.
 */
int pfri_filter_compile(struct pfri_ring *r, const char *expr, struct pfri_prog *prog);

#endif /* PFRI_FILTER_H */
