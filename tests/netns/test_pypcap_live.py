# SPDX-License-Identifier: BSD-3-Clause
"""pfring.pypcap on a device: packets, filter, counters, dispatch, direction, sending."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator

import pytest
from pfring import Error
from pfring import pypcap as pcap
from pfring.lab.netns import Wire
from pfring.lab.replay import Replay
from pfring.lab.trace import mixed_trace

pytestmark = pytest.mark.usefixtures("limit")
LIMIT = 60  # seconds; nothing here takes that long
FRAMES = list(mixed_trace(500).frames)


@pytest.fixture
def inside(wire: Wire) -> Iterator[Wire]:
    """The calling thread is on the receiving end."""
    with wire.rx.entered():
        yield wire


def send(wire: Wire, frames: list[bytes] = FRAMES) -> None:
    with Replay(wire, frames) as replay:
        assert replay.send().packets == len(frames)


def dispatched(capture: pcap.pcap, count: int) -> list[bytes]:
    """Dispatch until there are so many packets."""
    got: list[bytes] = []
    while len(got) < count:
        before = len(got)
        calls = capture.dispatch(count - before, lambda ts, data: got.append(data))
        assert calls == len(got) - before
    return got


def test_iterating_gives_every_frame_and_its_time(inside: Wire) -> None:
    capture = pcap.pcap("cap0", immediate=True)
    exact = pcap.pcap("cap0", immediate=True, timestamp_in_ns=True)
    before = time.time_ns()
    send(inside)
    got = [next(capture) for _ in FRAMES]
    ns = [next(exact) for _ in FRAMES]
    assert [data for _, data in got] == [data for _, data in ns] == FRAMES
    assert all(type(ts) is float for ts, _ in got)
    stamps = [ts for ts, _ in ns]
    assert all(type(ts) is int for ts in stamps)
    assert stamps == sorted(stamps)
    assert before <= stamps[0]
    assert stamps[-1] <= time.time_ns()
    assert any(ts % 1000 for ts in stamps)
    assert (capture.name, capture.datalink(), capture.dloff) == ("cap0", pcap.DLT_EN10MB, 14)
    capture.close()
    exact.close()


def test_dispatch_loop_and_readpkts_share_one_stream(inside: Wire) -> None:
    capture = pcap.pcap("cap0", immediate=True, timeout_ms=100)
    send(inside)
    got = dispatched(capture, 100)
    words: list[object] = []

    def on_packet(ts: float, data: bytes, *args: object) -> None:
        got.append(data)
        words.extend(args)

    capture.loop(100, on_packet, "word")
    assert words == ["word"] * 100
    while len(got) < len(FRAMES):
        got += [data for _, data in capture.readpkts()]
    assert got == FRAMES
    assert capture.readpkts() == []  # its timeout is over
    capture.setnonblock()
    assert capture.getnonblock() is True
    assert capture.dispatch(1, on_packet) == 0
    capture.close()


def test_a_filter_takes_force_and_the_books_balance(inside: Wire) -> None:
    capture = pcap.pcap("cap0", immediate=True)
    send(inside)
    assert dispatched(capture, len(FRAMES)) == FRAMES
    assert capture.stats() == (len(FRAMES), 0, 0)
    with pytest.raises(OSError, match="syntax error"):
        capture.setfilter("tcp prt 80")
    assert "syntax error" in capture.geterr()
    capture.setfilter("ether[11] & 1 = 0")
    wanted = [frame for frame in FRAMES if frame[11] % 2 == 0]
    assert 0 < len(wanted) < len(FRAMES)
    send(inside)
    assert dispatched(capture, len(wanted)) == wanted
    received, dropped, lost = capture.stats()
    assert received in (len(FRAMES) + len(wanted), 2 * len(FRAMES))
    assert (dropped, lost) == (0, 0)
    capture.close()
    capture.close()


def test_direction_sending_and_select(inside: Wire) -> None:
    capture = pcap.pcap("cap0", immediate=True)
    assert capture.setdirection(pcap.PCAP_D_IN)
    with inside.tx.entered():
        far = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        far.bind(("gen0", 3))
        far.settimeout(LIMIT)
    own = b"\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x88\xb5" + bytes(46)
    assert select.select([capture.fd], [], [], 0)[0] == []
    assert capture.sendpacket(own) == len(own)
    assert far.recv(2000) == own
    far.close()
    send(inside, FRAMES[:20])
    assert select.select([capture], [], [], LIMIT)[0] == [capture]
    assert dispatched(capture, 20) == FRAMES[:20]  # and not our own
    capture.close()


def test_devices_are_found_and_a_missing_one_is_told(inside: Wire) -> None:
    del inside
    assert "cap0" in pcap.findalldevs()
    assert pcap.lookupdev() == "cap0"
    assert pcap.lookupnet("cap0") == (bytes(4), bytes(4))
    with pytest.raises(Error, match="nothing0"):
        pcap.pcap("nothing0")
