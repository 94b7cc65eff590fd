# SPDX-License-Identifier: BSD-3-Clause
"""The module comes and goes, with rings open, with traffic flowing, with wrong parameters."""

from __future__ import annotations

import errno
import subprocess
import threading
from pathlib import Path

import pytest
from module import MODULE, load, unload
from pfsock import Ring, ip, pair, refused
from traffic import traffic

PARAMETERS = None


@pytest.mark.slow
def test_module_comes_and_goes_100_times() -> None:
    for _ in range(100):
        load()
        with Ring("lo", caplen=100, lanes=1, size=65536):
            pass
        unload()


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
