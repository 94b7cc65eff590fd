# SPDX-License-Identifier: BSD-3-Clause
"""scapy programs that talk with another machine, over pfring and over scapy's own sockets.

Each program of tests/netns/programs named scapy_* runs twice, with plain Python and
with `pfring run`, on a wire of its own whose ends have addresses. Both must print the
same, and the other end, which is the kernel's, must see the same.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pfring.lab.netns import Namespace, Wire
from pfring.lab.replay import Replay
from pfring.lab.trace import mixed_trace

pytestmark = pytest.mark.usefixtures("limit")
PROGRAMS = Path(__file__).parent / "programs"
NATIVE = [sys.executable]
OURS = [sys.executable, "-m", "pfring", "run"]
LIMIT = 60  # seconds; nothing here takes that long
NEAR, ALSO, ROUTED, SECOND, SIX = "10.9.0.1", "10.9.0.3", "10.77.0.1", "10.8.0.1", "fd00:9::1"
ABSENT, ABSENT_ETHER = "10.9.0.77", "02:00:00:00:00:77"

Program = subprocess.Popen[str]


@contextlib.contextmanager
def addressed() -> Iterator[Wire]:
    """A wire whose ends speak IP: two links between them, and an address behind a router."""
    with Wire() as wire:
        wire.tx.ip(f"link add e0 type veth peer name d0 netns {wire.rx.name}", "link set e0 up")
        wire.rx.ip("link set d0 up")
        wire.rx.await_carrier("d0")
        wire.tx.await_carrier("e0")
        for ns, device in ((wire.tx, "gen0"), (wire.rx, "cap0")):
            switch = f"net.ipv6.conf.{device}.disable_ipv6=0"
            assert ns.run(["sysctl", "-qw", switch]).returncode == 0
            ns.ip(f"link set {device} arp on")
        wire.tx.ip(
            f"addr add {NEAR}/24 dev gen0", f"addr add {ALSO}/24 dev gen0",
            f"addr add {ROUTED}/32 dev lo", f"addr add {SECOND}/24 dev e0",
            f"addr add {SIX}/64 dev gen0 nodad",
        )  # fmt: skip
        wire.rx.ip(
            "addr add 10.9.0.2/24 dev cap0", "addr add 10.8.0.2/24 dev d0",
            f"route add 10.77.0.0/24 via {NEAR}", "addr add fd00:9::2/64 dev cap0 nodad",
        )  # fmt: skip
        yield wire


@contextlib.contextmanager
def running(ns: Namespace, python: list[str], name: str, *args: object) -> Iterator[Program]:
    command = [*python, str(PROGRAMS / f"{name}.py"), *map(str, args)]
    pipe = subprocess.PIPE
    with ns.popen(command, stdout=pipe, stderr=pipe, text=True, env=_environment()) as process:
        try:
            yield process
        finally:
            process.kill()


def _environment() -> dict[str, str]:
    # scapy leaves sockets and pipes to the garbage collector; which is not what is compared.
    return {**os.environ, "PYTHONWARNINGS": "ignore"}


def until_ready(process: Program) -> list[str]:
    """Return the lines up to the one that says ready."""
    assert process.stdout
    assert process.stderr
    lines: list[str] = []
    while not lines or lines[-1] != "ready":
        line = process.stdout.readline()
        assert line, process.stderr.read()
        lines.append(line.rstrip("\n"))
    return lines


def rest(process: Program) -> list[str]:
    """Return what it prints until it ends, what it was warned of last."""
    out, err = process.communicate(timeout=2 * LIMIT)
    assert process.returncode == 0, err
    return [*out.splitlines(), *err.splitlines()]


def both(run: Callable[[list[str]], list[str]]) -> list[str]:
    ours = run(OURS)
    assert ours == run(NATIVE)
    return ours


def of_protocol(number: int, count: int) -> list[bytes]:
    """Return untagged IPv4 frames, so short that scapy's own socket has room for 60 of them."""
    short = [f for f in mixed_trace(1000).frames if len(f) < 300]
    frames = [f for f in short if f[12:14] == b"\x08\x00" and f[23] == number]
    assert len(frames) >= count
    return frames[:count]


def talk(python: list[str]) -> list[str]:
    with addressed() as wire, contextlib.ExitStack() as stack:
        with wire.tx.entered():
            stack.enter_context(socket.create_server((NEAR, 80)))
            ear = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            ear.bind(("", 4001))
        ear.settimeout(LIMIT)
        words = (NEAR, ALSO, ROUTED, SECOND, SIX)
        with running(wire.rx, python, "scapy_talk", *words) as process:
            told = rest(process)
        heard = [str(ear.recvfrom(4000)) for _ in range(7)]
        # The addresses of a wire are drawn by lot.
        ether = wire.tx.run(["cat", "/sys/class/net/gen0/address"]).stdout.strip()
        return [line.replace(ether, "PEER") for line in told] + heard


