# SPDX-License-Identifier: BSD-3-Clause
"""Loading and unloading pf_ring.ko, the one that PFRING_MODULE names."""

from __future__ import annotations

import os
import subprocess
import time

MODULE = os.environ.get("PFRING_MODULE", "")


def load(*parameters: str) -> None:
    """Insert the module."""
    subprocess.run(["insmod", MODULE, *parameters], check=True)


def unload() -> None:
    """Remove the module; the last socket's memory may take a grace period to go."""
    for _ in range(100):
        done = subprocess.run(["rmmod", "pf_ring"], capture_output=True, text=True, check=False)
        if not done.returncode:
            return
        time.sleep(0.1)
    raise AssertionError(done.stderr)
