# SPDX-License-Identifier: BSD-3-Clause
"""What a captured packet costs, in instructions, beside libpcap in the same boot.

The guest's processor counts instructions as nanoseconds, so the figures are
the same on every machine and on a busy one. The system's libpcap reads through
TPACKET_V3; both sides, kernel and reader, are counted.
"""

from __future__ import annotations

import guest
import pytest

# Frame size on the wire without its checksum, and at most so much of libpcap's cost.
GOALS = {60: 0.6, 1514: 0.8}

SCRIPT = """
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
insmod {module}
ip link add v0 type veth peer name v1
for d in v0 v1; do echo 1 >/proc/sys/net/ipv6/conf/$d/disable_ipv6; ip link set $d up arp off; done
for size in {sizes}; do echo "cost $size $({programs}/cost v0 v1 $size 10000)"; done
"""


@pytest.fixture(scope="module")
def costs() -> dict[int, tuple[int, int, int]]:
    """For each size: sending alone, with libpcap, with pfring."""
    where = guest.workshop("cost")
    target = guest.kernel()
    script = SCRIPT.format(
        module=guest.build_module(target),
        programs=guest.build_programs(where),
        sizes=" ".join(map(str, GOALS)),
    )
    result = guest.boot(target, script, where, seconds=900, counting=True)
    assert result.complaints() == []
    found = {}
    for line in result.output.splitlines():
        words = line.split()
        if len(words) == 5 and words[0] == "cost":
            size, none, pcap, pfring = map(int, words[1:])
            found[size] = (none, pcap, pfring)
    assert found.keys() == GOALS.keys(), result.output + result.log[-2000:]
    return found


@pytest.mark.parametrize("size", GOALS)
def test_cost_of_a_packet(size: int, costs: dict[int, tuple[int, int, int]]) -> None:
    none, pcap, pfring = costs[size]
    print(f"{size} bytes: sending {none}, libpcap +{pcap - none}, pfring +{pfring - none}")
    assert pcap > none
    assert pfring - none <= GOALS[size] * (pcap - none)
