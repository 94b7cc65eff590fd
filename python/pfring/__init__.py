# SPDX-License-Identifier: BSD-3-Clause
"""pfring: packet capture with the fastest ring this machine offers.

    with pfring.open("eth0", "tcp port 443") as ring:
        for ts_ns, data in ring:
            ...

Importing this package loads the extension and nothing heavy; NumPy, scapy and
the command line's libraries are imported by what needs them.
"""

from __future__ import annotations

import os

from . import _core
from ._core import Dumper, Ring, compile_filter, parse
from .errors import (
    Closed,
    DeviceDown,
    Error,
    FilterError,
    InUse,
    NoSuchDevice,
    NoSuchFile,
    NoSuchRule,
    NotSupported,
    PermissionDenied,
    RuleError,
)
from .install import install_pcapy, install_pypcap

# Type checkers know the name; importing it from typing would cost more than the extension.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Literal

    from .batch import Batch, Batches, Flows
    from .fanout import Result, WorkerDied, Workers, workers
    from .interfaces import devices
    from .records import Details, Device, Lane, Parsed, Stats
    from .rules import HashRule, HashRules, Rule, Rules, RuleStats
    from .tally import Protocols, Talker, Talkers
    from .writers import ParquetWriter, Writer, writer

__all__ = [
    "Batch",
    "Batches",
    "Closed",
    "Details",
    "Device",
    "DeviceDown",
    "Dumper",
    "Error",
    "FilterError",
    "Flows",
    "HashRule",
    "HashRules",
    "InUse",
    "Lane",
    "NoSuchDevice",
    "NoSuchFile",
    "NoSuchRule",
    "NotSupported",
    "ParquetWriter",
    "Parsed",
    "PermissionDenied",
    "Protocols",
    "Result",
    "Ring",
    "Rule",
    "RuleError",
    "RuleStats",
    "Rules",
    "Stats",
    "Talker",
    "Talkers",
    "WorkerDied",
    "Workers",
    "Writer",
    "compile_filter",
    "devices",
    "install_pcapy",
    "install_pypcap",
    "libpcap_path",
    "libpfring_path",
    "open",
    "parse",
    "workers",
    "writer",
]

__version__ = _core.version()


def open(
    source: str | os.PathLike[str],
    filter: str | None = None,
    *,
    snaplen: int = 262144,
    promisc: bool = True,
    timeout: float | None = None,
    immediate: bool = False,
    buffer: int | None = None,
    latency: float | None = None,
    direction: Literal["inout", "in", "out"] = "inout",
    cooked: bool = False,
    hw_timestamps: bool = False,
    cluster: int | None = None,
    balance: str = "flow",
) -> Ring:
    """Open a device ("eth0", "any", "packet:eth0@2" ...) or, as a `Path`, a capture file.

    filter: a pcap-filter(7) expression, in force before the first packet.
    timeout: seconds that a read or an iteration waits for a packet; None waits for ever.
    immediate: hand over each packet at once instead of batches.
    buffer: bytes of ring memory; None is small enough to stay in the processor's cache.
    latency: seconds the ring may hold packets back to make a batch.
    cooked: Linux cooked headers (SLL), for "any" and devices without Ethernet headers.
    cluster: share the device's packets with the other rings of this cluster, from the first one
        on; balance says which go to the same ring, as in `Ring.cluster()`.
    """
    if not isinstance(source, str):
        source = b"file:" + os.fsencode(source)  # type: ignore[assignment]
    try:
        return Ring(
            source,  # type: ignore[arg-type]
            filter,
            snaplen=snaplen,
            promisc=promisc,
            timeout=timeout,
            immediate=immediate,
            buffer=buffer or 0,
            latency=latency,
            direction=direction,
            cooked=cooked,
            hw_timestamps=hw_timestamps,
            cluster=cluster,
            balance=balance,
        )
    except NoSuchDevice as e:
        if not isinstance(source, str) or not os.path.isfile(source):
            raise
        # A device may have any name, so a name alone is never taken for a file's.
        text = f"{source} is no device; to read the file, open pathlib.Path({source!r})"
        raise NoSuchDevice(e.errno, text) from None


def libpfring_path() -> Path:
    """Return the libpfring that this package uses, for C programs and ctypes."""
    from pathlib import Path

    # Not __file__: an editable install leaves the sources where they are.
    return Path(_core.__file__).with_name("libpfring.so.5")


def libpcap_path() -> Path:
    """Return our libpcap.so, which stands in for the system's (docs/libpcap.md)."""
    return libpfring_path().with_name("libpcap") / "libpcap.so.0.8"


_LAZY = {
    name: module
    for module, names in {
        "batch": "Batch Batches Flows",
        "interfaces": "devices",
        "records": "Details Device Lane Parsed Stats",
        "rules": "HashRule HashRules Rule RuleStats Rules",
        "tally": "Protocols Talker Talkers",
        "fanout": "Result WorkerDied Workers workers",
        "writers": "ParquetWriter Writer writer",
    }.items()
    for name in names.split()
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{_LAZY[name]}", __name__), name)
    globals()[name] = value
    return value
