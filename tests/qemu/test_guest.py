# SPDX-License-Identifier: BSD-3-Clause
"""pf_ring.ko inside a booted guest: each test of inside/, and the kernel's log.

A file of inside/ is a boot; each of its tests is a test here under the same
name, so that one that fails in the guest fails by name.
"""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import guest
import pytest
from outcome import SCRIPT, Outcome

INSIDE = Path(__file__).parent / "inside"
FILES = sorted(path.stem for path in INSIDE.glob("check_*.py"))
Guests = Callable[[str], Outcome]


def _cases() -> list[str]:
    """The names of the tests inside, as JUnit has them."""
    command = [
        *(sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider"),
        *("-c", "/dev/null", "--rootdir=.", "--confcutdir=.", "-o", "python_files=check_*.py", "."),
    ]
    done = subprocess.run(command, cwd=INSIDE, capture_output=True, text=True, check=False)
    names = [line for line in done.stdout.splitlines() if "::" in line]
    if done.returncode or not names:
        raise RuntimeError(done.stdout + done.stderr)
    return [name.replace(".py::", "::", 1) for name in names]


@pytest.fixture(scope="session")
def guests(tmp_path_factory: pytest.TempPathFactory) -> Guests:
    """What came of a file's tests; the guest is booted when it is first asked for."""
    where = tmp_path_factory.mktemp("guests")
    target = guest.kernel()
    module = guest.build_module(target, where)
    programs = guest.build_programs(where)

    @functools.cache
    def run(file: str) -> Outcome:
        folder = where / file
        folder.mkdir()
        script = SCRIPT.format(
            module=module,
            inside=INSIDE,
            programs=programs,
            python=Path(sys.executable),
            file=f"{file}.py",
        )
        return Outcome(guest.boot(target, script, folder))

    return run


@pytest.mark.parametrize("case", _cases())
def test_inside(case: str, guests: Guests) -> None:
    outcome = guests(case.split("::", maxsplit=1)[0])
    assert case in outcome.ran, f"did not run; the guest said:\n{outcome.said[-3000:]}"
    assert case not in outcome.failures, outcome.failures[case]


@pytest.mark.parametrize("file", FILES)
def test_guest_ran_to_its_end_with_a_clean_log(file: str, guests: Guests) -> None:
    result = guests(file).result
    assert result.code >= 0, f"the guest died or ran out of time:\n{result.log[-4000:]}"
    assert result.log
    assert result.complaints() == []
