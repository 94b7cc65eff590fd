# SPDX-License-Identifier: BSD-3-Clause
"""A program that puts itself under a seccomp filter, and opens a handle then.

The filter kills whoever starts a thread, calls bpf(2) or asks for a limit, as
sniffglue's does: libpcap does none of it. In the probe a program enters its
sandbox with an open handle.
"""

from __future__ import annotations

import sys

import pytest
from pfring.lab.netns import Wire
from support.overlay import SYSTEM, Way, environment, took

PROGRAM = """
import ctypes, platform, struct
libc, pcap = ctypes.CDLL(None, use_errno=True), ctypes.CDLL("libpcap.so.0.8")
# clone, clone3, bpf, prlimit64, getrlimit
killed = (56, 435, 321, 302, 97) if platform.machine() == "x86_64" else (220, 435, 280, 261, 163)
KILL, ALLOW = 0x80000000, 0x7FFF0000
code = b"".join(
    struct.pack("=HBBI", *instruction)
    for instruction in (
        (0x20, 0, 0, 0), *((0x15, len(killed) - i, 0, nr) for i, nr in enumerate(killed)),
        (0x06, 0, 0, ALLOW), (0x06, 0, 0, KILL),
    )
)
text = ctypes.create_string_buffer(code)
program = struct.pack("@HP", len(code) // 8, ctypes.addressof(text))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.c_char_p(program)) == 0
error = ctypes.create_string_buffer(256)
pcap.pcap_open_live.restype = ctypes.c_void_p
handle = pcap.pcap_open_live(b"cap0", 100, 1, 10, error)
assert handle, error.value
pcap.pcap_close(ctypes.c_void_p(handle))
print("closed")
"""


@pytest.mark.parametrize("way", [SYSTEM, Way("LD_LIBRARY_PATH", "")], ids=str)
def test_a_handle_opened_in_a_sandbox_starts_no_thread_and_no_ebpf(wire: Wire, way: Way) -> None:
    done = wire.rx.run([sys.executable, "-c", PROGRAM], env=environment(way))
    assert (done.returncode, done.stdout) == (0, "closed\n"), done.stderr
    assert took(done.stderr) == ([("cap0", "packet")] if way.loader else [])


def test_it_is_bpf_where_there_is_no_sandbox(wire: Wire) -> None:
    code = PROGRAM.replace("assert libc.prctl(22", "0 and libc.prctl(22")
    done = wire.rx.run([sys.executable, "-c", code], env=environment(Way("LD_LIBRARY_PATH", "")))
    assert done.stdout == "closed\n", done.stderr
    assert took(done.stderr)[0][1] in {"pfring", "bpf"}
