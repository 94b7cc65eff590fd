# SPDX-License-Identifier: BSD-3-Clause
"""scapy's three kinds of sockets over a Ring: listen, layer 2, layer 3.

They behave as scapy's own on Linux, and where they cannot (loopback listening,
which scapy shows twice; one EtherType; link types that pfring would cook; what
pfring cannot open) the constructor returns scapy's own socket, with the reason
in `pfring_reason`. select() drains the ring a batch at a time and asks the
kernel only when nothing is left. A socket belongs to the thread that reads it;
sending, filtering and closing may happen on any.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select as _select
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, NoReturn, cast

from scapy.arch.linux import L3PacketSocket
from scapy.automaton import ObjectPipe
from scapy.config import conf
from scapy.data import ETH_P_ALL, MTU
from scapy.error import Scapy_Exception, warning
from scapy.interfaces import network_name
from scapy.packet import Packet
from scapy.supersocket import SuperSocket

from pfring import Error, Ring
from pfring._core import scapy as _core

from . import model, options
from .offline import dissected

# Room for a burst of 100,000 small packets, at 128 bytes each, while others wait behind it.
RING_BYTES = 32 << 20
# Link types whose frames are the same bytes on scapy's own sockets: Ethernet, raw IP, 802.11.
SAME_BYTES = {1, 12, 101, 105, 127, 228, 229}

SIOCGIFHWADDR = 0x8927
# That a device went away is told a little later, and only to who waits for packets.
NAP_NS = 1_000_000
LOOK_S = 0.2

# The classes that scapy would use, by the name they have in conf; backend.py keeps it right.
native: dict[str, Any] = {}


def buffer_size() -> int:
    """Return the ring memory of a socket."""
    if options.buffer is not None:
        return max(options.buffer, 65536)
    return max(RING_BYTES, int(conf.bufsize))


class Unserved(Exception):
    """Scapy's own socket has to do it; the text says why."""


def _link(device: str) -> tuple[type[Packet], int]:
    """Return the class of a device's frames, and its level, as scapy's sockets find them."""
    # By ioctl: /sys may show another network namespace.
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
            request = struct.pack("16s16x", os.fsencode(device)[:15])
            (kind,) = struct.unpack_from("=H", fcntl.ioctl(asked, SIOCGIFHWADDR, request), 16)
    except OSError as e:
        raise Unserved(f"{device}: {e.strerror}") from None
    if kind in conf.l2types:
        return conf.l2types.num2layer[kind], 2
    if ETH_P_ALL in conf.l3types:
        return conf.l3types.num2layer[ETH_P_ALL], 3
    raise Unserved("its frames are of a type that scapy guesses")


