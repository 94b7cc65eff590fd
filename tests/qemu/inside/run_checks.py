# SPDX-License-Identifier: BSD-3-Clause
"""Runs checks inside the guest, in a process that may die without taking the others along.

    run_checks.py SECONDS LIST          LIST: a file with a check per line, FILE::NAME

One pytest runs them all, because starting one takes seconds in an emulated
machine. If it dies, or begins no new check for SECONDS, it is killed, the
machine is put in order, and a new one goes on with the next file. What happens
is told line by line (told.py), so that a guest that dies has told the rest.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import told

SAID = Path("/tmp/said")


def run(checks: list[str]) -> int:
    """In the child: pytest, its words to SAID."""
    os.setsid()
    with SAID.open("wb") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    options = ["-q", "--color=no", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir=."]
    options += ["--confcutdir=.", "-p", "clean_log", "-p", "told", "-o", "python_files=check_*.py"]
    return int(pytest.main([*options, *checks]))


def wait(pid: int, seconds: float) -> int | None:
    """The exit code of a child; None once it has begun no check for so long."""
    while time.time() - told.CURRENT.stat().st_mtime < seconds:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    return None


def put_in_order() -> None:
    """Take away what a killed pytest may have left."""

    def command(*words: str) -> str:
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout

    for line in command("ip", "netns", "list").splitlines():
        command("ip", "netns", "del", line.split()[0])
    for device in ("v0", "w0", "br9"):
        command("ip", "link", "del", device)
    command("rmmod", "pf_ring")
    command("dmesg", "-c")


def main(seconds: float, checks: list[str]) -> None:
    """Run until each file has had its turn."""
    told.tell(release=os.uname().release)
    left = checks
    while left:
        told.CURRENT.write_text(left[0], encoding="utf-8")
        pid = os.fork()
        if not pid:
            code = 70
            try:
                code = run(left)
            finally:
                os._exit(code)
        ended = wait(pid, seconds)
        if ended in {0, 1}:  # all passed, some failed
            return
        if ended is None:
            # Blocked tasks, to the log.
            Path("/proc/sysrq-trigger").write_text("w", encoding="ascii")
            os.killpg(pid, signal.SIGKILL)
        at = told.file_of(told.CURRENT.read_text(encoding="utf-8"))
        told.tell(file=at, did="said", text=SAID.read_text(errors="replace")[-6000:])
        put_in_order()
        files = list(dict.fromkeys(map(told.file_of, left)))
        done = files[: files.index(at) + 1]
        left = [check for check in left if told.file_of(check) not in done]


if __name__ == "__main__":
    main(float(sys.argv[1]), Path(sys.argv[2]).read_text(encoding="utf-8").splitlines())
