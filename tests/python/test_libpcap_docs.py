# SPDX-License-Identifier: BSD-3-Clause
"""docs/libpcap.md names every variable that the overlay reads and every call that it adds."""

from __future__ import annotations

import re
from pathlib import Path

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs/libpcap.md").read_text()
SOURCES = TOP / "libpcap-pfring/pcap"


def rows(section: str) -> list[str]:
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)


def read_variables() -> set[str]:
    names = set()
    for path in (*SOURCES.glob("*.c"), TOP / "libpcap-pfring/ring/pcaplib.c"):
        names |= set(re.findall(r'"((?:PCAP|PFRING)_[A-Z_]+[A-Z])"', path.read_text()))
    text = (SOURCES / "environment.c").read_text()
    table = text.partition("clusters[] = {")[2].partition("};")[0]
    kinds = re.findall(r'\{"([A-Z0-9_]+)"', table)
    assert len(kinds) > 10
    return names | {f"PCAP_PF_RING_USE_CLUSTER_{kind}" for kind in kinds}


def test_every_variable_is_documented_once() -> None:
    documented = rows("Environment")
    assert len(documented) == len(set(documented))
    assert set(documented) == read_variables()


def test_every_extra_call_is_documented_once() -> None:
    header = (TOP / "libpcap-pfring/include/pcap-pfring/pfring_pcap.h").read_text()
    declared = re.findall(r"\b(pcap_\w+)\(struct pcap", header)
    assert len(declared) >= 10
    assert sorted(rows("Extra calls")) == sorted(declared)
