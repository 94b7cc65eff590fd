# SPDX-License-Identifier: BSD-3-Clause
"""Reads from the scapy that is loaded what the extension must know to be lazy.

A frame is left undissected only if every one of its layers can be told from the
headers. Which layer follows which is read from scapy's own bindings; a layer
class is trusted only as long as the methods that dissect it are the ones that
scapy ships. Whatever is not understood here becomes "unknown", and scapy then
dissects at once. Nothing is copied for later: when a binding, a class or a
setting changes, packets that wait are dissected first and the model is read anew
(patch.py calls `changing()`). Called with the GIL, from any thread.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from scapy.config import conf
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import NoPayload, Packet, Padding, Raw

from pfring._core import scapy as _core

# The order of LayerKind in python/src/scapy_walk.h.
LAYERS: tuple[type[Packet], ...] = (Ether, Dot1Q, Dot1AD, ARP, IP, IPv6, TCP, UDP, Raw, Padding)
KIND = {cls: number for number, cls in enumerate(LAYERS)}
UNKNOWN = 255
ETHER_TYPES = (0x0800, 0x86DD, 0x0806, 0x8100, 0x88A8)

# What is read or called between a frame and its layers. A class may have its own version
# of those in OWN, and then scapy's: they are what the walk was written after.
DISSECTION = (
    "__init__", "__new__", "__getattr__", "__setattr__", "__delattr__", "__contains__",
    "__getitem__", "__bytes__", "__len__", "haslayer", "getlayer", "init_fields", "dissect",
    "pre_dissect", "do_dissect", "post_dissect", "do_dissect_payload", "extract_padding",
    "guess_payload_class", "default_payload_class", "dissection_done", "post_dissection",
    "add_payload", "add_underlayer", "add_parent", "build", "do_build", "self_build",
    "build_padding", "build_done", "do_build_payload", "match_subclass", "getfieldval",
    "getfield_and_val", "dispatch_hook",
)  # fmt: skip
OWN: dict[type[Packet], set[str]] = {
    Ether: {"dispatch_hook"},
    Dot1Q: {"extract_padding", "default_payload_class"},
    Dot1AD: {"extract_padding", "default_payload_class"},
    ARP: {"extract_padding"},
    IP: {"extract_padding"},
    IPv6: {"extract_padding", "default_payload_class"},
    UDP: {"extract_padding"},
    Raw: {"__init__"},
    Padding: {"__init__", "self_build", "build_padding"},
}

# Fields whose value is plain to see: offset and form (FieldForm in python/src/scapy_model.h).
U8, U16, U32, HIGH4, LOW4, MAC, IP4, REST = range(8)
QUICK: dict[type[Packet], dict[str, tuple[int, int]]] = {
    Ether: {"dst": (0, MAC), "src": (6, MAC), "type": (12, U16)},
    Dot1Q: {"type": (2, U16)},
    Dot1AD: {"type": (2, U16)},
    ARP: {"op": (6, U16)},
    IP: {
        "version": (0, HIGH4), "ihl": (0, LOW4), "tos": (1, U8), "len": (2, U16), "id": (4, U16),
        "ttl": (8, U8), "proto": (9, U8), "chksum": (10, U16), "src": (12, IP4), "dst": (16, IP4),
    },
    IPv6: {"version": (0, HIGH4), "plen": (4, U16), "nh": (6, U8), "hlim": (7, U8)},
    TCP: {
        "sport": (0, U16), "dport": (2, U16), "seq": (4, U32), "ack": (8, U32),
        "dataofs": (12, HIGH4), "window": (14, U16), "chksum": (16, U16), "urgptr": (18, U16),
    },
    UDP: {"sport": (0, U16), "dport": (2, U16), "len": (4, U16), "chksum": (6, U16)},
    Raw: {"load": (0, REST)},
    Padding: {},
}  # fmt: skip

# Settings of conf that dissection depends on; sessions of TLS and DCE/RPC are not here because
# no layer of theirs is ever left undissected.
SETTINGS = frozenset(("padding", "padding_layer", "raw_layer", "debug_dissector", "layers"))

# Slots that a dissection fills; every other one has a value from the start.
FILLED = [
    "name", "default_fields", "fields", "fieldtype", "overload_fields", "overloaded_fields",
    "packetfields", "original", "explicit", "raw_packet_cache", "raw_packet_cache_fields",
    "post_transforms",
]  # fmt: skip
NEVER_SET = {"_pkt", "_answered", "time", "payload"}
CHEAP = frozenset(
    "time sent_time direction sniffed_on wirelen comment comments process_information".split()
)


class Unsupported(Exception):
    """This scapy cannot be served lazily; the text says why."""


def slots_to_fill() -> tuple[list[str], dict[str, None]]:
    """Return Packet's slots that dissection fills, and the others with their first values."""
    have = set(Packet.__slots__)
    missing = {*FILLED, "_pkt", "time", "payload", "underlayer", "parent"} - have
    if missing:
        raise Unsupported(f"scapy's Packet has no slot {sorted(missing)[0]}")
    # A packet fresh from the network tells the first values of all slots we do not know of.
    sample = Ether(bytes(14))
    rest = sorted(have - set(FILLED) - NEVER_SET)
    for slot in rest:
        if object.__getattribute__(sample, slot) is not None:
            raise Unsupported(f"scapy's Packet has a slot {slot} that is not understood")
    return FILLED, dict.fromkeys(rest)


