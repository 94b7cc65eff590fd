# SPDX-License-Identifier: BSD-3-Clause
"""Clusters: each packet to one member, flows kept together, fragments and tunnels too."""

from __future__ import annotations

import errno
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import pytest
from frames import ether, gre, gtp, ipv4, ipv6, number_of, numbered, ports, tcp4, udp4, udp6, vxlan
from patience import until
from pfsock import DEACTIVATE, LEAVE, RX_ONLY, Ring, Sender, pair, refused

(
    FLOW,
    ROUND,
    TWO,
    FOUR,
    FIVE,
    TCP5,
    IN_FLOW,
    IN_TWO,
    IN_FOUR,
    IN_FIVE,
    IN_TCP5,
    IP5,
    IN_IP5,
    DUP,
) = range(14)
FRAGMENT_LIFE = 5  # seconds (kernel/frag.c)


@contextmanager
def members(count: int, kind: int, **options: int) -> Iterator[tuple[Sender, list[Ring]]]:
    """A sender and count rings of cluster 7 on the other end of its wire."""
    with pair() as (v0, v1), ExitStack() as stack:
        rings = [stack.enter_context(Ring(v1, direction=RX_ONLY)) for _ in range(count)]
        for ring in rings:
            ring.join(7, kind, **options)
        sender = Sender(v0)
        stack.callback(sender.close)
        yield sender, rings


def home(sender: Sender, rings: list[Ring], frame: bytes) -> list[int]:
    """The members that got the frame."""
    sender.send(frame)
    return [i for i, ring in enumerate(rings) for r in ring.read() if r.data == frame]


def spread(sender: Sender, rings: list[Ring], frames: list[bytes]) -> list[int]:
    """Each frame's one member."""
    homes = [home(sender, rings, frame) for frame in frames]
    assert all(len(h) == 1 for h in homes)
    return [h[0] for h in homes]


def test_round_robin_shares_evenly_and_loses_nothing() -> None:
    with members(3, ROUND) as (sender, rings):
        sender.send(*(numbered(i) for i in range(300)))
        shares = [[number_of(r.data) for r in ring.read()] for ring in rings]
        assert [len(s) for s in shares] == [100, 100, 100]
        assert sorted(n for s in shares for n in s) == list(range(300))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [FLOW, TWO, FOUR, FIVE, TCP5, IP5])
def test_both_directions_of_a_flow_have_one_home(kind: int) -> None:
    with members(4, kind) as (sender, rings):
        seen = set()
        for i in range(40):
            a, b = (f"10.0.{i}.1", 1000 + i), ("10.1.0.2", 80)
            there, back = spread(sender, rings, [tcp4(a, b), tcp4(b, a)])
            assert there == back
            x, y = (f"fd00::{i + 1}", 1000 + i), ("fd00:1::2", 53)
            there6, back6 = spread(sender, rings, [udp6(x, y), udp6(y, x)])
            assert there6 == back6
            seen |= {there, there6}
        assert seen == {0, 1, 2, 3}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "together"), [(TWO, True), (FOUR, False), (FIVE, False), (FLOW, False)]
)
def test_ports_count_where_the_type_says_so(kind: int, together: bool) -> None:
    with members(4, kind) as (sender, rings):
        homes = spread(
            sender, rings, [udp4(("10.0.0.1", 1000 + i), ("10.0.0.2", 53)) for i in range(40)]
        )
        assert (len(set(homes)) == 1) == together


@pytest.mark.slow
def test_tcp_5_spreads_tcp_by_ports_and_the_rest_by_address() -> None:
    with members(4, TCP5) as (sender, rings):
        udp = spread(
            sender, rings, [udp4(("10.0.0.1", 1000 + i), ("10.0.0.2", 53)) for i in range(30)]
        )
        tcp = spread(
            sender, rings, [tcp4(("10.0.0.1", 1000 + i), ("10.0.0.2", 53)) for i in range(30)]
        )
        assert len(set(udp)) == 1
        assert len(set(tcp)) > 1


@pytest.mark.slow
def test_6_tuple_counts_the_vlan_and_5_tuple_does_not() -> None:
    def tagged(vlan: int) -> bytes:
        return ether(
            0x0800,
            ipv4("10.0.0.1", "10.0.0.2", 17, ports(17, 1, 2, b"x" * 20)),
            tags=((0x8100, vlan),),
        )

    with members(4, FLOW) as (sender, rings):
        assert len(set(spread(sender, rings, [tagged(i) for i in range(1, 31)]))) > 1
    with members(4, FIVE) as (sender, rings):
        assert len(set(spread(sender, rings, [tagged(i) for i in range(1, 31)]))) == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", [IP5, IN_IP5])
