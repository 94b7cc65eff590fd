# SPDX-License-Identifier: BSD-3-Clause
"""Results as JSON lines under .cache/bench, and the statistics made of them.

A line is one sample. The figure that counts is the third best repetition: the
machine's own noise only ever makes a run slower, and the very best may be luck.
The median and the spread stand beside it, always. A goal's median is of pairs: what
two modes took in the same repetition is compared, and the median taken of that, so
that a machine which is slow for a minute is so on both sides.
"""

from __future__ import annotations

import json
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from experiments import Sample
from suites import Bench, Goal
from workshop import CACHE, Place


@dataclass
class Series:
    """All repetitions of one mode in one case."""

    values: list[float] = field(default_factory=list)
    lossy: int = 0
    lost: int = 0

    def add(self, value: float, lost: int) -> None:
        self.values.append(value)
        self.lossy += lost > 0
        self.lost += lost

    def third(self, high: bool) -> float:
        ordered = sorted(self.values, reverse=high)
        return ordered[min(2, (len(ordered) - 1) // 4)]

    @property
    def median(self) -> float:
        return statistics.median(self.values)


@dataclass
class Result:
    """One benchmark's samples, and why modes are missing from it."""

    bench: Bench
    place: Place
    series: dict[tuple[int, str], Series] = field(default_factory=lambda: defaultdict(Series))
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def high(self) -> bool:
        return self.bench.experiment.better == "high"

    def third(self, case: int, mode: str) -> float:
        """The third best value, less what the base line costs without any capture."""
        return self._net(case, mode, lambda s: s.third(self.high))

    def median(self, case: int, mode: str) -> float:
        return self._net(case, mode, lambda s: s.median)

    def _net(self, case: int, mode: str, of: Any) -> float:
        value: float = of(self.series[case, mode])
        if self.bench.base and mode != self.bench.base:
            value -= of(self.series[case, self.bench.base])
        return value

    def paired(self, case: int, mode: str, peer: str | None) -> float:
        """The median over the repetitions of mode, net, by peer in the same repetition."""
        sides = [self._nets(case, x) for x in (mode, peer) if x]
        if not peer:
            return statistics.median(sides[0])
        return statistics.median(a / b if b else math.nan for a, b in zip(*sides, strict=False))

    def _nets(self, case: int, mode: str) -> list[float]:
        values, base = self.series[case, mode].values, self.bench.base
        if not base or mode == base:
            return values
        return [a - b for a, b in zip(values, self.series[case, base].values, strict=False)]

    def has(self, case: int, mode: str) -> bool:
        return (case, mode) in self.series


@dataclass(frozen=True)
class Judgement:
    """goal against what was measured: by the third best, and by the median of pairs."""

    goal: Goal
    third: float | None
    median: float | None

    @property
    def verdict(self) -> str:
        if self.third is None or self.median is None:
            return "not measured"
        met = [
            (x <= self.goal.limit) if self.goal.at_most else (x >= self.goal.limit)
            for x in (self.third, self.median)
        ]
        if all(met):
            return "yes"
        return "no" if not any(met) else ("third best only" if met[0] else "median only")


def judge(result: Result) -> list[Judgement]:
    judgements = []
    for goal in result.bench.goals:
        if not result.has(goal.case, goal.mode) or (
            goal.peer and not result.has(goal.case, goal.peer)
        ):
            judgements.append(Judgement(goal, None, None))
            continue
        third = result.third(goal.case, goal.mode)
        if goal.peer:
            peer = result.third(goal.case, goal.peer)
            third = third / peer if peer else math.nan
        paired = result.paired(goal.case, goal.mode, goal.peer)
        judgements.append(Judgement(goal, third, paired))
    return judgements


class Log:
    """Appends samples to one file per run; load() reads the newest run of each benchmark."""

    folder = CACHE / "results"

    def __init__(self, place: Place, quick: bool) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        stamp = place.date.replace(" UTC", "").replace(" ", "T").replace(":", "")
        self.path = self.folder / f"{stamp}{'-quick' if quick else ''}.jsonl"
        self._place = place

    def write(self, bench: Bench, case: int, mode: str, rep: int, sample: Sample) -> None:
        line = {
            "bench": bench.name,
            "case": case,
            "shown": str(bench.cases[case]),
            "mode": mode,
            "rep": rep,
            "unit": bench.experiment.unit,
            **asdict(sample),
            "lost": sample.lost,
            "place": asdict(self._place),
        }
        self._append(line)

    def absent(self, bench: Bench, mode: str, why: str) -> None:
        self._append(
            {"bench": bench.name, "mode": mode, "absent": why, "place": asdict(self._place)}
        )

    def _append(self, line: dict[str, Any]) -> None:
        with self.path.open("a") as f:
            f.write(json.dumps(line) + "\n")


def load(paths: Iterable[Path], catalogue: dict[str, Bench]) -> list[Result]:
    """The newest run of each benchmark that is still in the catalogue, in its order."""
    newest: dict[str, Result] = {}
    for path in sorted(paths):
        fresh: dict[str, Result] = {}
        for text in path.read_text().splitlines():
            line = json.loads(text)
            bench = catalogue.get(line["bench"])
            if bench is None:
                continue
            result = fresh.setdefault(bench.name, Result(bench, Place(**line["place"])))
            if "absent" in line:
                result.missing[line["mode"]] = line["absent"]
            elif line["case"] < len(bench.cases):
                result.series[line["case"], line["mode"]].add(line["value"], line["lost"])
        newest.update(fresh)
    return [newest[name] for name in catalogue if name in newest]
