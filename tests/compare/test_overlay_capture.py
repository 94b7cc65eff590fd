# SPDX-License-Identifier: BSD-3-Clause
"""What tcpdump captures over our libpcap is, byte for byte, what it captures over the system's.

All captures of a test run at the same time on one wire, so they see the very
same packets.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from pfring.lab import capfile
from pfring.lab.netns import Wire
from pfring.lab.replay import Replay
from pfring.lab.tcpdump import Tcpdump
from pfring.lab.trace import Trace, mixed_trace, renumber
from support.at_once import at_once
from support.corpus import LONGEST, SHORTEST, corpus
from support.overlay import BUILD, SYSTEM, WAYS, Way, environment, took

TALLY = BUILD / "tests/compare/tally"
FILTERS = Path(__file__).parents[1] / "support/filters.h"


def captured(
    wire: Wire, folder: Path, frames: Sequence[bytes], *options: str
) -> dict[Way, list[tuple[bytes, int]]]:
    """Send frames once; return what each tcpdump wrote, bytes and length on the wire."""
    running: dict[Way, Tcpdump] = {}
    with contextlib.ExitStack() as stack:
        replay = stack.enter_context(Replay(wire, frames))
        for way in (SYSTEM, *WAYS):
            running[way] = stack.enter_context(
                Tcpdump(
                    *(wire.rx, Wire.CAPTURE, folder / f"{way}.pcap"),
                    options=options,
                    env=environment(way),
                )
            )
        # It finds room in each ring, also if nobody reads meanwhile.
        with at_once():
            replay.send()
        for way, tcpdump in running.items():
            assert tcpdump.finish().dropped == 0
            if way.loader:
                [(_, backend)] = took(tcpdump.errors)
                assert backend == (way.backend or backend)
    return {
        way: [(r.data, r.length) for r in capfile.read(folder / f"{way}.pcap")] for way in running
    }


def first_difference(a: Sequence[object], b: Sequence[object]) -> object:
    return next(
        ((i, x, y) for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), (len(a), len(b))
    )


# libpcap's own immediate ring holds 512 frames of the usual snap length in 32 MiB.
@pytest.mark.parametrize("options", [(), ("-s", "96"), ("--immediate-mode", "-s", "2048")], ids=str)
def test_the_mixed_trace_is_captured_byte_for_byte(
    wire: Wire, trace: Trace, tmp_path: Path, options: tuple[str, ...]
) -> None:
    frames = trace.frames[:6000] if "--immediate-mode" in options else trace.frames
    got = captured(wire, tmp_path, frames, *options)
    whole = int(options[-1]) if options else 1 << 20
    sent = [(frame[:whole], len(frame)) for frame in frames]
    assert got[SYSTEM] == sent
    for way in WAYS:
        assert got[way] == sent, first_difference(got[way], sent)


def test_every_frame_of_the_corpus_is_captured_byte_for_byte(wire: Wire, tmp_path: Path) -> None:
    frames = [renumber(frame, i) for i, frame in enumerate(corpus())]
    assert {len(frame) for frame in frames} == set(range(SHORTEST, LONGEST + 1))
    assert len({frame[12:14] for frame in frames}) > 1200
    got = captured(wire, tmp_path, frames)
    # A tag that ends within its four bytes is dropped by the kernel before anybody sees it.
    seen = {data for data, _ in got[SYSTEM]}
    lost = [frame for frame in frames if frame not in seen]
    assert all(len(frame) < 60 and frame[12:14] in {b"\x81\0", b"\x88\xa8"} for frame in lost)
    assert len(got[SYSTEM]) == len(frames) - len(lost) > 4000
    for way in WAYS:
        assert got[way] == got[SYSTEM], first_difference(got[way], got[SYSTEM])


def expressions() -> list[str]:
    """The filters of support/filters.h, but for those that libpcap itself gets wrong live.

    It runs a new filter again over its first blocks, where it cannot load a packet's
    direction or interface: those packets are refused.
    """
    texts = re.findall(r'"((?:[^"\\]|\\.)*)"', FILTERS.read_text().partition("#define")[2])
    unescaped = (text.replace("\\\\", "\\") for text in texts)
    return [text for text in unescaped if not re.search("inbound|outbound|ifindex", text)]


def tell(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdin
    process.stdin.write(text)
    process.stdin.flush()


def tallies(wire: Wire, texts: Sequence[str]) -> dict[Way, list[str]]:
    """Send frames once; return each library's lines, one for each filter."""
    running: dict[Way, subprocess.Popen[str]] = {}
    try:
        for way in (SYSTEM, *WAYS):
            running[way] = wire.rx.popen(
                [TALLY, Wire.CAPTURE],
                env=environment(way),
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        for process in running.values():
            tell(process, "".join(f"{text}\n" for text in texts) + "\n")
        for process in running.values():
            assert process.stdout
            assert process.stdout.readline() == "ready\n", process.communicate()[1]
        with Replay(wire, mixed_trace(4000).frames) as replay:
            replay.send(rate=4000)
        for process in running.values():
            tell(process, "\n")
        lines = {}
        for way, process in running.items():
            out, err = process.communicate(timeout=300)
            assert process.returncode == 0, err
            lines[way] = out.splitlines()
            assert len(took(err)) == (len(texts) if way.loader else 0)
    finally:
        for process in running.values():
            process.kill()
    return lines


def test_each_filter_lets_the_same_packets_pass(wire: Wire) -> None:
    texts = expressions()
    assert len(texts) > 90
    assert sum("vlan" in text for text in texts) >= 8
    # A hundred rings are small ones: who has to wait for long loses packets.
    for _ in range(5):
        lines = tallies(wire, texts)
        if all(line.endswith(" 0 lost") for of_one in lines.values() for line in of_one):
            break
    assert len(lines[SYSTEM]) == len(texts)
    assert all(line.endswith(" 0 lost") for line in lines[SYSTEM])
    hits = [line for line in lines[SYSTEM] if ": 0 packets" not in line]
    assert len(hits) > 60
    for way in WAYS:
        assert lines[way] == lines[SYSTEM]
