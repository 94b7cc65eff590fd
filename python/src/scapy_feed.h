/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scapy_feed.h - registers the Feed of scapy_feed.cpp and the types of
 * scapy_packet.cpp; called once each by scapy_model.cpp, with the GIL.
 */
#ifndef PFRING_PY_SCAPY_FEED_H
#define PFRING_PY_SCAPY_FEED_H

#include <pybind11/pybind11.h>

void register_scapy_feed(pybind11::module_ &m);
void register_scapy_packet();

#endif /* PFRING_PY_SCAPY_FEED_H */
