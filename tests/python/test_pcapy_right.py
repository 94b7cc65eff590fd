# SPDX-License-Identifier: BSD-3-Clause
"""Where pcapy-ng 2.1.0 is wrong and pfring.pcapy must be right; without a network.

Each test names a fault of the original: see docs/pcapy.md for the list.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import socket
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from pcapy_support import Files, capture, everything, show
from pfring import pcapy

OUTER = b"\x02\0\0\0\0\1\x02\0\0\0\0\2"
SRC, DST = socket.inet_aton("192.0.2.1"), socket.inet_aton("192.0.2.2")


def fail_at(n: int, seen: list[bytes]) -> Any:
    def callback(_: Any, data: bytes) -> None:
        seen.append(data)
        if len(seen) == n:
            raise LookupError(n)

    return callback


def all_data(path: str) -> list[bytes]:
    return [data for _, data in everything(pcapy.open_offline(path))]


@pytest.mark.parametrize("n", [1, 2, 256, 257, 300])
def test_an_exception_at_the_counted_packet_is_the_callbacks_own(
    pcapy_files: Files, n: int
) -> None:
    with pytest.raises(LookupError):
        pcapy.open_offline(pcapy_files["many"]).loop(n, fail_at(n, []))


@pytest.mark.parametrize("method", ["loop", "dispatch"])
@pytest.mark.parametrize("count", [-1, 5, 700])
@pytest.mark.parametrize("n", [1, 5, 256, 300])
def test_after_an_exception_the_next_packet_comes(
    pcapy_files: Files, method: str, count: int, n: int
) -> None:
    reader = pcapy.open_offline(pcapy_files["many"])
    seen: list[bytes] = []
    while len(seen) < n - 1:
        seen.append(reader.next()[1])
    with pytest.raises(LookupError):
        getattr(reader, method)(count, fail_at(n, seen))
    seen += [data for _, data in everything(reader)]
    assert seen == all_data(pcapy_files["many"])


def test_after_an_exception_in_loop_filtered_the_next_packet_comes(pcapy_files: Files) -> None:
    reader = pcapy.open_offline(pcapy_files["many"])
    seen: list[bytes] = []
    with pytest.raises(LookupError):
        reader.loop_filtered(3, lambda h, d, c: fail_at(3, seen)(h, d))
    assert reader.filtered_stats()[:2] == (3, 0)
    seen += [data for _, data in everything(reader)]
    assert seen == all_data(pcapy_files["many"])


def test_dispatch_to_the_end_returns_the_count(pcapy_files: Files) -> None:
    for count in (-1, 0, 5000, 9999):
        assert pcapy.open_offline(pcapy_files["many"]).dispatch(count, lambda h, d: None) == 5000


def test_filtered_stats_are_zero_before_any_run(pcapy_files: Files) -> None:
    readers = [pcapy.create("lo"), pcapy.open_offline(pcapy_files["one"])]
    assert [reader.filtered_stats() for reader in readers] == [(0,) * 5] * 2
    readers[0].close()
    assert readers[0].filtered_stats() == (0,) * 5


def test_an_unactivated_reader_neither_sends_nor_counts_nor_writes() -> None:
    reader = pcapy.create("lo")
    for use in (reader.stats, lambda: reader.sendpacket(b"x" * 60)):
        with pytest.raises(pcapy.PcapError, match="hasn't been activated"):
            use()
    with pytest.raises(pcapy.PcapError, match="hasn't been activated"):
        reader.loop_to_buffer(1, bytearray(10))


def test_closing_in_a_callback_ends_the_call(pcapy_files: Files) -> None:
    for method, result in (("loop", None), ("dispatch", 3), ("loop_filtered", (3, 0, 3, 0, 0))):
        reader = pcapy.open_offline(pcapy_files["many"])
        seen = 0

        def callback(*_: Any, reader: Any = reader) -> None:
            nonlocal seen
            seen += 1
            if seen == 3:
                reader.close()

        assert getattr(reader, method)(-1, callback) == result
        assert seen == 3
        with pytest.raises(ValueError, match="pcap is closed"):
            reader.next()


def test_dropping_the_reader_in_a_callback_is_safe(pcapy_files: Files) -> None:
    seen = 0
    holder = [pcapy.open_offline(pcapy_files["many"])]

    def callback(*_: Any) -> None:
        nonlocal seen
        seen += 1
        holder.clear()
        if seen % 100 == 1:
            gc.collect()

    holder[0].loop(600, callback)
    assert seen == 600


def test_a_dumper_never_writes_bytes_it_was_not_given(pcapy_files: Files, tmp_path: Path) -> None:
    reader = pcapy.open_offline(pcapy_files["one"])
    header, data = reader.next()
    assert header is not None
    dumper = reader.dump_open(str(tmp_path / "short.pcap"))
    dumper.dump(header, data[:20])
    dumper.close()
    (again,) = everything(pcapy.open_offline(str(tmp_path / "short.pcap")))
    assert again == (("Pkthdr", header.getts(), header.getlen(), 20), data[:20])


def test_a_full_disk_is_told(pcapy_files: Files) -> None:
    reader = pcapy.open_offline(pcapy_files["many"])

    def fill() -> None:
        dumper = reader.dump_open("/dev/full")
        reader.loop(-1, dumper.dump)
        dumper.close()

    with pytest.raises(pcapy.PcapError, match="No space left"):
        fill()


def test_a_linktype_by_keyword_counts() -> None:
    assert pcapy.BPFProgram("ip", linktype=12).get_bpf() == pcapy.BPFProgram("ip", 12).get_bpf()
    assert pcapy.BPFProgram("ip", linktype=12).get_bpf() != pcapy.BPFProgram("ip").get_bpf()


def test_a_capture_file_can_come_through_standard_input(pcapy_files: Files) -> None:
    program = (
        "from pfring import pcapy\n"
        "reader = pcapy.open_offline('-')\n"
        "print(reader.dispatch(-1, lambda h, d: None), reader.next())\n"
    )
    for content in (Path(pcapy_files["mixed"]), Path(pcapy_files["ng"])):
        with subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=False,
        ) as process:
            out, _ = process.communicate(content.read_bytes(), timeout=300)
        assert out == b"300 (None, b'')\n"


def fragment(offset: int) -> bytes:
    head = struct.pack("!BBHHHBBH", 0x45, 0, 60, 7, offset, 64, 17, 0) + SRC + DST
    return OUTER + b"\x08\0" + head + struct.pack("!HHHH", 53, 443, 40, 0) + bytes(32)


def test_later_fragments_have_no_ports_and_are_no_flow_heads(tmp_path: Path) -> None:
    path = tmp_path / "fragments.pcap"
    path.write_bytes(capture([fragment(0x2000), fragment(5), fragment(0x2005)]))
    reader = pcapy.open_offline(str(path))
    assert reader.loop_filtered(-1, lambda *_: None, flow_cutoff=9) == (3, 0, 2, 1, 0)
    reader = pcapy.open_offline(str(path))
    seen: list[int] = []
    reader.loop_filtered(-1, lambda h, d, c: seen.append(c), 63, flow_cutoff=9, profile=1)
    assert seen == [100, 102, 102]


def test_a_vlan_priority_is_not_taken_for_an_ip_version(tmp_path: Path) -> None:
    path = tmp_path / "priority.pcap"
    inner = fragment(0)[14:]
    tags = [
        OUTER + b"\x81\0" + struct.pack("!H", 0x4005 | pcp) + b"\x08\0" + inner
        for pcp in (0, 0x2000)
    ]
    path.write_bytes(capture(tags))
    reader = pcapy.open_offline(str(path))
    assert reader.loop_filtered(-1, lambda *_: None, addr_set=DST) == (2, 0, 0, 0, 2)


@pytest.mark.parametrize("child_first", [True, False])
@pytest.mark.parametrize("kind", ["many", "ng"])
def test_after_a_fork_one_process_goes_on_and_the_other_is_told(
    pcapy_files: Files, child_first: bool, kind: str
) -> None:
    reader = pcapy.open_offline(pcapy_files[kind])
    expected = all_data(pcapy_files[kind])
    assert [reader.next()[1] for _ in range(10)] == expected[:10]

    def read_on() -> str:
        try:
            return str([data for _, data in everything(reader)] == expected[10:])
        except pcapy.PcapError as error:
            return str(error)

    gate, report = multiprocessing.Pipe(), multiprocessing.Pipe()

    def child() -> None:
        gate[1].recv()
        report[1].send(read_on())

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    mine = "" if child_first else read_on()
    gate[0].send("go")
    its = report[0].recv()
    mine = mine or read_on()
    process.join(60)
    winner, loser, pid = (its, mine, process.pid) if child_first else (mine, its, os.getpid())
    assert winner == "True"
    assert loser == f"process {pid} reads this capture since the fork; open one of your own"


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_filters_opens_and_callbacks_do_not_leak(pcapy_files: Files) -> None:
    def work(times: int) -> None:
        reader = pcapy.open_offline(pcapy_files["mixed"])
        for i in range(times):
            reader.setfilter(("tcp port 80", "udp", "vlan and ip6")[i % 3])
            pcapy.compile(1, 65535, "host 10.0.0.1", 1, 0).get_bpf()
        for _ in range(times // 10):
            with pcapy.open_offline(pcapy_files["mixed"]) as short:
                show(short.next())
                short.loop(250, lambda h, d: (h.getts(), h.getlen(), h.getcaplen()))
                short.loop_filtered(5, lambda h, d, c: None, addr_set=DST, flow_cutoff=1)
                short.next_batch(5)

    work(200)
    gc.collect()
    files, memory = len(os.listdir("/proc/self/fd")), resident()
    tracemalloc.start()
    before = tracemalloc.take_snapshot()
    work(4000)
    gc.collect()
    grown = sum(s.size_diff for s in tracemalloc.take_snapshot().compare_to(before, "filename"))
    tracemalloc.stop()
    assert len(os.listdir("/proc/self/fd")) == files
    assert grown < 100_000
    assert resident() - memory < 8 << 20


def test_100_000_packets_kept_are_100_000_objects(pcapy_files: Files) -> None:
    kept = []
    for _ in range(20):
        pcapy.open_offline(pcapy_files["many"]).loop(-1, lambda h, d: kept.append((h, d)))
    expected = everything(pcapy.open_offline(pcapy_files["many"]))
    assert len(kept) == 100_000
    assert len({id(header) for header, _ in kept}) == 100_000
    assert all(show(pair) == expected[i % 5000] for i, pair in enumerate(kept))
