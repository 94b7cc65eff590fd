/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfring_priv.h - for programs of the field that include it to have likely()
 * and unlikely(); both are in pfring.h. Nothing of the library is private here.
 */
#ifndef PFRING_PRIV_H
#define PFRING_PRIV_H

#include "pfring.h"

#endif /* PFRING_PRIV_H */
