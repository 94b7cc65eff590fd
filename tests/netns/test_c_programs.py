# SPDX-License-Identifier: BSD-3-Clause
"""The C tests that need root (pfring_root_test in CMakeLists.txt), one test each."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from support.built import program

PROGRAMS = re.findall(
    r"^pfring_root_test\((\w+)", Path(__file__).with_name("CMakeLists.txt").read_text(), re.M
)


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str) -> None:
    command = [program(f"tests/netns/{name}")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
