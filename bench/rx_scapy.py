# SPDX-License-Identifier: BSD-3-Clause
"""The scapy receivers: sniff(store=0) with one of four callbacks, over scapy's sockets or ours.

Run by modes.py like rx_python.py: prints "ready", counts until SIGINT, prints
one JSON object. --pfring installs the backend first.

    rx_scapy.py count|lfilter|src|summary [--pfring]
"""

from __future__ import annotations

import argparse
import json
from typing import Any


def main() -> None:
    p = argparse.ArgumentParser()
    p.add_argument("way", choices=["count", "lfilter", "src", "summary"])
    p.add_argument("--pfring", action="store_true")
    a = p.parse_args()

    # With every layer that a program has which begins like most.
    from scapy.all import IP, TCP, conf, sniff

    if a.pfring:
        import pfring.scapy

        pfring.scapy.install()
    conf.ifaces.reload()
    n = 0

    def count(packet: Any) -> None:
        nonlocal n
        n += 1

    def src(packet: Any) -> None:
        nonlocal n
        n += packet[IP].src is not None

    def summary(packet: Any) -> None:
        nonlocal n
        n += bool(packet.summary())

    def has_tcp(packet: Any) -> bool:
        nonlocal n
        n += 1
        return bool(packet.haslayer(TCP))

    options: dict[str, Any] = {
        "count": {"prn": count},
        "lfilter": {"lfilter": has_tcp},
        "src": {"prn": src},
        "summary": {"prn": summary},
    }[a.way]
    sniff(iface="v1", store=False, started_callback=lambda: print("ready", flush=True), **options)
    print(json.dumps({"packets": n}), flush=True)


main()
