# SPDX-License-Identifier: BSD-3-Clause
"""How a number is won: one class per kind of measurement, one sample per call.

Each takes a mode and a case and returns one Sample; run.py calls them round
robin over all modes of a benchmark, so that what the machine does at the time
hits all of them alike. Nothing here compares.
"""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lab import SENDER_CORE, Lab, Receiver, Unavailable
from modes import Case, Mode, Verdict
from workshop import Workshop


@dataclass(frozen=True)
class Sample:
    """One number, and the books of the run that gave it."""

    value: float
    sent: int = 0
    received: int = 0
    note: str = ""

    @property
    def lost(self) -> int:
        return max(0, self.sent - self.received)


class Experiment(Protocol):
    unit: str
    better: str  # "low" or "high"
    queues: int

    def sample(self, lab: Lab, shop: Workshop, mode: Mode, case: Case, quick: bool) -> Sample: ...


def _start(
    lab: Lab, shop: Workshop, mode: Mode, case: Case, verify: bool = False
) -> AbstractContextManager[Receiver]:
    assert mode.argv
    return lab.receiver(mode.argv(shop, case, verify), mode.env(shop), mode.ready)


def verify(lab: Lab, shop: Workshop, mode: Mode, case: Case) -> str | None:
    """Sends numbered frames slowly and has each one looked at; a sentence if one was wrong."""
    if mode.argv is None or not mode.can_verify or case.snaplen < 60 or case.filter:
        return None
    with _start(lab, shop, mode, case, True) as receiver:
        before = lab.delivered()
        lab.generate("paced", 5000, case.size, 50_000)
        sent = lab.delivered() - before
        receiver.cpu_at_rest()
        got: Verdict = mode.verdict(receiver.stop())
    # Frames that wake a receiver up may be in packets, never in missing or bad.
    if got.missing or got.bad or got.packets < sent:
        return f"{mode.name}: {got.packets} of {sent}, {got.missing} missing, {got.bad} wrong"
    return None


class ReceiverCpu:
    """CPU nanoseconds per packet of the receiving process at a fixed offered rate."""

    unit, better, queues = "ns/packet", "low", 1

    def sample(self, lab: Lab, shop: Workshop, mode: Mode, case: Case, quick: bool) -> Sample:
        count = int(case.rate * (0.2 if quick else 0.5))
        with _start(lab, shop, mode, case) as receiver:
            start = receiver.cpu_at_rest(1.0)
            before = lab.delivered()
            lab.generate("paced", count, case.size, case.rate)
            sent = lab.delivered() - before
            spent = receiver.cpu_at_rest() - start
            got = mode.verdict(receiver.stop())
        return Sample(spent / sent, sent, got.packets)


class ServiceTime:
    """CPU nanoseconds per packet that the program got, at a rate above what it can follow.

    Its inverse is the highest rate that can last without loss, whatever the size of the
    buffer: a search for that rate would measure the buffer first.
    """

    unit, better, queues = "ns/packet", "low", 1

    def sample(self, lab: Lab, shop: Workshop, mode: Mode, case: Case, quick: bool) -> Sample:
        count = case.rate // (5 if quick else 1)
        with _start(lab, shop, mode, case) as receiver:
            start = receiver.cpu_at_rest(1.0)
            before = lab.delivered()
            lab.generate("paced", count, case.size, case.rate, case.frames)
            sent = lab.delivered() - before
            spent = receiver.cpu_at_rest(120) - start
            got = mode.verdict(receiver.stop())
        return Sample(spent / max(1, got.packets), sent, got.packets)


class SendRate:
    """Packets per second out of one device by one sender on one core, as the sender counts them."""

    unit, better, queues = "packets/s", "high", 1

    def sample(self, lab: Lab, shop: Workshop, mode: Mode, case: Case, quick: bool) -> Sample:
        assert mode.argv
        count = 200_000 if quick else 1_000_000
        argv = [*mode.argv(shop, case, False), "-n", str(count)]
        before = lab.delivered()
        out = _output(lab.inside("a", SENDER_CORE, argv))
        got = lab.delivered() - before
        average = re.findall(r"average ([\d'.]+) pps", out)
        if average:
            return Sample(float(average[-1].replace("'", "")), count, got)
        r = json.loads(out)
        return Sample(r["sent"] / r["wall_ns"] * 1e9, count, got)


