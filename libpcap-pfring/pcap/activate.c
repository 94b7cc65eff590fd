/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * activate.c - the moment in which a handle becomes ours or stays the real one's.
 *
 * Where it is not certain that our ring can be had it is opened first; when
 * that fails nothing has happened and the real library captures, or says why
 * it cannot. The real handle is activated too, as a shadow: promiscuity, link
 * types, time stamp lists, warnings and error texts, and the code generator's
 * VLAN handling come from it. So that it costs nothing it listens to a protocol
 * that no frame has, on one small block; and the kernel's grace period, which
 * it waits for as every libpcap handle does, is the time to make our ring in.
 */
#include <fcntl.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netpacket/packet.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <pcap/dlt.h>
#include <stdarg.h>

#include "overlay.h"

/* ETH_P_DDCMP: on Ethernet a number below 0x600 is a length, so no frame comes under it. */
#define SHADOW_PROTOCOL 0x0006
/* TPACKET_V2 maps whole blocks: one, of the longest frame. */
#define SHADOW_IMMEDIATE (128 * 1024)
#define DESCRIPTORS 14 /* of a ring and its opening, at most */
#define SPARE_DESCRIPTORS 2
#define DEFAULT_BUFFER (2 * 1024 * 1024)
#define GENEROUS 16 /* handles with large rings in one process; more get libpcap's default */

int pfro_error(pcap_t *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(REAL(pcap_geterr)(p), PCAP_ERRBUF_SIZE, fmt, ap);
	va_end(ap);
	return PCAP_ERROR;
}

PFRO_EXPORT pcap_t *pcap_create(const char *device, char *errbuf)
{
	char interface[sizeof(((struct pfro_handle *)NULL)->interface)];
	struct pfro_handle *h;
	bool named = false;
	pcap_t *p;

	if (device && strlen(device) < sizeof(interface))
		named = pfro_device_split(device, interface, sizeof(interface));
	p = REAL(pcap_create)(named ? interface : device, errbuf);
	h = p ? pfro_add(p, device ? device : "any") : NULL;
	if (h) {
		h->named = named;
		snprintf(h->interface, sizeof(h->interface), "%s", named ? interface : h->device);
	}
	return p;
}

/* errno says why not, h->why in words. */
static pfring *open_ring(struct pfro_handle *h)
{
	struct pfring_open_options opt = {
		.sz = sizeof(opt),
		.caplen = h->snaplen > 0 && h->snaplen <= MAX_CAPLEN ? (u_int32_t)h->snaplen : 0,
		.flags = (h->promisc ? PF_RING_PROMISC : 0) | pfro_env_flags(),
		.to_ms = h->timeout,
		.immediate = h->immediate != 0,
		.late_filter = true,
		.buffer_bytes = h->buffer_size > 0 ? (u_int64_t)h->buffer_size : 0,
	};
	const char *no = pfro_device_refused(h);
	char name[sizeof(h->device) + 32];
	pfring *ring;
	int index = 0, real = (int)if_nametoindex(h->interface), err;

	if (!real && strcmp(h->interface, "any")) {
		/* libpcap's own kind of device, or none at all. */
		err = errno == ENXIO ? ENODEV : errno;
		snprintf(h->why, sizeof(h->why), "%s",
			 err == ENODEV ? "no network interface" : strerror(err));
		errno = err;
		return NULL;
	}
	if (no) {
		snprintf(h->why, sizeof(h->why), "%s", no);
		errno = EOPNOTSUPP;
		return NULL;
	}
	if (pfro_device_nonsense(h)) {
		snprintf(h->why, sizeof(h->why),
			 "PFRING_BACKEND is \"%.32s\"; set it to pfring, bpf, packet, xdp or dna",
			 pfro_env("PFRING_BACKEND"));
		errno = EINVAL;
		return NULL;
	}
	pfro_device_ring_name(h, name, sizeof(name));
	if (!opt.buffer_bytes && atomic_load(&pfro_handles) > GENEROUS)
		opt.buffer_bytes = DEFAULT_BUFFER;
	ring = pfring_open_opts(name, &opt);
	if (!ring) {
		snprintf(h->why, sizeof(h->why), "%s", pfring_last_error());
		return NULL;
	}
	if (pfring_get_link_type(ring) == DLT_EN10MB &&
	    pfring_get_bound_device_ifindex(ring, &index) == 0 && index == real)
		return ring;
	snprintf(h->why, sizeof(h->why), "the device has no Ethernet headers");
	pfring_close(ring);
	errno = EOPNOTSUPP;
	return NULL;
}

/* Everything that may fail before packets flow. 0, or the ring is of no use. */
static int prepare(struct pfro_handle *h, pfring *ring)
{
	int rc = 0;

	if (h->appname[0])
		pfring_set_application_name(ring, h->appname);
	if (h->immediate)
		pfring_set_poll_watermark(ring, 1);
	else if (h->watermark)
		pfring_set_poll_watermark(ring, h->watermark);
	if (h->direction == PCAP_D_IN)
		rc = pfring_set_direction(ring, rx_only_direction);
	if (!rc && h->cluster_id >= 0)
		rc = pfring_set_cluster(ring, (u_int)h->cluster_id, h->cluster);
	if (rc)
		snprintf(h->why, sizeof(h->why), "%s", pfring_last_error());
	return rc;
}

