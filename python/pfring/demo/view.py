# SPDX-License-Identifier: BSD-3-Clause
"""What one sees of the demonstration: live lines on a terminal, plain lines elsewhere."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from .play import PROGRAM, Result


class View:
    """Draws the steps and the three counters; a context manager."""

    def __init__(self, console: Console, expression: str, packets: int) -> None:
        self._console = console
        self._steps: list[str] = []
        # Every bar is a share of what is sent: those of the captures end where the filter says.
        self._progress = Progress(
            TextColumn("  {task.description:<22}"),
            BarColumn(32, complete_style="cyan", finished_style="green"),
            TextColumn("{task.completed:>9,}"),
        )
        self._sent = self._progress.add_task("sent", total=packets)
        self._ours = self._progress.add_task(f"{PROGRAM.name}, by pfring", total=packets)
        self._theirs = self._progress.add_task("tcpdump", total=packets)
        self._live = Live(console=console, refresh_per_second=10, transient=False)
        console.print(
            f"\n[bold]An unmodified sniffer captures through pfring[/], tcpdump beside it\n"
            f"[dim]program[/]  {PROGRAM}\n[dim]filter[/]   [cyan]{expression}[/]\n",
            highlight=False,
            soft_wrap=True,
        )

    def __enter__(self) -> View:
        if self._console.is_terminal:
            self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._console.is_terminal:
            self._live.__exit__(kind, error, trace)

    def step(self, text: str) -> None:
        """Add a line to what is set up."""
        self._steps.append(text)
        if self._console.is_terminal:
            self._draw()
        else:
            self._console.print(f"  ✓ {text}", highlight=False, soft_wrap=True)

    def progress(self, sent: int, captured: int, tcpdump: int) -> None:
        """Move the bars."""
        self._progress.update(self._sent, completed=sent)
        self._progress.update(self._ours, completed=captured)
        self._progress.update(self._theirs, completed=tcpdump)
        self._draw()

    def _draw(self) -> None:
        steps = [Text.assemble(("  ✓ ", "green"), step) for step in self._steps]
        self._live.update(Group(*steps, Text(), self._progress))


def table(result: Result) -> Panel:
    """Lay out the result."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(justify="right")
    grid.add_column(style="dim")

    def row(name: str, value: str, note: str = "") -> None:
        grid.add_row(name, value, note)

    def verdict(good: bool) -> str:
        return "[bold green]yes[/]" if good else "[bold red]NO[/]"

    megabytes = result.sent.octets / 1e6
    row("sent", f"{result.sent.packets:,}", f"{megabytes:.1f} MB in {result.sent.seconds:.1f} s")
    row("captured", f"[bold]{result.captured:,}[/]", "by the sniffer, through pfring")
    row("dropped", f"{result.dropped:,}", "by pfring")
    row("tcpdump's count", f"{result.tcpdump.captured:,}", f"{result.tcpdump.dropped:,} dropped")
    row("not for the filter", f"{result.refused:,}", "counted by a second tcpdump")
    row(
        "books balance",
        verdict(result.balanced),
        f"{result.captured:,} + {result.dropped:,} + {result.refused:,} = "
        f"{result.captured + result.dropped + result.refused:,}",
    )
    row(
        "identical bytes",
        verdict(result.identical),
        result.difference or f"same packets, same order; sha256 {result.digest[:12]}…",
    )
    row("backend", f"[bold]{result.backend}[/]", result.reason)
    good = result.balanced and result.identical
    return Panel(
        grid,
        title="[bold]result[/]",
        title_align="left",
        border_style="green" if good else "red",
        expand=False,
        padding=(1, 2),
    )
