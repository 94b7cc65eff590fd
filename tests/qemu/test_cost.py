# SPDX-License-Identifier: BSD-3-Clause
"""What a captured packet costs, in instructions, beside libpcap in the same boot."""

from __future__ import annotations

import cost
import pytest

# Of libpcap's cost, at most; by the size of the frame.
GOALS = {60: 0.6, 1514: 0.8}


@pytest.mark.parametrize("size", GOALS)
def test_cost_of_a_packet(size: int) -> None:
    got = cost.measure()[size]
    print(f"{size} bytes: sending {got.none}, libpcap +{got.libpcap}, pfring +{got.pfring}")
    assert got.libpcap > 0
    assert got.pfring <= GOALS[size] * got.libpcap
