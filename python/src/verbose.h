/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * verbose.h - PFRING_VERBOSE in the environment: each handle tells on standard
 * error which path it took and why, in the words of the libpcap overlay.
 *
 * For programs that know nothing of us (`pfring run`) and so cannot ask the
 * handle. Called once per handle by what opens it, with or without the GIL.
 */
#ifndef PFRING_PY_VERBOSE_H
#define PFRING_PY_VERBOSE_H

#include <cstdio>
#include <cstdlib>

#include "pfring.h"

inline void tell_path(const char *source, pfring *ring)
{
	const char *wanted = getenv("PFRING_VERBOSE");
	const char *why = "";

	if (wanted == nullptr || *wanted == 0)
		return;
	const char *backend = pfring_get_backend(ring, &why);
	fprintf(stderr, "pfring: %s: backend %s (%s)\n", source, backend, why);
}

#endif /* PFRING_PY_VERBOSE_H */
