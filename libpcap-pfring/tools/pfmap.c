/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfmap - who is on the wire: each MAC address with the IP addresses it sends
 * from, its packets and bytes.
 *
 * A hash table with open addressing that doubles; one thread. Addresses behind
 * a router all come from the router's MAC address, so a host keeps the first
 * few only and counts the rest.
 */
#include <arpa/inet.h>

#include "common.h"

#define SHOWN 4 /* addresses kept of a host */

static const struct tool_option options[] = {
	{'i', "device", "DEVICE", "what to capture from (alldevs lists them; file:PATH)"},
	{'f', "filter", "EXPRESSION", "only packets of this pcap-filter(7)"},
	{'n', "count", "PACKETS", "stop after so many"},
	{'d', "duration", "SECONDS", "stop after so long"},
	{0},
};

static const struct tool tool = {
	.name = "pfmap",
	.summary = "list who is on the wire",
	.options = options,
	.note = "The list comes at the end, the busiest first.",
};

struct address {
	u_int8_t version;
	ip_addr ip;
};

struct host {
	u_char mac[6];
	bool used;
	u_int n;      /* of address */
	u_int others; /* packets from addresses that are not kept */
	struct address address[SHOWN];
	u_int64_t packets, bytes;
};

static struct host *hosts;
static size_t n_hosts, room;

static size_t place_of(const struct host *table, size_t size, const u_char mac[6])
{
	u_int64_t h = 0;

	memcpy(&h, mac, 6);
	h *= 0x9e3779b97f4a7c15u;
	for (size_t at = h >> 32;; at++)
		if (!table[at % size].used || !memcmp(table[at % size].mac, mac, 6))
			return at % size;
}

static void grow(void)
{
	size_t size = room ? 2 * room : 256;
	struct host *table = calloc(size, sizeof(*table));

	if (!table)
		tool_die(&tool, "no memory for %zu hosts", size);
	for (size_t i = 0; i < room; i++)
		if (hosts[i].used)
			table[place_of(table, size, hosts[i].mac)] = hosts[i];
	free(hosts);
	hosts = table;
	room = size;
}

static struct host *host_of(const u_char mac[6])
{
	struct host *h;

	if (2 * n_hosts >= room)
		grow();
	h = &hosts[place_of(hosts, room, mac)];
	if (!h->used) {
		h->used = true;
		memcpy(h->mac, mac, 6);
		n_hosts++;
	}
	return h;
}

static void add_address(struct host *h, const struct pkt_parsing_info *info)
{
	struct address a = {.version = info->ip_version};

	if (!a.version)
		return;
	if (a.version == 4)
		a.ip.v4 = info->ip_src.v4;
	else
		a.ip.v6 = info->ip_src.v6;
	for (u_int i = 0; i < h->n; i++)
		if (h->address[i].version == a.version &&
		    !memcmp(&h->address[i].ip, &a.ip, a.version == 4 ? 4 : 16))
			return;
	if (h->n < SHOWN)
		h->address[h->n++] = a;
	else
		h->others++;
}

static void note(const struct pfring_packet *p)
{
	struct pfring_pkthdr hdr = {.caplen = p->caplen, .len = p->len};
	struct host *h;

	if (p->caplen < 14)
		return;
	pfring_parse_pkt((u_char *)(uintptr_t)p->data, &hdr, 3, 0, 0);
	h = host_of(p->data + 6);
	h->packets++;
	h->bytes += p->len;
	add_address(h, &hdr.extended_hdr.parsed_pkt);
}

static int busier(const void *a, const void *b)
{
	const struct host *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return memcmp(x->mac, y->mac, 6);
}

static void print(void)
{
	size_t n = 0;

	for (size_t i = 0; i < room; i++)
		if (hosts[i].used)
			hosts[n++] = hosts[i];
	if (n)
		qsort(hosts, n, sizeof(*hosts), busier);
	printf("%zu hosts\n", n);
	for (size_t i = 0; i < n; i++) {
		const struct host *h = &hosts[i];

		printf("%02x:%02x:%02x:%02x:%02x:%02x %10llu pkts %14llu bytes", h->mac[0],
		       h->mac[1], h->mac[2], h->mac[3], h->mac[4], h->mac[5],
		       (unsigned long long)h->packets, (unsigned long long)h->bytes);
		for (u_int k = 0; k < h->n; k++) {
			struct in_addr v4 = {htonl(h->address[k].ip.v4)};
			char text[INET6_ADDRSTRLEN];

			printf(" %s", h->address[k].version == 4
					      ? inet_ntop(AF_INET, &v4, text, sizeof(text))
					      : inet_ntop(AF_INET6, &h->address[k].ip.v6, text,
							  sizeof(text)));
		}
		printf(h->others ? " and others\n" : "\n");
	}
}

int main(int argc, char **argv)
{
	static struct pfring_packet packets[TOOL_BATCH];
	const char *device = NULL, *filter = NULL;
	u_int64_t most = 0, seconds = 0, seen = 0;
	struct tool_clock clock;
	pfring *ring;
	int c, n = 0;

	while ((c = tool_next(&tool, argc, argv)) != -1) {
		switch (c) {
		case 'i':
			device = optarg;
			break;
		case 'f':
			filter = optarg;
			break;
		case 'n':
			most = tool_number(&tool, "a count", 1, UINT64_MAX);
			break;
		case 'd':
			seconds = tool_number(&tool, "a duration", 1, 100000000);
			break;
		}
	}
	ring = tool_open(&tool, device, 128, PF_RING_PROMISC);
	if (pfring_get_link_type(ring) != 1)
		tool_die(&tool, "%s has no MAC addresses", device);
	if (filter)
		tool_check(&tool, pfring_set_bpf_filter(ring, filter));
	tool_on_stop(ring);
	tool_enable(&tool, ring);
	tool_clock_start(&clock, seconds);
	clock.next = clock.start + 3600ull * 1000000000u;
	puts("Capturing");
	fflush(stdout);
	while (!tool_stopped && !tool_clock_over(&clock) && (!most || seen < most)) {
		n = pfring_recv_batch(ring, packets,
				      most ? (u_int)min_val(most - seen, TOOL_BATCH) : TOOL_BATCH,
				      tool_clock_wait(&clock));
		if (n < 0 && n != -EINTR)
			break;
		for (int i = 0; i < n; i++)
			note(&packets[i]);
		seen += n > 0 ? (u_int)n : 0;
	}
	print();
	if (n < 0 && n != -EINTR && n != -ENODATA)
		tool_die(&tool, "%s", pfring_last_error());
	free(hosts);
	pfring_close(ring);
	return 0;
}
