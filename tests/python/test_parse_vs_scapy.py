# SPDX-License-Identifier: BSD-3-Clause
"""The parser against scapy: 2,500 random frames, every field of each."""

from __future__ import annotations

import ctypes
from collections import Counter
from ipaddress import IPv4Address, IPv6Address

import pfring._core
import pytest
from support.scapy_packets import Facts, Inner, Maker, told_by_scapy

FRAMES = 2500
IP_FLAGS = 4 | 8  # PKT_FLAGS_IP_MORE_FRAG, _FRAG_OFFSET


class Tcp(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint8), ("seq", ctypes.c_uint32), ("ack", ctypes.c_uint32))


class Address(ctypes.Union):
    _fields_ = (("v6", ctypes.c_uint8 * 16), ("v4", ctypes.c_uint32))


class Tunnel(ctypes.Structure):
    _fields_ = (
        ("id", ctypes.c_uint32),
        ("version", ctypes.c_uint8),
        ("proto", ctypes.c_uint8),
        ("src", Address),
        ("dst", Address),
        ("sport", ctypes.c_uint16),
        ("dport", ctypes.c_uint16),
    )


class Parsed(ctypes.Structure):
    """struct pkt_parsing_info of <linux/pf_ring.h>."""

    _fields_ = (
        ("dmac", ctypes.c_uint8 * 6),
        ("smac", ctypes.c_uint8 * 6),
        ("eth_type", ctypes.c_uint16),
        ("vlan", ctypes.c_uint16),
        ("qinq", ctypes.c_uint16),
        ("version", ctypes.c_uint8),
        ("proto", ctypes.c_uint8),
        ("tos", ctypes.c_uint8),
        ("src", Address),
        ("dst", Address),
        ("sport", ctypes.c_uint16),
        ("dport", ctypes.c_uint16),
        ("icmp_type", ctypes.c_uint8),
        ("icmp_code", ctypes.c_uint8),
        ("tcp", Tcp),
        ("tunnel", Tunnel),
        ("rule", ctypes.c_int32),
        ("offsets", ctypes.c_int16 * 5),
    )


class Header(ctypes.Structure):
    """struct pfring_pkthdr of <linux/pf_ring.h>."""

    _fields_ = (
        ("ts", ctypes.c_long * 2),
        ("caplen", ctypes.c_uint32),
        ("len", ctypes.c_uint32),
        ("timestamp_ns", ctypes.c_uint64),
        ("flags", ctypes.c_uint32),
        ("rx_direction", ctypes.c_uint8),
        ("port_id", ctypes.c_uint8),
        ("device_id", ctypes.c_uint16),
        ("if_index", ctypes.c_int32),
        ("hash", ctypes.c_uint32),
        ("bounce_interface", ctypes.c_int32),
        ("reserved", ctypes.c_uint32),
        ("pid", ctypes.c_int32),
        ("parsed", Parsed),
    )


@pytest.fixture(scope="module")
def lib() -> ctypes.CDLL:
    """The library that the extension has loaded; its SONAME finds it again."""
    assert pfring._core.__file__
    return ctypes.CDLL("libpfring.so.5")


def address(version: int, at: Address) -> str:
    return {0: "", 4: str(IPv4Address(at.v4)), 6: str(IPv6Address(bytes(at.v6)))}[version]


def told_by_us(lib: ctypes.CDLL, data: bytes) -> tuple[Facts, int]:
    """What pfring_parse_pkt() says, and the hash."""
    header = Header(caplen=len(data), len=len(data))
    level = lib.pfring_parse_pkt(data, ctypes.byref(header), 5, 0, 1)
    p = header.parsed
    inner = Inner(
        version=p.tunnel.version,
        proto=p.tunnel.proto,
        src=address(p.tunnel.version, p.tunnel.src),
        dst=address(p.tunnel.version, p.tunnel.dst),
        ports=(p.tunnel.sport, p.tunnel.dport),
    )
    facts = Facts(
        level=level,
        smac=bytes(p.smac).hex(":"),
        dmac=bytes(p.dmac).hex(":"),
        eth_type=p.eth_type,
        vlan=p.vlan,
        qinq=p.qinq,
        version=p.version,
        proto=p.proto,
        tos=p.tos,
        src=address(p.version, p.src),
        dst=address(p.version, p.dst),
        ports=(p.sport, p.dport),
        tcp=(p.tcp.flags, p.tcp.seq, p.tcp.ack),
        icmp=(p.icmp_type, p.icmp_code),
        flags=header.flags & IP_FLAGS,
        tunnel=p.tunnel.id,
        inner=inner,
        offsets=tuple(p.offsets),
    )
    return facts, header.hash


def test_every_field_of_random_packets_is_what_scapy_says(lib: ctypes.CDLL) -> None:
    maker = Maker(seed=54)
    seen: Counter[str] = Counter()
    for n in range(FRAMES):
        data = maker.frame()
        want = told_by_scapy(data)
        got, _ = told_by_us(lib, data)
        assert got == want, f"frame {n}: {data.hex()}"
        seen.update((f"level {got.level}", f"version {got.version}", f"proto {got.proto}"))
        seen.update(("tagged",) * (got.offsets[1] > 0) + ("QinQ",) * (got.qinq > 0))
        seen.update(("fragment",) * (got.flags > 0) + (f"inner version {got.inner.version}",))
    # Random packets prove nothing about what was never drawn.
    for kind in ("level 2", "level 3", "level 4", "level 5", "version 4", "version 6", "tagged",
                 "QinQ", "fragment", "proto 1", "proto 58", "proto 6", "proto 17", "proto 132",
                 "proto 47", "inner version 4", "inner version 6"):  # fmt: skip
        assert seen[kind] >= FRAMES // 100, f"only {seen[kind]} frames with {kind}"


def test_hashes_of_random_flows_differ_and_have_no_direction(lib: ctypes.CDLL) -> None:
    maker = Maker(seed=55)
    hashes = set()
    flows = 0
    for _ in range(500):
        data = maker.frame()
        facts, forth = told_by_us(lib, data)
        if facts.level < 4 or facts.flags:
            continue
        back = bytearray(data)
        at, half = facts.offsets[2], 4 if facts.version == 4 else 16
        src = at + (12 if facts.version == 4 else 8)
        back[src : src + 2 * half] = data[src + half : src + 2 * half] + data[src : src + half]
        if facts.proto in {6, 17, 132}:
            l4 = facts.offsets[3]
            back[l4 : l4 + 4] = data[l4 + 2 : l4 + 4] + data[l4 : l4 + 2]
        assert told_by_us(lib, bytes(back))[1] == forth != 0
        hashes.add(forth)
        flows += 1
    assert flows > 250
    assert len(hashes) == flows
