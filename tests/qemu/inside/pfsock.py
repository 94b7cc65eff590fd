# SPDX-License-Identifier: BSD-3-Clause
"""A PF_RING socket spoken to directly, without libpfring: the kernel's side alone is tested.

Everything is done with the system calls that kernel/uapi/pf_ring.h describes,
so that a fault in the library cannot hide one in the module, or the reverse.
"""

from __future__ import annotations

import ctypes
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
from pathlib import Path
from typing import NamedTuple

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

    def collect(self, count: int, seconds: float = 20) -> list[Record]:
        """Read until count packets are there or time is over."""
        records: list[Record] = []
        end = time.monotonic() + seconds
        while len(records) < count and time.monotonic() < end:
            self.wait(100)
            records += self.read()
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


def _arriving() -> bool:
    """Whether a CPU's queue of received packets is not empty (net/core/net-procfs.c)."""
    lines = Path("/proc/net/softnet_stat").read_text(encoding="ascii").splitlines()
    return any(int(line.split()[11], 16) for line in lines)


class Sender:
    """An AF_PACKET socket: frames that did not come from the module under test."""

    def __init__(self, device: str) -> None:
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.sock.bind((device, 0))

    def post(self, *frames: bytes) -> None:
        """Send them in order, not waiting for them to arrive."""
        for frame in frames:
            self.sock.send(frame)

    def send(self, *frames: bytes) -> None:
        """Send them in order; they have arrived on return.

        Mostly they do within the system call, but a busy machine leaves them to ksoftirqd.
        """
        self.post(*frames)
        end = time.monotonic() + 20
        while _arriving() and time.monotonic() < end:
            time.sleep(0.001)

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()


@contextmanager
def pair(queues: int = 1) -> Iterator[tuple[str, str]]:
    """A veth pair that is up and otherwise silent."""
    many = ["numrxqueues", str(queues), "numtxqueues", str(queues)]
    Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1", encoding="ascii")
    ip("link", "add", "v0", "up", "arp", "off", *many, "type", "veth", "peer", "name", "v1", *many)
    try:
        ip("link", "set", "v1", "up", "arp", "off")
        yield "v0", "v1"
    finally:
        with suppress(subprocess.CalledProcessError):
            ip("link", "del", "v0")


def refused(code: int, call: Callable[..., object], *arguments: object) -> bool:
    """Whether the call fails with this errno and no other."""
    try:
        call(*arguments)
    except OSError as error:
        if error.errno != code:
            raise
        return True
    return False
