/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * batch.h - makes a batch for Python of packets that were copied.
 *
 * With the GIL held.
 */
#ifndef PFRING_PY_BATCH_H
#define PFRING_PY_BATCH_H

#include <pybind11/pybind11.h>

#include "batch_store.h"
#include "errors.h"

/* A pfring._core.PacketBatch. */
pybind11::object batch_of(std::shared_ptr<PacketStore> store, bool ethernet);

#endif /* PFRING_PY_BATCH_H */
