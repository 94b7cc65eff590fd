# SPDX-License-Identifier: BSD-3-Clause
"""One packet as one line: time, length, and who talks to whom about what."""

import time

from .. import parse
from ..records import Parsed

_ETHERNET = 1
_PROTOCOLS = {
    1: "icmp",
    2: "igmp",
    6: "tcp",
    17: "udp",
    41: "ip6-in-ip",
    47: "gre",
    50: "esp",
    51: "ah",
    58: "icmp6",
    89: "ospf",
    103: "pim",
    112: "vrrp",
    132: "sctp",
}
_TYPES = {
    0x0806: "arp",
    0x8035: "rarp",
    0x8809: "lacp",
    0x8847: "mpls",
    0x8848: "mpls",
    0x8863: "pppoe-discovery",
    0x8864: "pppoe",
    0x88CC: "lldp",
    0x88F7: "ptp",
}
# As on the wire from the lowest bit (RFC 9293, 3.1), in the letters that tcpdump uses.
_TCP_FLAGS = "FSRP.UEW"
_TCP, _ICMP, _ICMP6 = 6, 1, 58


def clock(ts_ns: int) -> str:
    """Format a time stamp as local time of day with microseconds."""
    seconds, rest = divmod(ts_ns, 1_000_000_000)
    return f"{time.strftime('%H:%M:%S', time.localtime(seconds))}.{rest // 1000:06d}"


def _end(address: str, port: int) -> str:
    if not port:
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _ip(p: Parsed) -> str:
    name = _PROTOCOLS.get(p.proto, f"protocol {p.proto}")
    text = f"{_end(p.src or '?', p.sport)} > {_end(p.dst or '?', p.dport)} {name}"
    if p.proto == _TCP and p.level >= 4:
        flags = "".join(c for bit, c in enumerate(_TCP_FLAGS) if p.tcp_flags >> bit & 1)
        text += f" [{flags or 'none'}]"
    elif p.proto in (_ICMP, _ICMP6) and p.level >= 4:
        text += f" type {p.icmp_type} code {p.icmp_code}"
    return text


def _frame(p: Parsed) -> str:
    name = _TYPES.get(p.eth_type) or (
        "802.3" if p.eth_type < 0x600 else f"ethertype 0x{p.eth_type:04x}"
    )
    return f"{p.eth_src} > {p.eth_dst} {name}"


def describe(data: bytes, linktype: int) -> str:
    """Say what a packet is."""
    p = parse(data) if linktype == _ETHERNET else None
    if p is None:
        return data[:16].hex(" ") + ("..." if len(data) > 16 else "")
    text = _ip(p) if p.ip_version else _frame(p)
    if p.vlan:
        text += f" vlan {p.vlan}" + (f".{p.qinq}" if p.qinq else "")
    if p.tunnel_id is not None:
        text += f" tunnel {p.tunnel_id}"
    return text


def line(ts_ns: int, data: bytes, linktype: int) -> str:
    """Format one packet."""
    return f"{clock(ts_ns)} {len(data):5d} {describe(data, linktype)}"
