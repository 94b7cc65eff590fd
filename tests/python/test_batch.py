# SPDX-License-Identifier: BSD-3-Clause
"""Batches and flows: every packet once, columns that agree with one packet at a time."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import subprocess
import sys
import threading
from array import array
from collections import Counter
from pathlib import Path

import numpy as np
import pfring
import pytest
from pfring.lab import capfile
from pfring.lab.trace import Trace
from support.corpus import corpus


@pytest.fixture(scope="module")
def corpus_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "corpus.pcap"
    capfile.write(path, corpus())
    return path


@pytest.mark.parametrize("copy", [True, False])
@pytest.mark.parametrize("n", [1, 7, 1000, 100_000])
def test_batches_hold_every_packet_once(trace: Trace, trace_file: Path, n: int, copy: bool) -> None:
    got: list[bytes] = []
    stamps: list[int] = []
    with pfring.open(trace_file) as ring:
        for batch in ring.batches(n, copy=copy):
            assert 0 < len(batch) <= n
            got += [data for _, data in batch]
            stamps += batch.ts_ns.tolist()
        assert ring.eof
        assert ring.stats().delivered == len(trace)
    assert got == list(trace.frames)
    assert stamps == [record.ts_ns for record in capfile.read(trace_file)]


@pytest.mark.parametrize("copy", [True, False])
def test_columns_say_what_each_packet_says(trace_file: Path, copy: bool) -> None:
    with pfring.open(trace_file, snaplen=100) as ring:
        for batch in ring.batches(999, copy=copy):
            data = batch.data.tobytes()
            for i, (ts_ns, packet) in enumerate(batch):
                offset, caplen = int(batch.offset[i]), int(batch.caplen[i])
                assert data[offset : offset + caplen] == packet
                assert ts_ns == batch.ts_ns[i]
                assert caplen == min(100, batch.len[i])
                parsed = pfring.parse(packet)
                assert parsed is not None
                assert batch.vlan[i] == parsed.vlan
            assert set(batch.ifindex.tolist()) == {-1}
            assert set(batch.direction.tolist()) == {0}


def _mac(text: str) -> int:
    return int(text.replace(":", ""), 16)


def _compare(flows: pfring.Flows, i: int, packet: bytes) -> None:
    """Compare row i with the general parser's answer."""
    parsed = pfring.parse(packet, 4)
    assert parsed is not None
    row = {name: flows.column(name)[i] for name in flows.names()}
    assert row["eth_src"] == _mac(parsed.eth_src)
    assert row["eth_dst"] == _mac(parsed.eth_dst)
    for mine, theirs in (
        *(("eth_type", "eth_type"), ("vlan", "vlan"), ("qinq", "qinq"), ("proto", "proto")),
        *(("ip_version", "ip_version"), ("tos", "tos"), ("sport", "sport"), ("dport", "dport")),
        *(("tcp_flags", "tcp_flags"), ("icmp_type", "icmp_type"), ("icmp_code", "icmp_code")),
        ("payload_offset", "payload_offset"),
    ):
        assert row[mine] == getattr(parsed, theirs), (mine, packet.hex())
    src, dst = flows.source(i), flows.destination(i)
    assert (src and str(src)) == (parsed.src and str(ipaddress.ip_address(parsed.src)))
    assert (dst and str(dst)) == (parsed.dst and str(ipaddress.ip_address(parsed.dst)))


@pytest.mark.parametrize("which", ["trace", "corpus"])
def test_flows_are_what_the_general_parser_says(
    trace_file: Path, corpus_file: Path, which: str
) -> None:
    path = {"trace": trace_file, "corpus": corpus_file}[which]
    with pfring.open(path) as ring, pfring.open(path) as again:
        fused = again.flows(1000)
        for batch in ring.batches(1000):
            flows, direct = batch.flows(), next(fused)
            assert len(flows) == len(direct) == len(batch)
            assert flows.n_ipv6 == direct.n_ipv6 == (flows.ip_version == 6).sum()
            for name in flows.names():
                assert np.array_equal(flows.column(name), direct.column(name)), name
            for i, (_, packet) in enumerate(batch):
                if len(packet) >= 14 and i % 5 == 0:  # tests/unit/test_flows.c compares more
                    _compare(flows, i, packet)
        with pytest.raises(StopIteration):
            next(fused)


