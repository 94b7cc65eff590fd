/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * filters.h - expressions that tests compile: every kind of primitive that
 * needs no name server, none with a VLAN keyword (those are listed apart).
 */
#ifndef TEST_FILTERS_H
#define TEST_FILTERS_H

static const char *const test_filters[] = {
	"tcp", "udp", "icmp", "icmp6", "arp", "rarp", "ip", "ip6", "sctp", "igmp", "esp", "ah", "pim",
	"vrrp", "port 80", "tcp port 443", "udp port 53", "src port 53", "dst port 53",
	"portrange 1000-2000", "tcp dst portrange 8000-8080", "udp src portrange 1-1023",
	"host 10.0.0.1", "src host 10.0.0.1", "dst host 10.0.0.1", "host 2001:db8::1",
	"src host 2001:db8::1", "net 10.0.0.0/8", "src net 192.168.0.0/16", "dst net 172.16.0.0/12",
	"net 10.1", "net 10.0.0.0 mask 255.255.0.0", "net 2001:db8::/32", "src net 2001:db8::/64",
	"ether host 02:00:00:00:00:01", "ether src 02:00:00:00:00:01",
	"ether dst 02:00:00:00:00:01", "ether broadcast", "ether multicast", "ip broadcast",
	"ip multicast", "ip6 multicast", "ether proto 0x88cc", "ether proto \\ip", "ip proto 17",
	"ip proto \\tcp", "ip6 proto 6", "ip protochain 6", "ip6 protochain 58",
	"greater 1000", "less 64", "len == 60", "len > 100 and len <= 1514",
	"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", "tcp[13] == 2", "tcp[12:1] & 0xf0 > 0x50",
	"ip[6:2] & 0x1fff != 0", "ip[6] & 0x20 != 0", "ip[0] & 0xf > 5", "ip[8] < 5", "ip[2:2] > 576",
	"ether[0] & 1 = 0", "ether[12:2] = 0x0800", "ether[6:4] = 0x02000000",
	"icmp[icmptype] = icmp-echo", "icmp[icmptype] != icmp-echoreply", "icmp6[0] = 135",
	"udp[4:2] > 100", "ip6[6] = 58", "mpls", "mpls 100", "mpls and ip", "pppoed", "pppoes",
	"pppoes 7 and tcp", "inbound", "outbound", "inbound and tcp port 22", "ifindex 2", "llc", "stp",
	"isis", "not arp", "not (tcp port 22)",
	"tcp and not port 22", "host 10.0.0.1 and (port 80 or port 443)",
	"src 10.0.0.1 and dst 10.0.0.2 and udp", "tcp port 80 or udp port 53 or icmp",
	"(ip or ip6) and not broadcast and not multicast", "ip host 10.0.0.1",
	"arp host 10.0.0.1", "port 80 and len > 100 and tcp[13] & 16 != 0",
	"net 10.0.0.0/24 and not host 10.0.0.7 and portrange 1-1024",
	"(tcp[2:2] + 1) * 2 - 4 > 100 / 3 and tcp[0:2] % 2 = 0",
	"ip[12:4] ^ ip[16:4] = 0", "ip[8] << 2 >> 1 | 1 > 3", "geneve", "geneve 5 and ip",
};

#define TEST_FILTERS (sizeof(test_filters) / sizeof(test_filters[0]))

static const char *const test_vlan_filters[] = {
	"vlan", "vlan 5", "vlan and tcp", "vlan 5 and ip", "vlan and vlan", "vlan 5 and vlan 6 and ip6",
	"not vlan", "tcp or (vlan and tcp)", "vlan and mpls and ip",
};

#define TEST_VLAN_FILTERS (sizeof(test_vlan_filters) / sizeof(test_vlan_filters[0]))

#endif /* TEST_FILTERS_H */
