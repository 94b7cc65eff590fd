/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * afpacket.c - the AF_PACKET socket under the backends packet: and bpf:.
 *
 * See afpacket.h; the program that the kernel runs is composed in
 * afpacket_filter.c, fan-out groups and sending are in afpacket_group.c and
 * afpacket_send.c. packet(7) is the reference for every option used.
 */
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if_arp.h>
#include <pcap/dlt.h>

#include "afpacket.h"

#define LOOK_MS 10 /* how soon an interface that is down is known to be up or gone */

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* The interface's own losses, as libpcap counts ps_ifdrop. 0 where sysfs does not tell. */
static u_int64_t interface_drops(const struct pfri_ring *r)
{
	static const char *const counters[] = {"rx_missed_errors", "rx_fifo_errors"};
	u_int64_t sum = 0;

	for (u_int i = 0; i < 2 && r->ifindex; i++) {
		unsigned long long v = 0;
		char path[96];
		FILE *f;

		snprintf(path, sizeof(path), "/sys/class/net/%.*s/statistics/%s", IFNAMSIZ - 1,
			 r->name.device, counters[i]);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fscanf(f, "%llu", &v) == 1)
			sum += v;
		fclose(f);
	}
	return sum;
}

static int link_type(u_int arphrd)
{
	switch (arphrd) {
	case ARPHRD_ETHER:
	case ARPHRD_LOOPBACK:
		return DLT_EN10MB;
	case ARPHRD_NONE:
	case ARPHRD_TUNNEL:
	case ARPHRD_TUNNEL6:
	case ARPHRD_SIT:
	case ARPHRD_IPGRE:
	case ARPHRD_RAWIP:
		return DLT_RAW;
	case ARPHRD_IEEE80211:
		return DLT_IEEE802_11;
	case ARPHRD_IEEE80211_PRISM:
		return DLT_PRISM_HEADER;
	case ARPHRD_IEEE80211_RADIOTAP:
		return DLT_IEEE802_11_RADIO;
	default:
		return DLT_LINUX_SLL;
	}
}

/* Whether frames longer than the MTU can come: any of the segmentation offloads is on. */
static bool has_offload(int fd, struct ifreq *ifr)
{
	static const u_int32_t asks[] = {ETHTOOL_GTSO, ETHTOOL_GGSO, ETHTOOL_GGRO};
	struct ethtool_value v = {.cmd = ETHTOOL_GFLAGS};

	ifr->ifr_data = (void *)&v;
	if (ioctl(fd, SIOCETHTOOL, ifr) == 0 && (v.data & ETH_FLAG_LRO))
		return true;
	for (u_int i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		v.cmd = asks[i];
		v.data = 0;
		if (ioctl(fd, SIOCETHTOOL, ifr) == 0 && v.data)
			return true;
	}
	return false;
}

/* Fills in what only the interface knows. The socket is already in its namespace. */
static int find_interface(struct pfri_ring *r, struct pfri_afp *a)
{
	struct ifreq ifr = {0};

	memcpy(ifr.ifr_name, "lo", 3);
	if (ioctl(a->fd, SIOCGIFINDEX, &ifr) == 0)
		a->lo = ifr.ifr_ifindex;
	if (!strcmp(r->name.device, "any")) {
		if (r->name.queues != RING_ANY_CHANNEL)
			return pfri_fail(-EINVAL, "\"any\" has no queues; name one interface");
		r->ifindex = 0;
		r->linktype = r->opt.cooked ? DLT_LINUX_SLL : DLT_EN10MB;
		a->cooked = r->opt.cooked;
		a->offload = true;
		return 0;
	}
	if (strlen(r->name.device) >= IFNAMSIZ)
		return pfri_fail(-ENODEV, "%s: No such device exists", r->name.device);
	memset(&ifr, 0, sizeof(ifr));
	memcpy(ifr.ifr_name, r->name.device, strlen(r->name.device));
	if (ioctl(a->fd, SIOCGIFINDEX, &ifr) < 0)
		return pfri_fail(-ENODEV, "%s: No such device exists (see `pfring devices`)",
				 r->name.device);
	r->ifindex = ifr.ifr_ifindex;
	if (ioctl(a->fd, SIOCGIFFLAGS, &ifr) < 0)
		return pfri_fail(-errno, "%s: cannot read its flags: %s", r->name.device,
				 strerror(errno));
	if (!(ifr.ifr_flags & IFF_UP))
		return pfri_fail(-ENETDOWN, "%s: That device is not up (ip link set %s up)",
				 r->name.device, r->name.device);
	if (ioctl(a->fd, SIOCGIFMTU, &ifr) == 0)
		a->mtu = (u_int)ifr.ifr_mtu;
	if (ioctl(a->fd, SIOCGIFHWADDR, &ifr) < 0)
		return pfri_fail(-errno, "%s: cannot read its link type: %s", r->name.device,
				 strerror(errno));
	r->linktype = link_type(ifr.ifr_hwaddr.sa_family);
	a->cooked = r->linktype == DLT_LINUX_SLL;
	a->offload = has_offload(a->fd, &ifr);
	return 0;
}

