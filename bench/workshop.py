# SPDX-License-Identifier: BSD-3-Clause
"""Builds what the bench runs, out of the working tree, into .cache/bench.

The C programs and libpfring optimised; a virtual environment with pcapy-ng
2.1.0 and this tree's pfring. Both are rebuilt only when the tree has changed.
Also says which tree, machine and kernel a result belongs to.
"""

from __future__ import annotations

import hashlib
import os
import platform
import random
import struct
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "bench"
PCAPY_NG = "pcapy-ng==2.1.0"
# What pyproject.toml asks for, to build and to run.
BUILD_NEEDS = ["scikit-build-core>=0.10", "pybind11>=2.13"]
NEEDS = ["typer>=0.12", "rich>=13", "numpy>=1.22", "pyarrow>=14", "scapy>=2.5"]


@dataclass(frozen=True)
class Place:
    """Where and of what a result was measured."""

    machine: str
    kernel: str
    libpcap: str
    python: str
    commit: str
    date: str
    command: str


def _git(*argv: str) -> str:
    done = subprocess.run(["git", *argv], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def place() -> Place:
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    dirty = "+" if _git("status", "--porcelain", "--untracked-files=no") else ""
    pcap = subprocess.run(["tcpdump", "--version"], capture_output=True, text=True, check=False)
    lines = (pcap.stdout + pcap.stderr).splitlines()
    return Place(
        machine=f"{cpu}, {os.cpu_count()} cores",
        kernel=platform.release(),
        libpcap=next((x for x in lines if x.startswith("libpcap")), "libpcap (no tcpdump)"),
        python=platform.python_version(),
        commit=_git("rev-parse", "--short=10", "HEAD") + dirty,
        date=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        command="./dev bench " + " ".join(sys.argv[1:]),
    )


class Workshop:
    """Paths of the built programs; build_c() and build_python() make them so."""

    tools = CACHE / "build" / "bench"
    examples = CACHE / "build" / "libpcap-pfring" / "tools"
    venv = CACHE / "venv"
    python = CACHE / "venv" / "bin" / "python"
    overlay = CACHE / "build" / "libpcap-pfring" / "pcap" / "lib"

    def build_c(self) -> None:
        build = CACHE / "build"
        self._call(
            *["cmake", "-S", str(ROOT), "-B", str(build), "-G", "Ninja"],
            *["-DCMAKE_BUILD_TYPE=Release", "-DPFRING_BENCH=ON", "-DPFRING_TESTS=OFF"],
        )
        self._call("cmake", "--build", str(build), "-j", "2")

    def build_python(self) -> None:
        stamp, tree = self.venv / "pfring.tree", self._tree() + " ".join(NEEDS)
        if stamp.exists() and stamp.read_text() == tree:
            return
        if not self.python.exists():
            self._call(sys.executable, "-m", "venv", str(self.venv))
        pip = [str(self.python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        self._call(*pip, PCAPY_NG, *BUILD_NEEDS, *NEEDS)
        # Without isolation the build folder can be kept, and the next time is quick.
        keep = ["--no-build-isolation", "-C", f"build-dir={CACHE / 'wheel'}"]
        self._call(*pip, "--force-reinstall", "--no-deps", *keep, str(ROOT))
        stamp.write_text(tree)

    def scapy(self, version: str) -> Path:
        """A folder for PYTHONPATH that holds this version of scapy."""
        folder = CACHE / "scapy" / version
        if not (folder / "scapy").is_dir():
            pip = [str(self.python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
            self._call(*pip, "--no-deps", "--target", str(folder), f"scapy=={version}")
        return folder

    def trace(self, packets: int, size: int) -> Path:
        """A classic pcap file of that many equal frames, in micro-second stamps."""
        path = CACHE / f"{packets}x{size}.pcap"
        if not path.exists():
            CACHE.mkdir(parents=True, exist_ok=True)
            frame = b"\x02" + bytes(11) + b"\x88\xb5" + b"\xa5" * (size - 14)
            with path.with_suffix(".new").open("wb") as f:
                f.write(struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
                for i in range(packets):
                    second, micro = divmod(i, 1_000_000)
                    f.write(struct.pack("=IIII", 1_700_000_000 + second, micro, size, size))
                    f.write(frame)
            path.with_suffix(".new").rename(path)
        return path

    def traffic(self, packets: int) -> Path:
        """TCP and UDP of 1,000 hosts in 60-byte frames, as a classic pcap file."""
        path, period = CACHE / f"{packets}-traffic.pcap", 100_000
        if not path.exists():
            CACHE.mkdir(parents=True, exist_ok=True)
            dice, records = random.Random(6), []
            for i in range(min(period, packets)):
                src, dst = (0x0A000000 + int(1000 * dice.random() ** 3) for _ in "sd")
                proto = 6 if dice.random() < 0.7 else 17
                ip = struct.pack(
                    "!BBHHHBBHII", 0x45, 0, 46, i & 0xFFFF, 0x4000, 64, proto, 0, src, dst
                )
                rest = struct.pack(
                    "!HHIIBBHHH", dice.randrange(1024, 65536), 443, i, 0, 80, 16, 0, 0, 0
                )
                frame = b"\x02" + bytes(11) + b"\x08\0" + ip + rest
                head = struct.pack("=IIII", 1_700_000_000, i, 60, 60)
                records.append(head + frame.ljust(60, b"\0"))
            block = b"".join(records)
            with path.with_suffix(".new").open("wb") as f:
                f.write(struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
                for _ in range(max(1, packets // period)):
                    f.write(block)
            path.with_suffix(".new").rename(path)
        return path

    def _tree(self) -> str:
        changes = _git("diff", "HEAD", "--", "libpcap-pfring", "python", "kernel/uapi")
        parts = [_git("rev-parse", f"HEAD:{d}") for d in ("libpcap-pfring", "python", "kernel")]
        return hashlib.sha256("\n".join([changes, *parts]).encode()).hexdigest()

    def _call(self, *argv: str) -> None:
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            tail = "\n".join((done.stdout + done.stderr).splitlines()[-25:])
            raise SystemExit(f"bench: {' '.join(argv)} failed:\n{tail}")
