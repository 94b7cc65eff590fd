# SPDX-License-Identifier: BSD-3-Clause
"""pfring.workers on a wire: every packet once, flows whole, the dead reported, errors raised."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path

import pfring
import pytest
from pfring.fanout import WorkerDied, Workers
from pfring.lab.netns import Wire
from pfring.lab.replay import Replay

PATIENCE = 60.0
ROOM = 32 << 20
SOURCE = f"packet:{Wire.CAPTURE}"


def udp(flow: int, number: int) -> bytes:
    """Return packet `number` of one of many flows, 64 bytes."""
    ports = (1000 + flow).to_bytes(2, "big") + (53).to_bytes(2, "big")
    ip = b"\x45\0\0\x2e" + bytes(4) + b"\x40\x11\0\0" + b"\x0a\0\0\1" + b"\x0a\0\0\2"
    body = b"wrk!" + number.to_bytes(4, "big")
    frame = b"\x02PF\0\0\1" + b"\x02P\0\0\0\2" + b"\x08\0" + ip + ports + b"\0\x1a\0\0" + body
    return frame + bytes(60 - len(frame))


def count(batch: pfring.Batch) -> list[tuple[int, int]]:
    """Return flow and number of each of our packets."""
    found = []
    for _, data in batch:
        if data[42:46] == b"wrk!":
            port = int.from_bytes(data[34:36], "big")
            found.append((port - 1000, int.from_bytes(data[46:50], "big")))
    return found or None  # type: ignore[return-value]


def start(wire: Wire, n: int, fn: object = count, **options: object) -> Workers:
    with wire.rx.entered():
        return pfring.workers(SOURCE, n, fn, buffer=ROOM, **options)  # type: ignore[arg-type]


def gather(workers: Workers, wanted: int) -> list[pfring.Result]:
    """Take results until so many packets are there; the test's own time-out is generous."""
    results, got = [], 0
    watchdog = threading.Timer(PATIENCE, os.kill, (os.getpid(), signal.SIGINT))
    watchdog.start()
    try:
        while got < wanted:
            results.append(next(workers))
            got += len(results[-1].value)
    finally:
        watchdog.cancel()
    return results


def send(wire: Wire, frames: list[bytes]) -> None:
    # At once: the kernel closes a block of a ring every few milliseconds, however empty it is.
    with Replay(wire, frames) as replay:
        replay.send()


FRAMES = [udp(i % 64, i) for i in range(6400)]


@pytest.mark.parametrize("ordered", [False, True])
def test_every_packet_comes_once_and_flows_stay_whole(wire: Wire, ordered: bool) -> None:
    with start(wire, 3, ordered=ordered) as workers:
        assert len(workers.pids) == 3
        send(wire, FRAMES)
        results = gather(workers, len(FRAMES))
    seen = [pair for result in results for pair in result.value]
    assert sorted(number for _, number in seen) == list(range(len(FRAMES)))
    owners = defaultdict(set)
    for result in results:
        for flow, _ in result.value:
            owners[flow].add(result.worker)
    assert all(len(workers_) == 1 for workers_ in owners.values())
    assert len(set.union(*owners.values())) > 1
    if ordered:
        assert [r.ts_ns for r in results] == sorted(r.ts_ns for r in results)


def until_somebody_is_dead(workers: Workers) -> None:
    end = time.monotonic() + PATIENCE
    while not workers.dead and time.monotonic() < end:
        workers._listen(0.1)


def test_a_dead_worker_is_reported_and_the_others_take_its_share(wire: Wire) -> None:
    with start(wire, 3) as workers:
        send(wire, FRAMES)
        first = gather(workers, len(FRAMES))
        victim = first[0].worker
        os.kill(workers.pids[victim], signal.SIGKILL)
        with pytest.warns(WorkerDied, match="-9"):
            until_somebody_is_dead(workers)
        assert workers.dead == [(victim, -signal.SIGKILL)]
        send(wire, FRAMES)
        second = gather(workers, len(FRAMES))
        assert victim not in {result.worker for result in second}
        assert Counter(n for r in second for _, n in r.value) == Counter(range(len(FRAMES)))


def test_when_all_are_dead_that_is_an_error(wire: Wire) -> None:
    with start(wire, 1) as workers:
        os.kill(workers.pids[0], signal.SIGKILL)
        with (
            pytest.warns(WorkerDied, match="0 others"),
            pytest.raises(pfring.Error, match="all workers are dead"),
        ):
            next(workers)


def fail(batch: pfring.Batch) -> None:
    if count(batch):
        raise LookupError("as it was")


def test_an_exception_of_the_function_is_raised_here(wire: Wire) -> None:
    with start(wire, 2, fail) as workers:
        pids = workers.pids
        send(wire, FRAMES[:100])
        with pytest.raises(LookupError, match="as it was"):
            gather(workers, 1)
        assert gone(pids)


def lives(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except OSError:
        return False
    # Nobody may have asked for its end: whose parent is gone has process 1, which may be anything.
    return stat.rpartition(")")[2].split()[0] != "Z"


def gone(pids: list[int]) -> bool:
    """Wait until no such process lives."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if not any(map(lives, pids)):
            return True
        time.sleep(0.02)
    return False


def test_leaving_the_with_ends_the_workers_also_while_they_wait(wire: Wire) -> None:
    with start(wire, 2) as workers:
        pids = workers.pids
        assert len(pids) == 2
    assert gone(pids)
    assert workers.pids == []
    with pytest.raises(StopIteration):
        next(workers)


def test_workers_end_with_their_parent(wire: Wire) -> None:
    report, theirs = os.pipe()
    parent = os.fork()
    if parent == 0:
        workers = start(wire, 2)
        os.write(theirs, " ".join(map(str, workers.pids)).encode())
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(parent, 0)
    os.close(theirs)
    pids = [int(x) for x in os.read(report, 100).split()]
    os.close(report)
    assert len(pids) == 2
    assert gone(pids)


def test_ctrl_c_ends_a_waiting_parent_and_its_workers(wire: Wire) -> None:
    pids: list[int] = []

    def wait() -> None:
        with start(wire, 2) as workers:
            pids.extend(workers.pids)
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
            next(workers)

    with pytest.raises(KeyboardInterrupt):
        wait()
    assert len(pids) == 2
    assert gone(pids)


def test_what_cannot_be_opened_is_an_error_at_once(wire: Wire) -> None:
    with wire.rx.entered():
        with pytest.raises(pfring.NoSuchDevice):
            pfring.workers("packet:nosuch0", 2, count)
        with pytest.raises(ValueError, match="cluster type"):
            pfring.workers(SOURCE, 2, count, balance="nonsense")
        with pytest.raises(ValueError, match="n must"):
            pfring.workers(SOURCE, 0, count)


def test_a_slow_parent_makes_workers_wait_and_the_books_balance(wire: Wire) -> None:
    """The pipe is full, the ring is full, the rest is counted: nothing grows, nothing is hidden."""
    with start(wire, 1, lambda batch: (count(batch) or []) and bytes(1 << 20)) as workers:
        send(wire, FRAMES)
        end = time.monotonic() + PATIENCE
        results = []
        while time.monotonic() < end and workers.stats().recv < len(FRAMES):
            workers._listen(0.1)
            if (result := workers._take()) is not None:
                results.append(result)
        stats = workers.stats()
        assert stats.recv >= len(FRAMES)
        assert stats.drop == 0
        assert results
