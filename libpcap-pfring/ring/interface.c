/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * interface.c - facts about the bound interface, and its clock.
 *
 * Asked through r->net_fd, a socket in the namespace the handle was opened in:
 * the answers stay right when the program moves to another namespace. A
 * handle without an interface (a file, "any") says so.
 */
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if_arp.h>
#include <sys/timex.h>

#include "handle.h"
#include "names.h"

/* The interface's name may have changed since open: the index is what counts. */
static int request(struct pfri_ring *r, struct ifreq *ifr)
{
	memset(ifr, 0, sizeof(*ifr));
	if (r->net_fd < 0 || !r->ifindex)
		return pfri_fail(-ENODEV, "%s is not bound to one network interface",
				 r->name.device);
	ifr->ifr_ifindex = r->ifindex;
	if (ioctl(r->net_fd, SIOCGIFNAME, ifr) < 0)
		return pfri_fail(-ENODEV, "the interface %s is gone", r->name.device);
	return 0;
}

static int ask(struct pfri_ring *r, u_long what, struct ifreq *ifr)
{
	int rc = request(r, ifr);

	if (rc)
		return rc;
	if (ioctl(r->net_fd, what, ifr) < 0)
		return pfri_fail(-errno, "%s: the interface does not tell: %s", r->name.device,
				 strerror(errno));
	return 0;
}

int pfri_ethtool(struct pfri_ring *r, void *cmd)
{
	struct ifreq ifr;
	int rc = request(r, &ifr);

	if (rc)
		return rc;
	ifr.ifr_data = cmd;
	return ioctl(r->net_fd, SIOCETHTOOL, &ifr) < 0 ? -errno : 0;
}

/* What pfring_open() takes for a device, or its name: *ifr then bears the name. */
static int take_name(const char *text, struct ifreq *ifr)
{
	struct pfri_name name;
	int rc;

	if (!text)
		return pfri_fail(-EINVAL, "no interface name was given");
	rc = pfri_name_parse(text, &name);
	if (rc)
		return rc;
	if (strlen(name.device) >= IFNAMSIZ)
		return pfri_fail(-EINVAL, "%.100s is no interface name: it is too long",
				 name.device);
	memset(ifr, 0, sizeof(*ifr));
	memcpy(ifr->ifr_name, name.device, strlen(name.device) + 1);
	return 0;
}

static int entered(struct pfri_ring *r, const void *out)
{
	if (!out)
		return pfri_fail(-EINVAL, "no place for the answer was given");
	return pfri_enter(r);
}

int pfring_get_bound_device_address(pfring *ring, u_char mac_address[6])
{
	struct pfri_ring *r = pfri_of(ring);
	struct ifreq ifr;
	int rc = entered(r, mac_address);

	if (rc)
		return rc;
	rc = ask(r, SIOCGIFHWADDR, &ifr);
	if (!rc)
		memcpy(mac_address, ifr.ifr_hwaddr.sa_data, 6);
	return pfri_leave(r, rc);
}

int pfring_get_bound_device_ifindex(pfring *ring, int *if_index)
{
	struct pfri_ring *r = pfri_of(ring);
	int rc = entered(r, if_index);

	if (rc)
		return rc;
	if (r->net_fd < 0)
		return pfri_leave(r,
				  pfri_fail(-ENODEV, "%s is no network interface", r->name.device));
	*if_index = r->ifindex;
	return pfri_leave(r, 0);
}

int pfring_get_bound_device_id(pfring *ring, int *device_id)
{
	return pfring_get_bound_device_ifindex(ring, device_id);
}

int pfring_get_device_ifindex(pfring *ring, const char *device_name, int *if_index)
{
	struct pfri_ring *r = pfri_of(ring);
	struct ifreq ifr;
	int rc = entered(r, if_index);

	if (rc)
		return rc;
	rc = take_name(device_name, &ifr);
	if (!rc && r->net_fd < 0)
		rc = pfri_fail(-ENODEV, "%s is no network interface", r->name.device);
	if (!rc && ioctl(r->net_fd, SIOCGIFINDEX, &ifr) < 0)
		rc = pfri_fail(-ENODEV, "there is no interface %s", device_name);
	if (!rc)
		*if_index = ifr.ifr_ifindex;
	return pfri_leave(r, rc);
}

int pfring_get_mtu_size(pfring *ring)
{
	struct pfri_ring *r = pfri_of(ring);
	struct ifreq ifr;
	int rc = pfri_enter(r);

	if (rc)
		return rc;
	rc = ask(r, SIOCGIFMTU, &ifr);
	return pfri_leave(r, rc ? rc : ifr.ifr_mtu);
}

