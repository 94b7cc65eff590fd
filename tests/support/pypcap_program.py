# SPDX-License-Identifier: BSD-3-Clause
"""A program for pypcap: prints what it sees as JSON. Run over pypcap itself and over ours.

pypcap_program.py ours|pypcap file PATH...      everything that can be asked of a file
pypcap_program.py ours|pypcap device NAME COUNT that many packets, four ways
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Any

if sys.argv[1] == "ours":
    import pfring

    pfring.install_pypcap()
import pcap  # type: ignore[import-not-found]

FILTER = "udp and ether[11] & 1 = 0"


def outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as e:  # any: what kind is what we want to know
        kinds = [c.__name__ for c in type(e).__mro__ if c.__module__ == "builtins"]
        return {"raises": kinds[0]}


def told(packets: list[tuple[Any, bytes]]) -> list[Any]:
    """Return something short that is equal only if all packets are."""
    seen = sha256()
    for ts, data in packets:
        seen.update(
            f"{type(ts).__name__} {ts!r} {type(data).__name__} {len(data)} ".encode() + data
        )
    return [len(packets), seen.hexdigest()]


def attributes(capture: Any) -> list[Any]:
    names = ("name", "snaplen", "dloff", "filter", "precision", "timestamp_in_ns")
    return [getattr(capture, n) for n in names] + [capture.datalink(), capture.getnonblock()]


def looped(capture: Any, count: int) -> list[Any]:
    got: list[Any] = []
    marks: set[Any] = set()

    def callback(ts: Any, data: bytes, *args: Any) -> None:
        marks.add(args)
        got.append((ts, data))

    result = capture.loop(count, callback, "mark", 7)
    return [result, sorted(marks), told(got)]


def dispatched(capture: Any, count: int) -> list[Any]:
    got: list[Any] = []
    n = capture.dispatch(count, lambda ts, data: got.append((ts, data)))
    return [n, told(got)]


def spoilt(capture: Any) -> list[Any]:
    seen = []

    def callback(ts: Any, data: bytes) -> None:
        seen.append(data)
        if len(seen) == 3:
            raise LookupError("enough")

    return [outcome(lambda: capture.loop(0, callback)), len(seen), told(list(capture)[:1])]


def filtered(path: str, expression: str) -> Any:
    capture = pcap.pcap(path)

    def call() -> Any:
        capture.setfilter(expression)
        return [capture.filter, told(list(capture))]

    return outcome(call)


def rest_is_damaged(path: str) -> bool:
    return "cut" in path.rpartition("/")[2]


def until_damage(path: str) -> list[Any]:
    """Iterate to where the file breaks off. pypcap ends there; ours says that it is damaged."""
    got: list[Any] = []
    try:
        for packet in pcap.pcap(path):
            got.append(packet)
    except OSError:
        assert sys.argv[1] == "ours"
    else:
        assert sys.argv[1] == "pypcap"
    return got


def of_file(path: str) -> dict[str, Any]:
    def opened(**options: Any) -> Any:
        return pcap.pcap(path, **options)

    if rest_is_damaged(path):
        return {"before": told(until_damage(path))}
    frames = [data for _, data in opened()][:300]
    return {
        "attributes": attributes(opened(snaplen=100, immediate=True)),
        "iterated": told(list(opened())),
        "in ns": told(list(opened(timestamp_in_ns=True))),
        "looped": [looped(opened(), n) for n in (-1, 0, 1, 10)],
        "dispatched": [dispatched(opened(), n) for n in (0, 1, 10)],
        "read": told(opened().readpkts()),
        "spoilt": spoilt(opened()),
        "filtered": [filtered(path, e) for e in (FILTER, "", "tcp prt 80", "vlan", "ip6 or arp")],
        "nonblock": outcome(lambda: opened().setnonblock()),
        "direction": opened().setdirection(pcap.PCAP_D_IN),
        "stats": outcome(lambda: opened().stats()),
        "sent": outcome(lambda: opened().sendpacket(b"x" * 60)),
        "bpf": [pcap.bpf(b"udp", pcap.DLT_EN10MB).filter(data) for data in frames],
        "bad bpf": outcome(lambda: pcap.bpf(b"tcp prt 80")),
        "absent": outcome(lambda: pcap.pcap("/nowhere/at/all")),
    }


def constants() -> dict[str, Any]:
    return {n: getattr(pcap, n) for n in dir(pcap) if n.startswith(("DLT_", "PCAP_", "dltoff"))}


def on_device(name: str, count: int) -> dict[str, Any]:
    """Four handles before the first packet, each read in a way of its own."""
    # In immediate mode libpcap has room for the buffer over the snap length: for all, this way.
    ways = [pcap.pcap(name, snaplen=2048, timeout_ms=50, immediate=True) for _ in range(4)]
    ways[1].setfilter(FILTER)
    print("ready", flush=True)
    some = int(sys.stdin.readline())
    got: list[list[bytes]] = [[], [], [], []]
    for _, data in ways[0]:
        got[0].append(data)
        if len(got[0]) == count:
            break
    ways[1].loop(some, lambda ts, data: got[1].append(data))
    while len(got[2]) < count:
        ways[2].dispatch(count - len(got[2]), lambda ts, data: got[2].append(data))
    while len(got[3]) < count:
        got[3] += [data for _, data in ways[3].readpkts()]
    return {
        "seen": [told([(0, data) for data in packets]) for packets in got],
        "attributes": [attributes(w)[1:] for w in ways],
        "dropped": [w.stats()[1:] for w in ways],
        "sent": ways[0].sendpacket(b"\2" * 60),
        "short": outcome(lambda: ways[0].setfilter("tcp prt 80")),
        "devices": name in pcap.findalldevs(),
    }


def main() -> None:
    what, *rest = sys.argv[2:]
    if what == "file":
        result: Any = [constants(), *(outcome(partial(of_file, path)) for path in rest)]
    else:
        result = on_device(rest[0], int(rest[1]))
    print(json.dumps(result, default=str))


main()
