# SPDX-License-Identifier: BSD-3-Clause
"""A wrapper for the Packet Capture (PCAP) library: pcapy, by pfring.

Programs written for pcapy or pcapy-ng run on this module unmodified: through
`python -m pfring run program.py`, after `pfring.install_pcapy()`, or with
`from pfring import pcapy`. Where it differs, and why, is in docs/pcapy.md.
The objects are made in C++ (python/src/pcapy_*.cpp).
"""

from pfring._core import pcapy as _pcapy

BPFError = _pcapy.BPFError
BPFProgram = _pcapy.BPFProgram
PcapError = _pcapy.PcapError
compile = _pcapy.compile
create = _pcapy.create
findalldevs = _pcapy.findalldevs
lookupdev = _pcapy.lookupdev
open_live = _pcapy.open_live
open_offline = _pcapy.open_offline
del _pcapy

# Link types, as datalink() returns them.
DLT_NULL = 0
DLT_EN10MB = 1
DLT_IEEE802 = 6
DLT_ARCNET = 7
DLT_SLIP = 8
DLT_PPP = 9
DLT_FDDI = 10
DLT_ATM_RFC1483 = 11
DLT_RAW = 12
DLT_PPP_SERIAL = 50
DLT_PPP_ETHER = 51
DLT_C_HDLC = 104
DLT_IEEE802_11 = 105
DLT_LOOP = 108
DLT_LINUX_SLL = 113
DLT_LTALK = 114

# Arguments of setdirection().
PCAP_D_INOUT = 0
PCAP_D_IN = 1
PCAP_D_OUT = 2

# Arguments of set_fanout().
PACKET_FANOUT_HASH = 0
PACKET_FANOUT_LB = 1
PACKET_FANOUT_CPU = 2
PACKET_FANOUT_ROLLOVER = 3
PACKET_FANOUT_RND = 4