class AddedCost:
    """CPU nanoseconds per frame on the core that sends and runs the peer's receive path.

    Short runs: the machine's moods last for seconds, so that all modes must get their turn in one.
    """

    unit, better, queues = "ns/packet", "low", 1

    def sample(self, lab: Lab, shop: Workshop, mode: Mode, case: Case, quick: bool) -> Sample:
        count = (100_000 if quick else 300_000) // (1 if case.size < 200 else 2)
        if mode.argv is None:
            g = lab.generate("live", count, case.size, case.rate, case.frames)
            return Sample(g["cpu_ns"] / g["sent"], note=f"slices {g['q25_ns']}")
        with _start(lab, shop, mode, case) as receiver:
            before = lab.delivered()
            g = lab.generate("live", count, case.size, case.rate, case.frames)
            sent = lab.delivered() - before
            receiver.cpu_at_rest()
            got = mode.verdict(receiver.stop())
        wanted = 0 if case.filter else sent
        return Sample(g["cpu_ns"] / g["sent"], wanted, got.packets, f"slices {g['q25_ns']}")


class AddedOnTwoCores:
    """The same with a generator on each core and one reader, which shares a core with one."""

    unit, better, queues = "ns/packet", "low", 2

    def sample(self, lab: Lab, shop: Workshop, mode: Mode, case: Case, quick: bool) -> Sample:
        count = 200_000 if quick else 800_000

        def go() -> float:
            results = lab.generate_on_all_cores(count, case.size)
            return float(sum(g["cpu_ns"] for g in results) / sum(g["sent"] for g in results))

        if mode.argv is None:
            return Sample(go())
        with _start(lab, shop, mode, case) as receiver:
            before = lab.delivered()
            value = go()
            sent = lab.delivered() - before
            receiver.cpu_at_rest()
            got = mode.verdict(receiver.stop())
        return Sample(value, sent, got.packets)


