# SPDX-License-Identifier: BSD-3-Clause
"""The tuples that pfring hands out; the extension fills Stats and Parsed."""

from typing import NamedTuple


class Stats(NamedTuple):
    """Counters since the ring was opened; recv + drop is what passed the filter."""

    recv: int
    """Packets that entered the ring."""
    drop: int
    """Packets that passed the filter and found no room."""
    ifdrop: int
    """Packets the interface itself lost."""
    filtered: int
    """Packets that rules, or a filter in user space, refused; a BPF filter in the kernel counts
    nothing."""
    delivered: int
    """Packets handed to the program."""
    sent: int
    send_errors: int
    ring_bytes: int
    """Memory of the ring."""
    queued_bytes: int
    """How much of it holds packets."""
    wakeups: int
    reflected: int = 0
    """Packets that rules sent out of another device."""
    reflect_failed: int = 0


class Lane(NamedTuple):
    """One part of a ring: each is filled by a processor of its own where there are several."""

    bytes: int
    queued: int
    """How many of its bytes hold packets."""
    accepted: int
    """Packets that found room, since the ring was opened."""
    dropped: int
    """Packets that found none."""
    wakeups: int


class Details(NamedTuple):
    """How a ring works; empty or 0 where its path has no such thing."""

    lanes: int
    copies: int
    """How often a packet's bytes are copied on their way to the reader."""
    snaplen: int
    filter: str
    """Where the filter in force runs: "" none, "kernel", "ebpf" in the capture program, "user"."""
    filter_length: int
    """Instructions of the filter."""
    refiltered: bool
    """Packets queued under an older filter are still being tested again."""
    clock: str
    """What stamps packets: "tai", "monotonic", "coarse", "kernel" or "adapter"."""
    program: str
    """The filter as text, an instruction a line."""


class Parsed(NamedTuple):
    """One Ethernet frame taken apart; 0 or None where a header is absent."""

    level: int
    """Layer reached: 2 Ethernet and VLAN, 3 IP, 4 transport, 5 tunnel."""
    eth_src: str
    eth_dst: str
    eth_type: int
    vlan: int
    qinq: int
    ip_version: int
    proto: int
    tos: int
    src: str | None
    dst: str | None
    sport: int
    dport: int
    icmp_type: int
    icmp_code: int
    tcp_flags: int
    tcp_seq: int
    tcp_ack: int
    payload_offset: int
    """Where the payload begins, -1 if nowhere."""
    tunnel_id: int | None
    """GTP TEID, GRE key or VXLAN VNI."""


class Device(NamedTuple):
    """A network interface of this machine."""

    name: str
    up: bool
    mac: str
    mtu: int
    speed: int
    """Mbit/s, 0 if unknown."""
    queues: int
    """Receive queues."""
