# SPDX-License-Identifier: BSD-3-Clause
"""The mixed trace is what it says: deterministic, numbered, and valid in scapy's eyes."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest
from pfring.lab import capfile
from pfring.lab import frames as f
from pfring.lab.trace import KINDS, MAX_FRAME, MIN_FRAME, Trace, mixed_trace, number, renumber
from scapy.contrib.mpls import MPLS
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.l2 import ARP, GRE, STP, Dot1AD, Dot1Q, Ether
from scapy.layers.ppp import PPPoE
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet

DIGEST = "3848349915e61343a1d43910e157b2c6e872d7a58a1ca800e46b3366fb868230"

# What scapy must find in every frame of a kind.
LAYERS: dict[str, tuple[type[Packet], ...]] = {
    "tcp": (Ether, IP, TCP),
    "udp": (Ether, IP, UDP),
    "tcp6": (Ether, IPv6, TCP),
    "udp6": (Ether, IPv6, UDP),
    "icmp": (Ether, IP, ICMP),
    "arp": (Ether, ARP),
    "fragment6": (Ether, IPv6, IPv6ExtHdrFragment),
    "ip6 extensions": (IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, IPv6ExtHdrDestOpt, TCP),
    "802.1Q": (Ether, Dot1Q),
    "802.1ad": (Ether, Dot1AD),
    "QinQ": (Ether, Dot1AD, Dot1Q),
    "802.1Q twice": (Ether, Dot1Q),
    "mpls": (Ether, MPLS),
    "gre": (Ether, IP, GRE),
    "vxlan": (Ether, IP, UDP, VXLAN, Ether, IP, UDP),
    "ip in ip": (Ether, IP, IP, UDP),
    "ip6 in ip": (Ether, IP, IPv6, TCP),
    "pppoe": (Ether, PPPoE, IP, TCP),
    "stp": (STP,),
}
# Kinds whose checksums scapy can compute anew from the dissected frame.
CHECKED = (
    "tcp udp tcp6 udp6 icmp icmp6 router_advertisement ip_options ip6_extensions multicast "
    "igmp 802.1Q 802.1ad QinQ vxlan ip_in_ip ip6_in_ip"
).split()


def test_the_same_trace_is_built_everywhere(trace: Trace) -> None:
    digest = hashlib.sha256(b"".join(trace.frames)).hexdigest()
    assert (len(trace), digest) == (24_000, DIGEST)


def test_every_frame_tells_its_number(trace: Trace) -> None:
    assert [number(frame) for frame in trace.frames] == list(range(len(trace)))


def test_a_renumbered_frame_differs_in_its_number_only() -> None:
    frame = mixed_trace(10).frames[7]
    again = renumber(frame, 70_007)
    assert number(again) == 70_007
    assert renumber(again, 7) == frame


def test_a_foreign_frame_has_no_number() -> None:
    assert number(bytes(60)) == -1


def test_sizes_reach_from_the_smallest_to_the_largest_frame(trace: Trace) -> None:
    sizes = Counter(map(len, trace.frames))
    assert (min(sizes), max(sizes)) == (MIN_FRAME, MAX_FRAME)
    assert len(sizes) > 20


def test_every_kind_occurs_often(trace: Trace) -> None:
    counts = Counter(trace.kinds)
    assert set(counts) == set(KINDS)
    assert min(counts.values()) >= 200


@pytest.mark.parametrize("kind", LAYERS)
def test_scapy_finds_the_layers_of(kind: str, trace: Trace) -> None:
    frames = [x for x, k in zip(trace.frames, trace.kinds, strict=True) if k == kind][:50]
    for frame in frames:
        missing = list(LAYERS[kind])
        for layer in Ether(frame).layers():
            if missing and layer is missing[0]:
                missing.pop(0)
        assert not missing, f"{kind}: no {missing[0].__name__} in {Ether(frame).summary()}"


@pytest.mark.parametrize("kind", [name.replace("_", " ") for name in CHECKED])
def test_scapy_computes_the_same_checksums_for(kind: str, trace: Trace) -> None:
    frames = [x for x, k in zip(trace.frames, trace.kinds, strict=True) if k == kind][:50]
    checked = 0
    for frame in frames:
        packet = Ether(frame)
        if _has_fragment(packet):
            continue
        layer: Packet | None = packet
        while layer:
            for field in ("chksum", "cksum"):
                if field in layer.fields:
                    del layer.fields[field]
                    checked += 1
            layer.raw_packet_cache = None
            layer = layer.payload if isinstance(layer.payload, Packet) else None
        assert bytes(packet) == frame, packet.summary()
    assert checked >= 10


def _has_fragment(packet: Packet) -> bool:
    ip = packet.getlayer(IP)
    return bool(ip is not None and (ip.flags.MF or ip.frag))


def test_a_written_file_reads_back_as_it_was(tmp_path: Path) -> None:
    frames = mixed_trace(100).frames
    capfile.write(tmp_path / "micro.pcap", frames, first_ns=1_000, step_ns=1_500)
    capfile.write(tmp_path / "nano.pcap", frames, first_ns=1, step_ns=3, nano=True, snaplen=64)
    micro, nano = capfile.read(tmp_path / "micro.pcap"), capfile.read(tmp_path / "nano.pcap")
    assert [r.data for r in micro] == list(frames)
    assert [r.ts_ns for r in micro[:3]] == [1_000, 2_000, 4_000]
    assert [(r.ts_ns, r.data, r.length) for r in nano[:2]] == [
        (1, frames[0][:64], len(frames[0])),
        (4, frames[1][:64], len(frames[1])),
    ]


def test_scapy_builds_the_frames_that_we_build() -> None:
    """One frame of scapy's per header that the recipes write, compared byte for byte."""
    src4, dst4 = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
    src6, dst6 = bytes(15) + b"\x01", bytes(15) + b"\x02"
    ours_theirs = (
        (
            f.ip4(src4, dst4, f.UDP, f.udp(src4, dst4, 5, 6, b"odd"), ident=9),
            IP(src="10.0.0.1", dst="10.0.0.2", id=9) / (UDP(sport=5, dport=6) / b"odd"),
        ),
        (
            f.ip6(src6, dst6, f.TCP, f.tcp(src6, dst6, 5, 6, 0x10, b"x", seq=0)),
            IPv6(src="::1", dst="::2", hlim=64)
            / (TCP(sport=5, dport=6, flags="A", window=64240, ack=0x5A5A5A5A) / b"x"),
        ),
        (
            f.ip6(src6, dst6, f.ICMP6, f.icmp6(src6, dst6, 128, 0, 0x10002, b"ping")),
            IPv6(src="::1", dst="::2", hlim=64) / ICMPv6EchoRequest(id=1, seq=2, data=b"ping"),
        ),
        (f.mpls((17, 18), b""), MPLS(label=17, s=0, ttl=64) / MPLS(label=18, s=1, ttl=64)),
        (f.gre(0x0800, b"", key=7), GRE(key_present=1, key=7, proto=0x0800)),
    )
    for ours, theirs in ours_theirs:
        assert ours == bytes(theirs), theirs.summary()
