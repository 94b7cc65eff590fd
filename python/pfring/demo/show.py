# SPDX-License-Identifier: BSD-3-Clause
"""The command behind `pfring demo`: gets root, plays, shows, and returns the exit code."""

from __future__ import annotations

import os
import shutil
import sys

from rich.console import Console

from ..lab.netns import LabError, hear_control_c
from .play import FILTER, play
from .view import View, table


def become_root() -> str:
    """Start this command again as root; return why that is not possible."""
    sudo = shutil.which("sudo")
    if sudo is None:
        return "run it as root (there is no sudo)"
    print("The demo makes network namespaces, which needs root; sudo may ask for a password.")
    sys.stdout.flush()
    os.execv(sudo, [sudo, sys.executable, "-m", "pfring", *sys.argv[1:]])


def show(expression: str | None, packets: int, rate: float) -> int:
    """Run the demonstration; 0 if the books balance and the bytes are identical."""
    console = Console(highlight=False)
    expression = expression or FILTER
    if os.geteuid() != 0:
        console.print(f"[red]✗[/] {become_root()}")
        return 1
    hear_control_c()
    try:
        with View(console, expression, packets) as view:
            result = play(view, expression, packets, rate)
    except LabError as error:
        console.print(f"[red]✗[/] {error}", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("stopped; everything is removed")
        return 130
    console.print()
    console.print(table(result))
    return 0 if result.balanced and result.identical else 1
