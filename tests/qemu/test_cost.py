# SPDX-License-Identifier: BSD-3-Clause
"""What a captured packet costs, in instructions, beside libpcap in the same boot.

The goals are in `./dev bench kernel-cost`; what is reached must not be lost again.
"""

from __future__ import annotations

import cost
import pytest


@pytest.mark.parametrize("size", cost.SIZES)
def test_cost_of_a_packet(size: int) -> None:
    got = cost.measure()[size]
    print(f"{size} bytes: sending {got.none}, libpcap +{got.libpcap}, pfring +{got.pfring}")
    assert got.libpcap > 0
    assert got.pfring < got.libpcap
