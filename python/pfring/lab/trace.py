# SPDX-License-Identifier: BSD-3-Clause
"""The mixed trace: every kind of frame that a filter or a parser has to get right.

`mixed_trace()` is deterministic (same count, same bytes, on every machine) and
quick to build. Each frame carries its number in the last four bytes of its
source address (`number()`), where no snap length and no VLAN tag hides it, so
loss, doubles and disorder can be named frame by frame. `renumber()` makes the
next lap of the same trace.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from dataclasses import dataclass

from . import frames as f

MIN_FRAME, MAX_FRAME = 60, 1514
SIZES = (60, 60, 64, 90, 128, 256, 512, 576, 1024, 1400, 1500, 1514)

BROADCAST = b"\xff" * 6
SOURCE_PREFIX = b"\x02\x50"  # locally administered; the frame's number follows
HOST_MAC = bytes.fromhex("02504600a001")  # nobody's address: the stack lets such frames go

# What a recipe returns: destination, EtherType, what follows. Its argument room
# is how many bytes may follow; short frames are padded later.
Recipe = Callable[["Dice", int], tuple[bytes, int, bytes]]


class Dice:
    """The trace's only source of chance: few enough hosts and ports that filters hit often."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._noise = self.random.randbytes(1 << 16)

    def noise(self, size: int) -> bytes:
        """Payload; size may be negative when the headers took all the room."""
        size = max(size, 0)
        start = self.random.randrange(len(self._noise) - size)
        return self._noise[start : start + size]

    def below(self, end: int) -> int:
        return self.random.randrange(end)

    def pick(self, *values: int) -> int:
        return self.random.choice(values)

    def host4(self) -> bytes:
        net = self.random.choice(
            (b"\x0a\x00\x00", b"\x0a\x01\x02", b"\xc0\xa8\x01", b"\xac\x10\x05")
        )
        return net + bytes([1 + self.below(24)])

    def host6(self) -> bytes:
        net = self.random.choice(("20010db800000001", "20010db8000000ff", "fe80000000000000"))
        return bytes.fromhex(net) + b"\0" * 7 + bytes([1 + self.below(24)])

    def high_port(self) -> int:
        return 1024 + self.below(60000)

    def known_port(self) -> int:
        return self.pick(22, 25, 53, 80, 123, 443, 443, 5060, 8080, 65535)


def _payload_tcp(d: Dice, src: bytes, dst: bytes, room: int) -> bytes:
    flags = d.pick(0x02, 0x12, 0x10, 0x10, 0x18, 0x18, 0x11, 0x04, 0x14, 0xC2)
    ports = [d.high_port(), d.known_port()]
    d.random.shuffle(ports)
    seq = d.below(1 << 32)
    return f.tcp(src, dst, ports[0], ports[1], flags, d.noise(room - 24), seq=seq)


def _payload_udp(d: Dice, src: bytes, dst: bytes, room: int) -> bytes:
    ports = [d.high_port(), d.known_port()]
    d.random.shuffle(ports)
    return f.udp(src, dst, ports[0], ports[1], d.noise(room - 8))


def _arp(d: Dice, room: int) -> tuple[bytes, int, bytes]:
    del room
    operation = d.pick(1, 2)
    body = f.arp(operation, SOURCE_PREFIX + d.noise(4), d.host4(), d.host4())
    return (BROADCAST if operation == 1 else HOST_MAC), f.ARP, body


def _ip4(protocol: int, payload: Callable[[Dice, bytes, bytes, int], bytes]) -> Recipe:
    def recipe(d: Dice, room: int) -> tuple[bytes, int, bytes]:
        src, dst = d.host4(), d.host4()
        body = payload(d, src, dst, room - 20)
        tos = d.pick(0, 0, 0xB8, 0x10)
        return HOST_MAC, f.IP4, f.ip4(src, dst, protocol, body, ident=d.below(1 << 16), tos=tos)

    return recipe


