/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PFring.h - the name under which programs written for PF_RING's C++ class
 * (userland/c++) include it. All of it is in pfring.hpp.
 */
#ifndef PFRING_CLASS_H
#define PFRING_CLASS_H

#include "pfring.hpp"

#endif /* PFRING_CLASS_H */
