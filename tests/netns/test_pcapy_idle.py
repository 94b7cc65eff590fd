# SPDX-License-Identifier: BSD-3-Clause
"""pfring.pcapy while nothing comes: Ctrl-C, threads, closing, devices that go.

pcapy-ng hangs, crashes or loses something in most of these; see docs/pcapy.md.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pfring import pcapy
from pfring.lab.netns import Wire
from pfring.lab.replay import Replay
from pfring.lab.trace import Trace
from support.asleep import until_asleep
from support.backends import LIVE

READS = {
    "loop": "reader.loop(-1, print)",
    "next": "reader.next()",
    "dispatch": "reader.dispatch(-1, print)",
    "next_batch": "reader.next_batch(100)",
    "loop_filtered": "reader.loop_filtered(-1, print)",
    "loop_to_buffer": "reader.loop_to_buffer(-1, bytearray(100))",
    "next-nonblocking-loop": "reader.setnonblock(1); reader.loop(-1, print)",
}
PROGRAM = """
import sys
from pfring import pcapy
reader = pcapy.open_live("cap0", 65535, 1, {to_ms})
print("ready", flush=True)
try:
    {read}
except KeyboardInterrupt:
    print("interrupted", reader.stats())
"""


def wait_for(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


HELD_BACK = {
    "pcapy": """
from pfring import pcapy
reader = pcapy.open_live("{device}", 65535, 1, 100_000)
print("ready", flush=True)
reader.loop(40, lambda header, data: None)
print(0)
""",
    "pypcap": """
from pfring import pypcap
packets = iter(pypcap.pcap("{device}", timeout_ms=100_000))
print("ready", flush=True)
for _ in range(40):
    next(packets)
print(0)
""",
}


@pytest.mark.parametrize("backend", LIVE)
@pytest.mark.parametrize("module", HELD_BACK)
def test_a_long_time_out_does_not_keep_the_tail_of_a_stream(
    wire: Wire, trace: Trace, module: str, backend: str
) -> None:
    program = HELD_BACK[module].format(device=f"{backend}:cap0")
    with wire.rx.popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
            with Replay(wire, trace.frames[:40]) as replay:
                replay.send()
            # Far less than the time-out.
            out, err = process.communicate(timeout=300)
        finally:
            process.kill()
    assert (out, err, process.returncode) == ("0\n", "", 0)


@pytest.mark.parametrize("to_ms", [0, 100])
@pytest.mark.parametrize("read", READS)
def test_control_c_ends_an_idle_call(wire: Wire, read: str, to_ms: int) -> None:
    program = PROGRAM.format(read=READS[read], to_ms=to_ms)
    with wire.rx.popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        until_asleep(process.pid, process.pid)
        process.send_signal(signal.SIGINT)
        try:
            out, err = process.communicate(timeout=300)
        finally:
            process.kill()
    assert (out, err, process.returncode) == ("interrupted (0, 0, 0)\n", "", 0)


BOOKS = """
import sys, time
import pcapy
reader = pcapy.create("cap0")
reader.set_promisc(1)
reader.set_timeout(10)
reader.set_buffer_size(1 << 26)
reader.activate()
seen = 0
def count(header, data):
    global seen
    seen += 1
print("ready", flush=True)
try:
    reader.loop(-1, count)
except KeyboardInterrupt:
    print("interrupted", flush=True)
sys.stdin.readline()
time.sleep(0.2)
reader.setnonblock(1)
reader.dispatch(-1, count)
print(seen, *reader.stats()[:2])
"""


def test_control_c_under_load_loses_no_packet(wire: Wire, trace: Trace) -> None:
    program = "import pfring; pfring.install_pcapy()" + BOOKS
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with wire.rx.popen([sys.executable, "-c", program], **pipes) as process:
        assert process.stdout
        process.stdout.readline()

        def interrupt(n: int) -> None:
            if n == 12_800:
                process.send_signal(signal.SIGINT)

        with Replay(wire, trace.frames[:20_000]) as replay:
            replay.send(rate=50_000, progress=interrupt)
        out, _ = process.communicate("go on\n", timeout=60)
    interrupted, books = out.splitlines()
    seen, received, dropped = map(int, books.split())
    assert (interrupted, received, dropped) == ("interrupted", 20_000, 0)
    # The packet whose callback the signal hit was handed over, but perhaps not counted yet.
    assert seen in (19_999, 20_000)


def test_a_python_signal_handler_runs_while_waiting(wire: Wire, trace: Trace) -> None:
    runs: list[int] = []
    with wire.rx.entered():
        reader = pcapy.open_live(Wire.CAPTURE, 65535, 1, 10)
    old = signal.signal(signal.SIGALRM, lambda *_: runs.append(1))
    try:
        with Replay(wire, trace.frames[:1]) as replay:

            def send_then() -> None:
                try:
                    wait_for(lambda: len(runs) > 3)
                finally:
                    replay.send()

            sending = Thread(send_then)
            signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
            assert reader.next()[1] == trace.frames[0]
            assert sending.end() is None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert len(runs) > 3


def send(wire: Wire, frames: Sequence[bytes], rate: float) -> int:
    with Replay(wire, frames) as replay:
        return replay.send(rate=rate).packets


class Thread(threading.Thread):
    """A thread whose result or exception can be had."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self.call = call
        self.result: Any = None
        self.start()

    def run(self) -> None:
        try:
            self.result = self.call()
        except Exception as error:
            self.result = error

    def end(self) -> Any:
        self.join(60)
        assert not self.is_alive()
        return self.result


