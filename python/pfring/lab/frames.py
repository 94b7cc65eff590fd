# SPDX-License-Identifier: BSD-3-Clause
"""Building blocks of frames: headers of layers 2 to 4 with right lengths and checksums.

Every function takes its fields and the bytes above and returns bytes. Called
by `trace` only; scapy dissects the results in tests/python/test_trace.py.
"""

from __future__ import annotations

import struct

ARP, VLAN, QINQ, IP4, IP6 = 0x0806, 0x8100, 0x88A8, 0x0800, 0x86DD
MPLS, PPPOE, LLDP = 0x8847, 0x8864, 0x88CC

HOPOPT, ICMP, IGMP, IPIP, TCP, UDP, IP6IP = 0, 1, 2, 4, 6, 17, 41
ROUTING, FRAGMENT, GRE, ESP, AH, ICMP6, DSTOPT, OSPF = 43, 44, 47, 50, 51, 58, 60, 89
VRRP, SCTP = 112, 132

MORE_FRAGMENTS = 0x2000  # in the same 16 bits as the offset, RFC 791 section 3.1


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071) of data."""
    # The one's complement sum of 16-bit words is the number modulo 0xffff, with
    # 0xffff in place of 0 unless every byte is 0.
    number = int.from_bytes(data, "big")
    if len(data) % 2:
        number <<= 8
    rest = number % 0xFFFF
    return 0xFFFF - (rest if rest or not number else 0xFFFF)


def _pseudo(src: bytes, dst: bytes, protocol: int, length: int) -> bytes:
    if len(src) == 4:
        return src + dst + struct.pack("!BBH", 0, protocol, length)
    return src + dst + struct.pack("!IHBB", length, 0, 0, protocol)


def ip4(
    src: bytes,
    dst: bytes,
    protocol: int,
    body: bytes,
    *,
    ident: int = 0,
    fragment: int = 0,
    options: bytes = b"",
    ttl: int = 64,
    tos: int = 0,
) -> bytes:
    """IPv4; fragment holds flags and offset, options a multiple of four bytes."""
    words = 5 + len(options) // 4
    total = words * 4 + len(body)
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x40 | words, tos, total, ident, fragment, ttl, protocol, 0, src, dst
    )
    head += options
    return head[:10] + checksum(head).to_bytes(2, "big") + head[12:] + body


def ip6(src: bytes, dst: bytes, next_header: int, body: bytes, *, flow: int = 0) -> bytes:
    """IPv6; extension headers belong to the body."""
    return struct.pack("!IHBB16s16s", 6 << 28 | flow, len(body), next_header, 64, src, dst) + body


def ip6_option(next_header: int) -> bytes:
    """Hop-by-hop or destination options: eight bytes, one PadN."""
    return struct.pack("!BBBB4x", next_header, 0, 1, 4)


def ip6_routing(next_header: int, via: bytes) -> bytes:
    """Routing header type 2 (RFC 6275) through one address."""
    return struct.pack("!BBBBI16s", next_header, 2, 2, 1, 0, via)


def ip6_fragment(next_header: int, offset: int, more: bool, ident: int) -> bytes:
    """Fragment header; offset in bytes, a multiple of eight."""
    return struct.pack("!BBHI", next_header, 0, offset | more, ident)


def udp(src: bytes, dst: bytes, sport: int, dport: int, body: bytes) -> bytes:
    """UDP between two addresses of either version."""
    length = 8 + len(body)
    head = struct.pack("!HHHH", sport, dport, length, 0)
    total = checksum(_pseudo(src, dst, UDP, length) + head + body) or 0xFFFF
    return head[:6] + total.to_bytes(2, "big") + body


def tcp(
    src: bytes, dst: bytes, sport: int, dport: int, flags: int, body: bytes, *, seq: int = 0
) -> bytes:
    """TCP; a SYN carries an MSS option."""
    options = struct.pack("!BBH", 2, 4, 1460) if flags & 0x02 else b""
    words = 5 + len(options) // 4
    ack = seq ^ 0x5A5A5A5A if flags & 0x10 else 0
    head = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, words << 4, flags, 64240, 0, 0)
    head += options
    total = checksum(_pseudo(src, dst, TCP, len(head) + len(body)) + head + body)
    return head[:16] + total.to_bytes(2, "big") + head[18:] + body


def icmp(kind: int, code: int, rest: int, body: bytes) -> bytes:
    """ICMP for IPv4."""
    head = struct.pack("!BBHI", kind, code, 0, rest)
    return head[:2] + checksum(head + body).to_bytes(2, "big") + head[4:] + body


def icmp6(src: bytes, dst: bytes, kind: int, code: int, rest: int, body: bytes) -> bytes:
    """ICMP for IPv6, whose checksum covers the addresses."""
    head = struct.pack("!BBHI", kind, code, 0, rest)
    total = checksum(_pseudo(src, dst, ICMP6, len(head) + len(body)) + head + body)
    return head[:2] + total.to_bytes(2, "big") + head[4:] + body


def arp(operation: int, mac: bytes, src: bytes, dst: bytes) -> bytes:
    """ARP for IPv4 over Ethernet."""
    return struct.pack("!HHBBH6s4s6x4s", 1, IP4, 6, 4, operation, mac, src, dst)


def tag(tci: int, ethertype: int, body: bytes) -> bytes:
    """What follows the TPID of a VLAN tag."""
    return struct.pack("!HH", tci, ethertype) + body


def mpls(labels: tuple[int, ...], body: bytes) -> bytes:
    """A label stack, bottom last."""
    last = len(labels) - 1
    return (
        b"".join(
            struct.pack("!I", label << 12 | (i == last) << 8 | 64) for i, label in enumerate(labels)
        )
        + body
    )


def gre(ethertype: int, body: bytes, key: int | None = None) -> bytes:
    """GRE (RFC 2784), with a key (RFC 2890) if one is given."""
    if key is None:
        return struct.pack("!HH", 0, ethertype) + body
    return struct.pack("!HHI", 0x2000, ethertype, key) + body


def vxlan(vni: int, frame: bytes) -> bytes:
    """VXLAN (RFC 7348) around an Ethernet frame."""
    return struct.pack("!II", 0x08000000, vni << 8) + frame


def pppoe(session: int, protocol: int, body: bytes) -> bytes:
    """PPPoE session data (RFC 2516)."""
    return struct.pack("!BBHHH", 0x11, 0, session, len(body) + 2, protocol) + body
