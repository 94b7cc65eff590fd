# SPDX-License-Identifier: BSD-3-Clause
"""The inside of a worker of fanout.py: open a ring, join the cluster, run the function.

Runs in a forked process. Ctrl-C is the parent's business; a worker stops when its pipe is closed,
which also happens when the parent dies.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from .batch import Batch

# How often a worker without packets looks at its pipe, and says how far it is.
TICK = 0.1
STATS_SECONDS = 0.5
# Seconds a packet may be on its way from its time stamp to us, over the latency that was asked for.
HELD = 0.1


@dataclass(frozen=True)
class Job:
    """What all workers of one call have in common."""

    source: str
    fn: Callable[[Batch], Any]
    balance: str
    batch: int
    cluster: int
    ordered: bool
    options: dict[str, Any]


class _Gone(Exception):
    """The parent has closed its end."""


class _Parent:
    """The pipe to the parent."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def tell(self, kind: str, ts_ns: int = 0, value: object = None) -> None:
        try:
            self._pipe.send((kind, ts_ns, value))
        except (BrokenPipeError, ConnectionResetError):
            raise _Gone from None

    def check(self) -> None:
        if self._pipe.poll():  # nothing is ever sent this way: it was closed
            raise _Gone


def run(job: Job, number: int, pipe: Connection, others: list[Connection]) -> None:
    """Be a worker until the parent closes the pipe."""
    del number
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for other in others:  # or the end of the parent would not be seen
        other.close()
    parent = _Parent(pipe)
    try:
        try:
            _work(job, parent)
        except _Gone:
            pass
        except BaseException as e:
            parent.tell("failed", 0, _portable(e))
    except _Gone:
        pass
    finally:
        sys.stdout.flush()
        os._exit(0)  # not the parent's exit handlers


def _work(job: Job, parent: _Parent) -> None:
    from . import open as open_ring

    with open_ring(job.source, cluster=job.cluster, balance=job.balance, **job.options) as ring:
        parent.tell("ready")
        held_ns = int((HELD + (job.options.get("latency") or 0)) * 1e9)
        last_stats = 0.0
        while not ring.eof:
            # Before the read: what comes later has a later stamp, but for what the ring holds back.
            now = time.time_ns() - held_ns
            batch = next(ring.batches(job.batch, timeout=TICK), None)
            parent.check()
            if batch is not None:
                _one(job, parent, batch)
            elif job.ordered:
                parent.tell("until", now)
            if time.monotonic() - last_stats > STATS_SECONDS:
                last_stats = time.monotonic()
                parent.tell("stats", 0, ring.stats())
        parent.tell("stats", 0, ring.stats())
        parent.tell("end")


def _one(job: Job, parent: _Parent, batch: Batch) -> None:
    ts_ns = batch[0][0]
    value = job.fn(batch)
    if value is not None:
        parent.tell("result", ts_ns, value)
    elif job.ordered:
        parent.tell("until", ts_ns)


def _portable(e: BaseException) -> BaseException:
    """Return the exception, or one that says the same, so that it can travel."""
    import pickle
    import traceback

    text = "".join(traceback.format_exception(e))
    try:
        copy = pickle.loads(pickle.dumps(e))
    except Exception:
        copy = RuntimeError(f"{type(e).__name__}: {e}")
    if hasattr(copy, "add_note"):  # Python 3.11 and later
        copy.add_note(f"In a worker:\n{text}")
    assert isinstance(copy, BaseException)
    return copy
