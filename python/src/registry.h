/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * registry.h - what each file of the extension adds to the module.
 *
 * Called once each by module.cpp, with the GIL held, in this order.
 */
#ifndef PFRING_PY_REGISTRY_H
#define PFRING_PY_REGISTRY_H

#include <pybind11/pybind11.h>

struct Ring;

void register_dumper(pybind11::module_ &m);
void register_ring_iterator(pybind11::module_ &m);
void register_ring(pybind11::module_ &m);
void register_rules(pybind11::class_<Ring> &ring); /* called by register_ring() */
void register_filter(pybind11::module_ &m);
void register_parse(pybind11::module_ &m);
void register_devices(pybind11::module_ &m);
void register_batch(pybind11::module_ &m);
void register_arrow(pybind11::module_ &m);
void register_hosts(pybind11::module_ &m);
void register_collector(pybind11::module_ &m);
void register_writer(pybind11::module_ &m);
void register_pcapy(pybind11::module_ &m);
void register_scapy(pybind11::module_ &m);

#endif /* PFRING_PY_REGISTRY_H */
