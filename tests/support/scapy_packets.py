# SPDX-License-Identifier: BSD-3-Clause
"""Random packets made with scapy, and what scapy itself says is in their bytes.

The oracle of the parser's tests and the source of its fuzz corpus. The same
seed gives the same packets for one version of scapy.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from scapy.contrib.geneve import GENEVE
from scapy.contrib.gtp import GTP_U_Header, GTPPDUSessionContainer
from scapy.contrib.mpls import MPLS
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP, IPOption_Router_Alert
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    PadN,
)
from scapy.layers.l2 import ARP, GRE, Dot1AD, Dot1Q, Dot3, Ether
from scapy.layers.sctp import SCTP
from scapy.layers.vxlan import VXLAN
from scapy.packet import NoPayload, Packet, Raw

TUNNEL_PORTS = {2152, 4789, 6081, 8472}
# Bound to something that scapy opens as one more tunnel or rewrites.
SCAPY_PORTS = {2123, 3386, 4790, 6080, 8805, 9995, 48879}
EXTENSIONS = (IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment)
TAGS = (Dot1Q, Dot1AD)
ETHER_IPV4, ETHER_IPV6, ETHER_BRIDGED = 0x0800, 0x86DD, 0x6558
MORE_FRAG, FRAG_OFFSET = 4, 8  # PKT_FLAGS_IP_*
NO_TUNNEL = 0xFFFFFFFF


@dataclass
class Inner:
    """The packet in a tunnel."""

    version: int = 0
    proto: int = 0
    src: str = ""
    dst: str = ""
    ports: tuple[int, int] = (0, 0)


@dataclass
class Facts:
    """Everything that the parser tells of a packet."""

    level: int = 2
    smac: str = ""
    dmac: str = ""
    eth_type: int = 0
    vlan: int = 0
    qinq: int = 0
    version: int = 0
    proto: int = 0
    tos: int = 0
    src: str = ""
    dst: str = ""
    ports: tuple[int, int] = (0, 0)
    tcp: tuple[int, int, int] = (0, 0, 0)  # flags, seq, ack
    icmp: tuple[int, int] = (0, 0)
    flags: int = 0
    tunnel: int = NO_TUNNEL
    inner: Inner = field(default_factory=Inner)
    offsets: tuple[int, int, int, int, int] = (0, -1, -1, -1, -1)  # eth vlan l3 l4 payload


class Maker:
    """Makes packets; everything that varies comes out of one seed."""

    def __init__(self, seed: int) -> None:
        self.rnd = random.Random(seed)

    def frame(self) -> bytes:
        """One random frame."""
        rnd = self.rnd
        packet: Packet = self.ether() / self.tags()
        kind = rnd.random()
        if kind < 0.04:
            packet /= ARP(psrc=self.v4(), pdst=self.v4())
        elif kind < 0.06:
            packet.lastlayer().type = rnd.choice((0x88CC, 0x0842, 0x05DC))
            packet /= Raw(rnd.randbytes(rnd.randrange(40)))
        else:
            if rnd.random() < 0.2:
                count = rnd.randrange(1, 4)
                for n in range(count):
                    packet /= MPLS(label=rnd.randrange(16, 1 << 20), s=int(n == count - 1), ttl=9)
            packet /= self.datagram(tunnels=True)
        data = bytes(packet)
        if len(data) < 60 and rnd.random() < 0.5:
            data += rnd.randbytes(60 - len(data))
        return data

    def ether(self) -> Packet:
        def mac() -> str:
            return ":".join(f"{b:02x}" for b in self.rnd.randbytes(6))

        return Ether(src=mac(), dst=mac())

    def tags(self) -> Packet:
        rnd = self.rnd

        def tag(kind: type[Packet]) -> Packet:
            return kind(vlan=rnd.randrange(4096), prio=rnd.randrange(8))

        kinds = rnd.choice(
            ((), (), (), (Dot1Q,), (Dot1AD,), (Dot1AD, Dot1Q), (Dot1Q, Dot1Q), (Dot1AD, Dot1AD))
        )
        made: Packet = NoPayload()
        for kind in kinds:
            made = tag(kind) if isinstance(made, NoPayload) else made / tag(kind)
        return made

    def v4(self) -> str:
        return str(IPv4Address(self.rnd.randbytes(4)))

    def v6(self) -> str:
        return str(IPv6Address(self.rnd.randbytes(16)))

    def port(self) -> int:
        while (port := self.rnd.randrange(1, 65536)) in TUNNEL_PORTS | SCAPY_PORTS:
            pass
        return port

    def datagram(self, *, tunnels: bool) -> Packet:
        return self.ipv4(tunnels) if self.rnd.random() < 0.5 else self.ipv6(tunnels)

    def ipv4(self, tunnels: bool) -> Packet:
        rnd = self.rnd
        head = IP(src=self.v4(), dst=self.v4(), tos=rnd.randrange(256), ttl=64)
        if rnd.random() < 0.2:
            head.options = [IPOption_Router_Alert(), *([IPOption_NOP()] * (4 * rnd.randrange(5)))]
        kind = rnd.random()
        if kind < 0.08:
            head.flags = "MF"
        elif kind < 0.16:
            head.frag, head.flags = rnd.randrange(1, 8192), rnd.choice(("", "MF"))
            head.proto = rnd.choice((6, 17, 47))
            return head / Raw(rnd.randbytes(rnd.randrange(8, 64)))
        return head / self.transport(4, tunnels)

    def ipv6(self, tunnels: bool) -> Packet:
        rnd = self.rnd
        packet: Packet = IPv6(src=self.v6(), dst=self.v6())
        packet.tc, packet.fl = rnd.randrange(256), rnd.randrange(1 << 20)
        if rnd.random() < 0.15:
            packet /= IPv6ExtHdrHopByHop(options=self.padding())
        if rnd.random() < 0.15:
            packet /= IPv6ExtHdrRouting(addresses=[self.v6() for _ in range(rnd.randrange(3))])
        kind = rnd.random()
        if kind < 0.1:
            packet /= IPv6ExtHdrFragment(m=rnd.randrange(2), offset=0)
        elif kind < 0.16:
            packet /= IPv6ExtHdrFragment(
                m=rnd.randrange(2), offset=rnd.randrange(1, 8192), nh=rnd.choice((6, 17, 60))
            )
            return self.behind(packet, Raw(rnd.randbytes(rnd.randrange(8, 64))))
        if rnd.random() < 0.15:
            packet /= IPv6ExtHdrDestOpt(options=self.padding())
        return self.behind(packet, self.transport(6, tunnels))

    @staticmethod
    def behind(packet: Packet, rest: Packet) -> Packet:
        """packet / rest, with a type."""
        made: Packet = packet / rest
        return made

    def padding(self) -> list[Packet]:
        return [PadN(optdata=self.rnd.randbytes(self.rnd.randrange(250)))]

    def transport(self, version: int, tunnels: bool) -> Packet:
        rnd = self.rnd
        if tunnels and rnd.random() < 0.35:
            return self.tunnel()
        rest = Raw(rnd.randbytes(rnd.randrange(1, 200)))
        kind = rnd.randrange(6)
        if kind in {0, 1}:
            options = [("NOP", None)] * rnd.choice((0, 4, 12))
            head = TCP(sport=self.port(), dport=self.port(), options=options)
            head.seq, head.ack = rnd.randrange(1 << 32), rnd.randrange(1 << 32)
            head.flags = rnd.randrange(256)
            return head / rest
        if kind in {2, 3}:
            return UDP(sport=self.port(), dport=self.port()) / rest
        if kind == 4:
            return SCTP(sport=self.port(), dport=self.port()) / rest
        if version == 4:
            return ICMP(type=rnd.choice((0, 8, 13)), code=rnd.randrange(4)) / rest
        return ICMPv6EchoRequest(code=rnd.randrange(4)) / rest

    def tunnel(self) -> Packet:
        rnd = self.rnd
        inner = self.datagram(tunnels=False)
        bridged = self.ether() / self.tags() / inner
        kind = rnd.randrange(6)
        if kind == 0:
            gre = GRE(seqnum_present=rnd.randrange(2), chksum_present=rnd.randrange(2))
            if rnd.random() < 0.5:
                gre.key_present, gre.key = 1, rnd.randrange(1 << 32)
            return gre / rnd.choice((inner, bridged))
        if kind == 1:
            return inner
        if kind == 2:
            udp = UDP(sport=self.port(), dport=rnd.choice((4789, 8472)))
            return udp / VXLAN(vni=rnd.randrange(1 << 24)) / bridged
        if kind == 3:
            udp = UDP(sport=self.port(), dport=6081)
            return udp / GENEVE(vni=rnd.randrange(1 << 24)) / rnd.choice((inner, bridged))
        head = GTP_U_Header(teid=rnd.randrange(1 << 32), gtp_type=255)
        if rnd.random() < 0.5:
            head.S, head.seq = 1, rnd.randrange(1 << 16)
        udp = UDP(sport=self.port(), dport=2152)
        if kind == 4:
            head.E, head.next_ex = 1, 0x85
            return udp / head / GTPPDUSessionContainer(type=0, QFI=rnd.randrange(64)) / inner
        return udp / head / inner


def header_length(layer: Packet) -> int:
    """How many bytes of the frame are this layer's own."""
    return len(layer.raw_packet_cache or b"")


