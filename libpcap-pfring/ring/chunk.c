/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chunk.c - packets in one piece, and what is known of the last one.
 *
 * The descriptors that pfring_recv() hands out one by one lie in r->batch;
 * here a program gets at them. One thread at a time, or under the receive
 * lock, as for every receive call.
 */
#include "handle.h"

int pfring_recv_chunk(pfring *ring, void **chunk, pfring_chunk_info *chunk_info,
		      u_int8_t wait_for_incoming_chunk)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc;

	if (!chunk || !chunk_info)
		return pfri_fail(-EINVAL, "pfring_recv_chunk: no place for the chunk was given");
	rc = pfri_enter(r);
	if (rc)
		return rc;
	pfri_rx_lock(r, !wait_for_incoming_chunk);
	rc = pfri_fill(r, wait_for_incoming_chunk ? -1 : 0);
	if (rc > 0) {
		chunk_info->num_packets = r->retest ? 1 : r->count - r->head;
		chunk_info->length =
			chunk_info->num_packets * (u_int32_t)sizeof(struct pfring_packet);
		*chunk = &r->batch[r->head];
		r->head += chunk_info->num_packets;
	}
	return pfri_leave_rx(r, rc);
}

int pfring_get_metadata(pfring *ring, u_char **metadata, u_int32_t *metadata_len)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc;

	if (!metadata || !metadata_len)
		return pfri_fail(-EINVAL, "pfring_get_metadata: no place for it was given");
	rc = pfri_enter_rx(r);
	if (rc)
		return rc;
	if (!r->holding || !r->head) {
		rc = pfri_fail(-EAGAIN, "no packet was received yet");
	} else {
		*metadata = (u_char *)&r->batch[r->head - 1];
		*metadata_len = sizeof(struct pfring_packet);
	}
	return pfri_leave_rx(r, rc);
}

void pfring_sync_indexes_with_kernel(pfring *ring)
{
	struct pfri_ring *r = pfri_of(ring);

	if (pfri_enter_rx(r))
		return;
	if (r->head == r->count)
		pfri_release(r);
	pfri_leave_rx(r, 0);
}
