# SPDX-License-Identifier: BSD-3-Clause
"""Runs every check that needs no build: `./dev lint`; `./dev fix` lets the formatters work.

Each check is one line here and one test case in the JUnit file that `dev`
counts. A check whose tool is missing fails.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import rules

TOP = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent
SHOWN = 60  # lines of a complaint

# Tables whose columns are aligned by hand because they are read as tables.
HAND_ALIGNED = {
    "kernel/uapi/pf_ring.h",
    "kernel/uapi/pf_ring_lane.h",
    "libpcap-pfring/include/pfring.h",
    "libpcap-pfring/pcap/symbols.h",
    "libpcap-pfring/ring/backend.h",
}


def project_files() -> list[str]:
    """Return every file of the project that git knows or would take, as it is on disk."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True).stdout
    return sorted(path for path in listed.split("\0") if path and (TOP / path).is_file())


def tool(name: str, *args: str) -> str:
    """Run a tool of the virtual environment or the system; return its output if it complains."""
    program = TOOLS / name
    command = [str(program) if program.exists() else name, *args]
    try:
        done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return f"{name} is missing; ./dev installs it"
    return "" if done.returncode == 0 else (done.stdout + done.stderr).strip() or f"{name} failed"


def c_files(files: list[str]) -> list[str]:
    """What clang-format looks after."""
    wanted = (".c", ".h", ".cpp", ".hpp")
    return [path for path in files if path.endswith(wanted) and path not in HAND_ALIGNED]


def clang_format(files: list[str]) -> str:
    """Name the files that are not formatted; what is wrong in them nobody needs to read."""
    said = tool("clang-format", "--dry-run", "-Werror", *c_files(files))
    places = Counter(re.findall(r"^(\S+?):\d+:\d+: error", said, re.M))
    listed = [f"{path}: {count} places" for path, count in sorted(places.items())]
    return "\n".join([*listed, "./dev fix formats them"]) if listed else said


def shell_files(files: list[str]) -> list[str]:
    """Scripts, told by their name or, without a suffix, by their first line."""

    def is_script(path: str) -> bool:
        if Path(path).suffix:
            return path.endswith((".sh", ".bash"))
        with (TOP / path).open("rb") as file:
            return bool(re.match(rb"#!.*\b(ba)?sh\b", file.readline()))

    return [path for path in files if is_script(path)]


def own_rules(files: list[str]) -> str:
    """The rules of rules.py over every text file."""
    findings, headers = [], {}
    for path in files:
        if not rules.is_text(path):
            continue
        text = (TOP / path).read_text(encoding="utf-8")
        findings += [f"{path}: {found}" for rule in rules.RULES for found in rule(path, text)]
        if path.endswith((".h", ".hpp")):
            headers[path] = text
    findings += [f"circle: {found}" for found in rules.cycles(rules.header_graph(headers))]
    return "\n".join(findings)


def main() -> int:
    """Run the checks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fix", action="store_true", help="change files instead of complaining")
    parser.add_argument("--junitxml", type=Path)
    options = parser.parse_args()
    files = project_files()
    if options.fix:
        said = [
            tool("ruff", "check", "-q", "--fix", "."),
            tool("ruff", "format", "-q", "."),
            tool("clang-format", "-i", *c_files(files)),
        ]
        print("\n".join(filter(None, said)) or "formatted")
        return int(any(said))

    checks: dict[str, Callable[[], str]] = {
        "ruff check": lambda: tool("ruff", "check", "-q", "--no-cache", "."),
        "ruff format": lambda: tool("ruff", "format", "-q", "--check", "--no-cache", "."),
        "mypy --strict": lambda: tool("mypy", "--cache-dir", ".cache/mypy"),
        "clang-format": lambda: clang_format(files),
        "shellcheck": lambda: tool("shellcheck", *shell_files(files)),
        "own rules": lambda: own_rules(files),
    }
    suite = ElementTree.Element("testsuite", name="lint", tests=str(len(checks)))
    failed = 0
    for name, check in checks.items():
        start = time.monotonic()
        complaint = check()
        seconds = time.monotonic() - start
        print(f"  {'✗' if complaint else '✓'} {name:<22} {seconds:3.0f} s", flush=True)
        case = ElementTree.SubElement(suite, "testcase", name=name, time=f"{seconds:.3f}")
        if complaint:
            failed += 1
            lines = complaint.splitlines()
            shown = lines[:SHOWN] + [f"… {len(lines) - SHOWN} more lines"] * (len(lines) > SHOWN)
            print("    " + "\n    ".join(shown))
            ElementTree.SubElement(case, "failure", message=complaint[:200]).text = complaint
    suite.set("failures", str(failed))
    if options.junitxml:
        ElementTree.ElementTree(suite).write(options.junitxml, encoding="utf-8")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
