# SPDX-License-Identifier: BSD-3-Clause
"""`pfring doctor`: what this machine offers, what is missing, what to do about it.

Every line is found out by trying (a socket, a program, a ring), not by reading
version numbers. Nothing is changed, no packet is captured.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import socket
import sys
from collections.abc import Iterator
from typing import NamedTuple

import pfring
from pfring import _core

from . import FAILED, OK
from .devices import path_of

GOOD, MISSING, BAD = "ok", "--", "!!"

_CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13, "CAP_SYS_ADMIN": 21, "CAP_BPF": 39}
_CAPABILITY_VERSION_3 = 0x20080522
_ETH_P_ALL = 0x0003
# kernel/uapi/pf_ring.h: SOL_PF_RING, PFR_SO_INFO and the size of struct pfr_info.
_SOL_PF_RING, _PFR_SO_INFO, _PFR_INFO_SIZE = 0, 210, 40
_SYS_BPF = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "ppc64le": 361, "s390x": 351}
_BPF_PROG_LOAD = 5
_BPF_PROG_TYPES = {"socket filter": 1, "XDP": 6}


class Finding(NamedTuple):
    """One line of the report."""

    state: str
    what: str
    text: str
    advice: str = ""


def _capabilities() -> set[str]:
    """Ask the kernel, not /proc, which a process that dropped its privileges may not read."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; low words, then high
    ctypes.CDLL(None).capget(ctypes.byref(header), ctypes.byref(sets))
    bits = sets[3] << 32 | sets[0]
    return {name for name, bit in _CAPABILITIES.items() if bits >> bit & 1}


def privileges() -> Finding:
    """Capturing takes CAP_NET_RAW; the rest makes it faster or fuller."""
    have = _capabilities()
    text = " ".join(sorted(have)) or "none of " + " ".join(sorted(_CAPABILITIES))
    if "CAP_NET_RAW" in have:
        return Finding(GOOD, "privileges", text)
    return Finding(
        BAD,
        "privileges",
        text,
        "run with sudo, or give the interpreter CAP_NET_RAW and CAP_NET_ADMIN (setcap)",
    )


def module() -> Finding:
    """The kernel module answers on its own socket family, with its ABI."""
    what = "kernel module"
    try:
        sock = socket.socket(_core.FAMILY, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    except OSError as error:
        if error.errno in (errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT):
            return Finding(MISSING, what, "not loaded; the other paths do without it")
        return Finding(MISSING, what, f"cannot be asked: {error.strerror}", "run as root")
    with sock:
        try:
            info = sock.getsockopt(_SOL_PF_RING, _PFR_SO_INFO, _PFR_INFO_SIZE)
        except OSError:
            return Finding(BAD, what, f"socket family {_core.FAMILY} is not pfring's")
    abi = int.from_bytes(info[:4], sys.byteorder)
    if abi == _core.ABI_VERSION:
        return Finding(GOOD, what, f"loaded, ABI {abi}")
    return Finding(
        BAD,
        what,
        f"loaded with ABI {abi}, this library speaks {_core.ABI_VERSION}",
        "build module and library from the same sources",
    )


def _load_program(kind: int) -> str:
    """Load `return 0` as a BPF program of this kind; '' or why it cannot be."""
    number = _SYS_BPF.get(platform.machine())
    if number is None:
        return f"not known how to ask on {platform.machine()}"
    code = bytes.fromhex("b7000000000000009500000000000000")  # r0 = 0; exit
    program, licence = ctypes.create_string_buffer(code), ctypes.create_string_buffer(b"GPL")
    attributes = bytearray(128)  # union bpf_attr of <linux/bpf.h>, the rest zero
    attributes[0:8] = kind.to_bytes(4, sys.byteorder) + (2).to_bytes(4, sys.byteorder)
    attributes[8:16] = ctypes.addressof(program).to_bytes(8, sys.byteorder)
    attributes[16:24] = ctypes.addressof(licence).to_bytes(8, sys.byteorder)
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = (ctypes.c_char * len(attributes)).from_buffer(attributes)
    fd = libc.syscall(number, _BPF_PROG_LOAD, ctypes.byref(buffer), len(attributes))
    if fd < 0:
        return os.strerror(ctypes.get_errno())
    os.close(fd)
    return ""


def bpf() -> Iterator[Finding]:
    """The eBPF paths load programs into the kernel."""
    for name, kind in _BPF_PROG_TYPES.items():
        why = _load_program(kind)
        what = f"eBPF {name}"
        if why:
            yield Finding(MISSING, what, f"programs cannot be loaded: {why}", "needs CAP_BPF")
        else:
            yield Finding(GOOD, what, "programs can be loaded")


def libpcap() -> Finding:
    """Filter expressions are compiled by the system's libpcap."""
    try:
        pfring.compile_filter("tcp")
    except pfring.Error as error:
        return Finding(BAD, "libpcap", error.strerror or "", "without it no filter can be compiled")
    paths = set()
    with (
        contextlib.suppress(OSError),
        open("/proc/self/maps", encoding="utf-8", errors="replace") as maps,
    ):
        paths = {line.split()[-1] for line in maps if "libpcap" in line}
    return Finding(GOOD, "libpcap", " ".join(sorted(paths)) or "found")


def rings() -> Finding:
    """Open what a bare name opens, and look at its memory."""
    what = "a bare name"
    backend, why = path_of("lo")
    if backend == "-":
        return Finding(BAD, what, "nothing can be captured", why)
    with pfring.open("lo", promisc=False) as ring:
        size = ring.stats().ring_bytes
    return Finding(GOOD, what, f"gets {backend} ({why}), with a ring of {size / 2**20:.1f} MiB")


def examine() -> list[Finding]:
    """Everything, in the order in which one thing needs another."""
    system = f"Linux {platform.release()} {platform.machine()}, Python {platform.python_version()}"
    return [
        Finding(GOOD, "system", system),
        Finding(GOOD, "pfring", f"{pfring.__version__}, {pfring.libpfring_path()}"),
        privileges(),
        module(),
        *bpf(),
        libpcap(),
        rings(),
    ]


def run() -> int:
    """Print the report; returns the exit code."""
    findings = examine()
    styles = {GOOD: "32", MISSING: "33", BAD: "31"}
    colour = sys.stdout.isatty()
    for state, what, text, advice in findings:
        mark = f"\x1b[{styles[state]}m{state}\x1b[0m" if colour else state
        print(f"{mark}  {what:19s} {text}")
        if advice:
            print(f"    {'':19s} {advice}")
    return FAILED if findings[-1].state == BAD else OK
