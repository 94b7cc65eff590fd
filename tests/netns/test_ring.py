# SPDX-License-Identifier: BSD-3-Clause
"""pfring.Ring on a wire: what it delivers, and how threads, signals and forks get on with it."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import pfring
import pytest
from pfring.lab.netns import Wire
from pfring.lab.replay import Replay
from pfring.lab.trace import Trace
from support.asleep import until_asleep

T = TypeVar("T")
PATIENCE = 60.0
ROOM = 64 << 20
# Every other frame of the trace: a frame's number ends its source address, before any tag.
EVEN = "ether[11] & 1 = 0"


def even(frame: bytes) -> bool:
    return frame[11] % 2 == 0


@contextlib.contextmanager
def reading(wire: Wire, filter: str | None = None, **options: object) -> Iterator[pfring.Ring]:
    """Open a ring on the receiving end."""
    with wire.rx.entered():
        ring = pfring.open(Wire.CAPTURE, filter, **options)  # type: ignore[arg-type]
    with ring:
        yield ring


def take(ring: pfring.Ring, n: int) -> list[bytes]:
    """Read exactly n packets, or what comes within our patience."""
    got: list[bytes] = []
    while len(got) < n:
        packets = ring.read(n - len(got), timeout=PATIENCE)
        if not packets:
            break
        got += [data for _, data in packets]
    return got


class Waiting(threading.Thread):
    """A thread that waits in a ring; `join_result()` returns or raises what it ended with."""

    def __init__(self, call: Callable[[], T]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self._result: queue.Queue[tuple[object, BaseException | None]] = queue.Queue()
        self.start()
        assert self.native_id
        until_asleep(self.native_id)

    def run(self) -> None:
        try:
            self._result.put((self._call(), None))
        except BaseException as error:
            self._result.put((None, error))

    def join_result(self) -> object:
        value, error = self._result.get(timeout=PATIENCE)
        self.join(PATIENCE)
        if error is not None:
            raise error
        return value


def test_iteration_delivers_every_byte_in_order(wire: Wire, trace: Trace) -> None:
    with reading(wire, buffer=ROOM, timeout=1) as ring, Replay(wire, trace.frames) as replay:
        replay.send()
        packets = list(ring)
        stats = ring.stats()
    assert [data for _, data in packets] == list(trace.frames)
    stamps = [ts for ts, _ in packets]
    assert stamps == sorted(stamps)
    assert (stats.recv, stats.drop, stats.delivered) == (len(trace), 0, len(trace))


def test_books_balance_when_the_ring_overflows(wire: Wire, trace: Trace) -> None:
    with reading(wire, buffer=1 << 20, timeout=1) as ring, Replay(wire, trace.frames) as replay:
        sent = replay.send().packets
        kept = [data for _, data in ring]
        stats = ring.stats()
    assert stats.drop > 0
    assert stats.recv == stats.delivered == len(kept)
    assert stats.recv + stats.drop == sent


def test_a_filter_is_in_force_before_the_first_packet(wire: Wire, trace: Trace) -> None:
    with (
        reading(wire, buffer=ROOM, timeout=1) as every,
        reading(wire, EVEN, buffer=ROOM, timeout=1) as ring,
    ):
        assert ring.filter == EVEN
        with Replay(wire, trace.frames[:2000]) as replay:
            replay.send()
        evens = [data for _, data in ring]
        assert len(list(every)) == 2000
    assert evens == [f for f in trace.frames[:2000] if even(f)]


def test_a_new_filter_also_holds_for_packets_already_fetched(wire: Wire, trace: Trace) -> None:
    with reading(wire, buffer=ROOM, timeout=1) as ring, Replay(wire, trace.frames[:2000]) as replay:
        replay.send()
        first = next(iter(ring))[1]
        ring.set_filter(EVEN)
        rest = [data for _, data in ring]
        ring.remove_filter()
        assert ring.filter is None
        replay.send()
        assert len(take(ring, 2000)) == 2000
    assert first == trace.frames[0]
    assert rest == [f for f in trace.frames[1:2000] if even(f)]


def test_the_old_filter_stays_if_the_new_one_is_wrong(wire: Wire, trace: Trace) -> None:
    with reading(wire, EVEN, timeout=1) as ring, Replay(wire, trace.frames[:500]) as replay:
        with pytest.raises(pfring.FilterError, match="syntax error"):
            ring.set_filter("tcp prt 80")
        assert ring.filter == EVEN
        replay.send()
        assert [data for _, data in ring] == [f for f in trace.frames[:500] if even(f)]


def test_an_exception_in_the_loop_body_loses_no_packet(wire: Wire, trace: Trace) -> None:
    got: list[bytes] = []

    def work(stop: int) -> None:
        for _, data in ring:
            got.append(data)
            if len(got) >= stop:
                raise ZeroDivisionError

    with reading(wire, buffer=ROOM, timeout=1) as ring, Replay(wire, trace.frames[:1000]) as replay:
        replay.send()
        for stop in (1, 10, 300):
            with pytest.raises(ZeroDivisionError):
                work(stop)
        got += [data for _, data in ring]
    assert got == list(trace.frames[:1000])


def test_read_returns_what_is_there_and_waits_for_the_first_only(wire: Wire, trace: Trace) -> None:
    with reading(wire, buffer=ROOM) as ring, Replay(wire, trace.frames[:700]) as replay:
        assert ring.read(10, timeout=0) == []
        replay.send()
        assert take(ring, 700) == list(trace.frames[:700])
        assert ring.read(10, timeout=0) == []


def test_a_streams_packets_gather_and_who_does_not_wait_gets_what_is_there(
    wire: Wire, trace: Trace
) -> None:
    with wire.rx.entered():
        ring = pfring.open(f"bpf:{Wire.CAPTURE}", latency=20.0)
    stream, one = Replay(wire, trace.frames[:100]), Replay(wire, trace.frames[:1])
    with ring, stream, one:
        stream.send()
        assert len(take(ring, 100)) == 100
        stream.send()
        one.send()
        assert len(ring.read(1024, timeout=0)) == 101
        one.send()
        start = time.monotonic()
        assert len(ring.read(1024, timeout=0.2)) == 1  # others might have come with it
        assert time.monotonic() - start > 0.15
        one.send()
        assert len(ring.read(1024, timeout=PATIENCE)) == 1


def test_snaplen_cuts_the_bytes(wire: Wire, trace: Trace) -> None:
    with reading(wire, snaplen=64, buffer=ROOM) as ring, Replay(wire, trace.frames[:300]) as replay:
        replay.send()
        assert take(ring, 300) == [frame[:64] for frame in trace.frames[:300]]


def test_sent_frames_arrive_on_the_other_end(wire: Wire, trace: Trace) -> None:
    frames = list(trace.frames[:400])
    with wire.tx.entered():
        sender = pfring.open(Wire.SENDER, direction="in")
    with sender, reading(wire, buffer=ROOM) as ring:
        assert sender.send(frames[0]) == len(frames[0])
        assert sender.send(memoryview(bytearray(frames[1]))) == len(frames[1])
        assert sender.send_batch(frames[2:]) == 398
        assert take(ring, 400) == frames
        assert sender.stats().sent == 400
        assert sender.read(timeout=0) == []


def test_direction_tells_sent_from_received(wire: Wire, trace: Trace) -> None:
    with reading(wire, direction="out", timeout=0.5) as out, reading(wire) as both:
        with Replay(wire, trace.frames[:50]) as replay:
            replay.send()
        assert len(take(both, 50)) == 50
        assert list(out) == []
        both.send(trace.frames[0])
        assert take(out, 1) == [trace.frames[0]]
        out.direction = "in"
        assert out.direction == "in"


def test_sampling_keeps_one_of_n(wire: Wire, trace: Trace) -> None:
    with reading(wire, buffer=ROOM, timeout=1) as ring, Replay(wire, trace.frames[:1000]) as replay:
        ring.sampling = 10
        replay.send()
        assert len(list(ring)) == 100


def test_a_cluster_shares_packets(wire: Wire, trace: Trace) -> None:
    with reading(wire, buffer=ROOM) as a, reading(wire, buffer=ROOM) as b:
        a.cluster(7, "round_robin")
        b.cluster(7, "round_robin")
        with Replay(wire, trace.frames[:600]) as replay:
            replay.send()
        got = [len(take(ring, 300)) for ring in (a, b)]
        assert got == [300, 300]


def test_to_leave_no_cluster_is_no_missing_file(wire: Wire) -> None:
    with reading(wire) as ring, wire.rx.entered():
        ring.cluster(7)
        ring.leave_cluster()
        with pytest.raises(pfring.Error, match="in no cluster") as said:
            ring.leave_cluster()
        assert not isinstance(said.value, FileNotFoundError)


@pytest.mark.parametrize("path", ["packet:", "bpf:"])
def test_a_cluster_is_left_where_the_device_is(path: str, wire: Wire, trace: Trace) -> None:
    """From another namespace it would take that one's device of the same name instead."""
    with wire.rx.entered():
        ring = pfring.open(path + Wire.CAPTURE)
    with ring, wire.tx.entered():
        ring.cluster(7)
        wire.tx.ip(f"link add {Wire.CAPTURE} type veth peer name other0")
        wire.tx.ip("link set other0 up")
        wire.tx.ip(f"link set {Wire.CAPTURE} up")
        with pytest.raises(pfring.Error, match="another network namespace"):
            ring.leave_cluster()
        with Replay(wire, trace.frames[:20]) as replay:
            replay.send()
        assert take(ring, 20) == list(trace.frames[:20])


