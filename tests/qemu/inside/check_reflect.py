# SPDX-License-Identifier: BSD-3-Clause
"""Packets that rules send out of another device: bytes, books, loops, devices that go away."""

from __future__ import annotations

import errno
import os
import resource
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from frames import ether, ipv4, numbered, ports, tcp4, udp4
from patience import until
from pfsock import ETH_P_ALL, RX_ONLY, TX_ONLY, Ring, Stats, carry, ip, pair, refused, wire
from rulebook import (
    BOUNCE,
    BOUNCE_ON,
    POLICY,
    REFLECT,
    REFLECT_ON,
    REFLECTOR,
    Flow,
    Rule,
    add,
    add_flow,
    counts,
    pass_through,
    remove,
    send,
)
from traffic import traffic

A, B = ("192.0.2.1", 1000), ("192.0.2.2", 53)
SOL_PACKET, PACKET_VNET_HDR = 263, 15
FRAMES = [udp4(A, B), tcp4(B, A), numbered(7, 1514), ether(0x88B5, bytes(60), tags=((0x8100, 9),))]


@contextmanager
def two_pairs() -> Iterator[tuple[str, str, str, str]]:
    """v0 - v1, and w0 - w1 for what is reflected."""
    with pair() as (v0, v1), wire("w0", "w1") as (w0, w1):
        yield v0, v1, w0, w1


def bounced(frame: bytes) -> bytes:
    """With its addresses swapped."""
    return frame[6:12] + frame[:6] + frame[12:]


def wait(ring: Ring, reached: Callable[[Stats], bool]) -> Stats:
    """The ring's books once they are as they should become."""

    def books() -> Stats | None:
        return stats if reached(stats := ring.stats()) else None

    return until(books)


