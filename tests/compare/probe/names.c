/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * names.c - what needs no handle: versions, names of things, programs on paper.
 */
#include <net/ethernet.h>

#include "probe.h"

#include <pcap/namedb.h> /* behind pcap.h, which it needs */

static const char *or_null(const char *text)
{
	return text ? text : "NULL";
}

static void link_types(void)
{
	static const int types[] = {0, 1, 6, 9, 12, 105, 113, 127, 143, 147, 192, 276, 9999, -1};
	static const char *const names[] = {"EN10MB", "linux_sll", "DLT_EN10MB", "nonsense"};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		see("link type %d: %s, %s, %s", types[i],
		    or_null(pcap_datalink_val_to_name(types[i])),
		    or_null(pcap_datalink_val_to_description(types[i])),
		    pcap_datalink_val_to_description_or_dlt(types[i]));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		see("link type %s: %d", names[i], pcap_datalink_name_to_val(names[i]));
}

static void numbers(void)
{
	bpf_u_int32 net = 0;
	struct ether_addr *mac;
	int port = 0, proto = 0, port2 = 0;

	for (int i = -13; i <= 4; i++)
		see("status %d: %s", i, pcap_statustostr(i));
	see("errno: %s, %s", pcap_strerror(ENOENT), pcap_strerror(99999));
	for (int i = -1; i < 7; i++)
		see("time stamp type %d: %s, %s", i, or_null(pcap_tstamp_type_val_to_name(i)),
		    or_null(pcap_tstamp_type_val_to_description(i)));
	see("time stamp type: %d %d", pcap_tstamp_type_name_to_val("adapter"),
	    pcap_tstamp_type_name_to_val("nonsense"));
	see("protocol: %d %d %d", pcap_nametoproto("udp"), pcap_nametoproto("nonsense"),
	    pcap_nametoeproto("ip6"));
	see("llc: %d, eproto: %d", pcap_nametollc("stp"), pcap_nametoeproto("nonsense"));
	see("port: %d %d %d", pcap_nametoport("domain", &port, &proto), port, proto);
	see("ports: %d %d %d", pcap_nametoportrange("1000-2000", &port, &port2, &proto), port,
	    port2);
	see("net: %d", (int)pcap_nametonetaddr("nonsense"));
	mac = (void *)pcap_ether_aton("02:00:5e:10:00:ff");
	see("mac: %s", mac && mac->ether_addr_octet[5] == 0xff ? "yes" : "no");
	free(mac);
	see("lookupnet: %d", pcap_lookupnet(CAPTURE, &net, &net, (char[PCAP_ERRBUF_SIZE]){0}));
}

static void devices(void)
{
	char errbuf[PCAP_ERRBUF_SIZE] = "";
	pcap_if_t *list = NULL;
	int rc = pcap_findalldevs(&list, errbuf);

	see("findalldevs: %d \"%s\"", rc, errbuf);
	for (pcap_if_t *d = list; d; d = d->next)
		see("device %s: %s, flags %x, %s", d->name, or_null(d->description), d->flags,
		    d->addresses ? "addresses" : "no address");
	pcap_freealldevs(list);
}

static void programs(void)
{
	static const char *const texts[] = {"tcp",	 "port 53",   "vlan 5",	  "ip6 and udp",
					    "tcp or or", "greater 0", "ifindex 2"};
	pcap_t *p = pcap_open_dead(DLT_EN10MB, 1000);

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct bpf_program program = {0};
		struct pcap_pkthdr h = {.caplen = 60, .len = 60};
		uint8_t frame[60];
		int rc = pcap_compile(p, &program, texts[i], 1, 0);

		if (rc) {
			see("compile \"%s\": %d \"%s\"", texts[i], rc, SAID(p));
			continue;
		}
		frame_make(frame, TCP, 0, sizeof(frame));
		see("compile \"%s\": %u instructions, valid %d, on a TCP frame %d", texts[i],
		    program.bf_len, bpf_validate(program.bf_insns, (int)program.bf_len),
		    pcap_offline_filter(&program, &h, frame));
		see("the last is %s",
		    bpf_image(&program.bf_insns[program.bf_len - 1], (int)program.bf_len - 1));
		pcap_freecode(&program);
	}
	see("dead: %d %d %d", pcap_datalink(p), pcap_snapshot(p), pcap_get_tstamp_precision(p));
	CODE(p, pcap_activate(p));
	CODE(p, pcap_dispatch(p, 1, add, NULL));
	CODE(p, pcap_setnonblock(p, 1, (char[PCAP_ERRBUF_SIZE]){0}));
	pcap_close(p);
}

void probe_names(void)
{
	const char *version = pcap_lib_version();

	title("names");
	/* Ours says behind a comma that it is there. */
	see("%.*s", (int)strcspn(version, ","), version);
	link_types();
	numbers();
	devices();
	title("programs");
	programs();
}
