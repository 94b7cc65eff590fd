# SPDX-License-Identifier: BSD-3-Clause
"""sniff(offline=...): capture files whose packets are dissected when somebody looks.

Without a filter a file is read by scapy's own reader, whatever its form, and only the packets are
made as a ring's are (model.py). With a filter, scapy runs tcpdump; here the file is a ring, the
filter is compiled and run in this process, and the packets come out as tcpdump would have written
them: in microseconds and without a pcapng file's remarks. Where that is impossible (a file object,
compressed files, a filter that does not compile ...) scapy does all of it, its errors included.
backend.py puts _run() in the place of AsyncSniffer's. This module imports scapy.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import time
from collections.abc import Callable, Iterable
from typing import Any

import scapy.sendrecv
from scapy.config import conf
from scapy.data import MTU
from scapy.error import warning
from scapy.packet import Packet
from scapy.plist import PacketList
from scapy.sendrecv import AsyncSniffer
from scapy.utils import EDecimal, PcapNgReader, PcapReader

from pfring import Error, Ring
from pfring._core import scapy as _core

from . import model, options

# What scapy's reader of pcapng tells of a packet, in all versions.
TIMES = {"linktype", "tsresol", "tshigh", "tslow"}
REMARKS = {"wirelen", "comment", "comments", "ifname", "direction", "process_information"}


def dissected(cls: Any, data: bytes) -> Packet:
    """Dissect at once, as scapy's sockets and readers do."""
    try:
        packet: Packet = cls(data)
    except Exception:
        if conf.debug_dissector:
            from scapy.sendrecv import debug

            debug.crashed_on = (cls, data)
            raise
        packet = conf.raw_layer(data)
    return packet


def _packet(cls: Any, data: bytes, when: Any) -> Any:
    if options.lazy and cls is model.LAYERS[0]:
        if not _core.valid():
            model.refresh()
        packet = _core.packet(data, when)
        if packet is not None:
            return packet
    packet = dissected(cls, data)
    packet.time = when
    return packet


class _Pcap(PcapReader):
    """scapy's reader of classic pcap, with packets of ours."""

    def read_packet(self, size: int = MTU, **kwargs: Any) -> Any:
        if kwargs:
            return super().read_packet(size=size, **kwargs)
        data, about = self._read_packet(size=size)
        digits, unit = (9, 10**9) if self.nano else (6, 10**6)
        packet = _packet(self.LLcls, data, EDecimal(f"{about.sec * unit + about.usec}e-{digits}"))
        packet.wirelen = about.wirelen
        return packet


class _PcapNg(PcapNgReader):
    """The same of pcapng."""

    def read_packet(self, size: int = MTU, **kwargs: Any) -> Any:
        if kwargs:
            return super().read_packet(size=size, **kwargs)
        data, about = self._read_packet(size=size)
        when: Any = time.time()
        if about.tshigh is not None:
            when = EDecimal(about.tshigh << 32 | about.tslow) / about.tsresol
        cls = conf.l2types.num2layer.get(about.linktype)
        if cls is None and conf.debug_dissector:
            raise KeyError(about.linktype)
        packet = _packet(cls or conf.raw_layer, data, when)
        for name in REMARKS.intersection(about._fields):
            value = getattr(about, name)
            if name == "process_information":
                packet.process_information = value.copy()
            elif name != "ifname":
                setattr(packet, name, value)
            elif value is not None:
                packet.sniffed_on = value.decode("utf-8", "backslashreplace")
        return packet


def _reader(source: Any) -> Any:
    """Open a file with scapy's reader, and make its packets ours if it is one that we know."""
    reader = vars(scapy.sendrecv)["PcapReader"](source)  # as the loop would find it
    if type(reader) is PcapReader:
        reader.__class__ = _Pcap
    elif type(reader) is PcapNgReader and {*reader.PacketMetadata._fields} <= TIMES | REMARKS:
        reader.__class__ = _PcapNg
    return reader


