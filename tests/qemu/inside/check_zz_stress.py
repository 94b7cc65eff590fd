# SPDX-License-Identifier: BSD-3-Clause
"""Concurrency, hostility and the module's own coming and going. Long, so last."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from frames import numbered
from module import MODULE, load, unload
from pfsock import Ring, Sender, ip, pair, refused

PROGRAMS = Path(os.environ.get("PFRING_PROGRAMS", "/nowhere"))
SECONDS = int(os.environ.get("PFRING_HOSTILE_SECONDS", "20"))
PARAMETERS = None


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
    (ring,) = flood(2, 20000, 1, 32 << 20)
    assert ring["got"] == 40000
    assert ring["drop"] == ring["corrupt"] == ring["disorder"] == 0


@pytest.mark.usefixtures("loaded")
def test_four_senders_into_four_rings_lose_nothing() -> None:
    rings = flood(4, 5000, 4, 16 << 20)
    assert [r["got"] for r in rings] == [20000] * 4


@pytest.mark.usefixtures("loaded")
def test_books_balance_when_small_rings_overflow() -> None:
    rings = flood(2, 20000, 2, 65536)
    assert all(r["got"] + r["drop"] == 40000 and r["corrupt"] == 0 for r in rings)


def traffic(stop: threading.Event, *devices: str) -> threading.Thread:
    """Frames on the devices until stop is set."""

    def run() -> None:
        senders = [Sender(d) for d in devices]
        number = 0
        while not stop.is_set():
            for sender in senders:
                with suppress(OSError):  # the device may be gone
                    sender.send(*(numbered(number + i, 60 + i * 40) for i in range(8)))
            number += 8

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("seed", [1, 2])
def test_hostile_root_does_no_harm(seed: int) -> None:
    stop = threading.Event()
    with pair(queues=2) as (v0, v1):
        thread = traffic(stop, v0, v1)
        subprocess.run(
            [PROGRAMS / "hostile", str(SECONDS), str(seed * 1000), v0, v1, "lo"],
            check=True,
            timeout=SECONDS + 120,
        )
        stop.set()
        thread.join()
        with Ring(v1) as ring:
            sender = Sender(v0)
            sender.send(numbered(1))
            sender.close()
            assert [r.data for r in ring.collect(1)] == [numbered(1)]


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
        timeout=SECONDS + 120,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr


def test_module_comes_and_goes_100_times() -> None:
    for _ in range(100):
        load()
        with Ring("lo", caplen=100, lanes=1, size=65536):
            pass
        unload()


def test_module_comes_and_goes_under_traffic() -> None:
    stop = threading.Event()
    with pair() as (v0, v1):
        thread = traffic(stop, v0)
        for _ in range(10):
            load()
            with Ring(v1) as a, Ring(0) as b:
                assert a.collect(20)
                assert b.collect(20)
            unload()
        stop.set()
        thread.join()


def test_module_in_use_stays() -> None:
    load()
    with Ring("lo"):
        done = subprocess.run(["rmmod", "pf_ring"], capture_output=True, text=True, check=False)
        assert done.returncode
        assert "in use" in done.stderr
    unload()


@pytest.mark.parametrize(
    "parameter",
    ["transparent_mode=3", "min_num_slots=0", "min_num_slots=2000000", "min_num_slots=x"],
)
def test_wrong_parameters_are_refused(parameter: str) -> None:
    done = subprocess.run(
        ["insmod", MODULE, parameter], capture_output=True, text=True, check=False
    )
    assert done.returncode
    assert not Path("/sys/module/pf_ring/parameters").exists()


def test_without_the_module_the_family_is_unknown() -> None:
    assert refused(errno.EAFNOSUPPORT, Ring, "lo")


def test_devices_come_and_go_under_any_rings_and_traffic() -> None:
    load()
    with Ring(0) as every:
        for _ in range(10):
            stop = threading.Event()
            with pair() as (v0, v1):
                thread = traffic(stop, v0)
                with Ring(v1) as one:
                    assert one.collect(10)
                    ip("link", "del", v0)
                stop.set()
                thread.join()
        assert every.read()
    unload()
