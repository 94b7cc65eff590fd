# SPDX-License-Identifier: BSD-3-Clause
"""`pfring top` on a wire: lines when piped, a screen on a terminal, and a clean end."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time

from pfring.lab.netns import Wire
from pfring.lab.replay import Replay
from pfring.lab.trace import Trace

PATIENCE = 60.0


def command(wire: Wire, *args: str) -> list[str]:
    argv = [sys.executable, "-m", "pfring", "top", "-i", f"packet:{Wire.CAPTURE}", *args]
    return wire.rx.command(argv)


def test_piped_it_is_lines_that_a_program_reads(wire: Wire, trace: Trace) -> None:
    with subprocess.Popen(
        command(wire, "--interval", "0.2"), stdout=subprocess.PIPE, text=True
    ) as top:
        assert top.stdout is not None
        head = top.stdout.readline().rstrip("\n").split("\t")
        assert head == [
            *("time", "packets/s", "Mbit/s", "dropped", "fill", "protocols", "top host"),
            *("queues", "lanes"),
        ]
        busy: list[str] = []
        end = time.monotonic() + PATIENCE
        with Replay(wire, trace.frames[:2000]) as replay:
            while not busy and time.monotonic() < end:
                replay.send(rate=20_000)
                line = top.stdout.readline().rstrip("\n").split("\t")
                assert len(line) == len(head)
                if float(line[1]) > 0:
                    busy = line
        assert busy
        assert ":" in busy[5]
        assert float(busy[2]) > 0
        queues = [entry.split(":") for entry in busy[7].split(",")]
        assert sum(int(n) for _, n in queues) > 0
        assert {name for name, _ in queues} == {"?"}  # packet: is not told of queues
        accepted, dropped = busy[8].split("/")
        assert (int(accepted) > 0, int(dropped)) == (True, 0)
        top.send_signal(signal.SIGINT)
        assert top.wait(PATIENCE) == 0


def test_on_a_terminal_it_is_a_screen_that_is_taken_away(wire: Wire) -> None:
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
    with subprocess.Popen(
        command(wire, "--interval", "0.2"), stdin=theirs, stdout=theirs, stderr=theirs, env=env
    ) as top:
        os.close(theirs)
        text, asked = b"", False
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if not select.select([ours], [], [], 1)[0]:
                continue
            try:
                chunk = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            text += chunk
            if b"Ctrl-C ends" in text and not asked:
                asked = True
                top.send_signal(signal.SIGTERM)
        os.close(ours)
        assert top.wait(PATIENCE) == 0
    assert asked
    assert b"packets/s" in text
    assert text.index(b"\x1b[?1049h") < text.rindex(b"\x1b[?1049l")  # the other screen, and back
    assert b"\x1b[?25h" in text  # the cursor is there again
