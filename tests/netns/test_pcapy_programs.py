# SPDX-License-Identifier: BSD-3-Clause
"""Unmodified programs in the idioms of the field, over us and over pcapy-ng.

Each program of tests/netns/programs says `import pcapy` and nothing of pfring. It
runs twice on the same traffic, with pcapy-ng and with `python -m pfring run`, and
must print the same.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from pcapy_support import capture
from pfring import pcapy
from pfring.lab.netns import Wire
from pfring.lab.replay import Replay
from pfring.lab.trace import Trace
from support.at_once import at_once

PROGRAMS = Path(__file__).parent / "programs"
OVER_PCAPY_NG = [sys.executable]
OVER_US = [sys.executable, "-m", "pfring", "run"]


def output(
    interpreter: list[str],
    name: str,
    args: Sequence[object],
    frames: Sequence[bytes],
    limit: float = 100,
) -> list[str]:
    """Run a program on a wire of its own and feed it once it has said that it is ready."""
    command = [*interpreter, str(PROGRAMS / f"{name}.py"), Wire.CAPTURE, *map(str, args)]
    with (
        Wire() as wire,
        wire.rx.popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stdout
        assert process.stderr
        first = process.stdout.readline()
        assert first, process.stderr.read()
        with Replay(wire, frames) as replay, at_once():
            replay.send()
        try:
            out, err = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        assert (err, process.returncode) == ("", 0)
        return [first, *out.splitlines()]


def matching(frames: Sequence[bytes], expression: str) -> list[bytes]:
    program = pcapy.BPFProgram(expression)
    return [frame for frame in frames if program.filter(frame)]


def both(name: str, args: Sequence[object], frames: Sequence[bytes]) -> list[str]:
    ours = output(OVER_US, name, args, frames)
    theirs = None
    # libpcap loses packets of a burst when it has to wait, and who counts on them waits for ever.
    for limit in (10, 20, 30, 60):
        with contextlib.suppress(subprocess.TimeoutExpired):
            theirs = output(OVER_PCAPY_NG, name, args, frames, limit)
        if theirs == ours:
            break
    assert ours == theirs
    return ours


def test_the_readme_loop_counts_the_same(trace: Trace) -> None:
    frames = trace.frames[:3000]
    lines = both("next_loop", [3000], frames)
    assert lines == ["ready\n", f"3000 {sum(map(len, frames))}"]


@pytest.mark.parametrize("expression", ["ip or ip6", "(tcp or arp) and not vlan"])
def test_a_thread_that_loops_sees_the_same(trace: Trace, expression: str) -> None:
    frames = trace.frames[:3000]
    # The kernel's filter looks behind one tag; a frame without tags is the same to both.
    limit = len(matching(frames, f"({expression}) and not vlan"))
    lines = both("decoder_thread", [expression, limit], frames)
    assert lines[0] == "Listening on cap0: net=0.0.0.0, mask=0.0.0.0, linktype=1\n"
    assert sum(count for _, count in eval(lines[1])) == limit


def test_select_and_dispatch_see_the_same(trace: Trace) -> None:
    frames = trace.frames[:3000]
    lines = both("dispatch_select", [3000], frames)
    assert lines[1] == f"3000 {sum(map(len, frames))} 96 (3000, 0)"


def test_what_is_recorded_reads_back_the_same(trace: Trace, tmp_path: Path) -> None:
    frames = trace.frames[:3000]
    expression = "udp and not vlan"
    count = len(matching(frames, expression))
    args = [expression, count, tmp_path / "recorded.pcap"]
    assert both("record_and_reread", args, frames) == ["ready\n", f"{count} {count}"]


def test_a_fanout_of_sensors_sees_every_packet_and_flow(trace: Trace, tmp_path: Path) -> None:
    frames = trace.frames[:3000]
    alone = tmp_path / "alone.pcap"
    alone.write_bytes(capture(frames))
    reader = pcapy.open_offline(str(alone))
    heads = reader.loop_filtered(-1, lambda *_: None, 0, flow_cutoff=1)[3]
    # Over us only: pcapy-ng cannot be closed while a thread is in its loop.
    _, books = output(OVER_US, "sensor", [3, 3000], frames)
    assert list(map(int, books.split())) == [3000, heads, 3, 0]


def test_a_time_out_of_0_delivers_the_last_packets_too(trace: Trace, tmp_path: Path) -> None:
    program = tmp_path / "zero.py"
    text = (PROGRAMS / "next_loop.py").read_text()
    program.write_text(text.replace("65536, 1, 100)", "65536, 1, 0)"))
    frames = trace.frames[:300]
    lines = output(OVER_US, str(program.with_suffix("")), [300], frames)
    assert lines == ["ready\n", f"300 {sum(map(len, frames))}"]
