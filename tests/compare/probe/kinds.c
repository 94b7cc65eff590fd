/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kinds.c - devices of other kinds than the wire's: their link types, and what
 * can be made of them.
 */
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include "probe.h"

#define DEVICE "kind0"

static void see_activated(const char *state)
{
	char errbuf[PCAP_ERRBUF_SIZE] = "";
	pcap_t *p = pcap_create(DEVICE, errbuf);

	if (!p) {
		see("%s: create: \"%s\"", state, errbuf);
		return;
	}
	*SAID(p) = 0;
	see("%s: activate %d \"%s\"", state, pcap_activate(p), SAID(p));
	CODE(p, pcap_datalink(p));
	see_datalinks(p);
	CODE(p, pcap_set_datalink(p, DLT_DOCSIS));
	CODE(p, pcap_datalink(p));
	CODE(p, pcap_set_datalink(p, DLT_LINUX_SLL2));
	filter(p, "ip");
	filter(p, "vlan");
	pcap_close(p);
}

static void see_opened(void)
{
	char errbuf[PCAP_ERRBUF_SIZE] = "";
	pcap_t *p = pcap_open_live(DEVICE, 100, 1, TO_MS, errbuf);

	see("open_live: %s \"%s\"", p ? "opened" : "NULL", errbuf);
	if (p) {
		see("snap length %d, link type %d", pcap_snapshot(p), pcap_datalink(p));
		pcap_close(p);
	}
}

/* What comes from the far end of a tap or tun. */
static void see_captured(int fd, bool tap)
{
	char errbuf[PCAP_ERRBUF_SIZE] = "";
	pcap_t *p = pcap_open_live(DEVICE, 262144, 1, TO_MS, errbuf);
	uint8_t frame[FRAME_MAX];
	struct sum sum;

	if (!p)
		return;
	for (unsigned i = 0; i < 5; i++) {
		unsigned length = frame_make(frame, UDP, i, 60 + i * 100);
		const unsigned from = tap ? 0 : 14; /* a tun's packets begin with the IP header */

		if (write(fd, frame + from, length - from) != (ssize_t)(length - from))
			see("frame %u: %s", i, strerror(errno));
	}
	sum = gather(p, 5);
	see_sum("captured", &sum);
	pcap_close(p);
}

/* A tap or tun that says it has this hardware type; it is gone when its descriptor is closed. */
static int device_of_type(int type, short flags)
{
	struct ifreq ifr = {.ifr_name = DEVICE, .ifr_flags = flags | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0 || ioctl(fd, TUNSETLINK, type) < 0) {
		fprintf(stderr, "probe: no device of type %d: %s\n", type, strerror(errno));
		exit(2);
	}
	return fd;
}

static void see_type(int type, bool tap)
{
	int fd = device_of_type(type, tap ? IFF_TAP : IFF_TUN);
	char about[64];

	snprintf(about, sizeof(about), "%s of type %d", tap ? "tap" : "tun", type);
	title(about);
	run("ip link set " DEVICE " up");
	see_activated("up");
	see_opened();
	see_captured(fd, tap);
	close(fd);
}

static void hardware_types(void)
{
	/* 0x1234 is nobody's: libpcap warns of it and cooks. */
	/* clang-format off */
	static const int types[] = {
		ARPHRD_ETHER, ARPHRD_EETHER, ARPHRD_IEEE802, ARPHRD_ARCNET, ARPHRD_ATM,
		ARPHRD_INFINIBAND, ARPHRD_SLIP, ARPHRD_PPP, ARPHRD_CISCO, ARPHRD_RAWHDLC,
		ARPHRD_TUNNEL, ARPHRD_FRAD, ARPHRD_LOOPBACK, ARPHRD_LOCALTLK, ARPHRD_FDDI,
		ARPHRD_SIT, ARPHRD_IPGRE, ARPHRD_IRDA, ARPHRD_FCPP, ARPHRD_IEEE80211,
		ARPHRD_IEEE80211_PRISM, ARPHRD_IEEE80211_RADIOTAP, ARPHRD_IEEE802154,
		ARPHRD_NONE, ARPHRD_RAWIP, ARPHRD_VSOCKMON, ARPHRD_VOID, 0x1234,
	};
	/* clang-format on */

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		see_type(types[i], true);
	see_type(ARPHRD_ETHER, false);
	see_type(ARPHRD_PPP, false);
}

void probe_kinds(void)
{
	static const struct {
		const char *name, *make;
	} kinds[] = {
		{"tun", "ip tuntap add name " DEVICE " mode tun"}, /* the real library's: cooked */
		{"tap", "ip tuntap add name " DEVICE " mode tap"},
		{"bridge", "ip link add name " DEVICE " type bridge"},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		title(kinds[i].name);
		run("%s", kinds[i].make);
		see_activated("down");
		run("ip link set " DEVICE " up");
		see_activated("up");
		see_opened();
		run("ip link del " DEVICE);
	}
	hardware_types();
}
