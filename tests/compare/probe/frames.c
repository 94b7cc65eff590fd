/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * frames.c - the probe's traffic, and what it adds up of what it gets.
 *
 * Frames leave gen0 through a packet socket of the sending namespace, opened
 * before anything else; outgoing ones leave cap0 through a second socket.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "probe.h"
#include "wire.h"

static int gen0 = -1, out = -1;

static int bound(const char *device, int protocol)
{
	struct sockaddr_ll sll = {.sll_family = AF_PACKET, .sll_protocol = htons(protocol)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	sll.sll_ifindex = (int)if_nametoindex(device);
	if (fd < 0 || !sll.sll_ifindex || bind(fd, (struct sockaddr *)&sll, sizeof(sll))) {
		fprintf(stderr, "probe: no socket on %s: %s\n", device, strerror(errno));
		exit(2);
	}
	return fd;
}

void frames_open(void)
{
	char path[128];
	int home = open("/proc/self/ns/net", O_RDONLY), there;

	snprintf(path, sizeof(path), "/run/netns/%s", tx_namespace);
	there = open(path, O_RDONLY);
	if (home < 0 || there < 0 || setns(there, CLONE_NEWNET)) {
		fprintf(stderr, "probe: cannot enter %s: %s\n", path, strerror(errno));
		exit(2);
	}
	/* An own EtherType to listen to: what is injected at the other end carries it. */
	gen0 = bound("gen0", 0x88b6);
	if (setns(home, CLONE_NEWNET))
		exit(2);
	close(home);
	close(there);
	out = bound(CAPTURE, 0);
}

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static unsigned ip(uint8_t *at, unsigned room, unsigned protocol, unsigned number)
{
	static const uint8_t addresses[8] = {10, 0, 0, 1, 10, 0, 0, 2};

	at[0] = 0x45;
	put16(at + 2, room);
	at[8] = 64;
	at[9] = (uint8_t)protocol;
	memcpy(at + 12, addresses, 8);
	put16(at + 20, 1000 + number % 7);
	put16(at + 22, protocol == 17 ? 53 : 80);
	if (protocol == 6) {
		at[32] = 0x50;
		at[33] = 0x02;
	} else if (protocol == 17) {
		put16(at + 24, room - 20);
	} else {
		at[20] = 8;
	}
	return 20;
}

unsigned frame_make(uint8_t *frame, enum kind kind, unsigned number, unsigned length)
{
	static const uint8_t macs[12] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
	static const unsigned protocols[KINDS] = {17, 6, 1, 0, 17, 6, 17};
	unsigned at = 12;

	for (unsigned i = 0; i < length; i++)
		frame[i] = (uint8_t)(number * 31 + i * 7);
	memcpy(frame, macs, sizeof(macs));
	if (kind == TAGGED || kind == QINQ || kind == AD_TAGGED) {
		put16(frame + at, kind == AD_TAGGED ? 0x88a8 : 0x8100);
		put16(frame + at + 2, 0x6000 | (5 + number % 3));
		at += 4;
	}
	if (kind == QINQ) {
		put16(frame + at, 0x8100);
		put16(frame + at + 2, 100);
		at += 4;
	}
	if (kind == ARP) {
		static const uint8_t request[8] = {0, 1, 8, 0, 6, 4, 0, 1};

		put16(frame + at, 0x0806);
		memcpy(frame + at + 2, request, sizeof(request));
	} else {
		put16(frame + at, 0x0800);
		memset(frame + at + 2, 0, 36);
		ip(frame + at + 2, length - at - 2, protocols[kind], number);
	}
	return length;
}

void send_frame(enum kind kind, unsigned number, unsigned length)
{
	uint8_t frame[FRAME_MAX];

	frame_make(frame, kind, number, length);
	while (send(gen0, frame, length, 0) < 0)
		if (errno != ENOBUFS) {
			fprintf(stderr, "probe: cannot send: %s\n", strerror(errno));
			exit(2);
		}
}

void send_frames(enum kind kind, unsigned count, unsigned length)
{
	for (unsigned i = 0; i < count; i++)
		send_frame(kind, i, length);
}

void send_each_kind(unsigned count)
{
	static const unsigned lengths[] = {60, 61, 64, 333, 1000, 1513, 1514};

	for (unsigned i = 0; i < count; i++)
		for (unsigned k = 0; k < KINDS; k++)
			send_frame((enum kind)k, i, lengths[(i + k) % 7]);
}

void send_out(unsigned count)
{
	uint8_t frame[60];

	for (unsigned i = 0; i < count; i++) {
		frame_make(frame, UDP, i, sizeof(frame));
		if (send(out, frame, sizeof(frame), 0) < 0)
			see("sending out of the capturing end failed: %s", strerror(errno));
	}
}

int arrived(void)
{
	struct pollfd p = {.fd = gen0, .events = POLLIN};
	uint8_t frame[2048];
	int n = 0;

	while (poll(&p, 1, QUIET) > 0 && recv(gen0, frame, sizeof(frame), 0) >= 0)
		n++;
	return n;
}

void await_carrier(void)
{
	wire_carrier(gen0, "gen0");
}

void add(unsigned char *arg, const struct pcap_pkthdr *h, const unsigned char *data)
{
	struct sum *sum = (void *)arg;
	uint64_t hash = sum->hash ? sum->hash : 14695981039346656037u;

	hash = (hash ^ h->caplen) * 1099511628211u;
	hash = (hash ^ h->len) * 1099511628211u;
	for (unsigned i = 0; i < h->caplen; i++)
		hash = (hash ^ data[i]) * 1099511628211u;
	sum->hash = hash;
	sum->bytes += h->caplen;
	sum->wire += h->len;
	if (++sum->count == sum->stop_at)
		pcap_breakloop(sum->p);
}

void see_sum(const char *what, const struct sum *sum)
{
	see("%s: %u packets, %llu of %llu bytes, %016llx", what, sum->count,
	    (unsigned long long)sum->bytes, (unsigned long long)sum->wire,
	    (unsigned long long)sum->hash);
}

/* Non-blocking for a while: until count packets are there, or none has come for so long. */
static struct sum read_until(pcap_t *p, unsigned count, unsigned patience)
{
	struct sum sum = {.p = p};
	char errbuf[PCAP_ERRBUF_SIZE];
	int mode = pcap_getnonblock(p, errbuf);
	unsigned waited = 0;

	pcap_setnonblock(p, 1, errbuf);
	while (sum.count < count && waited < patience) {
		int rc = pcap_dispatch(p, -1, add, (void *)&sum);

		if (rc < 0) {
			see("dispatch: %d \"%s\"", rc, SAID(p));
			break;
		}
		waited = rc ? 0 : waited + 2;
		if (!rc)
			usleep(2000);
	}
	pcap_setnonblock(p, mode, errbuf);
	return sum;
}

struct sum gather(pcap_t *p, unsigned count)
{
	return read_until(p, count, PATIENCE);
}

struct sum drain(pcap_t *p)
{
	return read_until(p, UINT32_MAX, QUIET);
}

void settle(pcap_t *p, unsigned count)
{
	struct pcap_stat st = {0};

	for (unsigned waited = 0; waited < PATIENCE; waited++) {
		if (pcap_stats(p, &st) < 0 || st.ps_recv >= count)
			break;
		usleep(1000);
	}
	/* The block that they are in must be handed over, too. */
	usleep((TO_MS * 2 + 5) * 1000);
}
