# SPDX-License-Identifier: BSD-3-Clause
"""Reads a capture file once, one way, and prints the CPU nanoseconds per packet.

Run by modes.py in the bench's own environment: rx_file.py WAY PATH, WAY one of
pcapy (its loop callback), compat (the same over pfring.pcapy), ring (iterate
(ts_ns, bytes)), read (batches of 1024).
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from typing import Any


def by_callback(module: str, path: str) -> int:
    n = 0

    def count(header: Any, data: bytes) -> None:
        nonlocal n
        n += 1

    importlib.import_module(module).open_offline(path).loop(-1, count)
    return n


def by_iteration(path: str) -> int:
    import pfring  # the peer's process must not load it

    n = 0
    for _ts, _data in pfring.open(f"file:{path}"):
        n += 1
    return n


def by_batch(path: str) -> int:
    import pfring  # the peer's process must not load it

    n = 0
    ring = pfring.open(f"file:{path}")
    while packets := ring.read(1024):
        n += len(packets)
    return n


def main() -> None:
    way, path = sys.argv[1:]
    # Imports are measured elsewhere.
    importlib.import_module({"pcapy": "pcapy", "compat": "pfring.pcapy"}.get(way, "pfring"))
    start = time.process_time_ns()
    if way == "ring":
        n = by_iteration(path)
    elif way == "read":
        n = by_batch(path)
    else:
        n = by_callback("pcapy" if way == "pcapy" else "pfring.pcapy", path)
    spent = time.process_time_ns() - start
    print(json.dumps({"packets": n, "ns": spent / max(n, 1)}))


main()
