# SPDX-License-Identifier: BSD-3-Clause
"""`pfring module` where no module is loaded and none may be: what it finds out and says."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest
from pfring import module
from pfring.errors import Error, NotSupported


def test_sources_hold_what_make_needs() -> None:
    folder = module.sources()
    assert {"Kbuild", "Makefile", "sign.sh", "main.c"} <= {p.name for p in folder.iterdir()}
    assert (folder / "uapi" / "pf_ring.h").exists()


def test_missing_headers_are_told_with_the_package(tmp_path: Path) -> None:
    with pytest.raises(NotSupported, match=r"install linux-headers-9\.9\.9"):
        module.build(tmp_path / "x.ko", "9.9.9", tmp_path)


def test_failed_build_tells_the_compilers_words(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("modules:\n\t@echo no such thing >&2; false\n")
    with pytest.raises(Error, match="no such thing"):
        module.build(tmp_path / "x.ko", "9.9.9", tmp_path)
    assert not (tmp_path / "x.ko").exists()


def test_module_that_was_not_built_is_told_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(NotSupported, match="pfring module build") as failed:
        module.load(tmp_path / "none.ko")
    assert failed.value.errno == errno.ENOENT


def test_unknown_parameters_never_reach_the_kernel(tmp_path: Path) -> None:
    with pytest.raises(Error, match="no such parameter: slots"):
        module.load(tmp_path / "none.ko", slots=1)


def test_built_modules_are_kept_per_kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert module.place("1.2.3") == tmp_path / "pfring" / "1.2.3" / "pf_ring.ko"


def test_status_without_the_module() -> None:
    command = [sys.executable, "-m", "pfring", "module", "status"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.startswith("loaded      no\n")
    assert not module.status().ours


def test_key_without_certificate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Error, match="a key needs its certificate"):
        module.sign(tmp_path / "x.ko", key=tmp_path / "k")