class _Sender:
    """What scapy writes to: a socket's `outs`."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring

    def send(self, data: bytes) -> int:
        return self._ring.send(data)

    def fileno(self) -> int:
        return -1 if self._ring.closed else self._ring.fileno()

    def close(self) -> None:
        self._ring.close()


class RingSocket(SuperSocket):
    """What the three kinds share."""

    nonblocking_socket = False
    auxdata_available = True
    listens: ClassVar[bool] = False
    kind: ClassVar[str]
    select: Any

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        sock = object.__new__(cls)
        try:
            sock._open(*args, **kwargs)
        except (Unserved, Error) as e:
            # scapy's own socket does it, or fails as the program expects.
            own: Any = native[cls.kind](*args, **kwargs)
            own.pfring_reason = str(e)
            return own
        return sock

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Everything is done by now."""

    def _open(
        self,
        iface: Any = None,
        type: int = ETH_P_ALL,
        promisc: Any = None,
        filter: Any = None,
        nofilter: int = 0,
        monitor: Any = None,
    ) -> None:
        self.closed = True  # until it is open: __del__ looks at it
        self.iface = network_name(iface or conf.iface)
        self.type = type
        self.promisc = conf.sniff_promisc if promisc is None else promisc
        if type != ETH_P_ALL:
            raise Unserved("one EtherType only")
        if self.listens and self.iface == conf.loopback_name:
            raise Unserved("scapy shows what passes over loopback twice")
        if conf.use_pcap and monitor:
            raise Unserved("monitor mode is libpcap's")
        self.LL, self.lvl = _link(self.iface)
        if nofilter:
            filter = None
        elif conf.except_filter:
            filter = (f"({filter}) and " if filter else "") + f"not ({conf.except_filter})"
        ring = Ring(
            self.iface,
            filter or None,
            snaplen=MTU,
            promisc=bool(self.promisc),
            immediate=True,
            buffer=buffer_size(),
            direction="inout" if self.listens else "in",
        )
        if ring.linktype not in SAME_BYTES:
            ring.close()
            raise Unserved("its frames would be cooked")
        self._adopt(ring)

    def _adopt(self, ring: Ring) -> None:
        self.ring = ring
        self.ins: Any = ring
        self.outs: Any = None if self.listens else _Sender(ring)
        self._feed = _core.Feed(ring, options.lazy and self.LL is model.LAYERS[0])
        self._raw = type(self).recv_raw is not RingSocket.recv_raw
        self._outside: _Signal | None = None
        self.closed = False

    # Receiving ---------------------------------------------------------------------------

    def recv(self, x: int = MTU, **kwargs: Any) -> Packet | None:
        """Receive a packet; waits for one, as scapy's own sockets do."""
        if kwargs or self._raw:
            return SuperSocket.recv(self, x, **kwargs)
        packet: Any = self._feed.take(x)
        if self._outside is not None:
            self._outside.show(self._feed.ready())
        if type(packet) is tuple:
            if options.lazy and not _core.valid():
                model.refresh()
            return self._dissected(*packet)
        return cast("Packet | None", packet)

    def _dissected(self, data: bytes, when: float) -> Packet | None:
        if not data:
            return None
        packet = dissected(self.LL, data)
        packet.time = when
        return packet

    def recv_raw(self, x: int = MTU) -> tuple[type[Packet] | None, bytes | None, float | None]:
        """Receive a packet as (class, bytes, time)."""
        feed = self._feed
        got: Any = feed.take(x)
        if self._outside is not None:
            self._outside.show(feed.ready())
        if got is None:
            return None, None, None
        if type(got) is tuple:
            return self.LL, got[0], got[1]
        return self.LL, got.original, got.time

    def _expanded(self) -> Iterable[RingSocket | SuperSocket]:
        return (self,)

    def fileno(self) -> int:
        """Return a descriptor that is readable as long as there is a packet to receive."""
        if self.closed:
            return -1
        if self._outside is None:
            self._outside = _Signal(self.ring)
        # Looking empties the ring's own descriptor, which may speak of what we hold already.
        self._outside.show(self._feed.ready())
        return self._outside.fileno()

    # Sending and closing -----------------------------------------------------------------

    def send(self, x: Any) -> int:
        """Send a packet as it is; frames that the device finds too short are padded."""
        data = bytes(x)
        with contextlib.suppress(AttributeError):
            x.sent_time = time.time()
        return self._send(data)

    def _send(self, data: bytes) -> int:
        try:
            return cast(int, self.outs.send(data))
        except OSError as e:
            if e.errno == 22 and len(data) < conf.min_pkt_size:
                return cast(int, self.outs.send(data.ljust(conf.min_pkt_size, b"\0")))
            raise

    def close(self) -> None:
        """Close; twice is fine."""
        if self.closed:
            return
        self.closed = True
        if self._outside is not None:
            self._outside.close()
        self.ring.close()


def _flat(sockets: list[Any]) -> Iterator[Any]:
    for sock in sockets:
        if isinstance(sock, L3):
            yield from list(sock.send_socks.values())  # another thread may send
        else:
            yield sock


def _answer(asked: list[Any], ready: list[Any]) -> list[Any]:
    """Name only sockets that were asked about, to scapy 2.5, which knows no others."""
    if L3PacketSocket.select is not SuperSocket.select:
        return ready
    for parent in asked:
        if isinstance(parent, L3):
            parent.turns = [s for s in ready if s is not parent and s in parent.send_socks.values()]
            ready = [parent if s in parent.turns else s for s in ready]
    return ready


def _select_all(sockets: list[Any], remain: float | None) -> list[Any]:
    """select() over sockets of ours and of others, in the order in which they were given."""
    flat = list(_flat(sockets))
    ours = [sock for sock in flat if isinstance(sock, RingSocket)]
    deadline = None if remain is None else time.monotonic() + remain
    poller = _select.poll()
    numbers: dict[int, Any] = {}
    for sock in flat:
        number = sock.ring.fileno() if isinstance(sock, RingSocket) else sock.fileno()
        if number < 0:
            raise ValueError("file descriptor cannot be a negative integer (-1)")
        numbers[number] = sock
        poller.register(number, _select.POLLIN | _select.POLLPRI)
    nap = 0
    while True:
        ready = {id(sock) for sock in ours if sock._feed.ready(nap)}
        nap = NAP_NS
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        others = len(flat) > len(ours)
        if not ready or others:
            wait = 0 if ready else int(min(LOOK_S if left is None else left, LOOK_S) * 1000 + 0.999)
            for number, _ in poller.poll(wait):
                sock = numbers[number]
                if not isinstance(sock, RingSocket):
                    ready.add(id(sock))
        if ready:
            return _answer(sockets, [sock for sock in flat if id(sock) in ready])
        # A ring's descriptor may speak for packets that its filter then refuses.
        if left is not None and left <= 0:
            return []


