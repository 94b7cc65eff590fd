# SPDX-License-Identifier: BSD-3-Clause
"""A pytest plugin: the module is loaded for each file, and each test leaves the log clean.

A kernel with kmemleak that is on is also asked, after each file, for memory that nobody holds
any more.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from module import load, unload

BAD = re.compile(
    r"BUG:|WARNING:|KASAN|UBSAN|Oops|circular locking|suspicious RCU|refcount_t|leaked"
)
KMEMLEAK = Path("/sys/kernel/debug/kmemleak")


def lost() -> list[str]:
    """What kmemleak has found of our modules, by the functions that asked for it."""
    try:
        KMEMLEAK.write_text("scan", encoding="ascii")
    except (FileNotFoundError, PermissionError):  # the kernel has none, or it is off
        return []
    found = KMEMLEAK.read_text(encoding="ascii").split("unreferenced object")[1:]
    return [text for text in found if re.search(r"\[(pf_ring|\w+_plugin)\]", text)]


def log() -> str:
    """The kernel's log and nothing that was there before."""
    return subprocess.run(["dmesg", "-c"], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module", autouse=True)
def module(request: pytest.FixtureRequest) -> Iterator[None]:
    """The module, with the file's PARAMETERS if it names some; none at all if they are None."""
    parameters = getattr(request.module, "PARAMETERS", ())
    if parameters is None:
        yield
        return
    load(*parameters)
    yield
    assert lost() == []
    unload()
    assert not Path("/proc/net/pf_ring").exists()


@pytest.fixture(autouse=True)
def clean_log() -> Iterator[None]:
    """No complaint of the kernel goes unnoticed."""
    log()
    yield
    assert not BAD.search(said := log()), said
