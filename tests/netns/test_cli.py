# SPDX-License-Identifier: BSD-3-Clause
"""`pfring capture` on a wire: counts, ends of every kind, and a file that is always whole."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pfring.lab import capfile
from pfring.lab.netns import Wire
from pfring.lab.replay import Replay
from pfring.lab.trace import Trace

PATIENCE = 60.0
ROOM = ["-B", str(64 << 10)]


class Capture:
    """`pfring capture -i cap0 ...` in the receiving namespace, once it captures."""

    def __init__(self, wire: Wire, *args: str | Path) -> None:
        words = [sys.executable, "-m", "pfring", "capture", "-i", Wire.CAPTURE, *ROOM, *args]
        # Without buffers: communicate() would not see what was read with the first line.
        pipe = subprocess.PIPE
        self.process = wire.rx.popen(words, stdout=pipe, stderr=pipe, bufsize=0)
        assert self.process.stderr is not None
        first = self.process.stderr.readline()
        assert re.fullmatch(rb"pfring: capturing on cap0 by \w+, Ctrl-C ends\n", first), first

    def finish(self, number: int | None = None) -> tuple[int, str, str]:
        """Send a signal, if any, and wait: (exit code, output, errors)."""
        if number is not None:
            self.process.send_signal(number)
        out, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out.decode(), errors.decode()


@contextlib.contextmanager
def capturing(wire: Wire, *args: str | Path) -> Iterator[Capture]:
    capture = Capture(wire, *args)
    try:
        yield capture
    finally:
        capture.process.kill()
        capture.process.communicate()


def until(size: int, file: Path) -> None:
    """Wait until a capture file has grown that far."""
    end = time.monotonic() + PATIENCE
    while not file.exists() or file.stat().st_size < size:
        assert time.monotonic() < end, f"{file} does not grow"
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_capture_with_everything_in_the_file(
    wire: Wire, trace: Trace, tmp_path: Path, number: int
) -> None:
    out = tmp_path / "out.pcap"
    with capturing(wire, "-w", out) as capture, Replay(wire, trace.frames[:5000]) as replay:
        replay.send(rate=20_000)
        until(sum(len(f) for f in trace.frames[:5000]), out)
        code, _, errors = capture.finish(number)
    assert code == 0
    assert re.fullmatch(
        r"pfring: 5000 captured, 0 dropped, 0 dropped by interface; backend \w+ \(.+\)\n", errors
    )
    assert [r.data for r in capfile.read(out)] == list(trace.frames[:5000])


def test_ctrl_c_on_an_idle_interface_ends_at_once(wire: Wire, tmp_path: Path) -> None:
    out = tmp_path / "out.pcap"
    with capturing(wire, "-w", out) as capture:
        code, _, errors = capture.finish(signal.SIGINT)
    assert code == 0
    assert errors.startswith("pfring: 0 captured, 0 dropped")
    assert list(capfile.read(out)) == []


def test_the_count_ends_it(wire: Wire, trace: Trace, tmp_path: Path) -> None:
    out = tmp_path / "out.pcap"
    with capturing(wire, "-c", "777", "-w", out) as capture:
        with Replay(wire, trace.frames[:2000]) as replay:
            replay.send()
        code, _, errors = capture.finish()
    assert code == 0
    assert errors.startswith("pfring: 777 captured")
    assert [r.data for r in capfile.read(out)] == list(trace.frames[:777])


def test_the_duration_ends_it(wire: Wire) -> None:
    with capturing(wire, "--duration", "0.3") as capture:
        code, out, errors = capture.finish()
    assert (code, out) == (0, "")
    assert errors.startswith("pfring: 0 captured")


def test_lines_appear_while_it_runs(wire: Wire, trace: Trace) -> None:
    with capturing(wire, "--immediate", "ether[11] & 1 = 0") as capture:
        with Replay(wire, trace.frames[:40]) as replay:
            replay.send()
        assert capture.process.stdout is not None
        lines = [capture.process.stdout.readline() for _ in range(20)]
        code, rest, errors = capture.finish(signal.SIGINT)
    assert all(re.match(rb"\d\d:\d\d:\d\d\.\d{6} +\d+ ", text) for text in lines)
    assert (code, rest) == (0, "")
    assert errors.startswith("pfring: 20 captured")


def test_a_vanished_device_leaves_a_whole_file(wire: Wire, trace: Trace, tmp_path: Path) -> None:
    out = tmp_path / "out.pcap"
    with capturing(wire, "-w", out) as capture:
        with Replay(wire, trace.frames[:1000]) as replay:
            replay.send()
        wire.rx.ip(f"link del {Wire.CAPTURE}")
        code, _, errors = capture.finish()
    assert code == 1
    assert Wire.CAPTURE in errors.splitlines()[0]
    assert errors.splitlines()[1].startswith("pfring: 1000 captured")
    assert [r.data for r in capfile.read(out)] == list(trace.frames[:1000])


def test_a_full_disk_leaves_a_whole_file(wire: Wire, trace: Trace, tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "pfring", tmp_path], check=True)
    try:
        out = tmp_path / "out.pcap"
        with capturing(wire, "-w", out) as capture:
            with Replay(wire, trace.frames[:2000]) as replay:
                replay.send()
            code, _, errors = capture.finish()
        records = [record.data for record in capfile.read(out)]
    finally:
        subprocess.run(["umount", tmp_path], check=True)
    assert code == 1
    assert "disk is full" in errors
    assert f"{len(records)} whole packets are in it" in errors
    assert 100 < len(records) < 2000
    assert records == list(trace.frames[: len(records)])


def test_killed_it_leaves_what_the_last_tick_wrote(
    wire: Wire, trace: Trace, tmp_path: Path
) -> None:
    out = tmp_path / "out.pcap"
    with capturing(wire, "-w", out) as capture:
        with Replay(wire, trace.frames[:500]) as replay:
            replay.send()
        until(24 + sum(16 + len(f) for f in trace.frames[:500]), out)
        code, _, _ = capture.finish(signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert [r.data for r in capfile.read(out)] == list(trace.frames[:500])


def test_the_books_balance_when_the_ring_is_too_small(
    wire: Wire, trace: Trace, tmp_path: Path
) -> None:
    with (
        Replay(wire, trace.frames) as replay,
        capturing(wire, "-B", "64", "-w", tmp_path / "out.pcap") as capture,
    ):
        # Stopped, it cannot keep up; what finds no room is counted.
        capture.process.send_signal(signal.SIGSTOP)
        sent = replay.send().packets
        capture.process.send_signal(signal.SIGCONT)
        code, _, errors = capture.finish(signal.SIGINT)
    found = re.match(r"pfring: (\d+) captured, (\d+) dropped, 0 dropped by interface", errors)
    assert code == 0
    assert found
    captured, dropped = map(int, found.groups())
    assert dropped > 0
    assert captured == len(list(capfile.read(tmp_path / "out.pcap")))
    assert captured + dropped == sent


def test_a_terminal_sees_the_rate_while_it_runs(wire: Wire, trace: Trace, tmp_path: Path) -> None:
    master, slave = pty.openpty()
    words = [sys.executable, "-m", "pfring", "capture", "-i", Wire.CAPTURE]
    words += ["-w", str(tmp_path / "out.pcap")]
    shown = b""
    with wire.rx.popen(words, stderr=slave, env={**os.environ, "TERM": "xterm"}) as child:
        os.close(slave)
        with Replay(wire, trace.frames[:100]) as replay:
            end = time.monotonic() + PATIENCE
            while b"100 captured" not in shown:
                assert time.monotonic() < end, shown
                if select.select([master], [], [], 0.1)[0]:
                    before, shown = shown, shown + os.read(master, 65536)
                    if b"0 captured" in shown and b"0 captured" not in before:
                        replay.send()
        child.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):  # EIO: the other end is closed
            while data := os.read(master, 65536):
                shown += data
        assert child.wait(PATIENCE) == 0
    os.close(master)
    text = shown.decode()
    assert "/s" in text
    assert "0 dropped" in text
    assert f"{Wire.CAPTURE} by " in text
    assert "100 captured, 0 dropped, 0 dropped by interface; backend " in text


def test_a_device_that_is_down_is_told(wire: Wire) -> None:
    wire.rx.ip(f"link set {Wire.CAPTURE} down")
    done = wire.rx.run([sys.executable, "-m", "pfring", "capture", "-i", Wire.CAPTURE])
    assert done.returncode == 1
    assert "not up" in done.stderr


def test_devices_lists_both_and_their_paths(wire: Wire) -> None:
    done = wire.rx.run([sys.executable, "-m", "pfring", "devices"])
    rows = [text.split("\t") for text in done.stdout.splitlines()]
    assert done.returncode == 0
    assert rows[0] == ["NAME", "STATE", "MAC", "MTU", "SPEED", "QUEUES", "BACKEND", "WHY"]
    row = next(row for row in rows if row[0] == Wire.CAPTURE)
    assert row[1] == "up"
    assert re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", row[2])
    assert row[3:6] == ["1500", "10 Gbit/s", "1"]
    assert row[6] != "-"


def test_doctor_is_content_with_root(wire: Wire) -> None:
    done = wire.rx.run([sys.executable, "-m", "pfring", "doctor"])
    assert done.returncode == 0
    for what in ("system", "privileges", "kernel module", "eBPF XDP", "libpcap", "a bare name"):
        assert re.search(rf"^(ok|--)  {what} ", done.stdout, re.MULTILINE), done.stdout


def test_doctor_says_what_to_do_without_privileges() -> None:
    code = (
        "import os, sys, socket, errno, pfring\n"
        "from pfring.cli import app, doctor\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "sys.exit(doctor.run())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 1, done.stderr
    assert "!!  privileges" in done.stdout
    assert "CAP_NET_RAW" in done.stdout
    assert "!!  a bare name" in done.stdout
