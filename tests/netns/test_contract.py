# SPDX-License-Identifier: BSD-3-Clause
"""The contract that every backend keeps: the cases of contract/, each for each backend.

Every case has a wire of its own and runs inside its capturing end.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from pfring.lab.netns import Wire
from support.backends import ALL
from support.built import program

CONTRACT = program("tests/netns/contract/contract")
# The same backend over another ring, in which each packet wakes the reader (ring/slots.c).
PROMPT = "packet,immediate"
# What has nothing to do with the ring was tested on the other one.
RINGLESS = re.compile("clos|shutdown|instant|open|argument|sen[dt]|back_|flush|promisc|parse|child")


# Where more than one thread or a signal handler is inside the library.
CONCURRENT = re.compile("thread|clos|breakloop|shutdown|signal|child")


def _cases() -> list[tuple[str, str]]:
    cases = []
    for backend in (*ALL, PROMPT):
        listed = subprocess.run(
            [CONTRACT, "--list", backend], capture_output=True, text=True, check=True
        )
        # One thread's by themselves, or the same again: of them ThreadSanitizer gets what is not.
        few = ("pcap", "file", PROMPT)
        brief = os.environ.get("PFRING_BUILD") == "tsan" and backend in few
        cases += [
            (backend, case)
            for case in listed.stdout.split()
            if not (brief and not CONCURRENT.search(case))
            and not (backend == PROMPT and RINGLESS.search(case))
        ]
    return cases


@pytest.mark.parametrize(("backend", "case"), _cases())
def test_contract(backend: str, case: str, wire: Wire, tmp_path: Path) -> None:
    done = wire.rx.run([CONTRACT, case, backend, wire.tx.name, tmp_path], timeout=360)
    assert done.returncode == 0, done.stderr or f"ended by signal {-done.returncode}"
