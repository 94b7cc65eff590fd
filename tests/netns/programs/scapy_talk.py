# SPDX-License-Identifier: BSD-3-Clause
"""Asks a machine on layers 2 and 3: echoes over routes, ARP, TCP and UDP ports, IPv6."""

import sys

from scapy.all import (
    ARP,
    ICMP,
    IP,
    TCP,
    UDP,
    Ether,
    ICMPv6EchoRequest,
    IPv6,
    conf,
    send,
    sendp,
    sr,
    sr1,
    srp,
    srp1,
)

conf.verb = 0
LIMIT = 60
NEAR, ALSO, ROUTED, SECOND, SIX = sys.argv[1:]


def show(what, packet):
    # What the other machine counts or draws by lot is left out; so are sums over it.
    assert packet is not None, what
    shown = packet.copy()
    for layer in (IP, TCP, UDP):
        if layer in shown:
            for name in ("id", "chksum", "seq"):
                if name in shown[layer].fields:
                    shown[layer].setfieldval(name, 0)
    print(what, shown.command())


show("near", sr1(IP(dst=NEAR) / ICMP(id=7, seq=1) / b"near", timeout=LIMIT))
show("routed", sr1(IP(dst=ROUTED) / ICMP(id=7, seq=2) / b"routed", timeout=LIMIT))
show("six", sr1(IPv6(dst=SIX) / ICMPv6EchoRequest(id=7, seq=3, data=b"six"), timeout=LIMIT))

answered, open_ = sr(
    [IP(dst=ROUTED) / ICMP(id=8, seq=n) / bytes(n) for n in range(20)]
    + [IP(dst=SECOND) / ICMP(id=9, seq=n) / bytes(100 * n) for n in range(10)]
    + [IP(dst=NEAR) / TCP(sport=5000, dport=p, flags="S") for p in (80, 81)]
    + [IP(dst=NEAR) / UDP(sport=5000, dport=81) / b"closed"],
    timeout=LIMIT,
)
print(len(answered), len(open_))
for number, (sent, got) in enumerate(sorted(answered, key=lambda pair: pair[0].command())):
    assert sent.sent_time
    show(number, got)

everybody = Ether(dst="ff:ff:ff:ff:ff:ff")
answered, open_ = srp(everybody / ARP(pdst=[NEAR, ALSO]), iface="cap0", timeout=LIMIT)
print(len(answered), len(open_))
for sent, got in sorted(answered, key=lambda pair: pair[0].pdst):
    print(sent.pdst, got.summary(), got[ARP].hwsrc, got.sniffed_on)
other = srp1(everybody / ARP(pdst=NEAR), iface="cap0", filter="arp", timeout=LIMIT).src

send([IP(dst=ROUTED) / UDP(sport=6000, dport=4001) / f"routed {n}".encode() for n in range(5)])
send(IP(dst=NEAR) / UDP(sport=6000, dport=4001) / bytes(3000))
sendp(Ether(dst=other) / IP(dst=NEAR) / UDP(sport=6000, dport=4001) / b"last", iface="cap0")
