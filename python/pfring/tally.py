# SPDX-License-Identifier: BSD-3-Clause
"""Counting flows: who talks most, and which protocols. `pfring top` and `pfring stats` use it.

The table of hosts is the extension's (python/src/hosts.cpp), bounded; protocols are named by a
few rules that anyone can check.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from . import _core
from .batch import Batch, Flows, numpy_of


def flows_of(batch: Flows | Batch) -> Flows:
    """Return the parsed columns of what a program hands over."""
    return batch.flows() if isinstance(batch, Batch) else batch


class Talker(NamedTuple):
    """One address and what was counted of it."""

    address: str
    packets: int
    bytes: int


class Talkers:
    """Packets and bytes of each address.

    which: "src", "dst", or "both" (a packet counts for both of its ends).
    limit: addresses kept; packets of more are counted in `others`, so memory is bounded.
    """

    def __init__(
        self, which: Literal["src", "dst", "both"] = "src", *, limit: int = 1_000_000
    ) -> None:
        if which not in ("src", "dst", "both"):
            raise ValueError(f"which must be 'src', 'dst' or 'both', not {which!r}")
        self._ends = ("src", "dst") if which == "both" else (which,)
        self._hosts = _core.Hosts(limit)

    def add(self, flows: Flows | Batch) -> None:
        """Count a batch."""
        core = flows_of(flows)._store
        version, size = core.column("ip_version"), core.column("len")
        for end in self._ends:
            self._hosts.add(version, core.column(end), core.column(end + "6"), size)

    def top(self, n: int = 10, by: Literal["packets", "bytes"] = "packets") -> list[Talker]:
        """Return the n addresses with the most packets or bytes, most first."""
        return [Talker(*row) for row in self._hosts.top(n, by == "bytes")]

    @property
    def others(self) -> tuple[int, int]:
        """Packets and bytes of addresses that found no room."""
        return self._hosts.others

    def __len__(self) -> int:
        return len(self._hosts)


NAMES = {
    1: "ICMP", 2: "IGMP", 4: "IP-in-IP", 6: "TCP", 17: "UDP", 41: "IPv6-in-IP", 47: "GRE",
    50: "ESP", 51: "AH", 58: "ICMPv6", 89: "OSPF", 103: "PIM", 112: "VRRP", 132: "SCTP",
    136: "UDPLite",
}  # fmt: skip
ETHER_NAMES = {
    0x0806: "ARP", 0x8035: "RARP", 0x8847: "MPLS", 0x8848: "MPLS", 0x8863: "PPPoE",
    0x8864: "PPPoE", 0x888E: "EAPOL", 0x88CC: "LLDP", 0x88F7: "PTP", 0x8809: "LACP",
}  # fmt: skip


class Protocols:
    """Packets and bytes of each protocol, by name."""

    def __init__(self) -> None:
        self._counts: dict[str, list[int]] = {}

    def add(self, flows: Flows | Batch) -> None:
        """Count a batch."""
        flows = flows_of(flows)
        np = numpy_of("counting protocols")
        sizes = flows.len.astype(np.float64)  # exact for all sums below 2**53
        is_ip = flows.ip_version != 0
        self._count(np, flows.proto[is_ip], sizes[is_ip], NAMES, "IP {}")
        self._count(np, flows.eth_type[~is_ip], sizes[~is_ip], ETHER_NAMES, "0x{:04x}")

    def _count(
        self, np: object, numbers: object, sizes: object, names: dict[int, str], other: str
    ) -> None:
        packets = np.bincount(numbers)  # type: ignore[attr-defined]
        octets = np.bincount(numbers, sizes)  # type: ignore[attr-defined]
        for number in packets.nonzero()[0].tolist():
            name = names.get(number, other.format(number))
            if other.startswith("0x") and name.startswith("0x") and number < 0x600:
                name = "802.3"  # a length, not a type
            count = self._counts.setdefault(name, [0, 0])
            count[0] += int(packets[number])
            count[1] += int(octets[number])

    def top(self, n: int = 10) -> list[tuple[str, int, int]]:
        """Return name, packets and bytes of the n most seen, most first."""
        rows = [(name, count[0], count[1]) for name, count in self._counts.items()]
        return sorted(rows, key=lambda row: (-row[1], row[0]))[:n]
