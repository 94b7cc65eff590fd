# SPDX-License-Identifier: BSD-3-Clause
"""What a captured packet costs, in instructions, beside libpcap in the same boot.

The goals are in `./dev bench kernel-cost`; what is reached must not be lost again.
"""

from __future__ import annotations

import cost
import pytest


@pytest.mark.parametrize("size", cost.SIZES)
def test_cost_of_a_packet(size: int) -> None:
    got = cost.measure()[0][size]
    print(f"{size} bytes: sending {got.none}, libpcap +{got.libpcap}, pfring +{got.pfring}")
    assert got.libpcap > 0
    assert got.pfring < got.libpcap


def test_cost_of_rules() -> None:
    got = cost.measure()[1]
    print(got)
    assert 0 < got.none < got.hash_10
    assert got.hash_10000 <= 1.05 * got.hash_10
    assert got.wildcard_64 <= 2 * got.none
