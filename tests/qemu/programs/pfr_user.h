/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfr_user.h - a PF_RING socket without libpfring, for the programs in here.
 *
 * The reader's half of the ring as <linux/pf_ring_lane.h> describes it, written a
 * second time on purpose: a fault in the library must not hide one in the
 * module. Everything exits with a message on a failure that is not expected.
 */
#ifndef PFR_USER_H
#define PFR_USER_H

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/pf_ring.h>

#define DIE(...)                                                                                   \
	(fprintf(stderr, __VA_ARGS__), fprintf(stderr, " (%s)\n", strerror(errno)), exit(1))

struct user_lane {
	const struct pfr_lane_prod *prod;
	struct pfr_lane_cons *cons;
	const unsigned char *data;
	__u64 size, pos;
};

struct user_ring {
	int fd;
	unsigned lanes;
	__u64 stride;
	struct user_lane lane[64];
};

static inline void user_map(struct user_ring *r)
{
	struct pfr_info info;
	socklen_t len = sizeof(info);

	if (getsockopt(r->fd, SOL_PF_RING, PFR_SO_INFO, &info, &len))
		DIE("PFR_SO_INFO");
	r->lanes = info.lanes;
	r->stride = info.lane_stride;
	for (unsigned i = 0; i < r->lanes; i++) {
		struct user_lane *l = &r->lane[i];
		char *at =
			mmap(NULL, r->stride, PROT_READ, MAP_SHARED, r->fd, (off_t)(i * r->stride));

		if (at == MAP_FAILED)
			DIE("mmap of lane %u", i);
		if (mmap(at + 4096, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, r->fd,
			 (off_t)(i * r->stride + 4096)) == MAP_FAILED)
			DIE("mmap of the reader's page of lane %u", i);
		l->prod = (const void *)at;
		l->cons = (void *)(at + 4096);
		l->data = (const unsigned char *)at + PFR_LANE_DATA;
		l->size = info.lane_data;
		l->pos = 0;
	}
}

static inline int user_bind(int fd, int ifindex)
{
	struct sockaddr_pfr sa = {
		.family = PF_RING, .ifindex = ifindex, .queues = RING_ANY_CHANNEL};

	return bind(fd, (struct sockaddr *)&sa, sizeof(sa));
}

static inline void user_open(struct user_ring *r, const char *device, __u64 lane_bytes)
{
	struct pfr_ring_req req = {.caplen = 2048, .lane_bytes = lane_bytes};
	int rx = rx_only_direction;

	r->fd = socket(PF_RING, SOCK_RAW, htons(ETH_P_ALL));
	if (r->fd < 0)
		DIE("socket");
	if (setsockopt(r->fd, SOL_PF_RING, PFR_SO_RING, &req, sizeof(req)))
		DIE("PFR_SO_RING");
	user_map(r);
	if (setsockopt(r->fd, SOL_PF_RING, PFR_SO_DIRECTION, &rx, sizeof(rx)))
		DIE("PFR_SO_DIRECTION");
	if (user_bind(r->fd, (int)if_nametoindex(device)))
		DIE("bind to %s", device);
	if (setsockopt(r->fd, SOL_PF_RING, PFR_SO_ACTIVATE, NULL, 0))
		DIE("PFR_SO_ACTIVATE");
}

/* Calls f for each record that is there; returns how many there were. */
static inline unsigned user_drain(struct user_ring *r,
				  void (*f)(const struct pfr_rec *, const unsigned char *, void *),
				  void *arg)
{
	unsigned n = 0;

	for (unsigned i = 0; i < r->lanes; i++) {
		struct user_lane *l = &r->lane[i];
		__u64 prod = __atomic_load_n(&l->prod->prod, __ATOMIC_ACQUIRE); /* D */

		for (; l->pos < prod; n++) {
			const struct pfr_rec *rec =
				(const void *)(l->data + (l->pos & (l->size - 1)));

			f(rec, (const unsigned char *)(rec + 1), arg);
			l->pos += PFR_REC_SIZE(rec->caplen);
		}
		__atomic_store_n(&l->cons->cons, l->pos, __ATOMIC_RELEASE); /* B */
	}
	return n;
}

#endif /* PFR_USER_H */