def test_reflecting_to_oneself_is_a_rule_error(wire: Wire) -> None:
    with reading(wire) as ring, pytest.raises(pfring.RuleError, match="own device"):
        ring.reflect_to = Wire.CAPTURE


def test_stats_answer_while_another_thread_waits(wire: Wire, trace: Trace) -> None:
    with reading(wire) as ring:
        waiting = Waiting(lambda: take(ring, 1))
        for _ in range(20):
            assert ring.stats().recv == 0
        with Replay(wire, trace.frames[:1]) as replay:
            replay.send()
        assert waiting.join_result() == [trace.frames[0]]


def test_a_filter_set_by_another_thread_reaches_the_waiting_one(wire: Wire, trace: Trace) -> None:
    with reading(wire) as ring, Replay(wire, trace.frames[:2]) as replay:
        waiting = Waiting(lambda: take(ring, 1))
        ring.set_filter(f"not ({EVEN})")
        replay.send()
        assert waiting.join_result() == [trace.frames[1]]


def test_close_ends_the_iteration_of_another_thread(wire: Wire) -> None:
    with reading(wire) as ring:
        waiting = Waiting(lambda: list(ring))
        ring.close()
        assert waiting.join_result() == []
        with pytest.raises(pfring.Closed):
            ring.read(timeout=0)