def _genuine(cls: type[Packet]) -> bool:
    """Whether a class dissects with the methods that scapy ships, and ours in Packet."""
    for name in DISSECTION:
        if name not in OWN.get(cls, ()):
            if inspect.getattr_static(cls, name, None) is not inspect.getattr_static(
                Packet, name, None
            ):
                return False
            continue
        method = inspect.getattr_static(cls, name)
        method = getattr(method, "__func__", method)
        module = getattr(method, "__module__", "")
        if module not in {"scapy.packet", "scapy.layers.l2", "scapy.layers.inet",
                          "scapy.layers.inet6"}:  # fmt: skip
            return False
        if getattr(method, "__name__", "") != name:
            return False
    # A slot that a class attribute hides would not ask us.
    return all(
        inspect.getattr_static(cls, slot) is Packet.__dict__[slot]
        for slot in (*FILLED, "payload")
        if slot != "name"
    )


def _shadowed(cls: type[Packet]) -> dict[str, str]:
    """Return the name of layers that do not keep it in Packet's slot (IPv6 does not)."""
    if inspect.getattr_static(cls, "name") is Packet.__dict__["name"]:
        return {}
    return {"name": cls.__name__ if cls._name is None else cls._name}


def _guesses(cls: type[Packet]) -> Iterator[tuple[Mapping[str, Any], type[Packet]]]:
    for alias in cls.aliastypes:
        yield from alias.payload_guess


def _next(cls: type[Packet], **known: int) -> Any:
    """Return the class bound to these values, None for none, UNKNOWN if more decides."""
    for values, upper in _guesses(cls):
        if any(name in known and known[name] != value for name, value in values.items()):
            continue
        return upper if set(values) <= set(known) else UNKNOWN
    return None


def _bound_types(cls: type[Packet]) -> Iterable[int]:
    """Return EtherTypes that a dissector may be bound to; all, if something else decides alone."""
    types: set[int] = set()
    for values, _ in _guesses(cls):
        if "type" not in values:
            return range(65536)
        types.add(values["type"])
    return (t for t in types if isinstance(t, int) and 0 <= t < 65536)


def _bound_ports(cls: type[Packet]) -> set[int] | None:
    """Return ports that a dissector may be bound to, None if something else decides too."""
    ports: set[int] = set()
    for values, _ in _guesses(cls):
        if not values or not set(values) <= {"sport", "dport"}:
            return None
        ports |= {p for p in values.values() if isinstance(p, int) and 0 <= p < 65536}
    return ports


def _kind_after(cls: type[Packet], trusted: Iterable[type[Packet]], **known: int) -> int:
    after = _next(cls, **known)
    after = Raw if after is None else after
    return KIND[after] if after in trusted else UNKNOWN


