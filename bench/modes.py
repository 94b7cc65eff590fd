# SPDX-License-Identifier: BSD-3-Clause
"""What is compared: each way of receiving, as a command line and how it counts.

A mode knows nothing of rates and repetitions (experiments.py) nor of goals
(suites.py). Sizes are buffer sizes: 60 bytes are a 64-byte frame on the wire.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from workshop import Workshop


@dataclass(frozen=True)
class Case:
    """What is sent and what is asked of the capture."""

    size: int = 60
    rate: int = 0  # packets per second, 0: as fast as it goes
    snaplen: int = 65535
    filter: str | None = None
    traffic: str = ""  # "UDP": frames say that they are IPv4; "UDP, 1 % TCP"

    @property
    def frames(self) -> list[str]:
        """What the generator is told of the frames."""
        tcp = ["-t", "100"] if "TCP" in self.traffic else []
        flows = re.findall(r"([\d,]+) flows", self.traffic)
        many = ["-T", flows[0].replace(",", "")] if flows else []
        return ["-4", *tcp, *many] if self.traffic else []

    def __str__(self) -> str:
        text = f"{64 if self.size == 60 else self.size} B"
        if self.rate:
            text += f", {self.rate // 1000} kpps"
        if self.snaplen != 65535:
            text += f", snaplen {self.snaplen}"
        if self.traffic:
            text += f", {self.traffic}"
        return f"{text}, '{self.filter}'" if self.filter else text


@dataclass(frozen=True)
class Verdict:
    """What a receiver says at its end."""

    packets: int
    drop: int = 0
    missing: int = 0
    bad: int = 0
    delay_median_ns: int = 0


def _from_json(out: str) -> Verdict:
    line = next((x for x in reversed(out.splitlines()) if x.startswith("{")), None)
    if line is None:
        raise RuntimeError(f"a receiver ended without a count: {out.strip()[-400:]}")
    values = json.loads(line)
    return Verdict(**{k: v for k, v in values.items() if k in Verdict.__dataclass_fields__})


@dataclass(frozen=True)
class Mode:
    name: str
    # None: no receiver at all, the base line of what is added.
    argv: Callable[[Workshop, Case, bool], list[str]] | None = None
    env: Callable[[Workshop], dict[str, str]] = field(default=lambda _: {})
    ready: str = "ready"
    verdict: Callable[[str], Verdict] = field(default=_from_json)
    can_verify: bool = True
    tail_s: float = 0  # how long it may keep back the end of a stream


def _from_tcpdump(out: str) -> Verdict:
    def number(what: str) -> int:
        m = re.search(rf"(\d+) packets? {what}", out)
        if not m:
            raise RuntimeError(f"tcpdump ended without a count: {out.strip()[-400:]}")
        return int(m[1])

    return Verdict(number("captured"), number("dropped by kernel"))


def _c(
    program: str, device: str, *more: str, snaplen: int | None = None
) -> Callable[[Workshop, Case, bool], list[str]]:
    def argv(shop: Workshop, case: Case, verify: bool) -> list[str]:
        line = [str(shop.tools / program), "-i", device, "-s", str(snaplen or case.snaplen), *more]
        if case.filter:
            line += ["-f", case.filter]
        return [*line, "-v"] if verify else line

    return argv


def _overlay(shop: Workshop) -> dict[str, str]:
    return {"LD_LIBRARY_PATH": str(shop.overlay)}


def none() -> Mode:
    return Mode("none")


def libpcap(snaplen: int | None = None) -> Mode:
    name = "libpcap" if snaplen is None else "libpcap, whole"
    return Mode(name, _c("rx_pcap", "v1", snaplen=snaplen))


def overlay() -> Mode:
    return Mode("overlay", _c("rx_pcap", "v1"), _overlay)


def prompt(mode: str) -> Mode:
    """Immediate mode, with the delay of each packet noted."""
    if mode in ("libpcap", "overlay"):
        env = _overlay if mode == "overlay" else (lambda _: {})
        return Mode(mode, _c("rx_pcap", "v1", "-I", "-L"), env, can_verify=False)
    return Mode(mode, _c("rx_pfring", f"{mode}:v1", "-I", "-L"), can_verify=False)


def ours(backend: str, *more: str, name: str | None = None) -> Mode:
    return Mode(name or backend, _c("rx_pfring", f"{backend}:v1", *more))


def prompt_default(backend: str) -> Mode:
    """The library's own bound of 5 ms instead of the 100 ms that the peer may hold back."""
    return ours(backend, "-t", "0", name=f"{backend}, 5 ms")


def rules(hash_rules: int, wildcard_rules: int = 0) -> Mode:
    """bpf: with rules; the hash rules are those of the flows that are sent."""
    name = f"{wildcard_rules} wildcard" if wildcard_rules else f"{hash_rules} hash"
    more = ("-H", str(hash_rules), "-W", str(wildcard_rules))
    return ours("bpf", *more, name=name if hash_rules or wildcard_rules else "no rule")


