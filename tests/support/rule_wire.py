# SPDX-License-Identifier: BSD-3-Clause
"""Rings with rules on a wire: what the tests of filtering rules in tests/netns share."""

from __future__ import annotations

import os
import socket

from pfring.lab.netns import Wire
from support.built import program
from support.rule_ring import RuleRing

LIBRARY = program("libpcap-pfring/libpfring.so")


def opened(wire: Wire, device: str, caplen: int = 0) -> RuleRing:
    with wire.rx.entered():
        return RuleRing(LIBRARY, device, caplen)


def send(wire: Wire, frames: list[bytes]) -> None:
    """Send frames as they are from one processor: a veth pair keeps order per processor only."""
    home = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(home)})
    with wire.tx.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as out:
        out.bind((Wire.SENDER, 0))
        for frame in frames:
            assert out.send(frame) == len(frame)
    os.sched_setaffinity(0, home)


def index(wire: Wire, device: str) -> int:
    with wire.rx.entered():
        return socket.if_nametoindex(device)


def take(ring: RuleRing, n: int) -> list[bytes]:
    """Read until n packets are accounted for: handed out or refused."""
    got: list[bytes] = []
    for _ in range(600):
        got += ring.batch(50) or []
        stats = ring.stats()
        if stats.delivered + stats.filtered_user >= n:
            break
    return got
