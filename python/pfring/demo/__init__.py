# SPDX-License-Identifier: BSD-3-Clause
"""`pfring demo`: an unmodified pcapy program captures through us, tcpdump beside it.

`show` is the command; `play` runs one demonstration and tells a listener how
it goes, `view` is the listener that draws. sniffer.py is the program: read it.
"""