def _after_ip6(trusted: Iterable[type[Packet]], header: int) -> int:
    after = _next(IPv6, nh=header)
    if after is not None:
        return KIND[after] if after in trusted else UNKNOWN
    # These scapy chooses by the bytes that follow.
    if header in {0, 43, 58, 135}:
        return UNKNOWN
    header6: Any = IPv6(nh=header)
    after = header6.default_payload_class(bytes(64))
    return KIND[Raw] if after is Raw else UNKNOWN


def _quick_fields(cls: type[Packet]) -> dict[str, int]:
    """Return the quick fields of a class, tried against scapy on bytes of every kind."""
    frame = bytes((i * 37 + 11) % 256 for i in range(64))
    samples = [bytes(64), b"\xff" * 64, frame, frame[::-1]]
    if cls is Ether:
        samples = [s[:12] + b"\x88\xb5" + s[14:] for s in samples]
    elif cls is IP:
        samples = [b"\x45" + s[1:] for s in samples]
    elif cls is TCP:
        samples = [s[:12] + bytes([0x50 | s[12] & 15]) + s[13:] for s in samples]
    good = dict(QUICK[cls])
    for sample in samples:
        layer = cls(sample)
        for name, (at, form) in list(good.items()):
            if layer.getfieldval(name) != _value(sample, at, form) or type(
                getattr(layer, name)
            ) is not type(_value(sample, at, form)):
                del good[name]
    return {name: at << 8 | form for name, (at, form) in good.items()}


def _value(data: bytes, at: int, form: int) -> object:
    """What value_of() in python/src/scapy_methods.cpp makes of a field."""
    size = {U16: 2, U32: 4, MAC: 6, IP4: 4}.get(form, 1)
    own = data[at : at + size]
    if form == MAC:
        return own.hex(":")
    if form == IP4:
        return ".".join(map(str, own))
    if form == REST:
        return data[at:]
    return {HIGH4: own[0] >> 4, LOW4: own[0] & 15}.get(form, int.from_bytes(own, "big"))


def refresh() -> None:
    """Give the extension a model of scapy as it is now; it stays off where that is impossible."""
    trusted = {cls for cls in LAYERS if _genuine(cls)}
    usable = (
        {Ether, Raw, Padding} <= trusted
        and conf.raw_layer is Raw
        and conf.padding_layer is Padding
        and not conf.debug_dissector
    )
    if not usable:
        return

    def port_set(cls: type[Packet]) -> Iterable[int]:
        ports = _bound_ports(cls)
        return range(65536) if ports is None else ports

    tags = (Ether, Dot1Q, Dot1AD)
    kinds: dict[object, int] = {}
    for cls, number in KIND.items():
        for name in (cls, cls.__name__, cls._name):
            kinds[name] = number
    _core.refresh(
        {
            "ether": [
                (kind, *(_kind_after(cls, trusted, type=kind) for cls in tags))
                for kind in ETHER_TYPES
            ],
            "ether_bound": [list(_bound_types(cls)) for cls in tags],
            "ip4": [_kind_after(IP, trusted, frag=0, proto=p) for p in range(256)],
            "ip4_later": [_kind_after(IP, trusted, frag=1, proto=p) for p in range(256)],
            "ip6": [_after_ip6(trusted, p) for p in range(256)],
            "tcp_ports": port_set(TCP),
            "udp_ports": port_set(UDP),
            "padding": bool(conf.padding),
            "layers": list(LAYERS),
            "quick": [_quick_fields(cls) for cls in LAYERS],
            "names": [
                frozenset((*(f.name for f in cls.fields_desc), *cls.deprecated_fields))
                for cls in LAYERS
            ],
            "given": [_shadowed(cls) for cls in LAYERS],
            "kinds": kinds,
            "no_payload": NoPayload(),
            "inner_time": _inner_time(),
            "watched": [a.payload_guess for cls in LAYERS for a in cls.aliastypes],
        }
    )


def _inner_time() -> float | None:
    """Return the time that scapy gives to inner layers: since 2.8 it is 0, before that, now."""
    time = Ether(bytes(12) + b"\x08\x00" + b"\x45" + bytes(19)).payload.time
    return 0.0 if time == 0 else None


def changing() -> None:
    """Dissect all packets that wait: what their dissection depends on is about to change."""
    if _core.waiting():
        _core.settle()
    _core.invalidate()
