# SPDX-License-Identifier: BSD-3-Clause
"""batch.flows() over a batch in memory, on one core: CPU nanoseconds per packet.

Run by experiments.py in the bench's own environment: rx_columns.py WAY PATH, WAY one of flows
(batch.flows()), arrow (the same and to_arrow), struct (struct and a Counter, as people write it).
"""

from __future__ import annotations

import json
import struct
import sys
import time
from collections import Counter

PACKETS, ROUNDS = 65536, 40


def main() -> None:
    way, path = sys.argv[1:]
    import pfring

    with pfring.open(f"file:{path}") as ring:
        batch = next(ring.batches(PACKETS))
    rounds = 1 if way == "struct" else ROUNDS
    packets = [data for _, data in batch] if way == "struct" else []
    unpack = struct.Struct("!12xH9xB2xII").unpack_from
    tuples: Counter[tuple[int, ...]] = Counter()
    batch.flows().to_arrow()  # imports are measured elsewhere
    # Of this thread, which does all the work: NumPy's BLAS threads spin for a while after import.
    start = time.thread_time_ns()
    for _ in range(rounds):
        if way == "struct":
            for data in packets:
                tuples[unpack(data)] += 1
        else:
            flows = batch.flows()
            if way == "arrow":
                flows.to_arrow()
    spent = time.thread_time_ns() - start
    n = rounds * len(batch)
    print(json.dumps({"packets": n, "ns": spent / n}))


main()
