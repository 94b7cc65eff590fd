# SPDX-License-Identifier: BSD-3-Clause
"""Runs checks inside the guest, those of each file in a process of its own.

    run_checks.py SECONDS LIST          LIST: a file with a check per line, FILE::NAME

pytest is imported once and every file gets a fork of it, because importing
takes seconds in an emulated machine. A file that outlives its time is killed
and said to be; the next one starts from a machine put in order. What happens
is told line by line (told.py), so that a guest that dies has told the rest.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from itertools import groupby
from pathlib import Path

import pytest
import told

SAID = Path("/tmp/said")


def run_file(checks: list[str]) -> int:
    """In the child: pytest over checks of one file, its words to SAID."""
    os.setsid()
    with SAID.open("wb") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    options = ["-q", "--color=no", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir=."]
    options += ["--confcutdir=.", "-p", "clean_log", "-p", "told", "-o", "python_files=check_*.py"]
    return int(pytest.main([*options, *checks]))


def wait(pid: int, seconds: float) -> int | None:
    """The exit code of a child, None if it did not end in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    return None


def put_in_order() -> None:
    """Take away what a killed file may have left."""

    def run(*command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    for line in run("ip", "netns", "list").splitlines():
        run("ip", "netns", "del", line.split()[0])
    for device in ("v0", "br9"):
        run("ip", "link", "del", device)
    run("rmmod", "pf_ring")
    run("dmesg", "-c")


def main(seconds: float, checks: list[str]) -> None:
    """Run the files one after the other."""
    told.tell(release=os.uname().release)
    for file, group in groupby(checks, lambda check: check.split("::", maxsplit=1)[0]):
        told.tell(file=file, did="begin")
        start = time.monotonic()
        pid = os.fork()
        if not pid:
            code = 70
            try:
                code = run_file(list(group))
            finally:
                os._exit(code)
        ended = wait(pid, seconds)
        if ended is None:
            Path("/proc/sysrq-trigger").write_text(
                "w", encoding="ascii"
            )  # blocked tasks, to the log
            os.killpg(pid, signal.SIGKILL)
            wait(pid, 10)
        if ended != 0:
            told.tell(file=file, did="said", text=SAID.read_text(errors="replace")[-6000:])
            put_in_order()
        told.tell(file=file, did="end", code=ended, seconds=round(time.monotonic() - start, 1))


if __name__ == "__main__":
    main(float(sys.argv[1]), Path(sys.argv[2]).read_text(encoding="utf-8").splitlines())
