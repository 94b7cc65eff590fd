# SPDX-License-Identifier: BSD-3-Clause
"""Kernels of Debian's other suites, each with the compiler and the tools that it was made with.

PFRING_QEMU_SUITE=bullseye (5.10), trixie (6.12), sid (the newest): a root file
system with the suite's headers, made once in .cache/kernel. The module is built
inside; the guest boots the suite's image and sees this machine's files as ever.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

MIRROR = "http://deb.debian.org/debian"
Run = Callable[..., str]


def prepare(root: Path, suite: str, run: Run) -> str:
    """Make the suite's root file system if it is not there; return its kernel's release."""
    if not root.exists():
        if not shutil.which("debootstrap"):
            raise RuntimeError("debootstrap is missing: apt-get install debootstrap")
        fresh = root.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.parent.mkdir(parents=True, exist_ok=True)
        packages = "--include=gcc,make,linux-headers-amd64"
        run("debootstrap", "--variant=minbase", packages, suite, fresh, MIRROR)
        release = _release(fresh)
        run("chroot", fresh, "apt-get", "-q", "update")
        # Newer suites have taken the image package apart.
        parts = {f"linux-{part}-{release}" for part in ("image", "binary", "modules")}
        parts &= set(run("chroot", fresh, "apt-cache", "pkgnames", "linux-").split())
        run("chroot", fresh, "sh", "-c", 'cd /root && apt-get download "$@"', "sh", *sorted(parts))
        image = fresh / "image"
        for package in fresh.glob("root/*.deb"):
            run("dpkg-deb", "-x", package, image)
        modules = image / "lib" / "modules"
        if not modules.exists():  # newer packages have no /lib
            modules.parent.mkdir(exist_ok=True)
            (image / "usr" / "lib" / "modules").rename(modules)
            (modules / release / "vmlinuz").rename(image / "vmlinuz")
        else:
            (image / "boot" / f"vmlinuz-{release}").rename(image / "vmlinuz")
        # busybox's insmod is told the file that it loads, and takes no compressed one.
        run("find", modules, "-name", "*.ko.xz", "-exec", "xz", "-d", "{}", "+")
        run("depmod", "-b", image, release)
        fresh.rename(root)
    return _release(root)


def _release(root: Path) -> str:
    (headers,) = root.glob("usr/src/linux-headers-*-amd64")
    return headers.name.removeprefix("linux-headers-")


def make(root: Path, sources: Path, release: str, run: Run) -> None:
    """Build sources inside the root file system, where the result is copied back from."""
    inside = root / "root" / "pf_ring"
    shutil.rmtree(inside, ignore_errors=True)
    shutil.copytree(sources, inside)
    # objtool of newer kernels reads /proc/self; these mounts end with the command.
    alone = ["unshare", "--mount", "--pid", "--fork", f"--mount-proc={root / 'proc'}"]
    words = [f"KERNEL_SRC=/usr/src/linux-headers-{release}", f"KERNELRELEASE={release}"]
    run(*alone, "chroot", root, "make", "-C", "/root/pf_ring", *words, "-j2")
    shutil.copytree(inside, sources, dirs_exist_ok=True)
