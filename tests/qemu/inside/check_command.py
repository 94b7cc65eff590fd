# SPDX-License-Identifier: BSD-3-Clause
"""`pfring module …` on a kernel that can really load it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from module import MODULE
from pfsock import ABI, PF_RING, Ring

PARAMETERS = None


@pytest.fixture(autouse=True)
def unloaded() -> Iterator[None]:
    """Nothing is loaded before and after."""
    yield
    subprocess.run(["rmmod", "pf_ring"], capture_output=True, check=False)


def pfring(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command line."""
    command = [sys.executable, "-m", "pfring", "module", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_module_is_loaded_told_about_and_unloaded() -> None:
    done = pfring("status")
    assert done.returncode == 1
    assert "loaded      no\n" in done.stdout
    done = pfring("load", "-m", MODULE, "min_num_slots=512")
    assert done.returncode == 0, done.stderr
    done = pfring("status")
    assert done.returncode == 0
    assert f"loaded      yes, ABI {ABI}\n" in done.stdout
    assert "min_num_slots=512\n" in done.stdout
    done = pfring("load", "-m", MODULE)
    assert (done.returncode, "loaded already" in done.stderr) == (1, True)
    with Ring("lo", caplen=64, lanes=1, size=65536):
        done = pfring("unload")
        assert done.returncode == 1
        assert f"in use by {os.getpid()}-lo." in done.stderr
    done = pfring("unload")
    assert done.returncode == 0, done.stderr
    done = pfring("unload")
    assert (done.returncode, "not loaded" in done.stderr) == (1, True)
    assert PF_RING == 27


@pytest.mark.slow
def test_what_cannot_be_loaded_is_explained(tmp_path: Path) -> None:
    done = pfring("load", "-m", tmp_path / "none.ko")
    assert (done.returncode, "pfring module build" in done.stderr) == (1, True)
    (tmp_path / "bad.ko").write_bytes(b"no module at all" * 100)
    done = pfring("load", "-m", tmp_path / "bad.ko")
    assert (done.returncode, "cannot load" in done.stderr) == (1, True)
    done = pfring("load", "-m", MODULE, "colour=7")
    assert (done.returncode, "no such parameter: colour" in done.stderr) == (1, True)
    done = pfring("load", "-m", MODULE, "transparent_mode=9")
    assert (done.returncode, "refuses its parameters" in done.stderr) == (1, True)
    done = pfring("load", "-m", MODULE, "transparent_mode=yes")
    assert done.returncode == 2
