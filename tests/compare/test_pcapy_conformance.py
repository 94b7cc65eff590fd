# SPDX-License-Identifier: BSD-3-Clause
"""pfring.pcapy against pcapy-ng: names, types, arguments, states of a Reader.

Each snippet runs on both and must have the same outcome; its name says what is
the same. Where pcapy-ng is wrong, see tests/python/test_pcapy_right.py.
"""

from __future__ import annotations

import copy
import itertools
import os
import pickle
import weakref
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pytest
from pcapy_support import Files, Pcapy, Snippet, Snippets, ours, show, theirs, tried

SNIPPETS = Snippets()
same = SNIPPETS.same


def test_the_oracle_is_pcapy_ng_2_1_0() -> None:
    assert version("pcapy-ng") == "2.1.0"
    assert theirs.__file__.endswith(".so")
    assert theirs is not ours


# --- The module and its types -------------------------------------------------------------------


@same
def the_module_has_the_same_public_names(pcapy: Pcapy, _: Files) -> Any:
    return [name for name in dir(pcapy) if not name.startswith("__")]


@same
def constants_and_classes_have_the_same_values(pcapy: Pcapy, _: Files) -> Any:
    return {n: show(v) for n, v in vars(pcapy).items() if n[0].isupper()}


@same
def functions_say_the_same_of_themselves(pcapy: Pcapy, _: Files) -> Any:
    names = "compile create findalldevs lookupdev open_live open_offline".split()
    found = [getattr(pcapy, name) for name in names]
    return [(f.__name__, f.__qualname__, f.__module__, type(f).__name__, repr(f)) for f in found]


@same
def errors_are_plain_exceptions_of_pcapy(pcapy: Pcapy, _: Files) -> Any:
    both = (pcapy.PcapError, pcapy.BPFError)
    return [(show(kind), [show(base) for base in kind.__mro__], kind.__doc__) for kind in both]


def objects(pcapy: Pcapy, files: Files) -> list[Any]:
    reader = pcapy.open_offline(files["one"])
    dumper = reader.dump_open(os.path.join(files["folder"], "unused.pcap"))
    return [reader, reader.next()[0], dumper, pcapy.BPFProgram("ip")]


@same
def objects_have_the_same_attributes(pcapy: Pcapy, files: Files) -> Any:
    return [dir(thing) for thing in objects(pcapy, files)]


@same
def objects_have_the_same_names(pcapy: Pcapy, files: Files) -> Any:
    kinds = [type(thing) for thing in objects(pcapy, files)]
    names = [(k.__name__, k.__qualname__, k.__module__, repr(k), k.__doc__) for k in kinds]
    return names, [[show(base) for base in kind.__mro__] for kind in kinds]


@same
def objects_look_the_same(pcapy: Pcapy, files: Files) -> Any:
    return [(show(repr(thing)), show(str(thing))) for thing in objects(pcapy, files)]


@same
def types_cannot_be_called_subclassed_or_changed(pcapy: Pcapy, files: Files) -> Any:
    kinds = [type(thing) for thing in objects(pcapy, files)]
    return [
        (
            tried(kind),
            tried(object.__new__, kind),
            tried(type, "Mine", (kind,), {}),
            tried(setattr, kind, "extra", 1),
        )
        for kind in kinds
    ]


@same
def objects_take_no_attributes_and_no_weak_references(pcapy: Pcapy, files: Files) -> Any:
    return [
        (tried(setattr, thing, "extra", 1), tried(weakref.ref, thing), tried(vars, thing))
        for thing in objects(pcapy, files)
    ]


@same
def objects_are_not_pickled_copied_or_iterated(pcapy: Pcapy, files: Files) -> Any:
    uses: list[Callable[[Any], Any]] = [pickle.dumps, copy.copy, copy.deepcopy, iter, len, next]
    return [[tried(use, thing) for use in uses] for thing in objects(pcapy, files)]


@same
def objects_are_equal_to_themselves_only(pcapy: Pcapy, files: Files) -> Any:
    first, second = objects(pcapy, files), objects(pcapy, files)
    return [(a == b, bool(a), hash(a) == id(a) >> 4) for a, b in zip(first, second, strict=True)]


