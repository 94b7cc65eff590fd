# SPDX-License-Identifier: BSD-3-Clause
"""`pfring stats`: what is in a capture file, or in some seconds of a live capture."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pfring

from ..shown import time_of
from ..survey import Survey, plot
from . import FAILED, OK, table
from .capture import _say, _seen_enough, _Stop

PICTURES = (".png", ".svg", ".pdf")
_TICK = 0.2


@dataclass(frozen=True)
class Options:
    """The command line."""

    source: str | Path
    filter: str | None
    duration: float | None
    top: int
    plot: Path | None


def survey_of(ring: pfring.Ring, stop: _Stop, duration: float | None) -> Survey:
    """Count until the end of the file, the time is over, or Ctrl-C."""
    survey = Survey()
    end = None if duration is None else time.monotonic() + duration
    while not stop.asked and not ring.eof:
        left = _TICK if end is None else end - time.monotonic()
        if left <= 0:
            break
        for flows in ring.flows(timeout=min(_TICK, left)):
            survey.add(flows)
            if stop.asked or (end is not None and time.monotonic() >= end):
                break
    return survey


def _show(survey: Survey, ring: pfring.Ring, live: bool, top: int) -> None:
    rows = [["packets", f"{survey.packets:,}"], ["bytes", f"{survey.bytes:,}"]]
    if survey.packets:
        seconds = max(survey.seconds, 1e-9)
        rows += [
            ["first", time_of(survey.first_ns)],
            ["last", time_of(survey.last_ns)],
            ["seconds", f"{survey.seconds:.3f}"],
            ["packets/s", f"{survey.packets / seconds:,.0f}"],
            ["Mbit/s", f"{survey.bytes * 8 / seconds / 1e6:,.3f}"],
            ["mean size", f"{survey.bytes / survey.packets:,.1f}"],
        ]
    if live:
        stats = ring.stats()
        rows += [["dropped", f"{stats.drop:,}"], ["dropped by interface", f"{stats.ifdrop:,}"]]
    table.show(["what", "value"], rows)
    total = max(survey.packets, 1)
    print()
    table.show(
        ["protocol", "packets", "share", "bytes"],
        [
            [name, f"{packets:,}", f"{packets / total:.1%}", f"{octets:,}"]
            for name, packets, octets in survey.protocols.top(top)
        ],
    )
    print()
    table.show(
        ["host", "packets", "share", "bytes"],
        [
            [host, f"{packets:,}", f"{packets / total:.1%}", f"{octets:,}"]
            for host, packets, octets in survey.talkers.top(top)
        ],
    )


def run(options: Options) -> int:
    """Count and show; returns the exit code."""
    stop = _Stop()
    live = not isinstance(options.source, Path)
    with stop.handling():
        try:
            with pfring.open(options.source, options.filter) as ring:
                stop.ring = ring
                survey = survey_of(ring, stop, options.duration)
                _show(survey, ring, live, options.top)
                sys.stdout.flush()
            if options.plot is not None:
                plot(survey, str(options.source), options.plot)
                print(f"\nplotted: {options.plot}", file=sys.stderr)
        except BrokenPipeError:
            return _seen_enough()
        except (OSError, ValueError, ImportError) as error:
            _say(getattr(error, "strerror", None) or str(error))
            return FAILED
    return OK
