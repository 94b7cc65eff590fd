# SPDX-License-Identifier: BSD-3-Clause
"""`pfring run`: runs an unmodified program in which `import pcapy` means pfring.pcapy.

The program finds what it would find under plain `python`: its own sys.argv,
sys.path[0] and `__main__`. Nothing of the command line's libraries is loaded.
"""

from __future__ import annotations

import os
import runpy
import sys
from typing import NoReturn

from .install import install_pcapy

USAGE = """\
usage: pfring run PROGRAM.py [ARG]...
       pfring run -m MODULE [ARG]...
       pfring run -c CODE [ARG]...

Runs an unmodified Python program; `import pcapy` gives it pfring.pcapy.
"""

def _run_code(code: str) -> None:
    main = sys.modules["__main__"].__dict__
    main["__spec__"] = None
    for name in ("__file__", "__cached__"):
        main.pop(name, None)
    exec(compile(code, "<string>", "exec"), main)


def main(args: list[str]) -> NoReturn:
    """Run a program and exit as it does."""
    if not args or args[0] in ("-h", "--help"):
        print(USAGE, end="", file=sys.stdout if args else sys.stderr)
        sys.exit(0 if args else 2)
    if args[0] in ("-m", "-c"):
        if len(args) < 2:
            sys.exit(_usage(f"{args[0]} needs an argument"))
        kind, program, rest = args[0], args[1], args[2:]
    elif args[0].startswith("-") and args[0] != "--":
        sys.exit(_usage(f"no such option: {args[0]}"))
    else:
        words = args[1:] if args[0] == "--" else args
        if not words:
            sys.exit(_usage("which program?"))
        kind, program, rest = "", words[0], words[1:]
        if not os.path.exists(program):
            sys.exit(_usage(f"there is no file {program}"))
    install_pcapy()
    if kind == "-m":
        sys.argv = ["-m", *rest]
        sys.path[0] = os.getcwd()
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.argv = ["-c", *rest]
        sys.path[0] = ""
        _run_code(program)
    else:
        sys.argv = [program, *rest]
        # A directory or an archive with a __main__ puts itself there.
        if os.path.isfile(program):
            sys.path[0] = os.path.dirname(os.path.realpath(program))
        runpy.run_path(program, run_name="__main__")
    sys.exit(0)


def _usage(problem: str) -> int:
    print(f"pfring run: {problem}\n{USAGE}", end="", file=sys.stderr)
    return 2
