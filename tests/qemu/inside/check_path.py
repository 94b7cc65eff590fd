# SPDX-License-Identifier: BSD-3-Clause
"""The packet path: order, bytes, filters, sampling, VLANs, queues, directions, exact counts."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from frames import ETHER, ether, ipv4, number_of, numbered, ports, udp4, udp6
from pfsock import (
    ACTIVATE,
    CHANNELS,
    CSUM,
    DEACTIVATE,
    DIRECTION,
    DISCARD,
    GSO,
    MODE,
    OUTGOING,
    RX_ONLY,
    SAMPLING,
    SO_DETACH_FILTER,
    TIMESTAMP,
    TX_ONLY,
    VLAN,
    Record,
    Ring,
    Sender,
    carry,
    ip,
    pair,
    settle,
)

SO_RCVBUFFORCE = 33
TUNSETIFF, IFF_TAP, IFF_NO_PI, IFF_MULTI_QUEUE = 0x400454CA, 0x0002, 0x1000, 0x0100
RET_ALL = (0x06, 0, 0, 0xFFFFFFFF)


def ret(length: int) -> tuple[int, int, int, int]:
    """The instruction that keeps so many bytes."""
    return (0x06, 0, 0, length)


def send(device: str, *frames: bytes) -> None:
    """Send frames from outside the module."""
    sender = Sender(device)
    sender.send(*frames)
    sender.close()


def test_every_byte_arrives_in_order_on_both_sides() -> None:
    frames = [numbered(i, 60 + i % 1450) for i in range(1000)]
    with pair() as (v0, v1), Ring(v0, size=4 << 20) as out, Ring(v1, size=4 << 20) as into:
        send(v0, *frames)
        got = into.collect(1000)
        assert [r.data for r in got] == frames
        assert {r.pkttype for r in got} == {3}
        assert {r.ifindex for r in got} == {socket.if_nametoindex(v1)}
        assert all(r.len == len(r.data) for r in got)
        sent = out.collect(1000)
        assert [r.data for r in sent] == frames
        assert {r.pkttype for r in sent} == {OUTGOING}
        assert into.stats().recv == out.stats().recv == 1000
        assert into.stats().drop == out.stats().drop == 0


def test_tcpdump_beside_us_sees_the_same_bytes(tmp_path: Path) -> None:
    frames = [numbered(i, 60 + i % 900) for i in range(500)]
    frames += [
        ether(0x0800, b"x" * 50, tags=((0x8100, 7),)),
        ether(0x86DD, b"y" * 60, tags=((0x88A8, 5), (0x8100, 6))),
    ]
    trace = tmp_path / "t.pcap"
    with pair() as (v0, v1), Ring(v1, size=4 << 20) as ring:
        tcpdump = subprocess.Popen(
            [
                "tcpdump",
                "-i",
                v1,
                "-w",
                str(trace),
                "-c",
                "502",
                "-s",
                "2000",
                "-B",
                "32768",
                "-Z",
                "root",
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert tcpdump.stderr
        while "listening on" not in tcpdump.stderr.readline():
            pass
        send(v0, *frames)
        ours = [r.data for r in ring.collect(502)]
        tcpdump.communicate(timeout=600)
    raw, theirs, at = trace.read_bytes(), [], 24
    while at < len(raw):
        length = struct.unpack_from("<I", raw, at + 8)[0]
        theirs.append(raw[at + 16 : at + 16 + length])
        at += 16 + length
    assert ours == theirs


@pytest.mark.slow
def test_received_and_sent_packets_can_be_had_apart() -> None:
    with pair() as (v0, v1), Ring(v1, direction=RX_ONLY) as rx, Ring(v1, direction=TX_ONLY) as tx:
        send(v0, *(numbered(i) for i in range(10)))
        send(v1, *(numbered(100 + i) for i in range(7)))
        assert [number_of(r.data) for r in rx.collect(10)] == list(range(10))
        assert [number_of(r.data) for r in tx.collect(7)] == list(range(100, 107))
        rx.set(DIRECTION, TX_ONLY)
        send(v0, numbered(1))
        send(v1, numbered(2))
        assert [number_of(r.data) for r in rx.collect(1)] == [2]
        rx.set(MODE, 1)
        send(v1, numbered(3))
        assert rx.wait(100) == 0


@pytest.mark.slow
def test_ring_hears_nothing_until_it_is_enabled() -> None:
    with pair() as (v0, v1), Ring(v1, active=False) as ring:
        send(v0, numbered(1))
        ring.set(ACTIVATE)
        send(v0, numbered(2))
        ring.set(DEACTIVATE)
        send(v0, numbered(3))
        ring.set(ACTIVATE)
        send(v0, numbered(4))
        assert [number_of(r.data) for r in ring.collect(2)] == [2, 4]
        assert ring.stats().recv == 2


@pytest.mark.slow
@pytest.mark.parametrize("caplen", [1, 13, 14, 60, 61, 96, 262144])
def test_capture_length_cuts_exactly(caplen: int) -> None:
    with pair() as (v0, v1), Ring(v1, caplen=caplen) as ring:
        frames = [numbered(i, size) for i, size in enumerate((60, 61, 96, 97, 1514))]
        send(v0, *frames)
        got = ring.collect(5)
        assert [r.data for r in got] == [f[:caplen] for f in frames]
        assert [r.len for r in got] == [len(f) for f in frames]


def test_filter_keeps_the_length_that_it_returns() -> None:
    with pair() as (v0, v1), Ring(v1) as ring:
        ring.filter(ret(40))
        send(v0, numbered(1, 100), numbered(2, 60))
        assert [r.data for r in ring.collect(2)] == [numbered(1, 100)[:40], numbered(2)[:40]]


def test_filter_of_one_instruction_that_refuses_all_refuses_all() -> None:
    with pair() as (v0, v1), Ring(v1) as ring:
        ring.filter(ret(0))
        send(v0, *(numbered(i) for i in range(5)))
        ring.sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
        send(v0, numbered(9))
        assert [number_of(r.data) for r in ring.collect(1)] == [9]
        assert (ring.stats().filtered, ring.stats().recv) == (5, 1)


def test_filter_takes_the_right_packets_and_counts_the_rest() -> None:
    with pair() as (v0, v1), Ring(v1) as ring:
        # ld [14]; and #3; jeq #1 -> accept
        ring.filter((0x20, 0, 0, 14), (0x54, 0, 0, 3), (0x15, 0, 1, 1), RET_ALL, ret(0))
        send(v0, *(numbered(i) for i in range(400)))
        assert [number_of(r.data) for r in ring.collect(100)] == list(range(1, 400, 4))
        assert (ring.stats().recv, ring.stats().filtered) == (100, 300)


def instruction(line: str) -> tuple[int, int, int, int]:
    """One line of `tcpdump -ddd`."""
    code, true, false, k = map(int, line.split())
    return code, true, false, k


def filters() -> list[str]:
    """60 expressions of every kind."""
    simple = [
        "ip",
        "ip6",
        "arp",
        "tcp",
        "udp",
        "icmp",
        "icmp6",
        "vlan",
        "vlan 5",
        "vlan 5 and udp",
        "ether proto 0x88b5",
        "udp port 53",
        "udp src port 1000",
        "udp dst port 2000",
        "tcp port 80",
        "tcp[13] & 2 != 0",
        "ip host 10.0.0.1",
        "src host 10.0.0.1",
        "dst host 10.0.0.2",
        "net 10.0.0.0/8",
        "src net 10.0.0.0/30",
        "ip6 host fd00::1",
        "src host fd00::1",
        "dst net fd00::/64",
        "ip6 and udp",
        "ip6 proto 17",
        "less 64",
        "greater 65",
        "len > 80",
        "ether host 02:00:00:00:00:01",
        "ether src 02:00:00:00:00:01",
        "ether broadcast",
        "ether multicast",
        "broadcast",
        "multicast",
        "not ip",
        "not udp",
        "ip and not udp",
        "udp or tcp",
        "udp portrange 1-1500",
        "portrange 50-90",
        "ip[8] = 64",
        "ip proto 17",
        "udp[4:2] > 20",
        "ether[12:2] = 0x800",
        "inbound",
        "outbound",
        "ip[6:2] & 0x1fff != 0",
        "ip and ip[2:2] > 40",
        "port 53 or port 80",
        "host 10.0.0.1 and port 53",
        "tcp and host 10.0.0.1",
        "ether[14:4] = 3",
        "link[0] = 2",
        "ip6[6] = 17",
        "vlan and ip",
        "vlan 5 or vlan 6",
        "src or dst port 53",
        "udp and not port 53",
        "ip and (udp port 53 or tcp port 80)",
    ]
    assert len(simple) == 60
    return simple


def varied() -> list[bytes]:
    """Frames that the filters tell apart."""
    frames = [numbered(i) for i in range(4)]
    for i in range(4):
        frames += [
            udp4((f"10.0.0.{i}", 1000 + i), ("10.0.0.2", 53)),
            udp4((f"10.1.0.{i}", 53), ("10.0.0.9", 2000)),
            udp6((f"fd00::{i}", 1000), ("fd00::2", 53)),
            udp6(("fe80::1", 5), (f"ff02::{i}", 547)),
            ether(0x0800, ipv4("10.0.0.1", f"10.0.0.{i}", 6, ports(6, 80, 4000 + i))),
            ether(0x0800, ipv4("10.0.0.1", "10.0.0.2", 17, b"z" * 32, offset=64)),
            ether(0x0800, ipv4("10.0.0.5", "10.0.0.6", 17, ports(17, 5, 53)), tags=((0x8100, 5),)),
            ether(0x0806, bytes(46), addresses=b"\xff" * 6 + ETHER[6:]),
            ether(
                0x0800,
                ipv4("10.0.0.5", "10.0.0.6", 1, b"\x08\x00" + bytes(40)),
                tags=((0x8100, 6),),
            ),
        ]
    return frames


@pytest.mark.slow
def test_60_filters_choose_what_tcpdump_chooses() -> None:
    frames = varied()
    with pair() as (v0, v1):
        for expression in filters():
            listing = subprocess.run(
                ["tcpdump", "-i", v1, "-ddd", "-s", "262144", expression],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.splitlines()
            program = [instruction(line) for line in listing[1:]]
            packet = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            code = b"".join(struct.pack("<HBBI", *i) for i in program)
            buffer = ctypes.create_string_buffer(code)
            packet.setsockopt(
                socket.SOL_SOCKET,
                26,
                struct.pack("<HxxxxxxQ", len(program), ctypes.addressof(buffer)),
            )
            packet.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 22)
            packet.bind((v1, 3))
            packet.setblocking(False)
            with Ring(v1) as ring:
                ring.filter(*program)
                send(v0, *frames)
                send(v1, *frames[:6])
                theirs = 0
                while True:
                    try:
                        packet.recv(2048)
                    except BlockingIOError:
                        break
                    theirs += 1
                ours = len(ring.read())
                assert ours == theirs, expression
                assert ring.stats().filtered == len(frames) + 6 - ours
            packet.close()


def test_stripped_tag_is_put_back_with_its_own_tpid() -> None:
    frames = [
        ether(0x0800, b"a" * 50, tags=((0x8100, 0x2005),)),
        ether(0x0800, b"b" * 50, tags=((0x88A8, 0x0007),)),
        ether(0x0800, b"c" * 50, tags=((0x88A8, 7), (0x8100, 9))),
        ether(0x0800, b"d" * 50, tags=((0x8100, 0),)),
    ]
    with pair() as (v0, v1), Ring(v1) as ring:
        send(v0, *frames)
        got = ring.collect(4)
        assert [r.data for r in got] == frames
        assert [(r.tpid, r.tci) for r in got] == [
            (0x8100, 0x2005),
            (0x88A8, 7),
            (0x88A8, 7),
            (0x8100, 0),
        ]
        assert all(r.flags & VLAN for r in got)
        assert [r.len for r in got] == [len(f) for f in frames]


@pytest.mark.slow
@pytest.mark.parametrize("caplen", [1, 11, 12, 15, 16, 17, 40])
def test_tag_and_capture_length_agree(caplen: int) -> None:
    frame = ether(0x0800, b"abcdefgh" * 8, tags=((0x8100, 5),))
    bare = ether(0x0800, b"abcdefgh" * 8)
    with pair() as (v0, v1), Ring(v1, caplen=caplen) as ring:
        send(v0, frame)
        (got,) = ring.collect(1)
        assert got.data == (frame if caplen >= 16 else bare)[:caplen]
        assert bool(got.flags & VLAN) == (caplen >= 16)
        assert got.len == len(frame)


@pytest.mark.slow
def test_sampling_takes_exactly_one_of_so_many() -> None:
    with pair() as (v0, v1), Ring(v1) as ring:
        ring.set(SAMPLING, 4)
        ring.filter((0x20, 0, 0, 14), (0x54, 0, 0, 1), (0x15, 0, 1, 0), RET_ALL, ret(0))
        send(v0, *(numbered(i) for i in range(800)))
        assert [number_of(r.data) for r in ring.collect(100)] == list(range(0, 800, 8))
        stats = ring.stats()
        assert (stats.recv, stats.sampled_out, stats.filtered, stats.drop) == (100, 300, 400, 0)


def test_sampling_rate_may_be_any_number() -> None:
    with pair() as (v0, v1), Ring(v1) as ring:
        ring.set(SAMPLING, struct.pack("<I", 0xFFFFFFFF))
        send(v0, *(numbered(i) for i in range(5)))
        assert [number_of(r.data) for r in ring.read()] == [0]
        assert ring.stats().sampled_out == 4


def test_ring_full_drops_newest_and_counts_each() -> None:
    with pair() as (v0, v1), Ring(v1, size=65536, lanes=1) as ring:
        send(v0, *(numbered(i) for i in range(1000)))
        fits = 65536 // 96
        assert [number_of(r.data) for r in ring.read()] == list(range(fits))
        assert (ring.stats().recv, ring.stats().drop) == (fits, 1000 - fits)
        assert ring.lanes[0].word(128 + 8) == 1000 - fits
        send(v0, *(numbered(i) for i in range(5)))
        assert len(ring.collect(5)) == 5


@pytest.mark.slow
def test_short_packet_does_not_slip_into_a_full_ring() -> None:
    with pair() as (v0, v1), Ring(v1, size=65536, lanes=1) as ring:
        frames = [numbered(i, 1500) for i in range(50)]
        fits = 65536 // 1536
        send(v0, *frames, numbered(50, 60))
        assert [r.data for r in ring.lanes[0].read(1)] == frames[:1]
        send(v0, numbered(51, 60))
        got = [number_of(r.data) for r in ring.read()]
        assert got == [*range(1, fits), 51]


@pytest.mark.slow
def test_records_run_over_the_end_unharmed() -> None:
    with pair() as (v0, v1), Ring(v1, size=65536, lanes=1) as ring:
        number = 0
        for turn in range(60):
            batch = [numbered(number + i, 60 + (turn * 37 + i * 11) % 1450) for i in range(20)]
            number += 20
            send(v0, *batch)
            assert [r.data for r in ring.collect(20)] == batch
        assert ring.lanes[0].prod > 10 * 65536


@pytest.mark.slow
def test_frame_larger_than_the_lane_is_dropped_and_counted() -> None:
    with pair() as (v0, v1), Ring(v1, caplen=65536, size=65536, lanes=1) as ring:
        assert ring.info()[6] == 131072
        ip("link", "set", v0, "mtu", "65000")
        ip("link", "set", v1, "mtu", "65000")
        send(v0, numbered(1, 65000), numbered(2, 65000), numbered(3, 65000))
        assert [r.data for r in ring.collect(2)] == [numbered(1, 65000), numbered(2, 65000)]
        assert ring.stats().drop == 1


@pytest.mark.slow
@pytest.mark.parametrize("lie", [1, 31, 96, 1 << 20, 1 << 40, (1 << 64) - 1, (1 << 63)])
def test_reader_that_lies_about_its_position_hurts_only_itself(lie: int) -> None:
    with (
        pair() as (v0, v1),
        Ring(v1, size=65536, lanes=1) as liar,
        Ring(v1, size=65536, lanes=1) as honest,
    ):
        for turn in range(3):
            send(v0, *(numbered(i) for i in range(700)))
            liar.lanes[0].cons = (liar.lanes[0].cons + lie) & ((1 << 64) - 1)
            liar.wait(10)
            assert len(honest.read()) == 65536 // 96, turn
        stats = liar.stats()
        assert stats.recv + stats.drop == 2100


def test_any_hears_devices_as_they_come() -> None:
    with Ring(0) as every, pair() as (v0, v1):
        send(v0, numbered(1))
        got = [r for r in every.collect(2) if r.data == numbered(1)]
        assert [(r.ifindex, r.pkttype) for r in got] == [
            (socket.if_nametoindex(v0), OUTGOING),
            (socket.if_nametoindex(v1), 3),
        ]


def test_loopback_packets_come_once() -> None:
    with Ring("lo") as ring, Ring("lo", direction=TX_ONLY) as tx, Ring(0) as every:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.sendto(b"hello", ("127.0.0.1", 9))
        udp.close()
        settle()
        for reader, kind in ((ring, 0), (tx, OUTGOING), (every, 0)):
            mine = [r for r in reader.read() if r.data.endswith(b"hello") and r.data[23] == 17]
            assert [r.pkttype for r in mine] == [kind]


@contextmanager
def tap(queues: int) -> Iterator[list[int]]:
    """A device tap0 whose receive queue i is what is written to the i-th descriptor."""
    fds = []
    try:
        for _ in range(queues):
            fds.append(os.open("/dev/net/tun", os.O_RDWR))
            request = struct.pack("16sH22x", b"tap0", IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE)
            fcntl.ioctl(fds[-1], TUNSETIFF, request)
        Path("/proc/sys/net/ipv6/conf/tap0/disable_ipv6").write_text("1")
        ip("link", "set", "tap0", "up", "arp", "off")
        yield fds
    finally:
        for fd in fds:
            os.close(fd)


def test_queues_are_told_apart() -> None:
    with (
        tap(3) as queue,
        Ring("tap0", queues=0b001) as zero,
        Ring("tap0", queues=0b010) as one,
        Ring("tap0", queues=0b101) as two,
        Ring("tap0", queues=1 << 40) as none,
        Ring("tap0") as every,
    ):
        assert every.number(CHANNELS) == 3
        for number in range(30):
            os.write(queue[number % 3], numbered(number))
        assert [number_of(r.data) for r in zero.collect(10)] == list(range(0, 30, 3))
        assert [number_of(r.data) for r in one.collect(10)] == list(range(1, 30, 3))
        got = two.collect(20)
        assert [number_of(r.data) for r in got] == [n for n in range(30) if n % 3 != 1]
        assert {r.queue for r in got} == {1, 3}
        assert len(every.collect(30)) == 30
        assert none.read() == []
        send("tap0", numbered(99))
        assert every.collect(1)[0].pkttype == OUTGOING
        assert zero.read() == one.read() == two.read() == []


@pytest.mark.slow
def test_four_rings_see_all_of_one_device() -> None:
    with (
        pair() as (v0, v1),
        Ring(v1, size=4 << 20) as a,
        Ring(v1, size=4 << 20) as b,
        Ring(v1, caplen=64, size=4 << 20) as c,
        Ring(0, size=4 << 20) as d,
    ):
        send(v0, *(numbered(i) for i in range(5000)))
        for ring in (a, b, c):
            assert [number_of(r.data) for r in ring.collect(5000)] == list(range(5000))
        ours = [r for r in d.collect(10000) if r.ifindex == socket.if_nametoindex(v1)]
        assert [number_of(r.data) for r in ours] == list(range(5000))


@pytest.mark.slow
def test_large_offloaded_frame_is_one_packet_and_says_so() -> None:
    ip("netns", "add", "peer")
    try:
        ip("link", "add", "v0", "type", "veth", "peer", "name", "v1")
        ip("link", "set", "v1", "netns", "peer")
        for where, name, address in (
            ([], "v0", "10.9.0.1/24"),
            (["-n", "peer"], "v1", "10.9.0.2/24"),
        ):
            ip(*where, "addr", "add", address, "dev", name)
            ip(*where, "link", "set", name, "up")
        with Ring("v0", caplen=262144, size=4 << 20) as ring:
            server = subprocess.Popen(
                ["ip", "netns", "exec", "peer", "busybox", "nc", "-l", "-p", "7777"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
            )
            for _ in range(100):
                try:
                    client = socket.create_connection(("10.9.0.2", 7777), timeout=10)
                    break
                except OSError:
                    time.sleep(0.1)
            client.sendall(b"q" * 400_000)
            client.close()
            assert server.communicate(timeout=600)[0] == b"q" * 400_000
            big = [r for r in ring.read() if r.flags & GSO]
            assert big
            assert all(r.len > 1514 and r.caplen == r.len for r in big)
            assert all(r.flags & CSUM for r in big if r.pkttype == OUTGOING)
    finally:
        ip("netns", "del", "peer")


@pytest.mark.slow
@pytest.mark.parametrize(("clock", "slack"), [(0, 0.05), (1, 0.05), (2, 0.05)])
def test_stamps_are_of_the_hosts_clock(clock: int, slack: float) -> None:
    with pair() as (v0, v1), Ring(v1) as ring:
        ring.set(TIMESTAMP, clock)
        before = time.time()
        send(v0, numbered(1), numbered(2))
        after = time.time()
        stamps = [r.ts / 1e9 for r in ring.collect(2)]
        assert before - slack <= stamps[0] <= stamps[1] <= after + slack


def test_what_a_ring_sent_itself_can_be_left_out() -> None:
    with pair() as (_, v1), Ring(v1) as all_of_it, Ring(v1) as own:
        own.set(DISCARD, 1)
        own.send(numbered(1))
        all_of_it.send(numbered(2))
        assert [number_of(r.data) for r in all_of_it.collect(2)] == [1, 2]
        assert [number_of(r.data) for r in own.collect(1)] == [2]


@pytest.mark.slow
def test_e1000e_passes_frames_of_every_size() -> None:
    frames = [numbered(i, 60 + i * 7 % 1455) for i in range(300)]
    for name in ("eth0", "eth1"):
        Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
        ip("link", "set", name, "promisc", "on", "up")
    carry("eth0", "eth1")
    with Ring("eth1", direction=RX_ONLY) as ring:
        send("eth0", *frames)
        got: list[Record] = ring.collect(300)
        assert [r.data for r in got] == frames
        send("eth0", ether(0x0800, b"v" * 50, tags=((0x8100, 5),)))
        (tagged,) = ring.collect(1)
        assert tagged.data[:68] == ether(0x0800, b"v" * 50, tags=((0x8100, 5),))
    for name in ("eth0", "eth1"):
        ip("link", "set", name, "down")
