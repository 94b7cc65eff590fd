/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * handle.c - from a pcap_t pointer to what we know of it.
 *
 * A fixed table of atomic pointers, hashed by the pcap_t's address, probed
 * linearly. Readers take no lock (pcap_breakloop() runs in signal handlers);
 * writers, in pcap_create() and pcap_close(), take one. A removed entry leaves
 * a tombstone that the next add reuses. A process that holds more handles than
 * fit gets the real library for the rest.
 */
#include <sys/mman.h>

#include "overlay.h"

#define SLOTS     4096 /* a power of two */
#define MAX_PROBE 64

static _Atomic(struct pfro_handle *) table[SLOTS];
static struct pfro_handle tombstone;
static pthread_mutex_t writers = PTHREAD_MUTEX_INITIALIZER;

static u_int slot_of(const pcap_t *p)
{
	return (u_int)(((uintptr_t)p >> 4) * 0x9e3779b97f4a7c15u >> 40) & (SLOTS - 1);
}

struct pfro_handle *pfro_find(pcap_t *p)
{
	u_int i = slot_of(p);

	for (u_int n = 0; n < MAX_PROBE; n++) {
		struct pfro_handle *h = atomic_load_explicit(&table[i], memory_order_acquire);

		if (!h)
			return NULL;
		if (atomic_load_explicit(&h->pcap, memory_order_relaxed) == p && p)
			return h;
		i = (i + 1) & (SLOTS - 1);
	}
	return NULL;
}

struct pfro_handle *pfro_add(pcap_t *p, const char *device)
{
	struct pfro_handle *h;
	u_int i = slot_of(p), n;

	if (device && strlen(device) >= sizeof(h->device))
		return NULL;
	h = mmap(NULL, sizeof(*h), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (h == MAP_FAILED)
		return NULL;
	snprintf(h->device, sizeof(h->device), "%s", device ? device : "any");
	atomic_store(&h->pcap, p);
	h->cluster_id = -1;
	h->cluster = cluster_per_flow_5_tuple;
	h->tstamp_type = -1;
	pthread_mutex_lock(&writers);
	for (n = 0; n < MAX_PROBE; n++) {
		struct pfro_handle *there = atomic_load(&table[i]);

		if (!there || there == &tombstone) {
			atomic_store_explicit(&table[i], h, memory_order_release);
			break;
		}
		i = (i + 1) & (SLOTS - 1);
	}
	pthread_mutex_unlock(&writers);
	if (n == MAX_PROBE) {
		munmap(h, sizeof(*h));
		return NULL;
	}
	return h;
}

void pfro_remove(struct pfro_handle *h)
{
	u_int i = slot_of(atomic_load(&h->pcap));

	pthread_mutex_lock(&writers);
	for (u_int n = 0; n < MAX_PROBE; n++) {
		if (atomic_load(&table[i]) == h) {
			atomic_store(&table[i], &tombstone);
			break;
		}
		i = (i + 1) & (SLOTS - 1);
	}
	pthread_mutex_unlock(&writers);
	munmap(h, sizeof(*h));
}
