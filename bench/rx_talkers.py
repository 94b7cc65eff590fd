# SPDX-License-Identifier: BSD-3-Clause
"""Counts a capture file by protocol and source address, one way; CPU nanoseconds per packet.

Run by experiments.py in the bench's own environment: rx_talkers.py WAY PATH, WAY one of flows
(ring.flows(), NumPy and Talkers), numpy (ring.flows(), NumPy alone), struct (pcapy-ng's loop and
struct, as people write it), scapy (PcapReader; 20,000 packets stand for all).
"""

from __future__ import annotations

import json
import struct
import sys
import time
from collections import Counter
from typing import Any

SCAPY_PACKETS = 20_000


def by_flows(path: str) -> tuple[int, Any]:
    import numpy as np
    import pfring

    protocols, talkers = np.zeros(256, np.int64), pfring.Talkers()
    with pfring.open(f"file:{path}") as ring:
        for flows in ring.flows(16384):
            protocols += flows.count("proto")
            talkers.add(flows)
    top = {row.address: row.packets for row in talkers.top(10)}
    return int(protocols.sum()), [protocols.nonzero()[0].tolist(), sorted(top.values())]


def by_numpy(path: str) -> tuple[int, Any]:
    import numpy as np
    import pfring

    protocols = np.zeros(256, np.int64)
    hosts: Counter[int] = Counter()
    with pfring.open(f"file:{path}") as ring:
        for flows in ring.flows(65536):
            protocols += np.bincount(flows.proto, minlength=256)
            values, counts = np.unique(flows.src, return_counts=True)
            hosts.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
    top = sorted(n for _, n in hosts.most_common(10))
    return int(protocols.sum()), [protocols.nonzero()[0].tolist(), top]


def by_struct(path: str) -> tuple[int, Any]:
    import pcapy

    protocols: Counter[int] = Counter()
    hosts: Counter[int] = Counter()
    unpack = struct.Struct("!12xH9xB2xI").unpack_from

    def look(header: Any, data: bytes) -> None:
        kind, proto, src = unpack(data)
        if kind == 0x0800:
            protocols[proto] += 1
            hosts[src] += 1

    pcapy.open_offline(path).loop(-1, look)
    top = sorted(n for _, n in hosts.most_common(10))
    return sum(protocols.values()), [sorted(protocols), top]


def by_scapy(path: str) -> tuple[int, Any]:
    from scapy.layers.inet import IP
    from scapy.utils import PcapReader

    protocols: Counter[int] = Counter()
    hosts: Counter[str] = Counter()
    n = 0
    with PcapReader(path) as reader:
        for packet in reader:
            if IP in packet:
                protocols[packet[IP].proto] += 1
                hosts[packet[IP].src] += 1
            n += 1
            if n == SCAPY_PACKETS:
                break
    return n, None


def main() -> None:
    way, path = sys.argv[1:]
    count = {"flows": by_flows, "numpy": by_numpy, "struct": by_struct, "scapy": by_scapy}[way]
    # Imports are measured elsewhere.
    if way == "scapy":
        import scapy.layers.inet  # noqa: F401
    elif way != "struct":
        import numpy  # noqa: F401
        import pfring.batch
        import pfring.tally  # noqa: F401
    # Of this thread, which does all the work: NumPy's BLAS threads spin for a while after import.
    start = time.thread_time_ns()
    n, answer = count(path)
    spent = time.thread_time_ns() - start
    print(json.dumps({"packets": n, "ns": spent / max(n, 1), "answer": answer}))


main()
