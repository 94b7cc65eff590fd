# SPDX-License-Identifier: BSD-3-Clause
"""`pfring libpcap install` and `remove`: our libpcap.so for every program of the machine.

The library is copied into a folder of its own, which becomes the first that
the dynamic linker's cache knows; so programs that gain privileges, for which
the linker ignores the environment, use it too. Debian's AppArmor profile for
tcpdump is told of the folder. The system's own libpcap stays where it is: ours
stands on it, and after `remove` it is the only one again.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from . import libpcap_path

LINKER = Path("/etc/ld.so.conf.d/00-pfring.conf")  # the folders are read in this order
PROFILE = Path("/etc/apparmor.d/usr.bin.tcpdump")
ADDITIONS = Path("/etc/apparmor.d/local/usr.bin.tcpdump")
BEGIN, END = "# pfring begin", "# pfring end"
NAMES = ("libpcap.so.0.8", "libpcap.so.1")
# Its cache of the names inside files knows them by inode, size and second of change: a file that
# took another's inode in the same second would bear the other's name.
FRESH = ["--ignore-aux-cache"]


class Trouble(Exception):
    """What could not be done, and what to do about it."""


def install(prefix: Path) -> Iterator[str]:
    """Make our library every program's; yields what was done, step by step."""
    library, folder = libpcap_path(), prefix.absolute() / "lib/pfring"
    if not library.exists():
        raise Trouble(f"{library} is missing: this build has no libpcap.so")
    ldconfig = _ldconfig()
    with _told():
        folder.mkdir(parents=True, exist_ok=True)
        for name in NAMES:
            # A new file under the old name: programs that run keep the old one.
            _replace(library.with_name(name), folder / name)
        yield f"copied   {folder}"
        LINKER.write_text(f"{folder}\n")
        yield f"wrote    {LINKER}"
    _run([ldconfig, *FRESH])
    for name in NAMES:
        if (first := first_of(name, ldconfig)).parent != folder:
            LINKER.unlink()
            _run([ldconfig, *FRESH])
            raise Trouble(f"the linker prefers {first}; another file names its folder first")
    yield "ran      ldconfig"
    if PROFILE.exists():
        _write_additions(_lines_for(folder))
        yield f"added    {folder} and eBPF to {ADDITIONS}"
        yield from _reload_profile()


def remove(prefix: Path) -> Iterator[str]:
    """Undo install(); what is not there is passed over."""
    folder = prefix.absolute() / "lib/pfring"
    ldconfig = _ldconfig()
    with _told():
        if LINKER.exists():
            LINKER.unlink()
            yield f"removed  {LINKER}"
        if folder.exists():
            for name in NAMES:
                (folder / name).unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                folder.rmdir()  # unless somebody else keeps something there
            yield f"removed  {folder}"
    _run([ldconfig, *FRESH])
    yield "ran      ldconfig"
    if ADDITIONS.exists() and BEGIN in ADDITIONS.read_text():
        _write_additions([])
        yield f"cleaned  {ADDITIONS}"
        yield from _reload_profile()


def first_of(name: str, ldconfig: str) -> Path:
    """Return the library that programs get which say nothing of where it is."""
    known = _run([ldconfig, "-p"])
    found = re.search(rf"^\s+{re.escape(name)} .* => (.*)$", known, re.MULTILINE)
    return Path(found[1]) if found else Path("none")


def _lines_for(folder: Path) -> list[str]:
    # Without the two capabilities it captures over packet: instead of bpf:.
    return [f"{folder}/libpcap.so* mr,", "capability bpf,", "capability perfmon,"]


def _write_additions(lines: list[str]) -> None:
    with _told():
        text = ADDITIONS.read_text() if ADDITIONS.exists() else ""
        text = re.sub(rf"^{BEGIN}\n.*?^{END}\n", "", text, flags=re.MULTILINE | re.DOTALL)
        if lines:
            text += ("" if text.endswith("\n") or not text else "\n") + "".join(
                f"{line}\n" for line in (BEGIN, *lines, END)
            )
        ADDITIONS.parent.mkdir(exist_ok=True)
        ADDITIONS.write_text(text)


def _reload_profile() -> Iterator[str]:
    """The kernel has its own copy of the profile, where it has AppArmor at all."""
    if not Path("/sys/kernel/security/apparmor/profiles").exists():
        return
    parser = shutil.which("apparmor_parser", path="/usr/sbin:/sbin:/usr/bin")
    if parser:
        _run([parser, "-r", str(PROFILE)])
        yield f"ran      apparmor_parser -r {PROFILE}"


def _ldconfig() -> str:
    program = shutil.which("ldconfig", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if not program or not LINKER.parent.is_dir():
        raise Trouble(
            f"this system has no ldconfig that reads {LINKER.parent}; use `pfring exec` instead"
        )
    return program


def _replace(source: Path, target: Path) -> None:
    fresh = target.with_name(f".{target.name}.new")
    shutil.copyfile(source, fresh)
    fresh.chmod(0o755)
    os.replace(fresh, target)


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Trouble(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return done.stdout


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise Trouble(f"{error.filename}: only root may write there; use sudo") from error
    except OSError as error:
        raise Trouble(f"{error.filename}: {error.strerror}") from error
