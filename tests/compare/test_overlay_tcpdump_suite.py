# SPDX-License-Identifier: BSD-3-Clause
"""tcpdump's own test suite, run with the system's tcpdump over both libpcaps.

The suite comes with Debian's source package of the installed tcpdump
(support/debian_source.py). Each of its tests must end the same: passed, failed
or skipped.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pfring.lab.tcpdump import find_tcpdump
from support.debian_source import upstream
from support.overlay import SYSTEM, Way, environment

RESULT = re.compile(r"^ {4}(\S.*?) *: (passed|skipped|TEST FAILED)", re.MULTILINE)


def suite(source: Path, folder: Path, way: Way) -> dict[str, str]:
    """Run the whole suite; return each test's end."""
    shutil.copytree(source / "tests", folder / "tests")
    # What configure would have found of the installed program: it was built with OpenSSL.
    (folder / "config.h").write_text("#define HAVE_LIBCRYPTO 1\n")
    # tcpdump's words are compared, too: nothing of ours among them.
    env = environment(way, TCPDUMP_BIN=find_tcpdump(), srcdir=".") | {"PFRING_VERBOSE": "0"}
    done = subprocess.run(
        ["perl", "tests/TESTrun"],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ("over libpfring" in done.stdout) == bool(way.loader), done.stdout[:500] + done.stderr
    return dict(RESULT.findall(done.stdout))


def test_the_same_tests_pass_and_fail(tmp_path: Path) -> None:
    ways = {"system": SYSTEM, "ours": Way("LD_LIBRARY_PATH", "")}
    source = upstream("tcpdump")
    with ThreadPoolExecutor() as pool:
        system, ours = pool.map(lambda name: suite(source, tmp_path / name, ways[name]), ways)
    assert len(system) > 500
    assert list(system.values()).count("passed") > 500
    assert ours == system
