# SPDX-License-Identifier: BSD-3-Clause
"""What goes on in a stream of flows: totals, rates over time, protocols, talkers.

Fed by `pfring top` and `pfring stats` with batches of parsed columns; memory is bounded however
long it runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .batch import numpy_of
from .tally import Protocols, Talkers

if TYPE_CHECKING:
    from pathlib import Path

    from .batch import Flows

_BUCKETS = 4096  # of time; when they are used up, each holds twice as much time


class Survey:
    """Counts flows; `width_ns` is the time of one bucket of the rates.

    queues: packets and bytes of each receive queue, of -1 where that is not known.
    """

    def __init__(self) -> None:
        self.packets = self.bytes = 0
        self.first_ns = self.last_ns = 0
        self.protocols = Protocols()
        self.talkers = Talkers("both", limit=100_000)
        self.queues: dict[int, list[int]] = {}
        self.width_ns = 100_000_000
        self._rates: dict[int, list[int]] = {}

    def add(self, flows: Flows) -> None:
        """Count a batch."""
        np = numpy_of("counting flows")
        if not len(flows):
            return
        self.protocols.add(flows)
        self.talkers.add(flows)
        stamps, sizes = flows.ts_ns, flows.len
        low, high = int(stamps.min()), int(stamps.max())
        self.first_ns = low if not self.packets else min(self.first_ns, low)
        self.last_ns = max(self.last_ns, high)
        self.packets += len(flows)
        self.bytes += int(sizes.sum(dtype=np.uint64))
        self._add_queues(np, flows.queue, sizes)
        buckets, inverse = np.unique(stamps // self.width_ns, return_inverse=True)
        packets = np.bincount(inverse)
        octets = np.bincount(inverse, sizes.astype(np.float64))
        for bucket, n, size in zip(buckets.tolist(), packets, octets, strict=True):
            rate = self._rates.setdefault(bucket, [0, 0])
            rate[0] += int(n)
            rate[1] += int(size)
        while len(self._rates) > _BUCKETS:
            self._widen()

    def _add_queues(self, np: Any, queues: Any, sizes: Any) -> None:
        packets = np.bincount(queues.astype(np.int32) + 1)  # -1, where not known, goes to 0
        octets = np.bincount(queues.astype(np.int32) + 1, sizes.astype(np.float64))
        for number in packets.nonzero()[0].tolist():
            count = self.queues.setdefault(number - 1, [0, 0])
            count[0] += int(packets[number])
            count[1] += int(octets[number])

    def _widen(self) -> None:
        self.width_ns *= 2
        old, self._rates = self._rates, {}
        for bucket, (packets, octets) in old.items():
            rate = self._rates.setdefault(bucket // 2, [0, 0])
            rate[0] += packets
            rate[1] += octets

    @property
    def seconds(self) -> float:
        """Time from the first packet to the last."""
        return (self.last_ns - self.first_ns) / 1e9

    def rates(self) -> tuple[list[float], list[float], list[float]]:
        """Return seconds since the first packet, packets per second, and bits per second."""
        width = self.width_ns / 1e9
        if not self._rates:
            return [], [], []
        first, last = min(self._rates), max(self._rates)
        step = max(1, (last - first) // _BUCKETS + 1)  # long silences need no bucket each
        numbers = range(first, last + 1, step)
        counts = [[0, 0] for _ in numbers]
        for bucket, (packets, octets) in self._rates.items():
            counts[(bucket - first) // step][0] += packets
            counts[(bucket - first) // step][1] += octets
        span = width * step
        return (
            [(number - first) * width for number in numbers],
            [packets / span for packets, _ in counts],
            [octets * 8 / span for _, octets in counts],
        )


def plot(survey: Survey, title: str, path: Path) -> None:
    """Draw rates, protocols and talkers into a picture; needs matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError as e:
        raise ImportError("--plot needs matplotlib: pip install 'pfring[plot]'") from e
    figure = Figure(figsize=(10, 7), layout="constrained")
    grid = figure.add_gridspec(2, 2)
    seconds, packets, bits = survey.rates()
    rate = figure.add_subplot(grid[0, :])
    rate.fill_between(seconds, packets, step="post", alpha=0.4)
    rate.set(xlabel="seconds", ylabel="packets/s", title=title)
    other = rate.twinx()
    other.plot(seconds, [x / 1e6 for x in bits], color="C1", linewidth=1, drawstyle="steps-post")
    other.set_ylabel("Mbit/s", color="C1")
    rows: list[tuple[str, int]]
    for column, name, rows in (
        (0, "packets by protocol", [(n, p) for n, p, _ in survey.protocols.top(8)]),
        (1, "packets by host", [(t.address, t.packets) for t in survey.talkers.top(8)]),
    ):
        axes = figure.add_subplot(grid[1, column])
        axes.barh([n for n, _ in rows][::-1], [p for _, p in rows][::-1])
        axes.set_title(name)
    figure.savefig(path)
