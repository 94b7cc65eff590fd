# SPDX-License-Identifier: BSD-3-Clause
"""Packets by the thousand, as columns: what `ring.batches()` and `ring.flows()` give.

The memory is the extension's (python/src/batch_store.h); NumPy arrays, Arrow arrays and data
frames look at it without a copy and keep it alive. NumPy is imported when a column is first
asked for, so counting packets needs none of it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any, Generic, SupportsIndex, TypeVar, overload

from . import _core
from .errors import NotSupported
from .shown import html_table, time_of

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow
    from numpy.typing import NDArray

    from .writers import PacketWriter

# Packets of a batch: with its columns and bytes about as much as a core's cache holds, and so many
# that Python's share in a packet is a nanosecond.
DEFAULT = 4096
# How long an asynchronous wait goes without looking whether the ring was closed.
_LOOK = 0.25

# Arrow's names of the columns' types (format strings of the C data interface).
_TYPES = {"B": "C", "H": "S", "I": "I", "Q": "L", "h": "s", "i": "i", "q": "l", "16s": "w:16"}


def numpy_of(what: str) -> Any:
    """Import NumPy, or say who needs it and how to get it."""
    try:
        import numpy
    except ImportError as e:
        raise ImportError(f"{what} needs NumPy: pip install 'pfring[numpy]'") from e
    return numpy


class _Column:
    """A column: an array that is made when it is first asked for, and read-only."""

    def __init__(self, doc: str) -> None:
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, table: _Table | None, owner: type) -> Any:
        return self if table is None else table.column(self._name)


class _Table:
    """What batches and flows have in common: named columns of one length."""

    _store: _core.PacketBatch | _core.FlowBatch
    _arrays: dict[str, Any]

    def __len__(self) -> int:
        return len(self._store)

    @classmethod
    def names(cls) -> list[str]:
        """Return the names of the columns, in order."""
        return [name for name, value in vars(cls).items() if isinstance(value, _Column)]

    def column(self, name: str) -> NDArray[Any]:
        """Return a column by its name."""
        buffer = self._store.column(name)  # also says whether the packets are still there
        if name not in self._arrays:
            np = numpy_of("a column")
            if buffer_format(buffer) == "16s":
                array = np.frombuffer(buffer, np.uint8).reshape(-1, 16)
            else:
                array = np.frombuffer(buffer, np.dtype(buffer_format(buffer)))
            self._arrays[name] = array
        array_: NDArray[Any] = self._arrays[name]
        return array_

    def _fields(self) -> list[tuple[str, str, tuple[Any, ...]]]:
        """Name, Arrow type and buffers of each column."""
        fields = []
        for name in self.names():
            buffer = self._store.column(name)
            kind = _TYPES[buffer_format(buffer)]
            fields.append((name, "tsn:UTC" if name == "ts_ns" else kind, (buffer,)))
        return fields

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        """Return the Arrow PyCapsule pair (schema, array): every Arrow library takes this."""
        return _core.arrow_struct(len(self), self._fields())

    def to_arrow(self) -> pyarrow.RecordBatch:
        """Return an Arrow record batch over the same memory; needs pyarrow."""
        try:
            import pyarrow
        except ImportError as e:
            raise ImportError("to_arrow() needs pyarrow: pip install 'pfring[arrow]'") from e
        return pyarrow.record_batch(self)

    def to_pandas(self) -> pandas.DataFrame:
        """Return a pandas data frame; ts_ns becomes a time stamp in UTC."""
        try:
            import pandas
        except ImportError as e:
            raise ImportError("to_pandas() needs pandas: pip install pandas") from e
        columns: dict[str, Any] = {}
        for name in self.names():
            array = self.column(name)
            columns[name] = [bytes(x) for x in array] if array.ndim > 1 else array
        frame = pandas.DataFrame(columns)
        frame["ts_ns"] = pandas.to_datetime(frame["ts_ns"], unit="ns", utc=True)
        return frame

    def to_polars(self) -> polars.DataFrame:
        """Return a polars data frame over the same memory."""
        try:
            import polars
        except ImportError as e:
            raise ImportError("to_polars() needs polars: pip install polars pyarrow") from e
        frame = polars.from_arrow(self.to_arrow())
        assert isinstance(frame, polars.DataFrame)
        return frame

    def shown(self) -> list[str]:
        """Return the columns that a notebook shows."""
        return [name for name in self.names() if self.column(name).ndim == 1]

    def cell(self, name: str, i: int) -> str:
        """Return a value as a notebook shows it."""
        value = int(self.column(name)[i])
        return time_of(value) if name == "ts_ns" else str(value)

    def _is_there(self) -> bool:
        return True

    def _repr_html_(self) -> str:
        return html_table(self)


def buffer_format(buffer: Any) -> str:
    """Return the format of a column's elements, as of the struct module."""
    return memoryview(buffer).format


