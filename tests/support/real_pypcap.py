# SPDX-License-Identifier: BSD-3-Clause
"""pypcap itself, which our pfring.pypcap is compared with, in a folder of the cache.

Not in requirements.txt: it comes as source only and would be built into every environment, and its
module is called pcap, which programs of other tests must not find.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

VERSION = "1.3.0"
CACHE = Path(__file__).parents[2] / ".cache/pypcap"


def pypcap_path() -> Path:
    """Return a folder to put on sys.path; pip fetches and builds it the first time."""
    folder = CACHE / f"{VERSION}-{sys.implementation.cache_tag}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not any(folder.glob("pcap.*.so")):
            # Unoptimised, the generated source compiles in a quarter of the time.
            subprocess.run(
                [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps",
                 "--target", str(folder), f"pypcap=={VERSION}"],
                check=True, timeout=300, env=os.environ | {"CFLAGS": "-O0 -g0 -w"},
            )  # fmt: skip
    return folder
