# SPDX-License-Identifier: BSD-3-Clause
"""A memory cgroup of its own, for checks of who pays for what."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
# Before 5.13 rings and learnt rules are charged to nobody's (kernel/compat/compat.h).
CHARGED = tuple(map(int, os.uname().release.split(".")[:2])) >= (5, 13)


class Group:
    """A cgroup without processes."""

    def __init__(self, name: str) -> None:
        if not (ROOT / "cgroup.controllers").exists():
            subprocess.run(["mount", "-t", "cgroup2", "none", ROOT], check=True)
        (ROOT / "cgroup.subtree_control").write_text("+memory")
        self.folder = ROOT / name
        self.folder.mkdir()

    def charged(self) -> int:
        """Bytes that it pays for."""
        return int((self.folder / "memory.current").read_text())

    def limit(self, size: int) -> None:
        """Bytes that it may have."""
        (self.folder / "memory.max").write_text(str(size))

    @contextmanager
    def pays(self) -> Iterator[None]:
        """This process is in it."""
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))
        yield
        (ROOT / "cgroup.procs").write_text(str(os.getpid()))


@contextmanager
def group(name: str) -> Iterator[Group]:
    """A cgroup that is gone afterwards."""
    made = Group(name)
    try:
        yield made
    finally:
        made.folder.rmdir()
