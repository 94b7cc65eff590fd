/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfring_mod_sysdig.h - for programs of the field that include it to print
 * system call events. No path of this library delivers such events
 * ("sysdig:" cannot be opened); the types are there so that they compile.
 */
#ifndef PFRING_MOD_SYSDIG_H
#define PFRING_MOD_SYSDIG_H

#include "pfring.h"

struct sysdig_event_header {
	u_int64_t ts; /* nanoseconds since the epoch */
	u_int64_t thread_id;
	u_int32_t event_len;
	u_int16_t event_type;
};

#endif /* PFRING_MOD_SYSDIG_H */
