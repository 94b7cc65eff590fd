# SPDX-License-Identifier: BSD-3-Clause
"""`pfring demo`, the main job: it ends well and says so, or says why not."""

from __future__ import annotations

import os
import re
import subprocess
import sys

COMMAND = [sys.executable, "-m", "pfring", "demo"]


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *args],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=os.environ | {"COLUMNS": "140"},
    )


def test_the_demo_balances_its_books() -> None:
    done = run()
    assert done.returncode == 0, done.stdout + done.stderr
    words = dict(re.findall(r"│\s+([a-z' ]+?)\s{2,}(\S+)", done.stdout))
    assert words["sent"] == "24,000"
    assert words["captured"] == words["tcpdump's count"]
    assert int(words["captured"].replace(",", "")) > 1000
    assert (words["dropped"], words["books balance"], words["identical bytes"]) == (
        "0",
        "yes",
        "yes",
    )
    assert words["backend"] in {"packet", "bpf", "pfring"}


def test_the_demo_ends_well_as_a_background_job_that_ignores_control_c() -> None:
    done = subprocess.run(
        ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *COMMAND, "--packets", "1000"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_demo_takes_a_filter_of_ones_own() -> None:
    done = run("--packets", "2000", "--rate", "20000", "vlan", "and", "vlan")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "vlan and vlan" in done.stdout


def test_a_bad_filter_ends_the_demo_with_the_reason() -> None:
    done = run("--packets", "100", "tcp or or")
    assert done.returncode == 1
    assert "syntax error" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_without_root_the_demo_says_what_it_needs() -> None:
    # The interpreter may lie where only root looks: give root up when all is loaded.
    code = (
        "import os, sys; from pfring.demo.show import show; os.setuid(65534); "
        "sys.exit(show(None, 100, 100.0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/nonexistent"},
    )
    assert done.returncode == 1
    assert "run it as root" in done.stdout
    assert "Traceback" not in done.stderr
