# SPDX-License-Identifier: BSD-3-Clause
"""What a program may do to its mapping of a ring besides reading and writing it."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import signal
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from frames import numbered
from pfsock import Ring, Sender, check, libc, pair

PAGE = 4096
MREMAP_MAYMOVE = 1
MADV_DONTNEED = 4
SYS_USERFAULTFD, USER_MODE_ONLY = 323, 1
UFFDIO_API, UFFDIO_REGISTER, UFFD_API, MISSING = 0xC018AA3F, 0xC020AA00, 0xAA, 1

libc.mmap.restype = libc.mremap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
libc.mremap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


@contextmanager
def mapped(ring: Ring) -> Iterator[int]:
    """The address of all of lane 0, read-only and not Python's."""
    length = ring.info()[7]
    at = libc.mmap(None, length, mmap.PROT_READ, mmap.MAP_SHARED, ring.fileno(), 0)
    assert at != 2**64 - 1, ctypes.get_errno()
    try:
        yield at
    finally:
        libc.munmap(at, length)


def offset_of(at: int) -> int:
    """Where in its file a mapping starts, as the kernel says."""
    for line in Path("/proc/self/maps").read_text(encoding="ascii").splitlines():
        start, _, _, offset, *_ = line.replace("-", " ", 1).split()
        if int(start, 16) == at:
            return int(offset, 16)
    raise AssertionError(f"nothing at {at:#x}")


def signal_of(at: int) -> int:
    """Which signal reading a byte there ends a process with."""
    child = os.fork()
    if not child:
        ctypes.string_at(at, 1)
        os._exit(0)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


def test_moved_mapping_stays_at_its_place_in_the_file() -> None:
    with pair() as (v0, v1), Ring(v1, lanes=1, size=65536) as ring:
        sender = Sender(v0)
        sender.send(numbered(1))
        sender.close()
        length = ring.info()[7]
        start = libc.mmap(None, length - PAGE, mmap.PROT_READ, mmap.MAP_SHARED, ring.fileno(), PAGE)
        free = libc.mmap(None, length, 0, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
        libc.mremap.argtypes = [*libc.mremap.argtypes[:4], ctypes.c_void_p]
        moved = libc.mremap(start, length - PAGE, length - PAGE, MREMAP_MAYMOVE | 2, free)
        assert moved == free
        assert offset_of(moved) == PAGE
        assert ctypes.string_at(moved + PAGE + 32, 60) == numbered(1)[:60]
        assert libc.munmap(moved, length) == 0


def test_page_that_was_given_back_is_gone_and_not_zeros() -> None:
    with Ring("lo", lanes=1, size=65536) as ring, mapped(ring) as at:
        assert signal_of(at) == 0
        assert check(libc.madvise(at, PAGE, MADV_DONTNEED)) == 0
        assert signal_of(at) == signal.SIGBUS


def test_faults_are_not_for_user_space_to_handle() -> None:
    fd = libc.syscall(SYS_USERFAULTFD, os.O_CLOEXEC | USER_MODE_ONLY)
    if fd < 0 and ctypes.get_errno() == errno.EINVAL:  # before 5.11
        fd = libc.syscall(SYS_USERFAULTFD, os.O_CLOEXEC)
    if fd < 0:
        assert ctypes.get_errno() == errno.ENOSYS  # a kernel that cannot: nothing to try
        return
    with Ring("lo", lanes=1, size=65536) as ring, mapped(ring) as at:
        fcntl.ioctl(fd, UFFDIO_API, struct.pack("<3Q", UFFD_API, 0, 0))
        want = struct.pack("<4Q", at + PAGE, PAGE, MISSING, 0)
        code = 0
        try:
            fcntl.ioctl(fd, UFFDIO_REGISTER, want)
        except OSError as error:
            code = error.errno or 0
        assert code == errno.EINVAL
    os.close(fd)