def test_ip_5_sends_what_is_not_ip_to_one_member(kind: int) -> None:
    with members(4, kind) as (sender, rings):
        frames = [
            ether(0x88B5, bytes(50), addresses=bytes([2, 0, 0, 0, 0, i, 2, 0, 0, 0, 1, i]))
            for i in range(30)
        ]
        assert set(spread(sender, rings, frames)) == {0}


@pytest.mark.slow
def test_what_is_not_ip_spreads_by_mac_address_both_ways() -> None:
    with members(4, FLOW) as (sender, rings):
        seen = set()
        for i in range(30):
            a, b = bytes([2, 0, 0, 0, 0, i]), bytes([2, 0, 0, 0, 1, 1])
            one, two = spread(
                sender, rings, [ether(0x88B5, bytes(50), a + b), ether(0x88B5, bytes(50), b + a)]
            )
            assert one == two
            seen.add(one)
        assert len(seen) > 1


@pytest.mark.slow
@pytest.mark.parametrize("wrap", [vxlan, gtp, gre])
def test_inner_types_look_into_tunnels(wrap: Callable[..., bytes]) -> None:
    def packed(source: tuple[str, int], destination: tuple[str, int], outer: int) -> bytes:
        frame = udp4(source, destination)
        if wrap is vxlan:
            return vxlan(frame, ("192.0.2.1", outer))
        if wrap is gtp:
            return gtp(frame[14:], source=("192.0.2.1", outer))
        return gre(frame[14:], f"192.0.2.{outer % 250}")

    with members(4, IN_FIVE) as (sender, rings):
        seen = set()
        for i in range(30):
            a, b = (f"10.0.{i}.1", 1000 + i), ("10.0.0.2", 53)
            there, back = spread(sender, rings, [packed(a, b, 40000 + i), packed(b, a, 41000 + i)])
            assert there == back
            seen.add(there)
        assert len(seen) > 1
    with members(4, TWO) as (sender, rings):
        if wrap is not gre:
            frames = [packed((f"10.0.{i}.1", 1), ("10.0.0.2", 2), 40000) for i in range(20)]
            assert len(set(spread(sender, rings, frames))) == 1


def quick_spread(sender: Sender, rings: list[Ring], frames: list[bytes]) -> list[int] | None:
    """The same, if all was done while a first fragment is remembered."""
    begun = time.monotonic()
    homes = spread(sender, rings, frames)
    return homes if time.monotonic() - begun < FRAGMENT_LIFE else None


def test_fragments_follow_their_flow() -> None:
    with members(4, FIVE) as (sender, rings):
        seen = set()
        for i in range(30):
            a, b = ("10.0.0.1", 1000 + i), ("10.0.0.2", 53)
            body = ports(17, a[1], b[1], bytes(200))
            whole = udp4(a, b, bytes(30))
            parts = [
                ether(0x0800, ipv4(a[0], b[0], 17, body[:104], ident=i, more=True)),
                ether(0x0800, ipv4(a[0], b[0], 17, body[104:160], ident=i, offset=104, more=True)),
                ether(0x0800, ipv4(a[0], b[0], 17, body[160:], ident=i, offset=160)),
            ]
            homes = until(partial(quick_spread, sender, rings, [whole, *parts]))
            assert len(set(homes)) == 1
            seen.add(homes[0])
        assert len(seen) > 1


def test_first_fragment_that_ends_before_the_ports_leads_the_others_all_the_same() -> None:
    def part(i: int, offset: int, more: int, payload: bytes) -> bytes:
        head = struct.pack("!BBHI", 60, 0, offset | more, i)  # destination options come next
        return ether(0x86DD, ipv6("fd00::1", f"fd00::1:{i + 1}", 44, head + payload))

    with members(4, FIVE) as (sender, rings):
        seen = set()
        for i in range(12):
            options = bytes([17, 0, 1, 4]) + bytes(4)
            parts = [part(i, 0, 1, options), part(i, 8, 0, ports(17, 1000, 53, bytes(40)))]
            homes = until(partial(quick_spread, sender, rings, parts))
            assert len(set(homes)) == 1
            seen.add(homes[0])
        assert len(seen) > 1


@pytest.mark.slow
def test_dup_tuple_delivers_to_the_members_of_both_ends() -> None:
    with members(4, DUP) as (sender, rings):
        twice = 0
        for i in range(30):
            a, b = f"10.0.0.{i + 1}", f"10.1.0.{i + 1}"
            there = home(sender, rings, udp4((a, 5), (b, 6)))
            back = home(sender, rings, udp4((b, 6), (a, 5)))
            assert there == back
            assert 1 <= len(there) <= 2
            twice += len(there) == 2
        assert twice


@pytest.mark.slow
def test_consumer_ids_order_the_members() -> None:
    with pair() as (v0, v1), Ring(v1, direction=RX_ONLY) as a, Ring(v1, direction=RX_ONLY) as b:
        a.join(7, ROUND, consumer=9)
        b.join(7, ROUND, consumer=3)
        sender = Sender(v0)
        sender.send(*(numbered(i) for i in range(4)))
        sender.close()
        assert [number_of(r.data) for r in b.read()] == [0, 2]
        assert [number_of(r.data) for r in a.read()] == [1, 3]


