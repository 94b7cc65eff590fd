# SPDX-License-Identifier: BSD-3-Clause
"""pf_ring.ko on this machine: build it, sign it, load it, unload it, tell about it.

Loading is the system call itself, so that the reason of a failure is the
kernel's own and not a tool's text. Nothing here is needed to capture packets:
without the module the other paths are taken.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from . import _core
from .errors import Error, InUse, NotSupported, PermissionDenied

NAME = "pf_ring"
PARAMETERS = (
    "min_num_slots",
    "enable_tx_capture",
    "enable_ip_defrag",
    "quick_mode",
    "transparent_mode",
)
_PROC = Path("/proc/net/pf_ring")
_SYSFS = Path("/sys/module") / NAME
# finit_module, delete_module; arm64 and riscv64 share the generic table.
_CALLS = {
    "x86_64": (313, 176),
    "aarch64": (273, 106),
    "riscv64": (273, 106),
    "ppc64le": (353, 129),
    "s390x": (344, 129),
}
_PATIENCE = 3.0  # seconds for the last socket's memory to go

_LOAD_HINTS = {
    errno.EPERM: "loading modules needs CAP_SYS_MODULE (sudo), and no kernel lockdown",
    errno.ENOEXEC: "it was built for another kernel: pfring module build",
    errno.ENOENT: "a symbol it needs is missing: pfring module build, against this very kernel",
    errno.EKEYREJECTED: "Secure Boot wants a signature: pfring module sign",
    errno.ENOKEY: "its signer is not known to the kernel: enroll the certificate with mokutil",
    errno.EINVAL: "it refuses its parameters; the kernel's log says which (dmesg)",
}


class Status(NamedTuple):
    """What is known of the module here."""

    loaded: bool
    ours: bool
    abi: int | None
    parameters: dict[str, str]
    rings: list[str]
    built: Path | None
    secure_boot: bool | None


def sources() -> Path:
    """The folder kernel/: beside the package in a wheel, or in the checkout."""
    here = Path(__file__).resolve().parent
    for folder in (here / "kernel", here.parents[1] / "kernel"):
        if (folder / "Kbuild").exists():
            return folder
    raise NotSupported(errno.ENOENT, "the module's sources are not part of this installation")


def place(release: str | None = None) -> Path:
    """Where `build` puts the module for a kernel, and `load` looks for it."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "pfring" / (release or platform.release()) / f"{NAME}.ko"


