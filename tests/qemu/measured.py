# SPDX-License-Identifier: BSD-3-Clause
"""Runs programs that measure in a guest with pf_ring.ko and the veth pair v0, v1."""

from __future__ import annotations

from collections.abc import Sequence

import guest

SCRIPT = """
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
insmod {module}
# What the sender's own queue refuses while its softirq is put off would be in nobody's books.
echo 1000000 >/proc/sys/net/core/netdev_max_backlog
ip link add v0 type veth peer name v1
for d in v0 v1; do echo 1 >/proc/sys/net/ipv6/conf/$d/disable_ipv6; ip link set $d up arp off; done
"""


def run(name: str, commands: Sequence[str], *, counting: bool = False) -> list[list[int]]:
    """Boot once and run commands of programs/; the numbers that each prints in its one line.

    counting: the guest's processor counts instructions as nanoseconds. RuntimeError: a program
    failed, or the kernel complained.
    """
    where = guest.workshop(name)
    target = guest.kernel()
    script = SCRIPT.format(module=guest.build_module(target))
    programs = guest.build_programs(where)
    script += "".join(f'echo "= $({programs}/{command})"\n' for command in commands)
    result = guest.boot(target, script, where, counting=counting, checked=False)
    lines = [line.split()[1:] for line in result.output.splitlines() if line.startswith("= ")]
    if len(lines) != len(commands) or not all(lines) or result.complaints():
        raise RuntimeError(result.output[-2000:] + result.log[-2000:])
    return [[int(word) for word in line] for line in lines]
