# SPDX-License-Identifier: BSD-3-Clause
"""Writers and tee: what was read is in the files, cut into pieces, and whole after a crash."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pfring
import pytest
from pfring.lab.trace import Trace


def frames_of(paths: list[Path]) -> list[bytes]:
    got: list[bytes] = []
    for path in paths:
        with pfring.open(path) as ring:
            got += [data for _, data in ring]
    return got


@pytest.mark.parametrize("suffix", [".pcap", ".pcapng", ".parquet"])
def test_a_writer_is_chosen_by_the_name_and_holds_every_packet(
    trace: Trace, trace_file: Path, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"copy{suffix}"
    with pfring.open(trace_file) as ring, pfring.writer(path) as writer:
        for batch in ring.batches(5000):
            writer.write(batch)
        assert writer.written == len(trace)
    assert writer.files == [path]
    assert sorted(tmp_path.iterdir()) == [path]
    if suffix == ".parquet":
        import pyarrow.parquet

        table = pyarrow.parquet.read_table(path)
        assert table.column("data").to_pylist() == list(trace.frames)
    else:
        assert frames_of([path]) == list(trace.frames)


@pytest.mark.parametrize("how", ["iterate", "read", "batches", "views", "flows", "save"])
def test_tee_writes_what_is_read_in_any_way(
    trace: Trace, trace_file: Path, tmp_path: Path, how: str
) -> None:
    path = tmp_path / "tee.pcap"
    with pfring.open(trace_file) as ring, pfring.Writer(path) as writer:
        ring.tee(writer)
        if how == "iterate":
            n = sum(1 for _ in ring)
        elif how == "read":
            n = 0
            while packets := ring.read(100):
                n += len(packets)
        elif how == "save":
            with pfring.Dumper(tmp_path / "other.pcap") as dumper:
                while ring.save(dumper):
                    pass
                n = dumper.written
        else:
            batches = ring.flows(999) if how == "flows" else ring.batches(999, copy=how != "views")
            n = sum(len(batch) for batch in batches)
        assert n == len(trace) == writer.written
    assert frames_of([path]) == list(trace.frames)


def test_tee_ends_with_none(trace: Trace, trace_file: Path, tmp_path: Path) -> None:
    with pfring.open(trace_file) as ring, pfring.Writer(tmp_path / "tee.pcap") as writer:
        ring.tee(writer)
        first = next(ring.batches(256))
        ring.tee(None)
        rest = sum(len(batch) for batch in ring.batches())
        assert len(first) + rest == len(trace)
        assert writer.written == 256


def test_tee_into_parquet_writes_columns(trace: Trace, trace_file: Path, tmp_path: Path) -> None:
    import pyarrow.parquet

    path = tmp_path / "flows.parquet"
    with pfring.open(trace_file) as ring, pfring.ParquetWriter(path, columns="flows") as writer:
        ring.tee(writer)
        wanted = [proto for flows in ring.flows(1000) for proto in flows.proto.tolist()]
    assert pyarrow.parquet.read_table(path).column("proto").to_pylist() == wanted
    assert writer.written == len(wanted) == len(trace)


@pytest.mark.parametrize("suffix", [".pcap", ".pcapng"])
def test_rotation_by_size_keeps_every_packet_and_the_limit(
    trace: Trace, trace_file: Path, tmp_path: Path, suffix: str
) -> None:
    limit = 1_000_000
    path = tmp_path / f"r{suffix}"
    with pfring.open(trace_file) as ring, pfring.Writer(path, rotate_bytes=limit) as writer:
        ring.tee(writer)
        for _ in ring.batches():
            pass
    assert writer.files == sorted(tmp_path.iterdir())
    assert len(writer.files) > 10
    assert max(f.stat().st_size for f in writer.files) <= limit
    assert min(f.stat().st_size for f in writer.files[:-1]) > limit * 0.9
    assert frames_of(writer.files) == list(trace.frames)
    assert writer.files[0].name == f"r_00001_20231114221320{suffix}"


def test_rotation_by_time_and_keep(trace_file: Path, tmp_path: Path) -> None:
    with pfring.open(trace_file) as ring:
        stamps = [ts for ts, _ in ring]
    seconds = (stamps[-1] - stamps[0]) / 1e9
    every = seconds / 7.5
    with (
        pfring.open(trace_file) as ring,
        pfring.Writer(tmp_path / "t.pcap", rotate_seconds=every, keep=3) as writer,
    ):
        for batch in ring.batches(1000):
            writer.write(batch)
    assert writer.written == len(stamps)
    assert [f.name[:7] for f in writer.files] == ["t_00006", "t_00007", "t_00008"]
    assert sorted(tmp_path.iterdir()) == writer.files
    for file in writer.files:
        with pfring.open(file) as ring:
            own = [ts for ts, _ in ring]
        assert own[-1] - own[0] < every * 1e9


def test_parquet_rotates_by_rows_and_time_and_is_one_data_set(
    trace: Trace, trace_file: Path, tmp_path: Path
) -> None:
    import pyarrow.parquet

    with (
        pfring.open(trace_file) as ring,
        pfring.ParquetWriter(tmp_path / "p.parquet", rotate_rows=7000) as writer,
    ):
        for batch in ring.batches(3000):
            writer.write(batch)
    rows = [pyarrow.parquet.read_metadata(f).num_rows for f in writer.files]
    assert rows == [7000, 7000, 7000, 3000]
    table = pyarrow.parquet.read_table(tmp_path)
    assert table.column("data").to_pylist() == list(trace.frames)
    with (
        pfring.open(trace_file) as ring,
        pfring.ParquetWriter(tmp_path / "q.parquet", rotate_seconds=5, keep=2) as writer,
    ):
        for batch in ring.batches(3000):
            writer.write(batch)
    assert len(list(tmp_path.glob("q_*"))) == 2
    for file in writer.files:
        stamps = pyarrow.parquet.read_table(file).column("ts_ns")
        assert stamps[-1].value - stamps[0].value < 5_000_000_000


CRASH = """
import os, signal, sys, pfring
from pathlib import Path
writer = pfring.writer(sys.argv[2], **({} if sys.argv[2].endswith("parquet") else
                                       {"flush_every": None}))
