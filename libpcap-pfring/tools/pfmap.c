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

#include "capture.h"

#define SHOWN 4 /* addresses kept of a host */

static struct tool_capture capture = {.caplen = 128, .flags = PF_RING_PROMISC};

static const struct tool_option options[] = {
	TOOL_DEVICE(&capture.device),
	TOOL_FILTER(&capture.filter),
	TOOL_COUNT("stop after so many", &capture.count),
	TOOL_DURATION('d', &capture.seconds),
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

static int note_all(const struct pfring_packet *packets, u_int n)
{
	for (u_int i = 0; i < n; i++)
		note(&packets[i]);
	return 0;
}

int main(int argc, char **argv)
{
	pfring *ring;
	int rc;

	tool_options(&tool, argc, argv);
	ring = tool_capture_open(&tool, &capture, capture.device);
	if (pfring_get_link_type(ring) != 1)
		tool_die(&tool, "%s has no MAC addresses", capture.device);
	tool_capture_start(&tool, &capture, ring);
	tool_say("Capturing");
	rc = tool_capture_run(&capture, ring, note_all, NULL);
	print();
	tool_check(&tool, rc);
	free(hosts);
	pfring_close(ring);
	return 0;
}
