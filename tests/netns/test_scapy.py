# SPDX-License-Identifier: BSD-3-Clause
"""scapy over pfring: sockets, sniffing, sending; beside scapy's own where that tells more."""

from __future__ import annotations

import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pfring.scapy
import pytest
from pfring.lab.netns import Wire
from pfring.lab.replay import Replay
from pfring.lab.trace import Trace, mixed_trace
from pfring.scapy import sockets
from scapy.arch.linux import L2ListenSocket, L2Socket
from scapy.config import conf
from scapy.error import Scapy_Exception
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from scapy.sendrecv import AsyncSniffer, bridge_and_sniff, sendp, sniff, srp1

# scapy leaves the pipes of its sniffers to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
LIMIT = 60  # seconds; nothing here takes that long


@pytest.fixture
def inside(wire: Wire) -> Iterator[Wire]:
    """The calling thread, and threads it starts, are on the receiving end, scapy over pfring."""
    with wire.rx.entered():
        conf.ifaces.reload()
        pfring.scapy.install()
        yield wire
        pfring.scapy.uninstall()
    conf.ifaces.reload()


def started(**options: Any) -> AsyncSniffer:
    ready = threading.Event()
    sniffer = AsyncSniffer(started_callback=ready.set, **options)
    sniffer.start()
    assert ready.wait(LIMIT)
    return sniffer


def finished(sniffer: AsyncSniffer) -> list[Any]:
    sniffer.join(LIMIT)
    assert not sniffer.running
    return list(sniffer.results or [])


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def some(count: int = 200) -> Trace:
    return mixed_trace(count)


def test_sniff_sees_every_frame_and_its_time(inside: Wire) -> None:
    frames = some(500).frames
    sniffer = started(iface="cap0", count=len(frames))
    before = time.time()
    with Replay(inside, frames) as replay:
        replay.send()
    packets = finished(sniffer)
    assert [bytes(p.original) for p in packets] == list(frames)
    assert all(before - 1 < p.time < time.time() + 1 for p in packets)
    assert all(type(p.time) is float and p.sniffed_on == "cap0" for p in packets)
    assert [p.summary() for p in packets] == [Ether(f).summary() for f in frames]


def test_times_are_in_order_and_between_sending_and_receiving(inside: Wire) -> None:
    frames = some(300).frames
    sniffer = started(iface="cap0", count=len(frames))
    pfring.scapy.uninstall()  # sockets that are open go on
    before = time.time()
    with Replay(inside, frames) as replay:
        replay.send(rate=20_000)
    times = [p.time for p in finished(sniffer)]
    assert len(times) == len(frames)
    assert times == sorted(times)
    assert before <= times[0]
    assert times[-1] <= time.time()
    # Finer than microseconds, as far as a float holds that.
    assert any(abs(t * 1e6 - round(t * 1e6)) > 0.2 for t in times)


def test_a_burst_of_a_hundred_thousand_is_kept_with_the_defaults(inside: Wire) -> None:
    ether = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    ip = IP(src="10.0.0.1", dst="10.1.1.1")
    frame = bytes(ether / ip / UDP(sport=4444, dport=5555) / bytes(18))
    count = 0

    def on_packet(packet: Any) -> None:
        nonlocal count
        if not count:
            sent.wait(LIMIT)  # the whole burst comes while the program is busy
        count += 1

    sent = threading.Event()
    sniffer = started(iface="cap0", store=False, prn=on_packet, count=100_000)
    with Replay(inside, [frame] * 1000) as replay:
        assert replay.send(laps=100).packets == 100_000
    sent.set()
    finished(sniffer)
    assert count == 100_000


def test_a_filter_runs_in_the_kernel_and_a_wrong_one_is_told_as_scapy_tells_it(
    inside: Wire,
) -> None:
    frames = [f for f in some(400).frames if len(Ether(f)) == len(f)]
    wanted = [f for f in frames if f[11] % 2 == 0]
    sniffer = started(iface="cap0", filter="ether[11] & 1 = 0", count=len(wanted))
    with Replay(inside, frames) as replay:
        replay.send()
    assert [p.original for p in finished(sniffer)] == [bytes(f) for f in wanted]
    with pytest.raises(Scapy_Exception, match="Cannot set filter"):
        conf.L2listen(iface="cap0", filter="tcp prt 80")


