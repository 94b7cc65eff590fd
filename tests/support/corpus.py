# SPDX-License-Identifier: BSD-3-Clause
"""A corpus of frames that nobody sends: every length, EtherTypes all over, tags in every depth.

Deterministic. What is behind the EtherType is noise, for a capture must not
care. `corpus()` is a few thousand frames of 14 to 1514 bytes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

SHORTEST, LONGEST = 14, 1514
TPIDS = (0x8100, 0x88A8, 0x9100, 0x9200, 0x9300)
# What stacks and libraries treat specially, and our shadow's own EtherType.
SPECIAL = [
    *(0, 3, 46, 0x5DC, 0x5DD, 0x5FF, 0x600, 0x800, 0x806, 0x86DD, 0x8100, 0x8808, 0x8809),
    *(0x8847, 0x8848, 0x8863, 0x8864, 0x888E, 0x88A8, 0x88B5, 0x88B6, 0x88CC, 0x8906),
    *(0x8914, 0x9000, 0x9100, 0xDADA, 0xFFFF),
]


def corpus(seed: int = 5) -> tuple[bytes, ...]:
    """Return the frames."""
    dice = random.Random(seed)
    noise = dice.randbytes(1 << 16)
    frames = []
    for addresses, kinds in _plans(dice):
        for ethertypes, length in kinds:
            head = addresses + b"".join(ethertypes)
            start = dice.randrange(len(noise) - LONGEST)
            frames.append((head + noise[start : start + LONGEST])[:length])
    return tuple(frames)


def _plans(dice: random.Random) -> Iterator[tuple[bytes, Iterator[tuple[list[bytes], int]]]]:
    unicast, group = b"\x02\x50\x46\0\0\1", b"\x01\0\x5e\1\2\3"
    source = b"\x02\x50\0\0\0\2"
    yield unicast + source, ((_types(0x0800), n) for n in range(SHORTEST, LONGEST + 1))
    yield unicast + source, ((_types(0x8100), n) for n in range(SHORTEST, 200))
    yield group + source, ((_types(t), dice.randrange(14, 200)) for t in range(0, 0x10000, 53))
    for destination in (unicast, group, b"\xff" * 6):
        yield destination + source, ((_types(t), n) for t in SPECIAL for n in (14, 18, 60, 1514))
    yield unicast + source, _tagged(dice)


def _tagged(dice: random.Random) -> Iterator[tuple[list[bytes], int]]:
    for outer in TPIDS:
        for length in (14, 15, 16, 17, 18, 19, 60, 64, 1000, 1513, 1514):
            for tci in (0, 1, 4095, 0xE000, 0xF00A):
                yield _types(outer, tci, 0x0800), length
                for inner in TPIDS:
                    depth = dice.randrange(1, 4)
                    yield _types(outer, tci, *((inner, 7) * depth), 0x86DD), length


def _types(*numbers: int) -> list[bytes]:
    return [number.to_bytes(2, "big") for number in numbers]
