# SPDX-License-Identifier: BSD-3-Clause
"""The stubs of the extension say what the extension does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pfring

# pybind11's classes have a metaclass of its own, which no stub can name.
# Those without a constructor have one that raises. scapy is a module, which a stub can only show
# as a class.
ALLOWED = r"""
pfring\._core\.(Ring|Dumper|PacketSink|Column|PacketBatch|FlowBatch|Hosts|Rotation|Collector)
pfring\._core\.(PacketSink|Column|FlowBatch)\.__init__
pfring\._core\.Column\.__buffer__
pfring\._core\.scapy.*
"""


def test_the_stubs_agree_with_the_extension(tmp_path: Path) -> None:
    allowed = tmp_path / "allowed"
    allowed.write_text(ALLOWED)
    sources = Path(pfring.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "pfring._core", "--allowlist", allowed],
        env={"MYPYPATH": str(sources)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
