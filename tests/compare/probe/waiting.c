/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * waiting.c - select and poll on a handle: when its descriptor is readable and
 * when not, and that no read waits behind one that was.
 */
#include <fcntl.h>

#include "probe.h"

static int readable(pcap_t *p, int ms)
{
	struct pollfd fd = {.fd = pcap_get_selectable_fd(p), .events = POLLIN};

	return poll(&fd, 1, ms) > 0 ? fd.revents : 0;
}

static void *send_one(void *arg)
{
	(void)arg;
	send_frame(UDP, 0, 60);
	return NULL;
}

static void watched(const struct how *how, const char *name)
{
	pcap_t *p = opened(how);
	struct sum sum = {.p = p};
	struct pcap_pkthdr *h, header;
	const unsigned char *data;
	pthread_t t;

	title(name);
	see("fresh: %d", readable(p, 0));
	see("O_NONBLOCK: %d", (fcntl(pcap_get_selectable_fd(p), F_GETFL) & O_NONBLOCK) != 0);
	t = later(20, send_one, NULL);
	see("woken: %d", readable(p, PATIENCE));
	pthread_join(t, NULL);
	see("dispatch: %d", pcap_dispatch(p, -1, add, (void *)&sum));
	see("read: %d", readable(p, 3 * TO_MS));
	send_frame(UDP, 1, 60);
	see("one: %d", readable(p, PATIENCE));
	see("next_ex: %d", pcap_next_ex(p, &h, &data));
	see("read: %d", readable(p, 3 * TO_MS));
	send_frame(UDP, 1, 60);
	see("one: %d", readable(p, PATIENCE));
	see("next: %d", pcap_next(p, &header) != NULL);
	see("read: %d", readable(p, 3 * TO_MS));
	send_frame(UDP, 1, 60);
	see("one: %d", readable(p, PATIENCE));
	see("dispatch 1: %d", pcap_dispatch(p, 1, add, (void *)&sum));
	see("read: %d", readable(p, 3 * TO_MS));
	send_frames(UDP, 5, 60);
	settle(p, 9);
	for (int i = 0; i < 5; i++) {
		see("five: %d", readable(p, PATIENCE));
		see("dispatch 1: %d", pcap_dispatch(p, 1, add, (void *)&sum));
	}
	see("read: %d", readable(p, 3 * TO_MS));
	send_frames(UDP, 5, 60);
	settle(p, 14);
	for (int i = 0; i < 5; i++) {
		see("five: %d", readable(p, PATIENCE));
		see("next_ex: %d", pcap_next_ex(p, &h, &data));
	}
	see("read: %d", readable(p, 3 * TO_MS));
	/* A filter that refuses what is queued. */
	send_frames(UDP, 5, 60);
	settle(p, 19);
	see("five: %d", readable(p, PATIENCE));
	filter(p, "tcp");
	if (how->nonblock)
		see("refused: %d", pcap_dispatch(p, -1, add, (void *)&sum));
	pcap_breakloop(p);
	see("a break is not readable: %d",
	    readable(p, how->nonblock ? 3 * TO_MS : 0) && how->nonblock);
	pcap_close(p);
}

/* An event loop as programs have it, on a handle that blocks. */
static void event_loop(void)
{
	pcap_t *p = opened(NULL);
	struct sum sum = {.p = p};
	unsigned turns = 0;
	pthread_t t[3];

	title("event loop");
	for (int i = 0; i < 3; i++)
		t[i] = later(30 + 60 * i, send_one, NULL);
	while (sum.count < 3 && readable(p, PATIENCE) == POLLIN) {
		turns++;
		if (pcap_dispatch(p, 1, add, (void *)&sum) < 1)
			break;
	}
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	see("%u packets in %u turns", sum.count, turns);
	pcap_close(p);
}

void probe_waiting(void)
{
	watched(&(struct how){.nonblock = 1}, "waiting, non-blocking");
	watched(&(struct how){0}, "waiting");
	watched(&(struct how){.immediate = 1, .nonblock = 1}, "waiting, immediate, non-blocking");
	watched(&(struct how){.immediate = 1}, "waiting, immediate");
	event_loop();
}