def test_questions_by_route_are_answered_as_over_scapys_sockets() -> None:
    told = both(talk)
    assert [line.split()[0] for line in told[:3]] == ["near", "routed", "six"]
    assert told[3] == "33 0"
    assert told[37] == "2 0"
    assert told[38].startswith(f"{NEAR} Ether / ARP is at PEER")
    assert told[-1] == str((b"last", ("10.9.0.2", 6000)))
    assert str((bytes(3000), ("10.9.0.2", 6000))) in told


def answering(python: list[str]) -> list[str]:
    with addressed() as wire, contextlib.ExitStack() as stack:
        with wire.rx.entered():
            asking = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            asking.bind(("10.9.0.2", 5000))
        asking.settimeout(0.2)
        often = "net.ipv4.neigh.cap0.retrans_time_ms=100"  # for who is asked before it listens
        assert wire.rx.run(["sysctl", "-qw", often]).returncode == 0
        answers: set[tuple[bytes, object]] = set()

        def ask(text: bytes) -> None:
            # While nobody answers ARP, the kernel says that there is no such machine.
            with contextlib.suppress(OSError):
                asking.sendto(text, (ABSENT, 4001))
                answers.add(asking.recvfrom(100))

        words = ("gen0", ABSENT, ABSENT_ETHER)
        with running(wire.tx, python, "scapy_machine", *words) as process:
            while not answers:
                assert process.poll() is None
                ask(b"question")
            neighbours = wire.rx.run(["ip", "neigh", "show", ABSENT]).stdout.split()
            while process.poll() is None:
                ask(b"stop")
            told = rest(process)
    first = sorted(text.decode() for text, _ in answers if b"question" in text)
    assert {source for _, source in answers} == {(ABSENT, 4001)}
    # A question may have been put more than once before somebody listened.
    return [*sorted(set(told)), *first, neighbours[neighbours.index("lladdr") + 1]]


def test_answering_machines_stand_in_for_an_absent_machine() -> None:
    told = both(answering)
    assert told[-2:] == ["answer to question", ABSENT_ETHER]
    assert "over" in told
    assert any("who has" in line and "is at" in line for line in told)
    assert any("4001" in line and "==>" in line for line in told)


def piped(python: list[str]) -> list[str]:
    frames, noise = of_protocol(17, 60), of_protocol(6, 40)
    with Wire() as wire, contextlib.ExitStack() as stack:
        wire.rx.ip("link add d1 type veth peer name d2", "link set d1 up", "link set d2 up")
        wire.rx.await_carrier("d1")
        with wire.rx.entered():
            kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK
            far = stack.enter_context(socket.socket(socket.AF_PACKET, kind, socket.htons(3)))
            far.bind(("d2", 3))
        far.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
        with running(wire.rx, python, "scapy_pipe", "cap0", "d1", len(frames)) as process:
            until_ready(process)
            with Replay(wire, noise[:20] + frames[:30] + noise[20:] + frames[30:]) as replay:
                replay.send(rate=5000)
            told = rest(process)
        out: list[bytes] = []
        far.settimeout(LIMIT)
        while len(out) < len(frames):
            out.append(far.recv(4096))
        # A replay numbers frames where addresses were.
        assert [frame[12:] for frame in out] == [frame[12:] for frame in frames]
        assert told == [f"Ether {frame.hex()}" for frame in out]
        return told


def test_a_pipe_takes_from_one_device_and_puts_out_on_another() -> None:
    assert len(both(piped)) == 60


def tunnelled(python: list[str]) -> list[str]:
    frames = of_protocol(17, 20)
    with Wire() as wire, running(wire.rx, python, "scapy_tun", "cap0", len(frames)) as process:
        told: list[str] = []
        for _ in range(2):
            told += until_ready(process)
            with Replay(wire, frames) as replay:
                replay.send(rate=5000)
        return told + rest(process)


def test_a_tun_device_stays_scapys_and_works_beside_our_sockets() -> None:
    told = both(tunnelled)
    assert told[0] == "scapy.layers.tuntap"
    assert "b'one'" in told[1]
    assert "b'two'" in told[1]
    beside = b"beside".hex()
    assert [told[n].count(beside) for n in (5, 7)] == [1, 1]
    assert [told[n].count("'Ether'") for n in (5, 7)] == [20, 20]
