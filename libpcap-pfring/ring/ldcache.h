/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ldcache.h - where the dynamic linker's cache says that a library is.
 *
 * For pcaplib.c, which must load by absolute path what distributions put into
 * directories we have never heard of.
 */
#ifndef PFRI_LDCACHE_H
#define PFRI_LDCACHE_H

#include <stdbool.h>

#define PFRI_LDCACHE "/etc/ld.so.cache"

/*
 * Calls found with each path that the cache file has for soname, until it
 * returns true; returns whether it did. A file that is missing, or is not what
 * it should be, has none.
 */
bool pfri_ldcache_each(const char *file, const char *soname,
		       bool (*found)(const char *path, void *arg), void *arg);

#endif /* PFRI_LDCACHE_H */
