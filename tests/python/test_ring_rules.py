# SPDX-License-Identifier: BSD-3-Clause
"""Filtering rules as Python objects: Ring.rules, Ring.hash_rules, the policy; on capture files."""

from __future__ import annotations

import gc
import ipaddress
import weakref
from pathlib import Path

import pfring
import pytest
from pfring import HashRule, Rule
from pfring.lab import capfile, frames

A, B = ipaddress.IPv4Address("10.0.0.1"), ipaddress.IPv4Address("10.0.0.2")
A6, B6 = ipaddress.IPv6Address("2001:db8::1"), ipaddress.IPv6Address("2001:db8::2")
MACS = bytes.fromhex("020000000002020000000001")


Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def udp(src: Address, dst: Address, sport: int, dport: int, body: bytes = b"") -> bytes:
    """An Ethernet frame of a UDP packet."""
    text = sport.to_bytes(2, "big") + dport.to_bytes(2, "big")
    text += (8 + len(body)).to_bytes(2, "big") + bytes(2) + body
    if src.version == 4:
        return MACS + b"\x08\x00" + frames.ip4(src.packed, dst.packed, 17, text)
    head = b"\x60\0\0\0" + len(text).to_bytes(2, "big") + b"\x11\x40"
    return MACS + b"\x86\xdd" + head + src.packed + dst.packed + text


PACKETS = [
    udp(A, B, 1000, 53),
    udp(B, A, 53, 1000),
    udp(A, B, 1000, 80, b"a needle in hay"),
    udp(A6, B6, 1000, 53),
    udp(B, B, 2000, 5060),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "packets.pcap"
    capfile.write(file, PACKETS)
    return file


def passed(ring: pfring.Ring) -> list[int]:
    """Return which of the packets come."""
    return [PACKETS.index(data) for _, data in ring]


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        (Rule(src=A), [0, 2]),
        (Rule(src="10.0.0.1"), [0, 2]),
        (Rule(src="10.0.0.0/30", dport=53), [0]),
        (Rule(src="10.0.0.2/32"), [1, 4]),
        (Rule(src="0.0.0.0/0", dport=53), [0, 3]),
        (Rule(src=A6), [3]),
        (Rule(dst="2001:db8::/64"), [3]),
        (Rule(dport=(53, 80)), [0, 2, 3]),
        (Rule(dport=53, bidirectional=True), [0, 1, 3]),
        (Rule(payload="needle"), [2]),
        (Rule(payload=b"hay"), [2]),
        (Rule(proto="udp"), [0, 1, 2, 3, 4]),
        (Rule(proto=6), []),
        (Rule(eth_type=0x86DD), [3]),
        (Rule(eth_src="02:00:00:00:00:01"), [0, 1, 2, 3, 4]),
        (Rule(eth_dst=bytes(6)), [0, 1, 2, 3, 4]),
        (Rule(eth_dst=b"\2\0\0\0\0\3"), []),
        (Rule(vlan=7), []),
        (Rule(tcp_flags="S"), []),
        (Rule(tunnel_id=9), []),
        (Rule(tunnel_src=A), []),
    ],
)
def test_a_rule_takes_what_its_fields_say(path: Path, rule: Rule, wanted: list[int]) -> None:
    with pfring.open(path) as ring:
        ring.policy = "drop"
        ident = ring.rules.add(rule)
        assert passed(ring) == wanted
        stats = ring.rules.stats(ident)
    assert stats == pfring.RuleStats(len(wanted), 0, len(wanted), stats.idle)


def test_rules_are_tried_in_the_order_of_their_ids(path: Path) -> None:
    with pfring.open(path) as ring:
        last = ring.rules.add(Rule(action="drop", id=500))
        first = ring.rules.add(Rule(id=3, dport=53))
        behind = ring.rules.add(Rule())
        assert (last, first, behind) == (500, 3, 501)
        assert [rule.id for rule in ring.rules] == [3, 500, 501]
        assert len(ring.rules) == 3
        assert 3 in ring.rules
        assert Rule(id=3, dport=53) in ring.rules
        assert passed(ring) == [0, 3]
        assert ring.rules.stats(500).filtered == 3
        assert ring.stats().filtered == 3


def test_rules_can_be_removed_and_purged(path: Path) -> None:
    with pfring.open(path) as ring:
        ring.rules.add(Rule(action="drop", id=1))
        ring.rules.add(Rule(action="drop", id=2, locked=True))
        ring.rules.remove(1)
        with pytest.raises(pfring.NoSuchRule):
            ring.rules.remove(1)
        with pytest.raises(LookupError):
            ring.rules.stats(1)
        ring.rules.purge()
        assert [rule.id for rule in ring.rules] == [2]
        ring.rules.remove(Rule(id=2))
        assert list(ring.rules) == []
        assert passed(ring) == [0, 1, 2, 3, 4]


