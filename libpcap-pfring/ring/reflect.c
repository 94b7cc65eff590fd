/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reflect.c - packets that a rule sends out of another device.
 *
 * Through the handle's own packet socket where it has one, for the kernel
 * does not show a socket what it has sent itself; else through a socket made
 * when the first such rule comes. Owned by the rules of a handle (rules.h),
 * called with the handle held; a bounced packet is changed in a private copy.
 */
#include <linux/capability.h>
#include <linux/if_packet.h>
#include <sys/syscall.h>

#include "rules.h"

/* Sending what others sent under their names is an administrator's. */
static bool may_reflect(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};

	return syscall(SYS_capget, &head, data) == 0 &&
	       (data[0].effective & 1u << CAP_NET_ADMIN) != 0;
}

/* packet: and bpf: send on any device of their namespace. */
static bool sends_itself(const struct pfri_ring *r)
{
	return r->ops->send_batch && (r->ops->caps & PFRI_CAP_SEND) &&
	       (r->ops->caps & PFRI_CAP_KERNEL_VIEW);
}

static int open_socket(struct pfri_reflector *x)
{
	if (x->fd >= 0)
		return 0;
	x->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	return x->fd < 0 ? pfri_fail(-errno, "cannot open a socket to reflect packets: %s",
				     strerror(errno))
			 : 0;
}

int pfri_reflect_device(struct pfri_ring *r, struct pfri_reflector *x, const char *name,
			bool bounce)
{
	struct ifreq ifr = {0};
	int rc = sends_itself(r) ? 0 : open_socket(x);

	if (rc)
		return rc;
	if (strlen(name) >= IFNAMSIZ)
		return pfri_fail(-ENODEV, "%s: no such device to reflect packets to", name);
	memcpy(ifr.ifr_name, name, strlen(name));
	if (ioctl(x->fd >= 0 ? x->fd : r->net_fd, SIOCGIFINDEX, &ifr) < 0)
		return pfri_fail(-ENODEV, "%s: no such device to reflect packets to", name);
	if (ifr.ifr_ifindex == r->ifindex)
		return pfri_fail(-ELOOP,
				 "%s is the ring's own device: packets reflected to it would come "
				 "again; name another one",
				 name);
	if (!may_reflect())
		return pfri_fail(-EPERM, "reflecting packets needs CAP_NET_ADMIN");
	if (bounce && !x->bounced) {
		x->bounced = mmap(NULL, MAX_CAPLEN, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (x->bounced == MAP_FAILED) {
			x->bounced = NULL;
			return pfri_fail(-ENOMEM, "no memory to bounce packets");
		}
	}
	return ifr.ifr_ifindex;
}

static bool sent(struct pfri_ring *r, const struct pfri_reflector *x, const struct iovec *frame,
		 int out)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET, .sll_ifindex = out, .sll_halen = ETH_ALEN};

	if (x->fd < 0)
		return r->ops->send_batch(r, frame, 1, out) == 1;
	return sendto(x->fd, frame->iov_base, frame->iov_len, MSG_DONTWAIT, (struct sockaddr *)&to,
		      sizeof(to)) == (ssize_t)frame->iov_len;
}

void pfri_reflect(struct pfri_ring *r, struct pfri_reflector *x, const struct pfring_packet *p,
		  int out, bool bounce)
{
	struct iovec frame = {.iov_base = (void *)(uintptr_t)p->data, .iov_len = p->caplen};
	int saved = errno;

	/*
	 * What this host sends may be a reflection of somebody else's, and nothing
	 * in a packet socket tells: none of it is sent again, nor is a packet that
	 * is not whole, nor one back to where it came from.
	 */
	if (p->pkt_type == PACKET_OUTGOING || p->caplen < p->len || p->caplen < ETH_HLEN ||
	    p->if_index == out) {
		x->failed++;
		return;
	}
	if (bounce) {
		memcpy(x->bounced, p->data, p->caplen);
		memcpy(x->bounced, p->data + ETH_ALEN, ETH_ALEN);
		memcpy(x->bounced + ETH_ALEN, p->data, ETH_ALEN);
		frame.iov_base = x->bounced;
	}
	if (sent(r, x, &frame, out))
		x->done++;
	else
		x->failed++;
	errno = saved;
}

void pfri_reflect_free(struct pfri_reflector *x)
{
	if (x->fd >= 0)
		close(x->fd);
	if (x->bounced)
		munmap(x->bounced, MAX_CAPLEN);
	x->fd = -1;
	x->bounced = NULL;
}
