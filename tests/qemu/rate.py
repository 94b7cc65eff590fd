# SPDX-License-Identifier: BSD-3-Clause
"""Counts how many packets a second a guest captures without losing one.

Beside libpcap in the same boot, turn by turn (programs/rate.c): an emulated
machine's speed means nothing, the ratio of two in it does. A guest whose clock
counts instructions gives the same rates every time; it has one processor. One
with two runs by the host's clock, and shows what they lose when one of them
sends while the other reads. For `./dev bench kernel-rate`.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import measured

SIZES = (60, 1514)  # on the wire without the checksum
COUNT = 20000


class Rate(NamedTuple):
    """Packets a second without loss, and what four rings lost at libpcap's rate."""

    none: int
    libpcap: int
    pfring: int
    lost: int
    four: int  # the rate that the sender reached with four rings


@functools.cache
def measure(*, counting: bool) -> dict[int, Rate]:
    """Boot once; the rates for each size. counting: by instructions, else by the host's clock."""
    commands = [f"rate v0 v1 {size} {COUNT}" for size in SIZES]
    lines = measured.run("rate", commands, counting=counting)
    return {size: Rate(*line) for size, line in zip(SIZES, lines, strict=True)}
