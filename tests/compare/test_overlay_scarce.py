# SPDX-License-Identifier: BSD-3-Clause
"""Activation where descriptors or memory run out: a handle that libpcap can have, a program gets.

One program opens a handle under a limit and tells what came of it, for each
limit in turn; it runs over the system's library and over ours.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from pfring.lab.netns import Wire
from pfring.lab.replay import Replay
from pfring.lab.trace import mixed_trace
from support.at_once import at_once
from support.overlay import SYSTEM, Way, environment, took

FRAMES = 20
OURS = Way("LD_LIBRARY_PATH", "")
PROGRAM = """
import ctypes, json, os, resource, sys, time

class Header(ctypes.Structure):
    _fields_ = [("ts", ctypes.c_long * 2), ("caplen", ctypes.c_uint32), ("len", ctypes.c_uint32)]

pcap = ctypes.CDLL("libpcap.so.0.8")
for name in ("create", "geterr"):
    getattr(pcap, "pcap_" + name).restype = ctypes.c_void_p
what, limit = sys.argv[1], int(sys.argv[2])
kind = {"descriptors": resource.RLIMIT_NOFILE, "memory": resource.RLIMIT_AS}[what]
error = ctypes.create_string_buffer(256)
pcap.pcap_lookupdev(error)
p = ctypes.c_void_p(pcap.pcap_create(b"cap0", error))
pcap.pcap_set_timeout(p, 10)
if what == "descriptors":
    now = max(map(int, os.listdir("/proc/self/fd")))  # the last is the folder's own
else:
    now = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGESIZE")
soft, hard = resource.getrlimit(kind)
resource.setrlimit(kind, (now + limit, hard))
code = pcap.pcap_activate(p)
resource.setrlimit(kind, (soft, hard))
print(json.dumps([code, ctypes.string_at(pcap.pcap_geterr(p)).decode()]), flush=True)
if code < 0:
    sys.exit()
header, data, got = ctypes.POINTER(Header)(), ctypes.c_void_p(), []
for _ in range(int(sys.argv[3])):
    assert pcap.pcap_next_ex(p, ctypes.byref(header), ctypes.byref(data)) == 1
    got.append(ctypes.string_at(data, header.contents.caplen).hex())
    print("got it", flush=True)
print(json.dumps(got))
pcap.pcap_close(p)
"""


class Run:
    """The program under one limit: what activation gave, and the bytes of the frames."""

    def __init__(self, wire: Wire, way: Way, what: str, limit: int) -> None:
        self.process = wire.rx.popen(
            [sys.executable, "-c", PROGRAM, what, str(limit), str(FRAMES)],
            env=environment(way),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        self.code, self.error = json.loads(line or "[null, null]")

    def take_one(self) -> None:
        """Wait until it has read a frame."""
        assert self.process.stdout
        if self.code >= 0:
            assert self.process.stdout.readline() == "got it\n"

    def finish(self) -> None:
        assert self.process.stdout
        # A line as before: communicate() knows nothing of what readline() has read ahead.
        out = self.process.stdout.readline()
        self.told = self.process.communicate(timeout=300)[1]
        assert self.process.returncode == 0, self.told
        self.frames = [bytes.fromhex(frame) for frame in json.loads(out)] if out else []


def under(wire: Wire, way: Way, what: str, limits: range) -> list[Run]:
    """Run it under each limit, all at the same time, with frames going by."""
    runs = [Run(wire, way, what, limit) for limit in limits]

    def all_have_it(_: int) -> None:
        for run in runs:
            run.take_one()

    # One by one: the smallest of rings holds few, and a block that is read has no room.
    with Replay(wire, mixed_trace(FRAMES).frames) as replay:
        replay.send(rate=50, progress=all_have_it)
    for run in runs:
        run.finish()
    return runs


def test_where_descriptors_run_out_what_libpcap_can_open_is_opened(wire: Wire) -> None:
    limits = range(16)
    theirs, ours = (under(wire, way, "descriptors", limits) for way in (SYSTEM, OURS))
    assert [(run.code, run.error) for run in ours] == [(run.code, run.error) for run in theirs]
    assert {run.code for run in theirs} == {0, -1}
    sent = list(mixed_trace(FRAMES).frames)
    for run in (*theirs, *ours):
        assert run.frames == ([] if run.code < 0 else sent)
    assert not any("no network interface" in run.told for run in ours)
    # From no room for anything of ours to the best there is.
    paths = [path for run in ours for _, path in took(run.told)]
    assert (paths[0], "packet" in paths) == ("", True)
    assert paths[-1] in {"bpf", "pfring"}


def test_where_a_ring_finds_no_memory_the_real_handle_goes_on(wire: Wire) -> None:
    [run] = under(wire, OURS, "memory", range(1 << 20, (1 << 20) + 1))
    assert run.code == 1, run.error  # PCAP_WARNING
    assert "no memory for a ring handle: libpcap captures" in run.error
    assert run.frames == list(mixed_trace(FRAMES).frames)
    assert took(run.told) == [("cap0", "")]
    assert "system libpcap (no memory for a ring handle)" in run.told


@pytest.mark.parametrize("backend", ["packet", "bpf"])
def test_a_path_that_was_demanded_is_that_or_none(wire: Wire, backend: str) -> None:
    way = Way("LD_LIBRARY_PATH", backend)
    [run] = under(wire, way, "memory", range(1 << 20, (1 << 20) + 1))
    assert (run.code, run.error) == (-1, "no memory for a ring handle")


MANY = """
import ctypes, json, resource, sys, time

