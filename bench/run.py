# SPDX-License-Identifier: BSD-3-Clause
"""./dev bench: measures by name, or all; needs root, clang, libbpf and libpcap's headers.

    ./dev bench list                     what there is
    ./dev bench c-count bpf-added        these, 9 repetitions
    ./dev bench --quick python-next      3 short repetitions: does it work, is it far off
    ./dev bench all                      everything (half an hour on two cores)
    ./dev bench report                   docs/performance.md from the newest full results

Results are appended to .cache/bench/results as JSON lines while they are won.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments import verify
from lab import Lab, Unavailable
from pfring.lab.netns import hear_control_c
from records import Log, Result, load
from report import PAGE, terminal, write_page
from rich.console import Console
from rich.progress import Progress
from suites import Bench, catalogue
from workshop import ROOT, Workshop, place


def measure(
    bench: Bench, shop: Workshop, log: Log, quick: bool, reps: int, progress: Progress
) -> Result:
    """All modes of one benchmark, interleaved; the order turns by one with each repetition."""
    result = Result(bench, place())
    live = list(bench.modes)
    total = reps * sum(len(bench.modes_of(c)) for c in range(len(bench.cases)))
    task = progress.add_task(bench.name, total=total)

    def drop(mode_name: str, why: str) -> None:
        result.missing[mode_name] = why
        log.absent(bench, mode_name, why)
        progress.console.print(f"[yellow]{bench.name}: {mode_name}: {why}")

    with Lab(shop.tools, max(1, bench.experiment.queues)) as lab:
        if bench.experiment.queues:
            for mode in list(live):
                try:
                    wrong = verify(lab, shop, mode, bench.cases[0])
                except Unavailable as e:
                    drop(mode.name, str(e))
                    live.remove(mode)
                    continue
                if wrong:
                    raise SystemExit(f"bench: {bench.name}: wrong packets: {wrong}")
        for case_number, case in enumerate(bench.cases):
            for rep in range(reps):
                now = [x for x in bench.modes_of(case_number) if x in live]
                turn = rep % max(1, len(now))
                for mode in [*now[turn:], *now[:turn]]:
                    progress.update(task, description=f"{bench.name} {case} {mode.name}")
                    try:
                        sample = bench.experiment.sample(lab, shop, mode, case, quick)
                    except Unavailable as e:
                        drop(mode.name, str(e))
                        live.remove(mode)
                        continue
                    log.write(bench, case_number, mode.name, rep, sample)
                    result.series[case_number, mode.name].add(sample.value, sample.lost)
                    progress.advance(task)
    progress.remove_task(task)
    return result


def results_of_full_runs() -> list[Path]:
    return [p for p in Log.folder.glob("*.jsonl") if not p.stem.endswith("-quick")]


def main(argv: Sequence[str]) -> int:
    benches = catalogue()
    p = argparse.ArgumentParser(prog="dev bench", description=__doc__.splitlines()[0])
    p.add_argument("what", nargs="+", help="'all', 'list', 'report' or names from the list")
    p.add_argument("--quick", action="store_true", help="3 short repetitions")
    p.add_argument("--repetitions", type=int, help="instead of 9 (or 3)")
    a = p.parse_args(argv)
    console = Console()
    hear_control_c()

    if a.what == ["list"]:
        for bench in benches.values():
            cases = "; ".join(str(c) for c in bench.cases)
            console.print(f"[bold]{bench.name:20}[/] {bench.title} ({cases})", highlight=False)
        return 0
    os.chdir(ROOT)
    if a.what == ["report"]:
        results = load(results_of_full_runs(), benches)
        if not results:
            console.print("bench: no full run yet: ./dev bench all")
            return 1
        terminal(results, console)
        write_page(results)
        console.print(f"written: {PAGE.relative_to(ROOT)}")
        return 0
    names = list(benches) if a.what == ["all"] else a.what
    if unknown := [n for n in names if n not in benches]:
        console.print(f"bench: no benchmark '{unknown[0]}'; ./dev bench list shows them")
        return 2
    if os.geteuid():
        console.print("bench: needs root, for name spaces and capture: sudo ./dev bench ...")
        return 1

    shop = Workshop()
    with console.status("building libpfring, the package and the bench's programs"):
        shop.build_c()
        shop.build_python()
    log = Log(place(), a.quick)
    results = []
    with Progress(console=console, transient=True) as progress:
        for name in names:
            bench = benches[name]
            reps = a.repetitions or (3 if a.quick else bench.repetitions)
            results.append(measure(bench, shop, log, a.quick, reps, progress))
    terminal(results, console)
    console.print(f"samples: {log.path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
