# SPDX-License-Identifier: BSD-3-Clause
"""sparse over the module: byte order, locks, address spaces. No guest is needed."""

from __future__ import annotations

import re
import shutil
import subprocess

import guest


def test_sparse_has_nothing_to_say() -> None:
    kernel = guest.debian_kernel()
    unwanted = shutil.ignore_patterns("*.o", "*.ko", ".*", "*.mod*")
    copy = shutil.copytree(
        guest.PROJECT / "kernel", guest.workshop("sparse") / "kernel", ignore=unwanted
    )
    words = [f"KERNEL_SRC={kernel.build}", f"KERNELRELEASE={kernel.release}"]
    done = subprocess.run(
        ["make", "-C", copy, *words, "check"], text=True, capture_output=True, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert said.count("  CHECK ") > 20, said  # it did look
    assert not re.findall(r"^.*: (?:warning|error): .*$", said, re.MULTILINE)
