# SPDX-License-Identifier: BSD-3-Clause
"""One Python process that captures through scapy's ctypes libpcap, ours, pcapy-ng and pfring.

In every order in which the two libpcaps can come into a process each reader
gets every frame, and each handle stays with the library that made it.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from pfring.lab.netns import Wire
from pfring.lab.replay import Replay
from pfring.lab.trace import mixed_trace
from support.at_once import at_once
from support.overlay import LIBRARY, SYSTEM, Way, environment

PROGRAM = Path(__file__).parents[1] / "support/two_libpcaps.py"
FRAMES = 600


@pytest.mark.parametrize(
    ("way", "order"),
    [
        (SYSTEM, "scapy"),
        (SYSTEM, "ours"),
        (Way("LD_LIBRARY_PATH", ""), "ours"),
        (Way("LD_PRELOAD", "packet"), "scapy only"),
    ],
    ids=str,
)
def test_all_readers_of_one_process_get_every_frame(wire: Wire, way: Way, order: str) -> None:
    # A libpcap whose ring was full gives less than was sent, and its reader waits for ever.
    for limit in (20, 40, 60, 100):
        with contextlib.suppress(subprocess.TimeoutExpired):
            capture(wire, way, order, limit)
            return
    pytest.fail("it never ended")


def capture(wire: Wire, way: Way, order: str, limit: float) -> None:
    frames = mixed_trace(FRAMES).frames
    of_udp = sum(is_udp(frame) for frame in frames)
    process = wire.rx.popen(
        [sys.executable, PROGRAM, order, LIBRARY, str(FRAMES), str(of_udp)],
        env=environment(way) | {"PFRING_VERBOSE": "0"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdout
        started = process.stdout.readline()
        try:
            if started == "ready\n":
                with Replay(wire, frames) as replay, at_once():
                    replay.send()
            out, err = process.communicate(timeout=limit)
        finally:
            process.kill()
    assert (started, process.returncode) == ("ready\n", 0), err
    got = json.loads(out)
    loaded = got.pop("loaded")
    assert (str(LIBRARY) in loaded) == (bool(way.loader) or order != "scapy only")
    assert any(not path.startswith(str(LIBRARY.parent)) for path in loaded)
    udp_packets, _ = got.pop("udp")
    assert udp_packets == of_udp
    whole = [FRAMES, sha256(b"".join(frames)).hexdigest()]
    assert got == dict.fromkeys(got, whole)
    assert set(got) >= {"ring", "scapy", "pcapy"}


def is_udp(frame: bytes) -> bool:
    """What libpcap's "udp" is on a live interface: the kernel has taken the outer tag away."""
    at = 16 if frame[12:14] in {b"\x81\0", b"\x88\xa8"} else 12
    ethertype, packet = frame[at : at + 2], frame[at + 2 :]
    if ethertype == b"\x08\0":
        return packet[9] == 17
    return ethertype == b"\x86\xdd" and (packet[6] == 17 or (packet[6] == 44 and packet[40] == 17))
