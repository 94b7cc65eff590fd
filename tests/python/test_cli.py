# SPDX-License-Identifier: BSD-3-Clause
"""The command line over files: output, exit codes, messages. No privilege needed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pfring
import pytest
from pfring.cli.oneline import line
from pfring.lab import capfile
from pfring.lab.trace import Trace

PFRING = [sys.executable, "-m", "pfring"]


def pfring_(*args: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [*PFRING, *args], capture_output=True, text=True, check=False, timeout=300, **options
    )


def test_capture_of_a_file_prints_a_line_per_packet(trace: Trace, trace_file: Path) -> None:
    done = pfring_("capture", "-r", trace_file)
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert len(lines) == len(trace)
    for text, frame in zip(lines, trace.frames, strict=True):
        assert re.match(rf"\d\d:\d\d:\d\d\.\d{{6}} {len(frame):5d} \S", text)
    assert f"{len(trace)} packets read from {trace_file}; backend file" in done.stderr


def test_the_words_of_a_filter_are_joined(trace: Trace, trace_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.pcap"
    done = pfring_("capture", "-r", trace_file, "-w", out, "ether[11]", "&", "1", "=", "0")
    assert done.returncode == 0
    assert [r.data for r in capfile.read(out)] == [f for f in trace.frames if f[11] % 2 == 0]


@pytest.mark.parametrize(
    ("name", "options", "magic"),
    [
        ("a.pcap", [], "d4c3b2a1"),
        ("a.PCAPNG", [], "0a0d0d0a"),
        ("a.cap", [], "d4c3b2a1"),
        ("a.pcap", ["--format", "pcapng"], "0a0d0d0a"),
        ("a.pcapng", ["--format", "pcap-ns"], "4d3cb2a1"),
    ],
)
def test_the_format_follows_the_name_unless_told(
    trace_file: Path, tmp_path: Path, name: str, options: list[str], magic: str
) -> None:
    done = pfring_("capture", "-r", trace_file, "-c", "20", "-w", tmp_path / name, *options)
    assert done.returncode == 0
    assert (tmp_path / name).read_bytes()[:4].hex() == magic
    with pfring.open(tmp_path / name) as copy, pfring.open(trace_file) as old:
        assert list(copy) == old.read(20)


def test_the_count_is_exact(trace_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.pcap"
    assert pfring_("capture", "-r", trace_file, "-c", "300", "-w", out).returncode == 0
    assert len(list(capfile.read(out))) == 300
    assert pfring_("capture", "-r", trace_file, "-c", "7").stdout.count("\n") == 7


def test_the_snap_length_cuts(trace_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.pcap"
    assert pfring_("capture", "-r", trace_file, "-s", "60", "-w", out).returncode == 0
    assert {len(record.data) for record in capfile.read(out)} == {60}


def test_a_file_comes_in_by_one_pipe_and_leaves_by_another(trace: Trace, trace_file: Path) -> None:
    with open(trace_file, "rb") as file:
        done = subprocess.run(
            [*PFRING, "capture", "-r", "-", "-w", "-"],
            stdin=file,
            capture_output=True,
            check=True,
            timeout=300,
        )
    assert done.stdout == trace_file.read_bytes()
    assert f"{len(trace)} packets read".encode() in done.stderr


def test_a_reader_that_leaves_early_is_no_error(trace_file: Path) -> None:
    for options in ([], ["-w", "-"]):
        command = [*PFRING, "capture", "-r", str(trace_file), *options]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stderr is not None
            child.stdout.read(100)
            child.stdout.close()
            errors = child.stderr.read().decode()
        assert child.returncode == 0
        assert "Traceback" not in errors
        assert "Broken pipe" not in errors


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["capture"], 2, "either -i DEVICE or -r FILE"),
        (["capture", "-i", "lo", "-r", "x"], 2, "either -i DEVICE or -r FILE"),
        (["capture", "-r", "x", "-c", "0"], 2, "Invalid value for '-c'"),
        (["capture", "-r", "x", "--format", "zip"], 2, "zip"),
        (["capture", "-r", "/nowhere"], 1, "/nowhere cannot be opened: No such file"),
        (["capture", "-r", "/etc/passwd"], 1, "no capture file"),
        (["capture", "-i", "nosuch0"], 1, "see `pfring devices`"),
        (["no-such-command"], 2, "no-such-command"),
        (["run"], 2, "usage: pfring run"),
        (["run", "-x"], 2, "no such option: -x"),
        (["run", "-m"], 2, "-m needs an argument"),
        (["run", "/nowhere.py"], 2, "there is no file /nowhere.py"),
    ],
)
def test_exit_codes_and_messages(args: list[str], code: int, message: str) -> None:
    done = pfring_(*args, env={**os.environ, "COLUMNS": "200", "TERM": "dumb"})
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_filter_is_told_in_libpcaps_words(trace_file: Path) -> None:
    done = pfring_("capture", "-r", trace_file, "tcp", "prt", "80")
    assert done.returncode == 1
    assert "syntax error" in done.stderr


def test_output_that_cannot_be_written_is_told(trace_file: Path) -> None:
    done = pfring_("capture", "-r", trace_file, "-w", "/nowhere/out.pcap")
    assert done.returncode == 1
    assert "/nowhere/out.pcap cannot be created" in done.stderr
    done = pfring_("capture", "-r", trace_file, "-w", "/dev/full")
    assert done.returncode == 1
    assert "disk is full" in done.stderr


def test_a_truncated_file_is_copied_as_far_as_it_goes(trace_file: Path, tmp_path: Path) -> None:
    cut, out = tmp_path / "cut.pcap", tmp_path / "out.pcap"
    cut.write_bytes(trace_file.read_bytes()[:100_000])
    done = pfring_("capture", "-r", cut, "-w", out)
    assert done.returncode == 1
    assert "truncated" in done.stderr
    copied = list(capfile.read(out))
    assert f"{len(copied)} packets read" in done.stderr
    assert cut.read_bytes().startswith(out.read_bytes())
    assert len(copied) > 50


def test_a_terminal_is_spared_binary_output(trace_file: Path) -> None:
    import pty

    master, slave = pty.openpty()
    done = subprocess.run(
        [*PFRING, "capture", "-r", str(trace_file), "-w", "-"],
        stdout=slave,
        stderr=subprocess.PIPE,
        check=False,
        timeout=300,
    )
    os.close(slave)
    os.close(master)
    assert done.returncode == 2
    assert b"redirect" in done.stderr


def test_a_reader_who_has_seen_enough_is_no_failure(trace_file: Path) -> None:
    for command in (
        ["stats", "-r", str(trace_file)],
        ["capture", "-r", str(trace_file), "-w", "-"],
    ):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            [*PFRING, *command], stdout=writer, stderr=subprocess.PIPE, check=False, timeout=300
        )
        os.close(writer)
        assert done.returncode == 0
        assert b"ipe" not in done.stderr


def test_help_version_and_library() -> None:
    commands = pfring_("--help").stdout
    for name in ("capture", "devices", "doctor", "run", "libpfring"):
        assert name in commands
    assert pfring_("--version").stdout == f"pfring {pfring.__version__}\n"
    assert Path(pfring_("libpfring", "--path").stdout.strip()).is_file()
    both = pfring_("libpfring").stdout.split()
    assert both[0::2] == ["library", "header"]
    assert all(Path(path).is_file() for path in both[1::2])


IPV4 = "45000028000100004006f97d0a0000010a000002"
TCP = "303901bb0000000100000002501210000000" + "0000"
IPV6 = "60000000000811402001" + "0db8" + "00" * 11 + "01" + "20010db8" + "00" * 11 + "02"


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (f"0800{IPV4}{TCP}", "10.0.0.1:12345 > 10.0.0.2:443 tcp [S.]"),
        (f"81000005{'0800'}{IPV4}{TCP}", "10.0.0.1:12345 > 10.0.0.2:443 tcp [S.] vlan 5"),
        (f"86dd{IPV6}0035303900080000", "[2001:db8::1]:53 > [2001:db8::2]:12345 udp"),
        ("0806" + "00" * 46, "02:00:00:00:00:01 > 02:00:00:00:00:02 arp"),
        ("1234" + "00" * 46, "02:00:00:00:00:01 > 02:00:00:00:00:02 ethertype 0x1234"),
        ("0026" + "00" * 46, "02:00:00:00:00:01 > 02:00:00:00:00:02 802.3"),
    ],
)
def test_a_packet_in_words(frame: str, text: str) -> None:
    data = bytes.fromhex("020000000002" + "020000000001" + frame)
    assert line(1_234_567_891, data, 1)[9:] == f"234567 {len(data):5d} {text}"


def test_packets_without_ethernet_are_shown_as_bytes() -> None:
    assert line(0, bytes(range(20)), 113).endswith("20 " + bytes(range(16)).hex(" ") + "...")
    assert line(0, b"", 1)[15:] == "     0 "
