# SPDX-License-Identifier: BSD-3-Clause
"""The lab itself: what is sent is what tcpdump sees, and nothing else is on the wire."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from pfring.lab import capfile, netns
from pfring.lab.netns import LabError, Wire
from pfring.lab.replay import Replay
from pfring.lab.tcpdump import Tcpdump
from pfring.lab.trace import Trace, number


def test_tcpdump_sees_the_whole_trace_and_nothing_else(
    wire: Wire, trace: Trace, tmp_path: Path
) -> None:
    with (
        Replay(wire, trace.frames) as replay,
        Tcpdump(wire.rx, Wire.CAPTURE, tmp_path / "all.pcap") as all_,
        Tcpdump(wire.rx, Wire.CAPTURE, tmp_path / "tcp.pcap", "vlan and tcp") as some,
    ):
        sent = replay.send()
        assert sent.packets == len(trace)
        assert all_.finish().captured == len(trace)
        assert 0 < some.finish().captured < len(trace)
    assert [r.data for r in capfile.read(tmp_path / "all.pcap")] == list(trace.frames)


def test_the_second_lap_goes_on_counting(wire: Wire, trace: Trace, tmp_path: Path) -> None:
    with (
        Replay(wire, trace.frames[:500]) as replay,
        Tcpdump(wire.rx, Wire.CAPTURE, tmp_path / "laps.pcap") as tcpdump,
    ):
        assert replay.send(laps=3, rate=20_000).packets == 1500
        assert tcpdump.finish().captured == 1500
    numbers = [number(r.data) for r in capfile.read(tmp_path / "laps.pcap")]
    assert numbers == list(range(1500))


def test_a_wire_is_gone_when_its_block_ends() -> None:
    with Wire() as wire:
        names = [wire.tx.name, wire.rx.name]
        assert set(names) <= set(os.listdir("/run/netns"))
    assert not set(names) & set(os.listdir("/run/netns"))


def test_a_wire_that_cannot_be_made_leaves_nothing() -> None:
    name = f"pfr{os.getpid()}-broken"
    blocker = netns.Namespace(f"{name}-rx")
    try:
        with pytest.raises(LabError, match=r"netns add .*-rx.* failed"):
            Wire(name)
        assert f"{name}-tx" not in os.listdir("/run/netns")
    finally:
        blocker.remove()


def test_namespaces_of_a_killed_process_are_removed_later_by_any_of_many() -> None:
    code = """if True:
        import os
        from pfring.lab.netns import Wire
        wires = [Wire() for _ in range(4)]
        print(*(ns.name for wire in wires for ns in (wire.tx, wire.rx)))
        os._exit(9)
    """
    done = subprocess.run(
        [sys.executable, "-uc", code], capture_output=True, text=True, check=False
    )
    names = set(done.stdout.split())
    assert done.returncode == 9, done.stderr
    assert len(names) == 8
    assert names <= set(os.listdir("/run/netns"))
    code = "from pfring.lab import netns; print(*netns.remove_stale())"
    removers = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    removed = [name for remover in removers for name in remover.communicate()[0].split()]
    assert [remover.returncode for remover in removers] == [0] * 4
    # A test that begins elsewhere may have removed some, nobody any twice.
    assert len(removed) == len(set(removed))
    assert not names & set(os.listdir("/run/netns"))


def test_a_thread_comes_back_from_a_namespace(wire: Wire) -> None:
    before = os.readlink("/proc/thread-self/ns/net")
    with wire.rx.entered():
        assert os.readlink("/proc/thread-self/ns/net") != before
        assert "cap0" in [name for _, name in socket.if_nameindex()]
    assert os.readlink("/proc/thread-self/ns/net") == before


def test_a_bad_filter_is_told_by_tcpdump_itself(wire: Wire, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="syntax error"):
        Tcpdump(wire.rx, Wire.CAPTURE, tmp_path / "x.pcap", "tcp or or")
