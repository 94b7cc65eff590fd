# SPDX-License-Identifier: BSD-3-Clause
"""Counts how many packets a second a guest with two processors captures without losing one.

Beside libpcap in the same boot, turn by turn (programs/rate.c): an emulated
machine's speed means nothing, the ratio of two in it does. For
`./dev bench kernel-rate`.
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
def measure() -> dict[int, Rate]:
    """Boot once; the rates for each size."""
    lines = measured.run("rate", [f"rate v0 v1 {size} {COUNT}" for size in SIZES])
    return {size: Rate(*line) for size, line in zip(SIZES, lines, strict=True)}
