# SPDX-License-Identifier: BSD-3-Clause
"""Sends frames into the wire as fast as asked, and knows how many really went.

A plain AF_PACKET socket and sendmmsg(2) through ctypes: independent of the
engine under test. The sending thread is tied to one processor, because the
veth pair keeps order per processor only. A frame that the kernel refuses for
lack of room (ENOBUFS) is sent again; `Sent.refused` counts those.
Not thread-safe: one Replay, one thread. ctypes drops the GIL while sending.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .netns import LabError, Wire

_BURST = 64
_NUMBER_AT = 8  # see trace.number()
_libc = ctypes.CDLL(None, use_errno=True)


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Message(ctypes.Structure):
    """struct mmsghdr of <sys/socket.h>; only the vector is used."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint),
        ("vector", ctypes.c_void_p),
        ("vectors", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("gap", ctypes.c_int),  # of the struct msghdr inside, which ends here
        ("sent", ctypes.c_uint),
    )


@dataclass(frozen=True, slots=True)
class Sent:
    """What a replay did."""

    packets: int
    octets: int
    refused: int
    seconds: float


class Replay:
    """A sender of one list of frames on a wire; `send()` may be called again and again."""

    def __init__(self, wire: Wire, frames: Sequence[bytes]) -> None:
        self._wire = wire
        self._sizes = [len(frame) for frame in frames]
        self._store = bytearray(b"".join(frames))
        # The export pins the bytearray: its address stays good as long as self lives.
        self._pin = (ctypes.c_char * len(self._store)).from_buffer(self._store)
        base = ctypes.addressof(self._pin)
        self._starts = [0] * len(frames)
        self._vectors = (_Iovec * len(frames))()
        self._messages = (_Message * len(frames))()
        vectors, at = ctypes.addressof(self._vectors), 0
        for i, size in enumerate(self._sizes):
            self._starts[i] = at
            self._vectors[i] = _Iovec(base + at, size)
            self._messages[i].vector = vectors + i * ctypes.sizeof(_Iovec)
            self._messages[i].vectors = 1
            at += size
        with wire.tx.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self._socket.bind((Wire.SENDER, 0))

    def __enter__(self) -> Replay:
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close()

    def send(
        self,
        *,
        rate: float | None = None,
        laps: int = 1,
        progress: Callable[[int], None] | None = None,
    ) -> Sent:
        """Send all frames laps times, rate packets per second (None: as fast as it goes).

        From the second lap on, numbers go on where the last lap ended.
        """
        before = self._wire.tx.counter(Wire.SENDER, "tx_packets")
        home = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {max(home)})
        start, done, refused = time.monotonic(), 0, 0
        try:
            for lap in range(laps):
                self._set_numbers(lap * len(self._sizes))
                at = 0
                while at < len(self._sizes):
                    burst = min(_BURST, len(self._sizes) - at)
                    if rate is not None:
                        burst = min(burst, max(1, int(rate / 500)))
                        _sleep_until(start + done / rate)
                    taken = self._push(at, burst)
                    refused += taken == 0
                    at += taken
                    done += taken
                    if progress:
                        progress(done)
        finally:
            os.sched_setaffinity(0, home)
        seconds = time.monotonic() - start
        went = self._wire.tx.counter(Wire.SENDER, "tx_packets") - before
        if went != done:
            raise LabError(f"{done} packets were sent but {went} crossed the wire; send slower")
        return Sent(done, sum(self._sizes) * laps, refused, seconds)

    def _push(self, at: int, burst: int) -> int:
        taken: int = _libc.sendmmsg(
            self._socket.fileno(), ctypes.byref(self._messages[at]), burst, 0
        )
        if taken >= 0:
            return taken
        err = ctypes.get_errno()
        if err not in (errno.ENOBUFS, errno.EAGAIN, errno.EINTR):
            raise OSError(err, f"sending on {Wire.SENDER} failed: {os.strerror(err)}")
        time.sleep(0.0005)
        return 0

    def _set_numbers(self, first: int) -> None:
        pack = struct.Struct("!I").pack_into
        for i, start in enumerate(self._starts):
            pack(self._store, start + _NUMBER_AT, first + i)


def _sleep_until(when: float) -> None:
    left = when - time.monotonic()
    if left > 0:
        time.sleep(left)
