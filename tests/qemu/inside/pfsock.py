# SPDX-License-Identifier: BSD-3-Clause
"""A PF_RING socket spoken to directly, without libpfring: the kernel's side alone is tested.

Everything is done with the system calls that kernel/uapi/pf_ring.h describes,
so that a fault in the library cannot hide one in the module, or the reverse.
"""

from __future__ import annotations

import ctypes
import itertools
import mmap
import os
import re
import select
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from patience import TRIES_FOR, until

PF_RING, ETH_P_ALL, SOL = 27, 0x0003, 0
JOIN, LEAVE, SAMPLING, ACTIVATE, NAME, DIRECTION, DISCARD, DEACTIVATE = (
    99,
    100,
    105,
    106,
    110,
    111,
    115,
    116,
)
WATERMARK, WATERMARK_MS, SHUTDOWN, MODE, APPL_STATS, PROMISC = 117, 121, 124, 126, 133, 140
RING, TIMESTAMP = 200, 201
VERSION, CHANNELS, RING_ID, ADDR, QUEUED, INFO, STATS = 170, 174, 175, 177, 178, 210, 211
ANY_QUEUE, AUTO = (1 << 64) - 1, (1 << 32) - 1
RX_TX, RX_ONLY, TX_ONLY = 0, 1, 2
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
VLAN, GSO, CSUM, TS_HW, CSUM_OK, DEFRAG = 1, 2, 4, 8, 16, 32
OUTGOING = 4

_HEADER = Path(__file__).resolve().parents[3] / "kernel" / "uapi" / "pf_ring.h"
ABI = int(re.findall(r"#define PF_RING_ABI_VERSION +(\d+)", _HEADER.read_text("utf-8"))[0])

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int) -> int:
    """Turn -1 of a C call into OSError."""
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


class Record(NamedTuple):
    """One packet as it lies in a lane."""

    ts: int
    caplen: int
    len: int
    ifindex: int
    hash: int
    tci: int
    tpid: int
    pkttype: int
    flags: int
    queue: int
    data: bytes


class Stats(NamedTuple):
    """struct pfr_stats."""

    recv: int
    drop: int
    filtered: int
    sampled_out: int
    wakeups: int
    tx: int
    tx_errors: int
    reflected: int
    reflect_errors: int
    rule_filtered: int
    rule_errors: int


class Lane:
    """The reader's side of one lane."""

    def __init__(self, fd: int, number: int, stride: int, data_size: int) -> None:
        base = number * stride
        self.size = data_size
        self.memory = mmap.mmap(fd, stride, mmap.MAP_SHARED, mmap.PROT_READ, offset=base)
        self.cons_page = mmap.mmap(
            fd, 4096, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=base + 4096
        )

    def word(self, offset: int) -> int:
        """A 64-bit number of the producer's page."""
        return int(struct.unpack_from("<Q", self.memory, offset)[0])

    @property
    def prod(self) -> int:
        """The producer's position."""
        return self.word(64)

    @property
    def cons(self) -> int:
        """The reader's own position."""
        return int(struct.unpack_from("<Q", self.cons_page, 0)[0])

    @cons.setter
    def cons(self, value: int) -> None:
        struct.pack_into("<Q", self.cons_page, 0, value)

    def read(self, most: int = 1 << 30) -> list[Record]:
        """Take what is there."""
        records: list[Record] = []
        cons, prod = self.cons, self.prod
        while cons < prod and len(records) < most:
            at = 8192 + (cons & (self.size - 1))
            head = struct.unpack_from("<QIIIIHHBBH", self.memory, at)
            data = self.memory[at + 32 : at + 32 + head[1]]
            records.append(Record._make((*head, data)))
            cons += (32 + head[1] + 31) & ~31
        self.cons = cons
        return records

    def close(self) -> None:
        """Give the mappings back."""
        self.memory.close()
        self.cons_page.close()