int pfring_get_link_status(pfring *ring)
{
	struct pfri_ring *r = pfri_of(ring);
	struct ifreq ifr;
	int rc = pfri_enter(r);

	if (rc)
		return rc;
	rc = ask(r, SIOCGIFFLAGS, &ifr);
	if (!rc)
		rc = (ifr.ifr_flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
	return pfri_leave(r, rc);
}

u_int8_t pfring_get_num_rx_channels(pfring *ring)
{
	struct ethtool_channels ch = {.cmd = ETHTOOL_GCHANNELS};
	struct ethtool_rxnfc rings = {.cmd = ETHTOOL_GRXRINGS};
	struct pfri_ring *r = pfri_of(ring);
	u_int64_t n = 0;

	if (pfri_enter(r))
		return UNKNOWN_NUM_RX_CHANNELS;
	if (r->ifindex && pfri_ethtool(r, &ch) == 0)
		n = (u_int64_t)ch.rx_count + ch.combined_count;
	if (!n && r->ifindex && pfri_ethtool(r, &rings) == 0)
		n = rings.data;
	pfri_leave(r, 0);
	if (!n)
		return UNKNOWN_NUM_RX_CHANNELS;
	return (u_int8_t)min_val(n, 255u);
}

/* A question to a driver whose answer is Mbit/s; ask: one ethtool command, 0 or negative. */
static u_int32_t link_speed(int (*ask)(void *, void *), void *whom)
{
	/* First call with no room for link modes: the kernel answers how much it wants. */
	struct {
		struct ethtool_link_settings s;
		u_int32_t modes[3 * 127];
	} q = {.s = {.cmd = ETHTOOL_GLINKSETTINGS}};

	if (ask(whom, &q) || q.s.link_mode_masks_nwords >= 0)
		return 0;
	q.s.link_mode_masks_nwords = -q.s.link_mode_masks_nwords;
	q.s.cmd = ETHTOOL_GLINKSETTINGS;
	return ask(whom, &q) || q.s.speed == (u_int32_t)SPEED_UNKNOWN ? 0 : q.s.speed;
}

static int ask_bound(void *ring, void *cmd)
{
	return pfri_ethtool(ring, cmd);
}

u_int32_t pfring_get_interface_speed(pfring *ring)
{
	struct pfri_ring *r = pfri_of(ring);
	u_int32_t speed;

	if (pfri_enter(r))
		return 0;
	speed = r->ifindex ? link_speed(ask_bound, r) : 0;
	pfri_leave(r, 0);
	return speed;
}

/* An interface by its name, in the caller's namespace, without a ring. */
struct named {
	int fd;
	struct ifreq ifr;
};

static int named(struct named *n, const char *ifname)
{
	memset(n, 0, sizeof(*n));
	if (!ifname || !ifname[0] || strlen(ifname) >= IFNAMSIZ)
		return pfri_fail(-EINVAL, "that is no interface name");
	memcpy(n->ifr.ifr_name, ifname, strlen(ifname) + 1);
	n->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return n->fd < 0
		       ? pfri_fail(-errno, "no socket to ask about %s: %s", ifname, strerror(errno))
		       : 0;
}

static int ask_named(void *whom, void *cmd)
{
	struct named *n = whom;

	n->ifr.ifr_data = cmd;
	return ioctl(n->fd, SIOCETHTOOL, &n->ifr) < 0 ? -errno : 0;
}

u_int32_t pfring_get_ethtool_link_speed(const char *ifname)
{
	struct named n;
	u_int32_t speed;

	if (named(&n, ifname))
		return 0;
	speed = link_speed(ask_named, &n);
	close(n.fd);
	return speed;
}

int pfring_set_if_promisc(const char *device, int set_promisc)
{
	struct named n;
	int rc = named(&n, device);

	if (rc)
		return rc;
	rc = ioctl(n.fd, SIOCGIFFLAGS, &n.ifr);
	if (!rc) {
		if (set_promisc)
			n.ifr.ifr_flags |= IFF_PROMISC;
		else
			n.ifr.ifr_flags &= ~IFF_PROMISC;
		rc = ioctl(n.fd, SIOCSIFFLAGS, &n.ifr);
	}
	if (rc)
		rc = pfri_fail(-errno, "%s: its promiscuous mode stays as it is: %s", device,
			       errno == EPERM ? "CAP_NET_ADMIN is needed" : strerror(errno));
	close(n.fd);
	return rc;
}

int pfring_get_card_settings(pfring *ring, pfring_card_settings *settings)
{
	struct ethtool_ringparam q = {.cmd = ETHTOOL_GRINGPARAM};
	struct pfri_ring *r = pfri_of(ring);
	struct ifreq ifr;
	int rc = entered(r, settings);

	if (rc)
		return rc;
	rc = ask(r, SIOCGIFMTU, &ifr);
	if (rc == 0) {
		memset(settings, 0, sizeof(*settings));
		/* With the Ethernet header and one tag. */
		settings->max_packet_size = (u_int32_t)ifr.ifr_mtu + 18;
		if (pfri_ethtool(r, &q) == 0) {
			settings->rx_ring_slots = q.rx_pending;
			settings->tx_ring_slots = q.tx_pending;
		}
	}
	return pfri_leave(r, rc);
}

int pfring_enable_hw_timestamp(pfring *ring, const char *device_name, u_int8_t enable_rx,
			       u_int8_t enable_tx)
{
	struct hwtstamp_config cfg = {
		.tx_type = enable_tx ? HWTSTAMP_TX_ON : HWTSTAMP_TX_OFF,
		.rx_filter = enable_rx ? HWTSTAMP_FILTER_ALL : HWTSTAMP_FILTER_NONE,
	};
	struct pfri_ring *r = pfri_of(ring);
	struct ifreq ifr;
	int rc = pfri_enter(r);

	if (rc)
		return rc;
	if (device_name && device_name[0] && r->net_fd >= 0)
		rc = take_name(device_name, &ifr);
	else
		rc = request(r, &ifr);
	if (!rc) {
		ifr.ifr_data = (void *)&cfg;
		if (ioctl(r->net_fd, SIOCSHWTSTAMP, &ifr) < 0)
			rc = pfri_fail(-errno, "%s: no hardware time stamps: %s", ifr.ifr_name,
				       errno == EPERM ? "CAP_NET_ADMIN is needed"
						      : strerror(errno));
		else if (enable_rx && cfg.rx_filter != HWTSTAMP_FILTER_ALL)
			rc = pfri_fail(-EOPNOTSUPP, "%s: the adapter stamps only some packets",
				       ifr.ifr_name);
	}
	return pfri_leave(r, rc);
}

/* A dynamic POSIX clock id from its descriptor (Documentation/driver-api/ptp.rst). */
static clockid_t fd_clock(int fd)
{
	return (clockid_t)((~(u_int)fd << 3) | 3);
}

/* Opens the adapter's PTP clock. A descriptor, or negative. */
static int open_clock(struct pfri_ring *r, int mode)
{
	struct ethtool_ts_info info = {.cmd = ETHTOOL_GET_TS_INFO};
	char path[32];
	int fd;

	if (pfri_ethtool(r, &info) || info.phc_index < 0)
		return pfri_fail(-EOPNOTSUPP, "%s has no hardware clock", r->name.device);
	snprintf(path, sizeof(path), "/dev/ptp%d", info.phc_index);
	fd = open(path, mode | O_CLOEXEC);
	if (fd < 0)
		return pfri_fail(-errno, "cannot open the hardware clock %s: %s", path,
				 strerror(errno));
	return fd;
}

/* Runs one clock call on the adapter's clock. */
static int with_clock(pfring *ring, int mode, const void *arg, int (*call)(clockid_t, void *))
{
	struct pfri_ring *r = pfri_of(ring);
	int rc = entered(r, arg);
	int fd;

	if (rc)
		return rc;
	fd = open_clock(r, mode);
	if (fd < 0)
		return pfri_leave(r, fd);
	if (call(fd_clock(fd), (void *)(uintptr_t)arg) < 0)
		rc = pfri_fail(-errno, "%s: the hardware clock refused: %s", r->name.device,
			       strerror(errno));
	close(fd);
	return pfri_leave(r, rc);
}

static int get_time(clockid_t clock, void *ts)
{
	return clock_gettime(clock, ts);
}

static int set_time(clockid_t clock, void *ts)
{
	return clock_settime(clock, ts);
}

static int shift_time(clockid_t clock, void *timex)
{
	return clock_adjtime(clock, timex) < 0 ? -1 : 0;
}

int pfring_get_device_clock(pfring *ring, struct timespec *ts)
{
	return with_clock(ring, O_RDONLY, ts, get_time);
}

int pfring_set_device_clock(pfring *ring, struct timespec *ts)
{
	return with_clock(ring, O_RDWR, ts, set_time);
}

int pfring_adjust_device_clock(pfring *ring, struct timespec *offset, int8_t sign)
{
	struct timex tx = {.modes = ADJ_SETOFFSET | ADJ_NANO};

	if (!offset)
		return pfri_fail(-EINVAL, "pfring_adjust_device_clock: no offset was given");
	tx.time.tv_sec = offset->tv_sec;
	tx.time.tv_usec = offset->tv_nsec;
	if (sign < 0) {
		/* The kernel wants the fraction positive. */
		tx.time.tv_sec = -tx.time.tv_sec;
		if (tx.time.tv_usec) {
			tx.time.tv_sec -= 1;
			tx.time.tv_usec = 1000000000 - tx.time.tv_usec;
		}
	}
	return with_clock(ring, O_RDWR, &tx, shift_time);
}
