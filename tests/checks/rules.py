# SPDX-License-Identifier: BSD-3-Clause
"""The project's own rules on its text: length, licence line, white space, who includes whom.

Pure functions from a path (relative to the top) and a text to findings, one
sentence each; lint.py runs them over the tree, tests/python/test_rules.py
over small examples. The rules themselves are in docs/design.md.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath

LONG, TOO_LONG = 600, 800
# Files past LONG lines, and why they are one file all the same.
LONG_FILES: dict[str, str] = {}

CODE = {".c", ".h", ".cpp", ".hpp", ".py", ".pyi", ".sh", ".cocci", ".bash"}
TEXT = CODE | {".md", ".txt", ".toml", ".json", ".cmake", ".yaml", ".yml", ".in", ".map", ".cfg"}
KERNEL_FOLDERS = ("kernel", "drivers")

PUBLIC_HEADERS = {"pfring.h", "pfring_hw.h", "pfring.hpp", "pfring_zero.h", "linux/pf_ring.h"}
BACKENDS = set("kernel bpf packet xdp dna multi usr dnacluster file pcap".split())
# kernel/: the order in which a packet travels; a file includes headers further down only.
KERNEL_ORDER = ("capture", "reflect", "cluster", "filter", "plugin", "parse", "ring")
# Headers of the folders that see public headers only, where the name is also a private one's.
OWN_HEADERS = {PurePath("python/src/ring.h")}
# Python modules that cost much to import: nowhere at the top of a module but in these files.
HEAVY = {
    "numpy": set[str](),
    # These five are loaded by pfring.scapy.install() and by nothing else.
    "scapy": {
        f"python/pfring/scapy/{x}.py" for x in ("backend", "model", "offline", "patch", "sockets")
    },
    "kubernetes": set[str](),
}

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"]', re.M)


def is_code(path: str) -> bool:
    """Whether a file must carry a licence line and stay short."""
    return PurePath(path).suffix in CODE or path in {"dev", ".ci/run"}


def is_text(path: str) -> bool:
    """Whether the white-space rule holds for a file."""
    return is_code(path) or PurePath(path).suffix in TEXT


def length(path: str, text: str) -> Iterator[str]:
    """A file that has to be scrolled for long is two nouns."""
    lines = text.count("\n")
    if not is_code(path) or lines <= LONG:
        return
    if lines > TOO_LONG:
        yield f"{lines} lines; no file may have more than {TOO_LONG}: split it by noun"
    elif path not in LONG_FILES:
        yield f"{lines} lines; past {LONG} give a reason in LONG_FILES of tests/checks/rules.py"


def licence(path: str, text: str) -> Iterator[str]:
    """Kernel code is GPL-2.0-only, everything else BSD-3-Clause; the first line says so."""
    if not is_code(path):
        return
    lines = text.splitlines()[:2]
    head = lines[1:] if lines and lines[0].startswith("#!") else lines[:1]
    wanted = "GPL-2.0-only" if path.startswith(("kernel/", "drivers/")) else "BSD-3-Clause"
    # BPF programs may have to call helpers that the kernel gives to GPL code only.
    also = " OR GPL-2.0-only" if path.startswith("libpcap-pfring/bpf/") else ""
    if path.startswith("kernel/uapi/"):
        wanted += " WITH Linux-syscall-note"
    found = re.search(r"SPDX-License-Identifier: ([^*]*[^* ])", head[0] if head else "")
    if not found:
        yield "the first line does not name the licence (SPDX-License-Identifier)"
    elif found[1] not in {wanted, wanted + also, f"({wanted}{also})"}:
        yield f"the licence here is {wanted}, not {found[1]}"


def white_space(path: str, text: str) -> Iterator[str]:
    """No trailing blanks, no carriage returns, exactly one newline at the end."""
    if not is_text(path) or not text:
        return
    if "\r" in text:
        yield "carriage returns"
    for i, line in enumerate(text.split("\n"), 1):
        if line.rstrip(" \t") != line and not path.endswith(".md"):
            yield f"line {i}: blanks at the end"
    if not text.endswith("\n") or text.endswith("\n\n"):
        yield "the file must end with one newline"


def includes(path: str, text: str) -> Iterator[str]:
    """Who may include whom (docs/design.md)."""
    where = PurePath(path)
    if where.suffix not in {".c", ".h", ".cpp", ".hpp"}:
        return
    for name in _INCLUDE.findall(text):
        base = PurePath(name).name
        if where.parts[0] not in KERNEL_FOLDERS and "kernel/" in name:
            yield f"includes {name}: user space shares <linux/pf_ring.h> with the kernel only"
        if where.parts[0] == "drivers" and "kernel/" in name:
            yield f"includes {name}: drivers see pf_ring_nic.h only"
        if where.parts[0] == "kernel" and len(where.parts) == 2:
            yield from _kernel_order(where.stem, PurePath(name).stem, name)
        if path.startswith("libpcap-pfring/ring/") and where.stem in BACKENDS:
            other = PurePath(base).stem
            if other in BACKENDS and other != where.stem and "/" not in name:
                yield f"includes {name}: a backend never includes another backend"
    if path.startswith(("libpcap-pfring/pcap/", "libpcap-pfring/tools/", "python/src/")):
        yield from _public_only(path, text)


def _kernel_order(here: str, there: str, name: str) -> Iterator[str]:
    order = {noun: place for place, noun in enumerate(KERNEL_ORDER)}
    if order.get(there, len(order)) < order.get(here, 0):
        yield f"includes {name}: a packet goes {' → '.join(KERNEL_ORDER)}, headers likewise"


def _public_only(path: str, text: str) -> Iterator[str]:
    private = {"backend.h", "names.h", "parse.h", "filter.h", "bpf_vm.h", "pcaplib.h", "ring.h"}
    for name in _INCLUDE.findall(text):
        own = PurePath(path).parent / name in OWN_HEADERS
        if name.startswith("../") or (name in private and not own):
            yield f"includes {name}: only public headers ({', '.join(sorted(PUBLIC_HEADERS))}) here"


def heavy_imports(path: str, text: str) -> Iterator[str]:
    """Importing pfring stays quick: heavy modules are imported where they are used."""
    if not path.startswith("python/pfring/") or not path.endswith(".py"):
        return
    for node in ast.parse(text, path).body:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        else:
            continue
        for name in names:
            top = name.partition(".")[0]
            if top in HEAVY and path not in HEAVY[top]:
                yield f"line {node.lineno}: imports {top} at the top; do it inside the function"


def cycles(graph: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Headers of one folder that include each other in a circle; graph: header to its includes."""
    done: set[str] = set()

    def visit(node: str, trail: tuple[str, ...]) -> Iterator[str]:
        if node in trail:
            yield " → ".join((*trail[trail.index(node) :], node))
        elif node not in done:
            for after in sorted(graph.get(node, ())):
                yield from visit(after, (*trail, node))
            done.add(node)

    for start in sorted(graph):
        yield from visit(start, ())


def header_graph(files: Mapping[str, str]) -> dict[str, set[str]]:
    """Map each header to the headers of its own folder that it includes."""
    graph = {}
    for path, text in files.items():
        folder, _, _ = path.rpartition("/")
        names = {f"{folder}/{name}" for name in _INCLUDE.findall(text)}
        graph[path] = {name for name in names if name in files}
    return graph


RULES = (length, licence, white_space, includes, heavy_imports)
