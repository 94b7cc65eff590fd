# SPDX-License-Identifier: BSD-3-Clause
"""pfring.pcapy against pcapy-ng: filters, programs and dumpers.

Each snippet runs on both and must have the same outcome; its name says what is
the same. Where pcapy-ng is wrong, see tests/python/test_pcapy_right.py.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import pytest
from pcapy_support import (
    KINDS,
    Files,
    Pcapy,
    Snippet,
    Snippets,
    everything,
    ours,
    show,
    theirs,
    tried,
)

SNIPPETS = Snippets()
same = SNIPPETS.same


# --- Filters ------------------------------------------------------------------------------------

EXPRESSIONS = [
    "",
    "ip",
    "ip6",
    "tcp",
    "udp port 53",
    "tcp port 80 or tcp port 443",
    "icmp or icmp6",
    "arp",
    "vlan",
    "vlan and ip",
    "vlan 100",
    "vlan and vlan",
    "greater 1000",
    "less 100",
    "ether[12:2] = 0x0800",
    "ip[6:2] & 0x1fff != 0",
    "net 10.0.0.0/8",
    "not ip and not arp",
    "mpls",
    "tcp[tcpflags] & tcp-syn != 0",
]
WRONG_EXPRESSIONS = [
    "foo bar",
    "port 99999",
    "ip proto nosuch",
    "host 300.1.1.1",
    "tcp and",
    "(ip",
    "ether host 1:2:3",
    "vlan 70000",
    "ip[",
]


@same
def setfilter_lets_the_same_packets_through(pcapy: Pcapy, files: Files) -> Any:
    out = {}
    for expression in EXPRESSIONS:
        reader = pcapy.open_offline(files["many"])
        result = reader.setfilter(expression)
        seen: list[bytes] = []
        reader.loop(-1, lambda h, d, seen=seen: seen.append(show((h, d))))
        out[expression] = (result, seen)
    return out


@same
def setfilter_says_what_libpcap_says(pcapy: Pcapy, files: Files) -> Any:
    reader = pcapy.open_offline(files["mixed"])
    return [tried(reader.setfilter, wrong) for wrong in WRONG_EXPRESSIONS]


@same
def a_bad_filter_leaves_the_good_one(pcapy: Pcapy, files: Files) -> Any:
    reader = pcapy.open_offline(files["mixed"])
    reader.setfilter("udp")
    return tried(reader.setfilter, "foo bar"), everything(reader)


@same
def a_new_filter_counts_from_the_next_packet(pcapy: Pcapy, files: Files) -> Any:
    reader, seen = pcapy.open_offline(files["many"]), []
    for expression in ("tcp", "udp", "", "ip6", "arp or icmp", "not tcp", "vlan"):
        reader.setfilter(expression)
        reader.loop(25, lambda h, d: seen.append(show((h, d))))
        seen.append(show(reader.next()))
    return seen


@same
def a_filter_set_in_a_callback_counts_from_the_next_packet(pcapy: Pcapy, files: Files) -> Any:
    reader, seen = pcapy.open_offline(files["many"]), []
    expressions = itertools.cycle(["udp", "tcp", "ip6", ""])

    def callback(header: Any, data: bytes) -> None:
        seen.append(show((header, data)))
        if len(seen) % 10 == 0:
            reader.setfilter(next(expressions))

    reader.loop(-1, callback)
    return seen


@same
def filters_know_their_link_type(pcapy: Pcapy, files: Files) -> Any:
    out = []
    for kind, expression in itertools.product(("sll", "raw", "short"), ("tcp", "udp", "ip", "ip6")):
        reader = pcapy.open_offline(files[kind])
        out.append((tried(reader.setfilter, expression), everything(reader)))
    return out


@same
def compile_makes_the_same_program(pcapy: Pcapy, _: Files) -> Any:
    # Expressions for which libpcap 1.9.1, which the wheel carries, and newer ones agree.
    simple = [
        "",
        "ip",
        "ip6",
        "arp",
        "greater 1000",
        "ether[12:2] = 0x0800",
        "net 10.0.0.0/8",
    ]
    rows = itertools.product((1, 12, 113), (96, 65536, 262144), simple, (0, 1))
    return [
        tried(pcapy.compile, link, snaplen, expression, optimize, 0xFFFFFF)
        for link, snaplen, expression, optimize in rows
    ]


@same
def compile_says_what_libpcap_says(pcapy: Pcapy, _: Files) -> Any:
    return [tried(pcapy.compile, 1, 65535, wrong, 1, 0) for wrong in WRONG_EXPRESSIONS]


@same
def a_program_by_itself_filters_bytes(pcapy: Pcapy, files: Files) -> Any:
    frames = [data for _, data in everything(pcapy.open_offline(files["mixed"]))]
    out = []
    for expression in EXPRESSIONS:
        if "vlan" in expression or "mpls" in expression:
            continue
        program = pcapy.BPFProgram(expression)
        compiled = pcapy.compile(1, 65536, expression, 1, 0)
        out.append([(program.filter(f), compiled.filter(f)) for f in [*frames, b"", b"x"]])
    return out


@same
def get_bpf_is_a_list_of_tuples_of_ints(pcapy: Pcapy, _: Files) -> Any:
    code = pcapy.BPFProgram("icmp").get_bpf()
    return (
        code,
        type(code).__name__,
        {type(row).__name__ for row in code},
        tried(pcapy.BPFProgram("ip").get_bpf, 1),
    )


@same
def a_program_can_have_another_link_type(pcapy: Pcapy, _: Files) -> Any:
    return [show(pcapy.BPFProgram("ip", link)) for link in (1, 12, 113)]


@same
def a_program_that_does_not_compile_raises_bpf_error(pcapy: Pcapy, _: Files) -> Any:
    return [tried(pcapy.BPFProgram, wrong) for wrong in WRONG_EXPRESSIONS]


@same
def filter_takes_bytes_only(pcapy: Pcapy, _: Files) -> Any:
    program = pcapy.BPFProgram("ip")
    wrong: list[Any] = [bytearray(60), memoryview(bytes(60)), "text", None, 5]
    return [tried(program.filter, value) for value in wrong] + [tried(program.filter)]


# --- Dumpers ------------------------------------------------------------------------------------


def dumped(pcapy: Pcapy, files: Files, kind: str) -> bytes:
    path = Path(files["folder"], "dumped.pcap")
    reader = pcapy.open_offline(files[kind])
    dumper = reader.dump_open(str(path))
    reader.loop(-1, dumper.dump)
    dumper.close()
    return path.read_bytes()


@same
def dumpers_write_the_same_bytes(pcapy: Pcapy, files: Files) -> Any:
    return {kind: dumped(pcapy, files, kind) for kind in KINDS}


@same
def a_dumper_returns_none_and_closes_twice(pcapy: Pcapy, files: Files) -> Any:
    reader = pcapy.open_offline(files["mixed"])
    dumper = reader.dump_open(os.path.join(files["folder"], "twice.pcap"))
    pair = reader.next()
    done = [dumper.dump(*pair), dumper.close(), dumper.close(), dumper.close(1, 2)]
    return done, tried(dumper.dump, *pair)


@same
def a_dumper_outlives_its_reader(pcapy: Pcapy, files: Files) -> Any:
    path = Path(files["folder"], "outlives.pcap")
    reader = pcapy.open_offline(files["mixed"])
    dumper = reader.dump_open(str(path))
    pairs = [reader.next() for _ in range(5)]
    reader.close()
    del reader
    for pair in pairs:
        dumper.dump(*pair)
    del dumper
    return path.read_bytes()


@same
def a_dumper_wants_a_header_and_bytes(pcapy: Pcapy, files: Files) -> Any:
    reader = pcapy.open_offline(files["mixed"])
    dumper = reader.dump_open(os.path.join(files["folder"], "wants.pcap"))
    header, data = reader.next()
    return [
        tried(dumper.dump),
        tried(dumper.dump, header),
        tried(dumper.dump, None, data),
        tried(dumper.dump, "header", data),
        tried(dumper.dump, header, bytearray(data)),
        tried(dumper.dump, header, memoryview(data)),
        tried(dumper.dump, header, "text"),
        tried(dumper.dump, header, data, 1),
        tried(dumper.dump, hdr=header, data=data),
        tried(dumper.close, x=1),
    ]


@same
def a_dumper_writes_no_more_than_the_header_says(pcapy: Pcapy, files: Files) -> Any:
    path = Path(files["folder"], "more.pcap")
    reader = pcapy.open_offline(files["short"])
    dumper = reader.dump_open(str(path))
    header, data = reader.next()
    dumper.dump(header, data + b"more than was captured")
    dumper.close()
    return path.read_bytes()


@same
def a_file_that_cannot_be_written_is_named(pcapy: Pcapy, files: Files) -> Any:
    reader = pcapy.open_offline(files["one"])
    return [
        tried(reader.dump_open, "/nope/x.pcap"),
        tried(reader.dump_open, files["folder"]),
        tried(reader.dump_open, Path("x")),
        tried(reader.dump_open, b"x"),
        tried(reader.dump_open),
    ]


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: snippet.__name__)
def test_both_agree_that(snippet: Snippet, pcapy_files: Files) -> None:
    assert tried(snippet, ours, pcapy_files) == tried(snippet, theirs, pcapy_files)
