# SPDX-License-Identifier: BSD-3-Clause
"""Waiting for what must come, on a machine that may stand still at any place for any time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

TRIES_FOR = 120  # seconds that the sleeps between them last, all together
LONG = 300_000  # milliseconds, for a single wait that must end by what happens

Answer = TypeVar("Answer")


def until(done: Callable[[], Answer | None], every: float = 0.05) -> Answer:
    """The first answer that is true.

    It is tries that count: who stood still until some moment was over has not tried meanwhile.
    """
    tries = round(TRIES_FOR / every)
    for _ in range(tries):
        if answer := done():
            return answer
        time.sleep(every)
    raise AssertionError(f"in vain {tries} times; the last answer is {answer!r}")
