# SPDX-License-Identifier: BSD-3-Clause
"""`pip install .`: what the wheel holds, and that it works where nothing else is installed."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

# The workers of a level share no fixtures: one of them makes the costly one and uses it.
pytestmark = pytest.mark.xdist_group("wheel")

TOP = Path(__file__).parents[2]


def run(*words: str | Path, **options: object) -> str:
    done = subprocess.run(  # type: ignore[call-overload]
        words, capture_output=True, text=True, check=False, timeout=600, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built with the tools of this environment and in its build folder."""
    out = tmp_path_factory.mktemp("wheel")
    run(
        *[sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps"],
        *["--config-settings=build-dir=build/python", "--wheel-dir", str(out), str(TOP)],
    )
    (path,) = out.glob("pfring-*.whl")
    return path


def test_the_wheel_holds_everything_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = {name.removeprefix("pfring/") for name in names if name.startswith("pfring/")}
    sources = TOP / "python" / "pfring"
    wanted = {
        str(path.relative_to(sources))
        for kind in ("*.py", "*.pyi", "py.typed")
        for path in sources.rglob(kind)
    }
    # The sources of the kernel module, for machines that have to build it themselves.
    module = {
        name
        for name in run("git", "ls-files", "kernel", cwd=TOP).splitlines()
        if name.endswith((".c", ".h", "/Kbuild", "/Makefile", "/sign.sh", "/COPYING"))
    }
    headers = {
        name.removeprefix("libpcap-pfring/")
        for name in run("git", "ls-files", "libpcap-pfring/include", cwd=TOP).splitlines()
    }
    assert module
    assert "include/pfring.h" in headers
    binary = {name for name in package - wanted if name.startswith("_core.")}
    assert len(binary) == 1
    assert package - binary == wanted | module | headers | {
        "libpfring.so.5",
        "include/linux/pf_ring.h",
        "include/linux/pf_ring_lane.h",
        "include/linux/pf_ring_plugins.h",
        "libpcap/libpcap.so.0.8",
        "libpcap/libpcap.so.1",
    }


def test_the_wheel_works_on_its_own(wheel: Path, tmp_path: Path, trace_file: Path) -> None:
    venv.create(tmp_path / "clean", with_pip=True)
    python = tmp_path / "clean/bin/python"
    run(python, "-m", "pip", "install", "--no-deps", "--no-index", wheel)
    code = "import pfring, sys; print(sum(1 for _ in pfring.open(sys.argv[1], 'ip')))"
    count = f"file:{trace_file}"
    ours = "import pfring, sys; print(sum(1 for _ in pfring.open(sys.argv[1], 'ip')))"
    assert run(python, "-c", code, count, cwd=tmp_path) == run(sys.executable, "-c", ours, count)
    program = "import pcapy; print(pcapy.__file__)"
    where = run(python, "-m", "pfring", "run", "-c", program, cwd=tmp_path)
    assert where.startswith(str(tmp_path / "clean"))
    said = run(python, "-m", "pfring", "exec", "tcpdump", "--version", cwd=tmp_path)
    assert "over libpfring" in said


def test_a_c_program_builds_and_runs_on_the_wheel(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    source = tmp_path / "version.c"
    source.write_text(
        "#include <pfring.h>\n"
        "int main(void) { u_int32_t v; pfring_version_noring(&v);\n"
        'return printf("%x\\n", v) < 0; }\n'
    )
    package, program = tmp_path / "pfring", tmp_path / "version"
    run(
        "cc",
        f"-I{package / 'include'}",
        source,
        f"-L{package}",
        "-l:libpfring.so.5",
        f"-Wl,-rpath,{package}",
        "-o",
        program,
    )
    assert run(program) == "50404\n"
