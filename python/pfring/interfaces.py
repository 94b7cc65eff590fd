# SPDX-License-Identifier: BSD-3-Clause
"""The interfaces of this machine: libpfring's list with what /sys says of each."""

from pathlib import Path

from . import _core
from .records import Device

_SYS = Path("/sys/class/net")


def _number(path: Path) -> int:
    """Read a number that may be absent, or unknown (-1, EINVAL) while the link is down."""
    try:
        return max(0, int(path.read_text()))
    except (OSError, ValueError):
        return 0


def devices() -> list[Device]:
    """List every interface that can be captured from."""
    found = []
    for name, mac, up in _core.find_devices():
        sys = _SYS / name
        queues = len(list(sys.glob("queues/rx-*")))
        found.append(
            Device(
                name=name,
                up=up,
                mac=mac.hex(":"),
                mtu=_number(sys / "mtu"),
                speed=_number(sys / "speed"),
                queues=queues,
            )
        )
    return found