def test_the_flow_hash_is_the_same_for_both_directions() -> None:
    ends = [b"\x0a\0\0\1", b"\x0a\0\0\2", b"\0\x50", b"\x30\x39"]
    there = ends[0] + ends[1] + ends[2] + ends[3]
    back = ends[1] + ends[0] + ends[3] + ends[2]
    head = bytes(12) + b"\x08\0" + b"\x45\0\0\x1c\0\0\0\0\x40\x11\0\0"
    batch = pfring.Batch.from_packets([(1, head + x + bytes(30)) for x in (there, back)])
    flows = batch.flows()
    assert flows.hash[0] == flows.hash[1] != 0
    assert flows.payload_len.tolist() == [0, 0]


def test_a_slice_of_a_batch_is_a_list_of_packets(trace: Trace) -> None:
    batch = pfring.Batch.from_packets(list(enumerate(trace.frames[:20])))
    packets = list(batch)
    assert packets == list(enumerate(trace.frames[:20]))
    assert batch[np.int64(3)] == packets[3]
    for part in (slice(0, 3), slice(-2, None), slice(None, None, -7), slice(30, 40)):
        assert batch[part] == packets[part]
    with pytest.raises(IndexError, match="20 packets"):
        batch[20]


def test_a_files_name_that_is_no_path_says_how_to_open_it(
    trace_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trace_file.parent)
    with pytest.raises(pfring.NoSuchDevice, match=r"open pathlib\.Path\("):
        pfring.open(trace_file.name)


def test_arrays_outlive_batch_and_ring(trace: Trace, trace_file: Path) -> None:
    with pfring.open(trace_file) as ring:
        batch = next(ring.batches(500))
    data, offset, caplen = batch.data, batch.offset, batch.caplen
    flows = batch.flows()
    ports = flows.sport
    before = ports.tolist()
    del batch, flows, ring
    gc.collect()
    assert [data[o : o + n].tobytes() for o, n in zip(offset, caplen, strict=True)] == list(
        trace.frames[:500]
    )
    assert ports.tolist() == before
    assert not data.flags.writeable


def test_a_view_says_so_when_its_packets_are_gone(trace_file: Path) -> None:
    with pfring.open(trace_file) as ring:
        batches = ring.batches(100, copy=False)
        first = next(batches)
        assert first.is_view
        kept, data = first.copy(), first.data
        assert not kept.is_view
        next(batches)
        for use in (lambda: first.ts_ns, first.flows, first.copy, lambda: first[0]):
            with pytest.raises(pfring.Closed, match="left the ring"):
                use()
        assert "gone" in repr(first)
        assert "gone" in first._repr_html_()
        last = next(batches)
        arrays = [last.data, last.ts_ns]
    with pytest.raises(pfring.Closed):
        last.flows()
    del ring, batches
    gc.collect()
    assert int(data.sum()) >= 0  # memory of the closed ring: whatever is there can be read
    assert all(int(a[0]) >= 0 for a in arrays)
    assert len(kept) == 100


def test_a_view_that_nobody_looked_at_is_counted_and_gone_all_the_same(trace_file: Path) -> None:
    with pfring.open(trace_file) as ring:
        views = ring.batches(64, copy=False)
        first, second = next(views), next(views)
        assert (len(first), len(second)) == (64, 64)
        assert "gone" in repr(first)
        assert "view" in repr(second)
        with pytest.raises(pfring.Closed):
            _ = first.ts_ns
        kept = second.copy()
    assert len(second) == 64
    assert not second.is_view or "gone" in repr(second)
    with pfring.open(trace_file) as ring:
        assert list(kept) == ring.read(128)[64:]


def test_packets_before_the_damage_come_before_its_error(trace_file: Path, tmp_path: Path) -> None:
    whole = len(list(pfring.open(trace_file)))
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(trace_file.read_bytes()[:-3])
    with pfring.open(cut) as ring:
        batches, seen = ring.batches(100_000), 0
        while seen < whole - 1:
            seen += len(next(batches))
        assert seen == whole - 1
        with pytest.raises(pfring.Error, match="truncated"):
            next(batches)
        assert next(batches, None) is None
    with pfring.open(cut) as ring:
        assert len(next(ring.flows(100_000))) == whole - 1
        with pytest.raises(pfring.Error, match="truncated"):
            ring.read(1)


def test_a_batch_kept_after_its_ring_closed_is_whole(trace: Trace, trace_file: Path) -> None:
    with pfring.open(trace_file) as ring:
        batch = next(ring.batches(50))
    assert [data for _, data in batch] == list(trace.frames[:50])
    assert len(batch.flows()) == 50
    with pytest.raises(pfring.Closed):
        next(ring.batches())


