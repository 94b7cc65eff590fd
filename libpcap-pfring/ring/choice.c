/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * choice.c - which of its device's packets a ring takes beside the filter
 * (receive queues, VLAN), and how much of each (slicing).
 *
 * The public calls change r->choice under the receive lock; sieve.c asks
 * pfri_chosen() and pfri_slice() for each packet when one of them is in use.
 */
#include "handle.h"
#include "parse.h"
#include "rules.h"

bool pfri_chosen(const struct pfri_ring *r, const struct pfring_packet *p)
{
	const struct pfri_choice *c = &r->choice;
	struct pkt_parsing_info info;
	u_int32_t frag = 0;
	u_int queue;

	if (!p->rx_direction)
		return false;
	if (c->vlan < 0 && !c->rehash) {
		/* As everywhere: packets whose queue nobody tells are the first one's. */
		queue = p->queue ? p->queue - 1u : 0;
		return queue < 64 && (c->queues >> queue & 1);
	}
	pfri_parse(p->data, p->caplen, c->rehash ? 5 : 2, &info, &frag);
	if (c->vlan == 0 && info.offset.vlan_offset >= 0)
		return false;
	if (c->vlan > 0 && (info.offset.vlan_offset < 0 || info.vlan_id != c->vlan))
		return false;
	if (c->queues == RING_ANY_CHANNEL)
		return true;
	queue = c->rehash  ? pfri_flow_hash(&info, frag, cluster_per_flow) % c->rehash
		: p->queue ? p->queue - 1u
			   : 0;
	return queue < 64 && (c->queues >> queue & 1);
}

void pfri_slice(const struct pfri_ring *r, struct pfring_packet *p)
{
	static const int deep[] = {[L2_SLICING] = 2, [L3_SLICING] = 3, [L4_SLICING] = 4};
	struct pkt_parsing_info info;
	u_int32_t frag = 0;
	int16_t end;
	u_int64_t keep;

	pfri_parse(p->data, p->caplen, max_val(deep[r->choice.slice], 3), &info, &frag);
	end = r->choice.slice == L2_SLICING   ? info.offset.l3_offset
	      : r->choice.slice == L3_SLICING ? info.offset.l4_offset
					      : info.offset.payload_offset;
	/* Without such a layer the packet is whole: nobody knows where its headers end. */
	if (end <= 0)
		return;
	keep = (u_int64_t)end + r->choice.slice_bytes;
	if (p->caplen > keep)
		p->caplen = (u_int32_t)keep;
}

/* Brings r->soft in line, and leaves nothing in r->batch that is not wanted any more. */
static void changed(struct pfri_ring *r)
{
	u_int n = r->count - r->head, left, soft;

	pfri_soft_update(r);
	pfri_rules_retell(r);
	if (r->head >= r->count)
		return;
	soft = r->soft;
	r->soft = soft & (PFRI_SOFT_CHOICE | PFRI_SOFT_SLICE);
	left = pfri_sieve(r, &r->batch[r->head], n);
	r->delivered -= n - left;
	r->count = r->head + left;
	r->soft = soft;
}

/* Lets the backend choose queues where it can, as it does for a name with "@". */
static int choose_queues(struct pfri_ring *r, u_int64_t below, u_int64_t here)
{
	u_int64_t old = r->name.queues, old_here = r->choice.queues;
	int rc = 0;

	r->choice.queues = here;
	/* The module's socket is bound to queues for good: there the choice is made here. */
	if (r->ops != &pfri_kernel_ops) {
		r->name.queues = below;
		rc = pfri_apply_filter(r);
	}
	if (rc < 0) {
		r->name.queues = old;
		r->choice.queues = old_here;
		pfri_apply_filter(r);
		return rc;
	}
	changed(r);
	return 0;
}

int pfring_set_channel_mask(pfring *ring, u_int64_t channel_mask)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc;

	if (!channel_mask)
		return pfri_fail(-EINVAL, "no receive queue at all was chosen");
	rc = pfri_enter_rx(r);
	if (rc)
		return rc;
	if (!(r->ops->caps & PFRI_CAP_QUEUES))
		rc = pfri_fail(-EOPNOTSUPP, "%s: has no receive queues", r->ops->name);
	else if (!r->ifindex && channel_mask != RING_ANY_CHANNEL)
		rc = pfri_fail(-EINVAL, "\"any\" has no queues; name one interface");
	else if (r->choice.rehash)
		rc = choose_queues(r, RING_ANY_CHANNEL, channel_mask);
	else if (r->ops == &pfri_kernel_ops)
		rc = choose_queues(r, r->name.queues, channel_mask);
	else
		rc = choose_queues(r, channel_mask, RING_ANY_CHANNEL);
	return pfri_leave_rx(r, rc);
}

int pfring_set_channel_id(pfring *ring, u_int32_t channel_id)
{
	if (channel_id == (u_int32_t)RING_ANY_CHANNEL)
		return pfring_set_channel_mask(ring, RING_ANY_CHANNEL);
	if (channel_id >= MAX_NUM_RX_CHANNELS)
		return pfri_fail(-EINVAL, "%u is no receive queue; they are 0 to %d", channel_id,
				 MAX_NUM_RX_CHANNELS - 1);
	return pfring_set_channel_mask(ring, 1ull << channel_id);
}

int pfring_enable_rss_rehash(pfring *ring)
{
	struct pfri_ring *r = pfri_of(ring);
	u_int queues;
	int rc = pfri_enter_rx(r);

	if (rc)
		return rc;
	queues = pfring_get_num_rx_channels(ring);
	if (r->choice.rehash || queues < 2)
		return pfri_leave_rx(r, 0);
	if (r->ops == &pfri_kernel_ops) {
		if (r->name.queues != RING_ANY_CHANNEL)
			return pfri_leave_rx(
				r, pfri_fail(-EOPNOTSUPP,
					     "pfring: the socket sees its own queue only; put the "
					     "rings into one cluster (pfring_set_cluster)"));
		r->choice.rehash = queues;
		return pfri_leave_rx(r, 0);
	}
	r->choice.rehash = queues;
	rc = choose_queues(r, RING_ANY_CHANNEL, r->name.queues);
	if (rc)
		r->choice.rehash = 0;
	return pfri_leave_rx(r, rc);
}

int pfring_set_vlan_id(pfring *ring, u_int16_t vlan_id)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc;

	if (vlan_id > 4095 && vlan_id != RING_ANY_VLAN)
		return pfri_fail(-EINVAL, "%u is no VLAN; they are 1 to 4095, 0: none", vlan_id);
	rc = pfri_enter_rx(r);
	if (rc)
		return rc;
	r->choice.vlan = vlan_id == RING_ANY_VLAN ? -1 : vlan_id;
	changed(r);
	return pfri_leave_rx(r, 0);
}

int pfring_set_packet_slicing(pfring *ring, packet_slicing_level level, u_int32_t additional_bytes)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc;

	if (level > L4_SLICING)
		return pfri_fail(-EINVAL, "%d is no layer to cut packets behind", (int)level);
	rc = pfri_enter_rx(r);
	if (rc)
		return rc;
	r->choice.slice = level;
	r->choice.slice_bytes = additional_bytes;
	changed(r);
	return pfri_leave_rx(r, 0);
}
