# SPDX-License-Identifier: BSD-3-Clause
"""Filtering rules that the eBPF program of bpf: evaluates, beyond what they mean.

That they mean the same as everywhere is test_rules_live.py's. Here: that the
program decides at all (rules have counted before anybody reads), what it leaves
to the library and why, rules that change one by one under traffic, tables that
grow, and, with PFRING_RULE_ROUNDS=400, more than a million random pairs.
"""

from __future__ import annotations

import ctypes
import os
import random
import struct
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from pfring.lab import frames
from pfring.lab.netns import Wire
from support import rule_packets
from support.rule_model import (
    DROP,
    FORGET,
    FORWARD,
    LEARN,
    Flow,
    Model,
    Rule,
    Setup,
    flow_of,
    random_setup,
)
from support.rule_packets import Packet
from support.rule_ring import RuleRing, hash_rule, pkt_hash, wild_rule
from support.rule_wire import LIBRARY, index, opened, send, take

ROUNDS = int(os.environ.get("PFRING_RULE_ROUNDS", "12"))
IN_PROGRAM, IN_LIBRARY = 2, 3  # enum pfring_rules
MOST_IN_PROGRAM = 128
UDP = 17


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with Wire() as made:
        yield made


def wait_for(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.002)


def read(ring: RuleRing, n: int) -> list[bytes]:
    got: list[bytes] = []
    for _ in range(600):
        got += ring.batch(50) or []
        if len(got) >= n:
            break
    return got


def udp(number: int, host: bytes = b"\x0a\0\0\1") -> Packet:
    """A flow of its own for every number below 60,000."""
    smac, dmac = rule_packets.MACS[:2]
    to = b"\x0a\0\0\2"
    body = struct.pack("!HHHH", 1000 + number, 53, 8 + 4, 0) + struct.pack("!I", number)
    frame = dmac + smac + b"\x08\0" + frames.ip4(host, to, UDP, body)
    return Packet(
        frame, smac, dmac, 0x0800, 0, 4, UDP, host, to, 1000 + number, 53, 0, body[8:]
    )  # fmt: skip


def add(ring: RuleRing, rule: Rule) -> None:
    ring.call("pfring_add_filtering_rule", ctypes.byref(wild_rule(rule)))


def remove(ring: RuleRing, rule_id: int) -> None:
    ring.call("pfring_remove_filtering_rule", ctypes.c_uint16(rule_id))


def add_flow(ring: RuleRing, flow: Flow) -> None:
    ring.call("pfring_handle_hash_filtering_rule", ctypes.byref(hash_rule(flow)), 1)


def remove_flow(ring: RuleRing, flow: Flow) -> None:
    ring.call("pfring_handle_hash_filtering_rule", ctypes.byref(hash_rule(flow)), 0)


@pytest.mark.parametrize("seed", range(1000, 1000 + ROUNDS))
def test_the_program_decides_what_the_model_says_before_anybody_reads(
    wire: Wire, seed: int
) -> None:
    rng = random.Random(seed)
    packets = [p for p in (rule_packets.packet(rng) for _ in range(600)) if plain(p)]
    here = index(wire, Wire.CAPTURE)
    setup = random_setup(rng, packets, if_index=here, simple=True, most=40)
    model = Model(setup, partial(pkt_hash, LIBRARY), if_index=here)
    wanted = [p.frame for p in packets if model.passes(p)]
    ring = opened(wire, f"bpf:{Wire.CAPTURE}")
    try:
        ring.set_up(setup)
        if setup.wild or setup.flows or not setup.accept:
            assert ring.rules_place() == (IN_PROGRAM, "")
        send(wire, [p.frame for p in packets])
        wait_for(lambda: ring.stats().recv + ring.stats().filtered_user == len(packets))
        # Nobody has read a packet yet: it was all the program's.
        assert ring.stats().filtered_user == model.refused
        for rule in setup.wild:
            assert ring.wild_counts(rule.rule_id) == model.wild_counts[rule.rule_id], rule
        for flow in setup.flows:
            assert ring.flow_counts(flow) == model.flow_counts[flow.key], flow
        assert take(ring, len(packets)) == wanted
        stats = ring.stats()
        assert (stats.recv, stats.drop, stats.delivered) == (len(wanted), 0, len(wanted))
    finally:
        ring.close()


