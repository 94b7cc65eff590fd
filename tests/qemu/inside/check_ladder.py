# SPDX-License-Identifier: BSD-3-Clause
"""With the module loaded a bare device name means its ring, for every kind of program.

Each program is as its users have it: Python, pcapy, the command line, tcpdump
over our libpcap.so. Each must say that it took `pfring`, and get every byte.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from frames import numbered
from pfsock import Sender, pair

FRAMES = [numbered(i, 60 + i * 50) for i in range(20)]
OVERLAY = Path(__file__).resolve().parents[3] / "build/dev/libpcap-pfring/pcap/lib"

PCAPY_PROGRAM = """
import sys
import pcapy
reader = pcapy.open_live(sys.argv[1], 2048, 1, 100)
reader.setfilter("ether proto 0x88b5")
print("ready", flush=True)
for _ in range(int(sys.argv[2])):
    header, data = reader.next()
    while header is None:
        header, data = reader.next()
    print(data.hex(), flush=True)
print(reader.stats()[0])
"""

RING_PROGRAM = """
import sys
from itertools import islice
import pfring
with pfring.open(sys.argv[1]) as ring:
    print("ready", flush=True)
    for _, data in islice(ring, int(sys.argv[2])):
        print(bytes(data).hex())
    print(ring.backend)
"""


def feed(device: str) -> None:
    """Send FRAMES once."""
    sender = Sender(device)
    sender.send(*FRAMES)
    sender.close()


def output(command: list[str | Path], device: str) -> list[str]:
    """Start a program, feed the wire when it says that it is ready, return what it prints then."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        first = process.stdout.readline()
        assert first == "ready\n", first + process.stderr.read()
        feed(device)
        try:
            out, err = process.communicate(timeout=600)
        finally:
            process.kill()
        assert (process.returncode, err) == (0, "")
    return out.splitlines()


def test_python_takes_the_modules_ring() -> None:
    with pair() as (v0, v1):
        lines = output([sys.executable, "-c", RING_PROGRAM, v1, str(len(FRAMES))], v0)
    assert lines == [*(frame.hex() for frame in FRAMES), "pfring"]


@pytest.mark.slow
def test_pcapy_program_runs_unchanged(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PCAPY_PROGRAM)
    command: list[str | Path] = [sys.executable, "-m", "pfring", "run", program]
    with pair() as (v0, v1):
        rings = Path("/proc/net/pf_ring/info")
        lines = output([*command, v1, str(len(FRAMES))], v0)
        assert "Total rings          : 0\n" in rings.read_text()
    assert lines == [*(frame.hex() for frame in FRAMES), str(len(FRAMES))]


def test_tcpdump_over_our_libpcap_takes_the_modules_ring(tmp_path: Path) -> None:
    file = tmp_path / "seen.pcap"
    command = ["tcpdump", "-Z", "root", "-U", "-c", str(len(FRAMES)), "-w", str(file)]
    env = {**os.environ, "LD_LIBRARY_PATH": str(OVERLAY), "PFRING_VERBOSE": "1"}
    with (
        pair() as (v0, v1),
        subprocess.Popen(
            [*command, "-i", v1, "ether", "proto", "0x88b5"],
            stderr=subprocess.PIPE,
            text=True,
            env=env,
        ) as process,
    ):
        assert process.stderr
        said = ""
        while "listening on" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        feed(v0)
        said += process.communicate(timeout=600)[1]
    assert "pfring: v1: backend pfring" in said
    assert re.search(rf"^{len(FRAMES)} packets captured", said, re.M), said
    raw = file.read_bytes()[24:]
    got = []
    while raw:
        size = int.from_bytes(raw[8:12], "little")
        got.append(raw[16 : 16 + size])
        raw = raw[16 + size :]
    assert got == FRAMES


@pytest.mark.slow
def test_doctor_tells_of_the_module() -> None:
    with pair():
        done = subprocess.run(
            [sys.executable, "-m", "pfring", "doctor"], capture_output=True, text=True, check=False
        )
    assert re.search(r"^ok +kernel module +", done.stdout, re.M), done.stdout + done.stderr
    assert re.search(r"^ok +a bare name +gets pfring\b", done.stdout, re.M), done.stdout


@pytest.mark.slow
def test_command_line_captures_through_the_module(tmp_path: Path) -> None:
    file = tmp_path / "cli.pcap"
    command: list[str | Path] = [sys.executable, "-m", "pfring", "capture", "-i", "v1"]
    command += ["-c", str(len(FRAMES)), "-w", file, "ether proto 0x88b5"]

    def enabled() -> bool:
        shown = list(Path("/proc/net/pf_ring").glob("*-v1.*"))
        return any("Active               : 1\n" in path.read_text() for path in shown)

    with (
        pair() as (v0, _),
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process,
    ):
        while not enabled():
            assert process.poll() is None
            time.sleep(0.1)
        feed(v0)
        said, _ = process.communicate(timeout=600)
    assert process.returncode == 0, said
    assert all(frame in file.read_bytes() for frame in FRAMES)
