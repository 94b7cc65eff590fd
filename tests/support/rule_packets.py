# SPDX-License-Identifier: BSD-3-Clause
"""Random frames whose fields are known because they were chosen, not parsed.

`Packet` holds the bytes and, beside them, what a filtering rule can ask about
(docs/filters.md). The model in `rule_model` looks at these fields only, so the
library's and the module's parsers are tested together with their rules. The
pools are small: rules are to match often.
"""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, replace

from pfring.lab import frames

MACS = [bytes.fromhex(f"0200000000{n:02x}") for n in (1, 2, 3)]
HOSTS4 = [bytes([10, 0, 0, n]) for n in (1, 2, 3)] + [bytes([192, 168, 7, 9])]
HOSTS6 = [bytes.fromhex(f"20010db8{0:022x}{n:02x}") for n in (1, 2)] + [
    bytes.fromhex("fe80000000000000020000fffe000009")
]
PORTS = [1, 53, 80, 443, 1000, 1001, 65535]
VLANS = [5, 7, 4094]
WORDS = [b"needle", b"GET /", b"x", b"0123456789abcdef0123456789abcdef"]
TUNNEL_IDS = [7, 100]
NO_TUNNEL = 0xFFFFFFFF

TCP, UDP, SCTP, UDPLITE, ICMP, OSPF = 6, 17, 132, 136, 1, 89
GRE, IPIP, VXLAN_PORT, GTPU_PORT = 47, 4, 4789, 2152


@dataclass(frozen=True)
class Packet:
    """One frame, and what is in it. Addresses are bytes, 4 or 16; b"" where there is none."""

    frame: bytes
    smac: bytes
    dmac: bytes
    eth_type: int  # behind tags and, where IP follows, labels
    vlan: int = 0  # the outermost tag's
    version: int = 0
    proto: int = 0
    src: bytes = b""
    dst: bytes = b""
    sport: int = 0
    dport: int = 0
    tcp_flags: int = 0
    payload: bytes | None = None  # to the end of the frame; None: nobody knows where it starts
    tunnel_id: int = NO_TUNNEL
    inner_version: int = 0
    inner_src: bytes = b""
    inner_dst: bytes = b""


@dataclass
class _Known:
    """The fields of what is being built, from the inside to the outside."""

    proto: int = 0
    sport: int = 0
    dport: int = 0
    flags: int = 0
    payload: bytes | None = None
    tunnel_id: int = NO_TUNNEL
    inner_version: int = 0
    inner_src: bytes = b""
    inner_dst: bytes = b""


def _text(rng: random.Random) -> bytes:
    parts = [rng.randbytes(rng.randrange(12)) for _ in range(2)]
    return rng.choice([b"", rng.choice(WORDS)]).join(parts)


def _transport(rng: random.Random) -> tuple[bytes, _Known]:
    """A transport header with its payload."""
    proto = rng.choice([TCP, TCP, TCP, UDP, UDP, UDP, SCTP, UDPLITE, ICMP, OSPF])
    known, text = _Known(proto=proto, payload=_text(rng)), b""
    assert known.payload is not None
    text = known.payload
    if proto == OSPF:
        return text, known
    if proto == ICMP:
        return struct.pack("!BBHI", rng.choice([0, 8]), 0, 0, 77) + text, known
    known.sport, known.dport = rng.choice(PORTS), rng.choice(PORTS)
    ports = struct.pack("!HH", known.sport, known.dport)
    if proto == TCP:
        known.flags = rng.choice([0x02, 0x12, 0x10, 0x18, 0x11, 0x04])
        options = b"\1" * (4 * rng.randrange(3))
        words = 5 + len(options) // 4
        rest = struct.pack("!IIBBHHH", 1, 2, words << 4, known.flags, 8192, 0, 0)
        return ports + rest + options + text, known
    if proto == SCTP:
        return ports + bytes(8) + text, known
    return ports + struct.pack("!HH", 8 + len(text), 0) + text, known


def _inner(rng: random.Random) -> tuple[int, bytes, bytes, bytes]:
    """A small IP packet for a tunnel: version, source, destination, bytes."""
    body, known = _transport(rng)
    if rng.random() < 0.6:
        src, dst = rng.choice(HOSTS4), rng.choice(HOSTS4)
        return 4, src, dst, frames.ip4(src, dst, known.proto, body)
    src, dst = rng.choice(HOSTS6), rng.choice(HOSTS6)
    head = struct.pack("!IHBB", 6 << 28, len(body), known.proto, 64)
    return 6, src, dst, head + src + dst + body


