# SPDX-License-Identifier: BSD-3-Clause
"""pf_ring.ko inside a booted guest: each test of inside/, and the kernel's log."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import guest
import pytest
from outcome import SCRIPT, Outcome

INSIDE = Path(__file__).parent / "inside"


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
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Boot once and run everything in inside/."""
    where = tmp_path_factory.mktemp("guest")
    target = guest.kernel()
    module = guest.build_module(target, where)
    script = SCRIPT.format(
        module=module,
        inside=INSIDE,
        programs=guest.build_programs(where),
        python=Path(sys.executable),
    )
    return Outcome(guest.boot(target, script, where, seconds=1500))


@pytest.mark.parametrize("case", _cases())
def test_inside(case: str, outcome: Outcome) -> None:
    assert case in outcome.ran, f"did not run; the guest said:\n{outcome.said[-3000:]}"
    assert case not in outcome.failures, outcome.failures[case]


def test_guest_ran_to_its_end(outcome: Outcome) -> None:
    result = outcome.result
    assert result.code >= 0, f"the guest died or ran out of time:\n{result.log[-4000:]}"


def test_kernels_log_is_clean(outcome: Outcome) -> None:
    assert outcome.result.log
    assert outcome.result.complaints() == []
