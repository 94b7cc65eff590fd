# SPDX-License-Identifier: BSD-3-Clause
"""Wildcard and hash rules: what they match, what they do, what they count, and how they end."""

from __future__ import annotations

import errno
import os
import random
import socket
import struct
import time
from pathlib import Path

import pytest
from cgroup import CHARGED, group
from frames import BROADCAST, ether, gre, gtp, ipv4, ipv6, ports, tcp4, udp4, udp6, vxlan
from patience import until
from pfsock import Ring, ip, pair, refused
from rulebook import (
    ADD,
    DROP,
    EXECUTE,
    EXECUTE_STOP,
    FORGET,
    FORWARD,
    FREE_RULE,
    LEARN,
    POLICY,
    PURGE_HASH,
    PURGE_RULES,
    REMOVE,
    RULE_STATS,
    Count,
    Flow,
    Rule,
    add,
    add_flow,
    counts,
    number_ref,
    pass_through,
    remove,
    send,
)

A, B = ("192.0.2.1", 1000), ("192.0.2.2", 53)
A6, B6 = ("2001:db8::1", 1000), ("2001:db8::2", 53)


def probe(number: int) -> bytes:
    """A frame that no rule of a test matches but those for everything."""
    return ether(0x88B6, struct.pack("!I", number) + bytes(46))


def test_ring_without_rules_takes_everything_and_policy_alone_drops_all() -> None:
    frames = [udp4(A, B), probe(1)]
    with pair() as (v0, v1), Ring(v1) as ring:
        assert pass_through(ring, v0, *frames) == frames
        ring.set(POLICY, 0)
        assert pass_through(ring, v0, *frames) == []
        assert ring.stats().filtered == 2
        ring.set(POLICY, 1)
        assert pass_through(ring, v0, *frames) == frames
        assert ring.stats().filtered == 2
        assert ring.stats().drop == 0


