# SPDX-License-Identifier: BSD-3-Clause
"""pfring.Ring and pfring.Dumper on capture files: no privilege, no network."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pfring
import pytest
from pfring.lab import capfile
from pfring.lab.trace import Trace

EVEN = "ether[11] & 1 = 0"


def test_iteration_gives_every_packet_once(trace: Trace, trace_file: Path) -> None:
    with pfring.open(trace_file) as ring:
        assert [data for _, data in ring] == list(trace.frames)
        assert ring.eof
        assert list(ring) == []
        stats = ring.stats()
    assert (stats.recv, stats.drop, stats.delivered) == (len(trace), 0, len(trace))


def test_time_stamps_are_the_files(trace_file: Path) -> None:
    wanted = [record.ts_ns for record in capfile.read(trace_file)]
    with pfring.open(trace_file) as ring:
        assert [ts for ts, _ in ring] == wanted


def test_read_and_iteration_share_one_stream(trace: Trace, trace_file: Path) -> None:
    with pfring.open(trace_file) as ring:
        got = [data for _, data in ring.read(10)]
        packets = iter(ring)
        got.append(next(packets)[1])
        got += [data for _, data in ring.read(1000)]
        assert len(got) == 1011
        got += [data for _, data in packets]
        assert ring.read(5) == []
    assert got == list(trace.frames)


def test_a_filter_keeps_what_it_says(trace: Trace, trace_file: Path) -> None:
    with pfring.open(trace_file, EVEN) as ring:
        kept = [data for _, data in ring]
        assert ring.stats().filtered == len(trace) - len(kept)
    assert kept == [frame for frame in trace.frames if frame[11] % 2 == 0]


def test_a_filter_set_half_way_holds_from_there_on(trace: Trace, trace_file: Path) -> None:
    with pfring.open(trace_file) as ring:
        head = [data for _, data in ring.read(101)]
        ring.set_filter(EVEN)
        tail = [data for _, data in ring]
    assert head == list(trace.frames[:101])
    assert tail == [frame for frame in trace.frames[101:] if frame[11] % 2 == 0]


@pytest.mark.parametrize("format", ["pcap", "pcap_ns", "pcapng"])
def test_what_is_saved_is_what_was_read(
    trace: Trace, trace_file: Path, tmp_path: Path, format: str
) -> None:
    target = tmp_path / "copy"
    with pfring.open(trace_file) as ring:
        first = ring.read(3)
        with pfring.Dumper(target, ring.linktype, format=format) as dumper:  # type: ignore[arg-type]
            for ts, data in first:
                dumper.write(ts, data)
            while ring.save(dumper):
                pass
            assert dumper.written == len(trace)
        assert ring.eof
    with pfring.open(trace_file) as old, pfring.open(target) as new:
        assert list(old) == list(new)


def test_save_takes_no_more_than_asked(trace_file: Path, tmp_path: Path) -> None:
    with pfring.open(trace_file) as ring, pfring.Dumper(tmp_path / "some.pcap") as dumper:
        assert ring.save(dumper, 7) == 7
        next(iter(ring))
        assert ring.save(dumper, 5) == 5
    assert len(list(capfile.read(tmp_path / "some.pcap"))) == 12


def test_a_dumper_is_used_until_it_is_closed(tmp_path: Path) -> None:
    dumper = pfring.Dumper(tmp_path / "x.pcap")
    dumper.write(1_000, b"\0" * 60, 100)
    dumper.flush()
    dumper.close()
    dumper.close()
    assert dumper.closed
    with pytest.raises(pfring.Closed, match=r"x\.pcap is closed"):
        dumper.write(1, b"")
    (record,) = capfile.read(tmp_path / "x.pcap")
    assert (record.data, record.ts_ns) == (b"\0" * 60, 1_000)


def test_closing_twice_is_fine_and_using_after_is_an_error(trace_file: Path) -> None:
    ring = pfring.open(trace_file)
    ring.close()
    ring.close()
    assert ring.closed
    assert repr(ring).endswith("closed>")
    uses: list[Callable[[], object]] = [
        ring.read,
        ring.stats,
        ring.fileno,
        ring.remove_filter,
        lambda: iter(ring),
        lambda: ring.set_filter("tcp"),
        lambda: ring.send(b""),
        lambda: ring.cluster(1),
    ]
    for use in uses:
        with pytest.raises(pfring.Closed, match="is closed"):
            use()
    assert issubclass(pfring.Closed, ValueError)


def test_an_iterator_of_a_ring_closed_meanwhile_ends(trace_file: Path) -> None:
    ring = pfring.open(trace_file)
    packets = iter(ring)
    next(packets)
    ring.close()
    assert list(packets) == []


def test_an_iterator_keeps_its_ring_alive(trace: Trace, trace_file: Path) -> None:
    packets = iter(pfring.open(trace_file))
    gc.collect()
    assert sum(1 for _ in packets) == len(trace)


def test_a_thousand_rings_leave_no_descriptor(trace_file: Path) -> None:
    def leave_one_open() -> None:
        ring = pfring.open(trace_file)
        ring.read(3)

    leave_one_open()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(1000):
        leave_one_open()
    assert len(os.listdir("/proc/self/fd")) == before


def test_rings_and_dumpers_cannot_be_copied(trace_file: Path, tmp_path: Path) -> None:
    with pfring.open(trace_file) as ring, pfring.Dumper(tmp_path / "x.pcap") as dumper:
        for thing in (ring, dumper, iter(ring)):
            with pytest.raises(TypeError):
                copy.copy(thing)
            with pytest.raises(TypeError):
                pickle.dumps(thing)


def test_names_of_any_bytes_can_be_opened(trace_file: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9 \xf0\x9f\x98\x80.pcap")
    (tmp_path / name).symlink_to(trace_file)
    with pfring.open(tmp_path / name) as ring:
        assert ring.source == f"file:{tmp_path / name}"
        assert len(ring.read(3)) == 3


def test_failures_are_one_kind_of_exception(trace_file: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("this is no capture file, whatever its name says")
    with pytest.raises(pfring.NoSuchFile, match=r"/nowhere") as missing:
        pfring.open(Path("/nowhere"))
    assert isinstance(missing.value, FileNotFoundError)
    with pytest.raises(pfring.FilterError, match="syntax error") as filter:
        pfring.open(trace_file, "tcp prt 80")
    assert isinstance(filter.value, ValueError)
    with pytest.raises(pfring.Error, match="no capture file"):
        pfring.open(tmp_path / "text")
    with pytest.raises(pfring.NotSupported), pfring.open(trace_file) as ring:
        ring.send(b"\0" * 60)
    with pytest.raises(pfring.Error, match="cannot be created"):
        pfring.Dumper("/nowhere/at/all.pcap")
    for error in ("NoSuchFile", "FilterError", "NotSupported", "Closed", "InUse", "DeviceDown"):
        assert issubclass(getattr(pfring, error), pfring.Error)
    assert issubclass(pfring.Error, OSError)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"timeout": -1}, ValueError),
        ({"timeout": float("nan")}, ValueError),
        ({"timeout": "soon"}, TypeError),
        ({"direction": "sideways"}, ValueError),
        ({"snaplen": -1}, TypeError),
        ({"buffer": -1}, TypeError),
        ({"no_such_option": 1}, TypeError),
    ],
)
def test_wrong_arguments_are_refused(
    trace_file: Path, options: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        pfring.open(trace_file, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(("asked", "kept"), [(0, 1514), (300_000, 1514), (1, 1), (96, 96)])
def test_snap_lengths_at_the_edges(trace_file: Path, asked: int, kept: int) -> None:
    with pfring.open(trace_file, snaplen=asked) as ring:
        assert max(len(data) for _, data in ring) == kept


def test_truncated_file_gives_what_is_whole_then_the_error(
    trace: Trace, trace_file: Path, tmp_path: Path
) -> None:
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(trace_file.read_bytes()[:100_000])
    got: list[bytes] = []
    with pfring.open(cut) as ring, pytest.raises(pfring.Error, match=r"cut\.pcap"):
        got.extend(data for _, data in ring)
    assert 0 < len(got) < len(trace)
    assert got == list(trace.frames[: len(got)])


def test_an_error_after_packets_waits_for_the_next_read(trace_file: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(trace_file.read_bytes()[:10_000])
    with pfring.open(cut) as ring:
        got = ring.read(100)
        assert 0 < len(got) < 100
        with pytest.raises(pfring.Error, match=r"cut\.pcap"):
            ring.read(100)


def test_parse_takes_a_frame_apart() -> None:
    frame = bytes.fromhex(
        "02000000000202000000000181000005080045000028000100004006f97d0a000001"
        "0a000002303901bb000000010000000250121000"
    ) + bytes(8)
    parsed = pfring.parse(frame)
    assert parsed is not None
    assert (parsed.src, parsed.dst, parsed.sport, parsed.dport) == (
        "10.0.0.1",
        "10.0.0.2",
        12345,
        443,
    )
    assert (parsed.vlan, parsed.proto, parsed.tcp_flags) == (5, 6, 0x12)
    assert (parsed.eth_src, parsed.eth_dst) == ("02:00:00:00:00:01", "02:00:00:00:00:02")
    assert pfring.parse(b"short") is None
    assert pfring.parse(frame, level=2)._asdict()["src"] is None  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="level"):
        pfring.parse(frame, level=9)


def test_compile_filter_gives_the_program_in_force() -> None:
    program = pfring.compile_filter("ip")
    assert program[0] == (0x28, 0, 0, 12)  # ldh [12]
    assert program[-1] == (0x06, 0, 0, 0)  # ret #0
    with pytest.raises(pfring.FilterError):
        pfring.compile_filter("no such")


def test_the_library_is_where_the_package_says() -> None:
    code = (
        "import ctypes, pfring; lib = ctypes.CDLL(pfring.libpfring_path()); "
        "v = ctypes.c_uint32(); lib.pfring_version_noring(ctypes.byref(v)); print(hex(v.value))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout == "0x50404\n"


def test_importing_pfring_loads_nothing_heavy() -> None:
    heavy = "numpy scapy rich typer pathlib typing dataclasses asyncio ctypes".split()
    code = (
        "import sys; before = set(sys.modules); import pfring; "
        f"print([m for m in {heavy} if m in sys.modules and m not in before])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert done.stdout == "[]\n"


def test_a_read_of_no_packets_is_refused(trace_file: Path) -> None:
    with pfring.open(trace_file) as ring, pytest.raises(ValueError, match="1 or more"):
        ring.read(0)
