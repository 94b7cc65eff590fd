# SPDX-License-Identifier: BSD-3-Clause
"""Counts the instructions that a captured packet takes, beside libpcap in the same boot.

The guest's processor counts instructions as nanoseconds, so the figures are
the same on every machine and on a busy one. The system's libpcap reads through
TPACKET_V3; both sides, kernel and reader, are counted. For test_cost.py and
`./dev bench kernel-cost`.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import measured

SIZES = (60, 1514)  # on the wire without the checksum


class Cost(NamedTuple):
    """Instructions a packet: sending it, and what capturing it adds."""

    none: int
    libpcap: int
    pfring: int


class Rules(NamedTuple):
    """Instructions that capturing a UDP packet of 60 bytes adds to sending it, with rules."""

    none: int
    hash_10: int
    hash_10000: int
    wildcard_64: int


@functools.cache
def measure() -> tuple[dict[int, Cost], Rules]:
    """Boot once; the cost for each size, and of rules."""
    commands = [*(f"cost v0 v1 {size} 10000" for size in SIZES), "cost v0 v1 60 10000 rules"]
    *sizes, (base, *rules) = measured.run("cost", commands, counting=True)
    found = {
        size: Cost(none, pcap - none, ours - none)
        for size, (none, pcap, ours) in zip(SIZES, sizes, strict=True)
    }
    return found, Rules(*(total - base for total in rules))
