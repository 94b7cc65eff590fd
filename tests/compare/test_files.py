# SPDX-License-Identifier: BSD-3-Clause
"""Files: for every filter the packets, bytes, order and times that tcpdump -r finds."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pfring
import pytest
from pfring.lab import capfile
from pfring.lab.capfile import Record
from pfring.lab.tcpdump import find_tcpdump
from pfring.lab.trace import Trace, mixed_trace
from support.filters import FILTERS, LIVE_ONLY


def theirs(source: Path, out: Path, expression: str, *options: str) -> list[Record]:
    """Let tcpdump copy what passes from one file to another; return it."""
    command = [find_tcpdump(), "-r", str(source), "-w", str(out), "-Z", "root", *options]
    subprocess.run([*command, expression], check=True, capture_output=True)
    return capfile.read(out)


def ours(source: Path, out: Path, expression: str, snaplen: int = 262_144) -> list[Record]:
    """Do the same with a ring."""
    with (
        pfring.open(source, expression or None, snaplen=snaplen) as ring,
        pfring.Dumper(out, ring.linktype, 262_144, "pcap_ns") as dumper,
    ):
        assert ring.backend == "file"
        while not ring.eof:
            ring.save(dumper, 100_000)
    return capfile.read(out)


@pytest.mark.parametrize("expression", [f for f in FILTERS if f not in LIVE_ONLY])
def test_same_packets_as_tcpdump(expression: str, trace_file: Path, tmp_path: Path) -> None:
    expected = theirs(trace_file, tmp_path / "theirs.pcap", expression)
    found = ours(trace_file, tmp_path / "ours.pcap", expression)
    assert len(found) == len(expected)
    assert found == expected


def test_most_filters_find_something_but_not_everything(trace: Trace, trace_file: Path) -> None:
    """A comparison of nothing with nothing shows nothing."""
    useful = 0
    for expression in FILTERS:
        if expression not in LIVE_ONLY:
            with pfring.open(trace_file, expression or None) as ring:
                useful += 0 < sum(1 for _ in ring) < len(trace)
    assert useful >= 75


@pytest.mark.parametrize("expression", ["", "tcp port 443", "vlan and vlan", "ip6"])
def test_nanoseconds_are_kept(expression: str, trace: Trace, tmp_path: Path) -> None:
    source = tmp_path / "nano.pcap"
    capfile.write(source, trace.frames[:3000], nano=True, step_ns=1_234_567_891)
    expected = theirs(source, tmp_path / "theirs.pcap", expression, "--time-stamp-precision=nano")
    assert ours(source, tmp_path / "ours.pcap", expression) == expected
    assert any(record.ts_ns % 1000 for record in expected)


@pytest.mark.parametrize("snaplen", [14, 64, 96, 1000])
@pytest.mark.parametrize("expression", ["", "udp", "vlan and vlan", "greater 1000"])
def test_short_records_are_filtered_as_tcpdump_does(
    snaplen: int, expression: str, trace: Trace, tmp_path: Path
) -> None:
    """Filters meet packets that were cut when the file was written."""
    source = tmp_path / "short.pcap"
    capfile.write(source, trace.frames[:3000], snaplen=snaplen)
    expected = theirs(source, tmp_path / "theirs.pcap", expression)
    assert ours(source, tmp_path / "ours.pcap", expression) == expected


def test_a_snap_length_cuts_what_a_file_holds(trace_file: Path, tmp_path: Path) -> None:
    found = ours(trace_file, tmp_path / "ours.pcap", "tcp", snaplen=96)
    whole = ours(trace_file, tmp_path / "whole.pcap", "tcp")
    assert [(r.ts_ns, r.data[:96], r.length) for r in whole] == [tuple(r) for r in found]


def test_a_file_of_one_packet_and_a_file_of_none(tmp_path: Path) -> None:
    frame = mixed_trace(1).frames[0]
    capfile.write(tmp_path / "one.pcap", [frame])
    capfile.write(tmp_path / "none.pcap", [])
    assert [r.data for r in ours(tmp_path / "one.pcap", tmp_path / "a.pcap", "")] == [frame]
    assert ours(tmp_path / "none.pcap", tmp_path / "b.pcap", "tcp") == []
