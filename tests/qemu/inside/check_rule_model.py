# SPDX-License-Identifier: BSD-3-Clause
"""The module's rules against the model that every engine is held to (tests/support/rule_model.py).

Random rules and packets, more than 100,000 pairs, put in force through the
library: what the ring has, what every rule counts, what goes out of the other
device, all exactly what the model says.
"""

from __future__ import annotations

import ctypes
import os
import random
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from check_reflect import two_pairs
from patience import until
from pfsock import pair
from rulebook import send

TESTS = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TESTS))

from support import rule_packets  # noqa: E402
from support.rule_model import Flow, Model, Rule, Setup, flow_of, random_setup  # noqa: E402
from support.rule_ring import RuleRing, hash_rule, pkt_hash, wild_rule  # noqa: E402

PROGRAMS = Path(os.environ.get("PFRING_PROGRAMS", "/nowhere"))
LIBRARY = TESTS.parent / "build" / "dev" / "libpcap-pfring" / "libpfring.so"
PER_ROUND, MOST = 250, 40
ROUNDS = 18


def take(ring: RuleRing, done: Callable[[], bool]) -> list[bytes]:
    """Read until all is accounted for, and what is left then."""
    got: list[bytes] = []

    def finished() -> bool:
        got.extend(ring.batch(20) or [])
        return done()

    until(finished)
    while more := ring.batch(20):
        got += more
    return got


def one_round(devices: tuple[str, str, str, str], seed: int, caplen: int) -> tuple[int, int]:
    """Rules and packets of this seed; how many pairs there were, and how many matches."""
    v0, v1, w0, w1 = devices
    rng = random.Random(seed)
    packets = [rule_packets.packet(rng) for _ in range(PER_ROUND)]
    here = socket.if_nametoindex(v1)
    setup = random_setup(rng, packets, if_index=here, reflect_to=w0, most=MOST)
    model = Model(setup, partial(pkt_hash, LIBRARY), if_index=here)
    wanted = [p.frame for p in packets if model.passes(p)]
    back, ring = RuleRing(LIBRARY, f"pfring:{w1}"), RuleRing(LIBRARY, f"pfring:{v1}", caplen)
    try:
        back.call("pfring_enable_ring")
        ring.set_up(setup)
        send(v0, *(p.frame for p in packets))
        got = take(ring, lambda: (s := ring.stats()).delivered + s.filtered_user >= len(packets))
        assert got == [frame[: caplen or None] for frame in wanted]
        ring.assert_counts(setup, model)
        stats = ring.stats()
        assert (stats.recv, stats.drop, stats.delivered) == (len(wanted), 0, len(wanted))
        assert stats.filtered_user == model.refused == len(packets) - len(wanted)
        assert (stats.reflected, stats.reflect_failed) == (len(model.reflected), 0)
        assert take(back, lambda: back.stats().recv >= len(model.reflected)) == model.reflected
    finally:
        ring.close()
        back.close()
    counts = [*model.wild_counts.values(), *model.flow_counts.values()]
    return len(packets) * (len(setup.wild) + len(setup.flows)), sum(n.match for n in counts)


def test_module_and_library_take_a_frame_apart_alike_wherever_it_ends() -> None:
    with pair() as (v0, v1):
        done = subprocess.run(
            [PROGRAMS / "parity", v0, v1], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert int(done.stdout.split()[0]) > 4000


def test_rules_do_what_the_model_says() -> None:
    os.sched_setaffinity(0, {0})  # veth keeps the order of one processor
    with two_pairs() as devices:
        done = [one_round(devices, seed, 64 if seed % 3 == 1 else 0) for seed in range(ROUNDS)]
    pairs, matches = (sum(column) for column in zip(*done, strict=True))
    print(f"{pairs} pairs, {matches} matches")
    assert pairs > 100_000
    assert matches > 5_000


def test_library_says_what_the_module_refuses() -> None:
    with two_pairs() as (_, v1, _w0, _w1):
        ring = RuleRing(LIBRARY, f"pfring:{v1}")

        def refusal(call: str, *words: object) -> tuple[int, str]:
            with pytest.raises(OSError) as raised:  # noqa: PT011
                ring.call(call, *words)
            return raised.value.errno or 0, str(raised.value)

        def add(rule: Rule, plugin: int = 0) -> tuple[int, str]:
            request = wild_rule(rule)
            request.plugin_id = plugin
            return refusal("pfring_add_filtering_rule", ctypes.byref(request))

        try:
            auto = [wild_rule(Rule(0xFFFF)) for _ in range(3)]
            for rule in auto:
                ring.call("pfring_add_filtering_rule", ctypes.byref(rule))
            assert [rule.rule_id for rule in auto] == [0, 1, 2]
            assert add(Rule(1))[0] == 17
            assert add(Rule(9), plugin=63)[0] == 2
            for device, code in ((v1, 40), ("nowhere", 19)):
                found, why = add(Rule(9, 6, device=device))
                assert (found, device in why) == (code, True)
            assert refusal("pfring_remove_filtering_rule", 9)[0] == 2
            flow = hash_rule(random_flow())
            ring.call("pfring_handle_hash_filtering_rule", ctypes.byref(flow), 1)
            call = "pfring_handle_hash_filtering_rule"
            assert refusal(call, ctypes.byref(flow), 1)[0] == 17
            ring.call(call, ctypes.byref(flow), 0)
            assert refusal(call, ctypes.byref(flow), 0)[0] == 2
            size = ctypes.c_uint(31)
            small = ctypes.create_string_buffer(31)
            words = (ctypes.c_uint16(1), small, ctypes.byref(size))
            assert refusal("pfring_get_filtering_rule_stats", *words)[0] == 28
            assert size.value == 32
            ring.set_up(Setup([], [], accept=False))
        finally:
            ring.close()


def random_flow() -> Flow:
    """Some flow of a random packet."""
    rng = random.Random(1)
    return flow_of(next(p for p in iter(lambda: rule_packets.packet(rng), None) if p.version == 6))
