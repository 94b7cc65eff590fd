# SPDX-License-Identifier: BSD-3-Clause
"""Frames for the tests inside the guest, made by hand so that each byte is known."""

from __future__ import annotations

import socket
import struct

ETHER = bytes.fromhex("020000000002020000000001")
BROADCAST = bytes.fromhex("ffffffffffff020000000001")


def ether(
    kind: int, payload: bytes, addresses: bytes = ETHER, tags: tuple[tuple[int, int], ...] = ()
) -> bytes:
    """An Ethernet frame with tags (tpid, tci)."""
    head = addresses + b"".join(struct.pack("!HH", *tag) for tag in tags)
    return head + struct.pack("!H", kind) + payload


def numbered(number: int, size: int = 60) -> bytes:
    """A frame of local experimental type that carries its number, and a pattern made of it."""
    body = struct.pack("!I", number) + bytes((number + i) & 255 for i in range(max(size - 18, 28)))
    return ether(0x88B5, body)[:size]


def number_of(frame: bytes) -> int:
    """The number, after checking every byte."""
    (number,) = struct.unpack_from("!I", frame, 14)
    assert frame == numbered(number, len(frame)), "a frame came out changed"
    return int(number)


def ports(proto: int, source: int, destination: int, payload: bytes = b"") -> bytes:
    """A TCP or UDP header with its payload; checksums stay zero."""
    if proto == socket.IPPROTO_TCP:
        return struct.pack("!HHIIBBHHH", source, destination, 1, 0, 0x50, 2, 8192, 0, 0) + payload
    return struct.pack("!HHHH", source, destination, 8 + len(payload), 0) + payload


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(
    source: str,
    destination: str,
    proto: int,
    payload: bytes,
    *,
    ident: int = 0,
    offset: int = 0,
    more: bool = False,
    options: bytes = b"",
) -> bytes:
    """An IPv4 packet; offset in bytes."""
    words = 5 + len(options) // 4
    head = (
        struct.pack(
            "!BBHHHBBH4s4s",
            0x40 | words,
            0,
            words * 4 + len(payload),
            ident,
            (0x2000 if more else 0) | offset // 8,
            64,
            proto,
            0,
            socket.inet_aton(source),
            socket.inet_aton(destination),
        )
        + options
    )
    head = head[:10] + struct.pack("!H", _checksum(head)) + head[12:]
    return bytes(head + payload)


def ipv6(source: str, destination: str, proto: int, payload: bytes) -> bytes:
    """An IPv6 packet."""
    return (
        struct.pack("!IHBB", 0x60000000, len(payload), proto, 64)
        + socket.inet_pton(socket.AF_INET6, source)
        + socket.inet_pton(socket.AF_INET6, destination)
        + payload
    )


def udp4(
    source: tuple[str, int], destination: tuple[str, int], payload: bytes = b"x" * 20
) -> bytes:
    """A UDP datagram in IPv4 in Ethernet."""
    body = ports(17, source[1], destination[1], payload)
    return ether(0x0800, ipv4(source[0], destination[0], 17, body))


def tcp4(source: tuple[str, int], destination: tuple[str, int]) -> bytes:
    """A TCP segment in IPv4 in Ethernet."""
    return ether(0x0800, ipv4(source[0], destination[0], 6, ports(6, source[1], destination[1])))


def udp6(
    source: tuple[str, int], destination: tuple[str, int], payload: bytes = b"x" * 20
) -> bytes:
    """A UDP datagram in IPv6 in Ethernet."""
    body = ports(17, source[1], destination[1], payload)
    return ether(0x86DD, ipv6(source[0], destination[0], 17, body))


def vxlan(inner: bytes, source: tuple[str, int] = ("192.0.2.1", 40000)) -> bytes:
    """An Ethernet frame in VXLAN (RFC 7348)."""
    return udp4(source, ("192.0.2.2", 4789), struct.pack("!II", 0x08000000, 77 << 8) + inner)


def gre(inner: bytes, source: str = "192.0.2.1") -> bytes:
    """An IPv4 packet in GRE (RFC 2784)."""
    return ether(0x0800, ipv4(source, "192.0.2.2", 47, struct.pack("!HH", 0, 0x0800) + inner))


def gtp(inner: bytes, teid: int = 5, source: tuple[str, int] = ("192.0.2.1", 2152)) -> bytes:
    """An IP packet in GTP-U (3GPP TS 29.281)."""
    return udp4(
        source, ("192.0.2.2", 2152), struct.pack("!BBHI", 0x30, 255, len(inner), teid) + inner
    )