def coarse() -> Mode:
    return ours("bpf", "-C", name="bpf, coarse")


def _from_pfcount(out: str) -> Verdict:
    m = re.findall(r"\[(\d+) pkts rcvd\]\[(\d+) pkts dropped\]", out)
    if not m:
        raise RuntimeError(f"pfcount ended without a count: {out.strip()[-400:]}")
    return Verdict(*map(int, m[-1]))


def pfcount(backend: str) -> Mode:
    """The example program, which may hold packets back as long as its peer."""

    def argv(shop: Workshop, case: Case, verify: bool) -> list[str]:
        line = [str(shop.examples / "pfcount"), "-i", f"{backend}:v1", "-q", "-p", "100"]
        return [*line, "-l", str(case.snaplen)]

    name = f"pfcount, {backend}"
    return Mode(name, argv, ready="Capturing", verdict=_from_pfcount, can_verify=False)


def one_send() -> Mode:
    """UDP over IPv4 as pfsend's frames are: the sender's core pays for their reception too."""

    def argv(shop: Workshop, case: Case, verify: bool) -> list[str]:
        return [str(shop.tools / "gen"), "one", "-4", "-i", "v0", "-s", str(case.size)]

    return Mode("one send() each", argv, can_verify=False)


def pfsend(*more: str) -> Mode:
    def argv(shop: Workshop, case: Case, verify: bool) -> list[str]:
        line = [str(shop.examples / "pfsend"), "-i", "packet:v0", "-q", "-l", str(case.size)]
        return [*line, *more]

    return Mode(" ".join(("pfsend", *more)), argv, can_verify=False)


def python(way: str, module: str, device: str, name: str) -> Mode:
    def argv(shop: Workshop, case: Case, verify: bool) -> list[str]:
        line = [str(shop.python), "bench/rx_python.py", way, device, "--module", module]
        line += ["--snaplen", str(case.snaplen)]
        return [*line, "--verify"] if verify else line

    return Mode(name, argv)


def pcapy_ng(way: str) -> Mode:
    return python(way, "pcapy", "v1", f"pcapy-ng {way}")


def pcapy_ours(way: str, backend: str) -> Mode:
    return python(way, "pfring.pcapy", f"{backend}:v1", f"pfring.pcapy {way}, {backend}")


def ring(way: str, backend: str) -> Mode:
    shown = {
        "read": "read(1024)",
        "iter": "iterator",
        "batches": "batches()",
        "views": "batches(copy=False)",
        "flows": "flows()",
    }[way]
    return python(way, "", f"{backend}:v1", f"Ring {shown}, {backend}")


def scapy(way: str, over_ours: bool, version: str = "") -> Mode:
    """version: of scapy; the one in the bench's environment if empty."""

    def env(shop: Workshop) -> dict[str, str]:
        return {"PYTHONPATH": str(shop.scapy(version))} if version else {}

    def argv(shop: Workshop, _case: Case, _verify: bool) -> list[str]:
        line = [str(shop.python), "bench/rx_scapy.py", way]
        return [*line, "--pfring"] if over_ours else line

    name = f"scapy {version} {way}" if version else f"scapy {way}"
    return Mode(f"{name}, pfring" if over_ours else name, argv, env, can_verify=False)


def tcpdump(over_ours: bool, *more: str) -> Mode:
    def argv(_shop: Workshop, case: Case, _verify: bool) -> list[str]:
        line = ["tcpdump", "-i", "v1", "-n", "-w", "/dev/null", *more]
        if case.snaplen != 65535:
            line += ["-s", str(case.snaplen)]
        return [*line, case.filter] if case.filter else line

    name = "tcpdump, overlay" if over_ours else "tcpdump"
    env = _overlay if over_ours else (lambda _: {})
    # Twice its time-out of a second: libpcap's blocks end with the timer's second look.
    return Mode(name, argv, env, "listening on", _from_tcpdump, can_verify=False, tail_s=2.2)


def calls(over_ours: bool) -> Mode:
    def argv(shop: Workshop, _case: Case, _verify: bool) -> list[str]:
        return [str(shop.tools / "calls")]

    env = _overlay if over_ours else (lambda _: {})
    return Mode("overlay" if over_ours else "libpcap", argv, env, can_verify=False)


def tcpdump_version(over_ours: bool) -> Mode:
    """tcpdump loaded and ended again, with no handle made."""
    env = _overlay if over_ours else (lambda _: {})
    name = "tcpdump --version, overlay" if over_ours else "tcpdump --version"
    return Mode(name, lambda *_: ["tcpdump", "--version"], env, ready="", can_verify=False)
