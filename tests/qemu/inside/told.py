# SPDX-License-Identifier: BSD-3-Clause
"""A pytest plugin: tells the host of each check as it ends, and ends those that hang.

One JSON object a line, on the descriptor that PFRING_TELL names. A check may
take LIMIT seconds.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

PATIENCE = int(os.environ.get("PFRING_PATIENCE", "1"))  # how slow the kernel is
LIMIT = 900  # only for what hangs: a guest may stand still for minutes
CURRENT = Path("/tmp/current")  # the check that was begun last
BEGUN: set[str] = set()  # files


def tell(**facts: object) -> None:
    """One line for the host."""
    line = f"@{json.dumps(facts)}\n".encode()
    while line:
        line = line[os.write(int(os.environ["PFRING_TELL"]), line) :]


def file_of(check: str) -> str:
    """The file that a check is in."""
    return check.split("::", maxsplit=1)[0]


def pytest_runtest_logstart(nodeid: str) -> None:
    """A check begins, perhaps the first of its file."""
    if file_of(nodeid) not in BEGUN:
        BEGUN.add(file_of(nodeid))
        tell(file=file_of(nodeid), did="begin")
    CURRENT.write_text(nodeid, encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    """Marks of the checks."""
    config.addinivalue_line("markers", "slow: not part of the quick set")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """An alarm around the check and its fixtures."""
    seconds = PATIENCE * LIMIT

    def ring(_signal: int, _frame: FrameType | None) -> None:
        pytest.fail(f"took longer than {seconds} s")

    signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        return (yield)
    finally:
        signal.alarm(0)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """What came of a check: told once if it passed, and for each phase that went wrong."""
    if report.when != "call" and report.passed:
        return
    text = "" if report.passed else f"{report.when}: {report.longreprtext[-4000:]}"
    tell(case=report.nodeid, outcome=report.outcome, seconds=round(report.duration, 1), text=text)