FIELDS: dict[str, tuple[Rule, list[bytes], list[bytes]]] = {
    "smac": (
        Rule(smac="02:00:00:00:00:01"),
        [udp4(A, B)],
        [ether(0x0800, ipv4(A[0], B[0], 17, bytes(20)), bytes.fromhex("0200000000010200000000ff"))],
    ),
    "dmac": (
        Rule(dmac="ff:ff:ff:ff:ff:ff"),
        [ether(0x88B5, bytes(46), BROADCAST)],
        [udp4(A, B)],
    ),
    "vlan": (
        Rule(vlan=7),
        [
            ether(0x88B5, bytes(46), tags=((0x8100, 0x2007),)),
            ether(0x0800, ipv4(A[0], B[0], 1, bytes(20)), tags=((0x88A8, 7), (0x8100, 9))),
        ],
        [
            udp4(A, B),
            ether(0x88B5, bytes(46), tags=((0x8100, 8),)),
            ether(0x88B5, bytes(46), tags=((0x88A8, 9), (0x8100, 7))),
            ether(0x88B5, bytes(46), tags=((0x8100, 0), (0x8100, 7))),
        ],
    ),
    "eth_type": (
        Rule(eth_type=0x0806),
        [ether(0x0806, bytes(46)), ether(0x0806, bytes(46), tags=((0x8100, 3),))],
        [udp4(A, B)],
    ),
    "proto": (
        Rule(proto=6),
        [tcp4(A, B), ether(0x86DD, ipv6(A6[0], B6[0], 0, b"\x06\0" + bytes(6) + ports(6, 1, 2)))],
        [udp4(A, B), udp6(A6, B6), probe(1)],
    ),
    "source": (
        Rule(shost="192.0.2.1"),
        [udp4(A, B)],
        [udp4(B, A), udp6(A6, B6), probe(1), udp4(("192.0.2.3", 1), B)],
    ),
    "destination network": (
        Rule(dhost="198.51.100.77", dhost_mask="255.255.255.0"),
        [udp4(A, ("198.51.100.1", 9))],
        [udp4(A, ("198.51.101.77", 9)), udp4(("198.51.100.77", 9), A)],
    ),
    "IPv6 source": (
        Rule(shost="2001:db8::1"),
        [udp6(A6, B6)],
        [udp6(B6, A6), udp6(("2001:db8::3", 1), B6), udp4(A, B), udp6(("2001:db8:1::1", 1), B6)],
    ),
    "IPv6 network": (
        Rule(dhost="2001:db8::", dhost_mask="ffff:ffff:0:0:8000::"),
        [udp6(A6, B6), udp6(A6, ("2001:db8:9::9", 1))],
        [udp6(A6, ("2001:db9::2", 1)), udp6(A6, ("2001:db8:9:9:8000::", 1)), udp4(A, B)],
    ),
    "IPv6 that looks like IPv4": (
        Rule(shost="2001::", shost_mask="ffff::", eth_type=0x86DD),
        [udp6(A6, B6)],
        [udp6(("2002::1", 1), B6), udp4(A, B)],
    ),
    "both families": (Rule(shost="192.0.2.1", dhost="2001:db8::2"), [], [udp4(A, B), udp6(A6, B6)]),
    "source port": (
        Rule(sport=(1000, 0)),
        [udp4(A, B), tcp4(A, B), udp6(A6, B6)],
        [udp4(B, A), udp4(("192.0.2.1", 1001), B), probe(1)],
    ),
    "port range": (
        Rule(dport=(50, 60)),
        [udp4(A, B), udp4(A, ("192.0.2.9", 50)), tcp4(A, ("192.0.2.9", 60))],
        [
            udp4(A, ("192.0.2.9", 49)),
            udp4(A, ("192.0.2.9", 61)),
            probe(1),
            ether(0x0800, ipv4(A[0], B[0], 17, bytes(24), offset=8)),
        ],
    ),
    "range from zero": (
        Rule(dport=(0, 60)),
        [udp4(A, B), udp4(A, ("192.0.2.9", 0))],
        [udp4(A, ("192.0.2.9", 61)), ether(0x0800, ipv4(A[0], B[0], 1, bytes(24)))],
    ),
    "TCP flags": (
        Rule(flags=0x12),
        [
            ether(
                0x0800, ipv4(A[0], B[0], 6, struct.pack("!HHIIBBHHH", 1, 2, 1, 0, 0x50, f, 1, 0, 0))
            )
            for f in (0x12, 0x1A)
        ],
        [tcp4(A, B), udp4(A, B)],
    ),
    "GRE key": (
        Rule(tunnel_id=77),
        [
            ether(
                0x0800,
                ipv4(
                    "192.0.2.8",
                    "192.0.2.9",
                    47,
                    struct.pack("!HHI", 0x2000, 0x0800, 77) + ipv4(A[0], B[0], 17, ports(17, 1, 2)),
                ),
            ),
            vxlan(udp4(A, B)),
            gtp(ipv4(A[0], B[0], 17, ports(17, 1, 2)), 77),
        ],
        [
            udp4(A, B),
            gre(ipv4(A[0], B[0], 17, ports(17, 1, 2))),
            gtp(ipv4(A[0], B[0], 17, ports(17, 1, 2)), 78),
        ],
    ),
    "tunnelled source": (
        Rule(tunnel_shost="192.0.2.1", tunnel_dhost="192.0.0.0", tunnel_dhost_mask="255.255.0.0"),
        [gre(ipv4(A[0], "192.0.9.9", 17, ports(17, 1, 2)), "198.51.100.1")],
        [
            udp4(A, ("192.0.9.9", 1)),
            gre(ipv4(B[0], "192.0.9.9", 17, ports(17, 1, 2))),
            gre(ipv4(A[0], "192.1.9.9", 17, ports(17, 1, 2))),
        ],
    ),
    "tunnelled IPv6": (
        Rule(tunnel_dhost="2001:db8::2"),
        [vxlan(udp6(A6, B6)), gtp(ipv6(A6[0], B6[0], 17, ports(17, 1, 2)))],
        [udp6(A6, B6), vxlan(udp6(B6, A6)), vxlan(udp4(A, B))],
    ),
    "payload": (
        Rule(pattern=b"needle"),
        [
            udp4(A, B, b"hay needneedle hay"),
            udp4(A, B, b"needle"),
            udp4(A, B, b"." * 1400 + b"needle"),
            ether(0x0800, ipv4(A[0], B[0], 99, b"a needle")),
        ],
        [udp4(A, B, b"needl" * 9), udp4(A, B), ether(0x88B5, b"needle" * 9)],
    ),
    "pattern that repeats itself": (
        Rule(pattern=b"aabaaab"),
        [udp4(A, B, b"aabaabaaab"), udp4(A, B, b"aaaaabaaab")],
        [udp4(A, B, b"aabaabaab"), udp4(A, B, b"aabaaa")],
    ),
    "pattern of 32 bytes": (
        Rule(pattern=bytes(range(1, 33))),
        [udp4(A, B, bytes(range(40)))],
        [udp4(A, B, bytes(range(32)))],
    ),
    "both directions": (
        Rule(bidirectional=1, shost="192.0.2.1", dport=(53, 0)),
        [udp4(A, B), udp4(B, A)],
        [
            udp4(("192.0.2.1", 53), ("192.0.2.2", 54)),
            udp4(("192.0.2.3", 53), ("192.0.2.4", 53)),
            udp4(("192.0.2.3", 54), ("192.0.2.1", 53)),
        ],
    ),
}