pcap = ctypes.CDLL("libpcap.so.0.8")
pcap.pcap_create.restype = ctypes.c_void_p
error = ctypes.create_string_buffer(256)
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
handles, codes = [], []
for _ in range(int(sys.argv[1])):
    p = ctypes.c_void_p(pcap.pcap_create(b"cap0", error))
    assert p, error.value
    pcap.pcap_set_timeout(p, 10)
    pcap.pcap_set_snaplen(p, 200)
    codes.append(pcap.pcap_activate(p))
    pcap.pcap_setnonblock(p, 1, error)
    handles.append(p)
print(json.dumps(codes), flush=True)
own = [open("/dev/null") for _ in range(10)]

@ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
def count(user, header, data):
    global got
    got += 1

counts = []
for p in handles:
    got, end = 0, time.monotonic() + 60
    while got < int(sys.argv[2]) and time.monotonic() < end:
        assert pcap.pcap_dispatch(p, -1, count, None) >= 0
        time.sleep(0.001)
    counts.append(got)
print(json.dumps(counts))
"""


def test_fifty_handles_leave_descriptors_to_the_program(wire: Wire) -> None:
    frames = mixed_trace(FRAMES).frames
    process = wire.rx.popen(
        [sys.executable, "-c", MANY, "50", str(len(frames))],
        env=environment(OURS),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout
        assert json.loads(process.stdout.readline()) == [0] * 50
        # libpcap's own ring has few blocks, and each is closed after 10 ms.
        with Replay(wire, frames) as replay, at_once():
            replay.send()
        out, told = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 0, told
    assert json.loads(out) == [len(frames)] * 50
    paths = [path for _, path in took(told)]
    # The best one, then those that take fewer, then the real library's own two each.
    assert len(paths) == 50
    assert paths.index("packet") > 5
    assert paths[-1] == ""


# A program that finds libpcap by itself: inside, the real one does not come upon ours.
LIVE = """
import ctypes
pcap = ctypes.CDLL("libpcap.so.0.8")
pcap.pcap_open_live.restype = ctypes.c_void_p
error = ctypes.create_string_buffer(256)
print(pcap.pcap_open_live(b"cap0", 100, 0, 10, error), error.value.decode())
"""


def test_open_live_keeps_to_the_path_that_was_demanded(wire: Wire) -> None:
    without = "--bounding-set=-bpf,-sys_admin"
    command = ["setpriv", without, sys.executable, "-c", LIVE]
    done = wire.rx.run(command, env=environment(Way("LD_LIBRARY_PATH", "bpf")))
    assert done.returncode == 0, done.stderr
    handle, device, why = done.stdout.split(maxsplit=2)
    assert (handle, device) == ("None", "cap0:")
    assert "CAP_BPF is needed" in why
    assert took(done.stderr) == []
