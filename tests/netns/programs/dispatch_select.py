# SPDX-License-Identifier: BSD-3-Clause
"""The event-loop idiom: create(), non-blocking, select() on getfd(), dispatch()."""

import select
import sys

import pcapy

cap = pcapy.create(sys.argv[1])
cap.set_snaplen(96)
cap.set_promisc(True)
cap.set_timeout(20)
cap.set_buffer_size(1 << 24)
assert cap.activate() == 0
cap.setnonblock(1)
print("ready", flush=True)
seen = []


def on_packet(header, data):
    seen.append((header.getlen(), data))


while len(seen) < int(sys.argv[2]):
    ready, _, _ = select.select([cap.getfd()], [], [], 60)
    if not ready:
        break
    cap.dispatch(-1, on_packet)
print(
    len(seen),
    sum(length for length, _ in seen),
    max(len(data) for _, data in seen),
    cap.stats()[:2],
)
cap.close()
