# SPDX-License-Identifier: BSD-3-Clause
"""The live line of a capture on a terminal; nothing at all when piped."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text


def _size(octets: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if octets < 1000:
            return f"{octets:.0f} {unit}" if unit == "B" else f"{octets:.1f} {unit}"
        octets /= 1000
    return f"{octets:.1f} TB"


class Meter(AbstractContextManager["Meter"]):
    """Packets, rate and drops, kept current by `show()` on standard error."""

    def __init__(self, live: bool, what: str, file: Path | None) -> None:
        self._what, self._file = what, file
        self._start = self._at = time.monotonic()
        self._before = 0
        self._live: Live | None = None
        if live:
            from rich.console import Console
            from rich.live import Live

            console = Console(stderr=True)
            self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Meter:
        if self._live:
            self._live.start()
            self.show(0, 0)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._live:
            self._live.stop()

    def show(self, captured: int, dropped: int) -> None:
        """Draw the line anew."""
        if self._live:
            self._live.update(self._line(captured, dropped), refresh=True)

    def _line(self, captured: int, dropped: int) -> Text:
        from rich.text import Text

        now = time.monotonic()
        rate = (captured - self._before) / max(now - self._at, 1e-3)
        self._before, self._at = captured, now
        elapsed = int(now - self._start)
        text = Text(no_wrap=True, overflow="ellipsis")
        text.append(f"{elapsed // 60:3d}:{elapsed % 60:02d}  ", "dim")
        text.append(f"{captured:,} captured", "bold")
        text.append(f"  {rate:,.0f}/s  ")
        text.append(f"{dropped:,} dropped", "bold red" if dropped else "green")
        if self._file is not None:
            with suppress(OSError):
                text.append(f"  {_size(self._file.stat().st_size)}")
        return text.append(f"  {self._what}", "dim")