def tap(device: str) -> socket.socket:
    """Somebody else's packet socket."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sock.bind((device, ETH_P_ALL))
    sock.settimeout(300)
    return sock


def test_reflected_packets_leave_the_other_device_and_not_to_the_ring() -> None:
    with two_pairs() as (v0, v1, w0, w1), Ring(v1) as ring, Ring(w1) as far, Ring(w0) as near:
        add(ring, Rule(1, REFLECT, reflector=w0))
        assert pass_through(ring, v0, *FRAMES) == []
        assert [r.data for r in far.collect(4)] == FRAMES
        assert [r.data for r in near.collect(4)] == FRAMES
        assert counts(ring, 1)[:3] == (4, 4, 0)
        stats = ring.stats()
        assert (stats.reflected, stats.reflect_errors, stats.filtered) == (4, 0, 4)


def test_bounced_packets_have_their_addresses_swapped_in_a_copy_of_their_own() -> None:
    with (
        two_pairs() as (v0, v1, w0, w1),
        tap(v1) as before,
        Ring(v1) as first,
        Ring(v1) as ring,
        Ring(v1) as last,
        tap(v1) as after,
        Ring(w1) as far,
    ):
        add(ring, Rule(1, BOUNCE, reflector=w0))
        assert pass_through(ring, v0, *FRAMES[:3]) == []
        assert [r.data for r in far.collect(3)] == list(map(bounced, FRAMES[:3]))
        for other in (first, last):
            assert [r.data for r in other.collect(3)] == FRAMES[:3]
        for sock in (before, after):
            assert [sock.recv(2048) for _ in range(3)] == FRAMES[:3]
        assert ring.stats().reflected == 3


def test_continuing_actions_also_leave_the_packet_to_later_rules() -> None:
    with two_pairs() as (v0, v1, w0, w1), Ring(v1) as ring, Ring(w1) as far:
        add(ring, Rule(1, REFLECT_ON, reflector=w0, proto=17))
        add(ring, Rule(2, BOUNCE_ON, reflector=w0, proto=6))
        assert pass_through(ring, v0, *FRAMES) == FRAMES
        assert [r.data for r in far.collect(2)] == [FRAMES[0], bounced(FRAMES[1])]
        ring.set(POLICY, 0)
        assert pass_through(ring, v0, *FRAMES) == []
        assert [r.data for r in far.collect(2)] == [FRAMES[0], bounced(FRAMES[1])]
        assert counts(ring, 1)[:3] == counts(ring, 2)[:3] == (2, 0, 0)


def test_hash_rule_and_ring_as_a_whole_reflect() -> None:
    with two_pairs() as (v0, v1, w0, w1), Ring(v1) as ring, Ring(w1) as far:
        add_flow(ring, Flow(A[0], B[0], A[1], B[1]), REFLECT, w0)
        assert pass_through(ring, v0, *FRAMES) == FRAMES[1:]
        assert [r.data for r in far.collect(1)] == FRAMES[:1]
        ring.set(REFLECTOR, w0.encode())
        assert pass_through(ring, v0, *FRAMES) == []
        assert [r.data for r in far.collect(4)] == FRAMES
        ring.set(REFLECTOR, b"")
        assert pass_through(ring, v0, *FRAMES) == FRAMES[1:]
        assert [r.data for r in far.collect(1)] == FRAMES[:1]
        stats = ring.stats()
        assert (stats.reflected, stats.filtered, stats.rule_filtered) == (6, 6, 6)


def test_sent_packets_are_reflected_too() -> None:
    with two_pairs() as (v0, _, w0, w1), Ring(v0, direction=TX_ONLY) as ring, Ring(w1) as far:
        add(ring, Rule(1, REFLECT, reflector=w0))
        assert pass_through(ring, v0, *FRAMES) == []
        assert [r.data for r in far.collect(4)] == FRAMES
        assert wait(ring, lambda s: s.reflected == 4).reflect_errors == 0


def test_packet_in_pieces_is_reflected_whole() -> None:
    with two_pairs() as (v0, v1, w0, w1), Ring(v1) as ring, Ring(w1, caplen=20000) as far:
        for device in (v0, v1, w0, w1):
            ip("link", "set", device, "mtu", "9000")
        ip("addr", "add", "192.0.2.1/24", "dev", v0)
        ip("neigh", "add", "192.0.2.2", "dev", v0, "lladdr", "02:00:00:00:00:02")
        add(ring, Rule(1, BOUNCE, reflector=w0))
        payload = bytes(range(251)) * 30
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(payload, B)
        (got,) = far.collect(1)
        assert got.data[6:12] == bytes.fromhex("020000000002")
        assert got.data[42:] == payload
        assert ring.stats().reflected == 1


def test_loops_are_refused() -> None:
    with two_pairs() as (v0, v1, w0, w1), Ring(v1) as one, Ring(w1) as two:
        assert refused(errno.ELOOP, add, one, Rule(1, REFLECT, reflector=v1))
        assert refused(errno.ELOOP, one.set, REFLECTOR, v1.encode())
        add(one, Rule(1, REFLECT_ON, reflector=w0))
        add(two, Rule(1, REFLECT_ON, reflector=v0))
        assert pass_through(one, v0, *FRAMES) == FRAMES
        assert [r.data for r in two.collect(4)] == FRAMES
        assert wait(two, lambda s: s.reflect_errors == 4).reflected == 0
        assert one.stats().reflected == 4
        with Ring(active=False) as three:
            add(three, Rule(1, REFLECT, reflector=v1))
            assert refused(errno.ELOOP, three.bind, v1)
            three.bind(w1)


def send_large(device: str, size: int, payload: bytes) -> bytes:
    """Send a TCP frame of many segments of size as one; its headers."""
    frame = ether(0x0800, ipv4(A[0], B[0], 6, ports(6, A[1], B[1], payload)))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
        sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        sock.bind((device, 0))
        # struct virtio_net_hdr: checksum to be filled in, TCP over IPv4, headers, where it is
        sock.send(struct.pack("<BBHHHH", 1, 1, 54, size, 34, 16) + frame)
    return frame[:54]


@pytest.mark.parametrize(("offload", "frames"), [("on", 1), ("off", 4)])
def test_large_frame_is_not_reflected_again_even_if_it_was_cut(offload: str, frames: int) -> None:
    payload = bytes(range(250)) * 16
    with (
        two_pairs() as (v0, v1, w0, w1),
        Ring(v1, direction=RX_ONLY) as one,
        Ring(w1, direction=RX_ONLY, caplen=8192) as two,
    ):
        add(one, Rule(1, REFLECT, reflector=w0))
        add(two, Rule(1, REFLECT_ON, reflector=v0))
        subprocess.run(["ethtool", "-K", w0, "gso", offload, "tso", offload], check=True)
        head = send_large(v0, 1000, payload)
        assert wait(two, lambda s: s.reflect_errors == frames).reflected == 0
        got = [r.data for r in two.collect(frames)]
        assert b"".join(frame[54:] for frame in got) == payload
        assert all(frame[:14] == head[:14] for frame in got)
        assert one.stats().reflected == 1


def test_rings_that_reflect_what_they_send_to_each_other_end_it() -> None:
    with two_pairs() as (v0, v1, _w0, w1), Ring(v1) as one, Ring(w1) as two:
        add(one, Rule(1, REFLECT_ON, reflector=w1))
        add(two, Rule(1, REFLECT_ON, reflector=v1))
        send(v0, *FRAMES)
        send(v1, *FRAMES)
        wait(one, lambda s: s.reflected == 8)
        assert wait(two, lambda s: s.reflect_errors == 8).reflected == 0


def test_ring_on_any_reflects_nothing_to_where_it_comes_from() -> None:
    with two_pairs() as (v0, _v1, w0, w1), Ring(0, direction=RX_ONLY) as ring, Ring(w1) as far:
        add(ring, Rule(1, REFLECT, reflector=w0))
        send(w1, FRAMES[0])
        assert wait(ring, lambda s: s.reflect_errors == 1).reflected == 0
        send(v0, *FRAMES)
        # Each comes once more, where it arrives: marked, so that it ends there.
        stats = wait(ring, lambda s: s.filtered == 9)
        assert (stats.reflected, stats.reflect_errors) == (4, 5)
        assert [r.data for r in far.collect(5)] == [FRAMES[0], *FRAMES]


def test_packet_too_long_for_the_other_device_is_an_error() -> None:
    with two_pairs() as (v0, v1, w0, w1), Ring(v1) as ring, Ring(w1) as far:
        ip("link", "set", w0, "mtu", "1000")
        add(ring, Rule(1, REFLECT, reflector=w0))
        assert pass_through(ring, v0, *FRAMES) == []
        stats = ring.stats()
        assert (stats.reflected, stats.reflect_errors) == (3, 1)
        ip("link", "set", w0, "down")
        assert pass_through(ring, v0, *FRAMES) == []
        assert ring.stats().reflect_errors == 5
        assert len(far.collect(3)) == 3


def test_device_that_goes_away_is_let_go_and_its_name_is_no_promise() -> None:
    with two_pairs() as (v0, v1, w0, w1), Ring(v1) as ring:
        add(ring, Rule(1, REFLECT, reflector=w0))
        add_flow(ring, Flow(A[0], B[0], A[1], B[1]), BOUNCE, w0)
        assert pass_through(ring, v0, *FRAMES) == []
        ip("link", "del", w0)
        assert pass_through(ring, v0, *FRAMES) == []
        assert ring.stats().reflect_errors == 4
        assert refused(errno.ENODEV, add, ring, Rule(2, REFLECT, reflector=w0))
        ip("link", "add", w0, "up", "arp", "off", "type", "veth", "peer", "name", w1)
        ip("link", "set", w1, "up", "arp", "off")
        carry(w0, w1)
        with Ring(w1) as far:
            assert pass_through(ring, v0, FRAMES[0]) == []
            assert ring.stats().reflect_errors == 5
            remove(ring, 1)
            add(ring, Rule(1, REFLECT, reflector=w0))
            assert pass_through(ring, v0, *FRAMES[1:]) == []
            assert [r.data for r in far.collect(3)] == FRAMES[1:]


def test_closed_ring_lets_its_devices_go() -> None:
    with two_pairs() as (_, v1, w0, _w1):
        for i in range(20):
            with Ring(v1) as ring:
                add(ring, Rule(1, REFLECT, reflector=w0))
                ring.set(REFLECTOR, w0.encode())
                if i % 2:
                    ring.set(REFLECTOR, b"")
                    remove(ring, 1)
        ip("link", "del", w0)  # waits for what is held


def references() -> int:
    """How many hold the module: a socket does until its memory is free."""
    return int(Path("/sys/module/pf_ring/refcnt").read_text(encoding="ascii"))


@pytest.mark.slow
def test_many_rings_are_freed_at_once_while_another_reflects_what_is_sent() -> None:
    os.sched_setaffinity(0, {0})
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    stop = threading.Event()
    with two_pairs() as (v0, _, w0, _w1), Ring(v0, direction=TX_ONLY) as ring:
        add(ring, Rule(1, REFLECT, reflector=w0))
        before = references()
        thread = traffic(stop, v0)
        for _ in range(5):
            child = os.fork()
            if not child:
                rings = [Ring(caplen=0, active=False) for _ in range(1500)]
                os._exit(len(rings) != 1500)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        until(lambda: references() == before)
        stop.set()
        thread.join()
        assert ring.stats().reflected


def test_only_an_administrator_reflects() -> None:
    with two_pairs() as (_, v1, w0, _w1), Ring(v1) as ring:
        child = os.fork()
        if not child:
            code = 1
            try:
                os.setuid(65534)
                add(ring, Rule(1))
                if refused(errno.EPERM, add, ring, Rule(2, REFLECT, reflector=w0)) and refused(
                    errno.EPERM, ring.set, REFLECTOR, w0.encode()
                ):
                    code = 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert counts(ring, 1).match == 0
        assert refused(errno.ENOENT, counts, ring, 2)
        for name in ("", "nowhere", "w"):
            expected = errno.ENODEV if name else errno.EINVAL
            assert refused(expected, add, ring, Rule(2, REFLECT, reflector=name))
        assert refused(errno.EINVAL, ring.set, REFLECTOR, b"x" * 16)
