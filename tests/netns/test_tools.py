# SPDX-License-Identifier: BSD-3-Clause
"""The example programs on a wire, end to end: every count is exact."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pfring.lab import capfile
from pfring.lab.netns import Namespace, Wire
from pfring.lab.trace import Trace
from support.built import program

PACKETS = 5000
PATIENCE = 60


def tool(name: str) -> Path:
    return program(f"libpcap-pfring/tools/{name}")


def run(ns: Namespace, name: str, *options: str | Path, fails: int = 0) -> str:
    """Run a tool to its end in a namespace; return what it printed."""
    done = ns.run([tool(name), *options], timeout=PATIENCE)
    assert done.returncode == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


class Running:
    """A tool that runs; ready when it has printed a line with `ready`."""

    def __init__(self, ns: Namespace, name: str, *options: str | Path, ready: str) -> None:
        self.process = ns.popen(
            [tool(name), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""
        assert self.process.stdout is not None
        self.lines = self.process.stdout
        for line in self.lines:
            self.said += line
            if ready in line:
                return
        raise AssertionError(f"{name} did not start: {self.said}")

    def output(self) -> str:
        """Wait for its own end; return all that it printed."""
        rest, _ = self.process.communicate(timeout=PATIENCE)
        self.said += rest
        assert self.process.returncode == 0, self.said
        return self.said

    def stop(self) -> str:
        """Interrupt it as Control-C does."""
        self.process.send_signal(signal.SIGINT)
        return self.output()


@contextlib.contextmanager
def running(ns: Namespace, name: str, *options: str | Path, ready: str) -> Iterator[Running]:
    it = Running(ns, name, *options, ready=ready)
    try:
        yield it
    finally:
        if it.process.poll() is None:
            it.process.kill()
        it.process.wait()


def send(wire: Wire, *options: str | Path) -> str:
    """Slow enough that a busy machine loses nothing."""
    return run(wire.tx, "pfsend", "-i", Wire.SENDER, "-q", *options)


SLOWLY = ("-p", "20000")


@pytest.mark.parametrize("path", ["packet:", "bpf:"])
def test_pfcount_counts_what_pfsend_sends(wire: Wire, path: str) -> None:
    options = ["-i", path + Wire.CAPTURE, "-n", str(PACKETS), "-e", "1", "-q"]
    with running(wire.rx, "pfcount", *options, ready="Capturing") as counting:
        sent = send(wire, "-n", str(PACKETS), "-l", "100", *SLOWLY)
        said = counting.output()
    assert f"Sent {PACKETS} packets, {PACKETS * 100} bytes" in sent
    assert "Using PF_RING v.5.4.4" in said
    assert f"Absolute Stats: [{PACKETS} pkts rcvd][0 pkts dropped]" in said
    assert f"Total Pkts={PACKETS}/Dropped=0.0 %" in said
    # 24 bytes for each packet that the wire takes beside its frame.
    assert f"5'000 pkts - {PACKETS * 124:,} bytes".replace(",", "'") in said


def test_pfcount_filters_and_stops_when_interrupted(wire: Wire) -> None:
    options = ["-i", Wire.CAPTURE, "-f", "src host 10.0.0.3", "-w", "1", "-v"]
    with running(wire.rx, "pfcount", *options, ready="Capturing") as counting:
        send(wire, "-n", "400", "-b", "4", *SLOWLY)
        for _ in range(100):
            counting.said += counting.lines.readline()
        said = counting.stop()
    assert len(re.findall(r"UDP 10\.0\.0\.3:1024 > 192\.168\.0\.1:53", said)) == 100
    assert said.count("\n100 pkts - ") >= 1


def test_pfsend_replays_a_capture_file(wire: Wire, trace: Trace, tmp_path: Path) -> None:
    frames = trace.frames[:2000]
    path = tmp_path / "in.pcap"
    capfile.write(path, frames)
    out = tmp_path / "out.pcap"
    options = ["-i", Wire.CAPTURE, "-w", str(out), "-n", str(len(frames))]
    with running(wire.rx, "pfwrite", *options, ready="Writing") as writing:
        sent = send(wire, "-f", path, *SLOWLY)
        said = writing.output()
    assert f"Sent {len(frames)} packets" in sent
    assert f"{len(frames)} packets written, 0 dropped" in said
    assert [record.data for record in capfile.read(out)] == [bytes(f) for f in frames]
    listed = subprocess.run(
        ["tcpdump", "-r", out, "-n", "--count"], capture_output=True, text=True, check=True
    )
    assert f"{len(frames)} packets" in listed.stdout


def test_pfsend_keeps_to_its_rate(wire: Wire) -> None:
    said = send(wire, "-n", "3000", "-p", "10000")
    average = re.search(r"average ([\d'.]+) pps", said)
    assert average is not None
    # Never faster than it was told; a busy machine may be slower.
    assert float(average[1].replace("'", "")) <= 10010


def test_pfsend_lets_the_kernel_send(wire: Wire) -> None:
    assert wire.rx.run(["ethtool", "-K", Wire.CAPTURE, "gro", "on"]).returncode == 0
    before = wire.rx.counter(Wire.CAPTURE, "rx_packets")
    said = send(wire, "-n", "100000", "-x")
    assert "Sent 100000 packets, 6000000 bytes" in said
    assert wire.rx.counter(Wire.CAPTURE, "rx_packets") - before == 100000


@pytest.fixture
def bridged(wire: Wire) -> Wire:
    """A second pair behind the capture end: what goes out of out0 comes in at sink0."""
    wire.rx.ip(
        "link add out0 arp off type veth peer name sink0 arp off",
        "link set out0 addrgenmode none",
        "link set sink0 addrgenmode none",
        "link set out0 up",
        "link set sink0 up",
    )
    return wire


def test_pfbridge_carries_packets_both_ways(bridged: Wire) -> None:
    options = ["-a", Wire.CAPTURE, "-b", "out0", "-d", "-q"]
    here, there = (bridged.tx, Wire.SENDER), (bridged.rx, "sink0")
    before = [ns.counter(device, "rx_packets") for ns, device in (here, there)]
    with running(bridged.rx, "pfbridge", *options, ready="Bridging") as bridging:
        send(bridged, "-n", str(PACKETS), *SLOWLY)
        run(bridged.rx, "pfsend", "-i", "sink0", "-q", "-n", "777", *SLOWLY)
        for (ns, device), base, want in zip((here, there), before, (777, PACKETS), strict=True):
            wait_for(ns, device, base + want)
        said = bridging.stop()
    line = "{} -> {}: [{n} pkts rcvd][0 pkts dropped][{n} pkts sent][0 pkts refused]"
    assert line.format(Wire.CAPTURE, "out0", n=PACKETS) in said
    assert line.format("out0", Wire.CAPTURE, n=777) in said


def wait_for(ns: Namespace, device: str, packets: int) -> None:
    """Wait until a device has received so many, and see that they are not more."""
    for _ in range(3000):
        if ns.counter(device, "rx_packets") >= packets:
            break
        signal.sigtimedwait([], 0.01)
    assert ns.counter(device, "rx_packets") == packets


def test_pfbridge_refuses_loops(wire: Wire) -> None:
    for other in (Wire.CAPTURE, "packet:" + Wire.CAPTURE):
        said = run(wire.rx, "pfbridge", "-a", Wire.CAPTURE, "-b", other, fails=2)
        assert "loop" in said


def test_pfbounce_sends_packets_back_with_their_addresses_exchanged(
    wire: Wire, tmp_path: Path
) -> None:
    out = tmp_path / "back.pcap"
    writing = ["-i", Wire.SENDER, "-e", "1", "-w", str(out), "-n", "500"]
    with (
        running(wire.rx, "pfbounce", "-i", Wire.CAPTURE, "-n", "500", ready="Bouncing") as bouncing,
        running(wire.tx, "pfwrite", *writing, ready="Writing") as back,
    ):
        send(wire, "-n", "500", "-m", "02:00:00:00:00:42", "-M", "02:00:00:00:00:17", *SLOWLY)
        assert "[500 pkts rcvd][0 pkts dropped][500 pkts sent]" in bouncing.output()
        back.output()
    frames = [record.data for record in capfile.read(out)]
    assert len(frames) == 500
    addresses = bytes.fromhex("020000000017020000000042")
    assert all(frame[:12] == addresses for frame in frames)
