# SPDX-License-Identifier: BSD-3-Clause
"""`pfring capture`: packets of a ring into a file, or onto standard output as lines.

Into a file no packet passes through Python (Ring.save). Whatever ends the
capture (Ctrl-C, SIGTERM, the count, a full disk, a vanished device), what was
captured before it is in the file, and the totals say how much that is.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Protocol

import pfring

from . import FAILED, OK
from .meter import Meter

_TICK = 0.25  # seconds between two looks at the clock, and of the live line
_BATCH = 256
_HELD_BACK = 0.1  # seconds; longer than a ring holds packets back to make a batch
_INSIST = 2


@dataclass(frozen=True)
class Options:
    """The command line."""

    source: str | Path
    filter: str | None = None
    write: Path | None = None
    format: str | None = None
    count: int | None = None
    duration: float | None = None
    snaplen: int = 0
    promisc: bool = True
    buffer: int | None = None
    immediate: bool = False
    direction: str = "inout"


def is_terminal(fd: int) -> bool:
    """Tell whether a person reads what is written there."""
    try:
        return os.isatty(fd)
    except OSError:
        return False


class _Sink(Protocol):
    """Where the packets go."""

    def take(self, ring: pfring.Ring, n: int, timeout: float) -> int: ...
    def tick(self) -> None: ...
    def close(self) -> None: ...


class _File:
    """A capture file."""

    def __init__(self, path: Path, ring: pfring.Ring, format: str | None) -> None:
        by_name = "pcapng" if path.suffix.lower() in (".pcapng", ".ntar") else "pcap"
        self._dumper = pfring.Dumper(path, ring.linktype, ring.snaplen, format or by_name)  # type: ignore[arg-type]
        self._pipe = not path.is_file()

    def take(self, ring: pfring.Ring, n: int, timeout: float) -> int:
        taken = ring.save(self._dumper, n, timeout)
        if self._pipe and taken:
            self._dumper.flush()  # somebody waits at the other end
        return taken

    def tick(self) -> None:
        """Leave at most a tick's packets unwritten, should we be killed."""
        self._dumper.flush()

    def close(self) -> None:
        self._dumper.close()


class _Lines:
    """A line per packet on standard output."""

    def __init__(self) -> None:
        from .oneline import line

        self._line = line

    def take(self, ring: pfring.Ring, n: int, timeout: float) -> int:
        packets = ring.read(n, timeout=timeout)
        linktype = ring.linktype
        sys.stdout.writelines(f"{self._line(ts, data, linktype)}\n" for ts, data in packets)
        if packets:
            sys.stdout.flush()
        return len(packets)

    def tick(self) -> None:
        pass

    def close(self) -> None:
        pass


class _Stop:
    """Ctrl-C and SIGTERM: the wait under way ends, nothing is interrupted half-way."""

    def __init__(self) -> None:
        self.asked = 0
        self.ring: pfring.Ring | None = None

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.asked += 1
        if self.ring is not None:
            self.ring.breakloop()

    @contextlib.contextmanager
    def handling(self) -> Iterator[None]:
        old = {s: signal.signal(s, self._handle) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)


@dataclass
class _Totals:
    captured: int = 0
    drop: int = 0
    ifdrop: int = 0

    def look(self, ring: pfring.Ring) -> None:
        """Read the ring's counters; those of a vanished device stay as last seen."""
        with contextlib.suppress(pfring.Error):
            stats = ring.stats()
            self.drop, self.ifdrop = stats.drop, stats.ifdrop


def _say(text: str) -> None:
    print(f"pfring: {text}", file=sys.stderr, flush=True)


def _open(options: Options) -> pfring.Ring:
    source = options.source
    return pfring.open(
        source,
        options.filter,
        snaplen=options.snaplen,
        promisc=options.promisc,
        immediate=options.immediate,
        buffer=options.buffer,
        direction=options.direction,  # type: ignore[arg-type]
        # In a file each packet of "any" says where it came from, as tcpdump writes it.
        cooked=options.write is not None and str(source).rpartition(":")[2] == "any",
    )


def _copy(
    ring: pfring.Ring, sink: _Sink, options: Options, stop: _Stop, totals: _Totals, meter: Meter
) -> None:
    end = None if options.duration is None else time.monotonic() + options.duration
    ticked = time.monotonic()
    while not stop.asked:
        now = time.monotonic()
        left = _BATCH if options.count is None else options.count - totals.captured
        if left <= 0 or (end is not None and now >= end):
            break
        wait = _TICK if end is None else min(_TICK, end - now)
        taken = sink.take(ring, min(left, _BATCH), wait)
        totals.captured += taken
        if not taken and ring.eof:
            return
        if now - ticked >= _TICK:
            ticked = now
            sink.tick()
            totals.look(ring)
            meter.show(totals.captured, totals.drop)
    if options.count is None:
        _drain(ring, sink, stop, totals)


def _drain(ring: pfring.Ring, sink: _Sink, stop: _Stop, totals: _Totals) -> None:
    """Take what had entered the ring when the capture was ended; a second Ctrl-C gives that up."""
    stats = ring.stats()
    left, misses = stats.recv - stats.delivered, 0
    while left > 0 and misses < 2 and stop.asked < _INSIST:
        taken = sink.take(ring, min(left, _BATCH), _HELD_BACK)
        misses += not taken  # the first may be the breakloop() of the signal
        totals.captured += taken
        left -= taken


def _summary(ring: pfring.Ring, options: Options, totals: _Totals) -> str:
    where = f"; backend {ring.backend} ({ring.backend_reason})"
    if isinstance(options.source, Path):
        return f"{totals.captured} packets read from {options.source}{where}"
    return (
        f"{totals.captured} captured, {totals.drop} dropped, "
        f"{totals.ifdrop} dropped by interface{where}"
    )


def _capture(ring: pfring.Ring, options: Options, stop: _Stop, totals: _Totals) -> None:
    """Open the sink and copy into it; whatever happens, the sink is closed and the books read."""
    sink: _Sink = _Lines()
    if options.write is not None:
        sink = _File(options.write, ring, options.format)
    if not isinstance(options.source, Path):
        _say(f"capturing on {options.source} by {ring.backend}, Ctrl-C ends")
    live = options.write is not None and is_terminal(2)
    try:
        with Meter(live, f"{options.source} by {ring.backend}", options.write) as meter:
            _copy(ring, sink, options, stop, totals, meter)
    finally:
        totals.look(ring)
        sink.close()


def _seen_enough() -> int:
    """Whoever read our output has gone: nothing more may be flushed into it. No failure."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return OK


def run(options: Options) -> int:
    """Capture; returns the exit code."""
    stop, totals, failure = _Stop(), _Totals(), ""
    with stop.handling():
        try:
            ring = stop.ring = _open(options)
        except (pfring.Error, ValueError) as error:
            _say(getattr(error, "strerror", None) or str(error))
            return FAILED
        with ring:
            try:
                _capture(ring, options, stop, totals)
            except OSError as error:
                if error.errno == errno.EPIPE:
                    _seen_enough()
                else:
                    failure = error.strerror or str(error)
            if failure:
                _say(failure)
            _say(_summary(ring, options, totals))
    return FAILED if failure else OK
