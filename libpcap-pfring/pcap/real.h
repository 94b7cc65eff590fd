/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * real.h - the system's libpcap, of which everything we do not do is asked.
 *
 * Loaded in a constructor (real.c); from then on read-only.
 */
#ifndef PFRO_REAL_H
#define PFRO_REAL_H

#include <pcap/pcap.h>

#include "symbols.h"

#pragma GCC visibility push(hidden)
/* pfro_real_pcap_create and so on: the functions that we call, with their types. */
#define PFRO_DECLARE(name) extern __typeof__(name) *pfro_real_##name;
PFRO_OURS(PFRO_DECLARE)
PFRO_ASKED(PFRO_DECLARE)
#undef PFRO_DECLARE

#define REAL(name) pfro_real_##name

/* Where it was found. */
const char *pfro_real_path(void);

#pragma GCC visibility pop
#endif /* PFRO_REAL_H */
