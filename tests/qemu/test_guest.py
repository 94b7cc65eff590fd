# SPDX-License-Identifier: BSD-3-Clause
"""pf_ring.ko inside a booted guest: each check of inside/, and the kernel's log.

Each check is a test here under the same name, so that one that fails in the
guest fails by name. PFRING_QEMU=full runs those marked slow as well.
"""

from __future__ import annotations

import guest
import outcome
import pytest

CASES = outcome.collect(*([] if guest.FULL else ["-m", "not slow"]))


@pytest.fixture(scope="session")
def told(request: pytest.FixtureRequest) -> outcome.Outcome:
    """What the guest told of the checks that this session asks for, all in one boot."""
    items = (getattr(item, "callspec", None) for item in request.session.items)
    cases = [spec.params["case"] for spec in items if spec and "case" in spec.params]
    return outcome.run(cases, guest.workshop("checks"))


@pytest.mark.parametrize("case", CASES)
def test_inside(case: str, told: outcome.Outcome) -> None:
    assert case not in told.failures, told.failures[case]
    assert case in told.passed, told.why_not(case)


def test_one_guest_ran_to_its_end_with_a_clean_log(told: outcome.Outcome) -> None:
    (result,) = told.results
    assert result.code == 0, f"exit code {result.code}; the log ends with:\n{result.log[-4000:]}"
    assert told.release == guest.kernel().release
    assert result.complaints() == []
