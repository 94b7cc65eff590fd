# SPDX-License-Identifier: BSD-3-Clause
"""Puts pfring's modules in the place of others, when a program asks for that."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # typing costs more than this module
if TYPE_CHECKING:
    from types import ModuleType


def install_pcapy() -> None:
    """Make `import pcapy` mean pfring.pcapy from now on, in this process.

    Call it before anything imports pcapy: a module that already holds another
    pcapy would keep it, and the two do not know each other's objects.
    """
    from . import pcapy

    _stand_in("pcapy", pcapy)


def install_pypcap() -> None:
    """Make `import pcap` mean pfring.pypcap from now on, in this process.

    As with install_pcapy(), call it before anything imports pcap.
    """
    from . import pypcap

    _stand_in("pcap", pypcap)


def _stand_in(name: str, module: ModuleType) -> None:
    other = sys.modules.get(name, module)
    if other is not module:
        raise RuntimeError(
            f"{name} is already imported from {getattr(other, '__file__', 'elsewhere')}; "
            f"call pfring.install_{module.__name__.rpartition('.')[2]}() before the first "
            f"import of {name}"
        )
    sys.modules[name] = module
