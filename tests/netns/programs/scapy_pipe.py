# SPDX-License-Identifier: BSD-3-Clause
"""Takes datagrams from one device by a pipe, shows them and puts them out on another one."""

import sys
import time

from scapy.all import InjectSink, PipeEngine, QueueSink, SniffSource, TransformDrain

device, other, count = sys.argv[1:]
source = SniffSource(iface=device, filter="udp")
same = TransformDrain(lambda packet: packet)
queue, out = QueueSink(), InjectSink(iface=other)
engine = PipeEngine(source > same > queue, same > out)
engine.start()
while not (source.s and getattr(out, "s", None)):
    time.sleep(0.01)
print("ready", flush=True)
for _ in range(int(count)):
    packet = queue.recv(timeout=60)
    print(type(packet).__name__, bytes(packet).hex())
engine.stop()
assert source.s.closed
assert out.s.closed
