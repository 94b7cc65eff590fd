# SPDX-License-Identifier: BSD-3-Clause
"""The C tests that need root (pfring_root_test in CMakeLists.txt), one test each.

ThreadSanitizer, which has nothing to say of one thread, gets those with more.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from support.built import program

HERE = Path(__file__).parent
PROGRAMS = [
    name
    for name in re.findall(r"^pfring_root_test\((\w+)", (HERE / "CMakeLists.txt").read_text(), re.M)
    if os.environ.get("PFRING_BUILD") != "tsan"
    or "pthread_create" in (HERE / f"{name}.c").read_text()
]


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str) -> None:
    command = [program(f"tests/netns/{name}")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