/*
 * Whether the real library must not capture instead: the path was named. One
 * that is named for all is for those devices that rings of ours can be made of.
 */
static bool demanded(const struct pfro_handle *h, int err)
{
	return h->named || (pfro_env("PFRING_BACKEND") && err != EOPNOTSUPP);
}

/* A ring that packets can flow through, or NULL with errno and the reason. */
static pfring *make_ring(struct pfro_handle *h)
{
	pfring *ring = open_ring(h);
	int rc = ring ? prepare(h, ring) : 0;

	if (!rc)
		return ring;
	pfring_close(ring);
	errno = -rc;
	return NULL;
}

/*
 * The same before anything is known to be well. What the real handle needs, and
 * the ring's program while it is loaded, is kept free: a real handle whose
 * activation has failed cannot be activated again.
 */
static pfring *make_ring_first(struct pfro_handle *h)
{
	int spare[SPARE_DESCRIPTORS], n = 0, err = 0;
	pfring *ring = NULL;

	for (; n < SPARE_DESCRIPTORS && !err; n += !err) {
		spare[n] = eventfd(0, EFD_CLOEXEC);
		err = spare[n] < 0 ? errno : 0;
	}
	if (err) {
		snprintf(h->why, sizeof(h->why), "no descriptors are left for a ring");
	} else {
		ring = make_ring(h);
		err = errno;
	}
	while (n)
		close(spare[--n]);
	errno = err;
	return ring;
}

static int deny(struct pfro_handle *h, pcap_t *p, int err)
{
	h->refused = true;
	pfro_error(p, "%s", h->why);
	return err == EPERM ? PCAP_ERROR_PERM_DENIED : PCAP_ERROR;
}

/*
 * The caller named the path that could not be had: another one would not be
 * what was asked for. What the real library refuses as well it tells itself.
 */
static int refuse(struct pfro_handle *h, pcap_t *p, int err)
{
	int s;

	if (err == ENODEV || err == ENETDOWN)
		return REAL(pcap_activate)(p);
	if (err == EPERM) {
		s = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
		if (s < 0)
			return REAL(pcap_activate)(p);
		close(s);
	}
	return deny(h, p, err);
}

/*
 * Nothing that is known beforehand speaks against a ring of ours. What fails
 * all the same (memory) is found when the real handle is a shadow already, which
 * cannot be activated again: see unshadow(). Cheap, and without a packet
 * socket, which takes a grace period to close.
 */
static bool promising(const struct pfro_handle *h)
{
	int fds[DESCRIPTORS], n = 0, s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq up = {0}, type = {0};
	char name[sizeof(h->device) + 32];
	bool ok;

	pfro_device_ring_name(h, name, sizeof(name));
	memcpy(up.ifr_name, h->interface, strnlen(h->interface, IFNAMSIZ - 1));
	type = up;
	ok = s >= 0 && !pfro_device_refused(h) && !pfro_env_flags() && h->cluster_id < 0 &&
	     (!strcmp(name, h->interface) || !strncmp(name, "bpf:", 4) ||
	      !strncmp(name, "packet:", 7)) &&
	     ioctl(s, SIOCGIFFLAGS, &up) == 0 && (up.ifr_flags & IFF_UP) &&
	     ioctl(s, SIOCGIFHWADDR, &type) == 0 &&
	     (type.ifr_hwaddr.sa_family == ARPHRD_ETHER ||
	      type.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK);
	/* So many must be left, for the real handle has no second try. */
	while (ok && n < DESCRIPTORS) {
		fds[n] = fcntl(s, F_DUPFD_CLOEXEC, 0);
		ok = fds[n] >= 0;
		n += ok;
	}
	while (n)
		close(fds[--n]);
	if (s >= 0)
		close(s);
	return ok;
}

/* Our ring is made, if it is not yet, and begins to fill, while the real handle is activated. */
struct start {
	struct pfro_handle *h;
	pfring *ring;
	int err; /* 0, or an errno; h->why in words */
};

static void start_ring(void *arg)
{
	struct start *s = arg;
	int rc;

	if (!s->ring)
		s->ring = make_ring(s->h);
	if (!s->ring) {
		s->err = errno;
		return;
	}
	rc = pfring_enable_ring(s->ring);
	if (rc < 0) {
		s->err = -rc;
		/* The last error is its thread's own. */
		snprintf(s->h->why, sizeof(s->h->why), "%s", pfring_last_error());
	}
}

/*
 * The real handle, activated so that it costs nothing. Its answer; what became
 * of the ring is in *start.
 */
