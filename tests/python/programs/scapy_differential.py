# SPDX-License-Identifier: BSD-3-Clause
"""Every operation on a packet, on scapy's own and on our lazy one: the results must be equal.

Run with one version of scapy on sys.path; prints a JSON object of counts, or
fails with the frame and the operation. The frames: the mixed trace, its frames
cut, with bytes changed, and random bytes.
"""

from __future__ import annotations

import copy
import io
import itertools
import json
import pickle
import random
import sys
import warnings
from collections.abc import Callable
from typing import Any

warnings.simplefilter("ignore")

from pfring.lab.trace import mixed_trace  # noqa: E402
from scapy.all import (  # noqa: E402
    ARP,
    DNS,
    ICMP,
    IP,
    TCP,
    UDP,
    Dot1AD,
    Dot1Q,
    Dot3,
    Ether,
    IPSession,
    IPv6,
    NoPayload,
    Packet,
    Padding,
    Raw,
    conf,
    hexdump,
    wrpcap,
)

WHEN = 1234567890.25
CLASSES = [Ether, Dot1Q, Dot1AD, Dot3, ARP, IP, IPv6, TCP, UDP, ICMP, DNS, Raw, Padding, Packet]
NAMES = ["IP", "TCP", "802.1Q", "Ethernet", "Raw", "nothing", "IPv6", "UDP"]
FIELDS = ["src", "dst", "type", "len", "sport", "dport", "flags", "proto", "load", "chksum", "id",
          "seq", "vlan", "nh", "op", "options", "ttl", "version", "name", "payload", "time",
          "underlayer", "parent", "fields", "original", "explicit", "direction", "sniffed_on",
          "wirelen", "no_such_field", "fields_desc", "default_fields", "raw_packet_cache",
          "raw_packet_cache_fields", "packetfields", "overloaded_fields", "post_transforms",
          "_pkt", "_answered", "sent_time"]  # fmt: skip


def shape(value: object) -> object:
    """A value that can be compared: packets by all that they consist of."""
    if isinstance(value, NoPayload):
        return "no payload"
    if isinstance(value, Packet):
        layers: list[Any] = []
        while not isinstance(value, NoPayload):
            assert isinstance(value.payload, NoPayload) or value.payload.underlayer is value
            layers.append(
                (type(value), plain(value.fields), value.default_fields, value.overloaded_fields,
                 value.raw_packet_cache, value.explicit, value.original, value.name, value.parent,
                 value.post_transforms, type(value.underlayer), plain(value.fieldtype))
            )  # fmt: skip
            value = value.payload
        return layers
    return plain(value)


def plain(value: object) -> object:
    if isinstance(value, Packet):
        return shape(value)
    if isinstance(value, dict):
        return {key: plain(x) for key, x in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(x) for x in value]
    return value


def outcome(f: Callable[[Packet], object], packet: Packet) -> object:
    try:
        value = f(packet)
    except RecursionError:
        raise
    except Exception as e:
        return type(e), str(e)
    return type(value), shape(value)


def written(packet: Packet) -> bytes:
    file = io.BytesIO()
    file.close = lambda: None  # type: ignore[method-assign]
    wrpcap(file, [packet])
    return file.getvalue()


def changed(packet: Packet) -> object:
    packet[IP].ttl = 7
    del packet[IP].chksum
    return bytes(packet), packet.summary()


def stripped(packet: Packet) -> object:
    del packet.payload
    return bytes(packet), packet


def reloaded(packet: Packet) -> object:
    twin = pickle.loads(pickle.dumps(packet))
    return twin, twin.time


def copied(packet: Packet) -> object:
    return [packet.copy(), copy.deepcopy(packet), copy.copy(packet), packet.copy().time]


def assigned(packet: Packet) -> object:
    packet.time, packet.sniffed_on, packet.direction = 5.0, "here", 1
    packet.something_else = 3
    return packet.time, packet.sniffed_on, packet.direction, packet.something_else, packet


def session(packet: Packet) -> object:
    made = IPSession()
    take = getattr(made, "process", None)
    return take(packet) if take else None


def top(packet: Packet) -> object:
    last = packet.lastlayer()
    return type(last), last.firstlayer() is packet, bytes(last)


def identity(packet: Packet) -> object:
    inner = packet[IP]
    transport = packet.getlayer(2)
    again = packet[IP] is inner and inner.underlayer is packet and packet.payload is not None
    inner.show(dump=True)
    return again, packet[IP] is inner, packet.getlayer(2) is transport, packet


