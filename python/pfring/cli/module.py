# SPDX-License-Identifier: BSD-3-Clause
"""`pfring module …`: the kernel module on this machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from .. import module
from ..errors import Error
from . import FAILED, OK


def _run(work: Callable[[], str]) -> int:
    try:
        print(work())
    except Error as error:
        print(f"pfring module: {error.strerror or error}", file=sys.stderr)
        return FAILED
    return OK


def build(output: Path | None, release: str | None, headers: Path | None) -> int:
    """Build and say where the module is."""
    return _run(lambda: f"built {module.build(output, release, headers)}")


def sign(path: Path | None, key: Path | None, cert: Path | None) -> int:
    """Sign and repeat what the script said."""
    return _run(lambda: module.sign(path, key, cert).strip())


def load(path: Path | None, parameters: list[str]) -> int:
    """Load with name=number parameters."""
    values = {}
    for word in parameters:
        name, _, number = word.partition("=")
        if not number.isdecimal():
            print(f"pfring module: {word}: parameters are NAME=NUMBER", file=sys.stderr)
            return 2
        values[name] = int(number)
    return _run(lambda: f"loaded {module.load(path, **values)}")


def unload() -> int:
    """Unload."""

    def work() -> str:
        module.unload()
        return "unloaded"

    return _run(work)


def status() -> int:
    """Tell; exit code 1 unless our module is loaded."""
    now = module.status()
    if now.ours:
        print(f"loaded      yes, ABI {now.abi}")
    elif now.loaded:
        print(f"loaded      yes, but it is not this version's (ABI {now.abi or 'unknown'})")
    else:
        print("loaded      no")
    for name, value in now.parameters.items():
        print(f"            {name}={value}")
    print(f"rings       {', '.join(now.rings) or 'none in this network namespace'}")
    print(f"built       {now.built or 'not for this kernel: pfring module build'}")
    boot = {True: "on: modules must be signed", False: "off", None: "not known"}[now.secure_boot]
    print(f"Secure Boot {boot}")
    return OK if now.ours else FAILED
