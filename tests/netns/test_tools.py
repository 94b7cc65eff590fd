# SPDX-License-Identifier: BSD-3-Clause
"""The example programs on a wire, end to end: every count is exact."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import threading
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
        # communicate() would not see what was read with the line before.
        watchdog = threading.Timer(PATIENCE, self.process.kill)
        watchdog.start()
        self.said += self.lines.read()
        watchdog.cancel()
        assert self.process.wait() == 0, self.said
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
        it.lines.close()


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
    of_it = "UDP 10.0.0.3:1024 > 192.168.0.1:53"
    with running(wire.rx, "pfcount", *options, ready="Capturing") as counting:
        send(wire, "-n", "400", "-b", "4", *SLOWLY)
        while counting.said.count(of_it) < 100:
            counting.said += counting.lines.readline()
        said = counting.stop()
    assert said.count(of_it) == 100
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


def test_pfsend_takes_its_addresses_in_turn_across_batches(wire: Wire, tmp_path: Path) -> None:
    out = tmp_path / "out.pcap"
    options = ["-i", Wire.CAPTURE, "-e", "1", "-w", str(out), "-n", "500"]
    with running(wire.rx, "pfwrite", *options, ready="Writing") as writing:
        send(wire, "-n", "500", "-b", "7", "-S", "10.0.0.0", "-B", "200")
        writing.output()
    assert [record.data[29] for record in capfile.read(out)] == [i % 7 for i in range(500)]


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


def test_pfsend_x_counts_what_left_when_it_is_interrupted(wire: Wire) -> None:
    assert wire.rx.run(["ethtool", "-K", Wire.CAPTURE, "gro", "on"]).returncode == 0
    before = wire.rx.counter(Wire.CAPTURE, "rx_packets")
    with running(wire.tx, "pfsend", "-i", Wire.SENDER, "-x", ready="TX rate") as sending:
        sent = re.search(r"Sent (\d+) packets", sending.stop())
    assert sent is not None
    assert int(sent[1]) > 0
    assert wire.rx.counter(Wire.CAPTURE, "rx_packets") - before == int(sent[1])


def test_pfsend_x_says_when_the_device_takes_nothing_from_the_kernel(wire: Wire) -> None:
    assert wire.rx.run(["ethtool", "-K", Wire.CAPTURE, "gro", "off"]).returncode == 0
    said = run(wire.tx, "pfsend", "-i", Wire.SENDER, "-q", "-x", "-n", "1000", fails=1)
    assert "takes no frames from XDP" in said


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
    wire.rx.await_carrier("out0")
    wire.rx.await_carrier("sink0")
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
    for _ in range(6000):
        if ns.counter(device, "rx_packets") >= packets:
            break
        signal.sigtimedwait([], 0.01)
    assert ns.counter(device, "rx_packets") == packets


def test_pfbridge_stops_after_exactly_so_many(bridged: Wire) -> None:
    before = bridged.rx.counter("sink0", "rx_packets")
    # Woken up for 500 at once: what it may not take stays where it is.
    options = ["-a", Wire.CAPTURE, "-b", "out0", "-w", "500", "-n", "301", "-q"]
    with running(bridged.rx, "pfbridge", *options, ready="Bridging") as bridging:
        send(bridged, "-n", "2000", *SLOWLY)
        said = bridging.output()
    assert "[301 pkts rcvd][0 pkts dropped][301 pkts sent][0 pkts refused]" in said
    wait_for(bridged.rx, "sink0", before + 301)


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


@pytest.mark.parametrize("name", ["pcount", "pfmap", "interval"])
def test_readers_count_the_same(wire: Wire, name: str) -> None:
    with running(wire.rx, name, "-i", Wire.CAPTURE, "-n", "600", ready="Capturing") as reading:
        send(wire, "-n", "600", "-b", "3", "-M", "02:00:00:00:00:17", *SLOWLY)
        said = reading.output()
    if name == "pcount":
        assert "Absolute Stats: [600 pkts rcvd][0 pkts dropped]" in said
        assert "600 pkts - 50'400 bytes" in said
    elif name == "pfmap":
        line = r"02:00:00:00:00:17 +600 pkts +36000 bytes 10\.0\.0\.1 10\.0\.0\.2 10\.0\.0\.3"
        assert re.search(rf"^1 hosts\n{line}$", said, re.MULTILINE)
    else:
        assert "600 packets, 599 intervals" in said
        shares = re.findall(r" (\d+) +[\d.]+ %", said)
        assert sum(map(int, shares)) == 599


def test_pfcount_multichannel_sums_its_queues() -> None:
    with Wire(queues=3) as wire:
        options = ["-i", Wire.CAPTURE, "-n", str(PACKETS), "-q"]
        with running(wire.rx, "pfcount_multichannel", *options, ready="3 channels") as counting:
            send(wire, "-n", str(PACKETS), "-b", "50", *SLOWLY)
            said = counting.output()
    assert f"Absolute Stats: [{PACKETS} pkts rcvd][0 pkts dropped]" in said
    each = [int(n.replace("'", "")) for n in re.findall(r"channel=\d\] ([\d']+) pkts", said)]
    assert len(each) == 3
    assert sum(each) == PACKETS


def test_pfcount_aggregator_counts_devices_together(bridged: Wire) -> None:
    options = ["-i", f"{Wire.CAPTURE},sink0", "-n", "1000", "-e", "1", "-q"]
    with running(bridged.rx, "pfcount_aggregator", *options, ready="2 devices") as counting:
        send(bridged, "-n", "700", *SLOWLY)
        run(bridged.rx, "pfsend", "-i", "out0", "-q", "-n", "300", *SLOWLY)
        said = counting.output()
    assert f"[{Wire.CAPTURE}] 700 pkts - 0 dropped" in said
    assert "[sink0] 300 pkts - 0 dropped" in said
    assert "Absolute Stats: [1000 pkts rcvd][0 pkts dropped]" in said


def test_preflect_forwards_through_libpcap(bridged: Wire) -> None:
    before = bridged.rx.counter("sink0", "rx_packets")
    options = ["-i", Wire.CAPTURE, "-o", "out0", "-n", "400"]
    with running(bridged.rx, "preflect", *options, ready="Reflecting") as reflecting:
        send(bridged, "-n", "400", *SLOWLY)
        said = reflecting.output()
    assert "[400 pkts rcvd][400 pkts sent][0 pkts refused]" in said
    wait_for(bridged.rx, "sink0", before + 400)


@pytest.mark.parametrize("refuse", [False, True])
def test_pfilter_test_matches_what_pfsend_sends(wire: Wire, refuse: bool) -> None:
    passed, refused = (900, 100) if refuse else (100, 900)
    options = ["-i", Wire.CAPTURE, "-H", "10", "-n", str(passed), *(["-r"] if refuse else [])]
    with running(wire.rx, "pfilter_test", *options, ready="Capturing") as testing:
        # Ten of a hundred source addresses have a rule; theirs come first.
        send(wire, "-n", "1000", "-b", "100", *SLOWLY)
        said = testing.output()
    assert "hash rules added: 10 in" in said
    assert "wildcard rules added: 64 in" in said
    assert f"passed: {passed} packets, refused: " in said
    assert int(re.findall(r"refused: (\d+)", said)[0]) <= refused
    assert "rules removed: 74 in" in said
    assert "by hash rules, 0 by wildcard rules" in said


def test_pcap2nspcap_changes_no_packet(wire: Wire, trace: Trace, tmp_path: Path) -> None:
    path, out = tmp_path / "in.pcap", tmp_path / "out.pcap"
    capfile.write(path, trace.frames[:500])
    assert "500 packets written" in run(wire.rx, "pcap2nspcap", "-i", path, "-o", out)
    assert capfile.read(out) == capfile.read(path)
    assert out.read_bytes()[:4] == bytes.fromhex("4d3cb2a1")


def test_pfsystest_needs_no_traffic(wire: Wire) -> None:
    said = run(wire.rx, "pfsystest", "-n", "5")
    assert len(re.findall(r"^\d+ bytes: 5 tests passed", said, re.MULTILINE)) == 6


def test_alldevs_lists_the_devices(wire: Wire) -> None:
    assert re.search(rf"^\d+\. {Wire.CAPTURE} \[\w+\]\[up\]$", run(wire.rx, "alldevs"), re.M)


def test_the_plugin_counter_says_what_it_lacks(wire: Wire) -> None:
    said = run(wire.rx, "pfcount_dummy_plugin", "-i", "packet:" + Wire.CAPTURE, fails=1)
    assert "plugin" in said


def test_tools_end_on_control_c(wire: Wire, tmp_path: Path) -> None:
    endless = {
        "pfcount": (["-i", Wire.CAPTURE], "Capturing"),
        "pfsend": (["-i", Wire.CAPTURE, "-p", "100"], "Using PF_RING"),
        "pfwrite": (["-i", Wire.CAPTURE, "-w", str(tmp_path / "x.pcap")], "Writing"),
        "pfbounce": (["-i", Wire.CAPTURE], "Bouncing"),
        "pcount": (["-i", Wire.CAPTURE], "Capturing"),
        "interval": (["-i", Wire.CAPTURE], "Capturing"),
        "pfmap": (["-i", Wire.CAPTURE], "Capturing"),
        "pfcount_multichannel": (["-i", Wire.CAPTURE], "Capturing"),
        "pfcount_aggregator": (["-i", Wire.CAPTURE], "Capturing"),
    }
    for name, (options, ready) in endless.items():
        with running(wire.rx, name, *options, ready=ready) as it:
            it.stop()
