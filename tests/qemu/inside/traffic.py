# SPDX-License-Identifier: BSD-3-Clause
"""Frames that never end, for tests of what may happen meanwhile."""

from __future__ import annotations

import threading
from contextlib import suppress

from frames import numbered
from pfsock import Sender


def traffic(stop: threading.Event, *devices: str) -> threading.Thread:
    """Frames on the devices until stop is set."""

    def run() -> None:
        senders = [Sender(d) for d in devices]
        number = 0
        while not stop.is_set():
            for sender in senders:
                with suppress(OSError):  # the device may be gone
                    sender.post(*(numbered(number + i, 60 + i * 40) for i in range(8)))
            number += 8

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread
