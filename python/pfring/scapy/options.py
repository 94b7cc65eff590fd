# SPDX-License-Identifier: BSD-3-Clause
"""The options of install(), as sockets find them when they are opened."""

from __future__ import annotations

lazy: bool = False
"""Whether packets are dissected when somebody looks; backend.py sets it."""

buffer: int | None = None
"""Bytes of ring memory for a socket; None: enough for bursts."""
