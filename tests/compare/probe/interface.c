/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * interface.c - the interface goes down, comes up again, and goes for good,
 * under handles that block and that do not. The last part: cap0 is gone after.
 */
#include "probe.h"

static void *take_down(void *arg)
{
	run("ip link set %s down", (const char *)arg);
	return NULL;
}

/* And waits until frames can go. */
static void bring_up(const char *device)
{
	run("ip link set %s up", device);
	await_carrier();
}

static void *remove_it(void *arg)
{
	run("ip link del %s", (const char *)arg);
	return NULL;
}

static void *down_up_and_send(void *arg)
{
	take_down(arg);
	usleep(50000);
	bring_up(arg);
	send_frames(UDP, 3, 60);
	return NULL;
}

static int events(pcap_t *p, int ms)
{
	struct pollfd fd = {.fd = pcap_get_selectable_fd(p), .events = POLLIN};

	return poll(&fd, 1, ms) > 0 ? fd.revents : 0;
}

static void down_and_up(int nonblock, int immediate)
{
	pcap_t *p = opened(&(struct how){.nonblock = nonblock, .immediate = immediate});
	const struct timeval *tv;
	struct sum sum;

	send_frames(UDP, 3, 60);
	sum = gather(p, 3);
	see_sum("up", &sum);
	take_down(CAPTURE);
	if (nonblock) {
		see("an error to see: %d", events(p, PATIENCE) != 0);
		see("dispatch: %d", pcap_dispatch(p, -1, add, (void *)&sum));
		tv = pcap_get_required_select_timeout(p);
		see("come back in %ld us", tv ? (long)tv->tv_usec : -1);
		see("and then quiet: %d", events(p, 0));
		for (int i = 0; i < 20; i++)
			if (pcap_dispatch(p, -1, add, (void *)&sum))
				see("dispatch while down: \"%s\"", SAID(p));
		see("still: %d", pcap_get_required_select_timeout(p) != NULL);
	}
	see("books: %d", pcap_stats(p, &(struct pcap_stat){0}));
	bring_up(CAPTURE);
	if (nonblock) {
		see("dispatch: %d", pcap_dispatch(p, -1, add, (void *)&sum));
		see("no more haste: %d", pcap_get_required_select_timeout(p) == NULL);
	}
	send_frames(TCP, 3, 60);
	sum = gather(p, 3);
	see_sum("up again", &sum);
	see("no more haste: %d", pcap_get_required_select_timeout(p) == NULL);
	pcap_close(p);
}

static void waiting_meanwhile(void)
{
	pcap_t *p = opened(NULL);
	struct sum sum = {.p = p};
	pthread_t t;

	title("interface, waiting meanwhile");
	t = later(20, down_up_and_send, CAPTURE);
	see("loop 3: %d", pcap_loop(p, 3, add, (void *)&sum));
	see_sum("came", &sum);
	pthread_join(t, NULL);
	pcap_close(p);
}

static void *give_away(void *arg)
{
	run("ip link set %s netns %s", (const char *)arg, tx_namespace);
	return NULL;
}

/* go: how the device goes, for good as far as this namespace can see. */
static void removed(const char *device, void *(*go)(void *), int nonblock, int immediate)
{
	char errbuf[PCAP_ERRBUF_SIZE] = "";
	struct sum sum = {0};
	pthread_t t;
	pcap_t *p;
	int rc = 0;

	run("ip link add name %s type veth peer name peer && ip link set %s up", device, device);
	p = pcap_create(device, errbuf);
	pcap_set_timeout(p, TO_MS);
	pcap_set_immediate_mode(p, immediate);
	pcap_setnonblock(p, nonblock, errbuf);
	see("activate: %d", pcap_activate(p));
	if (nonblock) {
		go((void *)(uintptr_t)device);
		see("an error to see: %d", events(p, PATIENCE) != 0);
		for (int i = 0; i < PATIENCE && rc == 0; i++) {
			const struct timeval *tv;

			rc = pcap_dispatch(p, -1, add, (void *)&sum);
			tv = pcap_get_required_select_timeout(p);
			if (!rc && !tv)
				break;
			usleep(1000);
		}
	} else {
		t = later(30, go, (void *)(uintptr_t)device);
		rc = pcap_loop(p, -1, add, (void *)&sum);
		pthread_join(t, NULL);
	}
	see("gone: %d \"%s\"", rc, SAID(p));
	*SAID(p) = 0;
	pcap_setnonblock(p, 1, errbuf);
	see("again: %d \"%s\"", pcap_dispatch(p, -1, add, (void *)&sum), SAID(p));
	see("packets: %u", sum.count);
	see("books: %d", pcap_stats(p, &(struct pcap_stat){0}));
	CODE(p, pcap_inject(p, "0123456789abcdef", 16));
	pcap_close(p);
	if (go == give_away)
		run("ip link del peer");
}

void probe_interface(void)
{
	title("interface down");
	down_and_up(0, 0);
	title("interface down, non-blocking");
	down_and_up(1, 0);
	title("interface down, immediate");
	down_and_up(0, 1);
	title("interface down, immediate, non-blocking");
	down_and_up(1, 1);
	waiting_meanwhile();
	title("interface removed");
	removed("gone0", remove_it, 0, 0);
	title("interface removed, immediate");
	removed("gone1", remove_it, 0, 1);
	title("interface removed, non-blocking");
	removed("gone2", remove_it, 1, 0);
	title("interface removed, immediate, non-blocking");
	removed("gone3", remove_it, 1, 1);
	title("interface in another namespace");
	removed("gone4", give_away, 0, 0);
	title("interface in another namespace, non-blocking");
	removed("gone5", give_away, 1, 0);
}
