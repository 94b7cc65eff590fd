# SPDX-License-Identifier: BSD-3-Clause
"""What the pcapy tests share: both implementations, outcomes that compare, capture files.

The oracle is pcapy-ng as pip installs it (tests/requirements.txt pins it). An
outcome is a value or an exception written down so that two implementations'
can be compared with ==: class names and texts, packets by their contents.
"""

from __future__ import annotations

import importlib
import multiprocessing
import re
import struct
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

Pcapy = Any  # the module pcapy, whosever
ours: Pcapy = importlib.import_module("pfring.pcapy")
theirs: Pcapy = importlib.import_module("pcapy")

LITTLE, BIG = "<", ">"
USEC, NSEC = 0xA1B2C3D4, 0xA1B23C4D

# The capture files of files_in() that hold whole packets.
KINDS = ["mixed", "one", "empty", "big", "nano", "nano-big", "short", "sll", "raw", "ng", "many"]

Files = dict[str, str]  # paths by name
Snippet = Callable[[Pcapy, Files], Any]


class Snippets(list[Snippet]):
    """The snippets of a test file, in order."""

    def same(self, snippet: Snippet) -> Snippet:
        self.append(snippet)
        return snippet


def show(value: Any) -> Any:
    """Write a value down: objects of pcapy by what they say, containers item by item."""
    match value:
        case type():
            return f"type {value.__module__}.{value.__qualname__}"
        case BaseException():
            kind = type(value)
            return (f"{kind.__module__}.{kind.__qualname__}", str(value), show(value.args))
        case tuple():
            return tuple(show(item) for item in value)
        case list():
            return [show(item) for item in value]
        case str():
            return re.sub(r"0x[0-9a-f]{6,}", "0x", value)
        case None | bool() | int() | float() | bytes():
            return value
    kind = type(value)
    if kind.__name__ == "Pkthdr":
        return ("Pkthdr", value.getts(), value.getlen(), value.getcaplen())
    if kind.__name__ == "BPFProgram":
        return ("BPFProgram", value.get_bpf())
    return f"a {kind.__module__}.{kind.__qualname__}"


def tried(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call the function and write down what it returned or raised."""
    try:
        return ("returned", show(function(*args, **kwargs)))
    except Exception as error:
        return ("raised", show(error))


def tried_apart(function: Callable[..., Any], *args: Any, limit: float) -> Any:
    """Do as tried() in a process of its own that may take limit seconds.

    libpcap loses packets of a burst on a busy machine, and a loop that counts
    on them then waits for ever.
    """

    def write_down(end: Any) -> None:
        end.send(tried(function, *args))

    context = multiprocessing.get_context("fork")
    ours_, its = context.Pipe(duplex=False)
    process = context.Process(target=write_down, args=(its,))
    process.start()
    its.close()
    try:
        return ours_.recv() if ours_.poll(limit) else ("waited", limit)
    except EOFError:
        return ("died", process.pid)
    finally:
        ours_.close()
        process.kill()
        process.join()


def capture(
    frames: Iterable[bytes],
    *,
    order: str = LITTLE,
    magic: int = USEC,
    snaplen: int = 262144,
    link_type: int = 1,
) -> bytes:
    """Return a classic capture file; the time stamps count up by a bit over a second."""
    out = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snaplen, link_type)]
    unit = 1_000_000_000 if magic == NSEC else 1_000_000
    for i, frame in enumerate(frames):
        kept = frame[:snaplen]
        fraction = i * 7_654_321 % unit
        out.append(
            struct.pack(order + "IIII", 1_700_000_000 + i, fraction, len(kept), len(frame)) + kept
        )
    return b"".join(out)


def _block(kind: int, body: bytes) -> bytes:
    body += b"\0" * (-len(body) % 4)
    size = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + size + body + size


def next_generation(frames: Iterable[bytes]) -> bytes:
    """Return a pcapng file of one interface with nanosecond time stamps."""
    resolution = struct.pack("<HHBxxxHH", 9, 1, 9, 0, 0)
    out = [
        _block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)),
        _block(1, struct.pack("<HHI", 1, 0, 65535) + resolution),
    ]
    for i, frame in enumerate(frames):
        when = (1_700_000_000 + i) * 1_000_000_000 + i * 1_234_567
        head = struct.pack("<IIIII", 0, when >> 32, when & 0xFFFFFFFF, len(frame), len(frame))
        out.append(_block(6, head + frame))
    return b"".join(out)


def files_in(folder: Path, frames: Sequence[bytes]) -> dict[str, str]:
    """Write capture files of every kind; returns their paths by name."""
    some = list(frames[:300])
    whole = capture(some)
    contents = {
        "mixed": whole,
        "one": capture(some[:1]),
        "empty": capture([]),
        "big": capture(some, order=BIG),
        "nano": capture(some, magic=NSEC),
        "nano-big": capture(some, magic=NSEC, order=BIG),
        "short": capture(some, snaplen=48),
        "sll": capture(
            [b"\0\0\0\1\0\6" + frame[6:14] + frame[12:] for frame in some], link_type=113
        ),
        "raw": capture([frame[14:] for frame in some if frame[12:14] == b"\x08\0"], link_type=101),
        "ng": next_generation(some),
        "many": capture(frames[:5000]),
        "cut": whole[:-7],
        "cut-header": whole + b"\0" * 9,
        "garbage": b"#!/bin/sh\necho this is no capture file\n",
        "nothing": b"",
    }
    paths = {}
    for name, content in contents.items():
        path = folder / f"{name}.pcap"
        path.write_bytes(content)
        paths[name] = str(path)
    paths["folder"] = str(folder)
    paths["missing"] = str(folder / "missing.pcap")
    return paths


def everything(reader: Any) -> list[Any]:
    """Read a file to its end with next(); returns what came, written down."""
    got: list[Any] = []
    while True:
        header, data = reader.next()
        if header is None:
            return got
        got.append(show((header, data)))
