# SPDX-License-Identifier: BSD-3-Clause
"""The recorder: dump what passes a filter, then read the file back with a BPFProgram."""

import sys

import pcapy

device, expression, count, path = sys.argv[1:]
with pcapy.open_live(device, 65536, 1, 10) as live:
    live.setfilter(expression)
    dumper = live.dump_open(path)
    print("ready", flush=True)
    live.loop(int(count), dumper.dump)
    dumper.close()
program = pcapy.BPFProgram(expression)
matched = total = 0
with pcapy.open_offline(path) as again:
    while True:
        header, data = again.next()
        if header is None:
            break
        total += 1
        matched += program.filter(data) != 0
print(total, matched)
