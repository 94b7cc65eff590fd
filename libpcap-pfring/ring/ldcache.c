/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ldcache.c - reads the dynamic linker's cache; see ldcache.h.
 *
 * The format is glibc's since 2.2 (sysdeps/generic/dl-cache.h): a header, then
 * entries whose key and value are offsets of strings, counted from the header.
 * Until 2.32 an older table stood in front of it, so the header is searched
 * for. The file is only believed as far as it is inside its own bounds. Called
 * with pcaplib.c's lock held.
 */
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ldcache.h"

struct header {
	char magic[20];
	uint32_t entries;
	uint32_t strings;
	uint32_t unused[5];
};

struct entry {
	int32_t flags;
	uint32_t key, value;
	uint32_t osversion;
	uint64_t hwcap;
};

static const char magic[] = "glibc-ld.so.cache1.1"; /* without its zero in the file */

/* The string at this offset, NULL where it does not end inside. */
static const char *string_at(const char *base, size_t size, uint32_t at)
{
	return at < size && memchr(base + at, 0, size - at) ? base + at : NULL;
}

static bool walk(const char *base, size_t size, const char *soname,
		 bool (*found)(const char *path, void *arg), void *arg)
{
	struct header h;
	struct entry e;

	if (size < sizeof(h))
		return false;
	memcpy(&h, base, sizeof(h));
	if (h.entries > (size - sizeof(h)) / sizeof(e))
		return false;
	for (uint32_t i = 0; i < h.entries; i++) {
		const char *key, *path;

		memcpy(&e, base + sizeof(h) + i * sizeof(e), sizeof(e));
		key = string_at(base, size, e.key);
		path = string_at(base, size, e.value);
		if (key && path && !strcmp(key, soname) && found(path, arg))
			return true;
	}
	return false;
}

bool pfri_ldcache_each(const char *file, const char *soname,
		       bool (*found)(const char *path, void *arg), void *arg)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	bool done = false;
	const char *start;
	struct stat st;
	char *map;

	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && st.st_size > 0) {
		/* ldconfig renames a new file over the old one: ours cannot shrink. */
		map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (map != MAP_FAILED) {
			start = memmem(map, (size_t)st.st_size, magic, sizeof(magic) - 1);
			if (start)
				done = walk(start, (size_t)(map + st.st_size - start), soname,
					    found, arg);
			munmap(map, (size_t)st.st_size);
		}
	}
	close(fd);
	return done;
}
