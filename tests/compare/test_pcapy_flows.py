# SPDX-License-Identifier: BSD-3-Clause
"""pfring.pcapy against pcapy-ng: the loops that classify packets.

Each snippet runs on both and must have the same outcome; its name says what is
the same. The rules it checks are the table in docs/pcapy.md; where pcapy-ng
breaks them, see tests/python/test_pcapy_right.py.
"""

from __future__ import annotations

import array
import itertools
import mmap
import socket
import struct
from pathlib import Path
from typing import Any

import pytest
from pcapy_support import Files, Pcapy, Snippet, Snippets, capture, ours, show, theirs, tried
from pfring.lab import frames as make

SNIPPETS = Snippets()
same = SNIPPETS.same

HOSTS = [socket.inet_aton(f"10.0.{i % 3}.{i}") for i in range(1, 9)]
OUTER = b"\x02\0\0\0\0\1\x02\0\0\0\0\2"
SYN, ACK, PSH = 0x02, 0x10, 0x18


def ether(kind: int, body: bytes) -> bytes:
    return OUTER + struct.pack("!H", kind) + body


def ip(
    protocol: int, src: bytes, dst: bytes, body: bytes, *, words: int = 5, frag: int = 0
) -> bytes:
    options = b"\1" * (words - 5) * 4
    size = 20 + len(options) + len(body)
    head = struct.pack("!BBHHHBBH", 0x40 | words, 0, size, 7, 0, 64, protocol, 0)
    return head + src + dst + options + body


def tcp(sport: int, dport: int, flags: int, body: bytes = b"", words: int = 5) -> bytes:
    head = struct.pack("!HHIIBBHHH", sport, dport, 1, 2, words << 4, flags, 100, 0, 0)
    return head + b"\1" * (words - 5) * 4 + body


def udp(sport: int, dport: int, body: bytes = b"") -> bytes:
    return struct.pack("!HHHH", sport, dport, 8 + len(body), 0) + body


def zoo() -> list[bytes]:
    """Every shape that the classifiers tell apart, some of them cut short."""
    a, b = HOSTS[0], HOSTS[1]
    payloads = [(17, udp(5000, 53, b"q")), (17, udp(53, 5000, b"r")), (6, tcp(5000, 53, PSH, b"q"))]
    payloads += [(17, udp(5001, 443, b"quic")), (17, udp(5002, 8053, b"")), (1, b"\x08\0ping")]
    for port, flags, body in itertools.product(
        (80, 443, 8080, 22, 8443), (SYN, SYN | ACK, ACK, PSH, 0), (b"", b"GET / HTTP/1.1")
    ):
        payloads += [(6, tcp(6000, port, flags, body)), (6, tcp(port, 6000, flags, body, 8))]
    out = []
    for src, dst in ((a, b), (b, a), (HOSTS[2], HOSTS[3]), (bytes(4), HOSTS[4])):
        for protocol, payload in payloads:
            for words in (5, 6, 15):
                out.append(ether(0x800, ip(protocol, src, dst, payload, words=words)))
    packet = ip(6, a, b, tcp(7000, 80, PSH, b"GET"))
    tag = struct.pack("!H", 5)
    for tpids in (
        (0x8100,),
        (0x88A8,),
        (0x88A8, 0x8100),
        (0x8100, 0x8100),
        (0x8100,) * 3,
        (0x9100,),
    ):
        body = packet
        kind = 0x800
        for tpid in reversed(tpids):
            body, kind = tag + struct.pack("!H", kind) + body, tpid
        out.append(ether(kind, body))
    out.append(ether(0x86DD, b"\x60" + bytes(7) + bytes(32) + udp(53, 53)))
    out.append(ether(0x806, make.arp(1, OUTER[:6], a, b)))
    out.append(ether(0x800, b"\x43" + packet[1:]))
    out.append(ether(0x800, ip(6, a, b, tcp(1, 80, PSH, b"x", words=5)[:13])))
    whole = ether(0x800, packet)
    out += [whole[:n] for n in range(len(whole))]
    return out


def long_flows() -> list[bytes]:
    """Return 40 flows of various lengths, in turns."""
    out = []
    for turn in range(12):
        for n in range(40):
            if turn < 1 + n % 12:
                src, dst = HOSTS[n % 8], HOSTS[(n + 1) % 8]
                body = udp(4000 + n, 443) if n % 2 else tcp(4000 + n, 443, ACK, b"data")
                out.append(ether(0x800, ip(17 if n % 2 else 6, src, dst, body)))
    return out


