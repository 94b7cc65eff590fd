# SPDX-License-Identifier: BSD-3-Clause
"""Puts pfring's modules in the place of others, when a program asks for that."""

from __future__ import annotations

import sys


def install_pcapy() -> None:
    """Make `import pcapy` mean pfring.pcapy from now on, in this process.

    Call it before anything imports pcapy: a module that already holds another
    pcapy would keep it, and the two do not know each other's objects.
    """
    from . import pcapy

    other = sys.modules.get("pcapy", pcapy)
    if other is not pcapy:
        raise RuntimeError(
            f"pcapy is already imported from {getattr(other, '__file__', 'elsewhere')}; "
            "call pfring.install_pcapy() before the first import of pcapy"
        )
    sys.modules["pcapy"] = pcapy
