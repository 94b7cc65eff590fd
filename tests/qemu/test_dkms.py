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
    modules = {path.name: path for path in (shop / "tree").glob("pf_ring/5.4.4/*/*/module/*")}
    assert set(modules) == {"pf_ring.ko", "dummy_plugin.ko", "sip_plugin.ko", "rtp_plugin.ko"}

    def field(module: str, name: str) -> str:
        done = subprocess.run(
            ["modinfo", "-F", name, modules[module]], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    for module in modules:
        assert field(module, "vermagic").split()[0] == kernel.release
        assert field(module, "license") == "GPL"
        assert field(module, "depends") == ("" if module == "pf_ring.ko" else "pf_ring")
    assert field("pf_ring.ko", "version") == "5.4.4"
    assert "built" in dkms(shop, "status")
    dkms(shop, "remove", "--all")
    assert "built" not in dkms(shop, "status")