class _Select:
    """RingSocket.select: wait for packets on sockets of ours and of others.

    It is a value of its own because sniff() warns of a mixture unless all have equal ones. Ours
    serves others and theirs serves us (by fileno()), so that there is nothing to warn of.
    """

    def __call__(self, sockets: list[Any], remain: float | None = conf.recv_poll_rate) -> list[Any]:
        """Return the sockets that have something; waits up to remain seconds, None for ever."""
        # sniff() and its pipe, which only ends a wait: as long as packets are here, no system call.
        one: Any = sockets[0] if len(sockets) == 1 or isinstance(sockets[-1], ObjectPipe) else None
        alone = isinstance(one, RingSocket) and len(sockets) < 3
        if alone and one._feed.pending() and (not isinstance(one, L3) or len(one.send_socks) < 2):
            return [one]
        return _select_all(sockets, remain)

    def __eq__(self, other: object) -> bool:
        return other is self or other is SuperSocket.select

    def __hash__(self) -> int:
        return hash(SuperSocket.select)


RingSocket.select = _Select()


class _Signal:
    """A descriptor for programs that call select() themselves: the ring's, or our own packets."""

    def __init__(self, ring: Ring) -> None:
        self._event, self._other = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._shown = False
        self._epoll = _select.epoll()
        self._epoll.register(self._event, _select.EPOLLIN)
        self._epoll.register(ring.fileno(), _select.EPOLLIN)

    def show(self, packets: bool) -> None:
        """Make it readable as long as there are packets that the ring has handed over."""
        if packets != self._shown:
            if packets:
                os.write(self._other, b"\0")
            else:
                os.read(self._event, 1)
            self._shown = packets

    def fileno(self) -> int:
        return self._epoll.fileno()

    def close(self) -> None:
        self._epoll.close()
        os.close(self._event)
        os.close(self._other)


class L2Listen(RingSocket):
    """Receives what comes in and goes out."""

    desc = "read packets at layer 2 using pfring. Also receives the packets going OUT"
    listens = True
    kind = "L2listen"

    def send(self, x: Any) -> NoReturn:
        raise Scapy_Exception("Can't send anything with L2ListenSocket")


class L2(RingSocket):
    """Sends, and receives what comes in."""

    desc = "read/write packets at layer 2 using pfring"
    kind = "L2socket"


class L3(RingSocket):
    """Sends by route, on as many devices as that takes, and receives payloads of frames."""

    desc = "read/write packets at layer 3 using pfring"
    kind = "L3socket"

    def _open(self, *args: Any, **kwargs: Any) -> None:
        self.send_socks: dict[Any, Any] = {}
        self.turns: list[L3] = []  # who receives next in our name (see _answer)
        super()._open(*args, **kwargs)
        self.filter = kwargs.get("filter", args[3] if len(args) > 3 else None)
        self.send_socks = {self.iface: self}

    def recv(self, x: int = MTU, **kwargs: Any) -> Packet | None:
        if self.turns:
            return self.turns.pop(0).recv(x, **kwargs)
        packet = super().recv(x, **kwargs)
        if packet and self.lvl == 2:
            packet.payload.time = packet.time
            return packet.payload
        return packet

    def send(self, x: Any) -> int:
        """Send on the device that the route to the packet's destination names."""
        device = x.route()[0]
        device = network_name(conf.iface if device is None else device)
        if device not in self.send_socks:
            self.send_socks[device] = L3(iface=device, filter=self.filter, promisc=self.promisc)
        sock = self.send_socks[device]
        if sock.lvl == 3 and not issubclass(sock.LL, type(x)):
            warning("Incompatible L3 types detected using %s instead of %s !", type(x), sock.LL)
            sock.LL = type(x)
        data = bytes(sock.LL() / x) if sock.lvl == 2 else bytes(x)
        with contextlib.suppress(AttributeError):
            x.sent_time = time.time()
        try:
            return cast(int, sock.outs.send(data))
        except OSError as e:
            if e.errno == 22 and len(data) < conf.min_pkt_size:
                return cast(int, sock.outs.send(data.ljust(conf.min_pkt_size, b"\0")))
            if conf.auto_fragment and e.errno == 90:
                return sum(sock.outs.send(bytes(self.LL() / part)) for part in x.fragment())
            raise

    def close(self) -> None:
        if self.closed:
            return
        super().close()
        for sock in self.send_socks.values():
            if sock is not self:
                sock.close()
