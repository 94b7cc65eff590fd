/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wire.h - a veth pair in a network namespace of this process alone.
 *
 * For C tests that need packets: nothing is named, nothing is left behind,
 * and nothing else is on the wire (no IPv6, no neighbours).
 */
#ifndef TEST_WIRE_H
#define TEST_WIRE_H

#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* ms until what must come is missing: however slow the machine, only a hang lasts as long. */
#define WIRE_PATIENCE 60000

/* Ends the test program: without root there is nothing to show. */
static inline void wire_die(const char *what)
{
	fprintf(stderr, "%s: %s (this test needs root and iproute2)\n", what, strerror(errno));
	exit(1);
}

static inline void wire_run(const char *command)
{
	if (system(command))
		wire_die(command);
}

/*
 * Waits until frames can go out of an interface of fd's namespace: it hears from
 * a work queue that its peer is up, and throws away what it is given before. Who
 * asks for the link has that done at once (from 5.18 on); else the flag is seen
 * first, and the rest is done under the lock that the last call takes.
 */
static inline void wire_carrier(int fd, const char *ifname)
{
	struct ethtool_value link = {.cmd = ETHTOOL_GLINK};
	struct ifreq ifr = {0};

	strncpy(ifr.ifr_name, ifname, IFNAMSIZ - 1);
	for (int ms = 0; ms < WIRE_PATIENCE; ms++) {
		ifr.ifr_data = (void *)&link;
		ioctl(fd, SIOCETHTOOL, &ifr);
		if (ioctl(fd, SIOCGIFFLAGS, &ifr))
			wire_die(ifname);
		if (link.data && (ifr.ifr_flags & IFF_RUNNING)) {
			if (ioctl(fd, SIOCSIFFLAGS, &ifr))
				wire_die(ifname);
			return;
		}
		usleep(1000);
	}
	wire_die("an interface does not come up");
}

/* The two ends are gen0 and cap0; frames go both ways when this returns. */
static inline void wire_setup(void)
{
	int fd;

	if (unshare(CLONE_NEWNET))
		wire_die("unshare");
	wire_run(
		"sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1");
	wire_run("ip link add gen0 type veth peer name cap0");
	wire_run("ip link set lo up && ip link set gen0 up && ip link set cap0 up");
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		wire_die("socket");
	wire_carrier(fd, "gen0");
	wire_carrier(fd, "cap0");
	close(fd);
}

/* A packet socket on an interface; receiving only if proto is not 0. */
static inline int wire_socket(const char *ifname, int proto)
{
	struct sockaddr_ll sll = {.sll_family = AF_PACKET,
				  .sll_protocol = htons((unsigned short)proto),
				  .sll_ifindex = (int)if_nametoindex(ifname)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), bytes = 4 << 20;

	if (fd < 0 || bind(fd, (struct sockaddr *)&sll, sizeof(sll)))
		wire_die(ifname);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	return fd;
}

/*
 * Keeps the calling thread on one CPU. What it sends is then received in its
 * order; a thread that moves leaves frames in the old CPU's backlog, which a
 * busy machine may look at after the new one's.
 */
static inline void wire_stay(void)
{
	cpu_set_t here;

	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	if (sched_setaffinity(0, sizeof(here), &here))
		wire_die("sched_setaffinity");
}

static inline bool wire_readable(int fd, int timeout_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, timeout_ms) == 1;
}

#endif
