# SPDX-License-Identifier: BSD-3-Clause
"""pfring where scapy is not installed: it is not needed, and who asks for it is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

WITHOUT_SCAPY = """\
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "scapy":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
"""


def told(code: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_SCAPY + code],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_everything_else_works(trace_file: Path) -> None:
    code = f"""\
import pfring, pfring.scapy
pfring.scapy.uninstall()
print(pfring.scapy.installed(), sum(1 for _ in pfring.open("file:{trace_file}")))
"""
    assert told(code) == (0, "False 24000\n", "")


def test_installing_tells_in_one_sentence_what_is_missing() -> None:
    code = """\
import pfring.scapy
try:
    pfring.scapy.install()
except ImportError as e:
    print(e.name, e.__suppress_context__, e)
print(pfring.scapy.installed())
"""
    sentence = "pfring.scapy.install() needs scapy: pip install scapy"
    assert told(code) == (0, f"scapy True {sentence}\nFalse\n", "")
