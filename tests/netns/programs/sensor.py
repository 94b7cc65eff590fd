# SPDX-License-Identifier: BSD-3-Clause
"""The sensor idiom of pcapy-ng 2: fan-out members, each with loop_filtered() in a thread."""

import sys
import threading

import pcapy

device, members, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
caps = [pcapy.open_live(device, 65535, True, 10) for _ in range(members)]
for cap in caps:
    cap.set_fanout(0x4711, pcapy.PACKET_FANOUT_HASH)
print("ready", flush=True)
done = threading.Event()


def run(cap):
    cap.loop_filtered(-1, lambda header, data, cls: None, 1 << 1, flow_cutoff=1)


threads = [threading.Thread(target=run, args=(cap,), daemon=True) for cap in caps]
for thread in threads:
    thread.start()
while sum(sum(cap.filtered_stats()[:2]) for cap in caps) < count:
    done.wait(0.02)
heads = sum(cap.filtered_stats()[3] for cap in caps)
shares = [sum(cap.filtered_stats()[:2]) for cap in caps]
for cap in caps:
    cap.close()
for thread in threads:
    thread.join(60)
print(sum(shares), heads, sum(share > 0 for share in shares), sum(t.is_alive() for t in threads))
