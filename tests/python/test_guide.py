# SPDX-License-Identifier: BSD-3-Clause
"""Every example of docs/guide.md runs as it stands, each in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

GUIDE = (Path(__file__).parents[2] / "docs/guide.md").read_text()
BLOCKS = re.findall(r"^## ([^\n]*)$|^```(python|sh)\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def examples() -> list[tuple[str, str, str]]:
    """The blocks as (heading, language, text)."""
    heading, made = "", []
    for title, language, text in BLOCKS:
        heading = title or heading
        if language:
            made.append((heading, language, text))
    return made


def test_the_guide_has_an_example_for_each_way() -> None:
    headings = {heading for heading, _, _ in examples()}
    assert headings >= {"pcapy", "scapy", "pypcap and dpkt", "tcpdump", "A new program"}


@pytest.mark.parametrize(("heading", "language", "text"), examples())
def test_the_example_runs(
    heading: str, language: str, text: str, trace_file: Path, tmp_path: Path
) -> None:
    del heading
    (tmp_path / "trace.pcap").symlink_to(trace_file)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    words = [sys.executable, "-c", text] if language == "python" else ["sh", "-ec", text]
    done = subprocess.run(
        words, cwd=tmp_path, env={**os.environ, "PATH": path},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
