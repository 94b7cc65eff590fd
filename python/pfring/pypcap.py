# SPDX-License-Identifier: BSD-3-Clause
"""The small interface of pypcap (its module is called `pcap`), by pfring.

    from pfring import pypcap as pcap

    for ts, data in pcap.pcap("eth0"):
        ...

Programs written for pypcap or pcap-ct run on it unmodified through
`pfring run program.py`. `Reader` is the same for programs that were written for
`dpkt.pcap.Reader`. Where this differs from pypcap, and why, is in docs/scapy.md.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any, NoReturn

from . import Error, NoSuchFile, compile_filter
from . import pcapy as _pcapy
from ._core import Ring

DLT_NULL, DLT_EN10MB, DLT_EN3MB, DLT_AX25, DLT_PRONET, DLT_CHAOS, DLT_IEEE802 = range(7)
DLT_ARCNET, DLT_SLIP, DLT_PPP, DLT_FDDI = range(7, 11)
DLT_RAW = 12
DLT_PFSYNC = 18
DLT_LOOP = 108
DLT_LINUX_SLL = 113
DLT_PFLOG = 117

PCAP_D_INOUT, PCAP_D_IN, PCAP_D_OUT = range(3)
PCAP_TSTAMP_PRECISION_MICRO, PCAP_TSTAMP_PRECISION_NANO = range(2)

# Lengths of the headers below the network layer.
dltoff = {
    DLT_NULL: 4, DLT_EN10MB: 14, DLT_IEEE802: 22, DLT_ARCNET: 6, DLT_SLIP: 16, DLT_PPP: 4,
    DLT_FDDI: 21, DLT_PFLOG: 48, DLT_PFSYNC: 4, DLT_LOOP: 4, DLT_RAW: 0, DLT_LINUX_SLL: 16,
}  # fmt: skip

# Files have numbers of their own for some link types.
_DLT = {100: 11, 101: DLT_RAW}
_BATCH = 256
_DIRECTIONS = {PCAP_D_INOUT: "inout", PCAP_D_IN: "in", PCAP_D_OUT: "out"}


def _is_file(name: str) -> bool:
    """Whether a name is a capture file rather than a device; files come first, as with pypcap."""
    return name == "-" or os.path.exists(name)


class bpf:  # noqa: N801 - pypcap's name
    """A compiled filter: filter(bytes) tells whether a packet passes."""

    def __init__(self, filter: str | bytes, dlt: int = DLT_RAW) -> None:
        text = filter.decode() if isinstance(filter, bytes) else filter
        try:
            self._program = _pcapy.BPFProgram(text, dlt)
        except _pcapy.BPFError:
            raise OSError("bad filter") from None

    def filter(self, buf: bytes | bytearray | memoryview) -> bool:
        """Tell whether a packet passes."""
        return bool(self._program.filter(bytes(buf)))


class pcap:  # noqa: N801 - pypcap's name
    """A capture of a device, or of a file if there is one of that name.

    Iterating gives (time stamp, bytes); the time stamp is a float of seconds, or
    an int of nanoseconds with timestamp_in_ns.
    """

    def __init__(
        self,
        name: str | None = None,
        snaplen: int = 65535,
        promisc: bool = True,
        timeout_ms: int = 0,
        immediate: bool = False,
        rfmon: bool = False,
        timestamp_in_ns: bool = False,
        buffer_size: int = 0,
    ) -> None:
        self._name = name or lookupdev()
        self.timestamp_in_ns = bool(timestamp_in_ns)
        self._filter = ""
        self._nonblock = False
        self._error = ""
        self._live = not _is_file(self._name)
        if rfmon and self._live:
            raise Error(errno.EOPNOTSUPP, "Set monitor mode failed to execute")
        source = self._name if self._live else "file:" + self._name
        self._ring = Ring(
            source,
            snaplen=snaplen if self._live else 262144,
            promisc=bool(promisc),
            immediate=bool(immediate),
            buffer=buffer_size,
            to_ms=int(timeout_ms or 0),
        )
        self._timeout = timeout_ms / 1000 if timeout_ms else None
        # Of a file, what its header says.
        self._snaplen = self._ring.snaplen if self._live else self._ring.details().snaplen
        self._packets = iter(self._ring)

    name = property(lambda self: self._name, doc="Network interface or capture file.")
    snaplen = property(lambda self: self._snaplen, doc="Bytes kept of each packet.")
    filter = property(lambda self: self._filter, doc="The filter that was set last.")
    fd = property(lambda self: self.fileno(), doc="A descriptor for select().")
    precision = property(lambda self: PCAP_TSTAMP_PRECISION_NANO, doc="Of the time stamps.")

    @property
    def dloff(self) -> int:
        """Length of the header below the network layer."""
        return dltoff.get(self.datalink(), 0)

    def fileno(self) -> int:
        """Return a descriptor for select()."""
        return self._ring.fileno()

    def close(self) -> None:
        """Close; twice is fine."""
        self._ring.close()

    def setfilter(self, value: str, optimize: int = 1) -> None:
        """Put a pcap-filter(7) expression in force."""
        self._filter = value
        if not optimize:
            compile_filter(value, self.datalink(), self._ring.snaplen, optimize=False)
        self._try(self._ring.set_filter, value)

    def setdirection(self, direction: int) -> bool:
        """Choose what comes in (PCAP_D_IN), goes out (PCAP_D_OUT) or both; whether that worked."""
        try:
            self._ring.direction = _DIRECTIONS[direction]
        except (KeyError, Error):
            return False
        return True

    def setnonblock(self, nonblock: bool = True) -> None:
        """Have dispatch() and readpkts() return at once when there is nothing."""
        self._nonblock = bool(nonblock) and self._live

    def getnonblock(self) -> bool:
        """Tell what setnonblock() set."""
        return self._nonblock

    def datalink(self) -> int:
        """Return the link type, one of the DLT_ numbers."""
        return _DLT.get(self._ring.linktype, self._ring.linktype)

    def readpkts(self) -> list[tuple[float, bytes]]:
        """Return the packets of one batch as (time stamp, bytes)."""
        packets: list[tuple[float, bytes]] = []
        self.dispatch(-1, lambda ts, data: packets.append((ts, data)))
        return packets

    def dispatch(self, cnt: int, callback: Callable[..., object], *args: Any) -> int:
        """Call callback(ts, data, *args) for up to cnt packets; how many there were.

        cnt -1 is one batch; a file is read to its end, as with cnt 0.
        """
        to_end = cnt == 0 or not self._live
        done, most = 0, cnt if cnt > 0 else None
        while most is None or done < most:
            wait = 0 if self._nonblock else self._timeout
            some = self._read(_BATCH if most is None else min(_BATCH, most - done), wait)
            for ts, data in some:
                callback(self._stamp(ts), data, *args)
                done += 1
            if not some or not to_end:
                break
        return done

    def loop(self, cnt: int, callback: Callable[..., object], *args: Any) -> None:
        """Call callback(ts, data, *args) for cnt packets; 0 or -1: until the end."""
        left = cnt if cnt > 0 else -1
        for ts, data in self:
            callback(ts, data, *args)
            left -= 1
            if left == 0:
                break

    def sendpacket(self, buf: bytes) -> int:
        """Send a frame; its length."""
        self._try(self._ring.send, buf)
        return len(buf)

    def geterr(self) -> str:
        """Return the sentence of the last failure."""
        return self._error

    def stats(self) -> tuple[int, int, int]:
        """Return the packets received, dropped for want of room, and dropped by the interface."""
        if not self._live:
            self._fail("Statistics aren't available from savefiles")
        stats = self._ring.stats()
        return stats.recv, stats.drop, stats.ifdrop

    def __iter__(self) -> Iterator[tuple[float, bytes]]:
        return self

    def __next__(self) -> tuple[float, bytes]:
        ts, data = next(self._packets)
        return (ts if self.timestamp_in_ns else ts // 1000000000 + ts % 1000000000 * 1e-9), data

    def _stamp(self, ts: int) -> float:
        return ts if self.timestamp_in_ns else ts // 1000000000 + ts % 1000000000 * 1e-9

    def _read(self, n: int, wait: float | None) -> Iterable[tuple[int, bytes]]:
        return self._ring.read(n, timeout=wait)

    def _try(self, call: Callable[..., object], *args: object) -> None:
        try:
            call(*args)
        except Error as e:
            self._error = str(e.strerror)
            raise

    def _fail(self, text: str) -> NoReturn:
        self._error = text
        raise Error(errno.EOPNOTSUPP, text)


class Reader(pcap):
    """`dpkt.pcap.Reader`'s interface: a capture file (any kind that pfring reads) or a device.

    source: an open file, as dpkt wants it, a path, or the name of a device.
    """

    def __init__(self, source: IO[bytes] | str | os.PathLike[str], **options: Any) -> None:
        if isinstance(source, (str, os.PathLike)):
            name = os.fspath(source)
            if isinstance(source, os.PathLike) and not os.path.exists(name):
                raise NoSuchFile(errno.ENOENT, f"{name}: No such file or directory")
        else:
            try:
                name = f"/proc/self/fd/{source.fileno()}"
            except (AttributeError, OSError):
                raise TypeError("Reader needs a path or a file that has a descriptor") from None
        super().__init__(name, **options)


def lookupdev() -> str:
    """Return the name of a device to capture on."""
    return str(_pcapy.lookupdev())


def findalldevs() -> list[str]:
    """Return the names of all devices."""
    return [str(name) for name in _pcapy.findalldevs()]


def lookupnet(dev: str) -> tuple[bytes, bytes]:
    """Return the IPv4 network and mask of a device as four bytes each."""
    import socket

    reader = _pcapy.open_live(dev, 96, 0, 1)
    try:
        return socket.inet_aton(reader.getnet()), socket.inet_aton(reader.getmask())
    finally:
        reader.close()


def lib_version() -> str:
    """Return which library captures."""
    from . import __version__

    return f"pfring version {__version__}"


def ex_name(name: str) -> str:
    """Return a device's name as the library wants it: unchanged on Linux."""
    return name