class Batch(_Table):
    """Packets in columns, with all their bytes in one buffer.

    Packet i is `data[offset[i] : offset[i] + caplen[i]]`, or `batch[i]` as `(ts_ns, bytes)`.
    Arrays stay valid when the batch, and even its ring, are gone; those of a batch made with
    `copy=False` then show what the ring holds by that time.
    """

    ts_ns = _Column("Arrival, in nanoseconds since the epoch.")
    len = _Column("Length on the wire.")
    caplen = _Column("Bytes that were captured.")
    offset = _Column("Where the packet begins in `data`.")
    ifindex = _Column("Index of the interface, -1 where unknown (files).")
    direction = _Column("0: received, 1: sent by this machine.")
    vlan = _Column("VLAN ID of the outer tag, 0 without one.")
    queue = _Column("Receive queue, -1 where not known.")
    _store: _core.PacketBatch

    def __init__(self, core: _core.PacketBatch) -> None:
        self._store = core
        self._arrays = {}

    @classmethod
    def from_packets(cls, packets: Iterable[tuple[int, bytes]], *, ethernet: bool = True) -> Batch:
        """Make a batch of (ts_ns, bytes), as rings and capture readers give them."""
        from array import array

        stamps, offsets, lengths, data = array("Q"), array("q"), array("I"), bytearray()
        for ts_ns, packet in packets:
            stamps.append(ts_ns)
            offsets.append(len(data))
            lengths.append(len(packet))
            data += packet
        return cls(_core.PacketBatch(stamps, offsets, lengths, lengths, data, ethernet))

    @property
    def data(self) -> NDArray[Any]:
        """All packets' bytes, one buffer."""
        return self.column("data")

    @property
    def is_view(self) -> bool:
        """Whether the packets lie in ring memory, valid until the next batch is read."""
        return self._store.is_view

    @overload
    def __getitem__(self, i: SupportsIndex) -> tuple[int, bytes]: ...
    @overload
    def __getitem__(self, i: slice) -> list[tuple[int, bytes]]: ...
    def __getitem__(self, i: SupportsIndex | slice) -> tuple[int, bytes] | list[tuple[int, bytes]]:
        if isinstance(i, slice):
            return [self._store.packet(k) for k in range(*i.indices(len(self)))]
        return self._store.packet(i.__index__())

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        return (self._store.packet(i) for i in range(len(self)))

    def copy(self) -> Batch:
        """Return the same packets in memory of their own."""
        return Batch(self._store.copy())

    def flows(self) -> Flows:
        """Parse all packets; takes about 15 ns each."""
        return Flows(self._store.flows())

    def write(self, writer: PacketWriter | _core.Dumper) -> None:
        """Append the packets to a writer."""
        self._store.feed(sink_of(writer))

    def _fields(self) -> list[tuple[str, str, tuple[Any, ...]]]:
        core = self._store.copy() if self.is_view else self._store
        fields = [f for f in Batch(core)._fields_as_they_are() if f[0] != "offset"]
        fields.append(("data", "Z", (core.column("offsets"), core.column("data"))))
        return fields

    def _fields_as_they_are(self) -> list[tuple[str, str, tuple[Any, ...]]]:
        return super()._fields()

    def _is_there(self) -> bool:
        return self._store.valid

    def __repr__(self) -> str:
        if not self._store.valid:
            return "<pfring.Batch, gone from the ring>"
        kind = ", view" if self.is_view else ""
        return f"<pfring.Batch {len(self):,} packets, {self._store.size:,} bytes{kind}>"


