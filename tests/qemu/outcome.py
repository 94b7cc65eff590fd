# SPDX-License-Identifier: BSD-3-Clause
"""What came of the checks: their files are run in one guest, or in as many as it takes.

A guest that dies, or of which nothing is heard for too long, is left behind
with the file that it was at; the files after it get a new one. Lines are
those of inside/told.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import guest

HERE = Path(__file__).resolve().parent
INSIDE = HERE / "inside"
STUCK = 1200  # seconds for a check that even its own limit (told.py) does not end
SILENCE = 1500  # no word from the guest for so long: it hangs

# Compiling Python anew takes most of a guest's time: it gets what the host compiled.
BYTECODE = guest.PROJECT / ".cache" / "qemu" / "bytecode"
IMPORTED = "pfring.pcapy, pfring.runner, pfring.module, pfring.cli.app, pfring.cli.capture"
PYTEST = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir=."]
PYTEST += ["--confcutdir=.", "-o", "python_files=check_*.py", "-p", "told", "-p", "clean_log"]

SCRIPT = """
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PFRING_TELL=3
export PYTHONPYCACHEPREFIX={bytecode} PYTHONPATH={inside} PFRING_PATIENCE={patience}
export PFRING_MODULE={module} PFRING_PROGRAMS={programs}
cd {inside}
exec {python} run_checks.py {seconds} {checks} 3>&1 2>&1
"""


class Outcome:
    """All that the guests told."""

    def __init__(self) -> None:
        self.passed: set[str] = set()
        self.failures: dict[str, str] = {}
        self.said: dict[str, str] = {}  # of files that did not end well
        self.release = ""  # of the kernel that ran
        self.results: list[guest.Result] = []

    def hear(self, line: str) -> str | None:
        """Take one line in; the file that it opens, if it does."""
        try:
            fact = json.loads(line[1:])
        except json.JSONDecodeError:  # cut off by the guest's end
            return None
        if "release" in fact:
            self.release = fact["release"]
        elif "case" in fact:
            if fact["outcome"] == "passed":
                self.passed.add(fact["case"])
            else:
                self.failures[fact["case"]] = fact["text"] or fact["outcome"]
        elif fact["did"] == "said":
            self.said[fact["file"]] = fact["text"]
        else:
            return str(fact["file"])
        return None

    def why_not(self, case: str) -> str:
        """Why a check told nothing."""
        file = file_of(case)
        if file in self.said:
            return f"did not run; its file said:\n{self.said[file][-3000:]}"
        last = self.results[-1]
        return f"did not run; the guest ended with:\n{last.output[-1500:]}\n{last.log[-3000:]}"


def file_of(case: str) -> str:
    """The file that a check is in."""
    return case.split("::", maxsplit=1)[0]


def collect(*options: str) -> list[str]:
    """The names of the checks. On the way everything that the guest imports is compiled."""
    env = {**os.environ, "PYTHONPATH": str(INSIDE), "PYTHONPYCACHEPREFIX": str(BYTECODE)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)

    def python(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=INSIDE,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stdout + done.stderr)
        return done.stdout

    python("-c", f"import {IMPORTED}, run_checks")
    listed = python(*PYTEST, "--collect-only", *options, ".")
    return [line for line in listed.splitlines() if "::" in line]


def run(cases: list[str], where: Path) -> Outcome:
    """Boot until the checks of every file have had their turn."""
    target = guest.kernel()
    module = guest.build_module(target)
    programs = guest.build_programs(where)
    outcome = Outcome()
    left = list(cases)
    while left:
        checks = where / "checks"
        checks.write_text("".join(f"{case}\n" for case in left), encoding="utf-8")
        script = SCRIPT.format(
            inside=INSIDE,
            bytecode=BYTECODE,
            module=module,
            programs=programs,
            python=sys.executable,
            seconds=STUCK * guest.PATIENCE,
            patience=guest.PATIENCE,
            checks=checks,
        )
        result = guest.boot(target, script, where, silence=SILENCE * guest.PATIENCE)
        outcome.results.append(result)
        begun = [outcome.hear(x) for x in result.output.splitlines() if x.startswith("@")]
        tried = {file for file in begun if file}
        if result.code >= 0 or not tried:
            break
        left = [case for case in left if file_of(case) not in tried]
    return outcome