@pytest.mark.parametrize("field", FIELDS)
def test_rule_matches_what_its_field_says_and_nothing_else(field: str) -> None:
    rule, yes, no = FIELDS[field]
    with pair() as (v0, v1), Ring(v1) as ring:
        ring.set(POLICY, 0)
        add(ring, rule)
        assert pass_through(ring, v0, *yes, *no) == yes
        assert counts(ring, 1)[:3] == (len(yes), 0, len(yes))
        remove(ring, 1)
        ring.set(POLICY, 1)
        add(ring, rule._replace(action=DROP))
        assert pass_through(ring, v0, *yes, *no) == no
        assert counts(ring, 1)[:3] == (len(yes), len(yes), 0)


def test_lowest_id_decides_and_continuing_rules_only_count() -> None:
    with pair() as (v0, v1), Ring(v1) as ring:
        add(ring, Rule(30, DROP, proto=17))
        add(ring, Rule(20, FORWARD, dport=(53, 0)))
        add(ring, Rule(10, EXECUTE))
        add(ring, Rule(65534, EXECUTE_STOP, eth_type=0x88B6))
        add(ring, Rule(25, DROP, shost="192.0.2.1"))
        ring.set(POLICY, 0)
        frames = [udp4(A, B), udp4(A, ("192.0.2.2", 54)), udp4(B, A), probe(1), tcp4(B, A)]
        assert pass_through(ring, v0, *frames) == frames[:1]
        assert [counts(ring, n)[:3] for n in (10, 20, 25, 30, 65534)] == [
            (5, 0, 0),
            (1, 0, 1),
            (1, 1, 0),
            (1, 1, 0),
            (1, 1, 0),
        ]
        remove(ring, 30)
        remove(ring, 25)
        add(ring, Rule(5, DROP, dport=(53, 0)))
        ring.set(POLICY, 1)
        assert pass_through(ring, v0, *frames) == [frames[1], frames[2], frames[4]]