@same
def errors_are_picklable_by_name(pcapy: Pcapy, _: Files) -> Any:
    return [kind.__module__ + "." + kind.__name__ for kind in (pcapy.PcapError, pcapy.BPFError)]


@same
def every_method_says_the_same_of_itself(pcapy: Pcapy, files: Files) -> Any:
    said = []
    for thing in objects(pcapy, files):
        for name in dir(thing):
            method = getattr(thing, name)
            if type(method).__name__ == "builtin_function_or_method" and name[0] != "_":
                said.append((method.__name__, method.__qualname__, method.__module__))
    return said


# --- Arguments ----------------------------------------------------------------------------------

WRONG: list[tuple[Any, ...]] = [
    (),
    (1,),
    ("a",),
    (None,),
    (1, 2),
    ("a", 1),
    ("a", 1, 2, 3, 4, 5),
    (1.5,),
    (2**31, None),
    (2**40,),
    (b"x",),
    ("a\0b",),
    (bytearray(b"x"),),
    (memoryview(b"x"),),
]


@same
def functions_reject_the_same_arguments(pcapy: Pcapy, _: Files) -> Any:
    names = ["open_live", "open_offline", "create", "compile", "BPFProgram"]
    out = []
    for name, args in itertools.product(names, WRONG):
        if (name, args) in ((("BPFProgram"), ("a",)), ("BPFProgram", ("a", 1))):
            continue
        outcome = tried(getattr(pcapy, name), *args)
        out.append((name, args and type(args[0]).__name__, outcome))
    return [entry for entry in out if "pcapy.PcapError" not in str(entry)]


@same
def functions_take_no_keywords(pcapy: Pcapy, _: Files) -> Any:
    return [
        tried(pcapy.open_live, device="lo", snaplen=1, promisc=0, to_ms=1),
        tried(pcapy.open_live, "lo", 1, 0, to_ms=1),
        tried(pcapy.open_offline, filename="x"),
        tried(pcapy.create, device="lo"),
        tried(pcapy.compile, 1, 2, "ip", 1, netmask=0),
        tried(pcapy.findalldevs, x=1),
        tried(pcapy.lookupdev, x=1),
        tried(pcapy.BPFProgram, filter="ip"),
    ]


METHODS = (
    "loop dispatch setfilter setnonblock setdirection dump_open sendpacket next stats close "
    "set_snaplen set_promisc set_timeout set_buffer_size set_rfmon activate next_batch "
    "set_fanout loop_filtered loop_to_buffer"
).split()


@same
def methods_reject_the_same_arguments(pcapy: Pcapy, files: Files) -> Any:
    out = []
    for name, args in itertools.product(METHODS, WRONG):
        if name == "dump_open" and args and isinstance(args[0], str):
            continue
        reader = pcapy.open_offline(files["empty"])
        out.append((name, str(args[:1]), tried(getattr(reader, name), *args)))
    return [(n, a.replace("0x", ""), o) for n, a, o in out if "memory at" not in a]


@same
def methods_take_no_keywords(pcapy: Pcapy, files: Files) -> Any:
    plain = [
        name for name in METHODS if name not in ("loop_filtered", "loop_to_buffer", "set_fanout")
    ]
    reader = pcapy.open_offline(files["one"])
    header = reader.next()[0]
    methods = [getattr(reader, name) for name in (*plain, "getfd", "getnet", "datalink")]
    methods += [header.getts, header.getlen, header.getcaplen]
    return [tried(method, x=1) for method in methods]


@same
def getters_ignore_arguments(pcapy: Pcapy, files: Files) -> Any:
    reader = pcapy.open_offline(files["one"])
    header = reader.next()[0]
    getters = [reader.getnet, reader.getmask, reader.datalink, reader.getnonblock]
    getters += [header.getts, header.getlen, header.getcaplen]
    return [tried(getter, 1, "two", None) for getter in getters]


