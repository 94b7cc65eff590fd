# SPDX-License-Identifier: BSD-3-Clause
"""Plays a machine that is not there: answers ARP for it, and datagrams, until told to stop."""

import sys

from scapy.all import IP, UDP, AnsweringMachine, ARP_am, conf, send

device, address, ether = sys.argv[1:]
conf.verb = 0


class Greeter(AnsweringMachine):
    filter = f"udp and dst host {address} and dst port 4001"
    send_function = staticmethod(send)

    def is_request(self, req):
        return UDP in req

    def make_reply(self, req):
        ip, udp = req[IP], req[UDP]
        answer = b"answer to " + bytes(udp.payload)
        return IP(src=ip.dst, dst=ip.src) / UDP(sport=udp.dport, dport=udp.sport) / answer


machine = ARP_am(IP_addr=address, ARP_addr=ether, iface=device, verbose=True)
background = machine.bg()
Greeter(iface=device, verbose=True)(stop_filter=lambda p: bytes(p[UDP].payload) == b"stop")
background.stop()
print("over")
