# SPDX-License-Identifier: BSD-3-Clause
"""The differential probe: what a program can see of libpcap is the same over ours.

probe/ is one client of <pcap.h> that prints an observation per line. It runs
once over the system's libpcap and once for each way to ours, all at the same
time, each on a wire of its own; then the lines are compared.
"""

from __future__ import annotations

import difflib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from pfring.lab.netns import Wire
from support.overlay import BUILD, SYSTEM, WAYS, Way, environment, took, without_ours

PROBE = BUILD / "tests/compare/probe"


class Run(NamedTuple):
    lines: list[str]
    errors: str


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Way, Run]]:
    folder = tmp_path_factory.mktemp("probe")
    started: list[tuple[Way, Wire, Path, subprocess.Popen[bytes]]] = []
    done = {}
    try:
        for i, way in enumerate((SYSTEM, *WAYS)):
            wire, mine = Wire(), folder / str(i)
            mine.mkdir()
            with (mine / "out").open("w") as out, (mine / "err").open("w") as err:
                process = wire.rx.popen(
                    [PROBE, wire.tx.name, mine], env=environment(way), stdout=out, stderr=err
                )
            started.append((way, wire, mine, process))
        for way, _, mine, process in started:
            try:
                code: int | str = process.wait(240)
            except subprocess.TimeoutExpired:
                code = "no code, for it did not end"
            errors = (mine / "err").read_text()
            lines = (mine / "out").read_text().splitlines()
            assert code == 0, f"over {way} it ended with {code} after {lines[-3:]}\n{errors}"
            done[way] = Run(lines, errors)
        yield done
    finally:
        for _, wire, _, process in started:
            process.kill()
            process.wait()
            wire.remove()


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_every_observation_is_the_systems(runs: dict[Way, Run], way: Way) -> None:
    difference = difflib.unified_diff(
        runs[SYSTEM].lines, runs[way].lines, "system", str(way), lineterm="", n=1
    )
    assert not list(difference)
    assert without_ours(runs[way].errors) == runs[SYSTEM].errors.strip()


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