def operations() -> list[tuple[str, Callable[[Packet], object]]]:
    made: list[tuple[str, Callable[[Packet], object]]] = [
        (f.__name__, f)
        for f in (written, changed, stripped, reloaded, copied, assigned, session, top, identity,
                  bytes, len, repr, str, bool, list)
    ]  # fmt: skip
    for name in ("summary", "command", "layers", "mysummary", "hashret", "copy", "build",
                 "firstlayer", "lastlayer", "clear_cache", "hide_defaults", "remove_payload",
                 "route", "json"):  # fmt: skip
        made.append((name, lambda p, n=name: (getattr(p, n)(), p)))
    for cls in (*CLASSES, *NAMES, None, 3, b"IP"):
        made.append((f"haslayer {cls}", lambda p, c=cls: p.haslayer(c)))
        made.append((f"in {cls}", lambda p, c=cls: c in p))
        made.append((f"getlayer {cls}", lambda p, c=cls: p.getlayer(c)))
        made.append((f"[] {cls}", lambda p, c=cls: p[c]))
    for field in FIELDS:
        made.append((field, lambda p, f=field: getattr(p, f)))
        made.append((f"has {field}", lambda p, f=field: hasattr(p, f)))
        made.append((f"IP.{field}", lambda p, f=field: getattr(p[IP], f)))
        made.append((f"last.{field}", lambda p, f=field: getattr(p.payload.payload, f)))
        made.append((f"set {field}", lambda p, f=field: (setattr(p, f, 1), p.fields)))
        made.append((f"del {field}", lambda p, f=field: delattr(p, f)))
    made += [
        ("show", lambda p: p.show(dump=True)),
        ("show2", lambda p: p.show2(dump=True)),
        ("hexdump", lambda p: hexdump(p, dump=True)),
        ("equal", lambda p: (p == Ether(bytes(p)), p != Ether(bytes(p)), p == IP())),
        ("equal back", lambda p: Ether(bytes(p)) == p),
        ("hash", hash),
        ("dir", dir),
        ("type", lambda p: (type(p), p.__class__, isinstance(p, Ether), type(p) is Ether)),
        ("div", lambda p: (p / b"more", Ether() / p, p / Raw(b"x"))),
        ("sprintf", lambda p: p.sprintf("%IP.src% %Ether.dst% {TCP:%TCP.dport%}")),
        ("answers", lambda p: (p.answers(p), p[IP].answers(p[IP]))),
        ("nb", lambda p: p.getlayer(Dot1Q, 2)),
        ("filtered", lambda p: p.getlayer(IP, ttl=64)),
        ("slice", lambda p: p[Ether:1]),
        ("subclass", lambda p: p.haslayer(Packet, _subclass=True)),
        ("bytes of inner", lambda p: (bytes(p.payload), len(p.payload), bytes(p.payload.payload))),
        ("set payload", lambda p: (setattr(p, "payload", Raw(b"y")), bytes(p))),
        ("set layer", lambda p: (p.__setitem__(IP, Raw(b"y")), bytes(p))),
        ("payload is", lambda p: p.payload is p.payload),
        ("iterpayloads", lambda p: [type(x) for x in p.iterpayloads()]),
        ("vars", lambda p: p.__dict__),
        ("mixed", lambda p: (p.payload.name, p.payload.haslayer(TCP), TCP in p.payload, p)),
    ]
    return made


def corpus(count: int) -> list[bytes]:
    rnd = random.Random(6)
    frames = list(mixed_trace(count).frames)
    for frame in frames[: count // 2]:
        frames.append(frame[: rnd.randrange(len(frame) + 1)])
        spoilt = bytearray(frame[:200])
        for _ in range(rnd.randrange(1, 4)):
            spoilt[rnd.randrange(12, min(len(spoilt), 70))] = rnd.randrange(256)
        frames.append(bytes(spoilt))
    for _ in range(count // 8):
        frames.append(rnd.randbytes(rnd.randrange(120)))
        head = rnd.choice(mixed_trace(64).frames)[: rnd.choice((14, 18, 34, 38, 42))]
        frames.append(head + rnd.randbytes(rnd.randrange(80)))
        # EtherTypes that nothing is bound to, and some that only a few scapys know.
        tags = rnd.choice(("", "", "81000005", "88a80005", "88a800058100000a"))
        kind = rnd.choice(("88b5", "05dd", "0600", "9999", "ffff", "88cc", "8847", "88e5", "893f"))
        head = rnd.randbytes(12) + bytes.fromhex(tags + kind)
        frames.append(head + rnd.randbytes(rnd.randrange(60)))
    return frames


def main(count: int, each: int) -> None:
    frames = [frame for frame in corpus(count) if frame]
    todo = operations()
    # Each frame gets some of the operations, each operation many frames.
    turn = itertools.cycle(range(len(todo)))
    jobs = [(frame, [todo[next(turn)] for _ in range(each)]) for frame in frames]

    def fresh(frame: bytes) -> Packet:
        try:
            packet = Ether(frame)
        except Exception:
            packet = conf.raw_layer(frame)
        packet.time = WHEN
        return packet

    wanted = []
    for frame, some in jobs:
        wanted.append([outcome(f, fresh(frame)) for _, f in some])

    from pfring._core import scapy as core
    from pfring.scapy import model, patch

    patch.apply()
    model.refresh()
    assert core.valid(), "this scapy is not served lazily"
    lazy = compared = 0
    for (frame, some), results in zip(jobs, wanted, strict=True):
        for (name, f), result in zip(some, results, strict=True):
            packet = core.packet(frame, WHEN)
            if packet is None:
                # Not lazy: what is patched must not show.
                packet = fresh(frame)
            else:
                lazy += 1
                assert core.is_lazy(packet)
            got = outcome(f, packet)
            compared += 1
            if name.endswith(".time"):  # of an inner layer: 0, or the time at which it was made
                got, expected = [t == 0 for _, t in (got, result)]
            else:
                expected = result
            if got != expected:
                raise SystemExit(
                    f"{name}: {str(got)[:1500]}\n instead of {str(result)[:1500]}\n {frame.hex()}"
                )
    patch.undo()
    assert core.waiting() == 0
    print(json.dumps({"version": conf.version, "compared": compared, "lazy": lazy,
                      "operations": len(todo)}))  # fmt: skip


main(int(sys.argv[1]), int(sys.argv[2]))
