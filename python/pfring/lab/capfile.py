# SPDX-License-Identifier: BSD-3-Clause
"""Classic capture files, read and written in the plainest way.

An oracle of its own: it shares nothing with the engine's reader and writer.
Format: draft-ietf-opsawg-pcap (both byte orders, both time precisions).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_MICRO, _NANO = 0xA1B2C3D4, 0xA1B23C4D
ETHERNET = 1


class Record(NamedTuple):
    """One packet of a file."""

    ts_ns: int
    data: bytes
    length: int  # on the wire


def read(path: str | os.PathLike[str]) -> list[Record]:
    """Read a whole classic pcap file; a file cut short is an error."""
    raw = Path(path).read_bytes()
    order = next((o for o in "<>" if _magic(raw, o) in (_MICRO, _NANO)), None)
    if order is None:
        raise ValueError(f"{path} is not a classic pcap file")
    scale = 1 if _magic(raw, order) == _NANO else 1000
    head, at, records = struct.Struct(order + "IIII"), 24, []
    while at < len(raw):
        if at + head.size > len(raw):
            raise ValueError(f"{path} ends inside a record header")
        seconds, fraction, caplen, length = head.unpack_from(raw, at)
        at += head.size
        if at + caplen > len(raw):
            raise ValueError(f"{path} ends inside a packet")
        records.append(
            Record(seconds * 1_000_000_000 + fraction * scale, raw[at : at + caplen], length)
        )
        at += caplen
    return records


def write(
    path: str | os.PathLike[str],
    packets: Iterable[bytes],
    *,
    first_ns: int = 1_700_000_000_000_000_000,
    step_ns: int = 1_234_567,
    nano: bool = False,
    snaplen: int = 262_144,
    link_type: int = ETHERNET,
) -> None:
    """Write packets as a little-endian file, one every step_ns, each cut to snaplen."""
    scale = 1 if nano else 1000
    parts = [struct.pack("<IHHiIII", _NANO if nano else _MICRO, 2, 4, 0, 0, snaplen, link_type)]
    for i, packet in enumerate(packets):
        seconds, fraction = divmod(first_ns + i * step_ns, 1_000_000_000)
        kept = packet[:snaplen]
        parts.append(struct.pack("<IIII", seconds, fraction // scale, len(kept), len(packet)))
        parts.append(kept)
    Path(path).write_bytes(b"".join(parts))


def _magic(raw: bytes, order: str) -> int:
    if len(raw) < 24:
        return 0
    value: int = struct.unpack_from(order + "I", raw)[0]
    return value
