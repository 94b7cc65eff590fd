/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * names.h - the grammar of device names: [backend:]device[@queues].
 *
 *      eth0   any   eth0@2   eth0@1,3-5   packet:eth0@0   file:/path/trace.pcapng
 *
 * A prefix counts only if it is a backend's name, so a path or an interface
 * may hold colons. Queues are 0..63. After "file:" everything is the path.
 */
#ifndef PFRI_NAMES_H
#define PFRI_NAMES_H

#include "backend.h"

/* 0, or -EINVAL / -ENAMETOOLONG with the reason in pfring_last_error(). */
int pfri_name_parse(const char *text, struct pfri_name *name);

#endif /* PFRI_NAMES_H */