def test_rules_added_in_any_order_are_tried_by_id() -> None:
    rng = random.Random(1)
    rules = [
        Rule(
            number,
            rng.choice([FORWARD, DROP, DROP, EXECUTE]),
            sport=(low := rng.randrange(1, 400), low + rng.choice([0, 0, 5, 300])),
            shost=rng.choice(["", "", "192.0.2.1", "192.0.2.3"]),
        )
        for number in rng.sample(range(1000), 400)
    ]
    frames = [udp4((f"192.0.2.{rng.choice((1, 3))}", rng.randrange(1, 450)), B) for _ in range(300)]

    def expected(frame: bytes) -> bool:
        for rule in sorted(present):
            if rule.sport[0] <= struct.unpack_from("!H", frame, 34)[0] <= rule.sport[
                1
            ] and rule.shost in {"", socket.inet_ntoa(frame[26:30])}:
                matched[rule.number] = matched.get(rule.number, 0) + 1
                if rule.action != EXECUTE:
                    return rule.action == FORWARD
        return True

    with pair() as (v0, v1), Ring(v1) as ring:
        present: set[Rule] = set()
        matched: dict[int, int] = {}
        for turn in range(4):
            for rule in rules[100 * turn :][:100]:
                add(ring, rule)
                present.add(rule)
            for rule in rng.sample(sorted(present), 40):
                remove(ring, rule.number)
                present.remove(rule)
            assert pass_through(ring, v0, *frames) == list(filter(expected, frames))
        for rule in present:
            assert counts(ring, rule.number).match == matched.get(rule.number, 0)
        for rule in sorted(present, reverse=True):
            remove(ring, rule.number)
        assert pass_through(ring, v0, *frames) == frames


def test_hash_rule_takes_both_directions_of_one_flow() -> None:
    flows = {
        Flow(A[0], B[0], A[1], B[1]): (udp4(A, B), udp4(B, A)),
        Flow(B6[0], A6[0], B6[1], A6[1]): (udp6(A6, B6), udp6(B6, A6)),
        Flow(A[0], B[0], proto=1): (ether(0x0800, ipv4(A[0], B[0], 1, bytes(20))),),
        Flow(A[0], B[0], A[1], B[1], 6, 5): (
            ether(0x0800, ipv4(A[0], B[0], 6, ports(6, A[1], B[1])), tags=((0x8100, 5),)),
            ether(0x0800, ipv4(B[0], A[0], 6, ports(6, B[1], A[1])), tags=((0x8100, 0x6005),)),
        ),
    }
    others = [udp4(A, (B[0], 54)), tcp4(A, B), udp6(A6, (B6[0], 54)), probe(1)]
    with pair() as (v0, v1), Ring(v1) as ring:
        for flow in flows:
            add_flow(ring, flow, DROP)
            assert refused(errno.EEXIST, add_flow, ring, flow)
            assert refused(
                errno.EEXIST,
                add_flow,
                ring,
                flow._replace(a=flow.b, b=flow.a, port_a=flow.port_b, port_b=flow.port_a),
            )
        sent = [frame for frames in flows.values() for frame in frames]
        assert pass_through(ring, v0, *sent, *others) == others
        for flow, frames in flows.items():
            assert counts(ring, flow)[:3] == (len(frames), len(frames), 0)
            remove(ring, flow)
            assert refused(errno.ENOENT, remove, ring, flow)
            assert refused(errno.ENOENT, counts, ring, flow)
        assert pass_through(ring, v0, *sent) == sent


def test_hash_rule_comes_before_wildcard_rules_and_may_leave_it_to_them() -> None:
    flow, other = Flow(A[0], B[0], A[1], B[1]), Flow(A[0], B[0], A[1], 54)
    with pair() as (v0, v1), Ring(v1) as ring:
        add(ring, Rule(0, DROP))
        add_flow(ring, flow, FORWARD)
        add_flow(ring, other, EXECUTE)
        assert pass_through(ring, v0, udp4(A, B), udp4(A, (B[0], 54)), probe(1)) == [udp4(A, B)]
        assert counts(ring, flow)[:3] == (1, 0, 1)
        assert counts(ring, other)[:3] == (1, 0, 0)
        assert counts(ring, 0)[:3] == (2, 2, 0)


