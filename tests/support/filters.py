# SPDX-License-Identifier: BSD-3-Clause
"""The filters that we are compared with tcpdump on, in groups that run on one wire together."""

from __future__ import annotations

TWENTY_HOSTS = " or ".join(f"host 10.0.0.{i}" for i in range(1, 21))
TWENTY_PORTS = " or ".join(f"port {p}" for p in (22, 25, 53, 80, *range(1024, 65000, 4000)))

GROUPS: dict[str, tuple[str, ...]] = {
    "protocols": (
        "ip",
        "ip6",
        "arp",
        "tcp",
        "udp",
        "icmp",
        "icmp6",
        "sctp",
        "igmp",
        "ip proto 47",
        "ip6 proto 44",
        "ip protochain 17",
    ),
    "ports": (
        "port 443",
        "tcp port 443",
        "udp port 53",
        "src port 22",
        "tcp dst port 80",
        "portrange 1-1023",
        "udp portrange 5000-6000",
        "ip6 and tcp port 8080",
        "not port 443",
        "sctp port 443",
        TWENTY_PORTS,
    ),
    "addresses": (
        "host 10.0.0.1",
        "src host 192.168.1.7",
        "dst host 172.16.5.3",
        "net 10.0.0.0/8",
        "src net 192.168.1.0/24",
        "net 172.16.0.0 mask 255.255.0.0",
        "host 2001:db8:0:1::5",
        "net 2001:db8::/32",
        "dst net fe80::/10",
        "host 10.0.0.1 and host 192.168.1.1",
        "not net 10.0.0.0/8",
        TWENTY_HOSTS,
    ),
    "ethernet": (
        "ether host 02:50:46:00:a0:01",
        "ether dst ff:ff:ff:ff:ff:ff",
        "ether broadcast",
        "ether multicast",
        "ip multicast",
        "ip6 multicast",
        "ether proto 0x88cc",
        "ether proto 0x8864",
        "llc",
        "stp",
        "not ip and not ip6",
    ),
    "VLAN": (
        "vlan",
        "vlan 5",
        "vlan 4094",
        "vlan and vlan",
        "vlan 5 and vlan 10",
        "vlan and tcp",
        "vlan 5 and ip6",
        "vlan and vlan and udp port 53",
        "tcp or (vlan and tcp)",
        "not vlan",
        "not (vlan and ip)",
    ),
    "labels and tunnels": (
        "mpls",
        "mpls 17",
        "mpls and mpls",
        "mpls and ip",
        "mpls and ip6 and udp",
        "pppoes",
        "pppoes 2 and tcp port 443",
        "proto gre",
        "udp port 4789",
        "ip proto 4 or ip proto 41",
        "geneve",
    ),
    "sizes and bytes": (
        "greater 1000",
        "less 64",
        "len == 60",
        "ip[8] < 10",
        "ip[2:2] > 576",
        "ip[0] & 0xf != 5",
        "ip[6:2] & 0x1fff != 0",
        "ip[6] & 0x20 != 0",
        "ip[6:2] & 0x3fff = 0 and udp",
        "ip6[6] = 0",
        "ether[12:2] = 0x88a8",
        "ether[20:4] & 0x1 = 1",
    ),
    "flags and types": (
        "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
        "tcp[13] == 2",
        "tcp[tcpflags] & tcp-rst != 0",
        "icmp[icmptype] = icmp-echo",
        "icmp[icmptype] == icmp-unreach and icmp[icmpcode] == 1",
        "icmp6[icmp6type] == icmp6-neighborsolicit",
        "icmp6 and ip6[40] == 134",
        "arp[6:2] = 1",
        "udp[4:2] > 1000",
        "tcp[2:2] & 1 = 1",
    ),
    "directions and sums": (
        "inbound",
        "outbound",
        "inbound and tcp port 443",
        "outbound and ip6",
        "(tcp or udp) and not port 443 and not port 53 and greater 100",
        "((tcp and port 80) or (udp and port 53)) and not net 10.1.0.0/16",
        "ip and not tcp and not udp and not icmp",
        "tcp port 443 or icmp6 or (vlan and udp)",
        "",
    ),
}
FILTERS = tuple(filter_ for group in GROUPS.values() for filter_ in group)
# libpcap 1.10 runs the program itself on the first block after it was set, and there it does not
# know a packet's direction: tcpdump loses up to a block of what "inbound" means. Its own option
# is right, so that is what we compare with: the filter, tcpdump's option, tcpdump's filter.
DIRECTIONS: dict[str, tuple[tuple[str, ...], str]] = {
    "inbound": (("-Q", "in"), ""),
    "outbound": (("-Q", "out"), ""),
    "inbound and tcp port 443": (("-Q", "in"), "tcp port 443"),
    "outbound and ip6": (("-Q", "out"), "ip6"),
}
# Only a live capture knows which way a packet went.
LIVE_ONLY = frozenset(DIRECTIONS)
