# SPDX-License-Identifier: BSD-3-Clause
"""Ring.lanes(), Ring.details() and the queue column: what they say adds up to the ring's books."""

from __future__ import annotations

import ctypes
import fcntl
import socket
import struct

import pfring
import pytest
from pfring.lab.netns import Namespace, Wire
from pfring.lab.replay import Replay
from pfring.lab.trace import Trace

SIOCETHTOOL, ETHTOOL_STSO, ETHTOOL_SGRO = 0x8946, 0x1F, 0x2C
BACKENDS = ("packet", "bpf")


def opened(wire: Wire, backend: str, **options: object) -> pfring.Ring:
    with wire.rx.entered():
        return pfring.open(f"{backend}:{Wire.CAPTURE}", timeout=1, **options)  # type: ignore[arg-type]


def switch(namespace: Namespace, device: str, what: int, on: bool) -> None:
    """Do what `ethtool -K` does."""
    value = ctypes.create_string_buffer(struct.pack("=II", what, on))
    request = struct.pack("16sP16x", device.encode(), ctypes.addressof(value))
    with namespace.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        fcntl.ioctl(asked, SIOCETHTOOL, request)


def receive_by_napi(wire: Wire) -> None:
    """Let veth receive as a NIC does, which then knows its queues."""
    switch(wire.tx, Wire.SENDER, ETHTOOL_STSO, False)
    switch(wire.rx, Wire.CAPTURE, ETHTOOL_SGRO, True)


@pytest.mark.parametrize("backend", BACKENDS)
def test_lanes_say_together_what_the_ring_says(wire: Wire, trace: Trace, backend: str) -> None:
    with opened(wire, backend, buffer=1 << 20) as ring, Replay(wire, trace.frames) as replay:
        assert len(ring.lanes()) == ring.details().lanes >= 1
        assert all(lane.bytes > 0 and lane.accepted == lane.dropped == 0 for lane in ring.lanes())
        sent = replay.send().packets
        full, stats = ring.lanes(), ring.stats()
        kept = sum(1 for _ in ring)
        read = ring.lanes()
    assert stats.drop > 0
    assert stats.recv + stats.drop == sent
    assert sum(lane.accepted for lane in full) == stats.recv == kept
    assert sum(lane.dropped for lane in full) == stats.drop
    assert sum(lane.queued for lane in full) > 0
    assert all(lane.queued <= lane.bytes for lane in full)
    assert sum(lane.queued for lane in read) < sum(lane.queued for lane in full)


@pytest.mark.parametrize(("backend", "place"), [("packet", "kernel"), ("bpf", "ebpf")])
def test_details_say_where_the_filter_runs(wire: Wire, backend: str, place: str) -> None:
    with opened(wire, backend, snaplen=96) as ring:
        before = ring.details()
        assert (before.filter, before.filter_length, before.program) == ("", 0, "")
        ring.set_filter("tcp port 443")
        after = ring.details()
    assert (before.snaplen, before.copies) == (96, 1)
    assert before.clock in ("tai", "monotonic", "kernel")
    assert after.filter == place
    assert after.filter_length == len(after.program.splitlines()) > 5
    assert "443" in after.program or "0x1bb" in after.program


def test_a_file_has_no_lanes_and_filters_in_the_library(trace_file: str) -> None:
    with pfring.open(trace_file, "tcp") as ring:
        assert ring.lanes() == []
        assert ring.details().filter == "user"
    with pytest.raises(pfring.Closed):
        ring.lanes()
    with pytest.raises(pfring.Closed):
        ring.details()


def test_a_batch_knows_the_queue_of_each_packet(trace: Trace) -> None:
    with Wire(queues=2) as wire:
        receive_by_napi(wire)
        frames = trace.frames[:2000]
        with opened(wire, "bpf", buffer=64 << 20) as ring, Replay(wire, frames) as replay:
            sent = replay.send().packets
            got: list[int] = []
            for batch in ring.batches():
                got += batch.queue.tolist()
                assert batch.flows().queue.tolist() == batch.queue.tolist()
                assert batch.copy().queue.tolist() == batch.queue.tolist()
                if len(got) == sent:
                    break
    assert len(got) == sent
    # Not every frame takes that way: what is split or merged on it forgets its queue.
    assert {0, 1} & set(got)
    assert set(got) <= {-1, 0, 1}


def test_where_no_queue_is_known_it_is_minus_one(trace_file: str) -> None:
    with pfring.open(trace_file) as ring:
        for view in (True, False):
            batch = next(ring.batches(100, copy=view))
            assert set(batch.queue.tolist()) == {-1}
        assert set(next(ring.flows(100)).queue.tolist()) == {-1}
