# SPDX-License-Identifier: BSD-3-Clause
"""What our libpcap.so has that libpcap has not: PF_RING's calls and environment, and our own.

extra.c is a program in the idiom of PF_RING's libpcap; each test runs it once
or twice on a wire and sends the trace by.
"""

from __future__ import annotations

import contextlib
import subprocess

import pytest
from pfring.lab.netns import Wire
from pfring.lab.replay import Replay
from pfring.lab.trace import mixed_trace
from support.at_once import at_once
from support.overlay import BUILD, SYSTEM, Way, environment

EXTRA = BUILD / "tests/compare/extra"
FRAMES = 1000
OURS = Way("LD_LIBRARY_PATH", "")
PACKET = Way("LD_LIBRARY_PATH", "packet")
BPF = Way("LD_LIBRARY_PATH", "bpf")


def start(wire: Wire, way: Way, device: str, what: str, **env: str) -> subprocess.Popen[str]:
    process = wire.rx.popen(
        [EXTRA, device, what],
        env=environment(way) | {"PFRING_VERBOSE": "0"} | env,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    return process


def until_ready(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout
    lines = []
    while (line := process.stdout.readline().strip()) != "ready":
        assert line, process.communicate()[1]
        lines.append(line)
    return lines


def finished(process: subprocess.Popen[str], lines: list[str]) -> list[str]:
    # Which ends its input, too.
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    return lines + out.splitlines()


def send(wire: Wire) -> None:
    with Replay(wire, mixed_trace(FRAMES).frames) as replay, at_once():
        replay.send()


def said(wire: Wire, way: Way, device: str, what: str, **env: str) -> list[str]:
    """Run it alone, with the trace going by."""
    with start(wire, way, device, what, **env) as process:
        lines = until_ready(process)
        send(wire)
        return finished(process, lines)


@pytest.mark.parametrize("way", [PACKET, BPF], ids=str)
def test_the_extra_calls_work_on_a_ring(wire: Wire, way: Way) -> None:
    lines = said(wire, way, Wire.CAPTURE, "calls")
    assert lines == [
        "before: name 0, watermark 0, id -1",
        'activate 0 ""',
        f"backend {way.backend} (named by the caller)",
        "ring 1, id 1",
        "name 0, watermark 0, its time 0",
        'master -1 "a ring cannot follow another; use pcap_set_cluster()"',
        'master id -1 "a ring cannot follow ring 3; use pcap_set_cluster()"',
        f"packets {FRAMES}, sound {FRAMES}",
        "precise 1",
        f"books 0 {FRAMES} 0, small ones {FRAMES} 0",
    ]


def test_on_a_handle_of_the_real_library_they_say_so(wire: Wire) -> None:
    lines = said(wire, OURS, "any", "refused")
    assert lines == [
        'activate 0 ""',
        'backend libpcap ("any" is cooked capture)',
        'ring 0, id -1 "this handle is not on a ring of pfring\'s: "any" is cooked capture"',
        'books -1 "this handle is not on a ring of pfring\'s: "any" is cooked capture"',
        'dead: cluster -1 "this handle is not on a ring of pfring\'s"',
    ]


def packets(lines: list[str]) -> int:
    [line] = [line for line in lines if line.startswith("packets ")]
    return int(line.split()[1].rstrip(","))


@pytest.mark.parametrize(
    ("what", "env"),
    [
        ("cluster", {}),
        ("cluster-flow", {}),
        ("read", {"PCAP_PF_RING_CLUSTER_ID": "9"}),
        (
            "read",
            {"PCAP_PF_RING_CLUSTER_ID": "9", "PCAP_PF_RING_USE_CLUSTER_PER_FLOW_2_TUPLE": "1"},
        ),
        ("read", {"PCAP_PF_RING_CLUSTER_ID": "9", "PCAP_PF_RING_USE_CLUSTER_ROUNDROBIN": "1"}),
    ],
    ids=str,
)
def test_two_programs_of_a_cluster_share_the_packets(
    wire: Wire, what: str, env: dict[str, str]
) -> None:
    with (
        start(wire, OURS, Wire.CAPTURE, what, **env) as one,
        start(wire, OURS, Wire.CAPTURE, what, **env) as two,
    ):
        lines = [until_ready(one), until_ready(two)]
        send(wire)
        got = [packets(finished(p, said)) for p, said in zip((one, two), lines, strict=True)]
    assert sum(got) == FRAMES
    assert min(got) > 0


def test_pcap_no_pf_ring_leaves_everything_to_the_real_library(wire: Wire) -> None:
    lines = said(wire, OURS, Wire.CAPTURE, "read", PCAP_NO_PF_RING="1")
    assert lines[1] == "backend libpcap (PCAP_NO_PF_RING is set)"
    assert packets(lines) == FRAMES
    assert packets(said(wire, OURS, Wire.CAPTURE, "read", PCAP_NO_PF_RING="0")) == FRAMES


def test_over_the_systems_libpcap_the_program_runs_without_them(wire: Wire) -> None:
    lines = said(wire, SYSTEM, Wire.CAPTURE, "read")
    assert lines[0] == 'activate 0 ""'
    assert packets(lines) == FRAMES


@pytest.mark.parametrize("name", ["ACTIVE_POLL", "APPNAME", "USERSPACE_BPF", "RECV_ONLY"])
@pytest.mark.parametrize("way", [PACKET, BPF], ids=str)
def test_every_packet_comes_whatever_the_environment_asks(wire: Wire, way: Way, name: str) -> None:
    env = {f"PCAP_PF_RING_{name}": "1"}
    lines = said(wire, way, Wire.CAPTURE, "read", **env)
    assert lines[1].startswith(f"backend {way.backend} ")
    assert packets(lines) == FRAMES


WRONG = (
    *({"PCAP_PF_RING_CLUSTER_ID": text} for text in ("abc", "0", "-3", "255", "99999999999")),
    {"PCAP_PF_RING_USE_CLUSTER_PER_FLOW": "1"},  # of which cluster?
    {"PCAP_PF_RING_APPNAME": "x" * 500},
    {"PCAP_PF_RING_ACTIVE_POLL": "0", "PCAP_NO_PF_RING": "0", "PFRING_BACKEND": ""},
)


def test_what_makes_no_sense_in_the_environment_is_as_if_it_were_not_there(wire: Wire) -> None:
    with contextlib.ExitStack() as stack:
        running = [
            stack.enter_context(start(wire, OURS, Wire.CAPTURE, "read", **env)) for env in WRONG
        ]
        lines = [until_ready(process) for process in running]
        send(wire)
        for process, said_so_far in zip(running, lines, strict=True):
            assert not said_so_far[1].startswith("backend libpcap")
            # All of them to each: no two share a cluster.
            assert packets(finished(process, said_so_far)) == FRAMES


def test_a_backend_that_is_none_is_an_error(wire: Wire) -> None:
    with start(wire, Way("LD_LIBRARY_PATH", "nonsense"), Wire.CAPTURE, "read") as process:
        lines = until_ready(process)
        assert finished(process, lines)[0].startswith('activate -1 "PFRING_BACKEND is "nonsense"')


@pytest.mark.parametrize("way", [PACKET, BPF], ids=str)
def test_who_polls_actively_hears_that_the_interface_is_gone(wire: Wire, way: Way) -> None:
    wire.rx.ip("link add name gone0 type veth peer name gone1", "link set gone0 up")
    env = environment(way, PCAP_PF_RING_ACTIVE_POLL="1")
    command = ["tcpdump", "-i", "gone0", "-n", "-w", "/dev/null"]
    with wire.rx.popen(command, env=env, text=True, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr
            while "listening on" not in process.stderr.readline():
                assert process.poll() is None
            wire.rx.ip("link del gone0")
            told = process.communicate(timeout=300)[1]
        finally:
            process.kill()
    assert "The interface disappeared" in told
    assert process.returncode == 1


def test_recv_only_leaves_out_what_is_sent(wire: Wire) -> None:
    # On gen0's side every frame of the trace is an outgoing one.
    env = environment(OURS) | {"PFRING_VERBOSE": "0", "PCAP_PF_RING_RECV_ONLY": "1"}
    for more, count in (({}, 0), ({"PCAP_PF_RING_RECV_ONLY": ""}, FRAMES)):
        with wire.tx.popen(
            [EXTRA, Wire.SENDER, "read"],
            env=env | more,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            lines = until_ready(process)
            send(wire)
            assert packets(finished(process, lines)) == count


def test_stamps_that_the_adapter_has_not_leave_the_handle_to_the_real_library(wire: Wire) -> None:
    lines = said(wire, OURS, Wire.CAPTURE, "read", PCAP_PF_RING_HW_TIMESTAMP="1")
    assert lines[1].startswith("backend libpcap (")
    assert "hardware time stamps" in lines[1]
    assert packets(lines) == FRAMES


def test_the_read_timeout_that_users_ask_for(wire: Wire) -> None:
    with start(wire, OURS, Wire.CAPTURE, "timed", PCAP_PF_RING_READ_TIMEOUT="1") as process:
        lines = until_ready(process)
        assert finished(process, lines)[-1] == "a read of nothing ends: 0"


@pytest.mark.parametrize("way", [PACKET, BPF], ids=str)
def test_closing_in_a_callback_ends_the_loop(wire: Wire, way: Way) -> None:
    assert said(wire, way, Wire.CAPTURE, "close")[-1] == "loop -2 after 3"


@pytest.mark.parametrize("device", ["packet:cap0", "bpf:cap0", "packet:cap0@0", "bpf:cap0@0"])
def test_a_name_may_hold_the_path(wire: Wire, device: str) -> None:
    lines = said(wire, OURS, device, "read")
    assert lines[:2] == [
        'activate 0 ""',
        f"backend {device.partition(':')[0]} (named by the caller)",
    ]
    assert packets(lines) == FRAMES


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ("packet:nosuch0", 'activate -5 "No such device exists"'),
        ("dna:cap0", "activate -1"),
        ("packet:any", 'activate -1 ""any" is cooked capture"'),
    ],
)
def test_a_path_that_is_not_there_is_an_error(wire: Wire, device: str, words: str) -> None:
    with start(wire, OURS, device, "read") as process:
        lines = until_ready(process)
        assert finished(process, lines)[0].startswith(words)
