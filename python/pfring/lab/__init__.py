# SPDX-License-Identifier: BSD-3-Clause
"""The lab: what the demo, the tests and the benchmarks need around a capture.

`netns` makes two network namespaces joined by a veth pair, `trace` (with
`frames`) builds the mixed trace, `replay` sends it, `tcpdump` runs the
reference beside us and `capfile` compares what both wrote. Nothing here
imports the capture engine, so a bug there cannot hide itself here.
"""
