# SPDX-License-Identifier: BSD-3-Clause
"""Counts the instructions that a captured packet takes, beside libpcap in the same boot.

The guest's processor counts instructions as nanoseconds, so the figures are
the same on every machine and on a busy one. The system's libpcap reads through
TPACKET_V3; both sides, kernel and reader, are counted. For test_cost.py and
`./dev bench kernel-cost`.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import guest

SIZES = (60, 1514)  # on the wire without the checksum

SCRIPT = """
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
insmod {module}
ip link add v0 type veth peer name v1
for d in v0 v1; do echo 1 >/proc/sys/net/ipv6/conf/$d/disable_ipv6; ip link set $d up arp off; done
for size in {sizes}; do echo "cost $size $({programs}/cost v0 v1 $size 10000)"; done
echo "rules $({programs}/cost v0 v1 60 10000 rules)"
"""


class Cost(NamedTuple):
    """Instructions a packet: sending it, and what capturing it adds."""

    none: int
    libpcap: int
    pfring: int


class Rules(NamedTuple):
    """Instructions that capturing a UDP packet of 60 bytes adds to sending it, with rules."""

    none: int
    hash_10: int
    hash_10000: int
    wildcard_64: int


@functools.cache
def measure() -> tuple[dict[int, Cost], Rules]:
    """Boot once; the cost for each size, and of rules."""
    where = guest.workshop("cost")
    target = guest.kernel()
    script = SCRIPT.format(
        module=guest.build_module(target),
        programs=guest.build_programs(where),
        sizes=" ".join(map(str, SIZES)),
    )
    result = guest.boot(target, script, where, counting=True, checked=False)
    found: dict[int, Cost] = {}
    rules: list[int] = []
    for line in result.output.splitlines():
        words = line.split()
        if len(words) == 5 and words[0] == "cost":
            size, none, pcap, ours = map(int, words[1:])
            found[size] = Cost(none, pcap - none, ours - none)
        elif len(words) == 6 and words[0] == "rules":
            base, *rest = map(int, words[1:])
            rules = [total - base for total in rest]
    if set(found) != set(SIZES) or not rules or result.complaints():
        raise RuntimeError(result.output[-2000:] + result.log[-2000:])
    return found, Rules(*rules)
