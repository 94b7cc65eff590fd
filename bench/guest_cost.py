# SPDX-License-Identifier: BSD-3-Clause
"""What capturing with pf_ring.ko costs inside a guest: instructions (tests/qemu/cost.py), and
the rates that it reaches (tests/qemu/rate.py).

Where instructions are the clock as well, the figures of another boot would be the same; by the
host's clock they are medians of turns in one boot. It needs what ./dev test qemu installs.
"""

from __future__ import annotations

import sys

from experiments import Sample, Unavailable
from lab import Lab
from modes import Case, Mode
from workshop import ROOT, Workshop

sys.path.insert(0, str(ROOT / "tests" / "qemu"))
import cost
import rate


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


def _rates(size: int, *, counting: bool = True) -> rate.Rate:
    try:
        return rate.measure(counting=counting)[size]
    except RuntimeError as e:
        raise Unavailable(str(e).strip().splitlines()[-1]) from e


class GuestRate:
    """Packets a second without loss, by a clock that counts instructions as nanoseconds.

    Of four rings, what the sender reaches.
    """

    unit, better, queues = "packets/s", "high", 0

    def sample(self, lab: Lab, shop: Workshop, mode: Mode, case: Case, quick: bool) -> Sample:
        return Sample(float(getattr(_rates(case.size), mode.name)))


class GuestTime:
    """What capturing adds to the time of a packet at the highest rate without loss."""

    unit, better, queues = "ns/packet", "low", 0

    def sample(self, lab: Lab, shop: Workshop, mode: Mode, case: Case, quick: bool) -> Sample:
        return Sample(1e9 / getattr(_rates(case.size), mode.name))


class GuestLoss:
    """Packets that four rings lost while libpcap's highest rate without loss was sent."""

    unit, better, queues = "packets", "low", 0

    def sample(self, lab: Lab, shop: Workshop, mode: Mode, case: Case, quick: bool) -> Sample:
        return Sample(float(_rates(case.size, counting=mode.name == "counted").lost))
