# SPDX-License-Identifier: BSD-3-Clause
"""Loading and unloading pf_ring.ko, the one that PFRING_MODULE names."""

from __future__ import annotations

import os
import subprocess

from patience import until

MODULE = os.environ.get("PFRING_MODULE", "")


def load(*parameters: str) -> None:
    """Insert the module."""
    subprocess.run(["insmod", MODULE, *parameters], check=True)


def unload() -> None:
    """Remove the module; the last socket's memory may take a grace period to go."""
    command = ["rmmod", "pf_ring"]
    until(lambda: not subprocess.run(command, capture_output=True, check=False).returncode)