def _ip6(protocol: int, payload: Callable[[Dice, bytes, bytes, int], bytes]) -> Recipe:
    def recipe(d: Dice, room: int) -> tuple[bytes, int, bytes]:
        src, dst = d.host6(), d.host6()
        body = payload(d, src, dst, room - 40)
        return HOST_MAC, f.IP6, f.ip6(src, dst, protocol, body, flow=d.below(1 << 20))

    return recipe


def _payload_noise(d: Dice, src: bytes, dst: bytes, room: int) -> bytes:
    del src, dst
    return d.noise(max(room, 16))


def _payload_icmp(d: Dice, src: bytes, dst: bytes, room: int) -> bytes:
    kind = d.pick(8, 8, 0, 0, 3, 11)
    if kind in (8, 0):
        return f.icmp(kind, 0, d.below(1 << 32), d.noise(room - 8))
    inner = f.ip4(dst, src, f.UDP, f.udp(dst, src, d.high_port(), 33434, b""))
    return f.icmp(kind, d.pick(0, 1, 3) if kind == 3 else 0, 0, inner)


def _payload_icmp6(d: Dice, src: bytes, dst: bytes, room: int) -> bytes:
    kind = d.pick(128, 129, 135, 136)
    body = d.noise(room - 8) if kind < 130 else d.host6()
    return f.icmp6(src, dst, kind, 0, d.below(1 << 32) if kind < 130 else 0, body)


def _router_advertisement(d: Dice, room: int) -> tuple[bytes, int, bytes]:
    del room
    src, dst = d.host6(), bytes.fromhex("ff02" + "00" * 13 + "01")
    body = f.icmp6(src, dst, 134, 0, 0x40000708, bytes(8))
    return bytes.fromhex("333300000001"), f.IP6, f.ip6(src, dst, f.ICMP6, body)


def _multicast4(d: Dice, room: int) -> tuple[bytes, int, bytes]:
    src, group = d.host4(), bytes([239, 1, 1, 1 + d.below(4)])
    body = f.udp(src, group, d.high_port(), 5004, d.noise(room - 28))
    return b"\x01\x00\x5e\x01\x01" + group[3:], f.IP4, f.ip4(src, group, f.UDP, body, ttl=1)


def _igmp(d: Dice, room: int) -> tuple[bytes, int, bytes]:
    del room
    src, group = d.host4(), bytes([239, 1, 1, 1 + d.below(4)])
    report = f.icmp(0x16, 0, int.from_bytes(group, "big"), b"")  # same shape and checksum
    body = f.ip4(src, group, f.IGMP, report, options=b"\x94\x04\0\0", ttl=1)
    return b"\x01\x00\x5e\x01\x01" + group[3:], f.IP4, body


def _ip4_options(d: Dice, room: int) -> tuple[bytes, int, bytes]:
    src, dst = d.host4(), d.host4()
    body = _payload_tcp(d, src, dst, room - 32)
    return HOST_MAC, f.IP4, f.ip4(src, dst, f.TCP, body, options=b"\x01" * 8 + b"\x94\x04\0\0")


def _fragment4(d: Dice, room: int) -> tuple[bytes, int, bytes]:
    src, dst = d.host4(), d.host4()
    body = d.noise(room - 20)
    place = d.below(3)
    if place == 0:
        body = _payload_udp(d, src, dst, room - 20)
    first, middle, last = f.MORE_FRAGMENTS, f.MORE_FRAGMENTS | 185, 370
    flags = (first, middle, last)[place]
    return HOST_MAC, f.IP4, f.ip4(src, dst, f.UDP, body, ident=d.below(1 << 16), fragment=flags)


