# SPDX-License-Identifier: BSD-3-Clause
"""docs/tools.md: what each example program says of itself stands there word for word.

python tests/support/tools_page.py        put the programs' --help into the page anew
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.built import TOP, program

PAGE = TOP / "docs/tools.md"
BLOCK = re.compile(r"^### (\w+)\n(.*?)```text\n(.*?)```\n", re.MULTILINE | re.DOTALL)


def tools() -> list[str]:
    """Return the names of all tools, as CMake builds them."""
    text = (TOP / "libpcap-pfring/tools/CMakeLists.txt").read_text()
    names = text.partition("set(PFRING_TOOLS")[2].partition(")")[0].split()
    return sorted(
        [*names, *text.partition("list(APPEND PFRING_TOOLS")[2].partition(")")[0].split()]
    )


def help_of(name: str) -> str:
    """Return what a tool says of itself."""
    command = [str(program(f"libpcap-pfring/tools/{name}")), "--help"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def page() -> str:
    """Return the page with every block as the tools now are."""

    def anew(block: re.Match[str]) -> str:
        return f"### {block[1]}\n{block[2]}```text\n{help_of(block[1])}```\n"

    return BLOCK.sub(anew, PAGE.read_text())


if __name__ == "__main__":
    PAGE.write_text(page())
