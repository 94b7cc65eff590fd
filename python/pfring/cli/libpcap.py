# SPDX-License-Identifier: BSD-3-Clause
"""`pfring libpcap`: where our libpcap.so is, and whether it is every program's."""

from __future__ import annotations

import sys
from pathlib import Path

from .. import everywhere, libpcap_path
from ..launcher import real_libpcap
from . import FAILED, OK


def tell(only_the_path: bool) -> None:
    """Print it."""
    library = libpcap_path()
    if only_the_path:
        print(library)
        return
    header = library.parents[1] / "include/pcap-pfring/pcap.h"
    print(f"library  {library}\nheader   {header}\nover     {real_libpcap()}")


def change(action: str, prefix: Path) -> int:
    """Install or remove, telling each step."""
    work = everywhere.install if action == "install" else everywhere.remove
    try:
        for step in work(prefix):
            print(step)
    except everywhere.Trouble as trouble:
        print(f"pfring libpcap: {trouble}", file=sys.stderr)
        return FAILED
    return OK