static int stamp_in_hardware(struct pfri_ring *r, struct pfri_afp *a)
{
	int how = SOF_TIMESTAMPING_RAW_HARDWARE;
	struct hwtstamp_config cfg = {.rx_filter = HWTSTAMP_FILTER_ALL};
	struct ifreq ifr = {0};

	memcpy(ifr.ifr_name, r->name.device, strnlen(r->name.device, IFNAMSIZ - 1));
	ifr.ifr_data = (void *)&cfg;
	if (!r->ifindex || ioctl(a->fd, SIOCSHWTSTAMP, &ifr) < 0)
		return pfri_fail(-EOPNOTSUPP,
				 "%s: the adapter gives no hardware time stamps (%s); open without "
				 "PF_RING_HW_TIMESTAMP",
				 r->name.device,
				 r->ifindex ? strerror(errno) : "not one interface");
	if (setsockopt(a->fd, SOL_PACKET, PACKET_TIMESTAMP, &how, sizeof(how)) < 0)
		return pfri_fail(-errno, "%s: the kernel does not hand on hardware time stamps: %s",
				 r->name.device, strerror(errno));
	return 0;
}

int pfri_afp_set_promisc(struct pfri_ring *r, struct pfri_afp *a, bool on)
{
	struct packet_mreq mreq = {.mr_ifindex = r->ifindex, .mr_type = PACKET_MR_PROMISC};

	if (!r->ifindex || a->promisc == on)
		return 0;
	if (setsockopt(a->fd, SOL_PACKET, on ? PACKET_ADD_MEMBERSHIP : PACKET_DROP_MEMBERSHIP,
		       &mreq, sizeof(mreq)) < 0)
		return pfri_fail(-errno, "%s: cannot change promiscuous mode: %s", r->name.device,
				 strerror(errno));
	a->promisc = on;
	return 0;
}

/* protocol 0: nothing is received, but what is sent needs no address. */
static int bind_to(struct pfri_ring *r, struct pfri_afp *a, u_int16_t protocol)
{
	struct sockaddr_ll sll = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(protocol),
		.sll_ifindex = r->ifindex,
	};

	if (bind(a->fd, (struct sockaddr *)&sll, sizeof(sll)) < 0) {
		if (errno == ENODEV)
			return pfri_fail(-ENODEV, "%s: the interface disappeared", r->name.device);
		return pfri_fail(-errno, "%s: cannot bind to the interface: %s", r->name.device,
				 strerror(errno));
	}
	return 0;
}

/*
 * A ring that leaves its cluster opens a second socket; by then the thread may
 * have gone to another namespace, whose interface of that name is not the ring's.
 * Kernels before 5.14 do not tell.
 */
static bool same_namespace(int fd, int other)
{
	u_int64_t here, there;
	socklen_t len = sizeof(here);

	return getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &here, &len) < 0 ||
	       getsockopt(other, SOL_SOCKET, SO_NETNS_COOKIE, &there, &len) < 0 || here == there;
}

int pfri_afp_open(struct pfri_ring *r, struct pfri_afp *a)
{
	int one = 1, rc;

	a->cluster = -1;
	/* Protocol 0: not one packet comes before pfri_afp_start(). */
	a->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (a->fd < 0) {
		if (errno == EPERM || errno == EACCES)
			return pfri_fail(
				-EPERM,
				"%s: You don't have permission to capture on that device "
				"(CAP_NET_RAW is needed: use sudo, or setcap cap_net_raw+ep)",
				r->name.device);
		return pfri_fail(-errno, "cannot open a packet socket: %s", strerror(errno));
	}
	if (r->net_fd >= 0 && !same_namespace(a->fd, r->net_fd)) {
		close(a->fd);
		a->fd = -1;
		return pfri_fail(-EXDEV,
				 "%s is in another network namespace than this thread; do it there",
				 r->name.device);
	}
	rc = find_interface(r, a);
	if (!rc && a->cooked) {
		close(a->fd);
		a->fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (a->fd < 0)
			return pfri_fail(-errno, "cannot open a packet socket: %s",
					 strerror(errno));
	}
	if (!rc && r->ifindex && !a->cooked)
		rc = bind_to(r, a, 0);
	if (!rc && r->opt.hw_tstamp)
		rc = stamp_in_hardware(r, a);
	if (!rc && (r->opt.flags & PF_RING_PROMISC))
		rc = pfri_afp_set_promisc(r, a, true);
	if (rc) {
		close(a->fd);
		a->fd = -1;
		return rc;
	}
	/* Known since 4.20; where it is missing the program in front of the filter does the same.
	 */
	if (r->ifindex && r->ifindex == a->lo)
		setsockopt(a->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
	if (r->opt.flags & PF_RING_PROMISC)
		a->ifdrop_base = interface_drops(r);
	r->net_fd = r->select_fd = a->fd;
	return 0;
}

void pfri_afp_close(struct pfri_ring *r, struct pfri_afp *a)
{
	if (a->fd < 0)
		return;
	if (r->net_fd == a->fd)
		r->net_fd = -1;
	if (r->select_fd == a->fd)
		r->select_fd = -1;
	close(a->fd);
	a->fd = -1;
}

static int bind_all(struct pfri_ring *r, struct pfri_afp *a)
{
	int rc = a->bound ? 0 : bind_to(r, a, ETH_P_ALL);

	a->bound = !rc;
	return rc;
}

int pfri_afp_start(struct pfri_ring *r, struct pfri_afp *a)
{
	int rc;

	if (a->bound && (a->cluster < 0 || a->joined))
		return 0;
	rc = pfri_afp_mute(a);
	if (!rc)
		rc = bind_all(r, a);
	if (!rc && a->cluster >= 0)
		rc = pfri_afp_join(a);
	return rc;
}

void pfri_afp_look(struct pfri_ring *r, struct pfri_afp *a)
{
	struct ifreq ifr = {.ifr_ifindex = r->ifindex};

	if (!r->ifindex || a->gone)
		return;
	if (ioctl(a->fd, SIOCGIFNAME, &ifr) < 0) {
		a->gone = true;
		a->gone_at_ms = pfri_now_ms();
		a->down = false;
	} else {
		a->down = ioctl(a->fd, SIOCGIFFLAGS, &ifr) < 0 || !(ifr.ifr_flags & IFF_UP);
	}
}

/*
 * The socket's error queue says ENETDOWN when the interface goes down, and
 * never again while it is down: not when it is removed after that, which may
 * be the next thing that the kernel does (packet_notifier() in af_packet.c).
 */
static void socket_error(struct pfri_ring *r, struct pfri_afp *a)
{
	socklen_t len = sizeof(int);
	int err = 0;

	getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &err, &len);
	pfri_afp_look(r, a);
}