def plain(p: Packet) -> bool:
    """Whether the program knows these headers: no options, extensions, labels, two tags at most."""
    at, tags = 12, 0
    while p.frame[at : at + 2] in (b"\x81\0", b"\x88\xa8", b"\x91\0"):
        at, tags = at + 4, tags + 1
    kind, ip = p.frame[at : at + 2], p.frame[at + 2 :]
    if kind == b"\x88\x47":
        return False
    if kind == b"\x08\0":
        return ip[0] == 0x45
    return kind != b"\x86\xdd" or ip[6] not in (0, 43, 44, 51, 60)


@pytest.mark.parametrize("seed", range(2000, 2000 + max(3, ROUNDS // 4)))
def test_rules_come_and_go_one_by_one_between_packets(wire: Wire, seed: int) -> None:
    """Counts go on for the rules that stay, whatever was built anew for the others."""
    rng = random.Random(seed)
    packets = [rule_packets.packet(rng) for _ in range(200)]
    here = index(wire, Wire.CAPTURE)
    pool = random_setup(rng, packets, if_index=here, learning=False, most=40)
    setup = Setup([], [], accept=True)
    totals: dict[object, list[int]] = {}
    ring = opened(wire, f"bpf:{Wire.CAPTURE}")
    done = 0
    try:
        ring.call("pfring_enable_ring")
        for _ in range(12):
            for _ in range(rng.randrange(1, 6)):
                change(rng, ring, pool, setup, totals)
            burst = rng.sample(packets, 60)
            model = Model(setup, partial(pkt_hash, LIBRARY), if_index=here)
            wanted = [p.frame for p in burst if model.passes(p)]
            send(wire, [p.frame for p in burst])
            done += len(burst)
            assert take(ring, done) == wanted
            for key, got in [*model.wild_counts.items(), *model.flow_counts.items()]:
                for i, n in enumerate((got.match, got.filtered, got.forward)):
                    totals[key][i] += n
            for rule in setup.wild:
                got = ring.wild_counts(rule.rule_id)
                assert [got.match, got.filtered, got.forward] == totals[rule.rule_id], rule
            for flow in setup.flows:
                got = ring.flow_counts(flow)
                assert [got.match, got.filtered, got.forward] == totals[flow.key], flow
        stats = ring.stats()
        assert stats.delivered + stats.filtered_user == done
        assert stats.drop == 0
    finally:
        ring.close()


def change(
    rng: random.Random,
    ring: RuleRing,
    pool: Setup,
    setup: Setup,
    totals: dict[object, list[int]],
) -> None:
    """One call: a rule more or less, or the policy."""
    what = rng.randrange(5)
    wild = [rule for rule in pool.wild if rule not in setup.wild]
    flows = [flow for flow in pool.flows if flow not in setup.flows]
    if what == 0 and wild:
        rule = rng.choice(wild)
        add(ring, rule)
        setup.wild.append(rule)
        totals[rule.rule_id] = [0, 0, 0]
    elif what == 1 and setup.wild:
        rule = setup.wild.pop(rng.randrange(len(setup.wild)))
        remove(ring, rule.rule_id)
        with pytest.raises(FileNotFoundError):
            ring.wild_counts(rule.rule_id)
    elif what == 2 and flows:
        flow = rng.choice(flows)
        add_flow(ring, flow)
        setup.flows.append(flow)
        totals[flow.key] = [0, 0, 0]
    elif what == 3 and setup.flows:
        flow = setup.flows.pop(rng.randrange(len(setup.flows)))
        remove_flow(ring, flow)
        with pytest.raises(FileNotFoundError):
            ring.flow_counts(flow)
    else:
        setup.accept = not setup.accept
        ring.call("pfring_toggle_filtering_policy", int(setup.accept))


def test_a_table_that_grows_under_traffic_loses_no_packet_and_no_count(wire: Wire) -> None:
    """5,000 hash rules one by one, while their flows' packets come all the time."""
    packets = [udp(i) for i in range(5000)]
    flows = [flow_of(p, DROP if i % 2 else FORWARD) for i, p in enumerate(packets)]
    ring = opened(wire, f"bpf:{Wire.CAPTURE}")
    sent = 0
    over = threading.Event()

    def traffic() -> None:
        nonlocal sent
        # No more than the ring holds: nobody knows how long the reader stands still.
        while not over.is_set() and sent < 50_000:
            send(wire, [p.frame for p in packets[:100]])
            sent += 100
            time.sleep(0.001)

    sender = threading.Thread(target=traffic)
    got = 0
    try:
        ring.call("pfring_enable_ring")
        sender.start()
        for i, flow in enumerate(flows):
            add_flow(ring, flow)
            if i % 50 == 0:
                got += len(ring.batch(0) or [])
        over.set()
        sender.join()
        got += len(take(ring, sent))
        stats = ring.stats()
        assert stats.drop == 0
        assert (stats.delivered, stats.delivered + stats.filtered_user) == (got, sent)
        counts = [ring.flow_counts(flow) for flow in flows[:100]]
        assert sum(n.filtered for n in counts) == stats.filtered_user > 0
        assert all(n.match == n.filtered + n.forward for n in counts)
        assert ring.rules_place() == (IN_PROGRAM, "")

        before = [n.match for n in counts]
        send(wire, [p.frame for p in packets])
        assert take(ring, sent + 5000) == [p.frame for p in packets[::2]]
        assert [ring.flow_counts(f).match for f in flows[:100]] == [n + 1 for n in before]
        assert all(ring.flow_counts(f).match == 1 for f in flows[100:])

        for flow in flows[:4000]:
            remove_flow(ring, flow)
        send(wire, [p.frame for p in packets])
        wanted = [p.frame for i, p in enumerate(packets) if i < 4000 or i % 2 == 0]
        assert take(ring, sent + 10000) == wanted
        assert all(ring.flow_counts(f).match == 2 for f in flows[4000:])
        ring.call("pfring_purge_idle_hash_rules", 0)
        with pytest.raises(FileNotFoundError):
            ring.flow_counts(flows[-1])
    finally:
        over.set()
        ring.close()


def test_what_a_program_cannot_follow_is_the_librarys_and_comes_back(wire: Wire) -> None:
    ring = opened(wire, f"bpf:{Wire.CAPTURE}")
    seen = 0

    def passes(*, learned: bool) -> bool:
        nonlocal seen
        seen += 1
        send(wire, [udp(1 if learned else 2).frame])
        return len(take(ring, seen)) == 1

    try:
        ring.call("pfring_enable_ring")
        ring.call("pfring_toggle_filtering_policy", 0)
        assert ring.rules_place() == (IN_PROGRAM, "")
        add(ring, Rule(1, LEARN, sport=(1001, 0)))
        place, why = ring.rules_place()
        assert place == IN_LIBRARY
        assert "add or remove hash rules" in why
        assert passes(learned=True)
        remove(ring, 1)
        assert ring.rules_place() == (IN_PROGRAM, "")
        assert passes(learned=True)  # by the hash rule that a packet made
        assert not passes(learned=False)
        assert ring.flow_counts(flow_of(udp(1))).forward == 1
        add(ring, Rule(2, FORGET, sport=(1001, 0)))
        remove_flow(ring, flow_of(udp(1)))
        remove(ring, 2)
        assert not passes(learned=True)

        add_flow(ring, flow_of(udp(1)))
        for i in range(MOST_IN_PROGRAM + 1):
            add(ring, Rule(100 + i, DROP, sport=(i + 1, 0)))
        assert ring.rules_place() == (IN_PROGRAM, "")  # the hash rules still are
        assert passes(learned=True)
        remove_flow(ring, flow_of(udp(1)))
        place, why = ring.rules_place()
        assert place == IN_LIBRARY
        assert "more wildcard rules" in why
        assert not passes(learned=True)
        remove(ring, 100)
        assert ring.rules_place() == (IN_PROGRAM, "")
        assert not passes(learned=True)
        ring.clear()
        assert passes(learned=False)
        assert ring.rules_place() == (0, "")
    finally:
        ring.close()


def test_a_filter_that_changes_keeps_rules_and_their_counts(wire: Wire) -> None:
    ring = opened(wire, f"bpf:{Wire.CAPTURE}", 60)
    sent = [udp(i).frame for i in range(10)]
    long = sent[0] + bytes(1000)
    try:
        add(ring, Rule(5, DROP, sport=(1003, 1004)))
        ring.call("pfring_enable_ring")
        for n, text in enumerate((b"udp", b"udp src port 1003 or udp src port 1001", b"ip"), 1):
            ring.call("pfring_set_bpf_filter", text)
            send(wire, [*sent, long])
            kept = [f for i, f in enumerate(sent) if i not in (3, 4) and (n != 2 or i == 1)]
            kept += [long[:60]] if n != 2 else []
            assert read(ring, len(kept)) == kept
            assert ring.wild_counts(5).filtered == (2, 3, 5)[n - 1]
            assert ring.rules_place() == (IN_PROGRAM, "")
        assert ring.stats().filtered_user == 5
    finally:
        ring.close()
