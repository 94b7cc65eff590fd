# SPDX-License-Identifier: BSD-3-Clause
"""Filtering rules on a wire, against the model of tests/support/rule_model.py.

packet: evaluates in the library, bpf: in the kernel's eBPF program what it can
and the rest in the library: the same vectors, the same answers, books that
balance. Reflected packets are read back from the other end of a second veth
pair in the capturing namespace.
"""

from __future__ import annotations

import ctypes
import random
from collections.abc import Iterator
from functools import partial

import pytest
from pfring.lab.netns import Wire
from support import rule_packets
from support.backends import LIVE
from support.rule_model import (
    BOUNCE,
    REFLECT,
    REFLECT_ON,
    Model,
    Rule,
    Setup,
    bounced,
    random_setup,
)
from support.rule_ring import pkt_hash, wild_rule
from support.rule_wire import LIBRARY, index, opened, send, take

OUT, BACK = "out0", "back0"
PER_ROUND = 250
SHORT = 64


@pytest.fixture(scope="module")
def mirror() -> Iterator[Wire]:
    """A wire with a second pair, out0 to back0, in the capturing namespace."""
    with Wire() as made:
        made.rx.ip(f"link add {OUT} arp off type veth peer name {BACK} arp off")
        for device in (OUT, BACK):
            made.rx.ip(f"link set {device} addrgenmode none", f"link set {device} up")
        for device in (OUT, BACK):
            made.rx.await_carrier(device)
        yield made


def check(wire: Wire, backend: str, seed: int, caplen: int, **options: object) -> None:
    """One round: random rules and packets, all of them sent, all of them accounted for."""
    rng = random.Random(seed)
    packets = [rule_packets.packet(rng) for _ in range(PER_ROUND)]
    here = index(wire, Wire.CAPTURE)
    setup = random_setup(rng, packets, if_index=here, **options)  # type: ignore[arg-type]
    model = Model(setup, partial(pkt_hash, LIBRARY), if_index=here)
    wanted = [p.frame for p in packets if model.passes(p)]

    back = opened(wire, f"packet:{BACK}")
    ring = opened(wire, f"{backend}:{Wire.CAPTURE}", caplen)
    try:
        back.call("pfring_set_direction", 1)  # what out0 sends, back0 receives
        back.call("pfring_enable_ring")
        with wire.rx.entered():
            ring.set_up(setup)
        send(wire, [p.frame for p in packets])
        got = take(ring, len(packets))
        assert got == [frame[: caplen or None] for frame in wanted]
        ring.assert_counts(setup, model)
        stats = ring.stats()
        assert (stats.recv, stats.drop, stats.delivered) == (len(wanted), 0, len(wanted))
        assert stats.filtered_user == model.refused
        assert (stats.reflected, stats.reflect_failed) == (len(model.reflected), 0)
        assert take(back, len(model.reflected)) == model.reflected
    finally:
        ring.close()
        back.close()


@pytest.mark.parametrize("backend", LIVE)
@pytest.mark.parametrize("seed", range(8))
def test_rules_do_on_a_wire_what_the_model_says(mirror: Wire, backend: str, seed: int) -> None:
    check(mirror, backend, seed, caplen=0, reflect_to=OUT)


@pytest.mark.parametrize("backend", LIVE)
@pytest.mark.parametrize("seed", range(100, 108))
def test_rules_on_headers_alone(mirror: Wire, backend: str, seed: int) -> None:
    check(mirror, backend, seed, caplen=0, simple=True)


@pytest.mark.parametrize("backend", LIVE)
@pytest.mark.parametrize("seed", range(200, 206))
def test_rules_that_only_look(mirror: Wire, backend: str, seed: int) -> None:
    check(mirror, backend, seed, caplen=0, learning=False)


@pytest.mark.parametrize("backend", LIVE)
@pytest.mark.parametrize("seed", range(300, 304))
def test_rules_see_what_the_snap_length_cuts(mirror: Wire, backend: str, seed: int) -> None:
    check(mirror, backend, seed, caplen=SHORT, learning=False)


@pytest.mark.parametrize("backend", LIVE)
def test_a_filter_goes_before_the_rules_and_cuts_behind_them(mirror: Wire, backend: str) -> None:
    rng = random.Random(7)
    packets = [rule_packets.packet(rng) for _ in range(PER_ROUND)]
    rule = Rule(1, pattern=b"needle")
    model = Model(Setup([rule], [], accept=False), partial(pkt_hash, LIBRARY))
    wanted = [p.frame[:SHORT] for p in packets if p.smac != b"\2\0\0\0\0\1" and model.passes(p)]
    refused = model.refused

    ring = opened(mirror, f"{backend}:{Wire.CAPTURE}", SHORT)
    try:
        with mirror.rx.entered():
            ring.call("pfring_set_bpf_filter", b"not ether src 02:00:00:00:00:01")
            ring.set_up(Setup([rule], [], accept=False))
        send(mirror, [p.frame for p in packets])
        assert take(ring, len(wanted) + refused) == wanted
        assert ring.wild_counts(1) == model.wild_counts[1]
        assert ring.stats().filtered_user == refused
    finally:
        ring.close()


@pytest.mark.parametrize("backend", LIVE)
def test_devices_that_cannot_be_reflected_to(mirror: Wire, backend: str) -> None:
    ring = opened(mirror, f"{backend}:{Wire.CAPTURE}")
    try:
        for device, error in ((Wire.CAPTURE, 40), ("nosuch0", 19)):
            rule = Rule(1, REFLECT, device=device)
            with mirror.rx.entered(), pytest.raises(OSError) as raised:  # noqa: PT011
                ring.call("pfring_add_filtering_rule", ctypes.byref(wild_rule(rule)))
            assert raised.value.errno == error
            assert device in str(raised.value)
    finally:
        ring.close()


@pytest.mark.parametrize("backend", LIVE)
def test_a_reflector_device_takes_what_passes_every_rule(mirror: Wire, backend: str) -> None:
    rng = random.Random(8)
    packets = [rule_packets.packet(rng) for _ in range(PER_ROUND)]
    rules = [Rule(1, BOUNCE, proto=17, device=OUT), Rule(2, REFLECT_ON, proto=6, device=OUT)]
    rules.append(Rule(3, 1, proto=6))
    wanted = []
    for p in packets:
        wanted += [bounced(p.frame)] if p.proto == 17 else [p.frame]

    back = opened(mirror, f"packet:{BACK}")
    ring = opened(mirror, f"{backend}:{Wire.CAPTURE}")
    try:
        back.call("pfring_set_direction", 1)
        back.call("pfring_enable_ring")
        with mirror.rx.entered():
            ring.call("pfring_set_reflector_device", OUT.encode())
            ring.set_up(Setup(rules, [], accept=True))
        send(mirror, [p.frame for p in packets])
        assert take(ring, len(packets)) == []
        assert take(back, len(wanted)) == wanted
        assert ring.stats().reflected == len(packets)
        assert ring.stats().filtered_user == len(packets)
        ring.call("pfring_set_reflector_device", None)
        ring.clear()
        send(mirror, [packets[0].frame])
        assert take(ring, len(packets) + 1) == [packets[0].frame]
    finally:
        ring.close()
        back.close()
