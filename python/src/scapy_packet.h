/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scapy_packet.h - scapy packets that are dissected when somebody looks.
 *
 * Such a packet is a plain instance of scapy's own class with most of its slots
 * empty. Python asks Packet.__getattr__ for an empty slot, and while pfring's
 * backend is installed that is ours: it dissects with scapy and fills the slots.
 * Everything with the GIL held; not for free-threaded builds.
 */
#ifndef PFRING_PY_SCAPY_PACKET_H
#define PFRING_PY_SCAPY_PACKET_H

#include <Python.h>

/*
 * A new lazy packet of a frame, if it is a plain one and laziness is on. nullptr
 * without an error set: let scapy dissect it. data is a bytes object, time what
 * the packet's time shall be.
 */
PyObject *scapy_packet_new(PyObject *data, PyObject *time);

#endif /* PFRING_PY_SCAPY_PACKET_H */
