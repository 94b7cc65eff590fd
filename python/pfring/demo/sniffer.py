# SPDX-License-Identifier: BSD-3-Clause
"""A small sniffer as one writes it with pcapy; it has never heard of pfring.

usage: sniffer.py DEVICE FILTER FILE      (Ctrl-C ends it)
"""

import sys

import pcapy


def main(device, expression, path):
    reader = pcapy.open_live(device, 65536, True, 100)
    reader.setfilter(expression)
    dumper = reader.dump_open(path)
    count = 0

    def on_packet(header, data):
        nonlocal count
        dumper.dump(header, data)
        count += 1
        if count % 50 == 0:
            print(count, "packets", flush=True)

    print("listening on", device, flush=True)
    try:
        reader.loop(-1, on_packet)
    except KeyboardInterrupt:
        pass
    received, dropped, _ = reader.stats()
    print(count, "packets captured,", received, "received,", dropped, "dropped", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
