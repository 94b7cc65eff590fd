# SPDX-License-Identifier: BSD-3-Clause
"""pfring.pcapy against pcapy-ng: reading capture files, and callbacks.

Each snippet runs on both and must have the same outcome; its name says what is
the same. Where pcapy-ng is wrong, see tests/python/test_pcapy_right.py.
"""

from __future__ import annotations

import itertools
import select
from pathlib import Path
from typing import Any

import pytest
from pcapy_support import (
    KINDS,
    Files,
    Pcapy,
    Snippet,
    Snippets,
    everything,
    ours,
    show,
    theirs,
    tried,
)

SNIPPETS = Snippets()
same = SNIPPETS.same


# --- Files --------------------------------------------------------------------------------------


@same
def next_reads_every_kind_of_file_alike(pcapy: Pcapy, files: Files) -> Any:
    return {kind: everything(pcapy.open_offline(files[kind])) for kind in KINDS}


@same
def values_have_the_same_types(pcapy: Pcapy, files: Files) -> Any:
    reader = pcapy.open_offline(files["mixed"])
    pair = reader.next()
    header, data = pair
    values = [pair, data, header.getts(), *header.getts(), header.getlen(), header.getcaplen()]
    return [type(value).__name__ for value in values]


@same
def the_end_is_none_and_no_bytes_again_and_again(pcapy: Pcapy, files: Files) -> Any:
    reader = pcapy.open_offline(files["one"])
    return [show(reader.next()) for _ in range(4)]


@same
def link_types_are_dlt_constants(pcapy: Pcapy, files: Files) -> Any:
    return {kind: pcapy.open_offline(files[kind]).datalink() for kind in KINDS}


@same
def a_missing_file_is_named(pcapy: Pcapy, files: Files) -> Any:
    return [
        tried(pcapy.open_offline, files["missing"]),
        tried(pcapy.open_offline, ""),
        tried(pcapy.open_offline, "/nope/nope"),
        tried(pcapy.open_offline, Path("x")),
        tried(pcapy.open_offline, files["garbage"]),
    ]


@same
def what_is_no_capture_file_raises_pcap_error(pcapy: Pcapy, files: Files) -> Any:
    return [
        tried(pcapy.open_offline, files[name])[1][0] for name in ("nothing", "folder", "garbage")
    ]


@same
def a_cut_file_gives_its_whole_packets_first(pcapy: Pcapy, files: Files) -> Any:
    out = []
    for name in ("cut", "cut-header"):
        reader = pcapy.open_offline(files[name])
        seen: list[Any] = []
        raised = tried(reader.loop, -1, lambda h, d, seen=seen: seen.append(show((h, d))))
        out.append((seen, raised[0], raised[1][0]))
    return out


@same
def loop_gives_header_and_bytes_and_returns_none(pcapy: Pcapy, files: Files) -> Any:
    reader = pcapy.open_offline(files["mixed"])
    seen: list[Any] = []
    result = reader.loop(-1, lambda *args: seen.append(show(args)))
    return result, seen


@same
def loop_stops_after_its_count(pcapy: Pcapy, files: Files) -> Any:
    reader, out = pcapy.open_offline(files["many"]), []
    for count in (1, 2, 0x7F, 255, 256, 257, 600, 1):
        seen: list[Any] = []
        result = reader.loop(count, lambda h, d, seen=seen: seen.append(show((h, d))))
        out.append((result, seen))
    return out


@same
def zero_and_negative_counts_loop_to_the_end(pcapy: Pcapy, files: Files) -> Any:
    out = []
    for count in (0, -1, -7):
        reader = pcapy.open_offline(files["mixed"])
        seen: list[int] = []
        reader.loop(count, lambda h, d, seen=seen: seen.append(len(d)))
        out.append((seen, show(reader.next())))
    return out


@same
def dispatch_counts_what_it_gave(pcapy: Pcapy, files: Files) -> Any:
    reader, seen = pcapy.open_offline(files["many"]), []
    counts = [reader.dispatch(n, lambda h, d: seen.append(len(d))) for n in (1, 5, 256, 300, 1)]
    return counts, seen


@same
def dispatch_at_the_end_gives_nothing(pcapy: Pcapy, files: Files) -> Any:
    reader = pcapy.open_offline(files["empty"])
    return reader.dispatch(1, print), reader.dispatch(5, print), reader.loop(5, print)


@same
def next_loop_and_dispatch_take_turns(pcapy: Pcapy, files: Files) -> Any:
    reader, seen = pcapy.open_offline(files["many"]), []
    for _ in range(40):
        seen.append(show(reader.next()))
        reader.loop(3, lambda h, d: seen.append(show((h, d))))
        reader.dispatch(2, lambda h, d: seen.append(show((h, d))))
        seen.append(reader.next_batch(4))
    return seen


