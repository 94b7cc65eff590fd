# SPDX-License-Identifier: BSD-3-Clause
"""One program over pypcap itself and over pfring.pypcap: it must not be able to tell which."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from pfring import pypcap
from pfring.lab.netns import Wire
from pfring.lab.replay import Replay
from pfring.lab.trace import mixed_trace
from support.at_once import at_once
from support.real_pypcap import pypcap_path

PROGRAM = Path(__file__).parents[1] / "support/pypcap_program.py"
KINDS = ("ours", "pypcap")
FILTER = "udp and ether[11] & 1 = 0"  # the program's


def command(kind: str, *words: object) -> list[str]:
    return [sys.executable, str(PROGRAM), kind, *map(str, words)]


def environment(kind: str) -> dict[str, str]:
    return os.environ | ({"PYTHONPATH": str(pypcap_path())} if kind == "pypcap" else {})


def of_files(kind: str, *paths: object) -> list[Any]:
    done = subprocess.run(
        command(kind, "file", *paths),
        capture_output=True, text=True, check=False, timeout=400, env=environment(kind),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    result: list[Any] = json.loads(done.stdout)
    return result


def on_wire(wire: Wire, kind: str, frames: tuple[bytes, ...], some: int) -> Any:
    process = wire.rx.popen(
        command(kind, "device", "cap0", len(frames)),
        env=environment(kind), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        if process.stdout.readline() == "ready\n":
            process.stdin.write(f"{some}\n")
            process.stdin.flush()
            with Replay(wire, frames) as replay, at_once():
                assert replay.send().packets == len(frames)
        out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err[-3000:]
    return json.loads(out)


def test_a_file_is_the_same_in_every_respect(pcapy_files: dict[str, str]) -> None:
    names = sorted(pcapy_files)
    got, expected = (of_files(kind, *(pcapy_files[n] for n in names)) for kind in KINDS)
    assert got[0].items() >= expected[0].items()
    for name, ours, theirs in zip(names, got[1:], expected[1:], strict=True):
        assert ours == theirs, name


def test_a_device_is_the_same_in_every_respect(wire: Wire) -> None:
    # Without tags, which the kernel takes off before it filters.
    plain = (b"\x08\x00", b"\x86\xdd", b"\x08\x06")
    frames = tuple(f for f in mixed_trace(400).frames if f[12:14] in plain)
    program = pypcap.bpf(FILTER, pypcap.DLT_EN10MB)
    passing = sum(map(program.filter, frames))
    got, expected = (on_wire(wire, kind, frames, passing) for kind in KINDS)
    assert got == expected
    assert [n for n, _ in got["seen"]] == [len(frames), passing, len(frames), len(frames)]
    assert 0 < passing < len(frames)
