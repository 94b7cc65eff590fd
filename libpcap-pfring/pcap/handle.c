/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * handle.c - from a pcap_t pointer to what we know of it.
 *
 * A fixed table, hashed by the pcap_t's address, probed linearly. Readers take
 * no lock (pcap_breakloop() runs in signal handlers) and look at keys only: a
 * handle is touched by whoever holds its own pcap_t, never by a search that
 * passes it. Writers, in pcap_create() and pcap_close(), take the lock. A
 * removed entry leaves a tombstone, unless nothing is behind it. A process
 * that holds more handles than fit gets the real library for the rest.
 */
#include <sys/mman.h>

#include "overlay.h"

#define SLOTS 4096 /* a power of two */
#define MAX_PROBE 64

static struct slot {
	_Atomic(pcap_t *) key; /* written last, and cleared first */
	struct pfro_handle *handle;
} table[SLOTS];

static char grave;
#define TOMBSTONE ((pcap_t *)(void *)&grave)

static pthread_mutex_t writers = PTHREAD_MUTEX_INITIALIZER;
_Atomic u_int pfro_handles;

static u_int slot_of(const pcap_t *p)
{
	return (u_int)(((uintptr_t)p >> 4) * 0x9e3779b97f4a7c15u >> 40) & (SLOTS - 1);
}

static u_int next_slot(u_int i)
{
	return (i + 1) & (SLOTS - 1);
}

struct pfro_handle *pfro_search(pcap_t *p)
{
	u_int i = slot_of(p);

	for (u_int n = 0; n < MAX_PROBE; n++) {
		/* Pairs with the release in pfro_add(): who sees the key sees the handle. */
		pcap_t *key = atomic_load_explicit(&table[i].key, memory_order_acquire);

		if (key == p)
			return p ? table[i].handle : NULL;
		if (!key)
			return NULL;
		i = next_slot(i);
	}
	return NULL;
}

struct pfro_handle *pfro_add(pcap_t *p, const char *device)
{
	struct pfro_handle *h;
	u_int i = slot_of(p), n;

	if (strlen(device) >= sizeof(h->device))
		return NULL;
	/* A mapping: its 16 KiB of descriptors cost nothing until packets come. */
	h = mmap(NULL, sizeof(*h), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (h == MAP_FAILED)
		return NULL;
	h->pcap = p;
	snprintf(h->device, sizeof(h->device), "%s", device);
	h->cluster_id = -1;
	h->cluster = cluster_per_flow_5_tuple;
	h->tstamp_type = -1;
	pthread_mutex_lock(&writers);
	for (n = 0; n < MAX_PROBE; n++) {
		pcap_t *key = atomic_load(&table[i].key);

		if (!key || key == TOMBSTONE) {
			table[i].handle = h;
			atomic_fetch_add(&pfro_handles, 1);
			atomic_store_explicit(&table[i].key, p, memory_order_release);
			break;
		}
		i = next_slot(i);
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
	u_int i = slot_of(h->pcap);

	pthread_mutex_lock(&writers);
	for (u_int n = 0; n < MAX_PROBE && atomic_load(&table[i].key) != h->pcap; n++)
		i = next_slot(i);
	if (atomic_load(&table[i].key) == h->pcap) {
		atomic_store(&table[i].key, TOMBSTONE);
		atomic_fetch_sub(&pfro_handles, 1);
	}
	/* Tombstones with nothing behind them hold no search together. */
	if (!atomic_load(&table[next_slot(i)].key))
		for (; atomic_load(&table[i].key) == TOMBSTONE; i = (i - 1) & (SLOTS - 1))
			atomic_store(&table[i].key, NULL);
	pthread_mutex_unlock(&writers);
	munmap(h, sizeof(*h));
}
