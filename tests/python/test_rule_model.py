# SPDX-License-Identifier: BSD-3-Clause
"""The library's rules against the model: random rules, random packets, from capture files.

More than 100,000 pairs of a rule and a packet. The same vectors run over
packet: and bpf: (tests/netns/test_rules_live.py) and over pfring: in the guest.
"""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path

import pytest
from pfring.lab import capfile
from support import rule_packets
from support.built import program
from support.rule_model import Model, random_setup
from support.rule_ring import RuleRing, pkt_hash

LIBRARY = program("libpcap-pfring/libpfring.so")
PER_ROUND = 250


@pytest.mark.parametrize("seed", range(60))
def test_rules_do_what_the_model_says(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    packets = [rule_packets.packet(rng) for _ in range(PER_ROUND)]
    setup = random_setup(rng, packets)
    model = Model(setup, partial(pkt_hash, LIBRARY))
    wanted = [p.frame for p in packets if model.passes(p)]
    path = tmp_path / "packets.pcap"
    capfile.write(path, [p.frame for p in packets])

    ring = RuleRing(LIBRARY, f"file:{path}")
    try:
        ring.set_up(setup)
        assert ring.rest() == wanted
        ring.assert_counts(setup, model)
        stats = ring.stats()
        assert (stats.recv, stats.delivered) == (len(wanted), len(wanted))
        assert stats.filtered_user == model.refused == len(packets) - len(wanted)
    finally:
        ring.close()


def test_the_random_rules_meet_enough_packets() -> None:
    """A model test whose rules match nothing would show nothing."""
    pairs = matched = 0
    actions = set()
    for seed in range(60):
        rng = random.Random(seed)
        packets = [rule_packets.packet(rng) for _ in range(PER_ROUND)]
        setup = random_setup(rng, packets)
        model = Model(setup, partial(pkt_hash, LIBRARY))
        for p in packets:
            model.passes(p)
        pairs += len(packets) * (len(setup.wild) + len(setup.flows))
        matched += sum(n.match for n in model.wild_counts.values())
        matched += sum(n.match for n in model.flow_counts.values())
        actions |= {rule.action for rule in setup.wild if model.wild_counts[rule.rule_id].match}
    assert pairs > 100_000
    assert matched > 10_000
    assert actions == set(range(6))
