# SPDX-License-Identifier: BSD-3-Clause
"""Sending, and what /proc says."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import struct
from pathlib import Path

import pytest
from frames import ether, number_of, numbered
from pfsock import (
    ABI,
    APPL_STATS,
    MODE,
    NAME,
    RING_ID,
    SAMPLING,
    Ring,
    Sender,
    ip,
    libc,
    one_cpu,
    pair,
    refused,
)

PROC = Path("/proc/net/pf_ring")
TUNSETIFF, IFF_TUN = 0x400454CA, 0x0001


def test_frames_go_out_unchanged_and_are_counted() -> None:
    frames = [numbered(i, 60 + i % 1455) for i in range(500)]
    with pair() as (v0, v1), Ring(v0) as out, Ring(v1, size=4 << 20) as into:
        with one_cpu():
            for frame in frames:
                assert out.send(frame) == len(frame)
        assert [r.data for r in into.collect(500)] == frames
        assert (out.stats().tx, out.stats().tx_errors) == (500, 0)


def test_unbound_socket_sends_through_the_device_it_names() -> None:
    with pair() as (v0, v1), Ring(caplen=0) as out, Ring(v1) as into:
        assert out.send(numbered(3), socket.if_nametoindex(v0)) == 60
        assert number_of(into.collect(1)[0].data) == 3
        assert refused(errno.ENXIO, out.send, numbered(1))
        assert refused(errno.ENXIO, out.send, numbered(1), 9999)
        assert out.stats().tx_errors == 0


@pytest.mark.parametrize(
    ("size", "code"),
    [(0, errno.EMSGSIZE), (13, errno.EINVAL), (1519, errno.EMSGSIZE), (70000, errno.EMSGSIZE)],
)
def test_frames_that_the_device_cannot_send_are_refused(size: int, code: int) -> None:
    with pair() as (v0, _), Ring(v0) as ring:
        assert refused(code, ring.send, bytes(size))
        assert ring.stats().tx == 0


@pytest.mark.parametrize(("proto", "first"), [(0x0800, 0x45), (0x86DD, 0x60)])
def test_packet_without_an_ethernet_header_says_its_protocol(proto: int, first: int) -> None:
    packet = bytes([first]) + bytes(59)
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", b"tun0", IFF_TUN))
    try:
        Path("/proc/sys/net/ipv6/conf/tun0/disable_ipv6").write_text("1")
        ip("link", "set", "tun0", "up")
        with Ring("tun0") as ring:
            assert ring.send(packet) == 60
            got = b""
            while got[4:] != packet:  # the stack may have a word of its own
                got = os.read(fd, 200)
            assert struct.unpack_from("!HH", got) == (0, proto)
    finally:
        os.close(fd)


def test_tagged_frame_may_be_one_tag_longer() -> None:
    frame = ether(0x0800, bytes(1500), tags=((0x8100, 5),))
    with pair() as (v0, v1), Ring(v0) as out, Ring(v1) as into:
        assert out.send(frame) == 1518
        assert into.collect(1)[0].data == frame
        assert refused(errno.EMSGSIZE, out.send, ether(0x0800, bytes(1504)))


def test_sendmmsg_sends_a_batch() -> None:
    import ctypes

    from pfsock import check, libc

    frames = [ctypes.create_string_buffer(numbered(i), 60) for i in range(64)]
    vectors = b"".join(struct.pack("<QQ", ctypes.addressof(f), 60) for f in frames)
    vector = ctypes.create_string_buffer(vectors)
    messages = b"".join(
        struct.pack("<QIxxxxQQQQiIIxxxx", 0, 0, ctypes.addressof(vector) + 16 * i, 1, 0, 0, 0, 0, 0)
        for i in range(64)
    )
    buffer = ctypes.create_string_buffer(messages)
    with pair() as (v0, v1), Ring(v0) as out, Ring(v1) as into:
        with one_cpu():
            assert check(libc.sendmmsg(out.fileno(), buffer, 64, 0)) == 64
        assert [number_of(r.data) for r in into.collect(64)] == list(range(64))


def test_sending_to_a_device_that_is_down_says_so() -> None:
    with pair() as (v0, _), Ring(v0) as ring:
        ip("link", "set", v0, "down")
        assert refused(errno.ENETDOWN, ring.send, numbered(1))
        assert ring.stats().tx_errors == 1


@pytest.mark.parametrize("mode", [2, 3])
def test_receive_only_sockets_do_not_send(mode: int) -> None:
    with pair() as (v0, _), Ring(v0) as ring:
        ring.set(MODE, mode)
        assert refused(errno.EPERM, ring.send, numbered(1))


def test_info_reads_as_the_guide_prints_it() -> None:
    with Ring("lo"):
        assert (PROC / "info").read_text() == (
            "Version              : 5.4.4\n"
            "Ring slots           : 4096\n"
            f"Slot version         : {ABI}\n"
            "Capture TX           : Yes [RX+TX]\n"
            "IP Defragment        : No\n"
            "Socket Mode          : Standard\n"
            "Transparent mode     : Yes (mode 0)\n"
            "Total rings          : 1\n"
            "Total plugins        : 0\n"
        )
    assert {p.name for p in PROC.iterdir()} == {"dev", "info", "plugins_info", "stats"}


def test_ring_file_begins_as_the_guide_prints_it() -> None:
    with pair() as (v0, v1), Ring(v1, lanes=1, size=65536) as ring:
        ring.set(NAME, b"pfcount")
        ring.set(SAMPLING, 2)
        sender = Sender(v0)
        sender.send(*(numbered(i) for i in range(10)))
        sender.close()
        text = (PROC / f"{os.getpid()}-v1.{ring.number(RING_ID)}").read_text().splitlines()
        assert text[:6] == [
            "Bound Device         : v1",
            f"Slot Version         : {ABI} [5.4.4]",
            "Active               : 1",
            "Sampling Rate        : 2",
            "Appl. Name           : pfcount",
            "IP Defragment        : No",
        ]
        assert "Tot Insert           : 5" in text
        assert "Tot Pkt Lost         : 0" in text
        assert any(
            line.split() == ["v1", str(socket.if_nametoindex("v1")), "1", "1", "0"]
            for line in (PROC / "dev").read_text().splitlines()
        )


def test_user_text_is_never_a_format_and_has_no_control_characters() -> None:
    with Ring("lo") as ring:
        name = f"{os.getpid()}-lo.{ring.number(RING_ID)}"
        ring.set(NAME, b"%s%n%px\x1b[2J\xff")
        assert "Appl. Name           : %s%n%px?[2J?\n" in (PROC / name).read_text(errors="strict")
        ring.set(APPL_STATS, b"a: 1\nb: %s\n")
        assert (PROC / "stats" / name).read_text() == "a: 1\nb: %s\n"
        assert refused(errno.EINVAL, ring.set, NAME, b"x" * 32)
        assert refused(errno.EINVAL, ring.set, APPL_STATS, b"x" * 5000)


def test_files_go_with_their_ring_and_stay_in_their_namespace() -> None:
    ring = Ring("lo")
    name = f"{os.getpid()}-lo.{ring.number(RING_ID)}"
    path = PROC / name
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    ip("netns", "add", "other")
    try:
        shown = os.popen("ip netns exec other ls /proc/net/pf_ring /proc/net/pf_ring/stats").read()
        assert name not in shown
        assert "info" in shown
    finally:
        ip("netns", "del", "other")
    ring.close()
    assert not path.exists()


def test_process_that_changes_its_namespace_sees_the_new_one() -> None:
    def rings() -> str:
        return next(x for x in (PROC / "info").read_text().splitlines() if "Total rings" in x)

    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    ip("netns", "add", "other")
    try:
        with Ring("lo"):
            assert rings().endswith(": 1")
            libc.setns(os.open("/run/netns/other", os.O_RDONLY), 0)
            assert rings().endswith(": 0")
            libc.setns(home, 0)
            assert rings().endswith(": 1")
    finally:
        libc.setns(home, 0)
        os.close(home)
        ip("netns", "del", "other")


def test_parameters_are_read_only() -> None:
    parameters = Path("/sys/module/pf_ring/parameters")
    names = {p.name for p in parameters.iterdir()}
    assert names == {
        "min_num_slots",
        "enable_tx_capture",
        "enable_ip_defrag",
        "quick_mode",
        "transparent_mode",
    }
    assert all(stat.S_IMODE((parameters / n).stat().st_mode) == 0o444 for n in names)
