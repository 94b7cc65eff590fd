# SPDX-License-Identifier: BSD-3-Clause
"""scapy over pfring: the same programs, the same packets, through pfring's rings.

    import pfring.scapy
    pfring.scapy.install()

From then on scapy's sockets are pfring's (sniff, AsyncSniffer, sr, send,
bridge_and_sniff, pipes, automata ...), and packets from them are dissected when
somebody looks. `uninstall()` undoes it; `pfring run program.py` does it for a
program that does not know. Importing this module does not import scapy.
"""

from __future__ import annotations

__all__ = ["install", "installed", "uninstall"]


def install(*, lazy: bool = True, buffer: int | None = None) -> None:
    """Give scapy pfring's sockets, for good: a change of conf.use_pcap does not undo it.

    lazy: packets are dissected when somebody looks (see docs/scapy.md).
    buffer: bytes of ring memory for each socket; None is enough for a burst of
        100,000 small packets.

    Calling it again changes the options for sockets opened from then on.
    """
    try:
        from . import backend
    except ModuleNotFoundError as e:
        if e.name != "scapy":
            raise
        text = "pfring.scapy.install() needs scapy: pip install scapy"
        raise ModuleNotFoundError(text, name=e.name) from None

    backend.install(lazy=lazy, buffer=buffer)


def uninstall() -> None:
    """Give scapy back its own sockets and packets; sockets that are open go on."""
    import sys

    backend = sys.modules.get(f"{__name__}.backend")
    if backend is not None:
        backend.uninstall()


def installed() -> bool:
    """Tell whether install() is in force."""
    import sys

    backend = sys.modules.get(f"{__name__}.backend")
    return backend is not None and backend.state.installed
