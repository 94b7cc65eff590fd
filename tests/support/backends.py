# SPDX-License-Identifier: BSD-3-Clause
"""The backends that every common test runs on."""

LIVE = ("packet", "bpf")
ALL = (*LIVE, "pcap", "file")
