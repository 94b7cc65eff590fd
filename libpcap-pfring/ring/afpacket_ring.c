/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * afpacket_ring.c - see afpacket_ring.h. Called when a handle is opened, and
 * when it leaves a cluster.
 */
#include "afpacket_ring.h"

#include <sys/mman.h>

#include "afpacket_frame.h"

#define LEAST_BLOCKS 4

int pfri_afp_ring_version(const struct pfri_afp *a, int version)
{
	int reserve = a->cooked ? PFRI_COOKED_RESERVE : 0;

	if (setsockopt(a->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) < 0)
		return pfri_fail(-errno, "the kernel has no TPACKET_V%d: %s", version + 1,
				 strerror(errno));
	if (reserve && setsockopt(a->fd, SOL_PACKET, PACKET_RESERVE, &reserve, sizeof(reserve)) < 0)
		return pfri_fail(-errno, "cannot reserve room for cooked headers: %s",
				 strerror(errno));
	return 0;
}

int pfri_afp_ring_make(const struct pfri_afp *a, union tpacket_req_u *asked, u_char **map)
{
	struct tpacket_req *req = &asked->req; /* tpacket_req3 begins with the same */
	size_t bytes;

	*map = NULL;
	req->tp_block_nr = max_val(req->tp_block_nr, (u_int)LEAST_BLOCKS);
	for (;;) {
		req->tp_frame_nr = req->tp_block_size / req->tp_frame_size * req->tp_block_nr;
		if (setsockopt(a->fd, SOL_PACKET, PACKET_RX_RING, asked, sizeof(*asked)) == 0)
			break;
		/* Memory is short or fragmented: a smaller ring is better than none. */
		if (errno != ENOMEM || req->tp_block_nr <= LEAST_BLOCKS)
			return pfri_fail(-errno, "cannot make a ring of %u blocks of %u bytes: %s",
					 req->tp_block_nr, req->tp_block_size, strerror(errno));
		req->tp_block_nr -= (req->tp_block_nr + 7) / 8;
	}
	bytes = (size_t)req->tp_block_size * req->tp_block_nr;
	*map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, a->fd, 0);
	if (*map != MAP_FAILED)
		return 0;
	*map = NULL;
	return pfri_fail(-errno, "cannot map a ring of %zu bytes: %s", bytes, strerror(errno));
}

int pfri_afp_ring_replace(u_char *map, u_char *copy, size_t bytes)
{
	int err;

	if (mremap(copy, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, map) != MAP_FAILED)
		return 0;
	err = -errno;
	munmap(copy, bytes);
	return pfri_fail(err, "cannot keep what is queued: %s", strerror(-err));
}
