# SPDX-License-Identifier: BSD-3-Clause
"""`pfring run`: a program cannot tell it from plain python, except that pcapy is ours."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

RUN = [sys.executable, "-m", "pfring", "run"]

# What a program can see of how it was started.
FACTS = """\
"A doc string."
import atexit, sys
import pcapy, helper
print(__name__, __doc__, __package__, globals().get("__file__"))
print(sys.argv, repr(sys.path[0]), helper.WHERE)
print(sys.modules["__main__"].__dict__ is globals(), __spec__ and __spec__.name)
print(type(__loader__).__name__ if "__file__" in globals() else "")
class Kept: pass
import pickle
print(type(pickle.loads(pickle.dumps(Kept()))).__name__)
atexit.register(lambda: print("at exit:", Kept.__name__, len(sys.argv)))
if "fail" in sys.argv: sys.exit(7)
if "crash" in sys.argv: raise LookupError("oh")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A program, a module it imports from beside it, and a stand-in pcapy for plain python."""
    there = tmp_path / "there"
    there.mkdir()
    (there / "program.py").write_text(FACTS)
    (there / "script").write_text(FACTS)
    (there / "helper.py").write_text("WHERE = __file__.rpartition('/')[2]\n")
    stand_in = tmp_path / "stand-in"
    stand_in.mkdir()
    (stand_in / "pcapy.py").write_text("")
    with zipfile.ZipFile(there / "bundle.pyz", "w") as bundle:
        bundle.write(there / "program.py", "__main__.py")
        bundle.write(there / "helper.py", "helper.py")
    return there


def run(words: list[str], folder: Path, cwd: Path) -> tuple[int, str, str]:
    env = {**os.environ, "PYTHONPATH": str(folder.parent / "stand-in")}
    done = subprocess.run(
        words, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=300
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("where", "args"),
    [
        (".", ["there/program.py", "-x", "--help"]),
        ("there", ["program.py"]),
        ("there", ["./script", "a b"]),
        ("there", ["-m", "program", "-m"]),
        ("there", ["-c", FACTS, "1", "2"]),
        ("there", ["program.py", "fail"]),
        ("there", ["program.py", "crash"]),
        ("there", ["-m", "program", "crash"]),
    ],
)
def test_a_program_sees_what_plain_python_shows_it(
    folder: Path, where: str, args: list[str]
) -> None:
    cwd = folder.parent / where
    plain = run([sys.executable, *args], folder, cwd)
    ours = run([*RUN, *args], folder, cwd)
    assert ours[:2] == plain[:2], ours[2]
    assert ours[2].splitlines()[-1:] == plain[2].splitlines()[-1:]
    assert "at exit: Kept" in plain[1]


def test_a_zipped_program_runs(folder: Path) -> None:
    status, out, errors = run([*RUN, "there/bundle.pyz", "x"], folder, folder.parent)
    assert status == 0, errors
    assert f"{folder}/bundle.pyz/__main__.py" in out
    assert "'x'] '" + str(folder) + "/bundle.pyz' helper.py" in out


def test_pcapy_is_ours_and_nothing_else_is_loaded(folder: Path) -> None:
    code = (
        "import sys; import pcapy; from pcapy import open_offline; import pcapy as again; "
        "print(pcapy.__name__, again is pcapy, [m for m in ('typer', 'rich') if m in sys.modules])"
    )
    status, out, errors = run([*RUN, "-c", code], folder, folder)
    assert (status, out) == (0, "pfring.pcapy True []\n"), errors


def test_an_unmodified_sniffer_reads_a_file(trace_file: Path, tmp_path: Path) -> None:
    program = tmp_path / "sniffer.py"
    program.write_text(
        "import sys, pcapy\n"
        "count = 0\n"
        "def seen(header, data):\n"
        "    global count\n"
        "    count += header.getlen() == len(data)\n"
        "reader = pcapy.open_offline(sys.argv[1])\n"
        "reader.setfilter('ether[11] & 1 = 0')\n"
        "reader.loop(-1, seen)\n"
        "print(count)\n"
    )
    done = subprocess.run(
        [*RUN, program, trace_file], capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout == "12000\n"