def _ip(layer: Packet) -> tuple[Inner, int, Packet, int]:
    """What an IP layer says; its fragment flags, the layer behind its headers, their length."""
    length = header_length(layer)
    if isinstance(layer, IP):
        flags = (MORE_FRAG if layer.flags.MF else 0) | (FRAG_OFFSET if layer.frag else 0)
        return Inner(4, layer.proto, layer.src, layer.dst), flags, layer.payload, length
    facts, flags, inside = Inner(6, layer.nh, layer.src, layer.dst), 0, layer.payload
    while isinstance(inside, EXTENSIONS):
        facts.proto = inside.nh
        length += header_length(inside)
        if isinstance(inside, IPv6ExtHdrFragment):
            flags = (MORE_FRAG if inside.m else 0) | (FRAG_OFFSET if inside.offset else 0)
        inside = inside.payload
    return facts, flags, inside, length


def _tunnel(layer: Packet) -> tuple[int, Packet] | None:
    """The tunnel that a transport layer is or carries: its id, and the packet inside."""
    if isinstance(layer, (IP, IPv6)):
        return NO_TUNNEL, layer
    if isinstance(layer, GRE):
        return (layer.key if layer.key_present else NO_TUNNEL), layer.payload
    if isinstance(layer, UDP) and isinstance(layer.payload, (VXLAN, GENEVE)):
        return layer.payload.vni, layer.payload.payload
    if isinstance(layer, UDP) and isinstance(layer.payload, GTP_U_Header):
        head, inside = layer.payload, layer.payload.payload
        return head.teid, inside.payload if isinstance(inside, GTPPDUSessionContainer) else inside
    return None