int pfri_afp_gone(struct pfri_ring *r, struct pfri_afp *a, u_int drain_ms)
{
	if (!a->gone || pfri_now_ms() < a->gone_at_ms + drain_ms)
		return 0;
	return pfri_fail(-ENODEV, "%s: The interface disappeared", r->name.device);
}

/*
 * As poll(), which tells nothing more of an interface that is down or gone:
 * its waits are short, and between them somebody looks.
 */
static int poll_and_look(struct pfri_ring *r, struct pfri_afp *a, struct pollfd *p, u_int count,
			 int timeout_ms)
{
	u_int64_t until = pfri_now_ms() + (timeout_ms > 0 ? (u_int)timeout_ms : 0);
	int n = 0;

	for (;;) {
		bool watched = a->down;
		int nap = timeout_ms;

		if ((watched || a->gone) && (nap < 0 || nap > LOOK_MS))
			nap = LOOK_MS;
		n = poll(p, count, nap);
		if (n || !watched)
			return n;
		pfri_afp_look(r, a);
		if (a->gone)
			return 1;
		if (timeout_ms >= 0) {
			u_int64_t now = pfri_now_ms();

			if (now >= until)
				return 0;
			timeout_ms = (int)(until - now);
		}
	}
}

int pfri_afp_poll(struct pfri_ring *r, struct pfri_afp *a, int fd, int timeout_ms)
{
	/* Errors of the socket count even where fd is another one. */
	struct pollfd p[3] = {
		{.fd = fd, .events = POLLIN},
		{.fd = r->wake_fd, .events = POLLIN},
		{.fd = fd == a->fd ? -1 : a->fd},
	};
	int n;

	n = poll_and_look(r, a, p, 3, timeout_ms);
	if (n < 0)
		return errno == EINTR ? -EINTR
				      : pfri_fail(-errno, "poll failed: %s", strerror(errno));
	/* Some programs close all descriptors that they do not know of: that ends no wait. */
	if ((p[0].revents | p[1].revents | p[2].revents) & POLLNVAL)
		return pfri_fail(-EBADF, "the ring's descriptors were closed behind its back");
	if (p[1].revents)
		return -EINTR;
	if ((p[0].revents | p[2].revents) & (POLLERR | POLLHUP))
		socket_error(r, a);
	return n > 0;
}

u_int64_t pfri_afp_ifdrop(const struct pfri_ring *r, const struct pfri_afp *a)
{
	return r->opt.flags & PF_RING_PROMISC ? interface_drops(r) - a->ifdrop_base : 0;
}

void pfri_afp_stats(struct pfri_ring *r, struct pfri_afp *a, struct pfring_stats64 *st)
{
	struct tpacket_stats_v3 s = {0};
	socklen_t len = sizeof(s);

	/* Reading resets the kernel's counters, so each reader adds what it alone has seen. */
	if (getsockopt(a->fd, SOL_PACKET, PACKET_STATISTICS, &s, &len) == 0) {
		atomic_fetch_add(&a->packets, s.tp_packets);
		atomic_fetch_add(&a->drops, s.tp_drops);
	}
	st->drop += atomic_load(&a->drops);
	st->recv += atomic_load(&a->packets) - atomic_load(&a->drops);
	st->ifdrop += pfri_afp_ifdrop(r, a);
}
