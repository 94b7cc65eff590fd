# SPDX-License-Identifier: BSD-3-Clause
"""The Python receivers: one way of reading each, counting, nothing else.

Run by modes.py in the bench's own environment. Prints "ready", counts until
SIGINT, prints one JSON object like the C receivers of rx.h. The loops are as
a user writes them; --verify swaps in ones that look at sequence numbers.

    rx_python.py WAY SOURCE [--module pcapy|pfring.pcapy] [--snaplen N] [--verify]
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import struct
from collections.abc import Callable
from typing import Any

MAGIC, POKE = 0x70667262, 0xFFFFFFFF


class Verdict:
    """Follows the sequence numbers of stream 0 (frame.h)."""

    def __init__(self) -> None:
        self.packets = self.missing = self.bad = self.next = 0

    def look(self, data: bytes) -> None:
        magic, flow, seq = struct.unpack_from("=IIQ", data, 42)
        if magic != MAGIC or flow == POKE:
            return
        self.packets += 1
        if seq < self.next or data[-1] != 0xA5:
            self.bad += 1
        else:
            self.missing += seq - self.next
        self.next = seq + 1


def loop(reader: Any, verdict: Verdict | None) -> Callable[[], int]:
    n = 0

    def count(header: Any, data: bytes) -> None:
        nonlocal n
        n += 1

    def verify(header: Any, data: bytes) -> None:
        assert verdict
        verdict.look(data)

    def go() -> int:
        with contextlib.suppress(KeyboardInterrupt):
            reader.loop(-1, verify if verdict else count)
        return n

    return go


def fields(reader: Any, verdict: Verdict | None) -> Callable[[], int]:
    n = total = last = 0

    def count(header: Any, data: bytes) -> None:
        nonlocal n, total, last
        last, _ = header.getts()
        total += header.getlen()
        n += 1

    def verify(header: Any, data: bytes) -> None:
        assert verdict
        if header.getlen() != header.getcaplen():
            verdict.bad += 1
        verdict.look(data)

    def go() -> int:
        with contextlib.suppress(KeyboardInterrupt):
            reader.loop(-1, verify if verdict else count)
        return n

    return go


def next_packet(reader: Any, verdict: Verdict | None) -> Callable[[], int]:
    def go() -> int:
        n = 0
        try:
            while True:
                header, data = reader.next()
                if header is not None:
                    if verdict:
                        verdict.look(data)
                    n += 1
        except KeyboardInterrupt:
            return n

    return go


def read_batch(ring: Any, verdict: Verdict | None) -> Callable[[], int]:
    def go() -> int:
        n = 0
        try:
            while True:
                packets = ring.read(1024)
                if verdict:
                    for _, data in packets:
                        verdict.look(data)
                n += len(packets)
        except KeyboardInterrupt:
            return n

    return go


def iterate(ring: Any, verdict: Verdict | None) -> Callable[[], int]:
    def go() -> int:
        n = 0
        try:
            for _, data in ring:
                if verdict:
                    verdict.look(data)
                n += 1
        except KeyboardInterrupt:
            pass
        return n

    return go


def batches(ring: Any, verdict: Verdict | None, **options: bool) -> Callable[[], int]:
    def go() -> int:
        n = 0
        try:
            for batch in ring.batches(**options):
                if verdict:
                    for _, data in batch:
                        verdict.look(data)
                n += len(batch)
        except KeyboardInterrupt:
            pass
        return n

    return go


def views(ring: Any, verdict: Verdict | None) -> Callable[[], int]:
    return batches(ring, verdict, copy=False)


def flows(ring: Any, verdict: Verdict | None) -> Callable[[], int]:
    if verdict:  # the columns hold no sequence numbers; the bytes come the same way
        return batches(ring, verdict)

    def go() -> int:
        n = 0
        try:
            for columns in ring.flows():
                n += len(columns)
        except KeyboardInterrupt:
            pass
        return n

    return go


# Ways of a Ring; the others are pcapy's.
RING = {"read": read_batch, "iter": iterate, "batches": batches, "views": views, "flows": flows}


def main() -> None:
    p = argparse.ArgumentParser()
    p.add_argument("way", choices=["loop", "fields", "next", *RING])
    p.add_argument("source")
    p.add_argument("--module", default="pcapy")
    p.add_argument("--snaplen", type=int, default=65535)
    p.add_argument("--verify", action="store_true")
    a = p.parse_args()

    verdict = Verdict() if a.verify else None
    if a.way in RING:
        import pfring  # the peer's process must not load it

        # latency: packets may be held back as long as the peer's to_ms of 100 allows.
        source: Any = pfring.open(a.source, snaplen=a.snaplen, latency=0.1)
        go = RING[a.way](source, verdict)
    else:
        source = importlib.import_module(a.module).open_live(a.source, a.snaplen, 1, 100)
        go = {"loop": loop, "fields": fields, "next": next_packet}[a.way](source, verdict)
    print("ready", flush=True)
    n = go()
    if verdict:
        result = {"packets": verdict.packets, "missing": verdict.missing, "bad": verdict.bad}
    else:
        result = {"packets": n}
    print(json.dumps(result), flush=True)


main()
