/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * afpacket_send.c - frames out of a packet socket, many per system call.
 *
 * What a handle sends through its own socket the kernel does not show to that
 * socket again.
 */
#include <linux/if_packet.h>

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
	int rc;

	if (a->cooked)
		return pfri_fail(-EOPNOTSUPP, "%s: frames cannot be sent on a cooked device",
				 r->name.device);
	if (!to.sll_ifindex)
		return pfri_fail(-EINVAL, "\"any\" cannot send; use pfring_send_ifindex()");
	if (n > BURST)
		n = BURST;
	memset(msg, 0, n * sizeof(msg[0]));
	for (u_int i = 0; i < n; i++) {
		msg[i].msg_hdr.msg_name = &to;
		msg[i].msg_hdr.msg_namelen = sizeof(to);
		msg[i].msg_hdr.msg_iov = (struct iovec *)(uintptr_t)&frames[i];
		msg[i].msg_hdr.msg_iovlen = 1;
	}
	do {
		rc = sendmmsg(a->fd, msg, n, 0);
	} while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return pfri_fail(-errno, "%s: cannot send %zu bytes: %s", r->name.device,
				 frames[0].iov_len, strerror(errno));
	return rc;
}