@pytest.mark.slow
def test_consumer_id_is_taken_once_per_device() -> None:
    with pair() as (v0, v1), Ring(v1) as a, Ring(v1) as b, Ring(v0) as c, Ring(0) as d:
        a.join(7, FLOW, consumer=1)
        assert refused(errno.EBUSY, b.join, 7, FLOW, 1)
        c.join(7, FLOW, consumer=1)
        assert refused(errno.EBUSY, d.join, 7, FLOW, 1)
        d.join(7, FLOW)
        assert refused(errno.EBUSY, a.join, 8, FLOW)


def test_member_that_leaves_is_replaced_by_the_rest() -> None:
    with members(3, FLOW) as (sender, rings):
        frames = [udp4((f"10.0.0.{i}", i), ("10.0.0.200", 53)) for i in range(60)]
        assert set(spread(sender, rings, frames)) == {0, 1, 2}
        rings[1].set(LEAVE)
        for frame in frames:
            homes = home(sender, rings, frame)
            assert homes[0] == 1 or homes.count(1) == 1  # on its own, it hears all again
            assert len(homes) == 2
        rings[1].set(DEACTIVATE)
        rings[2].close()
        assert set(spread(sender, [rings[0]], frames)) == {0}


@pytest.mark.slow
def test_process_that_dies_gives_its_share_back() -> None:
    with members(1, FLOW) as (sender, rings):
        child = os.fork()
        if not child:
            ring = Ring("v1", direction=RX_ONLY)
            ring.join(7, FLOW)
            os.kill(os.getpid(), 9)
        os.waitpid(child, 0)
        frames = [udp4((f"10.0.0.{i}", i), ("10.0.0.200", 53)) for i in range(40)]
        assert set(spread(sender, rings, frames)) == {0}


@pytest.mark.slow
def test_cluster_on_any_gets_the_packets_of_each_device() -> None:
    with pair() as (v0, v1), Ring(0, direction=RX_ONLY) as a, Ring(0, direction=RX_ONLY) as b:
        a.join(7, ROUND)
        b.join(7, ROUND)
        sender = Sender(v0)
        sender.send(*(numbered(i) for i in range(100)))
        sender.close()
        index = socket.if_nametoindex(v1)
        shares = [[number_of(r.data) for r in ring.read() if r.ifindex == index] for ring in (a, b)]
        assert sorted(shares[0] + shares[1]) == list(range(100))
        assert len(shares[0]) == 50


@pytest.mark.slow
def test_full_member_loses_unless_the_cluster_is_relaxed() -> None:
    for options, lost in ((0, True), (1, False)):
        with (
            pair() as (v0, v1),
            Ring(v1, size=65536, lanes=1, direction=RX_ONLY) as small,
            Ring(v1, size=1 << 20, direction=RX_ONLY) as large,
        ):
            small.join(7, ROUND, options=options)
            large.join(7, ROUND, options=options)
            sender = Sender(v0)
            sender.send(*(numbered(i) for i in range(2000)))
            sender.close()
            got = len(small.read()) + len(large.read())
            drops = small.stats().drop + large.stats().drop
            assert got + drops == 2000
            assert bool(drops) == lost


@pytest.mark.slow
def test_joining_needs_a_device_and_the_clusters_own_type() -> None:
    with pair() as (_, v1), Ring() as unbound, Ring(v1) as a, Ring(v1) as b:
        assert refused(errno.ENODEV, unbound.join, 7, FLOW)
        assert refused(errno.EINVAL, a.join, 7, 14)
        assert refused(errno.EINVAL, a.join, 7, FLOW, 64)
        assert refused(errno.EINVAL, a.join, 7, FLOW, 0, 2)
        a.join(7, FLOW)
        assert refused(errno.EINVAL, b.join, 7, ROUND)
        assert refused(errno.ENOENT, b.set, LEAVE)


@pytest.mark.slow
def test_cluster_has_64_members_at_most() -> None:
    with members(64, ROUND) as (sender, rings), Ring("v1") as late:
        assert refused(errno.ENOSPC, late.join, 7, ROUND)
        sender.send(*(numbered(i) for i in range(128)))
        assert [len(ring.read()) for ring in rings] == [2] * 64


def test_cluster_of_another_user_is_closed() -> None:
    with pair() as (_, v1), Ring(v1) as ours, Ring(v1) as theirs:
        ours.join(7, FLOW)
        child = os.fork()
        if not child:
            os.setuid(65534)
            try:
                theirs.join(7, FLOW)
            except OSError as error:
                os._exit(error.errno or 0)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == errno.EACCES
