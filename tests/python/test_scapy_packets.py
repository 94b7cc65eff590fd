# SPDX-License-Identifier: BSD-3-Clause
"""Packets that are dissected when somebody looks are scapy's own in every respect."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pfring._core import scapy as core
from pfring.lab.trace import Trace
from pfring.scapy import model, patch
from scapy.config import conf
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw, bind_layers, split_layers
from support.scapy_versions import OLDEST_AND_NEWEST, scapy_path

PROGRAMS = Path(__file__).parent / "programs"


@pytest.fixture
def lazily() -> Iterator[None]:
    """Packets can be lazy; afterwards scapy is as it was."""
    patch.apply()
    model.refresh()
    yield
    patch.undo()


def udp(**fields: Any) -> bytes:
    return bytes(Ether() / IP(dst="10.0.0.1") / UDP(sport=4444, **fields) / b"payload of a frame")


def lazy(frame: bytes) -> Any:
    packet = core.packet(frame, 1.5)
    assert packet is not None
    assert core.is_lazy(packet)
    return packet


@pytest.mark.parametrize("version", ["installed", *OLDEST_AND_NEWEST])
def test_every_operation_gives_what_scapy_gives(version: str) -> None:
    path = {} if version == "installed" else {"PYTHONPATH": str(scapy_path(version))}
    done = subprocess.run(
        [sys.executable, PROGRAMS / "scapy_differential.py", "100", "12"],
        capture_output=True, text=True, check=False, timeout=500, env=path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert version in ("installed", told["version"])
    assert told["compared"] > 2500
    assert told["lazy"] > 900


@pytest.mark.usefixtures("lazily")
def test_questions_about_layers_and_plain_fields_dissect_nothing() -> None:
    packet = lazy(udp(dport=5555))
    assert UDP in packet
    assert TCP not in packet
    assert packet.haslayer("IP")
    assert packet[IP].dst == "10.0.0.1"
    assert packet.dport == 5555
    assert packet[Raw].load == b"payload of a frame"
    assert len(packet) == len(bytes(packet)) == 60
    packet.sniffed_on, packet.time = "here", 2.5
    assert core.is_lazy(packet)
    inner = packet[UDP]
    assert packet.summary() == Ether(udp(dport=5555)).summary()
    assert not core.is_lazy(packet)
    assert packet[UDP] is inner
    assert inner.underlayer is packet[IP]
    assert packet.time == 2.5


@pytest.mark.usefixtures("lazily")
@pytest.mark.parametrize("tags", ["", "81000005", "88a80005", "88a8000581000006"])
def test_a_type_that_nothing_is_bound_to_is_raw_bytes_until_somebody_binds_it(tags: str) -> None:
    frame = bytes(12) + bytes.fromhex(tags) + b"\x88\xb5" + b"payload of a frame"
    packet = lazy(frame)
    assert TCP not in packet
    assert packet[Raw].load == b"payload of a frame"
    assert core.is_lazy(packet)
    assert packet.show(dump=True) == Ether(frame).show(dump=True)
    below = Ether(frame)[Raw].underlayer
    assert below is not None
    bind_layers(type(below), TCP, type=0x88B5)
    try:
        model.refresh()
        assert core.packet(frame, 1.0) is None
    finally:
        split_layers(type(below), TCP, type=0x88B5)
    model.refresh()
    lazy(frame)


@pytest.mark.usefixtures("lazily")
def test_a_binding_made_later_does_not_change_packets_that_came_before() -> None:
    class Later(Packet):
        fields_desc = Raw.fields_desc

    model.refresh()  # a new class of packets is reason enough to look again
    before = lazy(udp(dport=5556))
    bind_layers(UDP, Later, dport=5556)
    try:
        assert not core.is_lazy(before)
        assert Later not in before
        assert Raw in before
        assert core.packet(udp(dport=5557), 1.0) is None, "the model is not read anew yet"
        model.refresh()
        assert core.packet(udp(dport=5556), 1.0) is None
        assert core.packet(udp(dport=5557), 1.0) is not None
    finally:
        split_layers(UDP, Later, dport=5556)
    model.refresh()
    assert Later not in lazy(udp(dport=5556))


@pytest.mark.usefixtures("lazily")
def test_a_binding_put_into_the_list_by_hand_is_noticed() -> None:
    UDP.payload_guess.append(({"dport": 5558}, TCP))
    try:
        assert not core.valid()
        model.refresh()
        assert core.packet(udp(dport=5558), 1.0) is None
    finally:
        UDP.payload_guess.pop()
    model.refresh()
    assert core.packet(udp(dport=5558), 1.0) is not None


@pytest.mark.usefixtures("lazily")
@pytest.mark.parametrize("setting", ["padding", "debug_dissector"])
def test_a_setting_is_that_of_the_time_of_capture(setting: str) -> None:
    frame = udp(dport=5559) + b"some padding"
    before = lazy(frame)
    old = getattr(conf, setting)
    setattr(conf, setting, not old)
    try:
        assert not core.is_lazy(before)
        assert bytes(before) == frame
        model.refresh()
        assert core.packet(frame, 1.0) is None
    finally:
        setattr(conf, setting, old)


@pytest.mark.usefixtures("lazily")
def test_a_class_that_dissects_in_its_own_way_is_not_touched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(UDP, "guess_payload_class", lambda self, payload: TCP)
    model.refresh()
    assert core.packet(udp(dport=5555), 1.0) is None


@pytest.mark.usefixtures("lazily")
def test_two_threads_that_look_at_once_see_one_packet() -> None:
    for _ in range(50):
        packet = lazy(udp(dport=5555))
        start = threading.Barrier(4)
        seen: list[tuple[int, str]] = []

        def look(packet: Packet = packet, start: threading.Barrier = start) -> None:
            start.wait(60)
            seen.append((id(packet[UDP]), repr(packet)))  # noqa: B023

        threads = [threading.Thread(target=look) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(seen) == 4
        assert len(set(seen)) == 1


@pytest.mark.usefixtures("lazily")
def test_packets_nobody_looked_at_leave_nothing() -> None:
    waiting = core.waiting()
    packets = [lazy(udp(dport=5555)) for _ in range(100)]
    inner = [packet[IP] for packet in packets[:50]]
    assert core.waiting() == waiting + 100
    del packets
    gc.collect()
    assert core.waiting() == waiting + 50, "their inner layers keep the outer ones"
    assert all(layer.underlayer.type == 0x0800 for layer in inner)
    del inner
    gc.collect()
    assert core.waiting() == waiting


def test_uninstalling_dissects_what_waits_and_leaves_scapy_as_it_was(trace: Trace) -> None:
    names = ("__getattr__", "__setattr__", "haslayer", "__bytes__", "_pkt")
    before = [Packet.__dict__[name] for name in names]
    patch.apply()
    model.refresh()
    packets = [p for f in trace.frames[:300] if (p := core.packet(f, 1.0)) is not None]
    assert len(packets) > 100
    patch.undo()
    assert core.waiting() == 0
    assert [Packet.__dict__[name] for name in names] == before
    assert "__setattr__" not in type(Packet).__dict__
    for packet in packets:
        assert packet == Ether(bytes(packet))
