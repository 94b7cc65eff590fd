# SPDX-License-Identifier: BSD-3-Clause
"""pfring: packet capture with the fastest ring this machine offers."""

from pathlib import Path

from .errors import (
    Closed,
    DeviceDown,
    Error,
    FilterError,
    InUse,
    NoSuchDevice,
    NoSuchFile,
    NotSupported,
    PermissionDenied,
)

__all__ = [
    "Closed",
    "DeviceDown",
    "Error",
    "FilterError",
    "InUse",
    "NoSuchDevice",
    "NoSuchFile",
    "NotSupported",
    "PermissionDenied",
    "libpfring_path",
]


def libpfring_path() -> Path:
    """The libpfring that this package uses, for C programs and ctypes."""
    return Path(__file__).with_name("libpfring.so.5")