def test_a_hash_rule_takes_one_flow(path: Path) -> None:
    flow = HashRule(a=B, b="10.0.0.1", a_port=53, b_port=1000, proto="udp", action="drop")
    other = HashRule(a=A6, b=B6, a_port=1000, b_port=53, proto=17, action="count")
    with pfring.open(path) as ring:
        ring.hash_rules.add(flow)
        ring.hash_rules.add(other)
        assert len(ring.hash_rules) == 2
        assert list(ring.hash_rules) == [flow, other]
        same = HashRule(a=A, b=B, a_port=1000, b_port=53, proto="udp")
        assert same in ring.hash_rules
        with pytest.raises(pfring.RuleError):
            ring.hash_rules.add(same)
        assert passed(ring) == [2, 3, 4]
        assert ring.hash_rules.stats(same)[:3] == (2, 2, 0)
        assert ring.hash_rules.stats(other)[:3] == (1, 0, 0)
        ring.hash_rules.remove(same)
        with pytest.raises(pfring.NoSuchRule):
            ring.hash_rules.remove(same)
        ring.hash_rules.purge()
        assert len(ring.hash_rules) == 0


def test_a_packet_makes_the_rule_of_its_flow(path: Path) -> None:
    with pfring.open(path) as ring:
        ring.policy = "drop"
        ring.rules.add(Rule(action="forward_and_add", src=A, dport=53))
        assert passed(ring) == [0, 1]
        made = HashRule(a=A, b=B, a_port=1000, b_port=53, proto="udp")
        assert ring.hash_rules.stats(made).forwarded == 1
        assert len(ring.hash_rules) == 0


def test_rings_share_packets_by_balance(path: Path) -> None:
    seen: list[int] = []
    for ident in range(3):
        with pfring.open(path) as ring:
            ring.rules.add(Rule(balance=(ident, 3)))
            seen += passed(ring)
    assert sorted(seen) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "rule",
    [
        Rule(action="reject"),
        Rule(vlan=4096),
        Rule(sport=-1),
        Rule(sport=65536),
        Rule(dport=(80, 53)),
        Rule(dport=(1, 2, 3)),  # type: ignore[arg-type]
        Rule(src="10.0.0"),
        Rule(dst=3.5),  # type: ignore[arg-type]
        Rule(eth_src="02:00:00:00:00"),
        Rule(eth_dst="mac"),
        Rule(proto="carrier pigeon"),
        Rule(proto=256),
        Rule(tcp_flags="X"),
        Rule(payload=b""),
        Rule(payload=b"a\0b"),
        Rule(payload=b"x" * 33),
        Rule(id=65535),
        Rule(balance=(3, 3)),
        Rule(action="reflect"),
        Rule(action="reflect", reflect_to="x" * 16),
        Rule(interface="no such device"),
    ],
    ids=repr,
)
def test_a_malformed_rule_is_told_and_not_in_force(path: Path, rule: Rule) -> None:
    with pfring.open(path) as ring:
        with pytest.raises(pfring.RuleError) as raised:
            ring.rules.add(rule)
        assert isinstance(raised.value, ValueError)
        assert raised.value.strerror
        assert len(ring.rules) == 0
        assert passed(ring) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "rule",
    [
        HashRule(a=A, b=B6),
        HashRule(a="10.0.0.0/8", b=B),
        HashRule(a=A, b=B, a_port=70000),
        HashRule(a=A, b=B, vlan=5000),
        HashRule(a=A, b=B, action="maybe"),
        HashRule(a=A, b=B, proto="none"),
    ],
    ids=repr,
)
def test_a_malformed_hash_rule_is_told(path: Path, rule: HashRule) -> None:
    with pfring.open(path) as ring, pytest.raises(pfring.RuleError):
        ring.hash_rules.add(rule)


def test_plugins_are_told_to_be_the_modules(path: Path) -> None:
    with pfring.open(path) as ring:
        with pytest.raises(pfring.NotSupported, match="kernel module"):
            ring.rules.add(Rule(plugin=1))
        with pytest.raises(pfring.NotSupported, match="kernel module"):
            ring.rules.add(Rule(plugin_filter=(1, b"x")))


def test_the_policy_is_accept_or_drop(path: Path) -> None:
    with pfring.open(path) as ring:
        assert ring.policy == "accept"
        with pytest.raises(ValueError, match="'drop', 'accept'"):
            ring.policy = "deny"
        ring.policy = "drop"
        assert ring.policy == "drop"
        assert ring.reflect_to is None
        with pytest.raises(pfring.NoSuchDevice):
            ring.reflect_to = "nosuch0"
        assert ring.reflect_to is None
        assert passed(ring) == []


def test_rules_of_a_closed_ring(path: Path) -> None:
    ring = pfring.open(path)
    rules = ring.rules
    rules.add(Rule(id=1))
    ring.close()
    with pytest.raises(pfring.Closed):
        rules.add(Rule())
    with pytest.raises(pfring.Closed):
        rules.stats(1)
    with pytest.raises(pfring.Closed):
        ring.policy = "drop"


def test_rules_do_not_keep_their_ring(path: Path) -> None:
    ring = pfring.open(path)
    ring.rules.add(Rule(id=1))
    ring.hash_rules.add(HashRule(a=A, b=B))
    gone = weakref.ref(ring)
    del ring
    gc.collect()
    assert gone() is None
