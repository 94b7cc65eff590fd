# SPDX-License-Identifier: BSD-3-Clause
"""Plugins: their life, what they filter, what they count, and hostile data for them."""

from __future__ import annotations

import errno
import random
import signal
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from frames import ether, ipv6, ports, tcp4, udp4, udp6
from module import MODULE
from patience import until
from pfsock import Ring, pair, refused
from rulebook import (
    ADD,
    DROP,
    EXECUTE,
    EXECUTE_STOP,
    FORGET,
    LEARN,
    POLICY,
    PURGE_RULES,
    RULE_STATS,
    Count,
    Flow,
    Rule,
    add,
    counts,
    number_ref,
    pass_through,
    remove,
    send,
)

DUMMY, SIP, RTP = 1, 2, 12
METHODS = "any INVITE ACK BYE CANCEL OPTIONS REGISTER PRACK SUBSCRIBE NOTIFY PUBLISH INFO".split()
INVITE, BYE, RESPONSE = 1, 3, 15
A, B = ("192.0.2.1", 5060), ("192.0.2.2", 5060)
PROC = Path("/proc/net/pf_ring")
TOOLS = Path(__file__).resolve().parents[3] / "build/dev/libpcap-pfring/tools"


def module_of(name: str) -> Path:
    """The file of a plugin."""
    return Path(MODULE).parent / "plugins" / f"{name}_plugin.ko"


def rmmod(name: str) -> bool:
    """One try to unload a plugin."""
    done = subprocess.run(["rmmod", f"{name}_plugin"], capture_output=True, text=True, check=False)
    assert not done.returncode or "in use" in done.stderr
    return not done.returncode


@contextmanager
def plugins(*names: str) -> Iterator[None]:
    """Plugins that are loaded. A rule that is gone lets go of them after a grace period."""
    for name in names:
        subprocess.run(["insmod", module_of(name)], check=True)
    try:
        yield
    finally:
        for name in names:
            until(partial(rmmod, name))


def said(ring: Ring, which: int | Flow, form: str) -> tuple[int, ...]:
    """What a plugin says of a rule."""
    ref = which.ref() if isinstance(which, Flow) else number_ref(which)
    return struct.unpack(form, ring.ask(RULE_STATS, ref, 4096))


def test_plugins_come_and_go_and_are_listed() -> None:
    def listed() -> list[str]:
        return (PROC / "plugins_info").read_text(encoding="utf-8").splitlines()

    def total() -> str:
        text = (PROC / "info").read_text(encoding="utf-8")
        return next(x for x in text.splitlines() if x.startswith("Total plugins")).split(": ")[1]

    assert listed() == ["ID Plugin"]
    assert total() == "0"
    with plugins("rtp", "sip"):
        assert listed() == [
            "ID Plugin",
            "2 sip [SIP protocol analyzer]",
            "12 rtp [RTP protocol analyzer]",
        ]
        assert total() == "2"
    assert listed() == ["ID Plugin"]


def test_unknown_plugins_are_refused_and_leave_nothing() -> None:
    with pair() as (_, v1), Ring(v1) as ring:
        for rule in (
            Rule(plugin=DUMMY),
            Rule(filter_plugin=SIP),
            Rule(plugin=65),
            Rule(plugin=65535, filter_plugin=65535),
        ):
            assert refused(errno.ENOENT, add, ring, rule)
        with plugins("dummy"):
            assert refused(errno.ENOENT, add, ring, Rule(plugin=DUMMY, filter_plugin=SIP))
            assert refused(errno.ENOENT, add, ring, Rule(plugin=SIP, filter_plugin=DUMMY))


def test_plugin_in_use_by_a_rule_stays() -> None:
    with pair() as (_, v1), Ring(v1) as ring, plugins("dummy", "sip"):
        add(ring, Rule(plugin=DUMMY, filter_plugin=SIP))
        assert not rmmod("dummy")
        assert not rmmod("sip")
        remove(ring, 1)
    with plugins("dummy"), pair() as (_, v1), Ring(v1) as ring:
        add(ring, Rule(plugin=DUMMY))
        assert refused(errno.EEXIST, add, ring, Rule(plugin=DUMMY))
        assert not rmmod("dummy")


def test_dummy_counts_what_its_rule_matches() -> None:
    hit, miss = udp4(A, B), tcp4(A, B)
    with pair() as (v0, v1), plugins("dummy"), Ring(v1) as ring:
        add(ring, Rule(proto=17, plugin=DUMMY, action=EXECUTE))
        assert said(ring, 1, "<QQ") == (0, 0)
        assert pass_through(ring, v0, hit, miss, hit) == [hit, miss, hit]
        assert said(ring, 1, "<QQ") == (2, 2 * len(hit))


