# SPDX-License-Identifier: BSD-3-Clause
"""Where CMake put the C programs that Python tests run: build/dev, or what PFRING_BUILD says."""

from __future__ import annotations

import os
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILD = TOP / "build" / os.environ.get("PFRING_BUILD", "dev")


def program(path: str) -> Path:
    """Return a built program, as in "tests/netns/test_x"."""
    found = BUILD / path
    if not found.exists():
        raise FileNotFoundError(f"{found} is not built; ./dev test builds it")
    return found
