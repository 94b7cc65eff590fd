# SPDX-License-Identifier: BSD-3-Clause
"""`pfring top`: what goes over a device now; a screen for a person, lines for a program."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pfring

from ..records import Lane, Stats
from ..survey import Survey
from . import FAILED, OK
from .capture import _say, _seen_enough, _Stop

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_ROWS = 10
_HEAD = (
    "time",
    "packets/s",
    "Mbit/s",
    "dropped",
    "fill",
    "protocols",
    "top host",
    "queues",
    "lanes",
)


@dataclass(frozen=True)
class Options:
    """The command line."""

    source: str
    filter: str | None
    interval: float
    count: int | None


@dataclass(frozen=True)
class Moment:
    """One interval."""

    survey: Survey
    seconds: float
    drops: int
    stats: Stats
    lanes: list[Lane]
    """What each lane has taken and dropped in the interval, and holds now."""

    @property
    def rate(self) -> float:
        """Packets per second, with those that were dropped."""
        return (self.survey.packets + self.drops) / self.seconds

    @property
    def mbits(self) -> float:
        """Megabits per second of what was captured."""
        return self.survey.bytes * 8 / self.seconds / 1e6

    @property
    def fill(self) -> float:
        """Share of the ring that holds packets."""
        return self.stats.queued_bytes / max(1, self.stats.ring_bytes)


def _since(before: list[Lane], now: list[Lane]) -> list[Lane]:
    """Return what happened in each lane; a ring that is changed over has other lanes at once."""
    if len(before) != len(now):
        return now
    return [
        n._replace(
            accepted=n.accepted - b.accepted,
            dropped=n.dropped - b.dropped,
            wakeups=n.wakeups - b.wakeups,
        )
        for b, n in zip(before, now, strict=True)
    ]


def _moment(
    ring: pfring.Ring, stop: _Stop, interval: float, before: tuple[Stats, list[Lane]]
) -> tuple[Moment, tuple[Stats, list[Lane]]]:
    survey, start = Survey(), time.monotonic()
    while not stop.asked and (left := start + interval - time.monotonic()) > 0:
        for flows in ring.flows(timeout=left):
            survey.add(flows)
            if stop.asked or time.monotonic() >= start + interval:
                break
    stats, lanes = ring.stats(), ring.lanes()
    seconds = max(time.monotonic() - start, 1e-3)
    moment = Moment(survey, seconds, stats.drop - before[0].drop, stats, _since(before[1], lanes))
    return moment, (stats, lanes)


def _line(moment: Moment) -> str:
    talkers = moment.survey.talkers.top(1)
    protocols = ",".join(f"{n}:{p}" for n, p, _ in moment.survey.protocols.top(3))
    queues = ",".join(f"{_queue(q)}:{n}" for q, (n, _) in sorted(moment.survey.queues.items()))
    lanes = ",".join(f"{lane.accepted}/{lane.dropped}" for lane in moment.lanes)
    return "\t".join(
        [
            time.strftime("%H:%M:%S"),
            f"{moment.rate:.0f}",
            f"{moment.mbits:.3f}",
            str(moment.drops),
            f"{moment.fill:.3f}",
            protocols or "-",
            talkers[0].address if talkers else "-",
            queues or "-",
            lanes or "-",
        ]
    )


def _queue(number: int) -> str:
    return "?" if number < 0 else str(number)


def _ring_tables(moment: Moment) -> list[Table]:
    """Return a row for each receive queue, where they are known, and for each lane of the ring."""
    from rich.table import Table

    tables = []
    if any(number >= 0 for number in moment.survey.queues):
        table = Table("queue", box=None, header_style="bold", min_width=36)
        table.add_column("packets/s", justify="right")
        table.add_column("Mbit/s", justify="right")
        for number, (packets, octets) in sorted(moment.survey.queues.items()):
            rate = f"{packets / moment.seconds:,.0f}"
            table.add_row(_queue(number), rate, f"{octets * 8 / moment.seconds / 1e6:,.3f}")
        tables.append(table)
    if moment.lanes:
        table = Table("lane", box=None, header_style="bold", min_width=36)
        for name in ("packets/s", "dropped", "full"):
            table.add_column(name, justify="right")
        for number, lane in enumerate(moment.lanes):
            dropped = f"{lane.dropped:,}"
            table.add_row(
                str(number),
                f"{lane.accepted / moment.seconds:,.0f}",
                f"[bold red]{dropped}" if lane.dropped else dropped,
                f"{lane.queued / max(1, lane.bytes):.0%}",
            )
        tables.append(table)
    return tables


def _screen(ring: pfring.Ring, moment: Moment) -> RenderableType:
    from rich.columns import Columns
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    head = Text()
    head.append(f"{ring.source} by {ring.backend}  ", "bold")
    head.append(f"{moment.rate:,.0f} packets/s  {moment.mbits:,.2f} Mbit/s  ")
    head.append(f"{moment.drops:,} dropped", "bold red" if moment.drops else "green")
    head.append(f" (in all {moment.stats.drop:,})  ring {moment.fill:.0%} full", "dim")
    tables = []
    hosts = [(t.address, t.packets, t.bytes) for t in moment.survey.talkers.top(_ROWS)]
    for what, rows in (("protocol", moment.survey.protocols.top(_ROWS)), ("host", hosts)):
        table = Table(what, box=None, header_style="bold", min_width=36)
        table.add_column("packets/s", justify="right")
        table.add_column("Mbit/s", justify="right")
        for name, packets, octets in rows:
            rate = f"{packets / moment.seconds:,.0f}"
            table.add_row(name, rate, f"{octets * 8 / moment.seconds / 1e6:,.3f}")
        tables.append(table)
    parts: list[RenderableType] = [Columns(tables, padding=(0, 4)), Text("")]
    if below := _ring_tables(moment):
        parts += [Columns(below, padding=(0, 4)), Text("")]
    return Group(head, Text(""), *parts, Text("Ctrl-C ends", "dim"))


def _watch(ring: pfring.Ring, options: Options, stop: _Stop) -> None:
    before, done = (ring.stats(), ring.lanes()), 0
    if not sys.stdout.isatty():
        print("\t".join(_HEAD), flush=True)
        while not stop.asked and done != options.count:
            moment, before = _moment(ring, stop, options.interval, before)
            done += 1
            print(_line(moment), flush=True)
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(), screen=True, auto_refresh=False) as live:
        while not stop.asked and done != options.count:
            moment, before = _moment(ring, stop, options.interval, before)
            done += 1
            live.update(_screen(ring, moment), refresh=True)


def run(options: Options) -> int:
    """Watch until Ctrl-C; returns the exit code."""
    stop = _Stop()
    with stop.handling():
        try:
            with pfring.open(options.source, options.filter) as ring:
                stop.ring = ring
                _watch(ring, options, stop)
        except BrokenPipeError:
            return _seen_enough()
        except (OSError, ValueError, ImportError) as error:
            _say(getattr(error, "strerror", None) or str(error))
            return FAILED
    return OK