def test_lfilter_stop_filter_and_sessions_work_as_ever(inside: Wire) -> None:
    frames = some(300).frames
    tcp = [f for f in frames if TCP in Ether(f)]
    seen: list[bytes] = []

    def last(packet: Any) -> bool:
        seen.append(bytes(packet))
        return len(seen) == len(tcp)

    sniffer = started(iface="cap0", lfilter=lambda p: TCP in p, stop_filter=last, store=False)
    with Replay(inside, frames) as replay:
        replay.send()
    finished(sniffer)
    assert seen == [bytes(Ether(f)) for f in tcp]


@pytest.mark.parametrize("where", ["prn", "lfilter", "stop_filter"])
def test_an_exception_in_a_callback_ends_the_socket_as_scapy_does(
    inside: Wire, where: str, capfd: pytest.CaptureFixture[str]
) -> None:
    calls = 0

    def wrong(packet: Any) -> bool:
        nonlocal calls
        calls += 1
        raise LookupError("on purpose")

    results = []
    for over_pfring in (True, False):
        if not over_pfring:
            pfring.scapy.uninstall()
        calls = 0
        sniffer = started(iface="cap0", **{where: wrong})
        with Replay(inside, some(3).frames) as replay:
            replay.send()
        finished(sniffer)
        results.append((calls, str(sniffer.exception), len(sniffer.results or [])))
    assert results[0] == results[1]
    assert results[0][0] == 1


def test_a_sniffer_can_be_stopped_while_nothing_comes(inside: Wire) -> None:
    sniffer = started(iface="cap0")
    sniffer.stop(join=False)
    assert finished(sniffer) == []
    packets = sniff(iface="cap0", timeout=0.2)
    assert list(packets) == []


def test_several_interfaces_are_sniffed_at_once(inside: Wire) -> None:
    inside.rx.ip("link add d0 type veth peer name e0", "link set d0 up", "link set e0 up")
    inside.rx.await_carrier("d0")
    conf.ifaces.reload()
    frames = some(40).frames
    for choice in (["cap0", "d0"], {"cap0": "first", "d0": "second"}):
        sniffer = started(iface=choice, count=2 * len(frames))
        with Replay(inside, frames) as replay:
            replay.send()
        sendp([Raw(f) for f in frames], iface="d0", verbose=False)
        packets = finished(sniffer)
        labels = choice.values() if isinstance(choice, dict) else choice
        for label in labels:
            assert [p.original for p in packets if p.sniffed_on == label] == list(frames)


def test_answers_are_found_and_own_packets_hidden(inside: Wire) -> None:
    """srp1 against a scapy machine on the other end of the wire."""
    question: Any = Ether(dst="02:00:00:00:00:02", src="02:00:00:00:00:01") / IP(
        src="10.0.0.1", dst="10.0.0.2"
    ) / UDP(sport=4000, dport=4001) / b"question"  # fmt: skip
    answer = Ether(dst="02:00:00:00:00:01", src="02:00:00:00:00:02") / IP(
        src="10.0.0.2", dst="10.0.0.1"
    ) / UDP(sport=4001, dport=4000) / b"answer"  # fmt: skip
    ready, done = threading.Event(), threading.Event()

    def other_end() -> None:
        with inside.tx.entered():
            sock = L2Socket(iface="gen0")
            ready.set()
            while not done.is_set():
                if L2Socket.select([sock], 0.1):
                    packet = sock.recv()
                    if packet is not None and b"question" in bytes(packet):
                        sock.send(answer)
            sock.close()

    thread = threading.Thread(target=other_end)
    thread.start()
    try:
        assert ready.wait(LIMIT)
        got = srp1(question, iface="cap0", timeout=LIMIT, verbose=False)
    finally:
        done.set()
        thread.join(LIMIT)
    assert got is not None
    assert bytes(got)[: len(answer)] == bytes(answer)
    assert question.sent_time


