# SPDX-License-Identifier: BSD-3-Clause
"""One process per ring: a function runs over a device's packets on as many cores as you like.

The rings of the workers form a cluster, which shares the packets by flow (or otherwise), so a
flow is always seen by the same worker. This module is the parent's side: it starts workers,
gathers results and looks after the dead. The worker's side is fanout_worker.py.

Results come through a pipe each. A pipe is bounded: a parent that does not keep up makes workers
wait, and their rings drop and count; nothing grows.
"""

from __future__ import annotations

import os
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from .closing import Closing
from .errors import Error
from .fanout_worker import Job, run
from .records import Stats

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkProcess

    from .batch import Batch

# Cluster numbers of different calls on one machine should not meet: pid and a counter.
_numbers = count()
# Results of one worker that wait for another's in ordered mode; then it is left to wait.
_AHEAD = 64
_STOP_SECONDS = 10.0


class Result(NamedTuple):
    """What the function returned for one batch."""

    ts_ns: int
    """Time stamp of the batch's first packet."""
    worker: int
    value: Any


class WorkerDied(RuntimeWarning):
    """A worker is gone; the others have its share of the packets now."""


class _Worker:
    """One process as the parent sees it."""

    def __init__(self, number: int, process: ForkProcess, pipe: Connection) -> None:
        self.number, self.process, self.pipe = number, process, pipe
        self.alive = True
        self.ready = False
        self.until = 0  # in ordered mode: nothing older than this will come
        self.results: deque[Result] = deque()
        self.stats: Stats | None = None


class Workers(Closing):
    """An iterator over Results; `close()`, or the end of a `with`, stops the workers."""

    def __init__(self, job: Job, n: int, ordered: bool) -> None:
        import multiprocessing

        context = multiprocessing.get_context("fork")
        self._ordered = ordered
        self._workers: list[_Worker] = []
        self.dead: list[tuple[int, int | None]] = []
        self._closed = False
        try:
            for number in range(n):
                ours, theirs = context.Pipe()
                others = [w.pipe for w in self._workers] + [ours]
                process = context.Process(
                    target=run, args=(job, number, theirs, others), name=f"pfring-{number}"
                )
                process.daemon = True
                process.start()
                theirs.close()
                self._workers.append(_Worker(number, process, ours))
            self._wait_until_ready()
        except BaseException:
            self.close()
            raise

    def _wait_until_ready(self) -> None:
        """All rings are open, and in the cluster, before the first result."""
        while not all(w.ready for w in self._workers):
            self._listen(None)
            if self.dead:
                number, code = self.dead[0]
                raise Error(3, f"worker {number} ended with {code} before it was ready")

    def __iter__(self) -> Iterator[Result]:
        return self

    def __next__(self) -> Result:
        while True:
            if (result := self._take()) is not None:
                return result
            if self._closed or not any(w.alive for w in self._workers):
                self.close()
                raise StopIteration
            self._listen(None)

    def _take(self) -> Result | None:
        """Return the next result that may be handed out."""
        waiting = [w for w in self._workers if w.results]
        if not waiting:
            return None
        first = min(waiting, key=lambda w: w.results[0].ts_ns)
        if self._ordered:
            at = first.results[0].ts_ns
            if any(w.alive and not w.results and w.until < at for w in self._workers):
                return None
        return first.results.popleft()

    def _listen(self, timeout: float | None) -> None:
        """Wait for news of the workers that have not said too much already."""
        from multiprocessing.connection import wait

        alive = [w for w in self._workers if w.alive and len(w.results) < _AHEAD]
        for pipe in wait([w.pipe for w in alive], timeout):
            worker = next(w for w in alive if w.pipe is pipe)
            try:
                kind, ts_ns, value = worker.pipe.recv()
            except (EOFError, OSError):
                self._bury(worker)
                continue
            if kind == "result":
                worker.results.append(Result(ts_ns, worker.number, value))
                worker.until = ts_ns
            elif kind == "until":
                worker.until = ts_ns
            elif kind == "stats":
                worker.stats = value
            elif kind == "ready":
                worker.ready = True
            elif kind == "failed":
                worker.alive = False
                self.close()
                raise value
            else:  # "end": the source is at its end
                worker.alive = False

    def _bury(self, worker: _Worker) -> None:
        worker.alive = False
        worker.process.join()
        self.dead.append((worker.number, worker.process.exitcode))
        if not self._closed and worker.ready:
            left = sum(w.alive for w in self._workers)
            warnings.warn(
                f"worker {worker.number} (pid {worker.process.pid}) ended with "
                f"{worker.process.exitcode}; {left} others share the packets now",
                WorkerDied,
                stacklevel=4,
            )
            if not left:
                self.close()
                raise Error(3, "all workers are dead; nobody captures any more")

    @property
    def pids(self) -> list[int]:
        """Process numbers of the workers that live."""
        return [w.process.pid for w in self._workers if w.alive and w.process.pid]

    def stats(self) -> Stats:
        """Return the counters of all workers together, at most a second old."""
        known = [w.stats for w in self._workers if w.stats]
        return Stats(*(sum(values) for values in zip(*known, strict=True))) if known else _ZERO

    def close(self) -> None:
        """Stop the workers; results that were not taken are lost."""
        if self._closed:
            return
        self._closed = True
        for worker in self._workers:
            worker.pipe.close()  # which a worker takes as the order to stop
        end = time.monotonic() + _STOP_SECONDS
        for worker in self._workers:
            worker.process.join(max(0.0, end - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.alive = False

    def __repr__(self) -> str:
        return f"<pfring.Workers {len(self.pids)} of {len(self._workers)} alive>"


_ZERO = Stats(*([0] * len(Stats._fields)))


def workers(
    source: str,
    n: int,
    fn: Callable[[Batch], Any],
    *,
    balance: str = "flow",
    ordered: bool = False,
    batch: int = 16384,
    cluster: int | None = None,
    **options: Any,
) -> Workers:
    """Run fn over the batches of a device in n processes; iterate over its results.

    fn: called in a worker with each Batch; what it returns, unless None, comes as a Result. It is
    pickled on its way. An exception that it raises ends all workers and is raised here.
    balance: which packets go to the same worker; a cluster type of `Ring.cluster()`.
    ordered: results in order of time; each waits until no worker can have an older one.
    cluster: the cluster's number; default: one of our own.
    options: of `pfring.open()`.

    A worker that dies is reported by a WorkerDied warning and in `dead`; the kernel gives its
    share of the packets to the others.
    """
    if n < 1:
        raise ValueError(f"n must be 1 or more, not {n}")
    if cluster is None:
        cluster = (os.getpid() * 31 + next(_numbers)) % 65535 + 1
    return Workers(Job(source, fn, balance, batch, cluster, ordered, options), n, ordered)