def test_tool_shows_what_the_plugin_counts() -> None:
    hits = [udp4(A, B, bytes(n)) for n in range(1, 301)]
    with pair() as (v0, v1), plugins("dummy"):
        command = [str(TOOLS / "pfcount_dummy_plugin"), "-i", v1, "-p", "17"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as tool:
            assert tool.stdout is not None
            while (line := tool.stdout.readline()) != "Counting\n":
                assert line
            send(v0, *hits, tcp4(A, B), tcp4(B, A))
            tool.send_signal(signal.SIGINT)
            last = tool.stdout.readlines()[-1]
        assert last == f"Plugin Stats: [300 pkts][{sum(map(len, hits))} bytes]\n"
        assert tool.returncode == 0


def test_handler_of_a_flow_counts_and_the_action_counts_on() -> None:
    hit = udp4(A, B)
    flow = Flow(A[0], B[0], A[1], B[1])
    with pair() as (v0, v1), plugins("dummy"), Ring(v1) as ring:
        ring.set(ADD, Rule(plugin=DUMMY, action=EXECUTE_STOP).request(flow.ref()))
        assert pass_through(ring, v0, hit, udp4(B, A), udp4(A, ("192.0.2.9", 1))) == [
            udp4(A, ("192.0.2.9", 1))
        ]
        assert said(ring, flow, "<QQ") == (2, 2 * len(hit))


def test_plugin_adds_and_deletes_the_flows_it_names() -> None:
    hit = udp4(A, B)
    flow = Flow(A[0], B[0], A[1], B[1])
    with pair() as (v0, v1), plugins("dummy"), Ring(v1) as ring:
        add(ring, Rule(1, plugin=DUMMY, action=LEARN))
        assert pass_through(ring, v0, hit, udp4(B, A), hit) == [hit, udp4(B, A), hit]
        assert said(ring, 1, "<QQ") == (1, len(hit))
        assert said(ring, flow, "<QQ") == (2, 2 * len(hit))
        remove(ring, 1)
        assert not rmmod("dummy"), "the flow has it as well"
        remove(ring, flow)
        add(ring, Rule(1, plugin=DUMMY, action=LEARN))
        assert pass_through(ring, v0, ether(0x88B6, bytes(46))) == [ether(0x88B6, bytes(46))]
        add(ring, Rule(0, plugin=DUMMY, action=FORGET))
        assert pass_through(ring, v0, hit) == [hit]
        assert refused(errno.ENOENT, counts, ring, flow)


def test_purge_asks_the_plugin_and_the_last_rule_frees_the_ring() -> None:
    left = Path("/sys/module/dummy_plugin/parameters/rings_left")
    hit = udp4(A, B)
    with pair() as (v0, v1), plugins("dummy"):
        with Ring(v1) as ring:
            add(ring, Rule(1, proto=17, plugin=DUMMY, action=EXECUTE))
            add(ring, Rule(2, proto=6, plugin=DUMMY, action=EXECUTE))
            assert pass_through(ring, v0, hit) == [hit]
            ring.set(PURGE_RULES, 3600)
            assert said(ring, 1, "<QQ") == (1, len(hit))
            assert refused(errno.ENOENT, counts, ring, 2)
            assert left.read_text(encoding="ascii") == "0\n"
            remove(ring, 1)
            until(lambda: left.read_text(encoding="ascii") == "1\n")
            add(ring, Rule(3, plugin=DUMMY))
        until(lambda: left.read_text(encoding="ascii") == "2\n")


def test_filter_plugin_without_a_handler_leaves_the_rules_own_figures() -> None:
    begins, other = udp4(A, B, b"begin here"), udp4(A, B, b"beg")
    with pair() as (v0, v1), plugins("dummy"), Ring(v1) as ring:
        add(ring, Rule(filter_plugin=DUMMY, plugin_data=b"begin", action=DROP))
        assert pass_through(ring, v0, begins, other, begins) == [other]
        assert counts(ring, 1)[:3] == Count(2, 2, 0, 0)[:3]


def sip(
    line: str = "INVITE sip:bob@example.org SIP/2.0",
    caller: str = '"Alice" <sip:alice@example.com:5060;x=y>;tag=1',
    called: str = "sip:bob@Example.ORG;tag=2",
    call_id: str = "a84b4c76e66710@pc33",
    long: bool = True,
) -> bytes:
    """A message in a datagram."""
    names = ("From", "To", "Call-ID") if long else ("f", "t", "i")
    pairs = zip(names, (caller, called, call_id), strict=True)
    lines = [line, "Via: SIP/2.0/UDP pc33", *map(": ".join, pairs)]
    return udp4(A, B, ("\r\n".join([*lines, "", ""]) + "v=0\r\nFrom: body\r\n").encode())


def wanted(method: int = 0, caller: str = "", called: str = "", call_id: str = "") -> bytes:
    """struct sip_filter."""
    return struct.pack("<I64s64s124s", method, caller.encode(), called.encode(), call_id.encode())


def test_only_invites_come_through() -> None:
    """The example of the guide's chapter 9.5, counted by the plugin as well."""
    frames = [sip(f"{m} sip:bob@example.org SIP/2.0") for m in METHODS[1:]]
    frames += [sip("SIP/2.0 200 OK"), sip("invite sip:b SIP/2.0"), sip("INVITE sip:b"), tcp4(A, B)]
    with pair() as (v0, v1), plugins("sip"), Ring(v1) as ring:
        ring.set(POLICY, 0)
        add(ring, Rule(filter_plugin=SIP, plugin=SIP, plugin_data=wanted(INVITE)))
        assert pass_through(ring, v0, *frames) == [frames[0], frames[-3]]
        messages = said(ring, 1, "<17Q")
        assert messages[INVITE] == 2
        assert sum(messages) == 2
        assert refused(errno.ENOSPC, ring.ask, RULE_STATS, number_ref(1), 17 * 8 - 1)


def test_sip_filter_knows_caller_called_and_call_id() -> None:
    frame, short = sip(), sip(long=False)
    cases = [
        (wanted(caller="alice"), True),
        (wanted(caller="alice@example.com"), True),
        (wanted(caller="alice@EXAMPLE.com"), True),
        (wanted(caller="alice@example.com:5060"), True),
        (wanted(caller="Alice"), False),
        (wanted(caller="alic"), False),
        (wanted(caller="bob"), False),
        (wanted(called="bob@example.org"), True),
        (wanted(called="alice"), False),
        (wanted(call_id="a84b4c76e66710@pc33"), True),
        (wanted(call_id="A84b4c76e66710@pc33"), False),
        (wanted(call_id="a84b4c76e66710"), False),
        (wanted(INVITE, "alice", "bob", "a84b4c76e66710@pc33"), True),
        (wanted(BYE, "alice", "bob", "a84b4c76e66710@pc33"), False),
    ]
    with pair() as (v0, v1), plugins("sip"), Ring(v1) as ring:
        ring.set(POLICY, 0)
        for data, matches in cases:
            add(ring, Rule(filter_plugin=SIP, plugin_data=data))
            through = pass_through(ring, v0, frame, short)
            assert through == ([frame, short] if matches else []), data
            remove(ring, 1)


def test_one_parse_serves_several_rules_and_a_foreign_parse_none() -> None:
    frame = sip("BYE sip:bob SIP/2.0")
    with pair() as (v0, v1), plugins("dummy", "sip"), Ring(v1) as ring:
        for number, method in enumerate((INVITE, BYE, RESPONSE, 0)):
            rule = Rule(
                number,
                filter_plugin=SIP,
                plugin=SIP,
                plugin_data=wanted(method),
                action=EXECUTE,
            )
            add(ring, rule)
        add(ring, Rule(9, filter_plugin=DUMMY, plugin_data=b"BYE", plugin=SIP, action=EXECUTE))
        assert pass_through(ring, v0, frame) == [frame]
        found = [said(ring, n, "<17Q")[BYE] for n in (0, 1, 2, 3, 9)]
        assert found == [0, 1, 0, 1, 1]


def rtp(seq: int, stamp: int, ssrc: int = 0xC0FFEE, kind: int = 0) -> bytes:
    """A datagram of RTP."""
    head = struct.pack("!BBHII", 0x80, kind, seq & 0xFFFF, stamp & 0xFFFFFFFF, ssrc)
    return udp4(("192.0.2.1", 4000), ("192.0.2.2", 4002), head + bytes(160))


def jitter(stamps: list[int], arrivals: list[int], rate: int) -> int:
    """RFC 3550, appendix A.8, over times in ns."""
    last, value = 0, 0
    for i, (stamp, ns) in enumerate(zip(stamps, arrivals, strict=True)):
        seconds, rest = divmod(ns, 10**9)
        transit = (seconds * rate + rest * rate // 10**9 - stamp) & 0xFFFFFFFF
        if i:
            d = (transit - last) & 0xFFFFFFFF
            d = min(d, 2**32 - d)
            value += d - ((value + 8) >> 4)
        last = transit
    return value >> 4


def test_rtp_figures_are_those_of_the_rfc() -> None:
    """Loss, order and the corner of the sequence number by hand; jitter from the ring's times."""
    sequence = [65533, 65534, 0, 1, 3, 2, 6]  # 65535, 4 and 5 are lost, 2 comes late
    stamps = [160 * i for i in (0, 1, 3, 4, 6, 5, 9)]
    with pair() as (v0, v1), plugins("rtp"), Ring(v1) as ring:
        add(ring, Rule(proto=17, plugin=RTP, action=EXECUTE))
        times: list[int] = []
        for seq, stamp in zip(sequence, stamps, strict=True):
            before = ring.stats().recv
            assert pass_through_records(ring, v0, rtp(seq, stamp), times)
            assert ring.stats().recv == before + 1
        assert pass_through(ring, v0, rtp(7, 0, ssrc=5, kind=26)) == [rtp(7, 0, ssrc=5, kind=26)]
        assert pass_through(ring, v0, udp4(A, B, b"\x00" * 40))
        got = said(ring, 1, "<IIQ" + "IHHIIIiII" * 2)
        assert got[:3] == (2, 1, 0)
        assert got[3:12] == (
            0xC0FFEE,
            4000,
            4002,
            8000,
            jitter(stamps, times, 8000),
            7,
            3,
            65536 + 6,
            0,
        )
        assert got[12:21] == (5, 4000, 4002, 90000, 0, 1, 0, 7, 0)


def pass_through_records(ring: Ring, device: str, frame: bytes, times: list[int]) -> bool:
    """Send one frame; its time goes to times."""
    send(device, frame)
    records = ring.collect(1)
    times += [r.ts for r in records]
    return [r.data for r in records] == [frame]


def test_rtp_filter_picks_a_source_and_flows_have_a_limit() -> None:
    with pair() as (v0, v1), plugins("rtp"), Ring(v1) as ring:
        ring.set(POLICY, 0)
        data = struct.pack("<II", 7, 16000)
        add(ring, Rule(1, filter_plugin=RTP, plugin=RTP, plugin_data=data))
        assert pass_through(ring, v0, rtp(1, 0, 7), rtp(1, 0, 8)) == [rtp(1, 0, 7)]
        assert said(ring, 1, "<IIQIHHIIIiII")[:7] == (1, 0, 0, 7, 4000, 4002, 16000)
        remove(ring, 1)
        add(ring, Rule(2, plugin=RTP, action=EXECUTE_STOP))
        assert pass_through(ring, v0, *(rtp(1, 0, n) for n in range(1, 71))) == []
        head = ring.ask(RULE_STATS, number_ref(2), 4096)
        assert struct.unpack_from("<IIQ", head) == (64, 0, 6)
        assert len(head) == 16 + 64 * 32


def test_hostile_data_and_packets_do_no_harm() -> None:
    rand = random.Random(1)
    whole = sip()
    head = len(udp4(A, B, b""))

    def mangled() -> bytes:
        body = bytearray(whole[head:])
        for _ in range(rand.randrange(1, 40)):
            body[rand.randrange(len(body))] = rand.choice(b'<>;:@\r\n "\0\xffSIP/2.0')
        return udp4(A, B, bytes(body[: rand.randrange(len(body))]))

    frames = [mangled() for _ in range(300)]
    frames += [udp4(A, B, b""), udp4(A, B, b"\x80"), udp6(("2001:db8::1", 1), ("2001:db8::2", 2))]
    frames += [ether(0x86DD, ipv6("2001:db8::1", "2001:db8::2", 17, ports(17, 1, 2)[:4]))]
    frames += [sip(caller="<" * 300, called=">" * 300, call_id=";" * 200)]
    with pair() as (v0, v1), plugins("dummy", "sip", "rtp"), Ring(v1) as ring:
        for number in range(30):
            data = rand.randbytes(256) if number % 3 else b"\xff" * 256
            plugin, filtering = rand.choice((DUMMY, SIP, RTP)), rand.choice((0, DUMMY, SIP, RTP))
            rule = Rule(
                number,
                plugin=plugin,
                filter_plugin=filtering,
                plugin_data=data,
                action=rand.choice((EXECUTE, LEARN, EXECUTE_STOP)),
            )
            add(ring, rule)
        before = ring.stats()
        pass_through(ring, v0, *frames)
        after = ring.stats()
        assert after.recv + after.filtered - before.recv - before.filtered == len(frames)
        for number in range(30):
            assert ring.ask(RULE_STATS, number_ref(number), 4096)
        ring.set(PURGE_RULES, 0)
