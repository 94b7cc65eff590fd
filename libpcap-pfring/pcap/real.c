/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * real.c - the system's libpcap, and its functions by name.
 *
 * libpfring finds it (pfring_libpcap(): by absolute path, never this very
 * library); the table is filled in a constructor, so that forwarding is one
 * jump without a question. From then on it is read-only, for all threads.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pfring.h"
#include "real.h"

/* Programs compiled without PIE copy these two out of the library: sizes are the ABI's. */
__attribute__((visibility("default"))) char pcap_version[7] = "unknown";
__attribute__((visibility("default"))) struct {
	const char *s;
	unsigned short p;
} eproto_db[13];

/* By this symbol other copies of us, and libpfring's search, know that we are not the real one. */
__attribute__((visibility("default"))) const char pfring_overlay_version[] = "5.4.4";

static char why_not[256];

const char *pfro_real_path(void)
{
	const char *path;

	return pfring_libpcap(&path) ? path : "none was found";
}

/* Ours are called with their types, the forwarded ones only jumped to. */
#define DEFINE_TYPED(name) __typeof__(name) *pfro_real_##name;
#define DEFINE_JUMP(name) void (*pfro_real_##name)(void);
PFRO_OURS(DEFINE_TYPED)
PFRO_ASKED(DEFINE_TYPED)
PFRO_FORWARD(DEFINE_JUMP)
PFRO_NEW(DEFINE_JUMP)

/*
 * There is no libpcap to stand in for: what the dynamic linker would do to a
 * program that needs it, at the first call.
 */
static void absent(void)
{
	static const char name[] = "libpcap-pfring: ";

	if (write(STDERR_FILENO, name, sizeof(name) - 1) < 0 ||
	    write(STDERR_FILENO, why_not, strlen(why_not)) < 0 || write(STDERR_FILENO, "\n", 1) < 0)
		_exit(127);
	_exit(127);
}

static void *resolve(void *lib, const char *name)
{
	void *f = lib ? dlsym(lib, name) : NULL;

	return f ? f : (void *)absent;
}

__attribute__((constructor)) static void load(void)
{
	void *lib = pfring_libpcap(NULL), *data;

	snprintf(why_not, sizeof(why_not), "%s",
		 lib ? "the system's libpcap lacks a call that this program makes"
		     : pfring_last_error());
#define RESOLVE(name) *(void **)(void *)&pfro_real_##name = resolve(lib, #name);
#define RESOLVE_NEW(name) *(void **)(void *)&pfro_real_##name = lib ? dlsym(lib, #name) : NULL;
	PFRO_OURS(RESOLVE)
	PFRO_ASKED(RESOLVE)
	PFRO_FORWARD(RESOLVE)
	PFRO_NEW(RESOLVE_NEW)
	if (!lib)
		return;
	data = dlsym(lib, "pcap_version");
	if (data)
		memcpy(pcap_version, data, sizeof(pcap_version));
	data = dlsym(lib, "eproto_db");
	if (data)
		memcpy(eproto_db, data, sizeof(eproto_db));
}