with pfring.open(Path(sys.argv[1])) as ring:
    for batch in ring.batches(1000):
        writer.write(batch)
        if writer.written == 5000:
            writer.flush()
        if writer.written == 8000:
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("suffix", [".pcap", ".pcapng", ".parquet"])
def test_what_was_flushed_outlives_a_crash(
    trace: Trace, trace_file: Path, tmp_path: Path, suffix: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CRASH, trace_file, tmp_path / f"c{suffix}"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    if suffix == ".parquet":
        import pyarrow.parquet

        got = pyarrow.parquet.read_table(tmp_path).column("data").to_pylist()
        assert got == list(trace.frames[:5000])
        return
    got = []
    with pfring.open(tmp_path / f"c{suffix}") as ring:
        try:
            for _, data in ring:
                got.append(data)
        except pfring.Error:
            pass  # the last record may be cut: nobody had flushed it
    assert len(got) >= 5000
    assert got == list(trace.frames[: len(got)])


def test_flush_every_writes_by_itself(trace: Trace, trace_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "f.pcap"
    with pfring.open(trace_file) as ring, pfring.Writer(path, flush_every=0) as writer:
        ring.tee(writer)
        n = len(next(ring.batches(256)))
        assert frames_of([path]) == list(trace.frames[:n])
        writer.flush(sync=True)


def limited(size: int) -> Callable[[], None]:
    """Let no file of a child process pass size: a full disk that needs no privilege."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


FULL = """
import errno, sys, pfring
from pathlib import Path
source, target, how = sys.argv[1:]
writer = pfring.writer(target)
total = 0
with pfring.open(Path(source)) as ring:
    if how == "tee":
        ring.tee(writer)
    batches = ring.batches(1000)
    failures = 0
    while not ring.eof:
        try:
            batch = next(batches)
            total += len(batch)
            if how == "write":
                writer.write(batch)
        except StopIteration:
            break
        except OSError as e:
            assert e.errno == errno.EFBIG, e
            failures += 1
            if how == "write":
                break
try:
    writer.close()
except OSError as e:
    assert e.errno == errno.EFBIG, e
    failures += 1
print(total, failures, writer.written)
"""


@pytest.mark.parametrize("how", ["write", "tee"])
@pytest.mark.parametrize("suffix", [".pcap", ".pcapng", ".parquet"])
def test_a_full_disk_is_an_error_and_leaves_whole_packets(
    trace: Trace, trace_file: Path, tmp_path: Path, suffix: str, how: str
) -> None:
    path = tmp_path / f"full{suffix}"
    done = subprocess.run(
        [sys.executable, "-c", FULL, trace_file, path, how],
        preexec_fn=limited(100_000 if suffix == ".parquet" else 3_000_000),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    total, failures, _ = map(int, done.stdout.split())
    assert failures >= 1
    if how == "tee":
        assert total == len(trace)  # the program reads on, every packet once
    if suffix == ".parquet":
        assert list(tmp_path.iterdir()) == []
        return
    got = frames_of([path])
    assert 1000 < len(got) < len(trace)
    assert got == list(trace.frames[: len(got)])


def test_flows_are_written_where_flows_are_asked_for(trace_file: Path, tmp_path: Path) -> None:
    import pyarrow.parquet

    path = tmp_path / "flows.parquet"
    with pfring.open(trace_file) as ring, pfring.ParquetWriter(path, columns="flows") as out:
        batch = next(ring.batches(300))
        out.write(batch)
        out.write(batch.flows())
    rows = pyarrow.parquet.read_table(path)
    assert len(rows) == 2 * len(batch) == 600
    assert rows.slice(0, 300).equals(rows.slice(300))
    for name, said in (("packets.parquet", "takes a pfring.Batch here"), ("x.pcap", "ParquetWr")):
        with pfring.writer(tmp_path / name) as out, pytest.raises(TypeError, match=said):
            out.write(batch.flows())  # type: ignore[arg-type]


def test_a_writer_that_was_closed_says_so(trace_file: Path, tmp_path: Path) -> None:
    for suffix in (".pcap", ".parquet"):
        writer = pfring.writer(tmp_path / f"x{suffix}")
        writer.close()
        writer.close()
        with pfring.open(trace_file) as ring:
            batch = next(ring.batches(10))
            with pytest.raises(pfring.Closed, match="is closed"):
                writer.write(batch)
            with pytest.raises(pfring.Closed, match="is closed"):
                writer.flush()


def test_tee_into_a_closed_writer_is_one_error_and_no_packet_less(
    trace: Trace, trace_file: Path, tmp_path: Path
) -> None:
    writer = pfring.Writer(tmp_path / "x.pcap")
    writer.close()
    with pfring.open(trace_file) as ring:
        ring.tee(writer)
        got, failures = [], 0
        while not ring.eof:
            try:
                got += [data for _, data in ring]
            except pfring.Closed:
                failures += 1
    # The iteration that raised has dropped its own list.
    assert failures == 1
    assert got == list(trace.frames[len(trace) - len(got) :])
    assert len(got) == len(trace) - 256


def test_wrong_options_are_refused(trace_file: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="keep"):
        pfring.Writer(tmp_path / "x.pcap", keep=3)
    with pytest.raises(ValueError, match="rotate_seconds"):
        pfring.Writer(tmp_path / "x.pcap", rotate_seconds=-1)
    with pytest.raises(ValueError, match="Parquet"):
        pfring.Writer(tmp_path / "x.parquet")
    with pytest.raises(ValueError, match="columns"):
        pfring.ParquetWriter(tmp_path / "x.parquet", columns="no")  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        pfring.writer(tmp_path / "no" / "x.pcap")
    with pytest.raises(FileNotFoundError):
        pfring.writer(tmp_path / "no" / "x.parquet")
    with pfring.open(trace_file) as ring, pytest.raises(TypeError, match="no writer"):
        ring.tee(object())  # type: ignore[arg-type]