def _tunnel(rng: random.Random) -> tuple[bytes, _Known]:
    """A tunnel's header with a packet inside, as the payload of IP."""
    version, src, dst, packet = _inner(rng)
    known = _Known(inner_version=version, inner_src=src, inner_dst=dst)
    ether_type = frames.IP4 if version == 4 else frames.IP6
    kind = rng.choice(["gre", "vxlan", "gtpu", "ipip"])
    if kind == "gre":
        known.proto = GRE
        if rng.random() < 0.7:
            known.tunnel_id = rng.choice(TUNNEL_IDS)
            body = struct.pack("!HHI", 0x2000, ether_type, known.tunnel_id) + packet
        else:
            body = struct.pack("!HH", 0, ether_type) + packet
        known.payload = body
        return body, known
    if kind == "ipip":
        known.proto = IPIP if version == 4 else 41
        known.payload = packet
        return packet, known
    known.proto, known.sport = UDP, rng.choice(PORTS)
    known.tunnel_id = rng.choice(TUNNEL_IDS)
    if kind == "vxlan":
        known.dport = VXLAN_PORT
        inside = MACS[0] + MACS[1] + struct.pack("!H", ether_type) + packet
        known.payload = struct.pack("!II", 0x08 << 24, known.tunnel_id << 8) + inside
    else:
        known.dport = GTPU_PORT
        known.payload = struct.pack("!BBHI", 0x30, 255, len(packet), known.tunnel_id) + packet
    return struct.pack("!HHHH", known.sport, known.dport, 8 + len(known.payload), 0) + (
        known.payload
    ), known


def _later_fragment(known: _Known, body: bytes) -> None:
    """In a fragment that is not the first nobody sees a transport header."""
    known.sport = known.dport = known.flags = 0
    known.payload = body


def _ip4(rng: random.Random, body: bytes, known: _Known, whole: bool) -> tuple[bytes, ...]:
    src, dst = rng.choice(HOSTS4), rng.choice(HOSTS4)
    fragment = 0 if whole else rng.choice([0, 0, 0, 0x4000, 0x2000, 0x2003, 0x0003])
    if fragment & 0x1FFF:
        _later_fragment(known, body)
    options = b"\1" * (4 * rng.choice([0, 0, 0, 1, 3]))
    packet = frames.ip4(src, dst, known.proto, body, fragment=fragment, options=options)
    return src, dst, packet


def _ip6(rng: random.Random, body: bytes, known: _Known, whole: bool) -> tuple[bytes, ...]:
    src, dst = rng.choice(HOSTS6), rng.choice(HOSTS6)
    chain: list[tuple[int, bytes]] = []  # number of the header, its bytes behind "next"
    if rng.random() < 0.3:
        for number in rng.sample([0, 43, 60], rng.randrange(1, 3)):
            more = rng.randrange(2)
            chain.append((number, bytes([more]) + bytes(6 + 8 * more)))
    if not whole and rng.random() < 0.3:
        offset, flag = rng.choice([(0, 1), (0, 0), (3, 1), (3, 0)])
        chain.append((44, struct.pack("!BHI", 0, offset << 3 | flag, 5)))
        if offset:
            _later_fragment(known, body)
    extra, following = b"", known.proto
    for number, rest in reversed(chain):
        extra = bytes([following]) + rest + extra
        following = number
    head = struct.pack("!IHBB", 6 << 28, len(extra) + len(body), following, 64)
    return src, dst, head + src + dst + extra + body


def packet(rng: random.Random) -> Packet:
    """Return one random frame of 14 to some 250 bytes."""
    smac, dmac = rng.sample(MACS, 2)
    tags, vlan = b"", 0
    if rng.random() < 0.4:
        vlan = rng.choice([*VLANS, 0])
        kind = rng.choice([frames.VLAN, frames.VLAN, frames.QINQ])
        tags = struct.pack("!HH", kind, vlan | rng.randrange(8) << 13)
        if rng.random() < 0.3:
            tags += struct.pack("!HH", frames.VLAN, rng.choice(VLANS))
    base = Packet(b"", smac, dmac, 0, vlan)
    if rng.random() < 0.08:
        kind = rng.choice([frames.ARP, frames.LLDP, 0x88B5])
        frame = dmac + smac + tags + struct.pack("!H", kind) + _text(rng) + bytes(28)
        return replace(base, frame=frame, eth_type=kind)
    tunnelled = rng.random() < 0.2
    body, known = _tunnel(rng) if tunnelled else _transport(rng)
    version = 4 if rng.random() < 0.6 else 6
    build = _ip4 if version == 4 else _ip6
    src, dst, inside = build(rng, body, known, tunnelled)
    ether_type = frames.IP4 if version == 4 else frames.IP6
    labels = b""
    announced = ether_type
    if rng.random() < 0.05:
        announced = frames.MPLS
        labels = struct.pack("!II", 17 << 12 | 64, 18 << 12 | 0x100 | 64)
    frame = dmac + smac + tags + struct.pack("!H", announced) + labels + inside
    padding = rng.choice([b"", b"", b"\0" * 6, b"needle"])
    payload = known.payload
    return replace(
        base,
        frame=frame + padding,
        eth_type=ether_type,
        version=version,
        proto=known.proto,
        src=src,
        dst=dst,
        sport=known.sport,
        dport=known.dport,
        tcp_flags=known.flags,
        payload=None if payload is None else payload + padding,
        tunnel_id=known.tunnel_id,
        inner_version=known.inner_version,
        inner_src=known.inner_src,
        inner_dst=known.inner_dst,
    )
