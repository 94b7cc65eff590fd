# SPDX-License-Identifier: BSD-3-Clause
"""What capturing with pf_ring.ko costs, in instructions inside a guest (tests/qemu/cost.py).

One boot gives every figure, and the next boot would give the same: a repetition
repeats nothing. It needs what ./dev test qemu installs.
"""

from __future__ import annotations

import sys

from experiments import Sample, Unavailable
from lab import Lab
from modes import Case, Mode
from workshop import ROOT, Workshop

sys.path.insert(0, str(ROOT / "tests" / "qemu"))
import cost


def _measure() -> tuple[dict[int, cost.Cost], cost.Rules]:
    try:
        return cost.measure()
    except RuntimeError as e:
        raise Unavailable(str(e).strip().splitlines()[-1]) from e


class GuestCost:
    """Instructions that a packet adds to sending it; of none, those of sending it."""

    unit, better, queues = "instructions/packet", "low", 0

    def sample(self, lab: Lab, shop: Workshop, mode: Mode, case: Case, quick: bool) -> Sample:
        return Sample(float(getattr(_measure()[0][case.size], mode.name)))


class RuleCost:
    """Instructions that capturing a UDP packet adds to sending it, by the rules of the ring."""

    unit, better, queues = "instructions/packet", "low", 0

    def sample(self, lab: Lab, shop: Workshop, mode: Mode, case: Case, quick: bool) -> Sample:
        return Sample(float(getattr(_measure()[1], mode.name)))
