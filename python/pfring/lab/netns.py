# SPDX-License-Identifier: BSD-3-Clause
"""Network namespaces and the veth pair between two of them.

        namespace <name>-tx                    namespace <name>-rx
        ┌──────────────────┐                   ┌──────────────────┐
        │  replay ──▶ gen0 ┼───────────────────┼▶ cap0 ──▶ readers│
        └──────────────────┘                   └──────────────────┘

Both ends are silent: no addresses, no ARP, no IPv6, so that every packet on
the wire is one that somebody here sent and counts are exact. Needs root and
iproute2. A `Wire` removes what it made, also when its maker fails.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

_CLONE_NEWNET = 0x40000000
_numbers = itertools.count(1)
_libc = ctypes.CDLL(None, use_errno=True)


class LabError(RuntimeError):
    """The lab could not be set up; the text says what failed and what to do."""


def hear_control_c() -> None:
    """Let the programs that we start be interrupted, also when a shell made us a background job.

    Such a job ignores SIGINT and hands that down; a signal that is caught starts anew with its
    default action in a new program (POSIX, execve).
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _ip(*args: str, stdin: str | None = None) -> None:
    try:
        done = subprocess.run(
            ["ip", *args], input=stdin, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise LabError("the `ip` command is missing; install the iproute2 package") from None
    if done.returncode:
        hint = "; run as root" if os.geteuid() else ""
        raise LabError(f"`ip {' '.join(args)}` failed: {done.stderr.strip()}{hint}")


def _delete(name: str) -> bool:
    """Delete a namespace; return whether it was this call that did (others may remove it too)."""
    try:
        _ip("netns", "del", name)
    except LabError:
        if Path("/run/netns", name).exists():
            raise
        return False
    return True


def _setns(fd: int) -> None:
    if _libc.setns(fd, _CLONE_NEWNET):
        err = ctypes.get_errno()
        raise OSError(err, f"cannot enter a network namespace: {os.strerror(err)}")


class Namespace:
    """One network namespace, made here and removed by `remove()`."""

    def __init__(self, name: str) -> None:
        self.name = name
        _ip("netns", "add", name)
        try:
            # New interfaces come up without IPv6: no neighbour discovery, no listener reports.
            self._write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1")
            self._write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1")
            self.ip("link set lo up")
        except BaseException:
            _delete(name)
            raise

    @property
    def path(self) -> Path:
        return Path("/run/netns", self.name)

    def remove(self) -> None:
        """Delete the namespace, and with it the interfaces that live in it."""
        if self.path.exists():
            _delete(self.name)

    def ip(self, *commands: str) -> None:
        """Run `ip` commands (without the word ip) in this namespace, in one batch."""
        _ip("-n", self.name, "-batch", "-", stdin="\n".join(commands) + "\n")

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Put the calling thread into this namespace for a while; sockets made then stay in it."""
        with open("/proc/thread-self/ns/net", "rb") as home, open(self.path, "rb") as there:
            _setns(there.fileno())
            try:
                yield
            finally:
                _setns(home.fileno())

    def command(self, args: Sequence[str | os.PathLike[str]]) -> list[str]:
        """Return args in a form that runs in this namespace (a pid is kept: it is an exec)."""
        return ["ip", "netns", "exec", self.name, *(os.fspath(arg) for arg in args)]

    def run(
        self, args: Sequence[str | os.PathLike[str]], **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in this namespace to its end; output is captured as text."""
        options = {"capture_output": True, "text": True, "timeout": 300} | options
        return subprocess.run(self.command(args), check=False, **options)

    def popen(
        self, args: Sequence[str | os.PathLike[str]], **options: Any
    ) -> subprocess.Popen[Any]:
        """Start a program in this namespace."""
        return subprocess.Popen(self.command(args), **options)

    def counter(self, device: str, name: str) -> int:
        """Read an interface counter, as `rx_packets` or `tx_dropped`."""
        # /proc/net is the namespace of the reading thread; /sys that of the mount.
        with self.entered(), open("/proc/thread-self/net/dev", encoding="ascii") as file:
            return _device_counter(file, device, name)

    def await_carrier(self, device: str) -> None:
        """Wait until frames can go out of a device whose other end was set up.

        It hears of that from a work queue and throws away what it is given before. Its state is
        seen first; the rest is done under the lock that the last call waits for.
        """
        end = time.monotonic() + 60
        while " state UP " not in self.run(["ip", "-o", "link", "show", device]).stdout:
            if time.monotonic() > end:
                raise LabError(f"{device} has no carrier; is its other end up?")
            time.sleep(0.001)
        self.ip(f"link set {device} up")

    def _write(self, path: str, text: str) -> None:
        # A kernel without IPv6 needs no switching off.
        with self.entered(), contextlib.suppress(FileNotFoundError):
            Path(path).write_text(text, encoding="ascii")


# The columns of /proc/net/dev (net/core/net-procfs.c).
_COLUMNS = (
    "rx_bytes rx_packets rx_errors rx_dropped rx_fifo rx_frame rx_compressed multicast "
    "tx_bytes tx_packets tx_errors tx_dropped tx_fifo collisions tx_carrier tx_compressed"
).split()


def _device_counter(file: IO[str], device: str, name: str) -> int:
    for line in file:
        head, _, rest = line.partition(":")
        if head.strip() == device:
            return int(rest.split()[_COLUMNS.index(name)])
    raise LabError(f"there is no interface {device}")


class Wire:
    """Two namespaces and the veth pair gen0 (in `tx`) to cap0 (in `rx`); a context manager."""

    SENDER, CAPTURE = "gen0", "cap0"

    def __init__(self, name: str | None = None, *, queues: int = 1) -> None:
        name = name or f"pfr{os.getpid()}-{next(_numbers)}"
        self._made = contextlib.ExitStack()
        try:
            self.tx, self.rx = (self._namespace(f"{name}-{end}") for end in ("tx", "rx"))
            many = f" numtxqueues {queues} numrxqueues {queues}" if queues > 1 else ""
            self.tx.ip(
                f"link add {self.SENDER}{many} arp off type veth peer name {self.CAPTURE}{many} "
                f"arp off netns {self.rx.name}"
            )
            for ns, device in ((self.tx, self.SENDER), (self.rx, self.CAPTURE)):
                ns.ip(f"link set {device} addrgenmode none", f"link set {device} up")
            self.tx.await_carrier(self.SENDER)
            self.rx.await_carrier(self.CAPTURE)
        except BaseException:
            self.remove()
            raise

    def _namespace(self, name: str) -> Namespace:
        made = Namespace(name)
        self._made.callback(made.remove)
        return made

    def remove(self) -> None:
        """Delete both namespaces and everything in them."""
        self._made.close()

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def remove_stale() -> list[str]:
    """Remove namespaces of wires whose process died without doing so; return their names.

    Several processes may do so at once: each name is returned by one of them.
    """
    stale = []
    for path in Path("/run/netns").glob("pfr*-*-[rt]x"):
        pid = path.name.removeprefix("pfr").partition("-")[0]
        if pid.isdigit() and not Path("/proc", pid).exists() and _delete(path.name):
            stale.append(path.name)
    return stale
