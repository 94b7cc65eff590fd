# SPDX-License-Identifier: BSD-3-Clause
"""sniff(offline=...) in every form, with scapy's reader and with ours; prints what was compared.

    scapy_offline.py FOLDER [few]     capture files of every kind are in it

Each form is run without and with pfring.scapy: packets, order, labels, errors and what a callback
sees must be the same.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pfring.scapy
import scapy
from scapy.all import DNS, IP, TCP, UDP, Ether, IPSession, PcapReader, conf, rdpcap, sniff
from scapy.sendrecv import AsyncSniffer

conf.logLevel = 40  # what is damaged is damaged on purpose
FILTERS = ("udp", "", "tcp port 443", "ip6 or arp", "vlan", "greater 400", "no such filter")


# What scapy's own packets showed, by what makes one: they come again in every form, and most of the
# time goes into their summaries. None once ours are looked at, each of them anew.
known: dict[Any, list[Any]] | None = {}


def seen(packet: Any) -> list[Any]:
    """Return all that there is to see of a packet."""
    if known is None:
        return look(packet)
    names = ("sniffed_on", "wirelen", "comment", "comments", "direction", "process_information")
    time = repr(packet.time)
    facts = [repr(getattr(packet, name, "none")) for name in names]
    key = (type(packet), bytes(packet), type(packet.time), time, len(packet.layers()), *facts)
    if key not in known:
        known[key] = look(packet)
    return known[key]


def look(packet: Any) -> list[Any]:
    remarks = ("wirelen", "comment", "comments", "direction", "process_information")
    time = packet.time
    timeless = type(time) is float  # pcapng's simple packets: the moment when it was read
    return [
        [type(time).__name__, "" if timeless else repr(time), label(packet.sniffed_on)],
        [repr(getattr(packet, name, "none")) for name in remarks],
        [bytes(packet).hex(), len(packet), packet.summary(), repr(packet)],
        [packet.haslayer(TCP), UDP in packet, packet.haslayer(DNS)],
        packet[IP].src if IP in packet else None,
    ]


def label(value: Any) -> str:
    return re.sub(r" at 0x\w+", "", repr(value))


def outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as e:
        return [type(e).__name__, str(e)]


def opened(path: str) -> list[Any]:
    with open(path, "rb") as file:
        return all_of(offline=file, prn=lambda p: None)


def all_of(**options: Any) -> list[Any]:
    return [seen(p) for p in sniff(quiet=True, **options)]


def callbacks(path: str) -> list[Any]:
    """Return what prn, lfilter and stop_filter were given, by identity of type and order."""
    log: list[Any] = []

    def noted(what: str, answer: Any) -> Callable[[Any], Any]:
        return lambda p: log.append([what, type(p).__name__, len(p)]) or answer(p)

    sniff(
        offline=path, store=False,
        lfilter=noted("lfilter", lambda p: len(p) % 3), prn=noted("prn", lambda p: None),
        stop_filter=noted("stop", lambda p: len(log) > 300),
    )  # fmt: skip
    return log


def asynchronous(path: str) -> list[Any]:
    sniffer = AsyncSniffer(offline=path, count=50)
    sniffer.start()
    sniffer.join()
    return [sniffer.count, sniffer.running, [seen(p) for p in sniffer.results]]


def failing(path: str) -> Any:
    sniffer = AsyncSniffer(offline=path)
    sniffer.start()
    sniffer.thread.join()
    return [sniffer.running, outcome(sniffer.stop)]


def spoilt(path: str) -> Any:
    got: list[Any] = []

    def prn(packet: Any) -> None:
        got.append(len(packet))
        raise LookupError("a program's own")

    return [[seen(p) for p in sniff(offline=path, prn=prn)], got]


def forms(folder: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    paths = {path.stem: str(path) for path in sorted(folder.glob("*.pcap"))}
    few = "few" in sys.argv
    for name, path in paths.items():
        if few and name not in {"mixed", "nano-big", "ng", "cut", "sll"}:
            continue
        yield f"{name}: name", lambda path=path: all_of(offline=path)
        yield f"{name}: file", lambda path=path: opened(path)
        for flt in FILTERS[:3] if few else FILTERS:
            yield f"{name}: {flt!r}", lambda path=path, flt=flt: all_of(offline=path, filter=flt)
    mixed, ng = paths["mixed"], paths["ng"]
    packed = folder / "packed.gz"
    packed.write_bytes(gzip.compress(Path(mixed).read_bytes()))
    raw = Path(mixed).read_bytes()
    yield "gzip", lambda: all_of(offline=str(packed))
    yield "gzip, filter", lambda: all_of(offline=str(packed), filter="udp")
    yield "gzip, cut", lambda: outcome_of_cut(packed)
    yield "bytes", lambda: all_of(offline=io.BytesIO(raw))
    yield "list", lambda: all_of(offline=[mixed, ng, mixed])
    yield "list, filter", lambda: all_of(offline=[mixed, ng], filter="tcp", count=60)
    yield "dict", lambda: all_of(offline={mixed: "first", ng: 2})
    yield "dict, filter", lambda: all_of(offline={mixed: "first", ng: 2}, filter="udp")
    yield "packets", lambda: all_of(offline=rdpcap(mixed)[:20])
    yield "packets, filter", lambda: all_of(offline=rdpcap(mixed)[:20], filter="udp")
    yield "packet", lambda: all_of(offline=Ether() / IP(src="1.2.3.4") / UDP())
    yield "reader", lambda: all_of(offline=PcapReader(mixed))
    yield "missing", lambda: all_of(offline="/nowhere/at/all.pcap")
    yield "missing, filter", lambda: all_of(offline="/nowhere/at/all.pcap", filter="udp")
    yield "missing, one of", lambda: all_of(offline=[mixed, "/nowhere/at/all.pcap"])
    yield "missing, in a thread", lambda: failing("/nowhere/at/all.pcap")
    yield "folder", lambda: all_of(offline=str(folder))
    yield "number", lambda: all_of(offline=7)
    yield "count", lambda: all_of(offline=mixed, count=7)
    yield "timeout", lambda: all_of(offline=mixed, timeout=100)
    yield "session", lambda: all_of(offline=mixed, session=IPSession)
    yield "session, ng", lambda: all_of(offline=ng, session=IPSession, filter="ip")
    yield "unknown option", lambda: all_of(offline=mixed, no_such_option=1)
    yield "callbacks", lambda: callbacks(mixed)
    yield "callbacks, ng", lambda: callbacks(ng)
    yield "spoilt", lambda: spoilt(mixed)
    yield "in a thread", lambda: asynchronous(mixed)


def outcome_of_cut(packed: Path) -> Any:
    cut = packed.with_name("cut.gz")
    cut.write_bytes(packed.read_bytes()[:-2000])
    return all_of(offline=str(cut))


def main() -> None:
    global known  # noqa: PLW0603
    folder = Path(sys.argv[1])
    expected = {name: outcome(call) for name, call in forms(folder)}
    known = None
    pfring.scapy.install()
    from pfring._core import scapy as core
    from pfring.scapy import offline

    served = {"lazy": 0, "filtered": 0}
    packet, filtered = core.packet, offline._Filtered.recv

    def counting(*args: Any) -> Any:
        made = packet(*args)
        served["lazy"] += made is not None
        return made

    def counting_filtered(*args: Any, **kwargs: Any) -> Any:
        served["filtered"] += 1
        return filtered(*args, **kwargs)

    core.packet, offline._Filtered.recv = counting, counting_filtered  # type: ignore[method-assign]
    wrong = []
    for name, call in forms(folder):
        got = outcome(call)
        if got != expected[name]:
            wrong.append(name)
            different = [(a, b) for a, b in zip(got, expected[name]) if a != b]  # noqa: B905
            print(f"{name}: {len(got)} and {len(expected[name])}: {different[:1]}", file=sys.stderr)
    pfring.scapy.uninstall()
    served_by_now = dict(served)
    assert all_of(offline=str(folder / "mixed.pcap"), filter="udp") == expected["mixed: 'udp'"]
    assert served == served_by_now, "uninstall() left something behind"
    told = {"version": scapy.__version__, "compared": len(expected), "wrong": wrong, **served}
    print(json.dumps(told))


main()
