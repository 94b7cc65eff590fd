# SPDX-License-Identifier: BSD-3-Clause
"""sniff(offline=...) over pfring is scapy's own in every form, and dissects when somebody looks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pcapy_support import files_in
from pfring.lab.trace import Trace
from support.scapy_versions import OLDEST_AND_NEWEST, scapy_path

PROGRAM = Path(__file__).parent / "programs/scapy_offline.py"


def compared(trace: Trace, folder: Path, path: dict[str, str], *words: str) -> dict[str, Any]:
    files_in(folder, trace.frames[:60])
    (folder / "many.pcap").unlink()
    done = subprocess.run(
        [sys.executable, PROGRAM, folder, *words],
        capture_output=True, text=True, check=False, timeout=500, env=path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert told["wrong"] == [], done.stderr[-3000:]
    return told


def test_every_form_gives_what_scapy_gives(trace: Trace, tmp_path: Path) -> None:
    told = compared(trace, tmp_path, {"PATH": "/usr/bin:/usr/sbin"})
    assert told["compared"] > 140
    assert told["lazy"] > 1000
    assert told["filtered"] > 500


@pytest.mark.parametrize("version", OLDEST_AND_NEWEST)
def test_other_versions_of_scapy_give_the_same(trace: Trace, tmp_path: Path, version: str) -> None:
    path = {"PYTHONPATH": str(scapy_path(version)), "PATH": "/usr/bin:/usr/sbin"}
    told = compared(trace, tmp_path, path, "few")
    assert told["version"] == version
    assert told["lazy"] > 500
    assert told["filtered"] > 150
