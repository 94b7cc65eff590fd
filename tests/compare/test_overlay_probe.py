# SPDX-License-Identifier: BSD-3-Clause
"""The differential probe: what a program can see of libpcap is the same over ours.

probe/ is one client of <pcap.h> that prints an observation per line. It runs
once over the system's libpcap and once for each way to ours, all at the same
time, each on a wire of its own; then the lines are compared.
"""

from __future__ import annotations

import difflib
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from pfring.lab.netns import Wire
from support.overlay import BUILD, SYSTEM, WAYS, Way, environment, took, without_ours

PROBE = BUILD / "tests/compare/probe"

# It may be run four times.
pytestmark = pytest.mark.timeout(2400)


class Run(NamedTuple):
    lines: list[str]
    errors: str


def run_all(ways: Sequence[Way], folder: Path) -> dict[Way, Run]:
    """Run it over several libraries at the same time, to its end."""
    started: list[tuple[Way, Wire, Path, subprocess.Popen[bytes]]] = []
    done = {}
    try:
        for i, way in enumerate(ways):
            wire, mine = Wire(), folder / str(i)
            mine.mkdir()
            with (mine / "out").open("w") as out, (mine / "err").open("w") as err:
                process = wire.rx.popen(
                    [PROBE, wire.tx.name, mine], env=environment(way), stdout=out, stderr=err
                )
            started.append((way, wire, mine, process))
        for way, _, mine, process in started:
            try:
                code: int | str = process.wait(300)
            except subprocess.TimeoutExpired:
                code = "no code, for it did not end"
            errors = (mine / "err").read_text()
            lines = (mine / "out").read_text().splitlines()
            assert code == 0, f"over {way} it ended with {code} after {lines[-3:]}\n{errors}"
            done[way] = Run(lines, errors)
        return done
    finally:
        for _, wire, _, process in started:
            process.kill()
            process.wait()
            wire.remove()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[Way, Run]:
    return run_all((SYSTEM, *WAYS), tmp_path_factory.mktemp("probe"))


def by_title(lines: list[str]) -> dict[str, list[str]]:
    """Return the observations about each matter."""
    found: dict[str, list[str]] = {}
    for line in lines:
        found.setdefault(line.partition(" | ")[0], []).append(line)
    return found


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_every_observation_is_the_systems(
    runs: dict[Way, Run], way: Way, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert without_ours(runs[way].errors) == runs[SYSTEM].errors.strip()
    theirs, ours = by_title(runs[SYSTEM].lines), by_title(runs[way].lines)
    assert list(ours) == list(theirs)
    differing = [title for title in theirs if ours[title] != theirs[title]]
    # libpcap's blocks are closed by a clock: what a program sees of a machine that stood still is
    # not what it sees otherwise. Such matters are looked at again, over both, side by side.
    for _ in range(3):
        if not differing:
            return
        again = run_all((SYSTEM, way), tmp_path_factory.mktemp("again"))
        theirs, ours = by_title(again[SYSTEM].lines), by_title(again[way].lines)
        differing = [title for title in differing if ours.get(title) != theirs.get(title)]
    for title in differing:
        wanted, found = theirs.get(title, []), ours.get(title, [])
        difference = difflib.unified_diff(wanted, found, "system", str(way), lineterm="", n=1)
        assert not list(difference)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_what_was_compared_was_ours(runs: dict[Way, Run], way: Way) -> None:
    paths = took(runs[way].errors)
    best = paths[0][1]
    assert best in {"pfring", "bpf", "packet"}
    assert {backend for device, backend in paths if device == "cap0"} == {way.backend or best}
    # Cooked, monitor mode, gone: what stays with the real library.
    assert {backend for device, backend in paths if device in {"any", "tun0"}} == {""}


def test_nothing_is_told_without_being_asked(runs: dict[Way, Run]) -> None:
    assert took(runs[SYSTEM].errors) == []


def test_the_probe_saw_enough(runs: dict[Way, Run]) -> None:
    lines = runs[SYSTEM].lines
    assert len(lines) > 1000
    assert len({line.partition(" | ")[0] for line in lines}) > 40