def collect(reader: Any, count: int, into: list[bytes]) -> Callable[[], None]:
    def loop() -> None:
        reader.loop(count, lambda header, data: into.append(data))

    return loop


@pytest.fixture
def reader(wire: Wire) -> Any:
    with wire.rx.entered():
        return pcapy.open_live(Wire.CAPTURE, 65535, 1, 10)


def test_other_threads_run_while_one_waits(reader: Any) -> None:
    waiting = Thread(lambda: reader.loop(1, print))
    for _ in range(200):
        time.sleep(0.001)  # comes back only if the reader lets this thread run
    assert reader.stats()[:2] == (0, 0)
    reader.close()
    assert waiting.end() is None


@pytest.mark.parametrize(
    ("read", "result"),
    [
        (lambda r: r.loop(-1, print), "None"),
        (lambda r: r.dispatch(-1, print), "0"),
        (lambda r: r.next(), "(None, b'')"),
        (lambda r: r.next_batch(10), "(b'', b'')"),
        (lambda r: r.loop_filtered(-1, print), "(0, 0, 0, 0, 0)"),
        (lambda r: r.loop_to_buffer(-1, bytearray(9)), "(0, 0, 0, 0, 0, 0, 0)"),
    ],
)
def test_closing_from_another_thread_ends_the_wait(reader: Any, read: Any, result: str) -> None:
    waiting = Thread(lambda: read(reader))
    assert waiting.native_id
    until_asleep(waiting.native_id)
    reader.close()
    assert repr(waiting.end()) == result
    with pytest.raises(ValueError, match="pcap is closed"):
        reader.next()


def test_a_filter_from_another_thread_counts_at_once(wire: Wire, reader: Any, trace: Trace) -> None:
    got: list[bytes] = []
    udp = pcapy.BPFProgram("udp")
    chosen = [frame for frame in trace.frames[:2000] if udp.filter(frame)]
    waiting = Thread(lambda: reader.loop(len(chosen), lambda h, d: got.append(d)))
    time.sleep(0.1)
    with wire.rx.entered():
        reader.setfilter("udp and not vlan")
    with Replay(wire, trace.frames[:2000]) as replay:
        replay.send()
    assert waiting.end() is None
    assert got == chosen


def test_two_threads_share_one_reader_without_loss(wire: Wire, reader: Any, trace: Trace) -> None:
    got: list[list[bytes]] = [[], []]
    threads = [Thread(collect(reader, 5000, part)) for part in got]
    with Replay(wire, trace.frames[:10_000]) as replay:
        replay.send(rate=40_000)
    assert [thread.end() for thread in threads] == [None, None]
    assert sorted(got[0] + got[1]) == sorted(trace.frames[:10_000])


def test_two_threads_on_two_readers_see_everything(wire: Wire, trace: Trace) -> None:
    with wire.rx.entered():
        readers = [pcapy.open_live(Wire.CAPTURE, 65535, 1, 10) for _ in range(2)]
    got: list[list[bytes]] = [[], []]
    threads = [Thread(collect(r, 10_000, part)) for r, part in zip(readers, got, strict=True)]
    with Replay(wire, trace.frames[:10_000]) as replay:
        replay.send(rate=40_000)
    assert [thread.end() for thread in threads] == [None, None]
    assert got[0] == got[1] == list(trace.frames[:10_000])


def test_settings_change_while_another_thread_loops(wire: Wire, reader: Any, trace: Trace) -> None:
    got: list[bytes] = []
    looping = Thread(lambda: reader.loop(6000, lambda h, d: got.append(d)))
    sending = Thread(lambda: send(wire, trace.frames[:6000], 15_000))
    for i in range(100):
        reader.setfilter("ip or ip6 or not ip" if i % 2 else "")
        reader.setdirection(pcapy.PCAP_D_IN if i % 3 else pcapy.PCAP_D_INOUT)
        reader.stats()
        reader.filtered_stats()
        time.sleep(0.001)
    assert sending.end() == 6000
    assert looping.end() is None
    assert got == list(trace.frames[:6000])


def test_filtered_stats_can_be_watched(wire: Wire, reader: Any, trace: Trace) -> None:
    seen: list[tuple[int, ...]] = []
    looping = Thread(lambda: reader.loop_filtered(4000, lambda *_: None, 0))

    def watch(sent: int) -> None:
        if sent % 400 == 0:
            wait_for(lambda: reader.filtered_stats()[1] == sent)
        seen.append(reader.filtered_stats())

    with Replay(wire, trace.frames[:4000]) as replay:
        replay.send(rate=20_000, progress=watch)
    assert looping.end() == (0, 4000, 4000, 0, 0)
    assert seen == sorted(seen)
    assert len(set(seen)) >= 10