class Flows(_Table):
    """The headers of packets in columns, parsed by the extension; Ethernet frames only.

    The outermost IP header counts: see `pfring.parse()` for tunnels. What a packet does not have
    is 0, and -1 for `payload_offset`.
    """

    ts_ns = _Column("Arrival, in nanoseconds since the epoch.")
    len = _Column("Length on the wire.")
    caplen = _Column("Bytes that were captured.")
    queue = _Column("Receive queue, -1 where not known.")
    eth_src = _Column("Source MAC address as a number.")
    eth_dst = _Column("Destination MAC address as a number.")
    eth_type = _Column("EtherType behind all tags; 0x0800 IPv4, 0x86DD IPv6.")
    vlan = _Column("VLAN ID of the outer tag.")
    qinq = _Column("VLAN ID of the second tag.")
    ip_version = _Column("4, 6, or 0.")
    proto = _Column("IP protocol: 6 TCP, 17 UDP, 1 ICMP, 58 ICMPv6.")
    tos = _Column("Type of service, or traffic class.")
    frag = _Column("Bit 0: more fragments follow; bit 1: not the first one.")
    src = _Column("IPv4 source address as a number.")
    dst = _Column("IPv4 destination address as a number.")
    src6 = _Column("IPv6 source address, 16 bytes a row.")
    dst6 = _Column("IPv6 destination address, 16 bytes a row.")
    sport = _Column("Source port of TCP, UDP and SCTP.")
    dport = _Column("Destination port.")
    tcp_flags = _Column("TCP flags: 1 FIN, 2 SYN, 4 RST, 8 PSH, 16 ACK, 32 URG.")
    icmp_type = _Column("ICMP type.")
    icmp_code = _Column("ICMP code.")
    payload_offset = _Column("Where the payload begins in the packet, -1 if nowhere.")
    payload_len = _Column("Captured bytes of payload, without padding.")
    hash = _Column("A number per flow, the same for both directions; 0: no frame.")
    _store: _core.FlowBatch

    def __init__(self, core: _core.FlowBatch) -> None:
        self._store = core
        self._arrays = {}

    @property
    def n_ipv6(self) -> int:
        """How many of the packets are IPv6."""
        return self._store.n_ipv6

    def count(self, name: str) -> NDArray[Any]:
        """Return how many packets have each value of a column of 8 or 16 bits.

        Element v counts value v, as `numpy.bincount()` has it, for a fraction of its time.
        """
        counts: NDArray[Any] = numpy_of("counting").frombuffer(self._store.count(name), "i8")
        return counts

    def _address(self, name: str, i: int) -> IPv4Address | IPv6Address | None:
        version = self.ip_version[i]
        if version == 4:
            return IPv4Address(int(self.column(name)[i]))
        return IPv6Address(self.column(name + "6")[i].tobytes()) if version == 6 else None

    def source(self, i: int) -> IPv4Address | IPv6Address | None:
        """Return the source address of packet i."""
        return self._address("src", i)

    def destination(self, i: int) -> IPv4Address | IPv6Address | None:
        """Return the destination address of packet i."""
        return self._address("dst", i)

    def shown(self) -> list[str]:
        """Return the columns that a notebook shows."""
        return "ts_ns len vlan src dst proto sport dport tcp_flags payload_len".split()

    def cell(self, name: str, i: int) -> str:
        """Return a value as a notebook shows it: addresses as addresses."""
        if name in ("src", "dst"):
            return str(self._address(name, i) or "")
        return super().cell(name, i)

    def __repr__(self) -> str:
        return f"<pfring.Flows of {len(self):,} packets, {self.n_ipv6:,} IPv6>"


