# SPDX-License-Identifier: BSD-3-Clause
"""Other versions of scapy than the one in .venv, in a folder of the cache each."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

OLDEST_AND_NEWEST = ("2.5.0", "2.8.0")
CACHE = Path(__file__).parents[2] / ".cache/scapy"


def scapy_path(version: str) -> Path:
    """Return a folder to put on sys.path; pip fetches it the first time."""
    folder = CACHE / version
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "scapy").is_dir():
            subprocess.run(
                [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps",
                 "--target", str(folder), f"scapy=={version}"],
                check=True, timeout=300,
            )  # fmt: skip
    return folder
