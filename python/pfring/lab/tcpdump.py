# SPDX-License-Identifier: BSD-3-Clause
"""The reference: the system's tcpdump on one end of a wire.

`Tcpdump` is capturing when its constructor returns (tcpdump has said
"listening on"). `finish()` waits until it has written everything that the
kernel gave it (SIGUSR1 makes it tell its counters), ends it and returns the
counters; only then is a comparison with its file fair.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .netns import LabError, Namespace

# Seconds that only a hang lasts, however busy the machine.
_PATIENCE = 60
_COUNTS = re.compile(
    rb"(\d+) packets? captured, (\d+) packets? received by filter, (\d+) packets? dropped"
)


@dataclass(frozen=True, slots=True)
class Counters:
    """tcpdump's own words; received includes dropped (see pcap_stats(3))."""

    captured: int
    received: int
    dropped: int


class Tcpdump:
    """A running tcpdump that writes path."""

    def __init__(
        self,
        ns: Namespace,
        device: str,
        path: str | os.PathLike[str],
        expression: str = "",
        *,
        options: tuple[str, ...] = (),
        buffer_kib: int = 32_768,
        env: Mapping[str, str] | None = None,
    ) -> None:
        program = find_tcpdump()
        self.path = Path(path)
        if self.path.suffix != ".pcap":
            raise LabError(f"{path}: Debian's AppArmor profile lets tcpdump write *.pcap only")
        # -Z root: it would else become user tcpdump and fail to write into our folder.
        command = [program, "-i", device, "-n", "-Z", "root", "-B", str(buffer_kib)]
        command += [*options, "-w", str(self.path), *([expression] if expression else [])]
        self._process = ns.popen(
            command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self._said = b""
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()
        if not self._wait(lambda: b"listening on" in self._said, _PATIENCE):
            self.kill()
            raise LabError(f"tcpdump did not start: {self._said.decode(errors='replace').strip()}")

    def counters(self) -> Counters:
        """Ask tcpdump for its counters up to now."""
        asked = len(self._all_counts())
        self._process.send_signal(signal.SIGUSR1)
        if not self._wait(lambda: len(self._all_counts()) > asked, _PATIENCE):
            raise LabError(f"tcpdump does not answer: {self._said.decode(errors='replace')}")
        return self._all_counts()[-1]

    def finish(self, timeout: float = _PATIENCE) -> Counters:
        """Let tcpdump write all it was given, end it, return its last counters.

        Nothing may be sent any more. The kernel counts a packet as received before tcpdump
        sees it, so nothing is on its way once captured is received less dropped. With a filter
        that libpcap runs in user space (protochain, -Q) that never comes true: then it is at
        rest when its counters stand still for longer than its ring holds a packet back (1 s).
        """
        end, last, since = time.monotonic() + timeout, self.counters(), time.monotonic()
        while last.captured != last.received - last.dropped and time.monotonic() - since < 2.5:
            if time.monotonic() > end:
                self.kill()
                raise LabError(f"tcpdump did not come to rest: {last}")
            time.sleep(0.1)
            now = self.counters()
            if now != last:
                last, since = now, time.monotonic()
        self._process.send_signal(signal.SIGINT)
        self._process.wait(_PATIENCE)
        self._reader.join(_PATIENCE)
        if self._process.returncode:
            raise LabError(f"tcpdump failed: {self._said.decode(errors='replace').strip()}")
        return self._all_counts()[-1]

    @property
    def errors(self) -> str:
        """What it has written to standard error."""
        return self._said.decode(errors="replace")

    def kill(self) -> None:
        """End it at once; nothing is promised about its file."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Tcpdump:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._process.poll() is None:
            self.kill()

    def _all_counts(self) -> list[Counters]:
        return [Counters(*map(int, found)) for found in _COUNTS.findall(self._said)]

    def _listen(self) -> None:
        stream = self._process.stderr
        assert stream is not None
        with stream:
            while part := os.read(stream.fileno(), 4096):
                with self._news:
                    self._said += part
                    self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def _wait(self, ready: object, timeout: float) -> bool:
        assert callable(ready)
        with self._news:
            return bool(
                self._news.wait_for(lambda: ready() or not self._reader.is_alive(), timeout)
                and ready()
            )


def find_tcpdump() -> str:
    """Return the path of the system's tcpdump."""
    found = shutil.which("tcpdump", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        raise LabError("tcpdump is missing; install the tcpdump package")
    return found
