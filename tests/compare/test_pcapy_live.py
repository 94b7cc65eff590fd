# SPDX-License-Identifier: BSD-3-Clause
"""pfring.pcapy against pcapy-ng on live devices: each snippet has the same outcome on both.

A snippet gets a wire of its own: it opens readers in the receiving namespace
and feeds frames from the other. Counts and bytes are compared, and time stamps
only by their order. Where libpcap 1.9.1, which pcapy-ng's wheel carries, differs
from newer ones, see tests/netns/test_pcapy_idle.py.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import select
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from pcapy_support import Pcapy, ours, show, theirs, tried, tried_apart
from pfring.lab.netns import Wire
from pfring.lab.replay import Replay
from pfring.lab.trace import Trace
from support.at_once import at_once

Snippet = Callable[[Pcapy, "Feed"], Any]
SNIPPETS: list[Snippet] = []
TO_MS = 10


def same(snippet: Snippet) -> Snippet:
    SNIPPETS.append(snippet)
    return snippet


def until_blocks_are_closed() -> None:
    """Wait until the timers of every ring that came before have run, on each processor."""
    home = os.sched_getaffinity(0)
    for processor in home:
        os.sched_setaffinity(0, {processor})
        time.sleep(max(3, 10 / len(home)) * TO_MS / 1000)
    os.sched_setaffinity(0, home)


class Feed:
    """A wire and what is sent on it."""

    def __init__(
        self, wire: Wire, frames: Sequence[bytes], folder: Path, backend: str = ""
    ) -> None:
        self.wire = wire
        self.backend = backend
        self.frames = frames
        self.folder = folder

    def open(self, pcapy: Pcapy, snaplen: int = 65535, device: str = Wire.CAPTURE) -> Any:
        """Open the capturing end and wait until it is certain to see what is sent."""
        return pcapy.open_live(self.backend + device, snaplen, 1, TO_MS)

    def send(self, first: int, end: int) -> None:
        """Send frames [first, end) and wait until they can be read without waiting."""
        with Replay(self.wire, self.frames[first:end]) as replay, at_once():
            replay.send()
        until_blocks_are_closed()


def seen(reader: Any, count: int) -> list[Any]:
    """Read count packets with loop(); return lengths and bytes."""
    out: list[Any] = []
    reader.loop(count, lambda h, d: out.append((h.getlen(), h.getcaplen(), d)))
    return out


def rest(reader: Any) -> list[bytes]:
    """Read what is there without waiting."""
    reader.setnonblock(1)
    out: list[bytes] = []
    while (pair := reader.next())[0] is not None:
        out.append(pair[1])
    return out


@same
def loop_sees_every_byte_of_the_mixed_trace(pcapy: Pcapy, feed: Feed) -> Any:
    reader = feed.open(pcapy)
    feed.send(0, 3000)
    return seen(reader, 3000), reader.stats()[:2], rest(reader)


@same
def time_stamps_go_up_and_are_now(pcapy: Pcapy, feed: Feed) -> Any:
    reader = feed.open(pcapy)
    before = time.time()
    feed.send(0, 500)
    stamps: list[tuple[int, int]] = []
    reader.loop(500, lambda h, d: stamps.append(h.getts()))
    after = time.time()
    inside = all(before - 1 <= s + u / 1e6 <= after + 1 for s, u in stamps)
    return stamps == sorted(stamps), inside, {type(part) for stamp in stamps for part in stamp}


@same
def snaplen_cuts_and_the_length_stays(pcapy: Pcapy, feed: Feed) -> Any:
    readers = [feed.open(pcapy, snaplen) for snaplen in (14, 60, 96, 1514)]
    feed.send(0, 200)
    return [seen(reader, 200) for reader in readers]


@same
def dispatch_gives_what_is_there(pcapy: Pcapy, feed: Feed) -> Any:
    reader = feed.open(pcapy)
    feed.send(0, 300)
    got: list[bytes] = []

    def callback(_: Any, data: bytes) -> None:
        got.append(data)

    counts = [reader.dispatch(10, callback), reader.dispatch(1, callback)]
    counts += [reader.dispatch(-1, callback)]
    reader.setnonblock(1)
    return [*counts, reader.dispatch(-1, callback), reader.dispatch(5, callback)], got


@same
def next_batch_gives_what_is_there(pcapy: Pcapy, feed: Feed) -> Any:
    reader = feed.open(pcapy)
    feed.send(0, 300)
    sizes = []
    for n in (10, 1, 256, 1000):
        data, meta = reader.next_batch(n)
        sizes.append((len(data), len(meta) // 16, data))
        if len(sizes) == 3:
            reader.setnonblock(1)
    return sizes


@same
def without_waiting_nothing_is_none(pcapy: Pcapy, feed: Feed) -> Any:
    reader = feed.open(pcapy)
    reader.setnonblock(5)
    out = [reader.getnonblock(), show(reader.next()), reader.dispatch(-1, print)]
    out += [reader.next_batch(5), reader.dispatch(3, print)]
    feed.send(0, 3)
    out += [rest(reader), show(reader.next())]
    reader.setnonblock(0)
    feed.send(3, 4)
    return [*out, reader.getnonblock(), reader.next()[1]]


@same
def a_negative_time_out_does_not_wait(pcapy: Pcapy, feed: Feed) -> Any:
    reader = pcapy.open_live(Wire.CAPTURE, 65535, 1, -1)
    return reader.getnonblock(), show(reader.next()), reader.dispatch(1, print)


@same
def readers_take_turns_in_the_middle_of_a_batch(pcapy: Pcapy, feed: Feed) -> Any:
    reader = feed.open(pcapy)
    feed.send(0, 600)
    got: list[Any] = []

    def callback(_: Any, data: bytes) -> None:
        got.append(data)

    for _ in range(50):
        got.append(reader.next()[1])
        got.extend(seen(reader, 3))
        got.append(reader.next_batch(2)[0])
        got.append(reader.dispatch(2, callback))
    return got, rest(reader)


@same
def exceptions_in_the_middle_of_a_batch_lose_nothing(pcapy: Pcapy, feed: Feed) -> Any:
    reader = feed.open(pcapy)
    feed.send(0, 200)
    got: list[bytes] = []

    def callback(_: Any, data: bytes) -> None:
        got.append(data)
        if len(got) % 7 == 0:
            raise ValueError

    while len(got) < 196:
        tried(reader.loop, 50, callback)
    return got


@same
def a_filter_in_the_kernel_passes_the_same(pcapy: Pcapy, feed: Feed) -> Any:
    out = []
    expressions = [
        "tcp",
        "udp",
        "arp",
        "ip6",
        "vlan",
        "vlan and ip",
        "ip",
        "not ip",
        "greater 1000",
    ]
    readers = [feed.open(pcapy) for _ in expressions]
    for reader, expression in zip(readers, expressions, strict=True):
        reader.setfilter(expression)
    feed.send(0, 1000)
    for reader in readers:
        stats = reader.stats()[:2]
        out.append((stats, rest(reader)))
    return out


@same
def a_new_filter_decides_on_what_is_queued(pcapy: Pcapy, feed: Feed) -> Any:
    out = []
    for expression in ("udp", "vlan", "vlan and tcp", "ip", "len > 500", "not udp"):
        reader = feed.open(pcapy)
        feed.send(0, 400)
        out.append(seen(reader, 3))
        reader.setfilter(expression)
        out.append(rest(reader))
    return out


@same
def a_filter_set_in_a_callback_decides_from_there_on(pcapy: Pcapy, feed: Feed) -> Any:
    reader = feed.open(pcapy)
    feed.send(0, 600)
    got: list[bytes] = []

    def callback(_: Any, data: bytes) -> None:
        got.append(data)
        if len(got) == 20:
            reader.setfilter("tcp")
        if len(got) == 40:
            reader.setfilter("udp")

    reader.loop(60, callback)
    return got


@same
def a_filter_set_also_tests_what_the_kernel_still_holds_back(pcapy: Pcapy, feed: Feed) -> Any:
    reader = pcapy.open_live(feed.backend + Wire.CAPTURE, 65535, 1, 1000)
    feed.send(0, 40)  # into a block that the kernel keeps for up to 2 s
    reader.setfilter("tcp")
    time.sleep(0.3)
    early = rest(reader)  # most likely nothing: a look at the ring while the block is open
    time.sleep(2)
    return early + rest(reader)


@same
def directions_are_told_apart(pcapy: Pcapy, feed: Feed) -> Any:
    out = []
    for direction in (pcapy.PCAP_D_INOUT, pcapy.PCAP_D_IN, pcapy.PCAP_D_OUT):
        reader, other = feed.open(pcapy), feed.open(pcapy)
        reader.setdirection(direction)
        feed.send(0, 5)
        for frame in feed.frames[5:10]:
            other.sendpacket(frame)
        feed.send(10, 15)
        out.append((rest(reader), len(rest(other))))
    return out


@same
def what_a_reader_sends_crosses_the_wire_and_does_not_come_back(pcapy: Pcapy, feed: Feed) -> Any:
    reader = feed.open(pcapy)
    with feed.wire.tx.entered():
        far = feed.open(pcapy, device=Wire.SENDER)
    results = [reader.sendpacket(frame) for frame in feed.frames[:20]]
    until_blocks_are_closed()
    return results, rest(reader), seen(far, 20)


@same
def sending_fails_alike(pcapy: Pcapy, feed: Feed) -> Any:
    reader = feed.open(pcapy)
    wrong: list[Any] = [b"", b"x", b"x" * 13, b"x" * 9000, bytearray(60), "x", None]
    out = [tried(reader.sendpacket, value) for value in wrong]
    return [*out, tried(pcapy.open_live("any", 100, 0, 10).sendpacket, b"x" * 60)]


@same
def any_has_cooked_headers(pcapy: Pcapy, feed: Feed) -> Any:
    reader = feed.open(pcapy, device="any")
    other = feed.open(pcapy)
    feed.send(0, 100)
    for frame in feed.frames[100:110]:
        other.sendpacket(frame)
    until_blocks_are_closed()
    packets = seen(reader, 110)
    return reader.datalink(), reader.getnet(), reader.getmask(), packets, reader.stats()[:2]


@same
def any_is_filtered_as_cooked(pcapy: Pcapy, feed: Feed) -> Any:
    out = []
    for expression in ("udp", "ip6 and tcp", "icmp", "inbound"):
        reader = feed.open(pcapy, device="any")
        reader.setfilter(expression)
        feed.send(0, 300)
        out.append(rest(reader))
    return out


@same
def loopback_shows_each_packet_once(pcapy: Pcapy, feed: Feed) -> Any:
    reader = feed.open(pcapy, device="lo")
    other = feed.open(pcapy, device="lo")
    for frame in feed.frames[:10]:
        other.sendpacket(frame)
    until_blocks_are_closed()
    return reader.datalink(), rest(reader)


@same
def an_address_is_the_net_and_the_mask(pcapy: Pcapy, feed: Feed) -> Any:
    feed.wire.rx.ip(f"addr replace 10.9.8.77/20 dev {Wire.CAPTURE}")
    reader, fresh = feed.open(pcapy), pcapy.create(Wire.CAPTURE)
    lo = feed.open(pcapy, device="lo")
    feed.wire.rx.ip(f"addr flush dev {Wire.CAPTURE}")
    return [(r.getnet(), r.getmask()) for r in (reader, fresh, lo)]


@same
def devices_are_found(pcapy: Pcapy, _: Feed) -> Any:
    found = pcapy.findalldevs()
    return {Wire.CAPTURE, "lo", "any"} <= set(found), pcapy.lookupdev(), type(found[0]).__name__


@same
def devices_that_cannot_be_opened_are_named(pcapy: Pcapy, feed: Feed) -> Any:
    feed.wire.rx.ip("link add down0 type veth peer name down1")
    out = []
    for name in ("nosuch0", "down0", "", "x" * 15):
        reader = pcapy.create(name)
        opened = tried(pcapy.open_live, name, 100, 0, 10)
        out.append((opened, reader.activate(), show(reader.next())))
    feed.wire.rx.ip("link del down0")
    return out


def as_nobody(pcapy_name: str, pipe: Any) -> None:
    pcapy = ours if pcapy_name == "ours" else theirs
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    out = []
    for name in (Wire.CAPTURE, "any", "lo", "nosuch0"):
        code = pcapy.create(name).activate()
        out.append((tried(pcapy.open_live, name, 100, 0, 10), code))
    pipe.send(out)


@same
def without_privilege_nothing_opens(pcapy: Pcapy, _: Feed) -> Any:
    near, far = multiprocessing.Pipe()
    name = "ours" if pcapy is ours else "theirs"
    process = multiprocessing.get_context("fork").Process(target=as_nobody, args=(name, far))
    process.start()
    far.close()
    answer = near.recv()
    process.join(60)
    return answer, process.exitcode


@same
def create_set_and_activate_return_codes(pcapy: Pcapy, feed: Feed) -> Any:
    reader = pcapy.create(Wire.CAPTURE)
    names = ["set_snaplen", "set_promisc", "set_timeout", "set_buffer_size", "set_rfmon"]
    values = [80, 1, TO_MS, 1 << 20, 0]
    out = [getattr(reader, n)(v) for n, v in zip(names, values, strict=True)]
    out += [reader.activate(), reader.activate()]
    out += [getattr(reader, n)(v) for n, v in zip(names, values, strict=True)]
    feed.send(0, 50)
    return out, seen(reader, 50), reader.datalink()


@same
def odd_settings_are_accepted_alike(pcapy: Pcapy, feed: Feed) -> Any:
    out = []
    for name, value in (
        ("set_snaplen", -5),
        ("set_snaplen", 0),
        ("set_snaplen", 300_000),
        ("set_snaplen", 2**31 - 1),
        ("set_promisc", -1),
        ("set_buffer_size", -5),
        ("set_buffer_size", 1),
        ("set_timeout", 0),
    ):
        for device in (Wire.CAPTURE, "any"):
            reader = pcapy.create(device)
            out.append((name, value, getattr(reader, name)(value), reader.activate()))
    monitor = pcapy.create(Wire.CAPTURE)
    monitor.set_rfmon(1)
    nobody = pcapy.create("any")
    nobody.setnonblock(1)
    return out, monitor.activate(), nobody.activate(), nobody.getnonblock(), show(nobody.next())


@same
def dumpers_of_live_readers_write_the_same_header(pcapy: Pcapy, feed: Feed) -> Any:
    out = []
    path = feed.folder / "header.pcap"
    for device in (Wire.CAPTURE, "any", "lo"):
        for snaplen in (0, 1, 10, 96, 65535, 300_000):
            feed.open(pcapy, snaplen, device).dump_open(str(path)).close()
            out.append(path.read_bytes())
    return out


@same
def a_dumped_capture_reads_back(pcapy: Pcapy, feed: Feed) -> Any:
    path = feed.folder / "live.pcap"
    reader = feed.open(pcapy, 100)
    dumper = reader.dump_open(str(path))
    feed.send(0, 300)
    reader.loop(300, dumper.dump)
    reader.close()
    del dumper
    again = pcapy.open_offline(str(path))
    return again.datalink(), seen(again, -1)


@same
def the_classifying_loops_work_on_devices(pcapy: Pcapy, feed: Feed) -> Any:
    reader, writer = feed.open(pcapy), feed.open(pcapy)
    # pcapy-ng mistakes some tags for IP headers, and later fragments for flows.
    for each in (reader, writer):
        each.setfilter("not vlan and not (ip[6:2] & 0x1fff != 0)")
    feed.send(0, 1400)
    got: list[Any] = []
    addresses = b"\xc0\xa8\1\5\xc0\xa8\1\2"
    counts = reader.loop_filtered(500, lambda h, d, c: got.append((d, c)), 6, addresses)
    buffer = bytearray(2 << 20)
    return counts, got, writer.loop_to_buffer(500, buffer, 7, addresses), bytes(buffer)


@same
def a_fanout_group_shares_the_packets(pcapy: Pcapy, feed: Feed) -> Any:
    members = [feed.open(pcapy) for _ in range(3)]
    results = [member.set_fanout(77, pcapy.PACKET_FANOUT_LB) for member in members]
    feed.send(0, 300)
    shares = [rest(member) for member in members]
    return results, [len(share) for share in shares], sorted(itertools.chain(*shares))


@same
def fanout_groups_refuse_alike(pcapy: Pcapy, feed: Feed) -> Any:
    reader = feed.open(pcapy)
    out = [tried(reader.set_fanout), tried(reader.set_fanout, 1, foo=2)]
    out += [tried(reader.set_fanout, 1, 99)]
    out += [tried(reader.set_fanout, group_id=78, fanout_type=0), tried(reader.set_fanout, 78)]
    return [*out, tried(feed.open(pcapy).set_fanout, 78, pcapy.PACKET_FANOUT_CPU)]


@same
def select_and_next_take_turns(pcapy: Pcapy, feed: Feed) -> Any:
    reader = feed.open(pcapy)
    fd = reader.getfd()
    reader.setnonblock(1)
    out: list[Any] = [select.select([fd], [], [], 0)[0] == [fd]]
    feed.send(0, 300)
    got = []
    while select.select([fd], [], [], 0.2)[0]:
        got.append(reader.next()[1])
    out.append(len(got) >= 300)
    return out, [data for data in got if data], select.select([fd], [], [], 0)[0] == [fd]


@same
def closing_twice_and_leaving_a_block_is_fine(pcapy: Pcapy, feed: Feed) -> Any:
    with feed.open(pcapy) as reader:
        feed.send(0, 5)
        first = reader.next()[1]
        reader.close()
    return first, tried(reader.close), tried(reader.stats), tried(reader.next)


Oracle = Callable[..., Any]
LIMITS = (20, 30, 60, 60, 60)  # seconds for the oracle, each time that it is asked


@pytest.fixture(scope="module")
def expected(trace: Trace, tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    """Give pcapy-ng's outcome of a snippet, found out once unless it is asked again."""
    known: dict[Snippet, Any] = {}

    def outcome(snippet: Snippet, again: float = 0) -> Any:
        if again or snippet not in known:
            with Wire() as wire, wire.rx.entered():
                feed = Feed(wire, trace.frames, tmp_path_factory.mktemp("theirs"))
                known[snippet] = tried_apart(snippet, theirs, feed, limit=again or LIMITS[0])
        return known[snippet]

    return outcome


@pytest.mark.parametrize("backend", ["", "packet:"], ids=["best", "packet"])
@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: snippet.__name__)
def test_both_agree_that(
    snippet: Snippet,
    backend: str,
    trace: Trace,
    tmp_path: Path,
    expected: Oracle,
) -> None:
    with Wire() as wire, wire.rx.entered():
        outcome = tried(snippet, ours, Feed(wire, trace.frames, tmp_path, backend))
    # Where libpcap lost packets it has another opinion when it is asked again; we are not.
    theirs_ = expected(snippet)
    for limit in LIMITS[1:]:
        if outcome == theirs_:
            break
        theirs_ = expected(snippet, again=limit)
    assert outcome == theirs_
    assert outcome[0] == "returned"
