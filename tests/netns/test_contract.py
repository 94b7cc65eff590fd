# SPDX-License-Identifier: BSD-3-Clause
"""The contract that every backend keeps: the cases of contract/, each for each backend.

The program is built by CMake: build/dev, or with the sanitizers where PFRING_BUILD
names another build. Every case has a wire of its own and runs inside its
capturing end.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pfring.lab.netns import Wire

BUILD = Path(__file__).resolve().parents[2] / "build" / os.environ.get("PFRING_BUILD", "dev")
CONTRACT = BUILD / "tests/netns/contract/contract"
BACKENDS = ("packet", "bpf", "file", "pcap")


def _cases() -> list[tuple[str, str]]:
    if not CONTRACT.exists():
        raise FileNotFoundError(f"{CONTRACT} is not built; run ./dev test netns")
    cases = []
    for backend in BACKENDS:
        listed = subprocess.run(
            [CONTRACT, "--list", backend], capture_output=True, text=True, check=True
        )
        cases += [(backend, case) for case in listed.stdout.split()]
    return cases


@pytest.mark.parametrize(("backend", "case"), _cases())
def test_contract(backend: str, case: str, wire: Wire, tmp_path: Path) -> None:
    done = wire.rx.run([CONTRACT, case, backend, wire.tx.name, tmp_path], timeout=90)
    assert done.returncode == 0, done.stderr or f"ended by signal {-done.returncode}"
