# SPDX-License-Identifier: BSD-3-Clause
"""libpcap's own test programs behave over our libpcap as over the system's.

They come with Debian's source package of the installed libpcap
(support/debian_source.py) and are built against its installed header. Each runs
over the system's library and over every way to ours at the same time, on one
wire. Packets are counted; what else a program says is compared line by line,
without numbers and repetitions, which are a matter of time.
"""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pfring.lab import capfile
from pfring.lab.netns import Wire
from pfring.lab.replay import Replay
from support.debian_source import upstream
from support.overlay import SYSTEM, WAYS, Way, environment, without_ours

PROGRAMS = (
    "can_set_rfmon_test capturetest filtertest findalldevstest nonblocktest opentest "
    "reactivatetest selpolltest threadsignaltest valgrindtest writecaptest"
).split()

# Where threadsignaltest sleeps for a minute, it waits for the end of its input.
WAIT = (
    "#include <unistd.h>\nunsigned __wrap_sleep(unsigned s){char c;(void)s;return read(0,&c,1)<0;}"
)

ETHERNET = b"\x02\0\0\0\0\1\x02\0\0\0\0\2"
ARP = (ETHERNET + b"\x08\x06" + bytes(28)).ljust(60, b"\0")
IP = (
    ETHERNET
    + b"\x08\0E\0\0\x2e\0\0\0\0\x40\x11\0\0\x0a\0\0\1\x0a\0\0\2"
    + b"\0\7\0\7\0\x1a"
    + bytes(26)
)
# Two IP packets and an ARP packet, again and again. libpcap's immediate ring holds 31 frames: they
# are sent in portions, the next when every reader has seen the last.
PORTION = [IP, ARP, IP] * 6
PORTIONS = 5
PATIENCE = 240  # seconds that only a hang lasts
ROUNDS = 30
SEEN = re.compile(r"^.*?(\d+) packets seen(?:, (\d+) packets counted)?.*$", re.MULTILINE)
BOOKS = re.compile(r"(\d+) ps_recv, (\d+) ps_drop, (\d+) ps_ifdrop")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, folder = upstream("libpcap0.8"), tmp_path_factory.mktemp("testprogs")
    (folder / "config.h").touch()
    (folder / "wait.c").write_text(WAIT)

    def build(name: str) -> None:
        files = [source / f"testprogs/{name}.c", folder / "wait.c"]
        include = [f"-I{folder}", f"-I{source}/testprogs", f"-idirafter{source}"]
        flags = ["-w", "-D_GNU_SOURCE", "-Wl,--wrap=sleep", f"-o{folder / name}"]
        subprocess.run(["cc", *flags, *include, *files, "-lpcap", "-lpthread"], check=True)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(build, PROGRAMS))
    return folder


