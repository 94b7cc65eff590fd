# SPDX-License-Identifier: BSD-3-Clause
"""DKMS with our dkms.conf: what a kernel update does to the module. No guest is needed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import guest
import pytest


@pytest.fixture(scope="module")
def shop() -> Path:
    """Folders of its own for everything that dkms writes; the sources are where it wants them."""
    where = guest.workshop("dkms")
    for name in ("tree", "source", "install"):
        (where / name).mkdir()
    shutil.copytree(
        guest.PROJECT / "kernel",
        where / "source" / "pf_ring-5.4.4",
        ignore=shutil.ignore_patterns("*.o", "*.ko", ".*", "*.mod*"),
    )
    return where


def dkms(shop: Path, action: str, *words: str) -> str:
    """Run dkms with the folders of the test."""
    trees = ["--dkmstree", str(shop / "tree"), "--sourcetree", str(shop / "source")]
    trees += ["--installtree", str(shop / "install")]
    return guest.run("dkms", action, *trees, "-m", "pf_ring", "-v", "5.4.4", *words)


def test_dkms_builds_signs_and_removes_the_module(shop: Path) -> None:
    kernel = guest.debian_kernel()
    words = ["-k", kernel.release, "--kernelsourcedir", str(kernel.build)]
    dkms(shop, "build", *words)
    (module,) = (shop / "tree").glob("pf_ring/5.4.4/*/*/module/pf_ring.ko")

    def field(name: str) -> str:
        done = subprocess.run(
            ["modinfo", "-F", name, module], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    assert field("vermagic").split()[0] == kernel.release
    assert field("version") == "5.4.4"
    assert field("license") == "GPL"
    assert "built" in dkms(shop, "status")
    dkms(shop, "remove", "--all")
    assert "built" not in dkms(shop, "status")
