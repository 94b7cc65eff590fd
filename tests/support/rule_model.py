# SPDX-License-Identifier: BSD-3-Clause
"""What filtering rules do, told a second time: the model that every engine is held to.

Written from docs/filters.md alone and independent of the code: it works on the
fields that `rule_packets` chose, not on bytes. Used over file: and packet: and
bpf: (tests/python, tests/netns) and over pfring: in the QEMU guest:

    rng = random.Random(seed)
    packets = [rule_packets.packet(rng) for _ in range(300)]
    setup = random_setup(rng, packets, if_index=...)     # rules, flows, policy
    model = Model(setup, pkt_hash)                       # pkt_hash(frame) -> int
    wanted = [p.frame for p in packets if model.passes(p)]
    ... the engine under test gets setup.wild, setup.flows, setup.accept, then the frames;
        it must deliver exactly `wanted`, in order, and its statistics must be
        model.wild_counts[rule_id] and model.flow_counts of each flow ...

`rule_ring` drives a real ring through the C calls. Reflecting actions are
generated only if `reflect_to` names a device; the model tells what must go out
of it in `model.reflected`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from support.rule_packets import (
    HOSTS4,
    HOSTS6,
    MACS,
    NO_TUNNEL,
    PORTS,
    TCP,
    TUNNEL_IDS,
    VLANS,
    WORDS,
    Packet,
)

FORWARD, DROP, WATCH, STOP, LEARN, FORGET = range(6)
REFLECT, REFLECT_ON, BOUNCE, BOUNCE_ON = range(6, 10)
ANY = b""
IPV6 = 0x86DD


@dataclass
class Rule:
    """A wildcard rule. Addresses: b"" any, 4 or 16 bytes; masks b"" every bit."""

    rule_id: int
    action: int = FORWARD
    if_index: int = 0
    smac: bytes = ANY
    dmac: bytes = ANY
    vlan: int = 0
    eth_type: int = 0
    proto: int = 0
    src: bytes = ANY
    src_mask: bytes = ANY
    dst: bytes = ANY
    dst_mask: bytes = ANY
    sport: tuple[int, int] = (0, 0)
    dport: tuple[int, int] = (0, 0)
    tcp_flags: int = 0
    pattern: bytes = b""
    tunnel_id: int = 0
    inner_src: bytes = ANY
    inner_src_mask: bytes = ANY
    inner_dst: bytes = ANY
    inner_dst_mask: bytes = ANY
    bidirectional: bool = False
    balance: tuple[int, int] = (0, 0)  # id, pool
    device: str = ""


@dataclass
class Flow:
    """A hash rule."""

    vlan: int
    version: int
    proto: int
    a: bytes
    b: bytes
    a_port: int
    b_port: int
    action: int = FORWARD
    device: str = ""

    @property
    def key(self) -> tuple[object, ...]:
        ends = sorted([(self.a, self.a_port), (self.b, self.b_port)])
        return (self.vlan, self.version, self.proto, *ends)


@dataclass
class Setup:
    """Everything that is told to a ring before the packets come."""

    wild: list[Rule]
    flows: list[Flow]
    accept: bool


@dataclass
class Counts:
    match: int = 0
    filtered: int = 0
    forward: int = 0


def _host(want: bytes, mask: bytes, have: bytes) -> bool:
    if not want:
        return True
    if len(want) != len(have):
        return False
    return all(
        not (w ^ h) & m for w, h, m in zip(want, have, mask or b"\xff" * len(want), strict=True)
    )


def _port(wanted: tuple[int, int], have: int) -> bool:
    low, high = wanted
    if not (low or high):
        return True
    return low <= have <= high if high else have == low


def _ends(rule: Rule, p: Packet, swap: bool) -> bool:
    smac, dmac = (p.dmac, p.smac) if swap else (p.smac, p.dmac)
    src, dst = (p.dst, p.src) if swap else (p.src, p.dst)
    sport, dport = (p.dport, p.sport) if swap else (p.sport, p.dport)
    inner = (p.inner_dst, p.inner_src) if swap else (p.inner_src, p.inner_dst)
    return (
        rule.smac in (ANY, smac)
        and rule.dmac in (ANY, dmac)
        and _host(rule.src, rule.src_mask, src)
        and _host(rule.dst, rule.dst_mask, dst)
        and _port(rule.sport, sport)
        and _port(rule.dport, dport)
        and _host(rule.inner_src, rule.inner_src_mask, inner[0])
        and _host(rule.inner_dst, rule.inner_dst_mask, inner[1])
    )


def matches(rule: Rule, p: Packet, if_index: int) -> bool:
    """Whether the fields of a wildcard rule hold for a packet of this interface."""
    wants_ports = rule.sport != (0, 0) or rule.dport != (0, 0)
    return (
        rule.if_index in (0, if_index)
        and rule.vlan in (0, p.vlan)
        and rule.eth_type in (0, p.eth_type)
        and rule.proto in (0, p.proto)
        and not (wants_ports and not p.sport and not p.dport)
        and (not rule.tcp_flags or (p.proto == TCP and rule.tcp_flags & ~p.tcp_flags == 0))
        and rule.tunnel_id in (0, NO_TUNNEL, p.tunnel_id)
        and (_ends(rule, p, False) or (rule.bidirectional and _ends(rule, p, True)))
        and (not rule.pattern or (p.payload is not None and rule.pattern in p.payload))
    )


def flow_of(p: Packet, action: int = FORWARD) -> Flow:
    return Flow(p.vlan, p.version, p.proto, p.src, p.dst, p.sport, p.dport, action)


def bounced(frame: bytes) -> bytes:
    return frame[6:12] + frame[:6] + frame[12:]


@dataclass
class Model:
    """Takes packets one by one, in the order in which they arrive."""

    setup: Setup
    pkt_hash: Callable[[bytes], int]
    if_index: int = -1
    wild_counts: dict[int, Counts] = field(default_factory=dict)
    flow_counts: dict[tuple[object, ...], Counts] = field(default_factory=dict)
    reflected: list[bytes] = field(default_factory=list)
    refused: int = 0

    def __post_init__(self) -> None:
        self._wild = sorted(self.setup.wild, key=lambda rule: rule.rule_id)
        self._flows = {flow.key: flow for flow in self.setup.flows}
        self.wild_counts = {rule.rule_id: Counts() for rule in self._wild}
        self.flow_counts = {key: Counts() for key in self._flows}

    def passes(self, p: Packet) -> bool:
        passed = self._decide(p)
        self.refused += not passed
        return passed

    def _decide(self, p: Packet) -> bool:
        key = flow_of(p).key
        flow = self._flows.get(key) if p.version else None
        if flow:
            self.flow_counts[key].match += 1
            verdict = self._act(flow.action, self.flow_counts[key], p)
            if verdict is not None:
                return verdict
        for rule in self._wild:
            if not matches(rule, p, self.if_index):
                continue
            counts = self.wild_counts[rule.rule_id]
            counts.match += 1
            ident, pool = rule.balance
            if pool and self.pkt_hash(p.frame) % pool != ident:
                counts.filtered += 1
                return False
            verdict = self._act(rule.action, counts, p)
            if verdict is not None:
                return verdict
        return self.setup.accept

    def _act(self, action: int, counts: Counts, p: Packet) -> bool | None:
        if action in (REFLECT, REFLECT_ON):
            self.reflected.append(p.frame)
        elif action in (BOUNCE, BOUNCE_ON):
            self.reflected.append(bounced(p.frame))
        if action in (WATCH, REFLECT_ON, BOUNCE_ON):
            return None
        if action in (DROP, STOP, REFLECT, BOUNCE):
            counts.filtered += 1
            return False
        counts.forward += 1
        if action == LEARN and p.version:
            flow = flow_of(p)
            if flow.key not in self._flows:
                self._flows[flow.key] = flow
                self.flow_counts[flow.key] = Counts()
        elif action == FORGET and p.version:
            self._flows.pop(flow_of(p).key, None)
            self.flow_counts.pop(flow_of(p).key, None)
        return True


def _mask(rng: random.Random, host: bytes) -> bytes:
    kind = rng.randrange(4)
    if kind < 2 or not host:
        return ANY
    if kind == 2:
        bits = rng.randrange(1, 8 * len(host) + 1)
        return ((1 << bits) - 1 << 8 * len(host) - bits).to_bytes(len(host), "big")
    return bytes(len(host) - 1) + b"\x03"  # not a prefix


def _ports(rng: random.Random, near: int) -> tuple[int, int]:
    port = near or rng.choice(PORTS)
    low = max(0, port - rng.choice([0, 0, 100]))
    return rng.choice([(port, 0), (low, min(65535, port + rng.choice([0, 1, 500])))])


def _random_fields(rng: random.Random, rule: Rule, p: Packet, if_index: int) -> None:
    """Sets one to four fields, most of them as this packet has them."""
    near = rng.random() < 0.8
    hosts = HOSTS4 if rng.random() < 0.5 else HOSTS6
    names = "if_index smac dmac vlan eth_type proto src dst sport dport flags pattern tunnel inner"
    for name in rng.sample(names.split(), rng.choice([0, 1, 1, 2, 2, 3, 4])):
        if name == "if_index":
            rule.if_index = rng.choice([if_index, if_index, 9999]) if if_index > 0 else 0
        elif name == "smac":
            rule.smac = p.smac if near else rng.choice(MACS)
        elif name == "dmac":
            rule.dmac = p.dmac if near else rng.choice(MACS)
        elif name == "vlan":
            rule.vlan = p.vlan if near else rng.choice(VLANS)
        elif name == "eth_type":
            rule.eth_type = p.eth_type if near else rng.choice([0x0800, IPV6])
        elif name == "proto":
            rule.proto = p.proto if near else rng.choice([6, 17, 47, 1])
        elif name == "src":
            rule.src = p.src if near else rng.choice(hosts)
            rule.src_mask = _mask(rng, rule.src)
        elif name == "dst":
            rule.dst = p.dst if near else rng.choice(hosts)
            rule.dst_mask = _mask(rng, rule.dst)
        elif name == "sport":
            rule.sport = _ports(rng, p.sport if near else 0)
        elif name == "dport":
            rule.dport = _ports(rng, p.dport if near else 0)
        elif name == "flags":
            rule.tcp_flags = rng.choice([0x02, 0x10, 0x12])
        elif name == "pattern":
            rule.pattern = rng.choice(WORDS)
        elif name == "tunnel":
            rule.tunnel_id = rng.choice([*TUNNEL_IDS, NO_TUNNEL])
        elif rng.random() < 0.5:
            rule.inner_src = p.inner_src if near else rng.choice(hosts)
            rule.inner_src_mask = _mask(rng, rule.inner_src)
        else:
            rule.inner_dst = p.inner_dst if near else rng.choice(hosts)
            rule.inner_dst_mask = _mask(rng, rule.inner_dst)
    if rule.eth_type == IPV6:
        # The words of an IPv4 address are an IPv6 one then (docs/filters.md): not what is meant.
        rule.src = rule.src if len(rule.src) == 16 else ANY
        rule.dst = rule.dst if len(rule.dst) == 16 else ANY


def random_setup(
    rng: random.Random,
    packets: Sequence[Packet],
    *,
    if_index: int = -1,
    reflect_to: str = "",
    learning: bool = True,
    simple: bool = False,
    most: int = 16,
) -> Setup:
    """Return random rules, most of which match some of these packets.

    learning: with actions 4 and 5. simple: only fields of the headers up to the
    ports and actions 0, 1 and 3, what the eBPF program of bpf: decides by itself.
    """
    actions = [FORWARD, FORWARD, FORWARD, DROP, DROP, STOP]
    if not simple:
        actions += [WATCH, WATCH] + ([LEARN, FORGET] if learning else [])
        actions += [REFLECT, REFLECT_ON, BOUNCE, BOUNCE_ON] if reflect_to else []
    wild = []
    for rule_id in rng.sample(range(0, 65535), rng.randrange(most + 1)):
        rule = Rule(rule_id, rng.choice(actions))
        _random_fields(rng, rule, rng.choice(packets), if_index)
        rule.bidirectional = rng.random() < 0.3
        if simple:
            rule.pattern, rule.tunnel_id = b"", 0
            rule.inner_src = rule.inner_dst = ANY
        elif rng.random() < 0.15:
            pool = rng.randrange(1, 5)
            rule.balance = (rng.randrange(pool), pool)
        rule.device = reflect_to if rule.action >= REFLECT else ""
        wild.append(rule)
    flows: dict[tuple[object, ...], Flow] = {}
    for _ in range(rng.randrange(most + 1)):
        p = rng.choice(packets)
        if p.version:
            flow = flow_of(p, rng.choice(actions))
            if rng.random() < 0.5:
                flow = Flow(
                    flow.vlan, flow.version, flow.proto, flow.b, flow.a, flow.b_port, flow.a_port,
                    flow.action,
                )  # fmt: skip
            flow.device = reflect_to if flow.action >= REFLECT else ""
            flows.setdefault(flow.key, flow)
    return Setup(wild, list(flows.values()), rng.random() < 0.5)
