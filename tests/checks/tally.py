# SPDX-License-Identifier: BSD-3-Clause
"""Adds up the JUnit files of all test levels for `./dev test`.

A level that ran nothing, broke off or skipped something has failed: usage is
tally.py FOLDER LEVEL…, with FOLDER/LEVEL.*.xml (one per program that ran tests)
and, after a failure, FOLDER/LEVEL.failed. The last line is "N passed, N failed".
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree


def verdict(case: ElementTree.Element) -> str:
    """Passed, failed or skipped, in pytest's dialect and in CTest's."""
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    if case.find("skipped") is not None or case.get("status") in {"notrun", "disabled"}:
        return "skipped"
    return "failed" if case.get("status") == "fail" else "passed"


def level(folder: Path, name: str) -> tuple[Counter[str], float, str]:
    """Count one level's results; a level that went wrong otherwise counts one failure."""
    cases: list[ElementTree.Element] = []
    files = sorted(folder.glob(f"{name}.*.xml"))
    try:
        for path in files:
            found = list(ElementTree.parse(path).iter("testcase"))
            if not found:
                return Counter(failed=1), 0.0, f"{path.name}: ran no test"
            cases += found
    except (OSError, ElementTree.ParseError):
        files = []
    if not files:
        return Counter(failed=1), 0.0, "broke off before any result"
    counts = Counter(map(verdict, cases))
    seconds = sum(float(case.get("time") or 0) for case in cases)
    note = ""
    if counts["skipped"]:
        note = f"{counts['skipped']} skipped, which counts as failed"
    elif not counts["failed"] and (folder / f"{name}.failed").exists():
        counts["failed"], note = 1, "ended badly though every test passed"
    return counts, seconds, note


def main(folder: Path, names: list[str]) -> int:
    """Print the table and the closing line."""
    total: Counter[str] = Counter()
    print()
    for name in names:
        counts, seconds, note = level(folder, name)
        bad = counts["failed"] + counts["skipped"]
        total.update(passed=counts["passed"], failed=bad)
        mark, good = "✗" if bad else "✓", counts["passed"]
        print(f"  {mark} {name:<9}{good:5} passed{bad:4} failed{seconds:7.0f} s  {note}")
    print(f"\n{total['passed']} passed, {total['failed']} failed")
    return int(total["failed"] > 0 or not total["passed"])


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
