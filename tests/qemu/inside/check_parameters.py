# SPDX-License-Identifier: BSD-3-Clause
"""The module's parameters, each with what it changes."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from frames import ether, ipv4, numbered, ports, udp4
from module import load, unload
from pfsock import DEFRAG, OUTGOING, SAMPLING, TX_ONLY, Ring, Sender, ip, pair, refused

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


@pytest.mark.parametrize(("slots", "data"), [(16, 65536), (1000, 1 << 17), (100_000, 1 << 24)])
def test_min_num_slots_sizes_the_ring(slots: int, data: int) -> None:
    with loaded(f"min_num_slots={slots}") as info:
        assert f"Ring slots           : {slots}\n" in info
        with Ring("lo", caplen=96, size=0, lanes=1) as ring:
            assert ring.info()[2] == slots
            assert ring.info()[6] == data


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

            assert reachable()
            with Ring("v0") as ring:
                assert reachable() == (mode < 2)
                seen = ring.read()
                assert {r.pkttype for r in seen} & {0, 1}
                answers = [
                    r for r in seen if r.pkttype == OUTGOING and r.data[12:14] == b"\x08\x00"
                ]
                assert bool(answers) == (mode < 2)
                shown = Path("/proc/net/pf_ring/dev").read_text().splitlines()[1].split()
                assert (shown[0], shown[4]) == ("v0", "2" if mode == 2 else "0")
            assert reachable()
            with Ring("v0", active=False):
                assert reachable()
        finally:
            ip("netns", "del", "peer")


def test_transparent_mode_2_refuses_a_device_whose_packets_another_takes() -> None:
    with loaded("transparent_mode=2"), pair() as (_, v1):
        ip("link", "add", "br9", "type", "bridge")
        try:
            ip("link", "set", v1, "master", "br9")
            assert refused(errno.EBUSY, Ring, v1)
        finally:
            ip("link", "del", "br9")
