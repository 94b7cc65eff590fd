# SPDX-License-Identifier: BSD-3-Clause
"""Under load the books balance to the packet: sent = captured + filtered + dropped."""

from __future__ import annotations

import itertools
import threading
import time

import pfring
import pytest
from pfring.lab.netns import Wire
from pfring.lab.replay import Replay
from pfring.lab.trace import Trace, number
from support.backends import LIVE

LAPS = 12  # 288,000 packets


def is_ip6(frame: bytes) -> bool:
    """What the filter ip6 means to the kernel, which has taken the outer tag off."""
    at = 16 if frame[12:14] in (b"\x81\x00", b"\x88\xa8") else 12
    return frame[at : at + 2] == b"\x86\xdd"


def capture_while_sending(
    ring: pfring.Ring, replay: Replay, pause: float
) -> tuple[int, list[tuple[int, bytes]]]:
    """Send all laps as fast as it goes while reading; return what was sent and what came."""
    sent: list[int] = []
    thread = threading.Thread(target=lambda: sent.append(replay.send(laps=LAPS).packets))
    packets: list[tuple[int, bytes]] = []
    thread.start()
    while True:
        alive = thread.is_alive()
        more = ring.read(1024, timeout=0.3)
        packets += more
        if not more and not alive and (stats := ring.stats()).delivered == stats.recv:
            break
        time.sleep(pause)
    thread.join()
    return sent[0], packets


@pytest.mark.parametrize(
    ("buffer", "pause"), [(64 << 20, 0.0), (None, 0.0), (256 << 10, 0.02)], ids=str
)
@pytest.mark.parametrize("backend", LIVE)
def test_books_balance(
    backend: str, buffer: int | None, pause: float, wire: Wire, trace: Trace
) -> None:
    wanted = [is_ip6(frame) for frame in trace.frames]
    with wire.rx.entered():
        ring = pfring.open(f"{backend}:{Wire.CAPTURE}", "ip6", buffer=buffer)
    with ring, Replay(wire, trace.frames) as replay:
        sent, packets = capture_while_sending(ring, replay, pause)
        stats = ring.stats()
    assert sent == LAPS * len(trace)
    filtered = LAPS * wanted.count(False)
    assert len(packets) + stats.drop + filtered == sent
    assert stats.recv == stats.delivered == len(packets)
    numbers = [number(data) for _, data in packets]
    assert all(a < b for a, b in itertools.pairwise(numbers)), "out of order"
    assert all(wanted[n % len(trace)] for n in numbers)
    for _, data in packets[::101]:
        original = trace.frames[number(data) % len(trace)]
        assert (data[:8], data[12:]) == (original[:8], original[12:])
    if pause:
        assert stats.drop > 0, "the ring was never full: this shows nothing"