def told_by_scapy(data: bytes) -> Facts:
    """Take a frame apart with scapy and say what our parser should."""
    layer: Packet = Ether(data)
    facts = Facts(smac=layer.src, dmac=layer.dst)
    facts.eth_type = layer.len if isinstance(layer, Dot3) else layer.type
    at, vlan_at, vlans = header_length(layer), -1, []
    layer = layer.payload
    while isinstance(layer, TAGS):
        vlan_at = at if vlan_at < 0 else vlan_at
        vlans.append(layer.vlan)
        facts.eth_type = layer.type
        at += header_length(layer)
        layer = layer.payload
    facts.vlan, facts.qinq = [*vlans, 0, 0][:2]
    while isinstance(layer, MPLS):
        at += header_length(layer)
        layer = layer.payload
    facts.offsets = (0, vlan_at, at, -1, -1)
    if not isinstance(layer, (IP, IPv6)):
        return facts

    facts.eth_type = ETHER_IPV4 if isinstance(layer, IP) else ETHER_IPV6
    facts.tos = layer.tos if isinstance(layer, IP) else layer.tc
    ip, facts.flags, inside, length = _ip(layer)
    facts.version, facts.proto, facts.src, facts.dst = ip.version, ip.proto, ip.src, ip.dst
    facts.level = 3
    l4, payload = at + length, at + length
    if facts.flags & FRAG_OFFSET:
        facts.offsets = (0, vlan_at, at, -1, payload)
        return facts
    if isinstance(inside, (TCP, UDP, SCTP)):
        facts.level, facts.ports = 4, (inside.sport, inside.dport)
        payload += header_length(inside)
    if isinstance(inside, TCP):
        facts.tcp = (int(inside.flags) & 0xFF, inside.seq, inside.ack)
    if isinstance(inside, (ICMP, ICMPv6EchoRequest)):
        facts.level, facts.icmp = 4, (inside.type, inside.code)
        payload += 8
    facts.offsets = (0, vlan_at, at, l4, payload)

    tunnel = _tunnel(inside)
    if tunnel:
        facts.level, facts.tunnel, packet = 5, *tunnel
        while isinstance(packet, (Ether, *TAGS)):
            packet = packet.payload
        facts.inner, flags, inside, _ = _ip(packet)
        if not flags & FRAG_OFFSET and isinstance(inside, (TCP, UDP, SCTP)):
            facts.inner.ports = (inside.sport, inside.dport)
    return facts