def _text(command: list[str | Path]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise NotSupported(errno.ENOENT, f"{command[0]} is missing; install it") from None
    if done.returncode:
        said = (done.stdout + done.stderr).strip()[-2000:]
        raise Error(errno.EIO, f"{Path(command[0]).name} failed: {said}")
    return done.stdout


def build(
    output: Path | None = None, release: str | None = None, headers: Path | None = None
) -> Path:
    """Build pf_ring.ko for a kernel (this one unless told) and return where it is."""
    release = release or platform.release()
    headers = headers or Path("/lib/modules") / release / "build"
    target = output or place(release)
    if not (headers / "Makefile").exists():
        raise NotSupported(
            errno.ENOENT,
            f"no headers of kernel {release} in {headers}; install linux-headers-{release} "
            "(or kernel-devel), or name another folder",
        )
    with tempfile.TemporaryDirectory(prefix="pfring-module-") as scratch:
        copy = Path(scratch) / NAME
        shutil.copytree(sources(), copy, ignore=shutil.ignore_patterns("*.o", "*.ko", ".*"))
        _text(["make", "-C", copy, f"KERNEL_SRC={headers}", f"KERNELRELEASE={release}"])
        made = copy / f"{NAME}.ko"
        magic = _text(["modinfo", "-F", "vermagic", made]).split()
        if not magic or magic[0] != release:
            raise Error(
                errno.ENOEXEC, f"the headers in {headers} are of kernel {magic[:1]}, not {release}"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made, target)
    return target


def sign(module: Path | None = None, key: Path | None = None, cert: Path | None = None) -> str:
    """Sign a built module; returns what the script says."""
    if (key is None) != (cert is None):
        raise Error(errno.EINVAL, "a key needs its certificate, and the reverse")
    pair = [key, cert] if key and cert else []
    return _text(["sh", sources() / "sign.sh", module or place(), *pair])


def _call(which: int, *arguments: object) -> int:
    numbers = _CALLS.get(platform.machine())
    if numbers is None:
        raise NotSupported(errno.ENOSYS, f"not known how to load modules on {platform.machine()}")
    libc = ctypes.CDLL(None, use_errno=True)
    return 0 if libc.syscall(numbers[which], *arguments) == 0 else ctypes.get_errno()


def load(module: Path | None = None, **parameters: int) -> Path:
    """Load the module with parameters, and see that it answers."""
    path = module or place()
    unknown = sorted(set(parameters) - set(PARAMETERS))
    if unknown:
        raise Error(errno.EINVAL, f"no such parameter: {', '.join(unknown)}")
    words = " ".join(f"{name}={value}" for name, value in parameters.items())
    try:
        with open(path, "rb") as file:
            failed = _call(0, file.fileno(), ctypes.c_char_p(words.encode()), 0)
    except FileNotFoundError:
        raise NotSupported(
            errno.ENOENT, f"{path} is not there; make it with: pfring module build"
        ) from None
    if failed == errno.EEXIST:
        raise InUse(failed, "a pf_ring module is loaded already: pfring module unload")
    if failed:
        kind = PermissionDenied if failed == errno.EPERM else Error
        hint = _LOAD_HINTS.get(failed, "the kernel's log says more (dmesg)")
        raise kind(failed, f"cannot load {path}: {os.strerror(failed)}; {hint}")
    if not status().ours:
        raise Error(errno.EPROTO, f"{path} is loaded but does not answer as pfring's module")
    return path


def unload() -> None:
    """Unload it; who still uses it is told by name."""
    end = time.monotonic() + _PATIENCE
    while True:
        failed = _call(1, ctypes.c_char_p(NAME.encode()), os.O_NONBLOCK)
        if failed not in (errno.EWOULDBLOCK, errno.EBUSY) or time.monotonic() > end:
            break
        time.sleep(0.05)
    if failed == errno.ENOENT:
        raise Error(failed, "the module is not loaded")
    if failed == errno.EPERM:
        raise PermissionDenied(failed, "unloading modules needs CAP_SYS_MODULE (sudo)")
    if failed in (errno.EWOULDBLOCK, errno.EBUSY):
        users = ", ".join(rings()) or "rings in other network namespaces"
        raise InUse(errno.EBUSY, f"the module is in use by {users}")
    if failed:
        raise Error(failed, f"cannot unload the module: {os.strerror(failed)}")


def rings() -> list[str]:
    """The rings of this network namespace, as <pid>-<device>.<id>."""
    fixed = {"info", "dev", "plugins_info", "stats"}
    try:
        return sorted(p.name for p in _PROC.iterdir() if p.name not in fixed)
    except OSError:
        return []


def _abi() -> int | None:
    """What the module answers on its socket; None if nothing of ours does."""
    try:
        with socket.socket(_core.FAMILY, socket.SOCK_RAW, socket.htons(0x0003)) as sock:
            # kernel/uapi/pf_ring.h: SOL_PF_RING, PFR_SO_INFO, struct pfr_info
            return int.from_bytes(sock.getsockopt(0, 210, 40)[:4], sys.byteorder)
    except OSError:
        return None


def _secure_boot() -> bool | None:
    try:
        (path,) = Path("/sys/firmware/efi/efivars").glob("SecureBoot-*")
        return path.read_bytes()[-1:] == b"\1"
    except (OSError, ValueError):
        return None


def status() -> Status:
    """Look at /sys, /proc and the socket family; needs no privilege but the socket's."""
    abi = _abi()
    folder = _SYSFS / "parameters"
    parameters = {}
    for name in PARAMETERS:
        try:
            parameters[name] = (folder / name).read_text(encoding="ascii").strip()
        except OSError:
            continue
    return Status(
        loaded=_SYSFS.exists(),
        ours=abi == _core.ABI_VERSION,
        abi=abi,
        parameters=parameters,
        rings=rings(),
        built=place() if place().exists() else None,
        secure_boot=_secure_boot(),
    )