static int activate_shadow(struct pfro_handle *h, pcap_t *p, struct start *start)
{
	struct pfro_beside beside = {.run = start_ring, .arg = start};
	int rc = h->shadow_rc;

	/* The mode stays: it shows in pcap_bufsize(). */
	REAL(pcap_set_buffer_size)(p, h->immediate ? SHADOW_IMMEDIATE : 1);
	REAL(pcap_set_protocol_linux)(p, SHADOW_PROTOCOL);
	pfro_beside_begin(&beside);
	if (!h->shadow) {
		rc = REAL(pcap_activate)(p);
		h->shadow = rc >= 0;
		h->shadow_rc = rc;
	}
	pfro_beside_end(&beside);
	if (rc >= 0 && !start->err && REAL(pcap_datalink)(p) != DLT_EN10MB) {
		start->err = EOPNOTSUPP;
		snprintf(h->why, sizeof(h->why), "libpcap gives %.64s another link type",
			 h->interface);
	}
	if (rc < 0 && !h->shadow) {
		/* The program may change its mind and activate again. */
		REAL(pcap_set_buffer_size)(p, h->buffer_size ? h->buffer_size : DEFAULT_BUFFER);
		REAL(pcap_set_protocol_linux)(p, 0);
	}
	return rc;
}

/*
 * There is no ring for it, so the shadow gets the packets itself: its socket is
 * bound to all protocols. Its buffer stays as small as it was made.
 */
static int unshadow(struct pfro_handle *h, pcap_t *p)
{
	struct sockaddr_ll all = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(h->interface),
	};

	h->shadow = false;
	if (bind(REAL(pcap_fileno)(p), (struct sockaddr *)&all, sizeof(all)) < 0)
		return pfro_error(p, "%s; and libpcap's socket cannot be bound anew: %s", h->why,
				  strerror(errno));
	if (h->shadow_rc)
		return h->shadow_rc;
	pfro_error(p, "%s: libpcap captures, with the smallest of buffers", h->why);
	return PCAP_WARNING;
}

/* A ring of ours under the real handle; where there can be none, the real handle alone. */
static int activate_ours(struct pfro_handle *h, pcap_t *p, struct start *start)
{
	int rc = activate_shadow(h, p, start);

	if (rc >= 0 && !start->err) {
		h->nano = pcap_get_tstamp_precision(p) == PCAP_TSTAMP_PRECISION_NANO;
		h->shadow_fd = REAL(pcap_fileno)(p);
		h->ring = start->ring;
		pfro_nonblock_update(h);
		return rc;
	}
	pfring_close(start->ring);
	if (rc < 0)
		return rc;
	return demanded(h, start->err) ? deny(h, p, start->err) : unshadow(h, p);
}

PFRO_EXPORT int pcap_activate(pcap_t *p)
{
	struct pfro_handle *h = pfro_find(p);
	struct start start = {.h = h};
	bool ours = false;
	int rc;

	if (!h || h->ring)
		return REAL(pcap_activate)(p);
	if (pfro_env_refuses()) {
		snprintf(h->why, sizeof(h->why), "PCAP_NO_PF_RING is set");
	} else {
		pfro_env_read(h);
		ours = promising(h);
		if (!ours) {
			start.ring = make_ring_first(h);
			ours = start.ring;
		}
		if (!ours && demanded(h, errno))
			return refuse(h, p, errno);
	}
	rc = ours ? activate_ours(h, p, &start) : REAL(pcap_activate)(p);
	if (rc >= 0)
		pfro_tell(h);
	return rc;
}

/*
 * As the real one is made of the same four calls; when activation fails the
 * real one is run for its error text, unless it was a path of ours that cannot
 * be had: the real one would open the device all the same.
 */
PFRO_EXPORT pcap_t *pcap_open_live(const char *device, int snaplen, int promisc, int to_ms,
				   char *errbuf)
{
	pcap_t *p = pcap_create(device, errbuf);
	struct pfro_handle *h;
	bool refused;

	if (!p)
		return NULL;
	if (pcap_set_snaplen(p, snaplen) >= 0 && pcap_set_promisc(p, promisc) >= 0 &&
	    pcap_set_timeout(p, to_ms) >= 0 && pcap_activate(p) >= 0)
		return p;
	h = pfro_find(p);
	refused = h && h->refused;
	if (refused)
		snprintf(errbuf, PCAP_ERRBUF_SIZE, "%.35s: %.*s", h->device, PCAP_ERRBUF_SIZE - 38,
			 h->why);
	pcap_close(p);
	return refused ? NULL : REAL(pcap_open_live)(device, snaplen, promisc, to_ms, errbuf);
}

static void close_ring(void *arg)
{
	pfring_close(arg);
}

PFRO_EXPORT void pcap_close(pcap_t *p)
{
	struct pfro_handle *h = pfro_find(p);
	struct pfro_beside beside = {.run = close_ring};

	if (h && pfro_in_callback(h)) {
		/* From a callback: what the reader still has in hands goes when it comes back. */
		h->closing = true;
		return;
	}
	if (h) {
		beside.arg = h->ring;
		pfro_read_free(h);
		pfro_remove(h);
	}
	if (beside.arg)
		pfro_beside_begin(&beside);
	REAL(pcap_close)(p);
	if (beside.arg)
		pfro_beside_end(&beside);
}
