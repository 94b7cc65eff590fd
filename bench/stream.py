# SPDX-License-Identifier: BSD-3-Clause
"""One TCP stream as fast as it goes: stream.py recv PORT, stream.py send HOST PORT SECONDS.

The receiver takes one connection and prints {"bytes", "seconds"} of it. Run by
experiments.py in the two name spaces while a capture runs or does not.
"""

from __future__ import annotations

import json
import socket
import sys
import time

CHUNK = 1 << 20


def receive(port: int) -> None:
    listener = socket.create_server(("", port))
    print("ready", flush=True)
    connection, _ = listener.accept()
    buffer = bytearray(CHUNK)
    total, start = 0, time.monotonic()
    while n := connection.recv_into(buffer):
        total += n
    print(json.dumps({"bytes": total, "seconds": time.monotonic() - start}), flush=True)


def send(host: str, port: int, seconds: float) -> None:
    connection = socket.create_connection((host, port))
    chunk = bytes(CHUNK)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        connection.sendall(chunk)


if sys.argv[1] == "recv":
    receive(int(sys.argv[2]))
else:
    send(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
