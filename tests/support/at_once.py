# SPDX-License-Identifier: BSD-3-Clause
"""A burst that is one on a busy machine too: nothing else runs between its frames.

The kernel closes a block of a ring some milliseconds after its first packet,
full or not. A sender that is kept waiting spends a block on every few frames,
and a reader that is kept waiting at the same time loses what comes then:
libpcap's ring has eight of them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def at_once() -> Iterator[None]:
    """Put the calling thread before all others, where the system allows it."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