def test_packet_adds_and_deletes_the_rule_of_its_flow() -> None:
    with pair() as (v0, v1), Ring(v1) as ring:
        add(ring, Rule(1, LEARN, flags=2))
        add(ring, Rule(2, DROP))
        syn = tcp4(A, B)
        ack = ether(
            0x0800,
            ipv4(A[0], B[0], 6, struct.pack("!HHIIBBHHH", A[1], B[1], 1, 0, 0x50, 0x10, 1, 0, 0)),
        )
        assert pass_through(ring, v0, ack, syn, ack, syn, probe(1)) == [syn, ack, syn]
        flow = Flow(A[0], B[0], A[1], B[1], 6)
        assert counts(ring, flow)[:3] == (2, 0, 2)
        assert counts(ring, 1)[:3] == (1, 0, 1)
        remove(ring, 1)
        add(ring, Rule(1, LEARN))
        assert pass_through(ring, v0, probe(1)) == [probe(1)]
        remove(ring, 1)
        remove(ring, flow)
        add_flow(ring, flow, FORGET)
        assert pass_through(ring, v0, ack, ack) == [ack]
        assert refused(errno.ENOENT, counts, ring, flow)
        add_flow(ring, flow, EXECUTE)
        add(ring, Rule(1, FORGET, proto=6))
        assert pass_through(ring, v0, syn, syn) == [syn, syn]
        assert refused(errno.ENOENT, counts, ring, flow)
        assert ring.stats().rule_errors == 0


def test_rules_that_packets_add_are_paid_for_by_the_rings_owner_up_to_its_limit() -> None:
    flows = [udp4((A[0], port), B) for port in range(1, 6001)]
    with group("owner") as owner, pair() as (v0, v1):
        with owner.pays():
            ring = Ring(v1, size=4 << 20)
            add(ring, Rule(1, LEARN, proto=17))
        before = owner.charged()
        owner.limit(before + (384 << 10))
        assert pass_through(ring, v0, *flows) == flows
        refused_rules = ring.stats().rule_errors
        if CHARGED:
            assert 128 << 10 < owner.charged() - before <= 384 << 10
            assert 0 < refused_rules < len(flows)
        else:
            assert owner.charged() == before
            assert refused_rules == 0
        learnt = sum(
            not refused(errno.ENOENT, counts, ring, Flow(A[0], B[0], port, B[1]))
            for port in range(1, 6001)
        )
        assert learnt == len(flows) - refused_rules
        ring.close()
        until(lambda: owner.charged() <= before)


def test_idle_rules_are_purged_and_locked_ones_stay() -> None:
    flow = Flow(A[0], B[0], A[1], B[1])
    youngest = flow._replace(port_b=54)  # when it has been idle for long enough, so have the others
    with pair() as (v0, v1), Ring(v1) as ring:
        add(ring, Rule(3, EXECUTE, proto=6, locked=1))

        def purged_in_time() -> bool:
            """Whether what a packet met was not idle as well when the idle rules were purged."""
            add(ring, Rule(1, EXECUTE, proto=17))
            add(ring, Rule(2, EXECUTE, proto=6))
            add_flow(ring, flow)
            add_flow(ring, youngest)
            until(lambda: counts(ring, youngest).inactivity >= 6)
            met = time.monotonic()
            pass_through(ring, v0, udp4(A, B), udp4(A, ("192.0.2.7", 1)))
            ring.set(PURGE_RULES, 6)
            ring.set(PURGE_HASH, 6)
            if time.monotonic() - met < 5:
                return True
            ring.set(PURGE_RULES, 0)
            ring.set(PURGE_HASH, 0)
            return False

        until(purged_in_time)
        assert counts(ring, 1).match == 1
        assert refused(errno.ENOENT, counts, ring, 2)
        assert counts(ring, 3).match == 0
        assert counts(ring, flow).match == 1
        assert refused(errno.ENOENT, counts, ring, youngest)
        ring.set(PURGE_RULES, 0)
        ring.set(PURGE_HASH, 0)
        assert refused(errno.ENOENT, counts, ring, 1)
        assert counts(ring, 3).match == 0
        assert refused(errno.ENOENT, counts, ring, flow)


def test_rules_share_a_device_by_balance() -> None:
    frames = [udp4((f"10.0.{i}.1", 1000 + i), B) for i in range(64)]
    frames += [udp4(B, (f"10.0.{i}.1", 1000 + i)) for i in range(64)]
    with pair() as (v0, v1), Ring(v1) as one, Ring(v1) as two:
        add(one, Rule(1, FORWARD, balance=(0, 2)))
        add(two, Rule(1, FORWARD, balance=(1, 2)))
        first = pass_through(one, v0, *frames)
        second = [r.data for r in two.read()]
        assert sorted(first + second) == sorted(frames)
        assert 20 < len(first) < 108
        forward = {frames.index(f) % 64 for f in first}
        assert len(forward) * 2 == len(first), "a flow's two directions went apart"
        assert counts(one, 1) == Count(128, 128 - len(first), len(first), counts(one, 1).inactivity)


def test_ids_are_chosen_behind_the_others() -> None:
    with Ring() as ring:
        assert ring.number(FREE_RULE) == 0
        add(ring, Rule(0))
        assert ring.number(FREE_RULE) == 1
        add(ring, Rule(65533))
        assert ring.number(FREE_RULE) == 65534
        add(ring, Rule(65534))
        assert ring.number(FREE_RULE) == 1
        assert refused(errno.EEXIST, add, ring, Rule(65533))
        remove(ring, 0)
        assert ring.number(FREE_RULE) == 0


def test_proc_shows_the_number_of_rules() -> None:
    with pair() as (_v0, v1), Ring(v1) as ring:
        (file,) = Path("/proc/net/pf_ring").glob(f"{os.getpid()}-{v1}.*")
        assert "# Filters            : 0 wildcard, 0 hash, policy accept" in file.read_text("utf-8")
        add(ring, Rule(1))
        add(ring, Rule(2))
        add_flow(ring, Flow(A[0], B[0]))
        ring.set(POLICY, 0)
        assert "# Filters            : 2 wildcard, 1 hash, policy drop" in file.read_text("utf-8")


BAD_RULES = {
    "action": Rule(action=10),
    "action that is huge": Rule(action=1 << 31),
    "VLAN": Rule(vlan=4096),
    "source ports": Rule(sport=(2, 1)),
    "destination ports": Rule(dport=(65535, 65534)),
    "balance": Rule(balance=(2, 2)),
    "id": Rule(number=65535),
    "no reflector": Rule(action=6),
    "reflector without end": Rule(action=6, reflector="x" * 16),
}


@pytest.mark.parametrize("what", BAD_RULES)
def test_malformed_rule_is_refused(what: str) -> None:
    with Ring() as ring:
        assert refused(errno.EINVAL, add, ring, BAD_RULES[what])
        assert refused(errno.ENOENT, remove, ring, BAD_RULES[what].number)


