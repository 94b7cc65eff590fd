# SPDX-License-Identifier: BSD-3-Clause
"""Is the peer of a tun device, alone and beside a socket on another device."""

import socket
import subprocess
import sys

from scapy.all import ICMP, IP, UDP, AsyncSniffer, TunTapInterface, conf, send, sniff, sr1

conf.verb = 0
LIMIT = 60
device, count = sys.argv[1], int(sys.argv[2])
tun = TunTapInterface("tun0")
print(type(tun).__module__)
for words in ("addr add 10.5.0.1/24 dev tun0", "link set tun0 up"):
    subprocess.run(["ip", *words.split()], check=True)
conf.ifaces.reload()
conf.route.resync()
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(LIMIT)
client.bind(("10.5.0.1", 5000))


def ask(text):
    client.sendto(text, ("10.5.0.2", 4001))


# The kernel asks, scapy answers as the peer, a sniffer looks on.
sniffer = AsyncSniffer(iface="tun0", count=2, started_callback=lambda: ask(b"one"))
sniffer.start()
asked = tun.recv()
tun.send(IP(src="10.5.0.2", dst="10.5.0.1") / UDP(sport=4001, dport=5000) / b"two")
print(type(asked).__name__, asked[UDP].payload.load, client.recvfrom(100))
sniffer.join(LIMIT)
print([(type(p).__name__, p.sniffed_on, p[IP].src, p[UDP].payload.load) for p in sniffer.results])

# What goes out by the route comes to the peer.
send(IP(dst="10.5.0.9", ttl=9) / ICMP(id=5))
print(tun.recv().command())


# Both in one sniff, in either order: the first socket selects.
def ready():
    ask(b"beside")
    print("ready", flush=True)


for order in (1, -1):
    own = conf.L2listen(iface=device)
    packets = sniff(
        opened_socket=[own, tun][::order], count=count + 1, timeout=LIMIT, started_callback=ready
    )
    own.close()
    print(sorted((type(p).__name__, bytes(p)[28:].hex()) for p in packets))

# In the place of scapy's socket: the kernel answers through the tun device.
conf.L3socket = tun
answer = sr1(IP(src="10.5.0.2", dst="10.5.0.1") / ICMP(id=6) / b"echo", timeout=LIMIT)
print(answer[ICMP].command())