@same
def the_classifying_loops_take_keywords(pcapy: Pcapy, files: Files) -> Any:
    reader = pcapy.open_offline(files["one"])
    bad: list[dict[str, Any]] = [
        {"l2_offset": -1},
        {"l2_offset": 65},
        {"profile": 2},
        {"profile": -1},
        {"addr_set": "text"},
        {"addr_set": bytearray(4)},
        {"dpi_ports": 80},
        {"tls_ports": ["x"]},
        {"dpi_ports": [2**70]},
        {"no_such": 1},
        {"cnt": 1},
        {"flow_cutoff": 1.5},
        {"dns_port": None},
    ]
    out: list[Any] = [tried(reader.loop_filtered, 1, print, **kwargs) for kwargs in bad]
    out += [tried(reader.loop_to_buffer, 1, bytearray(9), **kwargs) for kwargs in bad]
    out += [tried(reader.loop_to_buffer, 1, b"read only"), tried(reader.loop_to_buffer, 1, "text")]
    out += [tried(reader.loop_filtered), tried(reader.loop_filtered, 1)]
    return out


# --- Unactivated and closed ---------------------------------------------------------------------


@same
def an_unactivated_reader_answers_the_same(pcapy: Pcapy, files: Files) -> Any:
    reader = pcapy.create("lo")
    return [
        tried(reader.dispatch, 1, print),
        tried(reader.loop, 1, print),
        tried(reader.next),
        tried(reader.next_batch, 1),
        tried(reader.loop_filtered, 1, print),
        tried(reader.datalink),
        tried(reader.getfd),
        tried(reader.getnonblock),
        tried(reader.setnonblock, 1),
        tried(reader.setfilter, "ip"),
        tried(reader.setdirection, 1),
        tried(reader.dump_open, "x.pcap"),
        tried(reader.set_fanout, 1),
        tried(reader.close),
    ]


@same
def settings_return_codes(pcapy: Pcapy, _: Files) -> Any:
    reader = pcapy.create("lo")
    names = ["set_snaplen", "set_promisc", "set_timeout", "set_buffer_size", "set_rfmon"]
    return [[tried(getattr(reader, n), v) for v in (0, 1, -1, 100000, True)] for n in names]


@same
def create_never_looks_whether_the_device_exists(pcapy: Pcapy, _: Files) -> Any:
    readers = [pcapy.create(name) for name in ("nosuch0", "", "x" * 60, "any")]
    return [(r.getnet(), r.getmask(), show(r)) for r in readers]


@same
def a_closed_reader_raises_value_error(pcapy: Pcapy, files: Files) -> Any:
    out = []
    for reader in (pcapy.open_offline(files["mixed"]), pcapy.create("lo")):
        reader.close()
        names = [
            n for n in dir(reader) if not n.startswith("_") and n not in ("close", "filtered_stats")
        ]
        out += [(name, tried(getattr(reader, name))) for name in [*names, "__enter__"]]
        out += [tried(reader.close), tried(reader.__exit__), tried(reader.__exit__, 1, 2, 3)]
    return out


@same
def a_with_block_gives_the_reader_and_closes_it(pcapy: Pcapy, files: Files) -> Any:
    with pcapy.open_offline(files["mixed"]) as reader:
        first = show(reader.next())
        is_reader = type(reader).__name__
    return first, is_reader, tried(reader.next)


@same
def a_with_block_lets_exceptions_through(pcapy: Pcapy, files: Files) -> Any:
    def use() -> None:
        with pcapy.open_offline(files["mixed"]):
            raise LookupError("inside")

    return tried(use)


@same
def bytes_and_headers_outlive_the_reader(pcapy: Pcapy, files: Files) -> Any:
    reader = pcapy.open_offline(files["many"])
    pairs = [reader.next() for _ in range(600)]
    reader.close()
    return show(pairs)


@same
def headers_are_new_objects_each_time(pcapy: Pcapy, files: Files) -> Any:
    reader = pcapy.open_offline(files["mixed"])
    headers = [reader.next()[0] for _ in range(50)]
    return len({id(header) for header in headers})


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: snippet.__name__)
def test_both_agree_that(snippet: Snippet, pcapy_files: Files) -> None:
    assert tried(snippet, ours, pcapy_files) == tried(snippet, theirs, pcapy_files)
