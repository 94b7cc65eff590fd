# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures of all Python test levels: the mixed trace, a wire, tcpdump beside us.

The levels are folders: python (no root), netns and compare (root, network
namespaces of their own). A missing tool or privilege is a failure with a hint,
not a skip: a level that did not run has shown nothing.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from pfring.lab import capfile, netns
from pfring.lab.netns import Wire
from pfring.lab.trace import Trace, mixed_trace


@pytest.fixture(scope="session", autouse=True)
def _control_c_is_heard() -> None:
    netns.hear_control_c()


@pytest.fixture(scope="session", autouse=True)
def _no_stale_namespaces() -> None:
    netns.remove_stale()


@pytest.fixture(scope="session")
def trace() -> Trace:
    """The mixed trace, 24,000 frames."""
    return mixed_trace()


@pytest.fixture(scope="session")
def trace_file(trace: Trace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mixed trace as a classic pcap file."""
    path = tmp_path_factory.mktemp("trace") / "mixed.pcap"
    capfile.write(path, trace.frames)
    return path


@pytest.fixture(scope="session")
def pcapy_files(trace: Trace, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Capture files of every kind, by name (see pcapy_support.files_in)."""
    from pcapy_support import files_in

    return files_in(tmp_path_factory.mktemp("pcapy"), trace.frames)


@pytest.fixture
def wire() -> Iterator[Wire]:
    """Two silent namespaces of this test alone: send on gen0 in wire.tx, read cap0 in wire.rx."""
    with Wire() as made:
        yield made


@pytest.fixture
def limit() -> Iterator[None]:
    """End a test that waits for seven minutes, whatever it waits in."""

    def over(number: int, frame: object) -> None:
        raise TimeoutError("the test waited for seven minutes")

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(420)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
