/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kinds.c - devices of other kinds than the wire's: their link types, and what
 * can be made of them.
 */
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
}
