# SPDX-License-Identifier: BSD-3-Clause
"""The thread idiom of impacket's sniffers: a thread loops over the reader, main waits."""

import struct
import sys
from threading import Thread

import pcapy


class DecoderThread(Thread):
    def __init__(self, pcap_object, limit):
        Thread.__init__(self)
        datalink = pcap_object.datalink()
        if datalink != pcapy.DLT_EN10MB:
            raise Exception(f"Datalink type not supported: {datalink}")
        self.pcap = pcap_object
        self.limit = limit
        self.protocols = {}

    def run(self):
        self.pcap.loop(self.limit, self.packet_handler)

    def packet_handler(self, header, data):
        (kind,) = struct.unpack_from("!H", data, 12)
        self.protocols[kind] = self.protocols.get(kind, 0) + 1


def main(device, expression, limit):
    assert device in pcapy.findalldevs()
    p = pcapy.open_live(device, 1500, 0, 100)
    p.setfilter(expression)
    net, mask = p.getnet(), p.getmask()
    print(f"Listening on {device}: net={net}, mask={mask}, linktype={p.datalink()}", flush=True)
    thread = DecoderThread(p, int(limit))
    thread.start()
    thread.join()
    print(sorted(thread.protocols.items()))


main(*sys.argv[1:])
