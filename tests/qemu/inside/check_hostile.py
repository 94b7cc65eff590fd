# SPDX-License-Identifier: BSD-3-Clause
"""Several CPUs at once, and a program that does what nobody should."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from check_reflect import two_pairs
from frames import numbered
from module import load, unload
from pfsock import Ring, Sender, pair, settle
from rulebook import pass_through
from traffic import traffic

PROGRAMS = Path(os.environ.get("PFRING_PROGRAMS", "/nowhere"))
SECONDS = 100  # three runs: five minutes
PARAMETERS = None
SLOW = pytest.mark.slow


@pytest.fixture
def loaded() -> Iterator[None]:
    load()
    yield
    unload()


def flood(senders: int, count: int, rings: int, lane: int) -> list[dict[str, int]]:
    """Run flood on a pair with as many queues as senders; its words as numbers."""
    with pair(queues=2) as (v0, v1):
        done = subprocess.run(
            [PROGRAMS / "flood", v0, v1, str(senders), str(count), str(rings), str(lane)],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return [
        dict(
            zip(
                ("ring", "got", "drop", "corrupt", "disorder"),
                map(int, re.findall(r"\d+", line)),
                strict=False,
            )
        )
        for line in done.stdout.splitlines()
    ]


@pytest.mark.usefixtures("loaded")
def test_two_cpus_sending_at_once_corrupt_nothing() -> None:
    (ring,) = flood(2, 10000, 1, 32 << 20)
    assert ring["got"] == 20000
    assert ring["drop"] == ring["corrupt"] == ring["disorder"] == 0


@pytest.mark.slow
@pytest.mark.usefixtures("loaded")
def test_four_senders_into_four_rings_lose_nothing() -> None:
    rings = flood(4, 5000, 4, 16 << 20)
    assert [r["got"] for r in rings] == [20000] * 4


@SLOW
@pytest.mark.usefixtures("loaded")
def test_books_balance_when_small_rings_overflow() -> None:
    rings = flood(2, 20000, 2, 65536)
    assert all(r["got"] + r["drop"] == 40000 and r["corrupt"] == 0 for r in rings)


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(
    ("seed", "seconds"),
    [(3, 4), *(pytest.param(n, SECONDS, marks=SLOW) for n in (1, 2))],
)
def test_hostile_root_does_no_harm(seed: int, seconds: int) -> None:
    stop = threading.Event()
    with pair(queues=2) as (v0, v1):
        thread = traffic(stop, v0, v1)
        subprocess.run(
            [PROGRAMS / "hostile", str(seconds), str(seed * 1000), v0, v1, "lo"],
            check=True,
            timeout=seconds + 600,
        )
        stop.set()
        thread.join()
        settle()
        with Ring(v1) as ring:
            sender = Sender(v0)
            sender.send(numbered(1))
            sender.close()
            assert [r.data for r in ring.collect(1)] == [numbered(1)]


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(
    ("seed", "seconds"), [(1, 5), *(pytest.param(n, SECONDS, marks=SLOW) for n in (2, 3))]
)
def test_rules_that_come_and_go_under_load_do_no_harm(seed: int, seconds: int) -> None:
    with two_pairs() as (v0, v1, w0, _):
        done = subprocess.run(
            [PROGRAMS / "rulestorm", str(seconds), str(seed * 1000), v0, v1, w0],
            capture_output=True,
            text=True,
            timeout=seconds + 600,
            check=False,
        )
        print(done.stdout)
        assert done.returncode == 0, done.stdout + done.stderr
        settle()
        with Ring(v1) as ring:
            assert pass_through(ring, v0, numbered(1)) == [numbered(1)]


@SLOW
@pytest.mark.usefixtures("loaded")
def test_hostile_user_in_namespaces_of_its_own_does_no_harm() -> None:
    inside = (
        "ip link add v0 type veth peer name v1;"
        "for d in v0 v1 lo; do ip link set $d up; done;"
        f"exec {PROGRAMS}/hostile {SECONDS} 7000 v0 v1 lo"
    )
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "unshare", "-Urn"]
    done = subprocess.run(
        [*user, "sh", "-c", inside],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS + 600,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