def test_breakloop_ends_one_wait(wire: Wire, trace: Trace) -> None:
    with reading(wire) as ring, Replay(wire, trace.frames[:5]) as replay:
        waiting = Waiting(lambda: list(ring))
        ring.breakloop()
        assert waiting.join_result() == []
        ring.breakloop()
        assert list(ring) == []
        replay.send()
        assert take(ring, 5) == list(trace.frames[:5])


def test_a_second_reader_is_told_so(wire: Wire) -> None:
    with reading(wire) as ring:
        waiting = Waiting(ring.read)
        with pytest.raises(pfring.InUse, match="another thread"):
            ring.read(timeout=0)
        ring.breakloop()
        assert waiting.join_result() == []


def test_two_threads_wait_on_two_rings_while_a_third_works(wire: Wire, trace: Trace) -> None:
    with reading(wire) as a, reading(wire) as b:
        waiting = [Waiting(functools.partial(take, ring, 1)) for ring in (a, b)]
        with Replay(wire, trace.frames[:1]) as replay:
            replay.send()
        assert [w.join_result() for w in waiting] == [[trace.frames[0]]] * 2


def test_nothing_is_lost_while_other_threads_interfere(wire: Wire, trace: Trace) -> None:
    frames = trace.frames[:12_000]
    over = threading.Event()

    def interfere(ring: pfring.Ring) -> None:
        while not over.is_set():
            assert ring.stats().drop == 0
            ring.set_filter("greater 1")
            ring.sampling = 1
            ring.remove_filter()

    with reading(wire, buffer=ROOM) as ring, Replay(wire, frames) as replay:
        threads = [threading.Thread(target=interfere, args=(ring,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        sending = threading.Thread(target=lambda: replay.send(rate=20_000))
        sending.start()
        got = take(ring, len(frames))
        over.set()
        for thread in (*threads, sending):
            thread.join(PATIENCE)
    assert got == list(frames)


def test_closing_in_the_loop_body_ends_the_loop(wire: Wire, trace: Trace) -> None:
    seen = 0
    with reading(wire, buffer=ROOM) as ring, Replay(wire, trace.frames[:100]) as replay:
        replay.send()
        for _ in ring:
            seen += 1
            ring.close()
    assert seen == 1


def test_the_descriptor_is_readable_when_packets_are_there(wire: Wire, trace: Trace) -> None:
    import select

    with reading(wire, immediate=True) as ring:
        assert select.select([ring], [], [], 0)[0] == []
        with Replay(wire, trace.frames[:1]) as replay:
            replay.send()
        assert select.select([ring], [], [], PATIENCE)[0] == [ring]
        assert take(ring, 1) == [trace.frames[0]]


def test_cooked_packets_are_the_same_in_immediate_mode(wire: Wire, trace: Trace) -> None:
    with wire.rx.entered():
        rings = [
            pfring.open("packet:any", cooked=True, immediate=immediate, buffer=ROOM)
            for immediate in (False, True)
        ]
    with rings[0], rings[1]:
        with Replay(wire, trace.frames[:1000]) as replay:
            replay.send()
        batches, one_by_one = (take(ring, 1000) for ring in rings)
    assert len(batches) == 1000
    assert one_by_one == batches


def test_a_vanished_device_ends_the_capture_after_its_packets(wire: Wire, trace: Trace) -> None:
    with reading(wire, buffer=ROOM) as ring:
        with Replay(wire, trace.frames[:300]) as replay:
            replay.send()
        wire.rx.ip(f"link del {Wire.CAPTURE}")
        assert take(ring, 300) == list(trace.frames[:300])
        with pytest.raises((pfring.NoSuchDevice, pfring.DeviceDown)):
            ring.read(timeout=PATIENCE)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_rings_close_when_collected() -> None:
    def leave_one_open() -> None:
        ring = pfring.open("lo", promisc=False, buffer=1 << 20)
        next(iter([ring]))
        ring.read(timeout=0)

    leave_one_open()
    before = descriptors()
    for _ in range(300):
        leave_one_open()
    gc.collect()
    assert descriptors() == before


def test_opens_that_fail_leave_nothing_behind() -> None:
    before = descriptors()
    for _ in range(100):
        with pytest.raises(pfring.FilterError):
            pfring.open("lo", "no such filter")
        with pytest.raises(pfring.NoSuchDevice, match="nosuch0"):
            pfring.open("nosuch0")
        with pytest.raises(ValueError, match="direction"):
            pfring.open("lo", direction="up")  # type: ignore[arg-type]
    assert descriptors() == before


def test_without_privilege_the_error_says_what_is_missing() -> None:
    # Imports first: the other user may not read where this Python is installed.
    code = (
        "import os, pfring, pfring.errors\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "try: pfring.open('lo')\n"
        "except PermissionError as e: print(type(e).__name__, e)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout.startswith("PermissionDenied")
    assert "CAP_NET_RAW" in done.stdout


# --- Forks -------------------------------------------------------------------------------------


def in_child(call: Callable[[], str]) -> tuple[int, int]:
    """Fork; the child writes call()'s result or error to the pipe. Returns (pid, read end)."""
    out, into = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(out)
            try:
                text = call()
            except BaseException as error:
                text = f"{type(error).__name__}: {error}"
            os.write(into, text.encode())
        finally:
            os._exit(0)
    os.close(into)
    return pid, out


def result(child: tuple[int, int]) -> str:
    pid, out = child
    with open(out, "rb") as pipe:
        text = pipe.read().decode()
    os.waitpid(pid, 0)
    return text


def test_after_a_fork_the_first_reader_keeps_the_ring(wire: Wire, trace: Trace) -> None:
    with reading(wire, buffer=ROOM) as ring, Replay(wire, trace.frames[:20]) as replay:
        child = in_child(lambda: str(take(ring, 20) == list(trace.frames[:20])))
        replay.send()
        assert result(child) == "True"
        with pytest.raises(pfring.InUse, match=rf"process {child[0]} "):
            ring.read(timeout=0)


def test_a_parent_that_goes_on_reading_keeps_the_ring(wire: Wire, trace: Trace) -> None:
    with reading(wire, buffer=ROOM) as ring, Replay(wire, trace.frames[:20]) as replay:
        gate, go = os.pipe()

        def late() -> str:
            os.read(gate, 1)
            return str(ring.read(timeout=0))

        child = in_child(late)
        assert ring.read(timeout=0) == []
        os.write(go, b"x")
        assert result(child).startswith("InUse: [Errno 16] process")
        replay.send()
        assert take(ring, 20) == list(trace.frames[:20])
        os.close(gate)
        os.close(go)


def test_a_child_that_closes_leaves_the_parent_its_ring(wire: Wire, trace: Trace) -> None:
    with reading(wire, buffer=ROOM) as ring, Replay(wire, trace.frames[:20]) as replay:

        def close() -> str:
            ring.close()
            return "closed"

        assert result(in_child(close)) == "closed"
        replay.send()
        assert take(ring, 20) == list(trace.frames[:20])


def test_a_fork_while_another_thread_waits_leaves_both_usable(wire: Wire, trace: Trace) -> None:
    with reading(wire, buffer=ROOM) as ring, Replay(wire, trace.frames[:1]) as replay:
        waiting = Waiting(lambda: take(ring, 1))
        assert result(in_child(lambda: str(ring.stats().recv))) == "0"
        replay.send()
        assert waiting.join_result() == [trace.frames[0]]


# --- Signals -----------------------------------------------------------------------------------

IDLE = """
import pfring, sys
ring = pfring.open(sys.argv[1])
print("open", flush=True)
{wait}
"""


@pytest.mark.parametrize(
    "wait", ["for packet in ring: pass", "ring.read()", "ring.read(timeout=60)"]
)
def test_ctrl_c_ends_a_wait_on_an_idle_interface(wire: Wire, wait: str) -> None:
    program = [sys.executable, "-c", IDLE.format(wait=wait), Wire.CAPTURE]
    with wire.rx.popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"open\n"
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=PATIENCE)
    assert child.returncode == -signal.SIGINT
    assert b"KeyboardInterrupt" in errors


def test_a_signal_handler_runs_and_the_wait_goes_on(wire: Wire, trace: Trace) -> None:
    main = threading.main_thread().ident
    assert main is not None
    ran = threading.Event()

    def poke() -> None:
        for _ in range(3):
            ran.clear()
            signal.pthread_kill(main, signal.SIGUSR1)
            assert ran.wait(PATIENCE)
        with Replay(wire, trace.frames[:1]) as replay:
            replay.send()

    old = signal.signal(signal.SIGUSR1, lambda *_: ran.set())
    try:
        with reading(wire) as ring:
            poking = threading.Thread(target=poke)
            poking.start()
            assert take(ring, 1) == [trace.frames[0]]
            poking.join(PATIENCE)
    finally:
        signal.signal(signal.SIGUSR1, old)


def test_names_that_are_no_device_say_where_to_look() -> None:
    with pytest.raises(pfring.NoSuchDevice, match="pfring devices") as caught:
        pfring.open("nosuch0")
    assert caught.value.errno == 19
    assert isinstance(caught.value, OSError)


def test_a_ring_on_any_sees_loopback(wire: Wire) -> None:
    with wire.rx.entered():
        ring = pfring.open("any", "udp port 4242", timeout=1)
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with ring, sock:
        sock.sendto(b"hello", ("127.0.0.1", 4242))
        assert any(data.endswith(b"hello") for _, data in ring)


def test_the_ring_says_which_path_it_takes_and_why(wire: Wire) -> None:
    with reading(wire) as bare, wire.rx.entered(), pfring.open(f"packet:{Wire.CAPTURE}") as named:
        assert bare.backend
        assert bare.backend_reason
        assert named.backend == "packet"
        assert "named" in named.backend_reason
        assert repr(named) == f"<pfring.Ring 'packet:{Wire.CAPTURE}' backend=packet>"