@pytest.fixture(scope="module")
def flow_files(pcapy_files: Files, tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("flows")
    contents = {
        "zoo": capture(zoo()),
        "cut-zoo": capture(zoo(), snaplen=50),
        "flows": capture(long_flows()),
        "long": capture([*long_flows(), *zoo()] * 3),
        "raw-zoo": capture([frame[14:] for frame in zoo()], link_type=101),
        "sll-zoo": capture([b"\0\0\0\1\0\6abcdef\0\0" + f[12:] for f in zoo()], link_type=113),
    }
    paths = {name: folder / f"{name}.pcap" for name in contents}
    for name, path in paths.items():
        path.write_bytes(contents[name])
    return pcapy_files | {name: str(path) for name, path in paths.items()}


def filtered(pcapy: Pcapy, path: str, count: int = -1, **options: Any) -> Any:
    """Run loop_filtered() and loop_to_buffer() with the same options."""
    seen: list[Any] = []
    reader = pcapy.open_offline(path)
    told = tried(reader.loop_filtered, count, lambda *args: seen.append(show(args)), **options)
    buffer = bytearray(1 << 20)
    wrote = tried(pcapy.open_offline(path).loop_to_buffer, count, buffer, **options)
    return told, tried(reader.filtered_stats), seen, wrote, bytes(buffer)


@same
def everything_is_admitted_by_default(pcapy: Pcapy, files: Files) -> Any:
    return [filtered(pcapy, files[name]) for name in ("zoo", "cut-zoo", "flows", "long", "empty")]


@same
def each_mask_admits_its_classes(pcapy: Pcapy, files: Files) -> Any:
    addresses = HOSTS[0] + HOSTS[5]
    return [
        filtered(pcapy, files["flows"], admit_mask=mask, addr_set=addresses, flow_cutoff=2)
        for mask in (0, 1, 2, 3, 4, 5, 6, 7, -1, 8, 0x7FFFFFFF)
    ]


@same
def flow_heads_are_the_first_packets_of_each_direction(pcapy: Pcapy, files: Files) -> Any:
    return [
        filtered(pcapy, files[name], flow_cutoff=cutoff)
        for name in ("flows", "zoo", "cut-zoo")
        for cutoff in (-3, 0, 1, 2, 5, 100, 2**31 - 1)
    ]


@same
def a_flow_table_lives_for_one_loop(pcapy: Pcapy, files: Files) -> Any:
    reader = pcapy.open_offline(files["flows"])
    return [
        (reader.loop_filtered(60, lambda *args: None, flow_cutoff=1), reader.filtered_stats())
        for _ in range(6)
    ]


@same
def address_sets_of_all_sizes_match(pcapy: Pcapy, files: Files) -> Any:
    many = b"".join(struct.pack("!I", 0x0A000000 + i * 257) for i in range(5000))
    sets = [b"", b"\x0a", HOSTS[0][:3], HOSTS[0], HOSTS[0] + b"\x0a\0", bytes(4), many]
    sets += [b"".join(HOSTS), HOSTS[1] * 100, bytes(4) + HOSTS[4]]
    return [
        filtered(pcapy, files[name], addr_set=addresses)
        for name in ("zoo", "flows")
        for addresses in sets
    ]


@same
def the_header_is_looked_for_at_l2_offset(pcapy: Pcapy, files: Files) -> Any:
    places = (
        ("raw-zoo", 0),
        ("sll-zoo", 16),
        ("zoo", 0),
        ("raw-zoo", 14),
        ("zoo", 64),
        ("zoo", 12),
    )
    return [
        filtered(
            pcapy, files[name], l2_offset=offset, profile=profile, admit_mask=63, flow_cutoff=1
        )
        for name, offset in places
        for profile in (0, 1)
    ]


@same
def the_security_profile_knows_six_classes(pcapy: Pcapy, files: Files) -> Any:
    return [
        filtered(pcapy, files[name], profile=1, admit_mask=mask, addr_set=addresses, flow_cutoff=n)
        for name in ("zoo", "cut-zoo", "flows")
        for mask in (0, 7, 59, 63)
        for addresses, n in ((b"", 0), (HOSTS[0], 1), (HOSTS[3] + HOSTS[4], 3))
    ]


@same
def the_security_profile_takes_ports(pcapy: Pcapy, files: Files) -> Any:
    options: list[dict[str, Any]] = [
        {"dns_port": 8053},
        {"dns_port": 53 + 65536},
        {"dpi_ports": [22]},
        {"dpi_ports": ()},
        {"dpi_ports": range(70, 90)},
        {"dpi_ports": {443: None}},
        {"dpi_ports": [65536 + 80, -1]},
        {"tls_ports": [443, 8443], "flow_cutoff": 2},
        {"tls_ports": [], "flow_cutoff": 2},
        {"tls_ports": None, "dpi_ports": None, "flow_cutoff": 1},
    ]
    return [filtered(pcapy, files["zoo"], profile=1, admit_mask=63, **option) for option in options]


@same
def counts_count_what_was_dropped_too(pcapy: Pcapy, files: Files) -> Any:
    out = []
    for count in (1, 2, 100, 256, 257, 300, 10**6, 0, -5):
        out.append(filtered(pcapy, files["long"], count, admit_mask=2, flow_cutoff=1))
    return out


@same
def the_rest_is_there_for_the_next_call(pcapy: Pcapy, files: Files) -> Any:
    reader = pcapy.open_offline(files["long"])
    seen: list[Any] = []
    for step in range(12):
        reader.loop_filtered(37, lambda *args: seen.append(show(args)), 2, flow_cutoff=1)
        seen.append(show(reader.next()))
        seen.append(reader.loop_to_buffer(11 + step, bytearray(100_000)))
        reader.loop(2, lambda *args: seen.append(show(args)))
    return seen


@same
def arguments_may_all_be_positional(pcapy: Pcapy, files: Files) -> Any:
    reader = pcapy.open_offline(files["zoo"])
    seen: list[Any] = []
    result = reader.loop_filtered(
        500, lambda *a: seen.append(show(a)), 63, HOSTS[0], 1, [80], [443], 53, 14, 1
    )
    buffer = bytearray(50_000)
    return result, seen, reader.loop_to_buffer(-1, buffer, 63, HOSTS[0], 1, [80], [443], 53, 14, 1)


@same
def an_exception_comes_out_and_the_counters_stay(pcapy: Pcapy, files: Files) -> Any:
    reader = pcapy.open_offline(files["long"])
    seen: list[bytes] = []

    def callback(_: Any, data: bytes, kind: int) -> None:
        seen.append(data)
        if len(seen) % 5 == 0:
            raise ValueError(kind)

    out = []
    for _ in range(4):
        out.append((tried(reader.loop_filtered, 1000, callback), reader.filtered_stats()))
    return out, seen


@same
def a_full_buffer_counts_what_overflows(pcapy: Pcapy, files: Files) -> Any:
    out = []
    for size in (0, 1, 64, 65, 1519, 1518, 5000, 40_000):
        buffer = bytearray(size)
        result = pcapy.open_offline(files["mixed"]).loop_to_buffer(-1, buffer)
        out.append((result, bytes(buffer)))
    return out


@same
def any_writable_buffer_will_do(pcapy: Pcapy, files: Files) -> Any:
    out: list[Any] = []
    for buffer in (
        array.array("I", [0] * 500),
        memoryview(bytearray(2000))[100:],
        mmap.mmap(-1, 4096),
    ):
        result = tried(pcapy.open_offline(files["mixed"]).loop_to_buffer, 3, buffer)
        out.append((result, bytes(buffer)))
    return out


@same
def read_only_and_strided_buffers_will_not(pcapy: Pcapy, files: Files) -> Any:
    wrong: list[Any] = [b"bytes", memoryview(b"bytes"), memoryview(bytearray(99))[::2], None, 7]
    return [tried(pcapy.open_offline(files["one"]).loop_to_buffer, 1, buffer) for buffer in wrong]


@same
def a_filter_goes_before_the_classes(pcapy: Pcapy, files: Files) -> Any:
    reader = pcapy.open_offline(files["flows"])
    reader.setfilter("udp")
    seen: list[Any] = []
    result = reader.loop_filtered(-1, lambda *args: seen.append(show(args)), flow_cutoff=2)
    return result, seen


@same
def reading_inside_the_callback_takes_packets_away(pcapy: Pcapy, files: Files) -> Any:
    reader = pcapy.open_offline(files["flows"])
    seen: list[Any] = []

    def callback(*args: Any) -> None:
        seen.append(show(args))
        if len(seen) % 4 == 0:
            seen.append(show(reader.next()))

    return reader.loop_filtered(200, callback, 3, flow_cutoff=2), seen, show(reader.next())


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: snippet.__name__)
def test_both_agree_that(snippet: Snippet, flow_files: Files) -> None:
    assert tried(snippet, ours, flow_files) == tried(snippet, theirs, flow_files)


def test_the_zoo_has_every_class(flow_files: Files) -> None:
    reader = ours.open_offline(flow_files["zoo"])
    options = {"addr_set": HOSTS[3], "flow_cutoff": 1, "profile": 1}
    assert min(reader.loop_filtered(-1, lambda *args: None, 63, **options)[2:]) > 0
    assert len(Path(flow_files["zoo"]).read_bytes()) > 10_000