def test_batches_share_one_stream_with_everything_else(trace: Trace, trace_file: Path) -> None:
    with pfring.open(trace_file) as ring:
        got = [data for _, data in ring.read(3)]
        got += [data for _, data in next(ring.batches(5))]
        got.append(next(iter(ring))[1])
        got += [data for _, data in next(ring.batches(1000, copy=False))]
        flows = next(ring.flows(10))
    wanted = list(trace.frames)
    assert got == wanted[: len(got)]
    assert flows.len.tolist() == [len(f) for f in wanted[len(got) : len(got) + 10]]


def test_to_arrow_copies_nothing_and_lives_on(trace: Trace, trace_file: Path) -> None:
    import pyarrow as pa

    with pfring.open(trace_file) as ring:
        batch = next(ring.batches(1000))
        view = next(ring.batches(300, copy=False))
        late = view.to_arrow()
    table = batch.to_arrow()
    assert isinstance(table, pa.RecordBatch)
    table.validate(full=True)
    at = table.column("data").buffers()[2].address
    assert at == batch.data.__array_interface__["data"][0]
    flows = batch.flows().to_arrow()
    flows.validate(full=True)
    lengths = batch.len.tolist()
    del batch
    gc.collect()
    assert table.column("data").to_pylist() == list(trace.frames[:1000])
    assert table.column("len").to_pylist() == lengths
    assert flows.column("src6").type == pa.binary(16)
    assert late.column("data").to_pylist() == list(trace.frames[1000:1300])
    for _ in range(50):  # capsules that nobody takes
        pfring.Batch.from_packets([(1, b"x")]).__arrow_c_array__()


def test_pandas_and_polars_take_a_batch_in_one_line(trace_file: Path) -> None:
    import polars

    with pfring.open(trace_file) as ring:
        flows = next(ring.flows(1000))
    wanted = Counter(flows.proto.tolist())
    assert flows.to_pandas().groupby("proto").size().to_dict() == dict(wanted)
    assert flows.to_pandas()["ts_ns"].iloc[1].value == flows.ts_ns[1]
    frame = polars.DataFrame(flows)
    assert dict(frame["proto"].value_counts().iter_rows()) == dict(wanted)
    assert flows.to_polars().equals(frame)


def test_notebooks_get_a_small_table(trace_file: Path) -> None:
    with pfring.open(trace_file) as ring:
        batch = next(ring.batches(5000))
    text = batch._repr_html_()
    assert "5,000 packets" in text
    assert text.count("<tr>") == 1 + 10 + 1
    assert str(batch.flows().source(0)) in batch.flows()._repr_html_()
    assert repr(batch) == f"<pfring.Batch 5,000 packets, {batch.data.size:,} bytes>"


def test_async_iteration_gives_everything_and_lets_others_run(
    trace: Trace, trace_file: Path
) -> None:
    async def main() -> list[bytes]:
        got = []
        with pfring.open(trace_file) as ring:
            async for batch in ring.batches(777):
                got += [data for _, data in batch]
        return got

    assert asyncio.run(main()) == list(trace.frames)


def test_wrong_arguments_are_refused(trace_file: Path) -> None:
    with pfring.open(trace_file) as ring:
        for n in (0, -1, 1 << 25):
            with pytest.raises(ValueError, match="a batch has"):
                next(ring.batches(n))
        with pytest.raises(ValueError, match="gather"):
            ring.batches(copy=False, gather=1)
        with pytest.raises(ValueError, match="timeout"):
            next(ring.batches(timeout=-1))
        with pytest.raises(KeyError):
            next(ring.flows()).column("nonsense")
        with pytest.raises(IndexError):
            next(ring.batches(5))[5]
    ts, offset, length, data = (array(code, [9]) for code in "QqIB")
    with pytest.raises(ValueError, match="outside"):
        pfring._core.PacketBatch(ts, offset, length, length, data)


def test_flows_need_ethernet(tmp_path: Path) -> None:
    path = tmp_path / "raw.pcap"
    with pfring.Dumper(path, linktype=101) as dumper:
        dumper.write(1, b"\x45" + bytes(39))
    with pfring.open(path) as ring:
        with pytest.raises(pfring.NotSupported, match="Ethernet"):
            next(ring.flows())
        batch = next(ring.batches())
        assert len(batch) == 1
        with pytest.raises(pfring.NotSupported, match="Ethernet"):
            batch.flows()


def test_empty_packets_do_no_harm() -> None:
    batch = pfring.Batch.from_packets([(1, b""), (2, b"x"), (3, b"")])
    assert [data for _, data in batch] == [b"", b"x", b""]
    assert batch.flows().ip_version.tolist() == [0, 0, 0]
    assert batch.to_arrow().column("data").to_pylist() == [b"", b"x", b""]
    empty = pfring.Batch.from_packets([])
    assert len(empty.flows()) == len(empty.to_arrow()) == 0