def _fragment6(d: Dice, room: int) -> tuple[bytes, int, bytes]:
    src, dst = d.host6(), d.host6()
    first = bool(d.below(2))
    body = _payload_udp(d, src, dst, room - 48) if first else d.noise(room - 48)
    head = f.ip6_fragment(f.UDP, 0 if first else 1480, first, d.below(1 << 32))
    return HOST_MAC, f.IP6, f.ip6(src, dst, f.FRAGMENT, head + body)


def _extensions6(d: Dice, room: int) -> tuple[bytes, int, bytes]:
    src, dst, last = d.host6(), d.host6(), d.host6()
    body = _payload_tcp(d, src, last, room - 80)  # RFC 8200 8.1: checksum over the final address
    chain = f.ip6_option(f.ROUTING) + f.ip6_routing(f.DSTOPT, last) + f.ip6_option(f.TCP)
    return HOST_MAC, f.IP6, f.ip6(src, dst, f.HOPOPT, chain + body)


def _inner_frame(d: Dice, room: int) -> bytes:
    mac, ethertype, body = _ip4(f.UDP, _payload_udp)(d, room - 14)
    return mac + SOURCE_PREFIX + d.noise(4) + ethertype.to_bytes(2, "big") + body


def _gre(d: Dice, src: bytes, dst: bytes, room: int) -> bytes:
    del src, dst
    key = d.below(1 << 32) if d.below(2) else None
    if d.below(2):
        return f.gre(0x6558, _inner_frame(d, room - 8), key)
    return f.gre(f.IP4, _ip4(f.TCP, _payload_tcp)(d, room - 8)[2], key)


def _vxlan(d: Dice, src: bytes, dst: bytes, room: int) -> bytes:
    body = f.vxlan(1 + d.below(4), _inner_frame(d, room - 16))
    return f.udp(src, dst, d.high_port(), 4789, body)


def _ip_in_ip(d: Dice, src: bytes, dst: bytes, room: int) -> bytes:
    del src, dst
    return _ip4(f.UDP, _payload_udp)(d, room)[2]


def _ip6_in_ip(d: Dice, src: bytes, dst: bytes, room: int) -> bytes:
    del src, dst
    return _ip6(f.TCP, _payload_tcp)(d, room)[2]


def _mpls(d: Dice, room: int) -> tuple[bytes, int, bytes]:
    labels = tuple(16 + d.below(4) for _ in range(d.pick(1, 2)))
    inner = d.random.choice((_ip4(f.TCP, _payload_tcp), _ip6(f.UDP, _payload_udp)))
    return HOST_MAC, f.MPLS, f.mpls(labels, inner(d, room - 8)[2])


def _pppoe(d: Dice, room: int) -> tuple[bytes, int, bytes]:
    body = _ip4(f.TCP, _payload_tcp)(d, room - 8)[2]
    return HOST_MAC, f.PPPOE, f.pppoe(1 + d.below(3), 0x0021, body)


def _lldp(d: Dice, room: int) -> tuple[bytes, int, bytes]:
    del room
    body = b"\x02\x07\x04" + SOURCE_PREFIX + d.noise(4) + b"\x04\x03\x05p1\x06\x02\x00\x78\0\0"
    return bytes.fromhex("0180c200000e"), f.LLDP, body


def _stp(d: Dice, room: int) -> tuple[bytes, int, bytes]:
    del room
    body = b"\x42\x42\x03" + bytes(5) + d.noise(30)  # 802.3: a length in place of the EtherType
    return bytes.fromhex("0180c2000000"), len(body), body


def _tagged(tpid: int, inner: Recipe) -> Recipe:
    def recipe(d: Dice, room: int) -> tuple[bytes, int, bytes]:
        mac, ethertype, body = inner(d, room - 4)
        vid = d.pick(5, 5, 10, 100, 4094, 0)
        return mac, tpid, f.tag(d.below(8) << 13 | vid, ethertype, body)

    return recipe


def _any_of(*recipes: Recipe) -> Recipe:
    def recipe(d: Dice, room: int) -> tuple[bytes, int, bytes]:
        return d.random.choice(recipes)(d, room)

    return recipe


