# SPDX-License-Identifier: BSD-3-Clause
"""One demonstration: a wire, the mixed trace, the sniffer and two tcpdumps.

        tx namespace                    rx namespace
        gen0 ──── veth ────────── cap0 ─┬─ sniffer.py, through pfring     FILTER
         ▲                              ├─ tcpdump                        FILTER
     mixed trace                        └─ tcpdump                    not FILTER

The second tcpdump makes the books complete: what nobody wanted is counted too,
not concluded. Nothing here draws; `Listener` hears what happens.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..lab import capfile
from ..lab.netns import LabError, Namespace, Wire
from ..lab.replay import Replay, Sent
from ..lab.tcpdump import Counters, Tcpdump
from ..lab.trace import mixed_trace

PROGRAM = Path(__file__).with_name("sniffer.py")
FILTER = "ip6 or tcp port 443 or (vlan and udp)"
_PATIENCE = 60  # seconds that only a hang lasts, however busy the machine


class Listener(Protocol):
    """Hears how the demonstration goes."""

    def step(self, text: str) -> None:
        """Tell that something was set up."""

    def progress(self, sent: int, captured: int, tcpdump: int) -> None:
        """Tell how far the three are."""


@dataclass(frozen=True)
class Result:
    """What came out; `balanced` and `identical` are the verdict."""

    filter: str
    sent: Sent
    captured: int
    dropped: int
    tcpdump: Counters
    refused: int  # counted by the second tcpdump
    identical: bool
    difference: str
    digest: str
    backend: str
    reason: str

    @property
    def balanced(self) -> bool:
        """Whether every packet sent is accounted for, by us and by tcpdump."""
        matching = self.tcpdump.captured + self.tcpdump.dropped
        return (
            self.captured + self.dropped == matching
            and matching + self.refused == self.sent.packets
        )


class Sniffer:
    """The running program; it is capturing when the constructor returns."""

    def __init__(self, ns: Namespace, expression: str, path: Path) -> None:
        command = [sys.executable, "-m", "pfring", "run", os.fspath(PROGRAM)]
        self._process = ns.popen(
            [*command, Wire.CAPTURE, expression, path],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PFRING_VERBOSE": "1", "PYTHONUNBUFFERED": "1"},
        )
        self._lines: list[str] = []
        self._complaints = ""
        self.captured = 0
        self._listening = threading.Event()
        self._readers = [
            threading.Thread(target=target, daemon=True) for target in (self._read, self._complain)
        ]
        for reader in self._readers:
            reader.start()
        if not self._listening.wait(_PATIENCE) or self._process.poll() is not None:
            self.kill()
            raise LabError(f"the sniffer did not start: {self._complaints.strip()}")

    def finish(self) -> tuple[int, int]:
        """Wait until nothing more comes, press Ctrl-C; return its captured and dropped."""
        last, quiet_since = -1, time.monotonic()
        while time.monotonic() - quiet_since < 0.7:
            if self.captured != last or not self._asleep():
                last, quiet_since = self.captured, time.monotonic()
            time.sleep(0.05)
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise LabError("the sniffer does not end on Ctrl-C") from None
        for reader in self._readers:
            reader.join(_PATIENCE)
        words = re.fullmatch(
            r"(\d+) packets captured, (\d+) received, (\d+) dropped", self._lines[-1]
        )
        if self._process.returncode or not words:
            raise LabError(f"the sniffer failed: {self._complaints.strip()}")
        return int(words[1]), int(words[3])

    def _asleep(self) -> bool:
        """Return whether it waits; on a busy machine it may have been kept from reading (R)."""
        stat = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii")
        return stat.rpartition(")")[2].split()[0] not in "RD"

    def backend(self) -> tuple[str, str]:
        """Return which backend it captured with and why, in the library's words."""
        said = re.search(r"^pfring: .*: backend (\S+) \((.*)\)$", self._complaints, re.M)
        return (said[1], said[2]) if said else ("not told", "PFRING_VERBOSE has no effect")

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Sniffer:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._process.poll() is None:
            self.kill()

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        with stream:
            for line in stream:
                self._lines.append(line.rstrip())
                if line.startswith("listening"):
                    self._listening.set()
                elif line.split()[:1] and line.split()[0].isdigit():
                    self.captured = int(line.split()[0])
        self._listening.set()

    def _complain(self) -> None:
        stream = self._process.stderr
        assert stream is not None
        with stream:
            for line in stream:
                self._complaints += line


def play(listener: Listener, expression: str, count: int, rate: float) -> Result:
    """Run the demonstration; LabError says what could not be set up."""
    with tempfile.TemporaryDirectory(prefix="pfring-demo-") as name, Wire() as wire:
        folder = Path(name)
        listener.step("two network namespaces, joined by a veth pair")
        trace = mixed_trace(count)
        sizes = [len(frame) for frame in trace.frames]
        listener.step(
            f"a mixed trace: {count:,} packets of {len(set(trace.kinds))} kinds, "
            f"{min(sizes)} to {max(sizes):,} bytes"
        )
        device, rest = Wire.CAPTURE, f"not ({expression})"
        with (
            Tcpdump(wire.rx, device, folder / "tcpdump.pcap", expression) as wanted,
            Tcpdump(wire.rx, device, folder / "rest.pcap", rest, options=("-s", "64")) as others,
            Sniffer(wire.rx, expression, folder / "sniffer.pcap") as sniffer,
            Replay(wire, trace.frames) as replay,
        ):
            listener.step(f"tcpdump, and {PROGRAM.name} (import pcapy) by `pfring run`, capturing")
            sent = _send(listener, replay, rate, sniffer, wanted)
            tcpdump = wanted.finish()
            refused = others.finish()
            captured, dropped = sniffer.finish()
            listener.progress(sent.packets, captured, tcpdump.captured)
            ours = [(r.length, r.data) for r in capfile.read(folder / "sniffer.pcap")]
            theirs = [(r.length, r.data) for r in capfile.read(folder / "tcpdump.pcap")]
            backend, reason = sniffer.backend()
    return Result(
        filter=expression,
        sent=sent,
        captured=captured,
        dropped=dropped,
        tcpdump=tcpdump,
        refused=refused.captured + refused.dropped,
        identical=ours == theirs and len(ours) == captured,
        difference=_difference(ours, theirs),
        digest=hashlib.sha256(b"".join(data for _, data in ours)).hexdigest(),
        backend=backend,
        reason=reason,
    )


def _send(
    listener: Listener, replay: Replay, rate: float, sniffer: Sniffer, tcpdump: Tcpdump
) -> Sent:
    """Send the trace from a thread of its own, so that somebody can look on."""
    result: list[Sent | BaseException] = []
    done = [0]

    def run() -> None:
        try:
            result.append(replay.send(rate=rate, progress=lambda n: done.__setitem__(0, n)))
        except BaseException as error:  # carried over to the caller's thread
            result.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        listener.progress(done[0], sniffer.captured, tcpdump.counters().captured)
        thread.join(0.1)
    if isinstance(result[0], BaseException):
        raise result[0]
    return result[0]


def _difference(ours: list[tuple[int, bytes]], theirs: list[tuple[int, bytes]]) -> str:
    """Say where two captures first differ; empty if they do not."""
    for i, (mine, other) in enumerate(zip(ours, theirs, strict=False)):
        if mine != other:
            return f"packet {i} differs"
    if len(ours) != len(theirs):
        return f"the files hold {len(ours):,} and {len(theirs):,} packets"
    return ""
