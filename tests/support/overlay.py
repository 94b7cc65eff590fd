# SPDX-License-Identifier: BSD-3-Clause
"""Both libpcaps for programs that tests run: the system's, and ours over it.

`WAYS` are the ways in which a program comes to ours, each with the path of
packets that it then uses; `environment()` is what its process needs. With
PFRING_VERBOSE our library tells on standard error which path each handle took:
`took()` checks that a test compared what it meant to.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

BUILD = Path(__file__).resolve().parents[2] / "build" / os.environ.get("PFRING_BUILD", "dev")
LIBRARY = BUILD / "libpcap-pfring/pcap/lib/libpcap.so.0.8"


class Way(NamedTuple):
    """How a program gets our libpcap.so, and what PFRING_BACKEND says ("": nothing)."""

    loader: str
    backend: str

    def __str__(self) -> str:
        return f"{self.loader.lower()}-{self.backend or 'default'}"


WAYS = (
    Way("LD_LIBRARY_PATH", "packet"),
    Way("LD_LIBRARY_PATH", "bpf"),
    Way("LD_PRELOAD", ""),
)
SYSTEM = Way("", "")


def environment(way: Way, **more: str) -> dict[str, str]:
    """Return a whole environment in which a program uses that libpcap."""
    if not LIBRARY.exists():
        raise FileNotFoundError(f"{LIBRARY} is not built; run ./dev test compare")
    clean = {k: v for k, v in os.environ.items() if not re.match(r"LD_|PCAP_|PFRING_", k)}
    if way.loader:
        path = LIBRARY if way.loader == "LD_PRELOAD" else LIBRARY.parent
        clean |= {way.loader: str(path), "PFRING_VERBOSE": "1"}
        if way.backend:
            clean["PFRING_BACKEND"] = way.backend
    return clean | more


_TOLD = re.compile(r"^pfring: (\S+): (?:backend (\S+)|(system libpcap)) \((.*)\)$", re.MULTILINE)


def took(errors: str) -> list[tuple[str, str]]:
    """Return (device, backend) for each handle that our library told of; "" is the real one's."""
    return [(device, backend) for device, backend, _, _ in _TOLD.findall(errors)]


def without_ours(errors: str) -> str:
    """Return what a program wrote to standard error itself."""
    return _TOLD.sub("", errors).replace("\n\n", "\n").strip()
