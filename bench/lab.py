# SPDX-License-Identifier: BSD-3-Clause
"""The bench's place of work: two name spaces, a veth pair, and processes in them.

    a: v0  --------------------------------  v1 :b
    generator, core 0                        receiver, core 1

Everything is named after this process and goes with the context manager. IPv6
is off and nobody has the frames' address, so nothing but the bench's own
frames is on the wire. experiments.py is the only caller.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

SENDER_CORE, RECEIVER_CORE = 0, 1
# A receiver is at rest when it has used no CPU for this long; libpcap's block timeout is 100 ms.
REST_S = 0.13


class Unavailable(Exception):
    """A receiver that cannot run here; the message is its own."""


def run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


def cpu_ns(pid: int) -> int:
    """CPU time of all threads of a process, exact to the nanosecond of the scheduler's books."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total


class Receiver:
    """A capturing process, ready to receive when the constructor returns."""

    def __init__(self, lab: Lab, argv: Sequence[str], env: Mapping[str, str], ready: str) -> None:
        self._lab = lab
        self._ready = ready
        overlay = env.get("LD_LIBRARY_PATH")
        if overlay and not Path(overlay).is_dir():
            raise Unavailable(f"{overlay} has not been built")
        self.process = subprocess.Popen(
            lab.inside("b", RECEIVER_CORE, argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **env},
            text=True,
        )
        assert self.process.stdout is not None
        self._head: list[str] = []
        for line in self.process.stdout:
            if ready in line:
                break
            self._head.append(line)
        else:
            self.process.wait()
            raise Unavailable(self._head[-1].strip() if self._head else f"{argv[0]} said nothing")
        if overlay and overlay not in Path(f"/proc/{self.pid}/maps").read_text():
            self.process.kill()
            raise Unavailable(f"{argv[0]} does not use the libraries of {overlay}")

    @property
    def pid(self) -> int:
        return self.process.pid

    def cpu_at_rest(self, limit_s: float = 5.0) -> int:
        """Waits until the receiver has digested everything; its CPU time so far."""
        end = time.monotonic() + limit_s
        last = cpu_ns(self.pid)
        while time.monotonic() < end:
            time.sleep(REST_S)
            now = cpu_ns(self.pid)
            # tcpdump and Python wake up now and then for nothing; that is rest too.
            if now - last < 200_000:
                return now
            last = now
        return last

    def stop(self) -> str:
        """Interrupts the receiver and returns what it wrote."""
        self.process.send_signal(signal.SIGINT)
        for _ in range(60):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.1)
                break
            # libpcap sleeps through the signal of a Python program until a packet comes.
            self._lab.generate("poke", 1)
        else:
            self.process.kill()
        out, _ = self.process.communicate()
        return out

    def __enter__(self) -> Receiver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


class Lab:
    """The two name spaces. queues: receive queues of the pair (and possible senders)."""

    def __init__(self, tools: Path, queues: int = 1) -> None:
        self.tools = tools
        self._queues = queues
        self._names = {side: f"bench-{os.getpid()}-{side}" for side in "ab"}

    def __enter__(self) -> Lab:
        a, b = self._names["a"], self._names["b"]
        try:
            for name in (a, b):
                run("ip", "netns", "add", name)
                run(
                    "ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"
                )
            q = ["numtxqueues", str(self._queues), "numrxqueues", str(self._queues)]
            run(
                *["ip", "-n", a, "link", "add", "v0", *q, "type", "veth"],
                *["peer", "name", "v1", *q, "netns", b],
            )
            run("ip", "-n", a, "addr", "add", "10.99.0.1/30", "dev", "v0")
            run("ip", "-n", b, "addr", "add", "10.99.0.2/30", "dev", "v1")
            for name, device in ((a, "v0"), (b, "v1")):
                run("ip", "-n", name, "link", "set", device, "up")
                # Without NAPI on the peer, live frames vanish; GRO turns NAPI on.
                run("ip", "netns", "exec", name, "ethtool", "-K", device, "gro", "on")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        for name in self._names.values():
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)

    def inside(self, side: str, core: int | None, argv: Sequence[str]) -> list[str]:
        """The command line that runs argv on one side, on one core, before everyone else."""
        pin = [] if core is None else ["taskset", "-c", str(core)]
        return ["ip", "netns", "exec", self._names[side], "nice", "-n", "-20", *pin, *argv]

    def delivered(self) -> int:
        """Frames that v1 has received so far."""
        return int(
            run(
                *["ip", "netns", "exec", self._names["b"]],
                *["cat", "/sys/class/net/v1/statistics/rx_packets"],
            )
        )

    def _gen(self, kind: str, count: int, size: int, rate: int, flow: int) -> list[str]:
        argv = [str(self.tools / "gen"), kind, "-i", "v0", "-n", str(count), "-s", str(size)]
        return [*argv, "-r", str(rate), "-f", str(flow)]

    def generate(
        self, kind: str, count: int, size: int = 60, rate: int = 0, frames: Sequence[str] = ()
    ) -> dict[str, Any]:
        argv = [*self._gen(kind, count, size, rate, 0), *frames]
        out = run(*self.inside("a", SENDER_CORE, argv))
        return json.loads(out) if out else {}

    def generate_on_all_cores(self, count: int, size: int) -> list[dict[str, Any]]:
        """One live generator per core, each with its own stream, at the same time."""
        running = [
            subprocess.Popen(
                self.inside("a", core, self._gen("live", count, size, 0, core)),
                stdout=subprocess.PIPE,
                text=True,
            )
            for core in (SENDER_CORE, RECEIVER_CORE)
        ]
        results = []
        for process in running:
            out, _ = process.communicate()
            if process.returncode:
                raise RuntimeError("a generator failed")
            results.append(json.loads(out))
        return results

    @contextlib.contextmanager
    def receiver(
        self, argv: Sequence[str], env: Mapping[str, str] | None = None, ready: str = "ready"
    ) -> Iterator[Receiver]:
        with Receiver(self, argv, env or {}, ready) as r:
            yield r