@same
def next_inside_a_callback_takes_the_next_packet(pcapy: Pcapy, files: Files) -> Any:
    reader, seen = pcapy.open_offline(files["many"]), []

    def callback(header: Any, data: bytes) -> None:
        seen.append(show((header, data)))
        if len(seen) % 3:
            seen.append(show(reader.next()))

    reader.loop(400, callback)
    return seen, show(reader.next())


@same
def a_loop_inside_a_callback_goes_on_from_there(pcapy: Pcapy, files: Files) -> Any:
    reader, seen = pcapy.open_offline(files["mixed"]), []

    def inner(header: Any, data: bytes) -> None:
        seen.append(("inner", show((header, data))))

    def outer(header: Any, data: bytes) -> None:
        seen.append(("outer", show((header, data))))
        reader.loop(2, inner)

    reader.loop(20, outer)
    return seen, show(reader.next())


@same
def what_a_callback_returns_is_ignored(pcapy: Pcapy, files: Files) -> Any:
    values = itertools.cycle([None, False, 0, -1, "stop", StopIteration()])
    reader = pcapy.open_offline(files["mixed"])
    seen: list[int] = []

    def callback(_: Any, data: bytes) -> Any:
        seen.append(len(data))
        return next(values)

    reader.loop(-1, callback)
    return seen


@same
def an_exception_in_a_callback_comes_out_unchanged(pcapy: Pcapy, files: Files) -> Any:
    out = []
    for error in (ValueError("mine", 1), KeyError("k"), StopIteration(3), pcapy.PcapError("p")):
        reader = pcapy.open_offline(files["mixed"])
        seen: list[bytes] = []

        def callback(_: Any, data: bytes, error: Exception = error, seen: Any = seen) -> None:
            seen.append(data)
            if len(seen) == 3:
                raise error

        out.append((tried(reader.loop, 10, callback), seen))
        out.append(tried(reader.loop, 4, callback))
    return out


@same
def nothing_is_lost_after_an_exception_in_loop(pcapy: Pcapy, files: Files) -> Any:
    reader, seen = pcapy.open_offline(files["mixed"]), []

    def callback(_: Any, data: bytes) -> None:
        seen.append(data)
        if len(seen) % 17 == 0:
            raise ValueError

    while len(seen) < 290:
        tried(reader.loop, 50, callback)
    return seen


@same
def callbacks_of_the_wrong_kind_fail_when_called(pcapy: Pcapy, files: Files) -> Any:
    wrong: list[Any] = [None, 5, "text", lambda: None, lambda header: None, lambda a, b, c: None]
    return [tried(pcapy.open_offline(files["mixed"]).loop, 2, callback) for callback in wrong]


@same
def callables_of_all_kinds_are_called(pcapy: Pcapy, files: Files) -> Any:
    seen: list[Any] = []

    class Listener:
        def __call__(self, *args: Any) -> None:
            seen.append(show(args))

        def method(self, header: Any, data: Any = None) -> None:
            seen.append(show((header, data)))

        @staticmethod
        def static(*args: Any, **kwargs: Any) -> None:
            seen.append((show(args), kwargs))

    reader = pcapy.open_offline(files["mixed"])
    listener = Listener()
    for callback in (listener, listener.method, Listener.static, type, seen.__class__.__len__):
        seen.append(tried(reader.loop, 2, callback)[0])
    return seen


@same
def next_batch_packs_packets_and_records(pcapy: Pcapy, files: Files) -> Any:
    out = []
    for kind in ("mixed", "nano", "short", "ng", "empty"):
        reader = pcapy.open_offline(files[kind])
        out.append([reader.next_batch(n) for n in (1, 7, 100, 256, 1, 1)])
    return out


@same
def next_batch_of_nothing_is_a_batch_of_256(pcapy: Pcapy, files: Files) -> Any:
    reader = pcapy.open_offline(files["many"])
    return [reader.next_batch(n) for n in (0, -1, -500, 2000, 5000, 1)]


@same
def offline_only_errors_are_the_same(pcapy: Pcapy, files: Files) -> Any:
    reader = pcapy.open_offline(files["mixed"])
    return [
        tried(reader.setnonblock, 1),
        tried(reader.getnonblock),
        tried(reader.stats),
        tried(reader.sendpacket, b"x" * 60),
        tried(reader.setdirection, 1),
        tried(reader.set_fanout, 1),
        tried(reader.getnet),
        tried(reader.getmask),
        tried(reader.activate),
        [
            tried(getattr(reader, "set_" + name), 1)
            for name in "snaplen promisc timeout buffer_size rfmon".split()
        ],
    ]


@same
def getfd_is_a_descriptor_that_can_be_waited_on(pcapy: Pcapy, files: Files) -> Any:
    reader = pcapy.open_offline(files["mixed"])
    fd = reader.getfd()
    return (
        fd > 2,
        fd == reader.getfd(),
        select.select([fd], [], [], 0)[0] == [fd],
        show(reader.next()),
    )


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: snippet.__name__)
def test_both_agree_that(snippet: Snippet, pcapy_files: Files) -> None:
    assert tried(snippet, ours, pcapy_files) == tried(snippet, theirs, pcapy_files)