_T = TypeVar("_T", Batch, Flows)


class Batches(Generic[_T], Iterator[_T], AsyncIterator[_T]):
    """Iterates over batches, with `for` or `async for`, until the time-out or the end.

    Nothing is read ahead: a slow consumer's packets wait in the ring, and once that is full they
    are dropped and counted in `ring.stats().drop`.
    """

    def __init__(self, ring: _core.Ring, kind: type[_T], n: int, copy: bool, options: Any) -> None:
        self._ring, self._n, self._copy = ring, n, copy
        self._kind: type[Batch | Flows] = kind
        self._timeout, self._gather = options
        self._hint = 0

    def _read(self, timeout: Any, gather: float = 0.0) -> Any:
        """Return a batch, None if none came in time, or False at the end."""
        if self._kind is Flows:
            core: Any = _core.read_flows(self._ring, self._n, timeout, gather)
            return Flows(core) if core else core
        if not self._copy:
            core = _core.view_packets(self._ring, self._n, timeout)
        else:
            core = _core.read_packets(self._ring, self._n, timeout, gather, self._hint)
            self._hint = core.size if core else self._hint
        return Batch(core) if core else core

    def __iter__(self) -> Batches[_T]:
        return self

    def __next__(self) -> _T:
        batch = self._read(self._timeout, self._gather)
        if not batch:
            raise StopIteration
        result: _T = batch
        return result

    def __aiter__(self) -> Batches[_T]:
        return self

    async def __anext__(self) -> _T:
        loop = asyncio.get_running_loop()
        limit = self._ring.timeout if self._timeout is ... else self._timeout
        end = None if limit is None else loop.time() + limit
        while not (batch := self._read(0)):
            left = _LOOK if end is None else min(_LOOK, end - loop.time())
            if batch is False or left < 0 or self._ring.closed:
                raise StopAsyncIteration
            await self._wait(loop, left)
            if self._ring.closed:
                raise StopAsyncIteration
        result: _T = batch
        return result

    async def _wait(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        """Give the others a turn until packets are there, at most so long."""
        try:
            fd = self._ring.fileno()
        except NotSupported:
            await asyncio.sleep(min(seconds, 0.01))
            return
        ready = asyncio.Event()
        loop.add_reader(fd, ready.set)
        try:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(ready.wait(), seconds)
        finally:
            loop.remove_reader(fd)


def batches(
    ring: _core.Ring,
    n: int = DEFAULT,
    *,
    copy: bool = True,
    timeout: float | None = ...,  # type: ignore[assignment]
    gather: float = 0.0,
) -> Batches[Batch]:
    """Iterate over batches of up to n packets; see Ring.batches in _core.pyi."""
    if gather and not copy:
        raise ValueError("gather= needs copies: a view ends where the ring goes on")
    return Batches(ring, Batch, n, copy, (timeout, gather))


def flows(
    ring: _core.Ring,
    n: int = DEFAULT,
    *,
    timeout: float | None = ...,  # type: ignore[assignment]
    gather: float = 0.0,
) -> Batches[Flows]:
    """Iterate over parsed columns of up to n packets; see Ring.flows in _core.pyi."""
    return Batches(ring, Flows, n, True, (timeout, gather))


def sink_of(writer: PacketWriter | _core.Dumper) -> _core.PacketSink:
    """Return what the extension gives packets to."""
    if isinstance(writer, _core.PacketSink):
        return writer
    sink = getattr(writer, "_sink", None)
    if not isinstance(sink, _core.PacketSink):
        raise TypeError(f"{writer!r} is no writer; see pfring.writer()")
    return sink


def tee(ring: _core.Ring, writer: PacketWriter | _core.Dumper | None) -> None:
    """Write what is read from now on, too; see Ring.tee in _core.pyi."""
    _core.set_tee(ring, None if writer is None else sink_of(writer))