def test_a_bridge_forwards_both_ways(inside: Wire) -> None:
    inside.rx.ip("link add d1 type veth peer name d2", "link set d1 up", "link set d2 up")
    inside.rx.await_carrier("d1")
    conf.ifaces.reload()
    frames = some(60).frames
    far = started(iface="d2", count=len(frames))
    bridge = threading.Thread(
        target=lambda: bridge_and_sniff("cap0", "d1", count=len(frames), store=False), daemon=True
    )
    opened = inside.rx
    bridge.start()
    until(lambda: opened.run(["cat", "/proc/net/packet"]).stdout.count("\n") >= 4)
    with Replay(inside, frames) as replay:
        replay.send(rate=2000)
    bridge.join(LIMIT)
    assert not bridge.is_alive()
    assert [p.original for p in finished(far)] == list(frames)


def test_select_of_the_program_own_sees_packets_that_are_in_our_hands(inside: Wire) -> None:
    frames = some(100).frames
    sock: Any = conf.L2socket(iface="cap0")
    assert type(sock).__name__ == "L2"
    assert select.select([sock], [], [], 0)[0] == []
    with Replay(inside, frames) as replay:
        replay.send()
    got: list[bytes] = []
    while len(got) < len(frames):
        assert select.select([sock], [], [], LIMIT)[0] == [sock]
        got.append(bytes(sock.recv().original))
    assert got == list(frames)
    assert select.select([sock], [], [], 0)[0] == []
    sock.close()
    sock.close()
    assert sock.closed
    assert sock.fileno() == -1


def test_errors_of_sending_are_those_of_scapy(inside: Wire) -> None:
    def errors(kind: Any) -> list[object]:
        sock = kind(iface="cap0")
        told: list[object] = []
        for size in (0, 1, 13, 14, 60, 1514, 1515, 5000):
            try:
                told.append(sock.send(Raw(bytes(size))))
            except OSError as e:
                told.append(e.errno)
        sock.close()
        return told

    assert errors(conf.L2socket) == errors(L2Socket)
    with pytest.raises(Scapy_Exception, match="Can't send"):
        conf.L2listen(iface="cap0").send(Raw(b"x"))


def test_what_pfring_does_not_serve_stays_scapys(inside: Wire) -> None:
    for options in ({"iface": "lo"}, {"iface": "cap0", "type": 0x0806}):
        sock: Any = conf.L2listen(**options)
        assert type(sock).__module__ == "scapy.arch.linux"
        assert sock.pfring_reason
        sock.close()
    errors = []
    for kind in (conf.L2socket, L2Socket):
        with pytest.raises((OSError, ValueError)) as error:
            kind(iface="nothing0")
        errors.append((error.type, str(error.value)))
    assert errors[0] == errors[1]
    assert isinstance(conf.L2socket(iface="lo"), sockets.L2)


def test_the_backend_stays_when_use_pcap_is_toggled(inside: Wire) -> None:
    del inside
    for value in (True, False, True, False):
        conf.use_pcap = value
        assert conf.L2listen is sockets.L2Listen
        assert conf.L2socket is sockets.L2
        assert conf.L3socket is sockets.L3
    pfring.scapy.uninstall()
    assert conf.L2listen is L2ListenSocket
    assert not pfring.scapy.installed()
    pfring.scapy.install()


def test_a_socket_of_a_device_that_goes_away_is_closed_with_a_warning(inside: Wire) -> None:
    inside.rx.ip("link add d3 type veth peer name e3", "link set d3 up", "link set e3 up")
    conf.ifaces.reload()
    sniffer = started(iface="d3")
    inside.rx.ip("link del d3")
    finished(sniffer)


PROGRAM = """\
import sys
from scapy.all import *
print(conf.L2listen.__module__, flush=True)
def ready(): print("ready", flush=True)
packets = sniff(iface="cap0", store=0, prn=lambda p: print("got", flush=True),
                started_callback=ready)
print("over", flush=True)
"""


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_a_program_that_waits(wire: Wire, tmp_path: Path, sig: signal.Signals) -> None:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    process = wire.rx.popen(
        [sys.executable, "-m", "pfring", "run", str(path)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout
    lines = iter(process.stdout)
    assert next(x for x in lines if "sockets" in x) == "pfring.scapy.sockets\n"
    assert next(x for x in lines if x == "ready\n")
    with Replay(wire, some(1).frames) as replay:
        replay.send()
    assert next(x for x in lines if x == "got\n")
    process.send_signal(sig)
    rest = list(lines)
    assert process.wait(LIMIT) == (0 if sig == signal.SIGINT else -sig)
    assert rest == (["over\n"] if sig == signal.SIGINT else [])
