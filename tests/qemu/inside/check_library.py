# SPDX-License-Identifier: BSD-3-Clause
"""The backend pfring: of libpfring, held to the contract that every backend keeps."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from module import load, unload
from patience import until
from pfsock import ip

PARAMETERS = None
BUILD = Path(__file__).resolve().parents[3] / "build" / "dev"
CONTRACT = BUILD / "tests/netns/contract/contract"
QUICK = {
    "packets_come_whole_and_in_order",
    "one_packet_is_not_held_back",
    "the_descriptor_is_quiet_when_the_last_packet_was_taken",
    "a_new_filter_also_holds_for_queued_packets",
    "a_full_ring_drops_the_newest_and_says_so",
    "a_childs_close_does_not_disturb_the_parent",
    "sent_frames_arrive",
    "promiscuity_is_counted",
    "a_removed_device_ends_the_capture",
}


def cases() -> list[str]:
    """The contract's cases for a live backend."""
    if not CONTRACT.exists():
        raise FileNotFoundError(f"{CONTRACT} is not built; run ./dev test qemu")
    return subprocess.run(
        [CONTRACT, "--list", "pfring"], capture_output=True, text=True, check=True
    ).stdout.split()


assert set(cases()) >= QUICK


@pytest.fixture(scope="module", autouse=True)
def loaded() -> Iterator[None]:
    load()
    yield
    unload()


@pytest.fixture(scope="module")
def namespaces() -> Iterator[None]:
    """Namespaces sender and reader."""
    for name in ("sender", "reader"):
        ip("netns", "add", name)
        ip("-n", name, "link", "set", "lo", "up")
        setting = "net.ipv6.conf.default.disable_ipv6=1"
        subprocess.run(["ip", "netns", "exec", name, "sysctl", "-qw", setting], check=True)
    yield
    for name in ("sender", "reader"):
        ip("netns", "del", name)


def is_up(namespace: str, device: str) -> bool:
    return " state UP " in ip("-n", namespace, "link", "show", device)


@pytest.fixture
def wire(namespaces: None) -> Iterator[None]:
    """gen0 in namespace sender, cap0 in namespace reader, both silent."""
    ip(
        *("-n", "sender", "link", "add", "gen0", "up", "arp", "off", "type", "veth"),
        *("peer", "name", "cap0", "netns", "reader"),
    )
    ip("-n", "reader", "link", "set", "cap0", "up", "arp", "off")
    # As pfsock.carry() does: each starts to send when its carrier has been seen.
    for place in (("sender", "gen0"), ("reader", "cap0")):
        until(partial(is_up, *place))
        ip("-n", place[0], "link", "set", place[1], "up")
    yield
    for namespace, device in (("sender", "gen0"), ("reader", "q0")):
        # The case may have removed the one, and may not have made the other.
        with suppress(subprocess.CalledProcessError):
            ip("-n", namespace, "link", "del", device)


@pytest.mark.parametrize(
    "case", [c if c in QUICK else pytest.param(c, marks=pytest.mark.slow) for c in cases()]
)
@pytest.mark.usefixtures("wire")
def test_contract(case: str, tmp_path: Path) -> None:
    # On one CPU: veth itself reorders what a thread sends while it moves to another one.
    command: list[str | Path] = ["ip", "netns", "exec", "reader", "taskset", "-c", "0"]
    command += [CONTRACT, case, "pfring", "sender", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr or f"ended by signal {-done.returncode}"
