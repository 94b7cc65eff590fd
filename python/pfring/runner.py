# SPDX-License-Identifier: BSD-3-Clause
"""`pfring run`: runs an unmodified program over pfring: pcapy, pypcap and scapy are served.

The program finds what it would find under plain `python`: its own sys.argv,
sys.path[0] and `__main__`. Nothing of the command line's libraries is loaded.
Python processes that it starts itself are plain Python again.
"""

from __future__ import annotations

import io
import os
import runpy
import sys
from importlib.machinery import SourceFileLoader
from types import ModuleType
from typing import NoReturn

from .importing import serve

USAGE = """\
usage: pfring run PROGRAM.py [ARG]...
       pfring run -m MODULE [ARG]...
       pfring run -c CODE [ARG]...

Runs an unmodified Python program over pfring: `import pcapy` and `import pcap`
(pypcap) give it pfring's, and scapy captures and sends through pfring's rings.
"""


def _new_main() -> dict[str, object]:
    """Put a fresh `__main__` in place of ours; it lives as long as the process."""
    module = ModuleType("__main__")
    module.__dict__["__builtins__"] = sys.modules["builtins"]
    module.__annotations__ = {}
    sys.modules["__main__"] = module
    return module.__dict__


def _run_code(code: str) -> None:
    exec(compile(code, "<string>", "exec"), _new_main())


def _is_bundle(path: str) -> bool:
    """Tell a directory or archive with a __main__, or compiled code, from a script."""
    if path.endswith(".py"):
        return False
    if os.path.isdir(path) or path.endswith(".pyc"):
        return True
    from zipfile import is_zipfile

    return is_zipfile(path)


def _run_file(path: str) -> None:
    full = os.path.join(os.getcwd(), path)
    if _is_bundle(path):
        del sys.path[0]  # the bundle puts itself there
        runpy.run_path(full, run_name="__main__")
        return
    sys.path[0] = os.path.dirname(os.path.realpath(path))
    with io.open_code(full) as file:
        code = compile(file.read(), full, "exec")
    main = _new_main()
    main.update(__file__=full, __cached__=None, __loader__=SourceFileLoader("__main__", full))
    exec(code, main)


def _run_module(name: str) -> None:
    sys.path[0] = os.getcwd()
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def _usage(problem: str) -> NoReturn:
    print(f"pfring run: {problem}\n{USAGE}", end="", file=sys.stderr)
    sys.exit(2)


def main(args: list[str]) -> NoReturn:
    """Run a program and exit as it does."""
    if not args or args[0] in ("-h", "--help"):
        print(USAGE, end="", file=sys.stdout if args else sys.stderr)
        sys.exit(0 if args else 2)
    kind = args[0] if args[0] in ("-m", "-c") else ""
    words = args[1:] if kind or args[0] == "--" else args
    if not words:
        _usage(f"{args[0]} needs an argument")
    if not kind and args[0] != "--" and args[0].startswith("-"):
        _usage(f"no such option: {args[0]}")
    program, rest = words[0], words[1:]
    if not kind and not os.path.exists(program):
        _usage(f"there is no file {program}")
    serve()
    sys.argv = [kind or program, *rest]
    if kind == "-m":
        _run_module(program)
    elif kind == "-c":
        sys.path[0] = ""
        _run_code(program)
    else:
        _run_file(program)
    sys.exit(0)
