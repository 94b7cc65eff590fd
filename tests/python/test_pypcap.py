# SPDX-License-Identifier: BSD-3-Clause
"""pfring.pypcap: pypcap's interface, on files."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pfring
import pytest
from pfring import pypcap as pcap
from pfring.lab import capfile
from pfring.lab.trace import Trace


def test_iterating_gives_seconds_and_bytes(trace: Trace, trace_file: Path) -> None:
    records = list(capfile.read(trace_file))
    got = list(pcap.pcap(str(trace_file)))
    assert [data for _, data in got] == list(trace.frames)
    assert all(abs(ts - r.ts_ns / 1e9) < 1e-6 for (ts, _), r in zip(got, records, strict=True))
    assert type(got[0][0]) is float
    whole = pcap.pcap(str(trace_file), timestamp_in_ns=True)
    assert [ts for ts, _ in whole] == [r.ts_ns for r in records]


def test_loop_dispatch_and_readpkts_give_the_same(trace: Trace, trace_file: Path) -> None:
    seen: list[bytes] = []

    def on_packet(ts: float, data: bytes, *args: object) -> None:
        assert args == ("a", 2)
        seen.append(data)

    capture = pcap.pcap(str(trace_file))
    capture.loop(10, on_packet, "a", 2)
    assert capture.dispatch(5, on_packet, "a", 2) == 5
    next(capture)
    assert seen == list(trace.frames[:15])
    assert [data for _, data in capture.readpkts()] == list(trace.frames[16:])
    assert capture.readpkts() == []
    capture.loop(0, on_packet)


def test_an_exception_in_a_callback_comes_out_unchanged(trace: Trace, trace_file: Path) -> None:
    capture = pcap.pcap(str(trace_file))

    def wrong(ts: float, data: bytes) -> None:
        raise LookupError("on purpose")

    for call in (lambda: capture.loop(0, wrong), lambda: capture.dispatch(1, wrong)):
        with pytest.raises(LookupError, match="on purpose"):
            call()
    assert next(capture)[1] == trace.frames[2]


def test_filters_and_facts(trace: Trace, trace_file: Path) -> None:
    capture = pcap.pcap(str(trace_file))
    assert (capture.name, capture.filter, capture.dloff) == (str(trace_file), "", 14)
    assert capture.datalink() == pcap.DLT_EN10MB
    assert capture.getnonblock() is False
    assert not capture.timestamp_in_ns
    capture.setfilter("ether[11] & 1 = 0")
    assert [d for _, d in capture] == [f for f in trace.frames if f[11] % 2 == 0]
    with pytest.raises(OSError, match="syntax error"):
        capture.setfilter("tcp prt 80")
    assert "syntax error" in capture.geterr()
    with pytest.raises(OSError, match="savefiles"):
        capture.stats()
    capture.close()
    capture.close()
    program = pcap.bpf("ip proto 17", pcap.DLT_EN10MB)
    assert [program.filter(f) for f in trace.frames[:200]] == [
        f[12:14] == b"\x08\x00" and f[23] == 17 for f in trace.frames[:200]
    ]
    with pytest.raises(OSError, match="bad filter"):
        pcap.bpf("tcp prt 80")


def test_a_reader_takes_what_dpkt_takes(trace: Trace, trace_file: Path) -> None:
    with trace_file.open("rb") as file:
        assert [data for _, data in pcap.Reader(file)] == list(trace.frames)
    assert len(list(pcap.Reader(trace_file))) == len(trace)
    with pytest.raises(pfring.NoSuchFile):
        pcap.Reader(Path("/nowhere"))
    with pytest.raises(TypeError, match="descriptor"):
        pcap.Reader(io.BytesIO())


def test_pfring_run_serves_import_pcap_but_not_a_module_of_the_program(
    trace_file: Path, tmp_path: Path
) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import sys, pcap\nprint(pcap.__name__)\n"
        "if len(sys.argv) > 1: print(sum(1 for _ in pcap.pcap(sys.argv[1])))\n"
    )
    run = [sys.executable, "-m", "pfring", "run", str(program)]

    def told(*words: str) -> str:
        done = subprocess.run(
            [*run, *words], capture_output=True, text=True, check=True, timeout=300
        )
        return done.stdout

    assert told(str(trace_file)) == "pfring.pypcap\n24000\n"
    (tmp_path / "pcap.py").write_text("")
    assert told() == "pcap\n"
