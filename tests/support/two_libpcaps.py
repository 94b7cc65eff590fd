# SPDX-License-Identifier: BSD-3-Clause
"""A program that captures in one Python process through scapy, ctypes, pcapy-ng and pfring.

    python two_libpcaps.py ORDER OURS FRAMES UDP

ORDER says which libpcap is loaded first: "scapy", "ours" (by the path OURS) or
"scapy only". Prints "ready", reads FRAMES frames with every reader (UDP of them
with the one that has a filter, and whatever else it is given), and prints as
JSON what each got, and the libpcaps in memory. For test_overlay_python.py.
"""

import ctypes
import hashlib
import itertools
import json
import re
import sys
import time
import warnings
from pathlib import Path


class Header(ctypes.Structure):
    """struct pcap_pkthdr."""

    _fields_ = (
        ("seconds", ctypes.c_long),
        ("micros", ctypes.c_long),
        ("caplen", ctypes.c_uint32),
        ("length", ctypes.c_uint32),
    )


class Plain:
    """libpcap by hand."""

    def __init__(self, path: str) -> None:
        self.lib = ctypes.CDLL(path)
        self.lib.pcap_open_live.restype = ctypes.c_void_p
        self.lib.pcap_geterr.restype = ctypes.c_char_p
        errbuf = ctypes.create_string_buffer(256)
        self.p = ctypes.c_void_p(self.lib.pcap_open_live(b"cap0", 262144, 1, 10, errbuf))
        if not self.p:
            raise OSError(errbuf.value.decode())

    def read(self, count: int) -> list[bytes]:
        header, data = ctypes.POINTER(Header)(), ctypes.c_void_p()
        frames: list[bytes] = []
        while len(frames) < count:
            code = self.lib.pcap_next_ex(self.p, ctypes.byref(header), ctypes.byref(data))
            if code < 0:
                raise OSError(self.lib.pcap_geterr(self.p))
            if code:
                assert data.value
                frames.append(ctypes.string_at(data.value, header.contents.caplen))
        self.lib.pcap_close(self.p)
        return frames


def main(order: str, ours: str, count: int, of_udp: int) -> None:
    warnings.simplefilter("ignore")
    readers = {}
    if order == "ours":
        readers["ours"] = Plain(ours)
    from scapy.config import conf

    conf.use_pcap = True
    socket = conf.L2listen(iface="cap0", promisc=True)
    filtered = conf.L2listen(iface="cap0", promisc=True, filter="udp")
    if order == "scapy":
        readers["ours"] = Plain(ours)
    import pcapy  # type: ignore[import-not-found]
    import pfring

    reader = pcapy.open_live("cap0", 262144, 1, 10)
    ring = pfring.open("cap0")
    print("ready", flush=True)

    got = {name: reader_.read(count) for name, reader_ in readers.items()}
    got["ring"] = [data for _, data in itertools.islice(ring, count)]
    got["scapy"] = []
    while len(got["scapy"]) < count:
        _, data, _ = socket.recv_raw()
        if data is not None:
            got["scapy"].append(bytes(data))
    got["pcapy"] = []
    while len(got["pcapy"]) < count:
        header, data = reader.next()
        if header is not None:
            got["pcapy"].append(data)
    udp: list[bytes] = []
    filtered.pcap_fd.setnonblock(True)  # type: ignore[attr-defined]
    end, empty = time.monotonic() + 60, 0
    while time.monotonic() < end and empty < 20:
        _, data, _ = filtered.recv_raw()
        if data is not None:
            udp.append(bytes(data))
        elif len(udp) >= of_udp:
            empty += 1
        else:
            time.sleep(0.01)
    ring.close()
    socket.close()
    filtered.close()
    maps = Path("/proc/self/maps").read_text()
    result = {name: [len(f), hashlib.sha256(b"".join(f)).hexdigest()] for name, f in got.items()}
    result["udp"] = [len(udp), hashlib.sha256(b"".join(udp)).hexdigest()]
    result["loaded"] = sorted(set(re.findall(r"/\S*libpcap\S*\.so\S*", maps)))
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
