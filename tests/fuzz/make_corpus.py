# SPDX-License-Identifier: BSD-3-Clause
"""Writes the packet parser's fuzz corpus: one frame for each combination of headers.

PYTHONPATH=tests .venv/bin/python tests/fuzz/make_corpus.py
"""

from __future__ import annotations

from pathlib import Path

from support.scapy_packets import Maker, told_by_scapy

TARGET = Path(__file__).parent / "corpus" / "parse"
TRIED, MAX_BYTES = 1000, 300


def main() -> None:
    """Keep the first small frame of each kind."""
    maker, kinds = Maker(seed=1), set()
    TARGET.mkdir(exist_ok=True)
    for _ in range(TRIED):
        data = maker.frame()
        facts = told_by_scapy(data)
        kind = (facts.level, facts.version, facts.proto, facts.inner.version, facts.flags)
        if len(data) <= MAX_BYTES and kind not in kinds:
            kinds.add(kind)
            (TARGET / f"{len(kinds):02}").write_bytes(data)


if __name__ == "__main__":
    main()
