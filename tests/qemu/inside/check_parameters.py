# SPDX-License-Identifier: BSD-3-Clause
"""The module's parameters, each with what it changes."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from frames import BROADCAST, ether, ipv4, numbered, ports, udp4
from module import load, unload
from patience import until
from pfsock import (
    DEFRAG,
    DIRECTION,
    OUTGOING,
    RX_ONLY,
    SAMPLING,
    TX_ONLY,
    Ring,
    Sender,
    ip,
    pair,
    refused,
    settle,
)

PARAMETERS = None


@contextmanager
def loaded(*parameters: str) -> Iterator[str]:
    """The module with parameters; what info says."""
    load(*parameters)
    try:
        yield Path("/proc/net/pf_ring/info").read_text()
    finally:
        unload()


def send(device: str, *frames: bytes) -> None:
    """Send frames from outside the module."""
    sender = Sender(device)
    sender.send(*frames)
    sender.close()


@pytest.mark.slow
@pytest.mark.parametrize(("slots", "data"), [(16, 65536), (1000, 1 << 17), (100_000, 1 << 24)])
def test_min_num_slots_sizes_the_ring(slots: int, data: int) -> None:
    with loaded(f"min_num_slots={slots}") as info:
        assert f"Ring slots           : {slots}\n" in info
        with Ring("lo", caplen=96, size=0, lanes=1) as ring:
            assert ring.info()[2] == slots
            assert ring.info()[6] == data


@pytest.mark.slow
def test_enable_tx_capture_0_hides_what_is_sent() -> None:
    with loaded("enable_tx_capture=0") as info:
        assert "Capture TX           : No [RX only]\n" in info
        with (
            pair() as (v0, v1),
            Ring(v0) as out,
            Ring(v1) as into,
            Ring(v0, direction=TX_ONLY) as tx,
        ):
            send(v0, numbered(1))
            assert len(into.collect(1)) == 1
            assert out.read() == tx.read() == []


@pytest.mark.slow
def test_enable_ip_defrag_puts_datagrams_together() -> None:
    body = ports(17, 5, 53, bytes(range(256)) * 8)
    parts = [
        ether(0x0800, ipv4("10.0.0.1", "10.0.0.2", 17, body[:1024], ident=9, more=True)),
        ether(0x0800, ipv4("10.0.0.1", "10.0.0.2", 17, body[1024:], ident=9, offset=1024)),
    ]
    whole = ether(0x0800, ipv4("10.0.0.1", "10.0.0.2", 17, body, ident=9))
    with loaded("enable_ip_defrag=1") as info:
        assert "IP Defragment        : Yes\n" in info
        for order in (parts, parts[::-1]):
            with pair() as (v0, v1), Ring(v1, caplen=4096) as ring, Ring(v0, caplen=4096) as sent:
                send(v0, *order, udp4(("10.0.0.1", 1), ("10.0.0.2", 2)))
                got = ring.collect(2)
                assert [r.data[26:] for r in got] == [
                    whole[26:],
                    udp4(("10.0.0.1", 1), ("10.0.0.2", 2))[26:],
                ]
                assert got[0].flags & DEFRAG
                assert got[0].len == len(whole)
                assert [r.data for r in sent.collect(3)][:2] == order


def test_quick_mode_gives_each_device_to_one_ring() -> None:
    with loaded("quick_mode=1") as info, pair() as (v0, v1):
        assert "Socket Mode          : Quick\n" in info
        with Ring(v1) as ring, Ring(v0) as other:
            assert refused(errno.EBUSY, Ring, v1)
            assert refused(errno.EOPNOTSUPP, Ring, 0)
            assert refused(errno.EOPNOTSUPP, ring.join, 7, 0)
            ring.set(SAMPLING, 2)
            send(v0, *(numbered(i) for i in range(10)))
            assert len(ring.collect(5)) == 5
            assert len(other.collect(10)) == 10
        with Ring(v1):
            pass


@pytest.mark.slow
@pytest.mark.parametrize("mode", [0, 1, 2])
def test_transparent_mode_says_who_else_gets_the_packets(mode: int) -> None:
    with loaded(f"transparent_mode={mode}") as info:
        assert f"Transparent mode     : Yes (mode {mode})\n" in info
        ip("netns", "add", "peer")
        try:
            ip("link", "add", "v0", "type", "veth", "peer", "name", "v1")
            ip("link", "set", "v1", "netns", "peer")
            for where, name, host in (([], "v0", 1), (["-n", "peer"], "v1", 2)):
                ip(*where, "addr", "add", f"10.9.0.{host}/24", "dev", name)
                ip(*where, "link", "set", name, "up")
            answered = [
                "ip",
                "netns",
                "exec",
                "peer",
                "busybox",
                "ping",
                "-c",
                "2",
                "-W",
                "2",
                "10.9.0.1",
            ]

            def reachable() -> bool:
                return subprocess.run(answered, capture_output=True, check=False).returncode == 0

            until(reachable)
            with Ring("v0") as ring:
                if mode < 2:
                    until(reachable)
                else:
                    assert not reachable()
                seen = ring.read()
                assert {r.pkttype for r in seen} & {0, 1}
                answers = [
                    r for r in seen if r.pkttype == OUTGOING and r.data[12:14] == b"\x08\x00"
                ]
                assert bool(answers) == (mode < 2)
                shown = Path("/proc/net/pf_ring/dev").read_text().splitlines()[1].split()
                assert (shown[0], shown[4]) == ("v0", str(mode))
            until(reachable)
            with Ring("v0", active=False):
                until(reachable)
        finally:
            ip("netns", "del", "peer")


def hooked(device: str) -> bool:
    """Whether every packet of the device passes a hook of the module."""
    return any(
        line.split()[:2] == ["ALL", device] and "pf_ring" in line
        for line in Path("/proc/net/ptype").read_text().splitlines()
    )


@pytest.mark.parametrize("mode", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_transparent_modes_hook_only_what_the_rx_handler_does_not_see(mode: int) -> None:
    with (
        loaded(f"transparent_mode={mode}"),
        pair() as (v0, v1),
        Ring(v1, direction=RX_ONLY) as ring,
    ):
        assert not hooked(v1)
        ip("link", "add", "link", v1, "name", "v1.5", "type", "vlan", "id", "5")
        assert hooked(v1)
        ip("link", "set", "v1.5", "up")
        tagged = [ether(0x88B5, bytes([n]) * 46, tags=((0x8100, tci),)) for n, tci in TAGS]
        with Ring("v1.5", direction=RX_ONLY) as upper:
            send(v0, numbered(1), *tagged, numbered(2))
            assert [r.data for r in ring.collect(5)] == [numbered(1), *tagged, numbered(2)]
            below = [tagged[0], tagged[2]]
            assert [r.data[14:] for r in upper.collect(2)] == [frame[18:] for frame in below]
        ip("link", "del", "v1.5")
        assert not hooked(v1)
        with Ring(v1) as both:
            assert hooked(v1)
            send(v0, *tagged)
            assert [r.data for r in both.collect(3)] == tagged
            assert [r.data for r in ring.collect(3)] == tagged
            both.set(DIRECTION, RX_ONLY)
            assert not hooked(v1)
        assert not ring.read()


TAGS = ((1, 5), (2, 6), (3, 0x2005))


def test_transparent_mode_2_leaves_the_stack_what_no_ring_hears() -> None:
    def arrived() -> int:
        return int(Path("/proc/net/snmp").read_text().splitlines()[1].split()[3])

    frame = BROADCAST + udp4(("10.8.0.9", 9), ("10.8.0.1", 9))[12:]
    with loaded("transparent_mode=2"), pair() as (v0, v1):
        ip("addr", "add", "10.8.0.1/24", "dev", v1)
        before = arrived()
        with Ring(v1, queues=2):  # queue 1; veth's packets are of queue 0
            send(v0, frame)
            assert arrived() == before + 1
            with Ring(v1, queues=1) as ring:
                send(v0, frame)
                assert [r.data for r in ring.collect(1)] == [frame]
            assert arrived() == before + 1


@pytest.mark.slow
def test_transparent_mode_1_beside_a_bridge_is_mode_0() -> None:
    with loaded("transparent_mode=1"), pair() as (v0, v1):
        ip("link", "add", "br9", "type", "bridge")
        try:
            ip("link", "set", v1, "master", "br9")
            with Ring(v1) as ring:
                assert Path("/proc/net/pf_ring/dev").read_text().split()[-1] == "0"
                send(v0, numbered(1))
                assert [r.data for r in ring.collect(1)] == [numbered(1)]
        finally:
            ip("link", "del", "br9")


def test_listening_to_fragments_answers_nobody() -> None:
    def failures() -> int:
        return int(Path("/proc/net/snmp").read_text().splitlines()[1].split()[16])  # ReasmFails

    before = failures()
    first = ipv4("10.8.0.9", "192.0.2.1", 17, bytes(64), ident=77, more=True)
    with loaded("enable_ip_defrag=1"), pair() as (v0, v1):
        # A router, to which the datagram is not addressed: only its end says that it never came.
        ip("addr", "add", "10.8.0.1/24", "dev", v1)
        ip("route", "add", "192.0.2.0/24", "dev", v1)
        for name, value in (("ip_forward", 1), ("ipfrag_time", 1), ("conf/all/rp_filter", 0)):
            Path(f"/proc/sys/net/ipv4/{name}").write_text(str(value))
        with Ring(v1) as ring, Ring(v0, direction=RX_ONLY) as answers:
            send(v0, ether(0x0800, first))
            until(lambda: failures() > before)
            settle()
            heard = [r.data for r in answers.read()]
            assert [frame for frame in heard if frame[23:24] == b"\1"] == []
            assert all(r.pkttype == OUTGOING for r in ring.read())


@pytest.mark.slow
def test_transparent_mode_2_refuses_a_device_whose_packets_another_takes() -> None:
    with loaded("transparent_mode=2"), pair() as (_, v1):
        ip("link", "add", "br9", "type", "bridge")
        try:
            ip("link", "set", v1, "master", "br9")
            assert refused(errno.EBUSY, Ring, v1)
        finally:
            ip("link", "del", "br9")
