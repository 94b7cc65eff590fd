# SPDX-License-Identifier: BSD-3-Clause
"""eBPF programs as a ring's filter: what they return is honoured, what is no filter is refused."""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from frames import number_of, numbered, udp4
from pfsock import SO_DETACH_FILTER, Ring, Sender, check, libc, pair, refused

SYS_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
PROG_LOAD, SOCKET_FILTER, SCHED_CLS = 5, 1, 3
SO_LOCK_FILTER, SO_ATTACH_BPF = 44, 50
R0, R1, R2, R3, R6 = 0, 1, 2, 3, 6
CB = 48  # of struct __sk_buff: 20 bytes that the program may use
EXIT = (0x95, 0, 0, 0, 0)

Insn = tuple[int, int, int, int, int]  # code, destination, source, offset, immediate


def give(value: int) -> tuple[Insn, Insn]:
    """Return value."""
    return (0xB7, R0, 0, 0, value), EXIT


# r6 = r1; r0 = byte 23, the IPv4 protocol; if it is UDP's keep 40 bytes, else none
UDP_40: tuple[Insn, ...] = (
    (0xBF, R6, R1, 0, 0),
    (0x30, 0, 0, 0, 23),
    (0x55, R0, 0, 2, socket.IPPROTO_UDP),
    *give(40),
    *give(0),
)
# r2 = cb[0]; cb[0] = 7; keep the packet only if nobody has been there before
CLEAN_CB: tuple[Insn, ...] = (
    (0x61, R2, R1, CB, 0),
    (0xB7, R3, 0, 0, 7),
    (0x63, R1, R3, CB, 0),
    (0x55, R2, 0, 2, 0),
    *give(-1),
    *give(0),
)


@contextmanager
def program(*instructions: Insn, kind: int = SOCKET_FILTER) -> Iterator[bytes]:
    """A loaded program's descriptor, as setsockopt() takes it."""
    code = b"".join(struct.pack("<BBhi", c, s << 4 | d, o, i) for c, d, s, o, i in instructions)
    text, licence = ctypes.create_string_buffer(code), ctypes.create_string_buffer(b"GPL")
    attr = struct.pack(
        "<IIQQ96x",
        kind,
        len(instructions),
        ctypes.addressof(text),
        ctypes.addressof(licence),
    )
    # Before 5.11 programs and rings shared the limit on locked memory.
    limits = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    try:
        fd = check(libc.syscall(SYS_BPF, PROG_LOAD, attr, len(attr)))
    finally:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, limits)
    try:
        yield struct.pack("<i", fd)
    finally:
        os.close(fd)


def attach(ring: Ring, fd: bytes) -> None:
    """Make the program the ring's filter."""
    ring.sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_BPF, fd)


def test_program_keeps_the_length_that_it_returns_and_outlives_its_descriptor() -> None:
    with pair() as (v0, v1), Ring(v1) as ring:
        with program(*UDP_40) as fd:
            attach(ring, fd)
        sender = Sender(v0)
        wanted = udp4(("192.0.2.1", 5), ("192.0.2.2", 6), b"x" * 60)
        sender.send(numbered(1), wanted, numbered(2))
        (got,) = ring.collect(1)
        assert got.data == wanted[:40]
        assert got.len == len(wanted)
        assert (ring.stats().recv, ring.stats().filtered) == (1, 2)
        ring.sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
        sender.send(numbered(3))
        sender.close()
        assert [number_of(r.data) for r in ring.collect(1)] == [3]


def test_each_run_of_a_program_finds_its_scratch_bytes_clear() -> None:
    with pair() as (v0, v1), Ring(v1) as one, Ring(v1) as other, program(*CLEAN_CB) as fd:
        attach(one, fd)
        attach(other, fd)
        sender = Sender(v0)
        sender.send(*(numbered(i) for i in range(50)))
        sender.close()
        for ring in (one, other):
            assert [number_of(r.data) for r in ring.collect(50)] == list(range(50))
            assert ring.stats().filtered == 0


@pytest.mark.slow
def test_program_changes_under_traffic_and_every_packet_is_in_the_books() -> None:
    with pair() as (v0, v1), Ring(v1) as ring, program(*UDP_40) as udp, program(*give(-1)) as every:
        sender = Sender(v0)
        for round_ in range(50):
            attach(ring, udp if round_ % 2 else every)
            sender.send(*(numbered(i) for i in range(20, 40)))
        sender.close()
        assert (ring.stats().recv, ring.stats().filtered) == (500, 500)


def test_what_is_no_socket_filter_is_refused_and_the_old_one_stays() -> None:
    with pair() as (v0, v1), Ring(v1) as ring, program(*UDP_40) as udp:
        attach(ring, udp)
        with program(*give(-1), kind=SCHED_CLS) as classifier:
            assert refused(errno.EINVAL, attach, ring, classifier)
        assert refused(errno.EBADF, attach, ring, struct.pack("<i", 4000))
        ring.sock.setsockopt(socket.SOL_SOCKET, SO_LOCK_FILTER, 1)
        with program(*give(-1)) as every:
            assert refused(errno.EPERM, attach, ring, every)
        sender = Sender(v0)
        sender.send(numbered(1), udp4(("192.0.2.1", 5), ("192.0.2.2", 6), b""), numbered(2))
        sender.close()
        assert len(ring.collect(1)) == 1
        assert (ring.stats().recv, ring.stats().filtered) == (1, 2)
