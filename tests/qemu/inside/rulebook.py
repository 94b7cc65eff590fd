# SPDX-License-Identifier: BSD-3-Clause
"""Filtering rules as the module's options take them (kernel/uapi/pf_ring.h, part three)."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

from patience import until
from pfsock import Ring, Sender

ADD, REMOVE, POLICY, PURGE_HASH, PURGE_RULES, REFLECTOR = 102, 103, 104, 109, 125, 203
RULE_STATS, FREE_RULE = 171, 173
WILDCARD, HASH = 0, 1
(FORWARD, DROP, EXECUTE, EXECUTE_STOP, LEARN, FORGET, REFLECT, REFLECT_ON, BOUNCE, BOUNCE_ON) = (
    range(10)
)
NO_TUNNEL = 0xFFFFFFFF


def address(text: str) -> bytes:
    """An ip_addr: IPv4 in host byte order, IPv6 as on the wire."""
    if not text:
        return bytes(16)
    if ":" in text:
        return socket.inet_pton(socket.AF_INET6, text)
    return socket.inet_aton(text)[::-1] + bytes(12)


def mac(text: str) -> bytes:
    """Six bytes."""
    return bytes.fromhex(text.replace(":", "")) if text else bytes(6)


class Count(NamedTuple):
    """struct pfr_rule_stats."""

    match: int
    filtered: int
    forwarded: int
    inactivity: int


class Flow(NamedTuple):
    """What tells a hash rule."""

    a: str
    b: str
    port_a: int = 0
    port_b: int = 0
    proto: int = 17
    vlan: int = 0
    version: int = 0

    def ref(self) -> bytes:
        """struct pfr_rule_ref."""
        version = self.version or (6 if ":" in self.a else 4)
        head = struct.pack(
            "<IHHBBHHH", HASH, 0, self.vlan, version, self.proto, self.port_a, self.port_b, 0
        )
        return head + address(self.a) + address(self.b)


def number_ref(number: int) -> bytes:
    """struct pfr_rule_ref of a wildcard rule."""
    return struct.pack("<IH42x", WILDCARD, number)


class Rule(NamedTuple):
    """A wildcard rule; what is left out matches everything."""

    number: int = 1
    action: int = FORWARD
    plugin: int = 0
    locked: int = 0
    reflector: str = ""
    if_index: int = 0
    tunnel_id: int = 0
    smac: str = ""
    dmac: str = ""
    vlan: int = 0
    eth_type: int = 0
    sport: tuple[int, int] = (0, 0)
    dport: tuple[int, int] = (0, 0)
    proto: int = 0
    flags: int = 0
    balance: tuple[int, int] = (0, 0)
    bidirectional: int = 0
    filter_plugin: int = 0
    shost: str = ""
    dhost: str = ""
    shost_mask: str = ""
    dhost_mask: str = ""
    tunnel_shost: str = ""
    tunnel_dhost: str = ""
    tunnel_shost_mask: str = ""
    tunnel_dhost_mask: str = ""
    pattern: bytes = b""
    plugin_data: bytes = b""

    def request(self, ref: bytes | None = None) -> bytes:
        """struct pfr_rule_req."""
        return b"".join(
            (
                number_ref(self.number) if ref is None else ref,
                struct.pack(
                    "<IHBx16s", self.action, self.plugin, self.locked, self.reflector.encode()
                ),
                struct.pack("<II", self.if_index, self.tunnel_id),
                mac(self.smac),
                mac(self.dmac),
                struct.pack("<HH4H", self.vlan, self.eth_type, *self.sport, *self.dport),
                struct.pack(
                    "<BBBBBxH",
                    self.proto,
                    self.flags,
                    *self.balance,
                    self.bidirectional,
                    self.filter_plugin,
                ),
                *map(address, (self.shost, self.dhost, self.shost_mask, self.dhost_mask)),
                *map(address, (self.tunnel_shost, self.tunnel_dhost)),
                *map(address, (self.tunnel_shost_mask, self.tunnel_dhost_mask)),
                struct.pack("<32s256s", self.pattern, self.plugin_data),
            )
        )


def add(ring: Ring, rule: Rule) -> None:
    """Add a wildcard rule."""
    ring.set(ADD, rule.request())


def add_flow(ring: Ring, flow: Flow, action: int = FORWARD, reflector: str = "") -> None:
    """Add a hash rule."""
    ring.set(ADD, Rule(action=action, reflector=reflector).request(flow.ref()))


def remove(ring: Ring, which: int | Flow) -> None:
    """Remove a rule."""
    ring.set(REMOVE, which.ref() if isinstance(which, Flow) else number_ref(which))


def counts(ring: Ring, which: int | Flow) -> Count:
    """What a rule has counted."""
    ref = which.ref() if isinstance(which, Flow) else number_ref(which)
    got = ring.ask(RULE_STATS, ref, 64)
    return Count(*struct.unpack("<QQQII", got)[:4])


def send(device: str, *frames: bytes) -> None:
    """Send frames from outside the module."""
    sender = Sender(device)
    sender.send(*frames)
    sender.close()


def pass_through(ring: Ring, device: str, *frames: bytes) -> list[bytes]:
    """Send frames; those that the ring has, in order. All is done on this CPU, within send()."""
    before = ring.stats()
    send(device, *frames)

    def through() -> bool:
        now = ring.stats()
        return now.recv + now.filtered - before.recv - before.filtered == len(frames)

    until(through)
    return [r.data for r in ring.read()]