_tcp4, _udp4 = _ip4(f.TCP, _payload_tcp), _ip4(f.UDP, _payload_udp)
_tcp6, _udp6 = _ip6(f.TCP, _payload_tcp), _ip6(f.UDP, _payload_udp)
_common = _any_of(_tcp4, _udp4, _tcp6, _udp6, _arp, _fragment4)

# Kind: its share of the trace, its recipe.
KINDS: dict[str, tuple[int, Recipe]] = {
    "tcp": (8, _tcp4),
    "udp": (6, _udp4),
    "tcp6": (5, _tcp6),
    "udp6": (4, _udp6),
    "icmp": (2, _ip4(f.ICMP, _payload_icmp)),
    "icmp6": (2, _ip6(f.ICMP6, _payload_icmp6)),
    "router advertisement": (1, _router_advertisement),
    "arp": (2, _arp),
    "fragment": (3, _fragment4),
    "fragment6": (2, _fragment6),
    "ip options": (1, _ip4_options),
    "ip6 extensions": (1, _extensions6),
    "multicast": (1, _multicast4),
    "igmp": (1, _igmp),
    "802.1Q": (4, _tagged(f.VLAN, _common)),
    "802.1ad": (2, _tagged(f.QINQ, _common)),
    "QinQ": (2, _tagged(f.QINQ, _tagged(f.VLAN, _common))),
    "802.1Q twice": (2, _tagged(f.VLAN, _tagged(f.VLAN, _common))),
    "mpls": (2, _mpls),
    "gre": (2, _ip4(f.GRE, _gre)),
    "vxlan": (2, _ip4(f.UDP, _vxlan)),
    "ip in ip": (1, _ip4(f.IPIP, _ip_in_ip)),
    "ip6 in ip": (1, _ip4(f.IP6IP, _ip6_in_ip)),
    "pppoe": (1, _pppoe),
    "sctp": (1, _ip4(f.SCTP, _payload_noise)),
    "esp": (1, _ip4(f.ESP, _payload_noise)),
    "ospf": (1, _ip4(f.OSPF, _payload_noise)),
    "vrrp": (1, _ip4(f.VRRP, _payload_noise)),
    "lldp": (1, _lldp),
    "stp": (1, _stp),
}


@dataclass(frozen=True, slots=True)
class Trace:
    """Frames in the order they are sent, and the kind of each."""

    frames: tuple[bytes, ...]
    kinds: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def octets(self) -> int:
        """Bytes of all frames together."""
        return sum(map(len, self.frames))


def number(frame: bytes) -> int:
    """Return the number that a frame of the trace carries, or -1 if it is not one of ours."""
    if frame[6:8] != SOURCE_PREFIX:
        return -1
    return int.from_bytes(frame[8:12], "big")


def renumber(frame: bytes, new: int) -> bytes:
    """Return the same frame with another number."""
    return frame[:8] + new.to_bytes(4, "big") + frame[12:]


@functools.lru_cache(maxsize=4)
def mixed_trace(count: int = 24_000, seed: int = 544) -> Trace:
    """Build the first count frames of the mixed trace."""
    dice = Dice(seed)
    names = list(KINDS)
    shares = [KINDS[name][0] for name in names]
    kinds = tuple(dice.random.choices(names, shares, k=count))
    frames = []
    for i, kind in enumerate(kinds):
        room = dice.random.choice(SIZES) - 14
        mac, ethertype, body = KINDS[kind][1](dice, room)
        frame = mac + SOURCE_PREFIX + i.to_bytes(4, "big") + ethertype.to_bytes(2, "big") + body
        if len(frame) > MAX_FRAME:
            raise AssertionError(f"{kind} made a frame of {len(frame)} bytes")
        frames.append(frame.ljust(MIN_FRAME, b"\0"))
    return Trace(tuple(frames), kinds)
