# SPDX-License-Identifier: BSD-3-Clause
"""`pfring stats` and what it counts: totals that are the file's, and pictures of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pfring
import pytest
from pfring.lab.trace import Trace
from pfring.survey import Survey


def pfring_command(*args: object) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pfring", *map(str, args)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)


def test_stats_of_a_file_are_the_files(trace: Trace, trace_file: Path) -> None:
    done = pfring_command("stats", "-r", trace_file, "--top", "1000")
    assert done.returncode == 0, done.stderr
    totals, protocols, hosts = done.stdout.split("\n\n")
    rows = dict(line.split("\t") for line in totals.splitlines()[1:])
    assert rows["packets"] == f"{len(trace):,}"
    assert rows["bytes"] == f"{sum(map(len, trace.frames)):,}"
    counts = [int(x.split("\t")[1].replace(",", "")) for x in protocols.splitlines()[1:]]
    assert sum(counts) == len(trace)
    assert counts == sorted(counts, reverse=True)
    assert len(hosts.splitlines()) > 10


def test_stats_take_a_filter(trace_file: Path) -> None:
    done = pfring_command("stats", "-r", trace_file, "tcp")
    assert done.returncode == 0, done.stderr
    protocols = done.stdout.split("\n\n")[1].splitlines()
    assert [line.split("\t")[0] for line in protocols] == ["protocol", "TCP"]


@pytest.mark.parametrize(
    ("suffix", "magic"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")]
)
def test_a_picture_is_drawn(trace_file: Path, tmp_path: Path, suffix: str, magic: bytes) -> None:
    path = tmp_path / f"plot{suffix}"
    done = pfring_command("stats", "-r", trace_file, "--plot", path)
    assert done.returncode == 0, done.stderr
    assert path.read_bytes().startswith(magic)


def test_what_cannot_be_is_one_sentence(tmp_path: Path, trace_file: Path) -> None:
    done = pfring_command("stats", "-r", tmp_path / "nothing.pcap")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert pfring_command("stats").returncode == 2
    assert pfring_command("stats", "-r", trace_file, "--plot", "x.txt").returncode == 2
    done = pfring_command("stats", "-r", trace_file, "--plot", tmp_path / "no" / "x.png")
    assert done.returncode == 1
    assert "No such file" in done.stderr


def test_rates_add_up_also_when_time_is_long() -> None:
    survey = Survey()
    stamps = [1_700_000_000_000_000_000 + i * 60_000_000_000 for i in range(5000)]
    survey.add(pfring.Batch.from_packets((ts, bytes(60)) for ts in stamps).flows())
    seconds, packets, bits = survey.rates()
    assert len(seconds) == len(packets) == len(bits) <= 4097
    width = seconds[1] - seconds[0]
    assert sum(packets) * width == pytest.approx(5000)
    assert sum(bits) * width == pytest.approx(5000 * 480)
    assert survey.seconds == pytest.approx(4999 * 60)
    assert Survey().rates() == ([], [], [])
