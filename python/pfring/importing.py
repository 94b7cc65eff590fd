# SPDX-License-Identifier: BSD-3-Clause
"""Serves a program that knows nothing of pfring, as it imports what it captures with.

Only `pfring run` uses this. pcapy is put in place at once; pypcap's `pcap` when
it is imported, unless the program has a module of that name of its own; scapy,
which imports itself in circles, when the outermost import of one of its modules
is over. Nothing is loaded that the program does not ask for.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

from .install import install_pcapy


def serve() -> None:
    """Have everything that the program will import found here first."""
    install_pcapy()
    sys.meta_path.insert(0, _Pypcap())
    sys.meta_path.insert(0, _Scapy())


class _Pypcap:
    """Finds `pcap`: pypcap's, or pcap-ct's, or where neither is installed."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return a spec of pfring.pypcap, if the program means pypcap."""
        if name != "pcap":
            return None
        other = PathFinder.find_spec(name, path, target)
        if other is not None and "-packages" not in (other.origin or "-packages"):
            return None  # a module of the program's own
        return ModuleSpec(name, _Ready())  # type: ignore[arg-type]


class _Ready:
    """A loader that hands out pfring.pypcap as it is."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module; importing gives it the spec of `pcap`, exec_module takes it away."""
        del spec
        from . import pypcap

        self._spec = pypcap.__spec__
        return pypcap

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module as it was."""
        module.__spec__ = self._spec


class _Scapy:
    """Finds scapy's modules as usual, and notices when an import of them is over."""

    def __init__(self) -> None:
        self._depth = 0
        self._served = False

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the usual spec, with a loader that tells us when it is done."""
        if self._served or (name != "scapy" and not name.startswith("scapy.")):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def load_and_look(module: ModuleType) -> None:
            self._depth += 1
            try:
                load(module)
            finally:
                self._depth -= 1
            if self._depth == 0 and "scapy.arch" in sys.modules and not self._served:
                self._served = True
                from .scapy import install

                install()

        spec.loader.exec_module = load_and_look  # type: ignore[method-assign]
        return spec