class LosslessRate:
    """Highest rate at which not one frame is lost: closed loop if that holds, else bisection."""

    unit, better, queues = "packets/s", "high", 1
    floor = 20_000

    def sample(self, lab: Lab, shop: Workshop, mode: Mode, case: Case, quick: bool) -> Sample:
        count = 300_000 if quick else 1_500_000
        steps = 3 if quick else 5

        def trial(rate: int) -> tuple[float, int, int]:
            with _start(lab, shop, mode, case) as receiver:
                before = lab.delivered()
                n = count if not rate else min(count, max(rate // 3, 20_000))
                g = lab.generate("live", n, case.size, rate)
                sent = lab.delivered() - before
                receiver.cpu_at_rest()
                time.sleep(mode.tail_s)
                got = mode.verdict(receiver.stop())
            return 1e9 / (g["q25_ns"] or g["wall_ns"] / n), sent, got.packets

        speed, sent, received = trial(0)
        if received >= sent:
            return Sample(speed, sent, received, "closed loop")
        low, high, best = 0.0, speed, (0, 0)
        while steps:
            # Down by halves until a rate holds, then in between.
            middle = high / 2 if not low else (low + high) / 2
            if middle < self.floor:
                break
            reached, sent, received = trial(int(middle))
            if received >= sent:
                low, best = min(middle, reached), (sent, received)
            else:
                high = middle
            steps -= bool(low)
        return Sample(low, *best, note="search")


class Delivery:
    """Microseconds from a packet's time stamp to the program's callback: the median."""

    unit, better, queues = "us", "low", 1

    def sample(self, lab: Lab, shop: Workshop, mode: Mode, case: Case, quick: bool) -> Sample:
        with _start(lab, shop, mode, case) as receiver:
            before = lab.delivered()
            lab.generate("paced", case.rate // (4 if quick else 1), case.size, case.rate)
            sent = lab.delivered() - before
            receiver.cpu_at_rest()
            got = mode.verdict(receiver.stop())
        return Sample(got.delay_median_ns / 1e3, sent, got.packets)


class TcpThroughput:
    """One TCP stream over the captured device."""

    unit, better, queues = "Gbit/s", "high", 1

    def sample(self, lab: Lab, shop: Workshop, mode: Mode, case: Case, quick: bool) -> Sample:
        seconds = "0.3" if quick else "1"

        def go() -> float:
            argv = [sys.executable, "bench/stream.py", "recv", "5001"]
            with lab.receiver(argv) as sink:
                send = [sys.executable, "bench/stream.py", "send", "10.99.0.2", "5001", seconds]
                subprocess.run(lab.inside("a", SENDER_CORE, send), check=True)
                out, _ = sink.process.communicate()
            r = json.loads(out)
            return float(r["bytes"] * 8 / r["seconds"] / 1e9)

        if mode.argv is None:
            return Sample(go())
        with _start(lab, shop, mode, case) as receiver:
            value = go()
            receiver.stop()
        return Sample(value)


class Burst:
    """Frames kept of a burst into a receiver that is stopped for its time."""

    unit, better, queues = "packets", "high", 1
    frames = 100_000

    def sample(self, lab: Lab, shop: Workshop, mode: Mode, case: Case, quick: bool) -> Sample:
        with _start(lab, shop, mode, case) as receiver:
            os.kill(receiver.pid, signal.SIGSTOP)
            before = lab.delivered()
            lab.generate("paced", self.frames, case.size, frames=case.frames)
            sent = lab.delivered() - before
            os.kill(receiver.pid, signal.SIGCONT)
            # What it kept is what it can still tell, however long that takes it.
            receiver.cpu_at_rest(120)
            got = mode.verdict(receiver.stop())
        return Sample(min(got.packets, sent), sent, got.packets)


class FileRead:
    """CPU nanoseconds per packet of reading a capture file in Python."""

    unit, better, queues = "ns/packet", "low", 0

    def sample(self, lab: Lab, shop: Workshop, mode: Mode, case: Case, quick: bool) -> Sample:
        assert mode.argv
        packets = 1_000_000
        path = shop.trace(packets, 64)
        out = _output([*mode.argv(shop, case, False), str(path)])
        r = json.loads(out)
        return Sample(r["ns"], packets, r["packets"])


class Analysis:
    """CPU nanoseconds per packet of counting what is in a capture file of TCP and UDP."""

    unit, better, queues = "ns/packet", "low", 0

    def __init__(self, packets: int) -> None:
        self.packets = packets

    def sample(self, lab: Lab, shop: Workshop, mode: Mode, case: Case, quick: bool) -> Sample:
        assert mode.argv
        path = shop.traffic(self.packets // (10 if quick else 1))
        r = json.loads(_output([*mode.argv(shop, case, False), str(path)]))
        return Sample(r["ns"], r["packets"], r["packets"], str(r.get("answer", "")))


class ImportTime:
    """Milliseconds that an import adds to a fresh interpreter."""

    unit, better, queues = "ms", "low", 0

    def sample(self, lab: Lab, shop: Workshop, mode: Mode, case: Case, quick: bool) -> Sample:
        assert mode.argv

        def wall(argv: list[str]) -> float:
            start = time.perf_counter()
            _output(argv)
            return (time.perf_counter() - start) * 1e3

        bare = wall([str(shop.python), "-c", "pass"])
        return Sample(wall(mode.argv(shop, case, False)) - bare)


class CallCost:
    """Nanoseconds per call that a library only passes on (calls.c)."""

    unit, better, queues = "ns", "low", 0

    def sample(self, lab: Lab, shop: Workshop, mode: Mode, case: Case, quick: bool) -> Sample:
        assert mode.argv
        r = json.loads(_output(mode.argv(shop, case, False), mode.env(shop)))
        if ("over libpfring" in r["library"]) != bool(mode.env(shop)):
            raise Unavailable(f"{mode.name} ran over {r['library']}")
        return Sample(r["ns"])


class StartUp:
    """Milliseconds from a program's start to its end, or to the word that it captures.

    The median: the kernel's grace periods end with its clock, so the best is a matter of luck.
    """

    unit, better, queues = "ms", "low", 1
    runs = 10

    def sample(self, lab: Lab, shop: Workshop, mode: Mode, case: Case, quick: bool) -> Sample:
        assert mode.argv
        times = []
        for _ in range(self.runs):
            start = time.perf_counter()
            if mode.ready:
                with _start(lab, shop, mode, case):
                    times.append(time.perf_counter() - start)
            else:
                _output(mode.argv(shop, case, False), mode.env(shop))
                times.append(time.perf_counter() - start)
        return Sample(statistics.median(times) * 1e3)


class IdleMemory:
    """MiB resident in a process that captures and gets nothing."""

    unit, better, queues = "MiB", "low", 1

    def sample(self, lab: Lab, shop: Workshop, mode: Mode, case: Case, quick: bool) -> Sample:
        with _start(lab, shop, mode, case) as receiver:
            receiver.cpu_at_rest(0.5)
            status = Path(f"/proc/{receiver.pid}/status").read_text()
            receiver.stop()
        kib = next(int(x.split()[1]) for x in status.splitlines() if x.startswith("VmRSS"))
        return Sample(kib / 1024)


def _output(argv: list[str], env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, env={**os.environ, **(env or {})}
    )
    if done.returncode:
        raise Unavailable(done.stderr.strip().splitlines()[-1] if done.stderr else argv[0])
    return done.stdout


def program(name: str, *argv: str) -> Mode:
    """A mode of FileRead and ImportTime: a Python command of the bench's own environment."""

    def line(shop: Workshop, _case: Case, _verify: bool) -> list[str]:
        return [str(shop.python), *argv]

    return Mode(name, line)
