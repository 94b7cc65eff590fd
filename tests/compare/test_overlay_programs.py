# SPDX-License-Identifier: BSD-3-Clause
"""Programs of the field say the same over our libpcap as over the system's.

Those that only listen run at the same time on one wire and see the very same
packets; those that send and wait for answers (nmap, nping, arp-scan) run one
after the other against a host in the other namespace. What a program says of
time is taken out before the comparison.
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pfring.lab import capfile
from pfring.lab.netns import Wire
from pfring.lab.replay import Replay
from pfring.lab.tcpdump import Tcpdump
from pfring.lab.trace import Trace, mixed_trace
from support.at_once import at_once
from support.overlay import LIBRARY, SYSTEM, WAYS, Way, environment, took, without_ours

FRAMES = 1500
PATIENCE = 240  # seconds: tshark takes a minute to start where forty others want the processor
# dumpcap and arp-scan give up all capabilities but CAP_NET_RAW and _ADMIN before they capture.
WITHOUT_CAP_BPF = tuple(way for way in WAYS if way.backend != "bpf")


class Listener:
    """A program that captures on cap0 until it has seen enough by itself."""

    def __init__(
        self,
        wire: Wire,
        way: Way,
        command: list[str | Path],
        ready: str,
        folder: Path,
        *,
        quiet: bool = False,
    ) -> None:
        self.out, self.err = folder / f"{way}.out", folder / f"{way}.err"
        # dumpcap's standard error is a protocol for tshark: nothing of ours may be in it.
        env = environment(way) | ({"PFRING_VERBOSE": "0"} if quiet else {})
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = wire.rx.popen(command, env=env, stdout=out, stderr=err)
        end = time.monotonic() + PATIENCE
        while not re.search(ready, self.err.read_text() + self.out.read_text()):
            if time.monotonic() > end or self.process.poll() is not None:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"{command[0]} over {way}: {self.err.read_text()}")
            time.sleep(0.02)

    def libraries(self) -> set[str]:
        """The libpcaps that this process and its children have loaded."""
        found = set()
        for pid in _family(self.process.pid):
            with contextlib.suppress(FileNotFoundError):
                maps = Path(f"/proc/{pid}/maps").read_text()
                found |= set(re.findall(r"/\S*libpcap\.so\S*", maps))
        return found

    def finish(self) -> tuple[str, str]:
        """Wait for its end; return what it wrote."""
        code = self.process.wait(PATIENCE)
        assert code == 0, self.err.read_text()
        return self.out.read_text(), self.err.read_text()


def _family(pid: int) -> Iterator[int]:
    yield pid
    with contextlib.suppress(FileNotFoundError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield from _family(int(child))


# A frame behind all others, which each expression below lets pass: tagged TCP of 1,300 bytes.
LAST_HOST = "203.0.113.77"
LAST = (
    bytes.fromhex("ffffffffffff 025000000001 8100 0007 0800 4500 0500 0000 0000 4006 0000")
    + socket.inet_aton("10.0.0.1")
    + socket.inet_aton(LAST_HOST)
    + bytes.fromhex("0400 0050 00000001 00000000 5002 2000 0000 0000")
).ljust(1300, b"x")


def wait_for(file: Path, text: str) -> None:
    end = time.monotonic() + PATIENCE
    while text not in file.read_text():
        assert time.monotonic() < end, f"{text} is not in {file}"
        time.sleep(0.02)


def listened(
    wire: Wire,
    folder: Path,
    command: Callable[[Way], list[str | Path]],
    ready: str,
    *,
    quiet: bool = False,
    frames: int = FRAMES,
    ways: tuple[Way, ...] = WAYS,
) -> dict[Way, tuple[str, str]]:
    """Run a command over every libpcap at once while the trace goes by."""
    running: dict[Way, Listener] = {}
    try:
        with Replay(wire, mixed_trace(frames).frames) as replay:
            for way in (SYSTEM, *ways):
                running[way] = Listener(wire, way, command(way), ready, folder, quiet=quiet)
            for way, listener in running.items():
                assert (str(LIBRARY) in listener.libraries()) == bool(way.loader)
            with at_once():
                replay.send()
        return {way: listener.finish() for way, listener in running.items()}
    finally:
        for listener in running.values():
            listener.process.kill()
            listener.process.wait()


@pytest.mark.parametrize(
    "options",
    [
        ["-e", "-vvv", "-XX"],
        ["-q", "-A", "-s", "70"],
        ["-e", "--nano", "vlan", "and", "ip"],
        ["-S", "tcp", "or", "arp", "or", "ip6"],
        ["--immediate-mode", "-s", "2048", "-Q", "in", "-v", "len", ">", "1000"],
    ],
    ids=" ".join,
)
def test_tcpdump_prints_the_same(wire: Wire, tmp_path: Path, options: list[str]) -> None:
    running: dict[Way, Listener] = {}
    command: list[str | Path] = ["tcpdump", "-i", Wire.CAPTURE, "-n", "-t", "-l", "-B", "16384"]
    command += options
    try:
        with Replay(wire, [*mixed_trace(FRAMES).frames, LAST]) as replay:
            for way in (SYSTEM, *WAYS):
                running[way] = Listener(wire, way, command, "listening on", tmp_path)
            with at_once():
                replay.send()
        for listener in running.values():
            wait_for(listener.out, LAST_HOST)
            listener.process.send_signal(signal.SIGINT)
        said = {way: listener.finish() for way, listener in running.items()}
    finally:
        for listener in running.values():
            listener.process.kill()
            listener.process.wait()
    assert said[SYSTEM][0].count("\n") > 50
    for way in WAYS:
        assert said[way][0] == said[SYSTEM][0]
        assert without_ours(said[way][1]) == said[SYSTEM][1].strip()
        assert [backend for _, backend in took(said[way][1])] in ([way.backend], ["bpf"])


_TIMES = re.compile(r"time|frame\.encap|interface_(id|name)")


def _without_times(tree: object) -> object:
    if isinstance(tree, dict):
        return {k: _without_times(v) for k, v in tree.items() if not _TIMES.search(k)}
    if isinstance(tree, list):
        return [_without_times(v) for v in tree]
    return tree


def test_tshark_dissects_the_same(wire: Wire, tmp_path: Path) -> None:
    count = 400

    def command(way: Way) -> list[str | Path]:
        options = ["-B", "32", "-n", "-T", "json", "-x", "-c", str(count)]
        return ["tshark", "-i", Wire.CAPTURE, *options]

    said = listened(
        *(wire, tmp_path, command, "Capture started"),
        quiet=True,
        frames=count,
        ways=WITHOUT_CAP_BPF,
    )
    trees = {way: _without_times(json.loads(out)) for way, (out, _) in said.items()}
    assert str(trees[SYSTEM]).count("'_source'") == count
    for way in WITHOUT_CAP_BPF:
        assert trees[way] == trees[SYSTEM]


def test_dumpcap_writes_the_same(wire: Wire, tmp_path: Path) -> None:
    def command(way: Way) -> list[str | Path]:
        file = tmp_path / f"{way}.pcap"
        options: list[str | Path] = ["-B", "32", "-P", "-q", "-c", str(FRAMES), "-w", file]
        return ["dumpcap", "-i", Wire.CAPTURE, *options]

    said = listened(wire, tmp_path, command, "File: ", quiet=True, ways=WITHOUT_CAP_BPF)
    sent = list(mixed_trace(FRAMES).frames)
    for way in (SYSTEM, *WITHOUT_CAP_BPF):
        assert [r.data for r in capfile.read(tmp_path / f"{way}.pcap")] == sent
        words = said[way][1].replace(str(way), "")
        assert words == said[SYSTEM][1].replace(str(SYSTEM), "")


def test_a_path_that_was_asked_for_and_cannot_be_had_is_told(wire: Wire, tmp_path: Path) -> None:
    env = environment(Way("LD_LIBRARY_PATH", "bpf"))
    file = str(tmp_path / "x.pcap")
    command = ["dumpcap", "-i", Wire.CAPTURE, "-P", "-c", "1", "-w", file]
    done = wire.rx.run(command, env=env)
    assert done.returncode != 0
    assert "CAP_BPF is needed" in done.stderr


def test_ngrep_finds_the_same(wire: Wire, tmp_path: Path) -> None:
    def command(way: Way) -> list[str | Path]:
        return ["ngrep", "-d", Wire.CAPTURE, "-l", "-x", "-n", "100", "[a-f]{2}", "tcp or udp"]

    said = listened(wire, tmp_path, command, "match( .*)?: ")
    assert said[SYSTEM][0].count("\n") > 100
    for way in WAYS:
        assert said[way][0] == said[SYSTEM][0]


@pytest.fixture
def host(wire: Wire) -> Iterator[Wire]:
    """A wire with a host behind it: 10.9.0.2 answers ARP, ping, and on three TCP ports."""
    for ns, device, address in (
        (wire.tx, Wire.SENDER, "10.9.0.2/29"),
        (wire.rx, Wire.CAPTURE, "10.9.0.1/29"),
    ):
        ns.ip(f"link set {device} arp on", f"address add {address} dev {device}")
    with contextlib.ExitStack() as stack, wire.tx.entered():
        for port in (22, 80, 443):
            s = stack.enter_context(socket.socket())
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("10.9.0.2", port))
            s.listen()
        yield wire


_WHEN = re.compile(
    r"^(Starting|Nmap done|Ending|Stats:|Max rtt|Raw packets|Nping done|Tx time|Rx time).*$"
    r"|\([\d.]+s latency\)|\d+\.\d+ ?s(econds|ec)?\b|\[[\d.]+ [\d/]+\]|[\d.]+ hosts/sec"
    r"|(id|seq|sport|win)=?\d+|:\d+ > 10.9.0.2|> 10.9.0.1:\d+|\(\d+\.\d+s\)|at 20\S+ \S+"
    r"|in [\d.]+ s",
    re.MULTILINE,
)


@pytest.mark.parametrize(
    "command",
    [
        "nmap -n -sS -p1-500 --reason 10.9.0.2",
        "nmap -n -sn --reason 10.9.0.2",
        "nmap -n -sA -p1-50 --reason 10.9.0.2",
        "nmap -n -sO -p1,6,17 10.9.0.2",
        "nping --tcp -p 81 -c 3 --delay 50ms 10.9.0.2",
        "nping --icmp -c 3 --delay 50ms 10.9.0.2",
        "arp-scan --interface=cap0 --retry=1 10.9.0.0/29",
        "arp-scan --interface=cap0 --localnet --quiet --retry=1",
    ],
)
def test_scanners_find_the_same(host: Wire, command: str) -> None:
    ways = WITHOUT_CAP_BPF if command.startswith("arp-scan") else WAYS
    best = "packet" if command.startswith("arp-scan") else "bpf"

    def said(way: Way) -> list[str]:
        done = host.rx.run(command.split(), env=environment(way))
        assert done.returncode == 0, done.stderr
        if way.loader:
            paths = {backend for device, backend in took(done.stderr) if device == "cap0"}
            assert paths == {way.backend or best}
        return sorted(line for line in _WHEN.sub("", done.stdout).splitlines() if line)

    expected = said(SYSTEM)
    assert any("10.9.0.2" in line for line in expected)
    for way in ways:
        # They give up an answer after half a second; where the machine takes longer, once more.
        for _ in range(4):
            if (found := said(way)) == expected:
                break
            expected = said(SYSTEM)
        assert found == expected


def test_tcpreplay_sends_the_same(
    wire: Wire, trace: Trace, trace_file: Path, tmp_path: Path
) -> None:
    for way in (SYSTEM, *WAYS):
        with Tcpdump(wire.rx, Wire.CAPTURE, tmp_path / f"{way}.pcap") as tcpdump:
            done = wire.tx.run(
                ["tcpreplay", "-i", Wire.SENDER, "--pps=20000", "-L", "3000", trace_file],
                env=environment(way),
            )
            assert done.returncode == 0, done.stderr
            assert re.search(r"Successful packets:\s+3000\b", done.stdout)
            assert tcpdump.finish().dropped == 0
        got = [r.data for r in capfile.read(tmp_path / f"{way}.pcap")]
        assert got == list(trace.frames[:3000])


def test_a_program_without_libpcap_is_left_alone() -> None:
    done = subprocess.run(
        ["true"], env=environment(WAYS[-1]), capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")
