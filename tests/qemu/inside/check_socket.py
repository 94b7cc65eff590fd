# SPDX-License-Identifier: BSD-3-Clause
"""The socket family: creation, options, bind, mapping, poll, errors."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import resource
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cgroup import CHARGED, group
from frames import numbered
from patience import LONG, until
from pfsock import (
    ABI,
    ADDR,
    CHANNELS,
    DIRECTION,
    JOIN,
    MODE,
    PF_RING,
    PROMISC,
    RING,
    SAMPLING,
    SHUTDOWN,
    STATS,
    TIMESTAMP,
    VERSION,
    WATERMARK,
    WATERMARK_MS,
    Ring,
    Sender,
    carry,
    ip,
    libc,
    one_cpu,
    pair,
    refused,
)

RING_STRIDE = 8192 + 270336


def test_family_27_answers_with_our_abi_and_version() -> None:
    with Ring("lo", caplen=100, lanes=2, size=100_000) as ring:
        abi, version, slots, mode, caplen, lanes, data, stride = ring.info()
        assert (abi, version, slots, mode, caplen, lanes) == (ABI, 0x050404, 4096, 0, 100, 2)
        assert data == 131072
        assert stride == RING_STRIDE + data
        assert ring.number(VERSION) == 0x050404
        assert ring.number(CHANNELS) == 1
        assert ring.get(ADDR, 6) == bytes(6)


def test_default_lane_holds_min_num_slots_packets() -> None:
    with Ring("lo", caplen=1518, size=0) as ring:
        data = ring.info()[6]
        assert 4096 * 1568 <= data <= 2 * 4096 * 1568
        assert ring.info()[5] == os.cpu_count()


@pytest.mark.parametrize(
    ("kind", "protocol", "code"),
    [
        (socket.SOCK_DGRAM, 3, errno.ESOCKTNOSUPPORT),
        (socket.SOCK_STREAM, 3, errno.ESOCKTNOSUPPORT),
        (socket.SOCK_RAW, 0, errno.EPROTONOSUPPORT),
        (socket.SOCK_RAW, 0x0800, errno.EPROTONOSUPPORT),
    ],
)
def test_other_types_and_protocols_are_refused(kind: int, protocol: int, code: int) -> None:
    assert refused(code, socket.socket, PF_RING, kind, socket.htons(protocol))


def test_without_cap_net_raw_no_socket() -> None:
    child = os.fork()
    if not child:
        os.setgid(65534)
        os.setuid(65534)
        try:
            Ring("lo")
        except OSError as error:
            os._exit(error.errno or 0)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == errno.EPERM


@pytest.mark.parametrize(
    ("caplen", "lanes", "size", "code"),
    [
        (0, 0, 0, errno.EINVAL),
        (262145, 0, 0, errno.EINVAL),
        (0xFFFFFFFF, 0, 0, errno.EINVAL),
        (100, 0xFFFFFFFF, 0, errno.EINVAL),
        (100, 100_000, 0, errno.EINVAL),
        (100, 0, (1 << 30) + 1, errno.EINVAL),
        (100, 0, (1 << 64) - 1, errno.EINVAL),
        (100, 2, 1 << 30, errno.ENOMEM),  # the guest has 1 GiB
    ],
)
def test_malformed_ring_requests_are_refused(caplen: int, lanes: int, size: int, code: int) -> None:
    with Ring(caplen=0) as ring:
        assert refused(code, ring.set, RING, struct.pack("<IIQ", caplen, lanes, size))
        ring.set(RING, struct.pack("<IIQ", 100, 1, 65536))


def test_ring_is_made_once() -> None:
    with Ring("lo") as ring:
        assert refused(errno.EBUSY, ring.set, RING, struct.pack("<IIQ", 100, 1, 65536))


@pytest.mark.parametrize("length", [0, 1, 3, 5, 15, 17, 4000])
def test_options_of_a_wrong_length_are_refused(length: int) -> None:
    with Ring("lo") as ring:
        for option in (SAMPLING, DIRECTION, WATERMARK, MODE, PROMISC, TIMESTAMP, RING, JOIN):
            if not (option in (RING, JOIN) and length == 16):
                assert refused(errno.EINVAL, ring.set, option, bytes(length)), option


@pytest.mark.parametrize(
    ("option", "value"),
    [
        (SAMPLING, 0),
        (DIRECTION, 3),
        (DIRECTION, -1),
        (MODE, 4),
        (MODE, -1),
        (WATERMARK, 0),
        (WATERMARK, 65536),
        (WATERMARK_MS, 0),
        (WATERMARK_MS, 60001),
        (TIMESTAMP, 3),
        (TIMESTAMP, -1),
    ],
)
def test_values_out_of_range_are_refused(option: int, value: int) -> None:
    with Ring("lo") as ring:
        assert refused(errno.EINVAL, ring.set, option, value)


def test_unknown_options_and_levels_are_refused() -> None:
    with Ring("lo") as ring:
        assert refused(errno.ENOPROTOOPT, ring.set, 101, 1)
        assert refused(errno.ENOPROTOOPT, ring.set, 9999, 1)
        assert refused(errno.ENOPROTOOPT, ring.get, 9999, 4)
        assert refused(errno.ENOPROTOOPT, ring.sock.setsockopt, 263, SAMPLING, 1)
        assert refused(errno.EINVAL, ring.get, STATS, 8)


def test_bind_refuses_what_is_not_there() -> None:
    with Ring() as ring, pair() as (v0, _):
        assert refused(errno.ENODEV, ring.bind, 9999)
        assert refused(errno.EINVAL, ring.bind, -1)
        assert refused(errno.EINVAL, ring.bind, "lo", 0)
        ip("link", "set", v0, "down")
        assert refused(errno.ENETDOWN, ring.bind, v0)
        ring.bind("lo")
        assert refused(errno.EINVAL, ring.bind, "lo")


def test_device_of_another_namespace_is_unknown() -> None:
    ip("netns", "add", "other")
    try:
        ip("link", "add", "v0", "type", "veth", "peer", "name", "v1")
        index = socket.if_nametoindex("v1")
        ip("link", "set", "v1", "netns", "other")
        with Ring() as ring:
            assert refused(errno.ENODEV, ring.bind, index)
        ip("link", "del", "v0")
    finally:
        ip("netns", "del", "other")


def test_all_but_the_kernels_page_is_writable() -> None:
    with Ring("lo", lanes=1, size=65536) as ring:
        fd, stride = ring.fileno(), ring.info()[7]
        write = mmap.PROT_READ | mmap.PROT_WRITE
        for offset, length in [(0, 4096), (0, stride), (0, 8192)]:
            assert refused(
                errno.EACCES,
                lambda o, n: mmap.mmap(fd, n, mmap.MAP_SHARED, write, offset=o),
                offset,
                length,
            )
        for offset, length in [(4096, 4096), (8192, 65536), (4096, stride - 4096)]:
            mmap.mmap(fd, length, mmap.MAP_SHARED, write, offset=offset).close()


def test_mprotect_cannot_make_the_kernels_page_writable() -> None:
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_long,
    ]
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    with Ring("lo", lanes=1, size=65536) as ring:
        at = libc.mmap(None, 4096, mmap.PROT_READ, mmap.MAP_SHARED, ring.fileno(), 0)
        assert libc.mprotect(at, 4096, mmap.PROT_READ | mmap.PROT_WRITE) == -1
        assert ctypes.get_errno() == errno.EACCES
        assert libc.mprotect(at, 4096, mmap.PROT_READ | mmap.PROT_EXEC) == -1
        assert libc.munmap(at, 4096) == 0


@pytest.mark.parametrize("offset", [1 << 20, 1 << 30, 1 << 40])
def test_mapping_outside_the_ring_is_refused(offset: int) -> None:
    with Ring("lo", lanes=1, size=65536) as ring:
        assert refused(
            errno.EINVAL,
            lambda: mmap.mmap(ring.fileno(), 4096, mmap.MAP_SHARED, mmap.PROT_READ, offset=offset),
        )


def test_mapping_across_lanes_or_privately_is_refused() -> None:
    with Ring("lo", lanes=2, size=65536) as ring:
        fd, stride = ring.fileno(), ring.info()[7]
        assert refused(
            errno.EINVAL, lambda: mmap.mmap(fd, stride + 4096, mmap.MAP_SHARED, mmap.PROT_READ)
        )
        assert refused(errno.EINVAL, lambda: mmap.mmap(fd, 4096, mmap.MAP_PRIVATE, mmap.PROT_READ))


def test_mapping_before_the_ring_is_made_is_refused() -> None:
    with Ring("lo", caplen=0) as ring:
        assert refused(
            errno.EINVAL, lambda: mmap.mmap(ring.fileno(), 4096, mmap.MAP_SHARED, mmap.PROT_READ)
        )


def test_mapping_outlives_the_descriptor() -> None:
    with pair() as (v0, v1):
        ring = Ring(v1)
        sender = Sender(v0)
        ring.sock.close()
        sender.send(*(numbered(i) for i in range(50)))
        assert sum(len(lane.read()) for lane in ring.lanes) == 50
        ring.close()
        sender.close()


def test_memory_beyond_the_users_limit_is_refused() -> None:
    with Ring(caplen=0) as ring:
        child = os.fork()
        if not child:
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (1 << 20, 1 << 20))
            os.setuid(65534)
            try:
                ring.set(RING, struct.pack("<IIQ", 100, 1, 2 << 20))
            except OSError as error:
                os._exit(error.errno or 0)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == errno.ENOBUFS


def has_room(ring: Ring) -> bool:
    """Whether its owner may have half a megabyte, and a bit, which it then has."""
    return not refused(errno.ENOBUFS, ring.set, RING, struct.pack("<IIQ", 100, 1, 512 << 10))


def test_locked_memory_is_given_back() -> None:
    rings = [Ring(caplen=0) for _ in range(12)]
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (1 << 20, 1 << 20))
        os.setuid(65533)
        code = 1
        try:
            for ring in rings:  # each takes more than half of what the user may have
                until(partial(has_room, ring))
                ring.close()
            code = 0
        finally:
            os._exit(code)
    for ring in rings:
        ring.close()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_memory_is_charged_to_the_callers_cgroup() -> None:
    with group("pfring") as owner:
        with owner.pays():
            before = owner.charged()
            ring = Ring("lo", lanes=1, size=16 << 20)
        assert (owner.charged() - before >= 16 << 20) == CHARGED
        ring.close()
        until(lambda: owner.charged() - before <= 1 << 20)


SOON = 50_000  # milliseconds: only the timer of a ring that is watermarked() comes later


@contextmanager
def watermarked(packets: int, **options: Any) -> Iterator[tuple[Ring, Sender]]:
    """A ring whose reader is woken by so many packets, hardly by time; and who sends to it."""
    with pair() as (v0, v1), Ring(v1, **options) as ring:
        sender = Sender(v0)
        ring.set(WATERMARK, packets)
        ring.set(WATERMARK_MS, 60000)
        yield ring, sender
        sender.close()


def test_poll_waits_for_the_watermark() -> None:
    with watermarked(10) as (ring, sender):
        sender.send(*(numbered(i) for i in range(9)))
        assert ring.wait(300) == 0
        sender.send(numbered(9))
        assert ring.wait(0) == select.POLLIN
        assert len(ring.read()) == 10
        assert ring.wait(0) == 0


def test_watermark_counts_from_what_was_read_without_waiting() -> None:
    with watermarked(10) as (ring, sender), one_cpu():  # each lane counts for itself
        sender.send(*(numbered(i) for i in range(25)))
        assert len(ring.read()) == 25
        seen: list[int] = []
        thread = threading.Thread(target=lambda: seen.append(ring.wait(SOON)))
        thread.start()
        time.sleep(0.3)
        sender.send(*(numbered(i) for i in range(9)))
        thread.join(0.3)
        assert seen == []
        sender.send(numbered(9))
        thread.join()
        assert seen == [select.POLLIN]
        assert len(ring.read()) == 10


def test_lane_that_is_half_full_needs_no_watermark() -> None:
    with watermarked(65535, lanes=1, size=65536) as (ring, sender):
        half = 65536 // 2 // 96
        sender.send(*(numbered(i) for i in range(half)))
        assert ring.wait(300) == 0
        sender.send(*(numbered(i) for i in range(2)))
        assert ring.wait(0) == select.POLLIN
        assert len(ring.lanes[0].read(half)) == half
        assert ring.wait(0) == select.POLLIN
        assert len(ring.read()) == 2
        assert ring.wait(0) == 0


def test_sleeping_reader_is_woken_at_the_watermark() -> None:
    with watermarked(10) as (ring, sender):
        seen: list[int] = []
        thread = threading.Thread(target=lambda: seen.append(ring.wait(SOON)))
        thread.start()
        time.sleep(0.3)
        sender.send(*(numbered(i) for i in range(10)))
        thread.join()
        assert seen == [select.POLLIN]
        assert len(ring.read()) == 10


def test_timer_hands_over_a_single_packet() -> None:
    with pair() as (v0, v1), Ring(v1) as ring:
        sender = Sender(v0)
        ring.set(WATERMARK, 1000)
        ring.set(WATERMARK_MS, 20)
        for i in range(5):
            sender.send(numbered(i))
            assert ring.wait(LONG) == select.POLLIN
            assert len(ring.read()) == 1
        sender.close()


def test_what_poll_has_told_it_tells_again_until_it_is_read() -> None:
    with pair() as (v0, v1), Ring(v1) as ring:
        sender = Sender(v0)
        ring.set(WATERMARK, 4)
        ring.set(WATERMARK_MS, 60000)
        sender.send(*(numbered(i) for i in range(4)))
        for lane in ring.lanes:
            while lane.cons < lane.prod:
                assert ring.wait(0) == select.POLLIN
                assert len(lane.read(1)) == 1
        assert ring.wait(0) == 0
        sender.close()


def test_edge_triggered_epoll_tells_of_each_batch() -> None:
    with pair() as (v0, v1), Ring(v1) as ring, select.epoll() as epoll:
        sender = Sender(v0)
        ring.set(WATERMARK, 3)
        epoll.register(ring.fileno(), select.EPOLLIN | select.EPOLLET)
        for _ in range(5):
            sender.send(*(numbered(i) for i in range(3)))
            got = 0
            while got < 3:
                assert epoll.poll(LONG / 1000)
                got += len(ring.read())
            assert got == 3
        sender.close()


def test_device_that_goes_down_is_an_error_and_not_the_end() -> None:
    with pair() as (v0, v1), Ring(v1) as ring:
        ip("link", "set", v1, "down")
        assert ring.wait(LONG) & select.POLLERR
        assert ring.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ENETDOWN
        ip("link", "set", v1, "up")
        carry(v0, v1)
        sender = Sender(v0)
        sender.send(numbered(1))
        assert [r.data for r in ring.collect(1)] == [numbered(1)]
        sender.close()


def test_device_that_gets_another_name_stays_bound() -> None:
    with pair() as (v0, v1), Ring(v1) as ring:
        ip("link", "set", v1, "down")
        ip("link", "set", v1, "name", "w1")
        ip("link", "set", "w1", "up")
        carry(v0, "w1")
        sender = Sender(v0)
        sender.send(numbered(1))
        assert [r.data for r in ring.collect(1)] == [numbered(1)]
        # That the device was down is no reason against sending now, whoever has asked or not.
        assert ring.send(numbered(2)) == 60
        assert not ring.wait(0) & select.POLLHUP
        sender.close()


def test_device_that_moves_to_another_namespace_hangs_up() -> None:
    ip("netns", "add", "other")
    try:
        with pair() as (_, v1), Ring(v1) as ring:
            ring.set(PROMISC, 1)
            ip("link", "set", v1, "netns", "other")
            gone = select.POLLERR | select.POLLHUP
            assert ring.wait(LONG) & gone == gone
            assert ring.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ENODEV
            assert refused(errno.ENXIO, ring.send, numbered(1))
            assert refused(errno.ENODEV, ring.get, ADDR, 6)
            shown = ip("-n", "other", "-d", "link", "show", v1)
            assert "promiscuity 0 " in shown
    finally:
        ip("netns", "del", "other")


def test_device_that_is_removed_hangs_up() -> None:
    with pair() as (v0, v1), Ring(v1) as ring, Ring(0) as every:
        ip("link", "del", v0)
        assert (
            ring.wait(LONG) & (select.POLLERR | select.POLLHUP) == select.POLLERR | select.POLLHUP
        )
        assert refused(errno.ENODEV, ring.number, CHANNELS)
        assert refused(errno.ENXIO, ring.send, numbered(1))
        assert not every.wait(0) & select.POLLHUP
    del v1


def test_shutdown_wakes_the_reader() -> None:
    with Ring("lo") as ring:
        events: list[int] = []
        thread = threading.Thread(target=lambda: events.append(ring.wait(LONG)))
        thread.start()
        time.sleep(0.2)
        ring.set(SHUTDOWN)
        thread.join()
        assert events[0] & select.POLLHUP


@pytest.mark.slow
def test_4096_sockets_at_once() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
    with pair() as (v0, v1):
        rings = [Ring(v1, caplen=0) for _ in range(4096)]
        assert "Total rings          : 4096" in Path("/proc/net/pf_ring/info").read_text()
        sender = Sender(v0)
        sender.send(numbered(1))
        sender.close()
        for ring in rings:
            ring.close()
    assert "Total rings          : 0" in Path("/proc/net/pf_ring/info").read_text()


def test_ring_keeps_its_namespace_alive() -> None:
    ip("netns", "add", "short")
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    libc.setns(os.open("/run/netns/short", os.O_RDONLY), 0)
    try:
        ip("link", "set", "lo", "up")
        ring = Ring("lo")
        ip("netns", "del", "short")
        sender = Sender("lo")
        sender.send(numbered(5))
        assert ring.collect(1)[0].data == numbered(5)
        sender.close()
        ring.close()
    finally:
        libc.setns(home, 0)
        os.close(home)


def test_promiscuity_is_counted_and_given_back() -> None:
    def flags() -> int:
        return int(Path("/sys/class/net/v1/flags").read_text(), 16) & 0x100

    with pair() as (_, v1):
        with Ring(v1) as one, Ring(v1) as two, Ring(0) as every:
            assert not flags()
            one.set(PROMISC, 1)
            one.set(PROMISC, 1)
            two.set(PROMISC, 1)
            assert flags()
            one.set(PROMISC, 0)
            assert flags()
            assert refused(errno.EOPNOTSUPP, every.set, PROMISC, 1)
            child = os.fork()
            if not child:
                os.setuid(65534)
                given_up = not refused(errno.EPERM, one.set, PROMISC, 1)
                two.set(PROMISC, 0)  # one's own may be given back
                os._exit(given_up)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            assert not flags()
        assert not flags()