class Ring:
    """A socket of the module; device None stays unbound, 0 is "any"."""

    def __init__(
        self,
        device: str | int | None = None,
        *,
        queues: int = ANY_QUEUE,
        caplen: int = 2048,
        lanes: int = 0,
        size: int = 1 << 20,
        active: bool = True,
        direction: int = RX_TX,
    ) -> None:
        self.sock = socket.socket(PF_RING, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.lanes: list[Lane] = []
        try:
            if direction != RX_TX:
                self.set(DIRECTION, direction)
            if caplen:
                self.set(RING, struct.pack("<IIQ", caplen, lanes, size))
                self.map()
            if device is not None:
                self.bind(device, queues)
            if active and caplen:
                self.set(ACTIVATE)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Ring:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        """For select() and poll()."""
        return self.sock.fileno()

    def set(self, option: int, value: int | bytes = b"") -> None:
        """setsockopt() at our level."""
        self.sock.setsockopt(SOL, option, value)

    def get(self, option: int, size: int) -> bytes:
        """getsockopt() at our level."""
        return self.sock.getsockopt(SOL, option, size)

    def ask(self, option: int, question: bytes, size: int) -> bytes:
        """getsockopt() with something to read in its buffer, which Python's has not."""
        buffer = ctypes.create_string_buffer(question, max(size, len(question)))
        length = ctypes.c_uint32(size)
        check(libc.getsockopt(self.fileno(), SOL, option, buffer, ctypes.byref(length)))
        return buffer.raw[: length.value]

    def number(self, option: int) -> int:
        """An option that is one number."""
        return int(struct.unpack("<I", self.get(option, 4))[0])

    def bind(self, device: str | int, queues: int = ANY_QUEUE) -> None:
        """bind(2) with a struct sockaddr_pfr, which Python's bind() does not know."""
        index = device if isinstance(device, int) else socket.if_nametoindex(device)
        address = struct.pack("<HHiQ", PF_RING, 0, index, queues)
        check(libc.bind(self.fileno(), address, len(address)))

    def info(self) -> tuple[int, ...]:
        """Abi, version, slots, mode, caplen, lanes, data, stride."""
        return struct.unpack("<6IQQ", self.get(INFO, 40))

    def map(self) -> None:
        """Map every lane."""
        *_, lanes, data, stride = self.info()
        self.lanes = [Lane(self.fileno(), n, stride, data) for n in range(lanes)]

    def read(self, most: int = 1 << 30) -> list[Record]:
        """What is in the lanes now, in the order of time."""
        records = [r for lane in self.lanes for r in lane.read(most)]
        return sorted(records, key=lambda r: r.ts)

    def wait(self, milliseconds: int = 1000) -> int:
        """poll(2) for input; the events."""
        poll = select.poll()
        poll.register(self.fileno(), select.POLLIN)
        return next((events for _, events in poll.poll(milliseconds)), 0)

    def collect(self, count: int) -> list[Record]:
        """Read until count packets are there, or none has come for long; tries are what counts."""
        records: list[Record] = []
        left = TRIES_FOR * 10
        while len(records) < count and left:
            events = self.wait(100)
            fresh = self.read()
            records += fresh
            left = TRIES_FOR * 10 if fresh else left - 1
            if events and not fresh:  # of another kind
                time.sleep(0.1)
        return records

    def stats(self) -> Stats:
        """The kernel's books."""
        return Stats(*struct.unpack("<11Q", self.get(STATS, 88)))

    def filter(self, *instructions: tuple[int, int, int, int]) -> None:
        """Attach a classic BPF program."""
        code = b"".join(struct.pack("<HBBI", *i) for i in instructions)
        buffer = ctypes.create_string_buffer(code)
        program = struct.pack("<HxxxxxxQ", len(instructions), ctypes.addressof(buffer))
        self.sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)

    def join(self, cluster: int, kind: int, consumer: int = AUTO, options: int = 0) -> None:
        """Become a member of a cluster."""
        self.set(JOIN, struct.pack("<4I", cluster, consumer, kind, options))

    def send(self, frame: bytes, ifindex: int = 0) -> int:
        """Send a frame, through another device if one is named."""
        if not ifindex:
            return self.sock.send(frame)
        address = struct.pack("<HHiQ", PF_RING, 0, ifindex, 0)
        buffer = ctypes.create_string_buffer(frame, len(frame))
        return check(libc.sendto(self.fileno(), buffer, len(frame), 0, address, len(address)))

    def close(self) -> None:
        """Unmap and close."""
        for lane in self.lanes:
            lane.close()
        self.lanes = []
        self.sock.close()