def test_malformed_requests_are_refused() -> None:
    flow, good = Flow(A[0], B[0]), Rule(1).request()
    with Ring() as ring:
        for size in (0, 4, 47, 48, len(good) - 1, len(good) + 1):
            assert refused(errno.EINVAL, ring.set, ADD, (good + b"\0")[:size])
        for size in (0, 4, 47, 49):
            assert refused(errno.EINVAL, ring.set, REMOVE, bytes(size))
            assert refused(errno.EINVAL, ring.ask, RULE_STATS, bytes(48), min(size, 47))
        for at in (*range(6, 48), 55, 109):
            bad = bytearray(good)
            bad[at] = 1
            assert refused(errno.EINVAL, ring.set, ADD, bytes(bad)), at
        for bad_flow in (
            flow._replace(version=5),
            flow._replace(vlan=4096),
            flow._replace(version=4, a="2001:db8::1"),
            flow._replace(version=4, b="2001:db8::1"),
        ):
            assert refused(errno.EINVAL, add_flow, ring, bad_flow)
            assert refused(errno.EINVAL, remove, ring, bad_flow)
            assert refused(errno.EINVAL, counts, ring, bad_flow)
        for bad_rule in (Rule(if_index=1), Rule(pattern=b"x"), Rule(bidirectional=1)):
            assert refused(errno.EINVAL, ring.set, ADD, bad_rule.request(flow.ref()))
        assert refused(errno.EINVAL, ring.set, ADD, Rule().request(struct.pack("<I44x", 2)))
        assert refused(errno.ENOENT, add, ring, Rule(plugin=1))
        assert refused(errno.ENOENT, add, ring, Rule(filter_plugin=1))
        assert refused(errno.EINVAL, ring.set, PURGE_RULES, -1)
        assert refused(errno.EINVAL, ring.set, PURGE_HASH, struct.pack("<q", 1))
        assert refused(errno.EINVAL, ring.set, POLICY, b"")
        assert refused(errno.ENOENT, counts, ring, 1)
        assert refused(errno.EINVAL, ring.ask, RULE_STATS, number_ref(1), 47)


def test_rule_looks_at_the_device_and_at_whole_packets() -> None:
    long = udp4(A, B, b"." * 1000 + b"needle")
    with pair() as (v0, v1), Ring(0, caplen=64) as ring:
        index = socket.if_nametoindex(v1)
        add(ring, Rule(1, FORWARD, if_index=index, pattern=b"needle"))
        ring.set(POLICY, 0)
        send(v0, long, udp4(A, B))
        got = ring.collect(1)
        assert [(r.ifindex, r.data, r.len) for r in got] == [(index, long[:64], len(long))]
        assert counts(ring, 1)[:3] == (1, 0, 1)


def test_payload_is_found_in_a_packet_that_lies_in_pieces() -> None:
    with pair() as (v0, v1), Ring(v1, caplen=65536) as ring:
        ip("addr", "add", "192.0.2.1/24", "dev", v0)
        ip("link", "set", v0, "arp", "off", "mtu", "9000")
        ip("link", "set", v1, "mtu", "9000")
        ip("neigh", "add", "192.0.2.2", "dev", v0, "lladdr", "02:00:00:00:00:02")
        add(ring, Rule(1, FORWARD, pattern=b"needle in pieces"))
        ring.set(POLICY, 0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for _ in range(2):
                sock.sendto(b"." * 4000 + b"needle in pieces" + b"." * 4000, B)
                sock.sendto(b"." * 4000 + b"needle in piecez" + b"." * 4000, B)
        got = ring.collect(2)
        assert [b"needle in pieces" in r.data for r in got] == [True, True]
        assert ring.stats().filtered == 2


def test_ten_thousand_hash_rules_find_each_flow() -> None:
    with pair() as (v0, v1), Ring(v1, size=4 << 20) as ring:
        for i in range(10000):
            add_flow(ring, Flow(f"10.{i >> 8}.{i & 255}.1", B[0], 1000, 53), i & 1)
        frames = [udp4((f"10.{i >> 8}.{i & 255}.1", 1000), B) for i in range(0, 10000, 37)]
        assert pass_through(ring, v0, *frames) == frames[::2]
        ring.set(PURGE_HASH, 0)
        assert pass_through(ring, v0, *frames) == frames


@pytest.mark.slow
def test_table_of_wildcard_rules_gets_full() -> None:
    with Ring() as ring:
        for i in range(65535):
            add(ring, Rule(i, DROP, vlan=1 + i % 4095))
        assert refused(errno.ENOSPC, ring.number, FREE_RULE)
        remove(ring, 300)
        assert ring.number(FREE_RULE) == 300
