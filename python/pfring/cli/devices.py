# SPDX-License-Identifier: BSD-3-Clause
"""`pfring devices`: the interfaces, and the path that a capture on each would take."""

import pfring

from . import OK
from .table import show

# Enough to open a ring; none of these is ever read.
_SMALL = 64 << 10


def path_of(name: str) -> tuple[str, str]:
    """Open a ring on a device, as a capture would, and tell (backend, why)."""
    try:
        with pfring.open(name, promisc=False, buffer=_SMALL) as ring:
            return ring.backend, ring.backend_reason
    except pfring.Error as error:
        return "-", error.strerror or str(error)


def _speed(mbits: int) -> str:
    if not mbits:
        return "-"
    return f"{mbits / 1000:g} Gbit/s" if mbits >= 1000 else f"{mbits} Mbit/s"


def run() -> int:
    """Print the table."""
    rows = []
    for d in pfring.devices():
        backend, why = path_of(d.name)
        rows.append(
            (
                d.name,
                "up" if d.up else "down",
                d.mac if d.mtu else "-",
                str(d.mtu or "-"),
                _speed(d.speed),
                str(d.queues or "-"),
                backend,
                why,
            )
        )
    show(("NAME", "STATE", "MAC", "MTU", "SPEED", "QUEUES", "BACKEND", "WHY"), rows)
    return OK
