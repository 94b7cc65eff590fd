# SPDX-License-Identifier: BSD-3-Clause
"""The demo's verdict: one packet too few, or one byte wrong, and it says NO."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

from pfring.demo.play import Result, _difference
from pfring.demo.view import table
from pfring.lab.replay import Sent
from pfring.lab.tcpdump import Counters
from rich.console import Console

GOOD = Result(
    filter="ip6",
    sent=Sent(packets=1000, octets=60_000, refused=0, seconds=1.0),
    captured=400,
    dropped=2,
    tcpdump=Counters(captured=401, received=402, dropped=1),
    refused=598,
    identical=True,
    difference="",
    digest="00" * 32,
    backend="packet",
    reason="because",
)


def shown(result: Result) -> str:
    console = Console(file=StringIO(), width=120)
    console.print(table(result))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_books_that_balance_are_told_so() -> None:
    assert GOOD.balanced
    assert "NO" not in shown(GOOD)
    assert "400 + 2 + 598 = 1,000" in shown(GOOD)


def test_one_lost_packet_unbalances_the_books() -> None:
    for wrong in (replace(GOOD, captured=399), replace(GOOD, refused=597)):
        assert not wrong.balanced
        assert "NO" in shown(wrong)


def test_one_wrong_byte_is_named() -> None:
    mine, other = [(60, b"abc"), (60, b"abd")], [(60, b"abc"), (60, b"abe")]
    assert _difference(mine, mine) == ""
    assert _difference(mine, other) == "packet 1 differs"
    assert _difference(mine, mine[:1]) == "the files hold 2 and 1 packets"
    assert "packet 1 differs" in shown(
        replace(GOOD, identical=False, difference="packet 1 differs")
    )
