/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hwrules.h - a rule of PF_RING in the terms of the kernel's drivers, and into them.
 *
 * hwrules.c has the calls for rules that programs write for an adapter,
 * hw_filter.c those that a filtering mode puts there.
 */
#ifndef PFRI_HWRULES_H
#define PFRI_HWRULES_H

#include <linux/ethtool.h>
#include <linux/if_ether.h>

#include "backend.h"

/* A rule of any kind, in one form. Addresses and ports as pfring_hw.h has them; 0: any. */
struct pfri_hw_flow {
	int version; /* 4 or 6; 0: Ethernet alone */
	u_int8_t proto;
	u_int16_t vlan, eth_type; /* eth_type, smac: version 0 only */
	u_int8_t smac[ETH_ALEN], dmac[ETH_ALEN];
	ip_addr src, dst, src_mask, dst_mask; /* a mask of zeros: all bits */
	u_int16_t sport, dport;		      /* of TCP, UDP and SCTP */
	int queue;			      /* negative: where the adapter's hash sends it */
	bool drop;
};

#define PFRI_HW_ANYWHERE UINT32_MAX /* location of a rule that has none yet */

void pfri_hw_flow_spec(const struct pfri_hw_flow *f, struct ethtool_rx_flow_spec *fs);
/*
 * Writes rule as *fs for an adapter with so many receive queues; queue is the
 * one that the ring is bound to, negative if it takes all. 0, -EINVAL (malformed)
 * or -EOPNOTSUPP (no driver can).
 */
int pfri_hw_spec(const hw_filtering_rule *rule, u_int queues, int queue,
		 struct ethtool_rx_flow_spec *fs);

/* The queue that the ring alone is bound to, or -1. */
int pfri_hw_queue(const struct pfri_ring *r);
/* Whether r's adapter has rules at all: 0, -EOPNOTSUPP or -EPERM. */
int pfri_hw_possible(struct pfri_ring *r);
/* Puts a rule into r's adapter; *location tells where. */
int pfri_hw_insert(struct pfri_ring *r, const struct ethtool_rx_flow_spec *fs, u_int32_t *location);
int pfri_hw_delete(struct pfri_ring *r, u_int32_t location);

/* hw_filter.c: rules of the calls for wildcard and hash rules, in r's adapter. */

/*
 * -EOPNOTSUPP: no adapter, or not this one. both: software has it, too. rule_id
 * FILTERING_RULE_AUTO_RULE_ID: one is chosen, behind those in the adapter.
 */
int pfri_hw_add(struct pfri_ring *r, filtering_rule *rule, bool both);
int pfri_hw_add_flow(struct pfri_ring *r, const hash_filtering_rule *rule, bool both);
/* 0, or -ENOENT: it is not there. */
int pfri_hw_remove(struct pfri_ring *r, u_int16_t id);
int pfri_hw_remove_flow(struct pfri_ring *r, const hash_filtering_rule *rule);
bool pfri_hw_has(const struct pfri_ring *r, u_int16_t id);
bool pfri_hw_has_flow(const struct pfri_ring *r, const hash_filtering_rule *rule);
/*
 * Behind a purge of the rules in software: those that went there leave the
 * adapter too. all: and so do those that are in the adapter alone, but for locked ones.
 */
int pfri_hw_purge(struct pfri_ring *r, bool hash, bool all, const struct pfri_rule_ops *software);
/* The ring is closed: its rules leave the adapter. Safe in a signal handler. */
void pfri_hw_free(struct pfri_ring *r);

#endif /* PFRI_HWRULES_H */
