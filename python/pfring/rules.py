# SPDX-License-Identifier: BSD-3-Clause
"""Filtering rules as plain objects: `Ring.rules`, `Ring.hash_rules`, `pfring.Rule`, `HashRule`.

What they match and do is told in docs/filters.md. Names, addresses and ranges
become numbers here; python/src/rules.cpp puts those into the structures of
pfring.h. Imported when a ring's rules are first asked for.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from ._core import Ring
from .errors import NoSuchRule, RuleError

Address = (
    str | ipaddress.IPv4Address | ipaddress.IPv6Address
    | ipaddress.IPv4Network | ipaddress.IPv6Network
)  # fmt: skip
Ports = int | tuple[int, int]

_ACTIONS = (
    "forward drop count stop forward_and_add forward_and_remove "
    "reflect reflect_and_continue bounce bounce_and_continue"
).split()
_PROTOCOLS = {"icmp": 1, "ipip": 4, "tcp": 6, "udp": 17, "gre": 47, "icmp6": 58, "sctp": 132}
_FLAGS = {letter: 1 << bit for bit, letter in enumerate("FSRPAUEC")}
_MAX_ID = 65534


class RuleStats(NamedTuple):
    """What a rule has done since it was added."""

    match: int
    """Packets that it matched."""
    filtered: int
    """Of them, refused by it."""
    forwarded: int
    """Of them, let through by it; neither where evaluation went on."""
    idle: int
    """Seconds since the last match, or since the rule was added."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A wildcard rule: every field that is given must hold. Rules are tried by id, lowest first.

    action: "forward", "drop", "count" (and go on), "stop" (refuse, after a plugin has seen it),
        "forward_and_add" and "forward_and_remove" (a hash rule for the packet's flow), "reflect"
        and "bounce" (out of `reflect_to`; bounced: with the addresses swapped), or one of these
        with "_and_continue".
    id: 0 to 65534; None puts the rule behind all others.
    interface: a device's name or index, for rings on "any".
    eth_src, eth_dst: "02:00:00:00:00:01" or six bytes. vlan: of the outermost tag.
    proto: a number or "tcp", "udp", "icmp", "icmp6", "sctp", "gre", "ipip".
    src, dst: an address or a network ("10.0.0.0/8"). sport, dport: a port or (low, high).
    tcp_flags: letters of "FSRPAUEC" or a number; all of them are set.
    payload: up to 32 bytes, none of them 0, that occur somewhere behind the transport header.
    tunnel_id, tunnel_src, tunnel_dst: GTP TEID, GRE key or VXLAN VNI, and the packet inside.
    bidirectional: also with both ends swapped.
    balance: (id, pool): of the packets that match, the rule takes those with hash % pool == id
        and refuses the others.
    locked: never purged. plugin, plugin_filter (number, bytes): of the kernel module.
    """

    action: str = "forward"
    id: int | None = None
    interface: str | int | None = None
    eth_src: str | bytes | None = None
    eth_dst: str | bytes | None = None
    vlan: int | None = None
    eth_type: int | None = None
    proto: int | str | None = None
    src: Address | None = None
    dst: Address | None = None
    sport: Ports | None = None
    dport: Ports | None = None
    tcp_flags: int | str | None = None
    payload: bytes | str | None = None
    tunnel_id: int | None = None
    tunnel_src: Address | None = None
    tunnel_dst: Address | None = None
    bidirectional: bool = False
    balance: tuple[int, int] | None = None
    locked: bool = False
    reflect_to: str | None = None
    plugin: int = 0
    plugin_filter: tuple[int, bytes] | None = None


@dataclass(frozen=True, kw_only=True)
class HashRule:
    """A rule for exactly one flow, both directions of it; tried before the wildcard rules.

    a, b: the two ends' addresses; a_port, b_port: 0 where the protocol has none. vlan: 0 is
    untagged. The rest as in `Rule`.
    """

    a: str | ipaddress.IPv4Address | ipaddress.IPv6Address
    b: str | ipaddress.IPv4Address | ipaddress.IPv6Address
    a_port: int = 0
    b_port: int = 0
    proto: int | str = "tcp"
    vlan: int = 0
    action: str = "forward"
    reflect_to: str | None = None
    plugin: int = 0


def _bad(text: str) -> RuleError:
    return RuleError(22, text)  # EINVAL


def _number(what: str, value: Any, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise _bad(f"{what} must be a number from 0 to {most}, not {value!r}")
    return value


def _mac(what: str, value: str | bytes) -> bytes:
    try:
        mac = bytes.fromhex(value.replace(":", "").replace("-", "")) if isinstance(value, str) \
            else bytes(value)  # fmt: skip
    except ValueError:
        mac = b""
    if len(mac) != 6:
        raise _bad(f'{what} must be like "02:00:00:00:00:01" or six bytes, not {value!r}')
    return mac


def _network(what: str, value: Any) -> tuple[bytes, bytes]:
    """Return address and mask; no mask for a single address."""
    try:
        net = ipaddress.ip_network(value, strict=False)
    except (ValueError, TypeError):
        raise _bad(f"{what} must be an IP address or network, not {value!r}") from None
    single = net.prefixlen == net.max_prefixlen
    return net.network_address.packed, b"" if single else net.netmask.packed


def _ports(what: str, value: Ports) -> tuple[int, int]:
    if not isinstance(value, tuple):
        return _number(what, value, 65535), 0
    if len(value) != 2:
        raise _bad(f"{what} must be a port or (low, high), not {value!r}")
    low, high = (_number(what, port, 65535) for port in value)
    if low > high:
        raise _bad(f"{what}: the lower port comes first, not {value!r}")
    return low, high


def _protocol(value: int | str) -> int:
    if isinstance(value, str):
        if value not in _PROTOCOLS:
            raise _bad(f"proto must be a number or one of {', '.join(_PROTOCOLS)}, not {value!r}")
        return _PROTOCOLS[value]
    return _number("proto", value, 255)


def _tcp_flags(value: int | str) -> int:
    if isinstance(value, str):
        if not value or set(value) - set(_FLAGS):
            raise _bad(f"tcp_flags must be letters of FSRPAUEC, not {value!r}")
        return sum(_FLAGS[letter] for letter in set(value))
    return _number("tcp_flags", value, 255)


def _pattern(value: bytes | str) -> bytes:
    pattern = value.encode() if isinstance(value, str) else bytes(value)
    if not 1 <= len(pattern) <= 32 or 0 in pattern:
        raise _bad(f"payload must be 1 to 32 bytes, none of them 0, not {value!r}")
    return pattern


def _interface(value: int | str) -> int:
    if isinstance(value, int):
        return _number("interface", value, 0x7FFFFFFF)
    try:
        return socket.if_nametoindex(value)
    except OSError:
        raise _bad(f"there is no interface {value!r}") from None


def _what_to_do(rule: Rule | HashRule) -> dict[str, Any]:
    """Return the fields that both kinds of rules have."""
    if rule.action not in _ACTIONS:
        raise _bad(f"action must be one of {', '.join(_ACTIONS)}, not {rule.action!r}")
    fields: dict[str, Any] = {"action": _ACTIONS.index(rule.action)}
    fields["plugin"] = _number("plugin", rule.plugin, 65535)
    if rule.reflect_to is not None:
        fields["reflect_to"] = rule.reflect_to.encode()
        if len(fields["reflect_to"]) > 15:
            raise _bad(f"reflect_to: {rule.reflect_to!r} is no device: the name is too long")
    return fields


def _fields(rule: Rule) -> dict[str, Any]:
    """Turn a rule into what python/src/rules.cpp takes."""
    fields = _what_to_do(rule)
    numbers = (
        ("id", rule.id, _MAX_ID),
        ("vlan", rule.vlan, 4095),
        ("eth_type", rule.eth_type, 65535),
        ("tunnel_id", rule.tunnel_id, 0xFFFFFFFF),
    )
    for name, number, most in numbers:
        if number is not None:
            fields[name] = _number(name, number, most)
    for name, mac in (("eth_src", rule.eth_src), ("eth_dst", rule.eth_dst)):
        if mac is not None:
            fields[name] = _mac(name, mac)
    for name, net in (
        ("src", rule.src), ("dst", rule.dst),
        ("tunnel_src", rule.tunnel_src), ("tunnel_dst", rule.tunnel_dst),
    ):  # fmt: skip
        if net is None:
            continue
        address, mask = _network(name, net)
        if not any(mask) and mask:
            continue  # 0.0.0.0/0
        fields[name], fields[f"{name}_mask"] = address, mask
    for name, ports in (("sport", rule.sport), ("dport", rule.dport)):
        if ports is not None:
            fields[f"{name}_low"], fields[f"{name}_high"] = _ports(name, ports)
    if rule.interface is not None:
        fields["if_index"] = _interface(rule.interface)
    if rule.proto is not None:
        fields["proto"] = _protocol(rule.proto)
    if rule.tcp_flags is not None:
        fields["tcp_flags"] = _tcp_flags(rule.tcp_flags)
    if rule.payload is not None:
        fields["payload"] = _pattern(rule.payload)
    if rule.balance is not None:
        ident, pool = rule.balance
        fields["balance_id"] = _number("balance", ident, 255)
        fields["balance_pool"] = _number("balance", pool, 255)
    if rule.plugin_filter is not None:
        number, data = rule.plugin_filter
        fields["filter_plugin"] = _number("plugin_filter", number, 65535)
        fields["filter_data"] = bytes(data)
    fields["bidirectional"], fields["locked"] = int(rule.bidirectional), int(rule.locked)
    return fields


def _flow_fields(rule: HashRule) -> dict[str, Any]:
    fields = _what_to_do(rule)
    for name, value in (("a", rule.a), ("b", rule.b)):
        try:
            fields[name] = ipaddress.ip_address(value).packed
        except ValueError:
            raise _bad(f"{name} must be an IP address, not {value!r}") from None
    if len(fields["a"]) != len(fields["b"]):
        raise _bad(f"{rule.a} and {rule.b} are not of one IP version")
    fields["version"] = 4 if len(fields["a"]) == 4 else 6
    fields["a_port"] = _number("a_port", rule.a_port, 65535)
    fields["b_port"] = _number("b_port", rule.b_port, 65535)
    fields["vlan"] = _number("vlan", rule.vlan, 4095)
    fields["proto"] = _protocol(rule.proto)
    return fields


class Rules:
    """The wildcard rules of a ring, in the order in which they are tried."""

    def __init__(self, ring: Ring, known: dict[int, Rule]) -> None:
        self._ring = ring
        self._known = known

    def add(self, rule: Rule) -> int:
        """Put a rule in force; return its id."""
        ident = self._ring._rule_add(_fields(rule))
        self._known[ident] = replace(rule, id=ident)
        return ident

    def remove(self, rule: Rule | int) -> None:
        """Remove a rule of `iter()`, or by its id."""
        ident = self._id(rule)
        self._ring._rule_remove(ident)
        self._known.pop(ident, None)

    def stats(self, rule: Rule | int) -> RuleStats:
        """Return what a rule has done."""
        return RuleStats(*self._ring._rule_stats(self._id(rule)))

    def purge(self, idle: int = 0) -> None:
        """Remove rules that matched nothing for so many seconds (0: all) and are not locked."""
        self._ring._rules_purge(False, _number("idle", idle, 65535))
        for ident in list(self._known):
            try:
                self._ring._rule_stats(ident)
            except NoSuchRule:
                del self._known[ident]

    def __iter__(self) -> Iterator[Rule]:
        return iter([self._known[ident] for ident in sorted(self._known)])

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, rule: object) -> bool:
        if isinstance(rule, Rule):
            return rule in self._known.values()
        return rule in self._known

    def __repr__(self) -> str:
        return f"<pfring.Rules of {self._ring.source!r}: {len(self)}>"

    @staticmethod
    def _id(rule: Rule | int) -> int:
        ident = rule.id if isinstance(rule, Rule) else rule
        if ident is None:
            raise _bad("the rule has no id: give what add() returned")
        return _number("id", ident, 65535)


class HashRules:
    """The hash rules of a ring that were added here; those that packets made are not listed."""

    def __init__(self, ring: Ring, known: dict[tuple[Any, ...], HashRule]) -> None:
        self._ring = ring
        self._known = known

    def add(self, rule: HashRule) -> None:
        """Put a rule for one flow in force."""
        fields = _flow_fields(rule)
        self._ring._hash_rule(fields, True)
        self._known[self._key(fields)] = rule

    def remove(self, rule: HashRule) -> None:
        """Remove the rule of a flow; its action does not matter, nor which end is a."""
        fields = _flow_fields(rule)
        self._known.pop(self._key(fields), None)
        self._ring._hash_rule(fields, False)

    def stats(self, rule: HashRule) -> RuleStats:
        """Return what the rule of a flow has done."""
        return RuleStats(*self._ring._hash_rule_stats(_flow_fields(rule)))

    def purge(self, idle: int = 0) -> None:
        """Remove rules that matched nothing for so many seconds; 0: all."""
        self._ring._rules_purge(True, _number("idle", idle, 65535))
        for key, rule in list(self._known.items()):
            try:
                self._ring._hash_rule_stats(_flow_fields(rule))
            except NoSuchRule:
                del self._known[key]

    def __iter__(self) -> Iterator[HashRule]:
        return iter(list(self._known.values()))

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, rule: object) -> bool:
        return isinstance(rule, HashRule) and self._key(_flow_fields(rule)) in self._known

    def __repr__(self) -> str:
        return f"<pfring.HashRules of {self._ring.source!r}: {len(self)}>"

    @staticmethod
    def _key(fields: dict[str, Any]) -> tuple[Any, ...]:
        ends = sorted([(fields["a"], fields["a_port"]), (fields["b"], fields["b_port"])])
        return (fields["vlan"], fields["proto"], *ends)


# What a ring was told, as long as the ring lives. Its collections are made when asked for: kept
# here, they would keep the ring.
_known: WeakKeyDictionary[Ring, dict[int, Rule]] = WeakKeyDictionary()
_known_flows: WeakKeyDictionary[Ring, dict[tuple[Any, ...], HashRule]] = WeakKeyDictionary()


def rules_of(ring: Ring) -> Rules:
    """Return `ring.rules`."""
    return Rules(ring, _known.setdefault(ring, {}))


def hash_rules_of(ring: Ring) -> HashRules:
    """Return `ring.hash_rules`."""
    return HashRules(ring, _known_flows.setdefault(ring, {}))
