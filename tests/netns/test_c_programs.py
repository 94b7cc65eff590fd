# SPDX-License-Identifier: BSD-3-Clause
"""The C tests that need root (pfring_root_test in CMakeLists.txt), one test each."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
BUILT = HERE.parents[1] / "build/dev/tests/netns"
PROGRAMS = re.findall(
    r"^pfring_root_test\((\w+)", (HERE / "CMakeLists.txt").read_text(), re.MULTILINE
)


@pytest.mark.parametrize("program", PROGRAMS)
def test_program(program: str) -> None:
    done = subprocess.run([BUILT / program], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