def ip(*words: str) -> str:
    """Run ip(8)."""
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def _received() -> list[tuple[str, int]]:
    """How many packets each CPU has taken from its queue, and has in it (net/core/net-procfs.c)."""
    lines = Path("/proc/net/softnet_stat").read_text(encoding="ascii").splitlines()
    return [(words[0], int(words[11], 16)) for words in map(str.split, lines)]


def _arrived() -> bool:
    """Whether nothing is left of what came to this CPU.

    Nobody runs on a CPU while it delivers a packet: there are only those of its queue.
    """
    return not any(queued for _, queued in _received())


_turn = itertools.count()


@contextmanager
def one_cpu(number: int | None = None) -> Iterator[None]:
    """Stay on one, now this, now that: what is sent from two of them may arrive in any order."""
    mine = os.sched_getaffinity(0)
    chosen = sorted(mine)[next(_turn) % len(mine)] if number is None else number
    os.sched_setaffinity(0, {chosen})
    try:
        yield
    finally:
        os.sched_setaffinity(0, mine)


def settle() -> None:
    """Whatever anybody sent before has arrived, and so has what it gave rise to."""

    def quiet() -> bool:
        before = _received()
        for cpu in range(len(before)):
            with one_cpu(cpu):
                until(_arrived, 0.001)
        return before == _received()

    until(quiet, 0.001)


class Sender:
    """An AF_PACKET socket: frames that did not come from the module under test."""

    def __init__(self, device: str) -> None:
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.sock.bind((device, 0))

    def post(self, *frames: bytes) -> None:
        """Send them, not waiting for them to arrive."""
        for frame in frames:
            self.sock.send(frame)

    def send(self, *frames: bytes) -> None:
        """Send them in order; they have arrived on return.

        Mostly they do within the system call, but a busy machine leaves them to ksoftirqd.
        """
        with one_cpu():
            self.post(*frames)
            until(_arrived, 0.001)

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()


def carry(*devices: str) -> None:
    """They do, on return. Some time after both ends are up a worker (net/core/link_watch.c)
    starts a device's queue, which drops until then what it is given."""
    for device in devices:
        state = Path("/sys/class/net", device, "operstate")
        until(partial(_reads, state, "up\n"), 0.005)
        # The worker has a lock all the while, and this waits for it.
        state.with_name("speed").read_text(encoding="ascii")


def _reads(path: Path, text: str) -> bool:
    return path.read_text(encoding="ascii") == text


@contextmanager
def wire(a: str, b: str, queues: int = 1) -> Iterator[tuple[str, str]]:
    """A veth pair that is up and otherwise silent."""
    many = ["numrxqueues", str(queues), "numtxqueues", str(queues)]
    Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1", encoding="ascii")
    ip("link", "add", a, "up", "arp", "off", *many, "type", "veth", "peer", "name", b, *many)
    try:
        ip("link", "set", b, "up", "arp", "off")
        carry(a, b)
        yield a, b
    finally:
        with suppress(subprocess.CalledProcessError):
            ip("link", "del", a)


@contextmanager
def pair(queues: int = 1) -> Iterator[tuple[str, str]]:
    """The pair that most checks have."""
    with wire("v0", "v1", queues) as ends:
        yield ends


def refused(code: int, call: Callable[..., object], *arguments: object) -> bool:
    """Whether the call fails with this errno and no other."""
    try:
        call(*arguments)
    except OSError as error:
        if error.errno != code:
            raise
        return True
    return False
