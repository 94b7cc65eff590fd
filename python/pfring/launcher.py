# SPDX-License-Identifier: BSD-3-Clause
"""`pfring exec`: runs an unmodified program on our libpcap.so.

The program replaces this process; only LD_LIBRARY_PATH is new to it, so
programs that it starts use our library, too, if they use libpcap at all. What
privileged programs do with that variable (nothing) is told instead of done.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import stat
import sys
from typing import NoReturn

from . import libpcap_path, libpfring_path

USAGE = """\
usage: pfring exec PROGRAM [ARG]...

Runs an unmodified libpcap program, as in `pfring exec tcpdump -i eth0`, over pfring's rings.
"""

NOT_FOUND, NOT_EXECUTABLE = 127, 126  # as shells have it


def main(arguments: list[str]) -> NoReturn:
    """Become the program, or exit telling why not."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, end="", file=sys.stdout if arguments else sys.stderr)
        sys.exit(0 if arguments else 2)
    if arguments[0] == "--":
        del arguments[0]
    program = shutil.which(arguments[0], path=search_path())
    if program is None:
        _fail(f"there is no program {arguments[0]}", NOT_FOUND)
    if why := deaf_to_environment(program):
        _fail(
            f"{program} {why}, so the dynamic linker gives it no library of ours; run this as "
            "root, or install ours for the whole system (docs/libpcap.md)",
            NOT_EXECUTABLE,
        )
    library = libpcap_path()
    if not library.exists():
        _fail(f"{library} is missing: this build has no libpcap.so (see docs/libpcap.md)", 1)
    paths = [str(library.parent), os.environ.get("LD_LIBRARY_PATH", "")]
    os.environ["LD_LIBRARY_PATH"] = ":".join(path for path in paths if path)
    try:
        os.execv(program, arguments)
    except OSError as error:
        _fail(f"{program}: {error.strerror}", NOT_EXECUTABLE)


def search_path() -> str:
    """Return PATH and, behind it, where Debian has tcpdump and its like for root."""
    return os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"


def deaf_to_environment(program: str) -> str:
    """Say why the dynamic linker ignores LD_LIBRARY_PATH for a program, or "" if it does not."""
    mode = os.stat(program)
    if mode.st_mode & stat.S_ISUID and mode.st_uid != os.getuid():
        return "is set-user-ID"
    if mode.st_mode & stat.S_ISGID and mode.st_gid != os.getgid():
        return "is set-group-ID"
    # File capabilities add nothing for root, and his programs do listen (capabilities(7)).
    if os.getuid() and "security.capability" in os.listxattr(program):
        return "has file capabilities"
    return ""


def real_libpcap() -> str:
    """Return where the system's libpcap is, or why there is none."""
    lib = ctypes.CDLL(str(libpfring_path()))
    lib.pfring_libpcap.restype = ctypes.c_void_p
    lib.pfring_last_error.restype = ctypes.c_char_p
    path = ctypes.c_char_p()
    if not lib.pfring_libpcap(ctypes.byref(path)):
        return bytes(lib.pfring_last_error()).decode(errors="replace")
    assert path.value
    return path.value.decode(errors="replace")


def _fail(problem: str, code: int) -> NoReturn:
    print(f"pfring exec: {problem}", file=sys.stderr)
    sys.exit(code)
