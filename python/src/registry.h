/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * registry.h - what each file of the extension adds to the module.
 *
 * Called once each by module.cpp, with the GIL held, in this order.
 */
#ifndef PFRING_PY_REGISTRY_H
#define PFRING_PY_REGISTRY_H

#include <pybind11/pybind11.h>

#endif /* PFRING_PY_REGISTRY_H */