NO_NUMPY = """
import sys
sys.modules["numpy"] = sys.modules["pyarrow"] = None  # as if they were not installed
import pfring
with pfring.open({path!r}) as ring:
    batch = next(ring.batches(10))
    assert len(batch) == 10 and len(batch[0][1]) > 0 and len(batch.flows()) == 10
    talkers = pfring.Talkers()
    talkers.add(batch.flows())
    assert talkers.top()
for use in (lambda: batch.ts_ns, batch.to_arrow, lambda: pfring.ParquetWriter("/tmp/x")):
    try:
        use()
    except ImportError as e:
        print(e)
"""


def test_without_numpy_what_needs_it_says_so(trace_file: Path) -> None:
    code = NO_NUMPY.format(path=f"file:{trace_file}")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "a column needs NumPy: pip install 'pfring[numpy]'",
        "to_arrow() needs pyarrow: pip install 'pfring[arrow]'",
        "ParquetWriter needs pyarrow: pip install 'pfring[arrow]'",
    ]


def test_importing_pfring_imports_nothing_heavy() -> None:
    heavy = ["numpy", "pyarrow", "pandas", "polars", "rich", "matplotlib", "scapy", "asyncio"]
    code = f"import sys, pfring; print([x for x in {heavy} if x in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_talkers_count_like_a_dictionary(trace_file: Path) -> None:
    wanted: dict[str, Counter[str]] = {"src": Counter(), "both": Counter()}
    sizes: Counter[str] = Counter()
    talkers = {"src": pfring.Talkers(), "both": pfring.Talkers("both")}
    few = pfring.Talkers(limit=2)
    with pfring.open(trace_file) as ring:
        for flows in ring.flows(5000):
            for counter in (*talkers.values(), few):
                counter.add(flows)
            for i in range(len(flows)):
                src, dst = str(flows.source(i)), str(flows.destination(i))
                if src != "None":
                    wanted["src"][src] += 1
                    wanted["both"].update([src, dst])
                    sizes[src] += int(flows.len[i])
    for which, counter in talkers.items():
        rows = counter.top(10_000)
        assert {row.address: row.packets for row in rows} == dict(wanted[which])
        assert [row.packets for row in rows] == sorted((r.packets for r in rows), reverse=True)
        assert len(counter) == len(wanted[which])
    assert {row.address: row.bytes for row in talkers["src"].top(10_000, "bytes")} == dict(sizes)
    assert len(few) == 2
    assert sum(r.packets for r in few.top()) + few.others[0] == sum(wanted["src"].values())


def test_talkers_and_protocols_take_a_batch_for_its_flows(trace_file: Path) -> None:
    with pfring.open(trace_file) as ring:
        batch = next(ring.batches(500))
    for kind in (pfring.Talkers, pfring.Protocols):
        one, other = kind(), kind()
        one.add(batch)
        other.add(batch.flows())
        assert one.top(1000) == other.top(1000)
        assert one.top()


def test_values_are_counted_as_numpy_counts_them(trace_file: Path) -> None:
    with pfring.open(trace_file) as ring:
        for n, flows in enumerate(ring.flows(997)):
            for name in ("proto", "tcp_flags", "dport", "eth_type", "vlan", "payload_len"):
                column = flows.column(name)
                counted = flows.count(name)
                assert len(counted) == 1 << 8 * column.itemsize
                assert (counted == np.bincount(column, minlength=len(counted))).all()
            if n == 0:
                with pytest.raises(ValueError, match="unique"):
                    flows.count("src")
                with pytest.raises(KeyError):
                    flows.count("nothing")


def test_protocols_count_every_packet_by_name(trace: Trace, trace_file: Path) -> None:
    protocols = pfring.Protocols()
    with pfring.open(trace_file) as ring:
        for flows in ring.flows(1000):
            protocols.add(flows)
    rows = protocols.top(1000)
    assert sum(packets for _, packets, _ in rows) == len(trace)
    assert sum(octets for *_, octets in rows) == sum(map(len, trace.frames))
    assert {"TCP", "UDP", "ARP"} <= {name for name, *_ in rows}


def test_another_thread_may_close_the_ring_meanwhile(trace_file: Path) -> None:
    for _ in range(20):
        ring = pfring.open(trace_file)
        closer = threading.Thread(target=ring.close)
        batches = ring.batches(100, copy=False)
        total = 0
        closer.start()
        try:
            for batch in batches:
                total += int(batch.data[:10].sum()) + len(batch.flows())
        except pfring.Closed:
            pass
        closer.join()
        assert ring.closed
