# SPDX-License-Identifier: BSD-3-Clause
"""Counts how many packets a second a guest with two processors captures without losing one.

Beside libpcap in the same boot, turn by turn (programs/rate.c): an emulated
machine's speed means nothing, the ratio of two in it does. For
`./dev bench kernel-rate`.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import guest

SIZES = (60, 1514)  # on the wire without the checksum
COUNT = 20000

SCRIPT = """
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
insmod {module}
ip link add v0 type veth peer name v1
for d in v0 v1; do echo 1 >/proc/sys/net/ipv6/conf/$d/disable_ipv6; ip link set $d up arp off; done
for size in {sizes}; do echo "rate $({programs}/rate v0 v1 $size {count})"; done
"""


class Rate(NamedTuple):
    """Packets a second without loss, and what four rings lost at libpcap's rate."""

    none: int
    libpcap: int
    pfring: int
    lost: int
    four: int  # the rate that the sender reached with four rings


@functools.cache
def measure() -> dict[int, Rate]:
    """Boot once; the rates for each size."""
    where = guest.workshop("rate")
    target = guest.kernel()
    script = SCRIPT.format(
        module=guest.build_module(target),
        programs=guest.build_programs(where),
        sizes=" ".join(map(str, SIZES)),
        count=COUNT,
    )
    result = guest.boot(target, script, where, checked=False)
    found: dict[int, Rate] = {}
    for line in result.output.splitlines():
        words = line.split()
        if len(words) == 7 and words[0] == "rate":
            size, *rest = map(int, words[1:])
            found[size] = Rate(*rest)
    if set(found) != set(SIZES) or result.complaints():
        raise RuntimeError(result.output[-2000:] + result.log[-2000:])
    return found
