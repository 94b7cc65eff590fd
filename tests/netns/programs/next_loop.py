# SPDX-License-Identifier: BSD-3-Clause
"""The loop of pcapy's README: next() until the header is None."""

import sys

import pcapy

device, count = sys.argv[1], int(sys.argv[2])
cap = pcapy.open_live(device, 65536, 1, 100)
print("ready", flush=True)
seen = octets = 0
while seen < count:
    (header, packet) = cap.next()
    if header is None:
        break
    seconds, micros = header.getts()
    assert 0 <= micros < 1_000_000 < seconds
    assert header.getcaplen() == len(packet) <= header.getlen()
    seen += 1
    octets += len(packet)
print(seen, octets)
