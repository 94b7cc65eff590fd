# SPDX-License-Identifier: BSD-3-Clause
"""Whether a thread or a process waits for packets: the kernel says in which call it sleeps."""

from __future__ import annotations

import time
from pathlib import Path

PATIENCE = 60  # seconds that only a hang lasts


def until_asleep(thread: int, process: int | str = "self") -> None:
    """Wait until a thread sleeps in poll(2), which a read that waits for packets does."""
    wchan = Path("/proc", str(process), "task", str(thread), "wchan")
    end = time.monotonic() + PATIENCE
    while "poll" not in (said := wchan.read_text(encoding="ascii")):
        assert time.monotonic() < end, f"it never waited for packets, but in {said}"
        time.sleep(0.005)