class _Filtered:
    """What tcpdump would let through of a file, for scapy's loop."""

    nonblocking_socket = True
    select = staticmethod(PcapReader.select)

    def __init__(self, path: str, filter: str) -> None:
        self.filename = path
        self._ring = Ring(b"file:" + os.fsencode(path), filter)
        self._feed = _core.Feed(self._ring, False)
        self.linktype = self._ring.linktype
        self.LLcls: Any = conf.l2types.num2layer.get(self.linktype)
        if self.LLcls is None:
            warning("%s: link type %i is unknown to scapy; packets are Raw", path, self.linktype)
            self.LLcls = conf.raw_layer

    def recv(self, size: int = MTU, **kwargs: Any) -> Any:
        try:
            record = self._feed.record(size)
        except Error as e:  # tcpdump says so, too, and writes what comes before the damage
            warning("%s", e)
            raise EOFError from e
        if record is None:  # somebody broke the wait off
            raise EOFError
        data, ts_ns, length = record
        when = EDecimal(f"{ts_ns // 1000}e-6")
        if kwargs:
            packet = dissected(functools.partial(self.LLcls, **kwargs), data)
            packet.time = when
        else:
            packet = _packet(self.LLcls, data, when)
        packet.wirelen = length
        return packet

    read_packet = recv

    def fileno(self) -> int:
        return self._ring.fileno()

    def close(self) -> None:
        self._ring.close()


def _sources(offline: Any) -> list[tuple[Any, Any]]:
    """Return files and their labels as scapy tells them apart; none: they are packets."""
    if isinstance(offline, str):
        return [(offline, offline)]
    if isinstance(offline, dict):
        return list(offline.items())
    if isinstance(offline, list) and all(isinstance(x, str) for x in offline):
        return [(x, x) for x in offline]
    if isinstance(offline, (Packet, PacketList, list)):
        return []
    return [(offline, offline)]


def _readers(offline: Any, filter: Any) -> dict[Any, Any]:
    """Return a reader for each file, with its label; none: scapy has to do it."""
    sources = _sources(offline)
    if filter is None:
        return {_reader(source): label for source, label in sources}
    # A pipe can be opened only once; tcpdump takes "-" for its standard input.
    if not filter or not all(
        isinstance(x, str) and x != "-" and os.path.isfile(x) for x, _ in sources
    ):
        return {}
    readers: dict[Any, Any] = {}
    try:
        for source, label in sources:
            readers[_Filtered(source, filter)] = label
    except (Error, ValueError, TypeError):
        _close(readers)
        return {}
    return readers


def _close(readers: Iterable[Any]) -> None:
    for reader in readers:
        with contextlib.suppress(Exception):  # those that came to their end are closed
            reader.close()


_before: list[Callable[..., None]] = []


def apply() -> None:
    """Serve sniff(offline=...) from now on."""
    if _before:
        return
    scapys = AsyncSniffer._run
    signature = inspect.signature(scapys)

    @functools.wraps(scapys)
    def run(self: AsyncSniffer, *args: Any, **kwargs: Any) -> None:
        given = signature.bind(self, *args, **kwargs)
        offline = given.arguments.get("offline")
        readers: dict[Any, Any] = {}
        if offline is not None and given.arguments.get("opened_socket") is None:
            # As scapy has it by the time that it opens files, also if that fails.
            self.running = True
            readers = _readers(offline, given.kwargs.get("filter"))
        if not readers:
            return scapys(self, *args, **kwargs)
        given.arguments["opened_socket"], given.arguments["offline"] = readers, None
        try:
            return scapys(*given.args, **given.kwargs)
        finally:
            _close(readers)

    AsyncSniffer._run = run  # type: ignore[method-assign]
    _before.append(scapys)


def undo() -> None:
    """Leave files to scapy again."""
    if _before:
        AsyncSniffer._run = _before.pop()  # type: ignore[method-assign]
