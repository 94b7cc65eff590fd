# SPDX-License-Identifier: BSD-3-Clause
"""What our libpcap.so exports: all that the system's does, of the same kind and size, and ours."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pfring
from pfring.launcher import real_libpcap

TOP = Path(__file__).parents[2]
HEADER = (TOP / "libpcap-pfring/include/pcap-pfring/pfring_pcap.h").read_text()
# New after libpcap 1.10: programs that are built against newer ones import them.
NEWER = {
    *("pcap_open", "pcap_findalldevs_ex", "pcap_createsrcstr", "pcap_parsesrcstr"),
    "pcap_setsampling",
}


def exported(library: str | Path) -> dict[str, tuple[str, int]]:
    """Map each exported symbol to its kind, and to its size if it is data."""
    done = subprocess.run(
        ["nm", "-D", "--defined-only", "-S", library], capture_output=True, text=True, check=True
    )
    found = re.findall(r"^\w+ (\w+) (\w) (\S+)$", done.stdout, re.MULTILINE)
    return {
        name: ("function", 0) if kind in "TW" else ("data", int(size, 16))
        for size, kind, name in found
    }


def test_every_symbol_of_the_systems_is_there_and_of_its_kind_and_size() -> None:
    ours, theirs = exported(pfring.libpcap_path()), exported(real_libpcap())
    assert len(theirs) >= 96
    assert {name: ours.get(name) for name in theirs} == theirs


def test_nothing_else_is_exported_but_what_is_declared() -> None:
    ours, theirs = exported(pfring.libpcap_path()), exported(real_libpcap())
    extra = set(re.findall(r"\b(pcap_\w+)\(struct pcap", HEADER))
    assert set(ours) - set(theirs) - NEWER == extra | {"pfring_overlay_version"}
    assert set(ours) >= NEWER


def test_each_file_bears_its_name_inside() -> None:
    # ldconfig goes by that.
    for name in ("libpcap.so.0.8", "libpcap.so.1"):
        file = pfring.libpcap_path().with_name(name)
        said = subprocess.run(["readelf", "-d", file], capture_output=True, text=True, check=True)
        assert f"soname: [{name}]" in said.stdout
