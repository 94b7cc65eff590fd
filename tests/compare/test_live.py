# SPDX-License-Identifier: BSD-3-Clause
"""Live: for every filter and every backend the packets, bytes and order that tcpdump captures.

One wire per group of filters: as many tcpdumps, and as many of our rings per
backend, look at the same 24,500 packets, the first 500 of them outgoing.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import pfring
import pytest
from pfring.lab import capfile
from pfring.lab.netns import Wire
from pfring.lab.replay import Replay
from pfring.lab.tcpdump import Counters, Tcpdump
from pfring.lab.trace import Trace
from support.backends import LIVE
from support.filters import DIRECTIONS, GROUPS

# The whole trace, so that nothing has to be read while it is sent, however long that takes:
# the kernel closes a block of a ring for packet: after so many seconds, full or not.
ROOM, HELD = 32 << 20, 1.0
OUTGOING = 500


def send_out(wire: Wire, frames: Sequence[bytes]) -> None:
    """Send from the capturing end itself."""
    with wire.rx.entered():
        out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    with out:
        for frame in frames:
            out.sendto(frame, (Wire.CAPTURE, 0))


class Saver:
    """Writes what comes on a ring to a file."""

    def __init__(self, ring: pfring.Ring, path: Path) -> None:
        self.ring = ring
        self._path = path
        self._dumper = pfring.Dumper(path, ring.linktype, 262_144)

    def save(self, timeout: float) -> int:
        """Save what has come, or comes within so many seconds; return how many packets."""
        return self.ring.save(self._dumper, 10_000, timeout=timeout)

    def finish(self, patience: float = 120) -> list[tuple[bytes, int]]:
        """Save the rest and read all of it back; the ring must not have dropped any.

        Nothing may be sent any more: what the ring has received is then all that is to come.
        """
        end = time.monotonic() + patience
        while (stats := self.ring.stats()).delivered < stats.recv and time.monotonic() < end:
            self.save(0.3)
        self._dumper.close()
        assert stats.drop == 0
        assert stats.recv == stats.delivered == self._dumper.written
        return [(r.data, r.length) for r in capfile.read(self._path)]


def save_all(ring: pfring.Ring, path: Path) -> list[tuple[bytes, int]]:
    return Saver(ring, path).finish()


def send_while_saving(replay: Replay, savers: Sequence[Saver]) -> int:
    """Send everything and read meanwhile, as captures do that last."""
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(replay.send)
        while not sending.done():
            for saver in savers:
                saver.save(0)
            time.sleep(0.02)
        return sending.result().packets


def finish_all(dumps: Sequence[Tcpdump]) -> list[Counters]:
    """Finish them together: the ring of each holds its last packets back for a second."""
    with ThreadPoolExecutor(len(dumps)) as pool:
        return list(pool.map(Tcpdump.finish, dumps))


@pytest.mark.parametrize("group", GROUPS)
def test_same_packets_as_tcpdump(group: str, wire: Wire, trace: Trace, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        ours = {}
        for i, (expression, backend) in enumerate(product(GROUPS[group], LIVE)):
            with wire.rx.entered():
                ring = pfring.open(
                    f"{backend}:{Wire.CAPTURE}", expression or None, buffer=ROOM, latency=HELD
                )
            ours[expression, backend] = Saver(
                stack.enter_context(ring), tmp_path / f"ours-{i}.pcap"
            )
        dumps = []
        for i, expression in enumerate(GROUPS[group]):
            options, filter_ = DIRECTIONS.get(expression, ((), expression))
            path = tmp_path / f"theirs-{i}.pcap"
            tcpdump = Tcpdump(wire.rx, Wire.CAPTURE, path, filter_, options=options)
            dumps.append(stack.enter_context(tcpdump))
        replay = stack.enter_context(Replay(wire, trace.frames))
        send_out(wire, trace.frames[:OUTGOING])
        assert send_while_saving(replay, list(ours.values())) == len(trace)
        wrong = []
        for expression, tcpdump, counters in zip(
            GROUPS[group], dumps, finish_all(dumps), strict=True
        ):
            assert counters.dropped == 0
            expected = [(r.data, r.length) for r in capfile.read(tcpdump.path)]
            assert len(expected) == counters.captured
            for backend in LIVE:
                found = ours[expression, backend].finish()
                if found != expected:
                    wrong.append(
                        f"{backend}, {expression or 'no filter'}: {len(found)} packets, "
                        f"tcpdump has {len(expected)}; {_first_difference(found, expected)}"
                    )
        assert not wrong, "\n".join(wrong)


def _first_difference(ours: list[tuple[bytes, int]], theirs: list[tuple[bytes, int]]) -> str:
    for i, (mine, other) in enumerate(zip(ours, theirs, strict=False)):
        if mine != other:
            return f"packet {i}: {mine[1]} bytes {mine[0][:64].hex()}, not {other[0][:64].hex()}"
    return "one is longer"


@pytest.mark.parametrize("backend", LIVE)
@pytest.mark.parametrize("snaplen", [68, 96, 1000])
def test_same_bytes_as_tcpdump_with_a_snap_length(
    snaplen: int, backend: str, wire: Wire, trace: Trace, tmp_path: Path
) -> None:
    expressions = ("", "vlan", "udp", "ip6 and tcp")
    options = ("-s", str(snaplen))
    with contextlib.ExitStack() as stack:
        rings, dumps = [], []
        for i, expression in enumerate(expressions):
            with wire.rx.entered():
                ring = pfring.open(
                    f"{backend}:{Wire.CAPTURE}",
                    expression or None,
                    snaplen=snaplen,
                    buffer=ROOM,
                    latency=HELD,
                )
            rings.append(stack.enter_context(ring))
            path = tmp_path / f"theirs-{i}.pcap"
            tcpdump = Tcpdump(wire.rx, Wire.CAPTURE, path, expression, options=options)
            dumps.append(stack.enter_context(tcpdump))
        stack.enter_context(Replay(wire, trace.frames[:6000])).send()
        finish_all(dumps)
        for i, (ring, tcpdump) in enumerate(zip(rings, dumps, strict=True)):
            expected = [(r.data, r.length) for r in capfile.read(tcpdump.path)]
            assert save_all(ring, tmp_path / f"ours-{i}.pcap") == expected
            assert any(len(data) < length for data, length in expected)


@pytest.mark.parametrize("backend", LIVE)
def test_a_filter_set_while_packets_are_queued(
    backend: str, wire: Wire, trace: Trace, tmp_path: Path
) -> None:
    """What tcpdump shows with the filter is what we show, whenever it was set."""
    expressions = ("vlan and vlan", "tcp port 443", "not vlan", "ip6")
    with contextlib.ExitStack() as stack:
        rings, dumps = [], []
        for i, expression in enumerate(expressions):
            with wire.rx.entered():
                ring = pfring.open(f"{backend}:{Wire.CAPTURE}", buffer=ROOM, latency=HELD)
            rings.append(stack.enter_context(ring))
            path = tmp_path / f"theirs-{i}.pcap"
            dumps.append(stack.enter_context(Tcpdump(wire.rx, Wire.CAPTURE, path, expression)))
        stack.enter_context(Replay(wire, trace.frames)).send()
        for ring, expression in zip(rings, expressions, strict=True):
            with wire.rx.entered():  # libpcap looks at the device to compile VLAN words
                ring.set_filter(expression)
        finish_all(dumps)
        for ring, tcpdump in zip(rings, dumps, strict=True):
            found = [data for _, data in iter_all(ring)]
            assert found == [r.data for r in capfile.read(tcpdump.path)]


def iter_all(ring: pfring.Ring) -> list[tuple[int, bytes]]:
    """Read until nothing more comes."""
    packets: list[tuple[int, bytes]] = []
    while (more := ring.read(10_000, timeout=0.3)) or not everything_is_read(ring):
        packets += more
    return packets


def everything_is_read(ring: pfring.Ring) -> bool:
    stats = ring.stats()
    return stats.delivered == stats.recv


@pytest.mark.parametrize("expression", ["", "tcp", "ip6", "udp port 53"])
def test_any_cooked_gives_what_tcpdump_shows(
    expression: str, wire: Wire, trace: Trace, tmp_path: Path
) -> None:
    """Linux cooked headers: packet type, ARP type, address and protocol of each packet."""
    # Since 6.11 a cooked socket is told a protocol behind tags that are still in the frame, but
    # only after the kernel's filter has run: what runs its filter later, as we do here, finds
    # more. So no such frames where there is a filter.
    tags = (b"\x81\x00", b"\x88\xa8")
    sent = [f for f in trace.frames[:5000] if not expression or f[16:18] not in tags]
    untagged = [f for f in sent if f[12:14] not in tags]
    path = tmp_path / "theirs.pcap"
    with wire.rx.entered():
        ring = pfring.open("packet:any", expression or None, cooked=True, buffer=ROOM, latency=HELD)
    options = ("-y", "LINUX_SLL", "-p")
    with (
        ring,
        Replay(wire, sent) as replay,
        Tcpdump(wire.rx, "any", path, expression, options=options) as tcpdump,
    ):
        send_out(wire, untagged[:100])
        replay.send()
        tcpdump.finish()
        expected = [(r.data, r.length) for r in capfile.read(path)]
        found = save_all(ring, tmp_path / "ours.pcap")
        assert found == expected, _first_difference(found, expected)
        assert len(expected) > 50
