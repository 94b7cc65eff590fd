/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hwrules.h - a rule of PF_RING in the terms of the kernel's drivers.
 */
#ifndef PFRI_HWRULES_H
#define PFRI_HWRULES_H

#include <linux/ethtool.h>

#include "backend.h"

/*
 * Writes rule as *fs for an adapter with so many receive queues; queue is the
 * one that the ring is bound to, negative if it takes all. 0, -EINVAL (malformed)
 * or -EOPNOTSUPP (no driver can).
 */
int pfri_hw_spec(const hw_filtering_rule *rule, u_int queues, int queue,
		 struct ethtool_rx_flow_spec *fs);

#endif /* PFRI_HWRULES_H */
