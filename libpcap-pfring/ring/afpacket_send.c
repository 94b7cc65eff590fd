/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * afpacket_send.c - frames out of a packet socket, many per system call.
 *
 * What a handle sends through its own socket the kernel does not show to that
 * socket again.
 */
#include <time.h> /* before errqueue.h, which wants timespec */

#include <linux/errqueue.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>

#include "afpacket.h"

#define BURST 64

int pfri_afp_send(struct pfri_ring *r, struct pfri_afp *a, const struct iovec *frames, u_int n,
		  int ifindex)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_ifindex = ifindex ? ifindex : r->ifindex,
		.sll_halen = ETH_ALEN,
	};
	struct mmsghdr msg[BURST];
	/* The socket is bound to its own device (pfri_afp_open): no address is quicker. */
	bool named = to.sll_ifindex != r->ifindex;
	int rc;

	if (a->cooked)
		return pfri_fail(-EOPNOTSUPP, "%s: frames cannot be sent on a cooked device",
				 r->name.device);
	if (!to.sll_ifindex)
		return pfri_fail(-EINVAL, "\"any\" cannot send; use pfring_send_ifindex()");
	n = min_val(n, BURST);
	memset(msg, 0, n * sizeof(msg[0]));
	for (u_int i = 0; i < n; i++) {
		msg[i].msg_hdr.msg_name = named ? &to : NULL;
		msg[i].msg_hdr.msg_namelen = named ? sizeof(to) : 0;
		msg[i].msg_hdr.msg_iov = (struct iovec *)(uintptr_t)&frames[i];
		msg[i].msg_hdr.msg_iovlen = 1;
	}
	do {
		/* One alone costs the kernel less as what it is. */
		if (n > 1)
			rc = sendmmsg(a->fd, msg, n, 0);
		else
			rc = sendto(a->fd, frames[0].iov_base, frames[0].iov_len, 0,
				    msg[0].msg_hdr.msg_name, msg[0].msg_hdr.msg_namelen) < 0
				     ? -1
				     : 1;
	} while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return pfri_fail(-errno, "%s: cannot send %zu bytes: %s", r->name.device,
				 frames[0].iov_len, strerror(errno));
	return rc;
}

/* Turns on the adapter's stamps for what is sent, or says that it has none. */
static int stamp_sent(struct pfri_ring *r, struct pfri_afp *a)
{
	int how = SOF_TIMESTAMPING_TX_HARDWARE | SOF_TIMESTAMPING_RAW_HARDWARE |
		  SOF_TIMESTAMPING_OPT_TSONLY | SOF_TIMESTAMPING_OPT_CMSG;
	struct ethtool_ts_info info = {.cmd = ETHTOOL_GET_TS_INFO};
	struct ifreq ifr = {.ifr_ifindex = r->ifindex};

	if (a->tx_stamps)
		return 0;
	if (!r->ifindex || ioctl(a->fd, SIOCGIFNAME, &ifr) < 0)
		return pfri_fail(-ENODEV, "%s is not bound to one network interface",
				 r->name.device);
	ifr.ifr_data = (void *)&info;
	if (ioctl(a->fd, SIOCETHTOOL, &ifr) < 0 ||
	    !(info.so_timestamping & SOF_TIMESTAMPING_TX_HARDWARE))
		return pfri_fail(-EOPNOTSUPP, "%s: the adapter does not stamp what it sends",
				 r->name.device);
	if (setsockopt(a->fd, SOL_SOCKET, SO_TIMESTAMPING, &how, sizeof(how)) < 0)
		return pfri_fail(-errno, "%s: cannot ask for transmit time stamps: %s",
				 r->name.device, strerror(errno));
	a->tx_stamps = true;
	return 0;
}

int pfri_afp_send_stamped(struct pfri_ring *r, struct pfri_afp *a, const struct iovec *frame,
			  struct timespec *ts)
{
	u_int64_t end = pfri_now_ms() + 100;
	char control[512];
	int rc = stamp_sent(r, a);

	if (!rc)
		rc = pfri_afp_send(r, a, frame, 1, 0);
	if (rc <= 0)
		return rc;
	/* The stamp comes back through the error queue (Documentation/networking/timestamping.rst).
	 */
	while (pfri_now_ms() < end) {
		struct msghdr msg = {.msg_control = control, .msg_controllen = sizeof(control)};
		struct pollfd p = {.fd = a->fd};

		if (recvmsg(a->fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
			poll(&p, 1, 10);
			continue;
		}
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
			struct scm_timestamping stamps;

			if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPING)
				continue;
			memcpy(&stamps, CMSG_DATA(c), sizeof(stamps));
			ts->tv_sec = stamps.ts[2].tv_sec;
			ts->tv_nsec = stamps.ts[2].tv_nsec;
			if (ts->tv_sec || ts->tv_nsec)
				return (int)frame->iov_len;
		}
	}
	return pfri_fail(-ETIMEDOUT, "%s: the frame was sent but its time stamp did not come",
			 r->name.device);
}
