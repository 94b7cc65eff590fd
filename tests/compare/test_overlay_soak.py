# SPDX-License-Identifier: BSD-3-Clause
"""Our libpcap.so under everything at once: soak.c, plain and with ThreadSanitizer.

A few seconds; PFRING_SOAK=600 in the environment makes it ten minutes.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from pfring.lab.netns import Wire
from support.overlay import BUILD, LIBRARY, Way, environment, took

TOP = Path(__file__).parents[2]
SECONDS = int(os.environ.get("PFRING_SOAK", "2"))
LINE = re.compile(
    r"^(\d+) rounds, (\d+) sent, (\d+) delivered, (\d+) breaks, memory (\d+) then (\d+) KiB$"
)

pytestmark = pytest.mark.timeout(SECONDS * 3 + 900)


def soak(wire: Wire, build: Path, backend: str, **env: str) -> int:
    """Run it; return by how many KiB its memory grew after the fourth round."""
    library = build / LIBRARY.relative_to(BUILD)
    way = Way("LD_LIBRARY_PATH", backend)
    done = wire.rx.run(
        ["setarch", "-R", build / "tests/compare/soak", wire.tx.name, str(SECONDS)],
        env=environment(way, LD_LIBRARY_PATH=str(library.parent), **env),
        timeout=SECONDS * 3 + 300,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    line = LINE.match(done.stdout)
    assert line, done.stdout
    rounds, sent, delivered, breaks, before, after = map(int, line.groups())
    assert rounds >= 4
    assert breaks > 0
    assert 0 < delivered <= sent
    assert {path for _, path in took(done.stderr)} == {backend}
    return after - before


@pytest.mark.parametrize("backend", ["packet", "bpf"])
def test_books_balance_and_memory_is_flat(wire: Wire, backend: str) -> None:
    # One more handle may be open at either time: its ring of 16 MiB, and what it needs itself
    # (172 KiB were seen).
    assert abs(soak(wire, BUILD, backend)) < 18_432


@pytest.fixture(scope="module")
def sanitized() -> Path:
    """The build with ThreadSanitizer, of just what the soak needs."""
    for command in (
        ["cmake", "--preset", "tsan"],
        ["cmake", "--build", "--preset", "tsan", "--target", "soak", "pcap_overlay"],
    ):
        done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return TOP / "build/tsan"


@pytest.mark.parametrize("backend", ["packet", "bpf"])
def test_threads_do_not_race(wire: Wire, sanitized: Path, backend: str) -> None:
    soak(wire, sanitized, backend, TSAN_OPTIONS="halt_on_error=1 exitcode=66")