def test_inbound_and_outbound_decide_on_what_is_queued(
    wire: Wire, reader: Any, trace: Trace
) -> None:
    with wire.rx.entered():
        other = pcapy.open_live(Wire.CAPTURE, 65535, 1, 10)
    with Replay(wire, trace.frames[:50]) as replay:
        replay.send()
    for frame in trace.frames[50:60]:
        other.sendpacket(frame)
    time.sleep(0.1)
    assert reader.next()[1] == trace.frames[0]
    reader.setfilter("outbound")
    reader.setnonblock(1)
    assert [reader.next()[1] for _ in range(11)] == [*trace.frames[50:60], b""]


def test_filters_may_change_twice_before_a_packet_is_read(
    wire: Wire, reader: Any, trace: Trace
) -> None:
    with Replay(wire, trace.frames[:300]) as replay:
        replay.send()
    time.sleep(0.1)
    reader.next()
    reader.setfilter("ip proto 254")
    reader.setfilter("")
    reader.setnonblock(1)
    rest = []
    while (pair := reader.next())[0]:
        rest.append(pair[1])
    assert rest == list(trace.frames[1:300])


def test_a_device_that_goes_down_is_waited_for(wire: Wire, reader: Any, trace: Trace) -> None:
    waiting = Thread(reader.next)
    wire.rx.ip(f"link set {Wire.CAPTURE} down")
    time.sleep(0.3)
    wire.rx.ip(f"link set {Wire.CAPTURE} up")
    wire.tx.await_carrier(Wire.SENDER)
    with Replay(wire, trace.frames[:1]) as replay:
        replay.send()
    assert waiting.end()[1] == trace.frames[0]


@pytest.mark.parametrize("wait", [True, False])
def test_a_device_that_disappears_is_told(
    wire: Wire, reader: Any, trace: Trace, wait: bool
) -> None:
    with Replay(wire, trace.frames[:10]) as replay:
        replay.send()
    time.sleep(0.1)
    got: list[bytes] = []
    reader.dispatch(10, lambda h, d: got.append(d))
    reader.setnonblock(not wait)
    waiting = Thread(lambda: reader.loop(-1, lambda h, d: got.append(d)))
    time.sleep(0.1)
    wire.rx.ip(f"link del {Wire.CAPTURE}")
    error = waiting.end()
    assert isinstance(error, pcapy.PcapError)
    assert str(error) == "The interface disappeared"
    assert got == list(trace.frames[:10])
    with pytest.raises(pcapy.PcapError, match="The interface disappeared"):
        reader.next()
    reader.close()


def test_select_never_misses_a_packet(wire: Wire, reader: Any, trace: Trace) -> None:
    import select

    got: list[bytes] = []
    reader.setnonblock(1)
    fd = reader.getfd()
    sending = Thread(lambda: send(wire, trace.frames[:3000], 5000))
    idle = 0
    while len(got) < 3000 and idle < 120:
        if not select.select([fd], [], [], 0.5)[0]:
            idle += 1
            continue
        header, data = reader.next()
        if header:
            got.append(data)
    assert sending.end() == 3000
    assert got == list(trace.frames[:3000])


def test_handles_close_when_they_are_dropped(wire: Wire) -> None:
    def open_one() -> None:
        with wire.rx.entered():
            pcapy.open_live(Wire.CAPTURE, 65535, 1, 10)
            pcapy.create(Wire.CAPTURE).activate()

    open_one()
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        open_one()
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before
    with wire.rx.entered():
        link = subprocess.run(
            ["ip", "-d", "link", "show", Wire.CAPTURE], capture_output=True, check=True
        )
    assert b"promiscuity 0" in link.stdout


def test_100_opens_and_closes_leave_nothing(wire: Wire) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    with wire.rx.entered():
        for _ in range(20):
            pcapy.open_live(Wire.CAPTURE, 96, 0, 10).close()
        gc.collect()
        files, memory = len(os.listdir("/proc/self/fd")), resident()
        for i in range(100):
            # The kernel takes 50 ms to end promiscuous mode.
            reader = pcapy.open_live(Wire.CAPTURE, 96, i % 20 == 0, 10)
            reader.setnonblock(1)
            if i % 10 == 0:
                reader.setfilter("tcp port 80")
            reader.next()
            if i % 2:
                reader.close()
            del reader
        assert len(os.listdir("/proc/self/fd")) == files
    assert resident() - memory < 4 << 20


def test_closing_in_a_callback_ends_the_loop(wire: Wire, reader: Any, trace: Trace) -> None:
    got: list[bytes] = []

    def callback(_: Any, data: bytes) -> None:
        got.append(data)
        if len(got) == 5:
            reader.close()

    with Replay(wire, trace.frames[:100]) as replay:
        replay.send()
    assert reader.loop(-1, callback) is None
    assert got == list(trace.frames[:5])
