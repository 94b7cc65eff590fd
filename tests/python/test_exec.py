# SPDX-License-Identifier: BSD-3-Clause
"""`pfring exec`: what the program sees of it, and when it says no."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pfring
import pytest
from pfring import launcher
from pfring.lab.tcpdump import find_tcpdump


def execute(*words: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("LD_")}
    return subprocess.run(
        [sys.executable, "-m", "pfring", "exec", *words],
        env=clean | env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_tcpdump_runs_over_ours() -> None:
    done = execute("tcpdump", "--version", PATH="/usr/bin:/bin")
    assert done.returncode == 0, done.stderr
    assert "libpcap version" in done.stdout
    assert "over libpfring" in done.stdout
    assert "over libpfring" not in subprocess.check_output([find_tcpdump(), "--version"], text=True)


def test_a_program_gets_its_words_and_environment_and_gives_its_code() -> None:
    script = 'echo "$0|$1|$2|$LD_LIBRARY_PATH|$HOME"; exit 7'
    done = execute("sh", "-c", script, "-i", "--help me", HOME="/my", LD_LIBRARY_PATH="/a:/b")
    folder = pfring.libpcap_path().parent
    assert done.stdout == f"-i|--help me||{folder}:/a:/b|/my\n"
    assert (done.returncode, done.stderr) == (7, "")


def test_both_names_of_libpcap_are_ours() -> None:
    folder = pfring.libpcap_path().parent
    for name in ("libpcap.so.0.8", "libpcap.so.1"):
        code = f"import ctypes; ctypes.CDLL('{name}'); print(open('/proc/self/maps').read())"
        done = execute(sys.executable, "-c", code)
        assert f"{folder / name}\n" in done.stdout


def test_a_program_that_is_not_there() -> None:
    done = execute("no-such-program")
    assert done.returncode == 127
    assert "there is no program no-such-program" in done.stderr


def test_a_file_that_is_no_program(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_bytes(b"\0\1\2")
    file.chmod(0o755)
    done = execute(file)
    assert done.returncode == 126
    assert str(file) in done.stderr


def test_nothing_and_help() -> None:
    assert execute().returncode == 2
    done = execute("--help")
    assert done.returncode == 0
    assert done.stdout == launcher.USAGE


def test_programs_that_the_linker_gives_nothing_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program"
    program.touch()
    assert launcher.deaf_to_environment(str(program)) == ""
    program.chmod(0o4755)
    assert launcher.deaf_to_environment(str(program)) == ""
    monkeypatch.setattr(os, "getuid", lambda: os.stat(program).st_uid + 1)
    assert launcher.deaf_to_environment(str(program)) == "is set-user-ID"
    program.chmod(0o2755)
    monkeypatch.setattr(os, "getgid", lambda: os.stat(program).st_gid + 1)
    assert launcher.deaf_to_environment(str(program)) == "is set-group-ID"
    program.chmod(0o755)
    monkeypatch.setattr(os, "listxattr", lambda _: ["security.capability"])
    assert launcher.deaf_to_environment(str(program)) == "has file capabilities"


def test_pfring_libpcap_tells_where_they_are() -> None:
    pfring_ = [sys.executable, "-m", "pfring", "libpcap"]
    path = subprocess.check_output([*pfring_, "--path"], text=True).strip()
    assert Path(path) == pfring.libpcap_path()
    said = dict(
        line.split(maxsplit=1) for line in subprocess.check_output(pfring_, text=True).splitlines()
    )
    assert said["library"] == path
    assert Path(said["header"]).exists()
    assert Path(said["over"]).name.startswith("libpcap.so")
    assert Path(said["over"]) != Path(path)
