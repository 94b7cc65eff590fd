/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * flow_hash.h - the arithmetic of the flow hash: two ends in, one number out.
 *
 * Shared by flow_hash.c, which knows the cluster types, and flows.c, which
 * hashes whole batches; both must give the same number. Any thread.
 */
#ifndef PFRI_FLOW_HASH_H
#define PFRI_FLOW_HASH_H

#include <stdbool.h>
#include <sys/types.h>

/* One end of a flow; what a type leaves out is 0. */
struct pfri_end {
	u_int64_t high, low; /* the address */
	u_int16_t port;
};

/* A bijection in which each bit of x changes each bit of the result about every second time. */
static inline u_int64_t pfri_hash_mix(u_int64_t x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	x ^= x >> 32;
	return x;
}

static inline u_int32_t pfri_hash_finish(u_int64_t h)
{
	u_int32_t hash = (u_int32_t)(h ^ h >> 32);

	return hash ? hash : 1; /* 0 means that there is none */
}

/*
 * pfri_hash_finish(pfri_hash_mix(x)) in fewer steps: of the last product only the lower half is
 * left when all is folded.
 */
static inline u_int32_t pfri_hash_last(u_int64_t x)
{
	u_int32_t hash;

	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93u;
	hash = (u_int32_t)(x ^ x >> 32) * 0x6659fd93u;
	return hash ? hash : 1;
}

/*
 * Both addresses in 32 bits: one word for both, so IPv4 takes half of the steps. The lower end's
 * address and port are in the upper halves.
 */
static inline u_int32_t pfri_hash_short(u_int64_t addresses, u_int32_t ports, u_int64_t rest)
{
	return pfri_hash_last(pfri_hash_mix(rest ^ (u_int64_t)ports << 32) ^ addresses);
}

static inline bool pfri_end_less(const struct pfri_end *a, const struct pfri_end *b)
{
	if (a->high != b->high)
		return a->high < b->high;
	if (a->low != b->low)
		return a->low < b->low;
	return a->port < b->port;
}

/* Symmetric: the ends are sorted first. rest: what else makes the flow. */
static inline u_int32_t pfri_hash_ends(const struct pfri_end *a, const struct pfri_end *b,
				       u_int64_t rest)
{
	const struct pfri_end *lo = pfri_end_less(b, a) ? b : a, *hi = lo == a ? b : a;
	u_int64_t h;

	if (!(lo->high | hi->high | (lo->low | hi->low) >> 32))
		return pfri_hash_short(lo->low << 32 | hi->low,
				       (u_int32_t)lo->port << 16 | hi->port, rest);
	h = pfri_hash_mix(rest ^ (u_int64_t)lo->port << 48 ^ (u_int64_t)hi->port << 32);
	h = pfri_hash_mix(h ^ lo->low);
	h = pfri_hash_mix(h ^ lo->high);
	h = pfri_hash_mix(h ^ hi->low);
	return pfri_hash_last(h ^ hi->high);
}

#endif /* PFRI_FLOW_HASH_H */
