# SPDX-License-Identifier: BSD-3-Clause
"""Shows results: tables on the terminal (rich), docs/performance.md in the project.

Both are made from the same rows, so that the page can never say anything else
than the run did.
"""

from __future__ import annotations

from collections.abc import Iterable

from records import Judgement, Result, judge
from rich.console import Console
from rich.table import Table
from workshop import ROOT

PAGE = ROOT / "docs" / "performance.md"
COLUMNS = ["", "third best", "median", "spread", "of peer", "runs with loss"]
GOAL_COLUMNS = ["issue", "figure", "goal", "third best", "median", "met"]


def _number(x: float) -> str:
    if abs(x) >= 1e5:
        return f"{x / 1e6:.3f} M"
    return f"{x:.0f}" if abs(x) >= 1000 else f"{x:.1f}"


def _peer(result: Result, case: int) -> str | None:
    """What the ratios of a table refer to: the first mode that is not the base line."""
    for mode in result.bench.modes:
        if mode.name != result.bench.base and result.has(case, mode.name):
            return mode.name
    return None


def _rows(result: Result, case: int) -> list[list[str]]:
    peer = _peer(result, case)
    rows = []
    for mode in result.bench.modes:
        if not result.has(case, mode.name):
            continue
        s = result.series[case, mode.name]
        third = result.third(case, mode.name)
        ratio = "-"
        if peer and mode.name != result.bench.base and result.third(case, peer):
            ratio = f"{third / result.third(case, peer):.2f}"
        rows.append(
            [
                mode.name,
                _number(third),
                _number(result.median(case, mode.name)),
                f"{_number(min(s.values))} .. {_number(max(s.values))}",
                ratio,
                f"{s.lossy} of {len(s.values)}" if s.lossy else "0",
            ]
        )
    return rows


def _goal_row(j: Judgement) -> list[str]:
    def shown(x: float | None) -> str:
        if x is None:
            return "-"
        return f"{x:.2f}" if j.goal.peer else _number(x)

    sign = "≤" if j.goal.at_most else "≥"
    limit = f"{sign} {j.goal.limit:g}" + ("x" if j.goal.peer else "")
    return [str(j.goal.issue), j.goal.text, limit, shown(j.third), shown(j.median), j.verdict]


def _unit(result: Result) -> str:
    unit = result.bench.experiment.unit
    return f"{unit}, added to {result.bench.base}" if result.bench.base else unit


def terminal(results: Iterable[Result], console: Console) -> None:
    results = list(results)
    for result in results:
        for case, c in enumerate(result.bench.cases):
            rows = _rows(result, case)
            if not rows:
                continue
            table = Table(
                title=f"{result.bench.title}: {c} ({_unit(result)})", title_justify="left"
            )
            for i, name in enumerate(COLUMNS):
                table.add_column(name, justify="left" if not i else "right")
            for row in rows:
                table.add_row(*row)
            console.print(table)
        for mode, why in result.missing.items():
            console.print(f"[yellow]{mode}: not measured: {why}")
    goals = [_goal_row(j) for r in results for j in judge(r)]
    if goals:
        table = Table(title="Figures of the issues", title_justify="left")
        for i, name in enumerate(GOAL_COLUMNS):
            table.add_column(name, justify="left" if i in (1, 5) else "right")
        for row in goals:
            colour = {"yes": "green", "no": "red"}.get(row[-1], "yellow")
            table.add_row(*row[:-1], f"[{colour}]{row[-1]}")
        console.print(table)


def _markdown(columns: list[str], rows: list[list[str]]) -> list[str]:
    return [
        "| " + " | ".join(columns) + " |",
        "|" + "|".join("---" for _ in columns) + "|",
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
    ]


METHOD = """\
# Performance

Made by `./dev bench report` from the newest run of each benchmark; do not edit.

Two network name spaces and a veth pair; generator on core 0, receiver on core 1. Frames carry
sequence numbers; before a benchmark starts, every receiver that can is checked to see each of
them, in order and whole. Then all modes run in turn, repetition after repetition, because one
after another gives wrong orderings on a machine with neighbours. *Third best* is the third best
repetition (noise only ever makes a run slower), *median* and *spread* are of all; *of peer* is
the ratio of third bests to the first row that captures. A goal's median is that of the ratios, or
differences, within each repetition. Ratios carry over to other machines,
absolute figures do not.

* **Receiver CPU**: CPU time of the receiving process (scheduler's books) from the first frame
  until it is at rest again, per frame, at a fixed offered rate (`sendmmsg`, `AF_PACKET`).
* **Added cost**: CPU time per frame of the sending core, which on veth runs the peer's receive
  path too, with a capture less without. Frames are made by `BPF_PROG_TEST_RUN` (live frames), the
  only generator that is faster than the receivers. A stop of a receiver shows as loss.
* **Rate without loss**: closed loop if nothing is lost at full speed, else found by bisection.
* A frame of 60 bytes in memory is one of 64 on the wire.
"""


def page(results: list[Result]) -> str:
    lines = [METHOD, "## Figures of the issues", ""]
    lines += _markdown(GOAL_COLUMNS, [_goal_row(j) for r in results for j in judge(r)])
    lines += [
        "*third best only*, *median only*: the other of the two misses the goal. *Not measured*: a",
        "mode is missing; the reason stands under its benchmark.",
        "",
    ]
    for result in results:
        p = result.place
        lines += [f"## {result.bench.name}: {result.bench.title}", ""]
        lines += [
            f"{p.date}, commit {p.commit}, `{p.command.strip()}`  ",
            f"{p.machine}, Linux {p.kernel}, {p.libpcap}, Python {p.python}",
            "",
        ]
        for case, c in enumerate(result.bench.cases):
            if rows := _rows(result, case):
                lines += _markdown([f"{c} ({_unit(result)})", *COLUMNS[1:]], rows)
        for mode, why in result.missing.items():
            lines += [f"{mode}: not measured: {why}", ""]
    return "\n".join(lines).rstrip() + "\n"


def write_page(results: list[Result]) -> None:
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(results))