class Running:
    """A program on the wire, and what it has said so far."""

    def __init__(self, wire: Wire, way: Way, folder: Path, *command: str | Path) -> None:
        self.way, self.out, self.errors = way, folder / f"{way}.out", folder / f"{way}.err"
        with self.out.open("w") as out, self.errors.open("w") as err:
            self.process = wire.rx.popen(
                ["stdbuf", "-oL", *command],
                env=environment(way),
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
            )

    @property
    def text(self) -> str:
        return self.out.read_text()

    @property
    def seen(self) -> int:
        return sum(int(m[1]) for m in SEEN.finditer(self.text))

    def wait_for(self, text: str) -> None:
        self.wait(lambda: text in self.text)

    def wait(self, done: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not done():
            assert time.monotonic() < end, self.told()
            assert self.process.poll() is None, self.told()
            time.sleep(0.005)

    def wait_for_packets(self, n: int) -> None:
        self.wait(lambda: self.seen >= n)
        assert self.seen == n, self.told()

    def end(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(PATIENCE)

    def told(self) -> str:
        return f"{self.way}:\n{self.text}\n{self.errors.read_text()}"

    def account(self) -> tuple[int, list[str], str]:
        """Its end, its lines and its errors, without numbers."""
        assert all(m[1] == (m[2] or m[1]) for m in SEEN.finditer(self.text)), self.told()
        lines = {re.sub(r"\d+", "N", line) for line in self.text.splitlines()}
        lines.discard("Got SIGUSRN")  # may come before it or after
        return self.process.returncode, sorted(lines), without_ours(self.errors.read_text())


@contextlib.contextmanager
def over_all(wire: Wire, folder: Path, *command: str | Path) -> Iterator[list[Running]]:
    """Start a program over each library; what they say must be equal in the end."""
    runs: list[Running] = []
    try:
        for way in (SYSTEM, *WAYS):
            place = folder / str(way)
            place.mkdir(exist_ok=True)
            mine = [str(x).replace("@", str(place)) for x in command]
            runs.append(Running(wire, way, folder, *mine))
        yield runs
        for run in runs:
            run.end()
    finally:
        for run in runs:
            run.process.kill()
            run.process.communicate()
    for run in runs[1:]:
        assert run.account() == runs[0].account(), runs[0].told() + run.told()


def listening(runs: list[Running]) -> None:
    for run in runs:
        run.wait_for("Listening on")


def send(wire: Wire) -> None:
    with Replay(wire, PORTION) as replay:
        replay.send()


def each_has_seen(runs: list[Running], wire: Wire, wanted: int) -> None:
    """Every one has been listening while the frames were sent, and counted so many."""
    listening(runs)
    for part in range(PORTIONS):
        send(wire)
        for run in runs:
            run.wait_for_packets(wanted * (part + 1) // PORTIONS)


CAPTURES = [
    ("-bs",),
    ("-bsr", "-t", "50"),
    ("-bsm",),
    ("-bsn", "-t", "10"),
    ("-bs", "-t", "1"),
    ("-bs", "-t", "20", "ip"),
    ("-bsm", "arp"),
]


@pytest.mark.parametrize("options", CAPTURES, ids=" ".join)
def test_capturetest(programs: Path, wire: Wire, tmp_path: Path, options: tuple[str, ...]) -> None:
    wanted = {"ip": 2, "arp": 1}.get(options[-1], 3) * ROUNDS
    program = programs / "capturetest"
    with over_all(wire, tmp_path, program, "-i", Wire.CAPTURE, *options) as runs:
        each_has_seen(runs, wire, wanted)
        for run in runs:
            run.process.send_signal(signal.SIGINT)
        if "n" in options[0]:
            # Without a packet a read that does not block never looks whether it is to end.
            send(wire)
    for run in runs:
        assert run.process.returncode == 0, run.told()
        books = BOOKS.findall(run.text)[-1]
        assert (int(books[1]), int(books[2])) == (0, 0), run.told()


WAITS = [
    ("-s",),
    ("-p",),
    ("-sn",),
    ("-pnt", "ip"),
    (),
]


@pytest.mark.parametrize("options", WAITS, ids=" ".join)
def test_selpolltest(programs: Path, wire: Wire, tmp_path: Path, options: tuple[str, ...]) -> None:
    wanted = (2 if "ip" in options else 3) * ROUNDS
    program = programs / "selpolltest"
    with over_all(wire, tmp_path, program, "-qi", Wire.CAPTURE, *options) as runs:
        each_has_seen(runs, wire, wanted)
        wire.tx.ip(f"link del {Wire.SENDER}")
        for run in runs:
            run.process.wait(PATIENCE)
    assert {run.process.returncode for run in runs} == {1}


@pytest.mark.parametrize("options", [(), ("-n",)], ids=" ".join)
def test_threadsignaltest(
    programs: Path, wire: Wire, tmp_path: Path, options: tuple[str, ...]
) -> None:
    program = programs / "threadsignaltest"
    with over_all(wire, tmp_path, program, "-i", Wire.CAPTURE, *options) as runs:
        listening(runs)
    for run in runs:
        assert "Loop got broken" in run.text, run.told()
        assert run.process.returncode == 0, run.told()


def test_nonblocktest(programs: Path, wire: Wire, tmp_path: Path) -> None:
    command = f"ulimit -n 64; exec {programs / 'nonblocktest'} -i {Wire.CAPTURE}"
    with over_all(wire, tmp_path, "sh", "-c", command) as runs:
        for run in runs:
            # It wants one packet, after its loop has begun.
            end = time.monotonic() + PATIENCE
            while run.process.poll() is None:
                assert time.monotonic() < end, run.told()
                send(wire)
    assert "failed as expected" in runs[0].errors.read_text(), runs[0].told()


def test_writecaptest(programs: Path, wire: Wire, tmp_path: Path) -> None:
    program = programs / "writecaptest"
    with over_all(wire, tmp_path, program, "-i", Wire.CAPTURE, "-w", "@/cap", "ip") as runs:
        each_has_seen(runs, wire, 2 * ROUNDS)
        for run in runs:
            run.process.send_signal(signal.SIGINT)
    files = [[r.data for r in capfile.read(tmp_path / f"{run.way}/cap")] for run in runs]
    assert len(files[0]) == 2 * ROUNDS
    assert files[1:] == [files[0]] * len(WAYS)


AT_ONCE = [
    *(f"opentest -i cap0{more}" for more in ("", " -a", " -p", " -s 96", " -B 100", " -B 70000")),
    *("opentest -I -i cap0", "opentest -i nothere", "opentest -a -i nothere", "opentest -i any"),
    *("reactivatetest", "findalldevstest", "can_set_rfmon_test cap0", "can_set_rfmon_test nothere"),
    *(
        "writecaptest -D",
        "writecaptest -L -i cap0",
        "valgrindtest -i cap0",
        "valgrindtest -aIi cap0",
    ),
    *(
        "filtertest EN10MB tcp port 80 or vlan 7",
        "filtertest -d EN10MB ip6",
        "filtertest EN10MB x(",
    ),
]


def test_programs_that_end_by_themselves(programs: Path, wire: Wire, tmp_path: Path) -> None:
    for command in AT_ONCE:
        name, *options = command.split()
        with over_all(wire, tmp_path, programs / name, *options):
            pass
