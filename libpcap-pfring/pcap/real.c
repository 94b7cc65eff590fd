/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * real.c - finds the system's libpcap and its functions.
 *
 * By absolute path only: the bare name would find ourselves. Tried are
 * PFRING_LIBPCAP (not in privileged programs), the directories of the
 * distributions, and what the dynamic linker's cache says; a file that is this
 * very library, under whatever name, is passed over.
 */
#include <dlfcn.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "real.h"

/* Programs compiled without PIE copy these two out of the library: sizes are the ABI's. */
__attribute__((visibility("default"))) char pcap_version[7] = "unknown";
__attribute__((visibility("default"))) struct {
	const char *s;
	unsigned short p;
} eproto_db[13];

__attribute__((visibility("default"))) const char pfring_overlay_version[] = "5.4.4";

static char found[512];

static const char *const dirs[] = {
#ifdef PFRO_MULTIARCH
	"/usr/lib/" PFRO_MULTIARCH,
	"/lib/" PFRO_MULTIARCH,
#endif
	"/usr/lib64",
	"/lib64",
	"/usr/lib",
	"/lib",
	"/usr/local/lib64",
	"/usr/local/lib",
};

static const char *const names[] = {"libpcap.so.0.8", "libpcap.so.1"};

static bool ourselves(const char *path)
{
	struct stat us, it;
	Dl_info info;

	if (!dladdr(pfring_overlay_version, &info) || stat(info.dli_fname, &us))
		return false;
	return stat(path, &it) == 0 && us.st_dev == it.st_dev && us.st_ino == it.st_ino;
}

static void *try_path(const char *path)
{
	void *lib;

	if (path[0] != '/' || access(path, R_OK) || ourselves(path))
		return NULL;
	lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!lib)
		return NULL;
	/* Another copy of the overlay would only send us back here. */
	if (dlsym(lib, "pfring_overlay_version") || !dlsym(lib, "pcap_create")) {
		dlclose(lib);
		return NULL;
	}
	snprintf(found, sizeof(found), "%s", path);
	return lib;
}

static void *find(void)
{
	const char *env = getauxval(AT_SECURE) ? NULL : getenv("PFRING_LIBPCAP");
	char path[512];
	void *lib;

	if (env) {
		lib = try_path(env);
		if (lib)
			return lib;
	}
	for (size_t d = 0; d < sizeof(dirs) / sizeof(dirs[0]); d++)
		for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
			snprintf(path, sizeof(path), "%s/%s", dirs[d], names[n]);
			lib = try_path(path);
			if (lib)
				return lib;
		}
	return NULL;
}

const char *pfro_real_path(void)
{
	return found;
}

/* Ours are called with their types, the forwarded ones only jumped to. */
#define DEFINE_TYPED(name) __typeof__(name) *pfro_real_##name;
#define DEFINE_JUMP(name)  void (*pfro_real_##name)(void);
PFRO_OURS(DEFINE_TYPED)
PFRO_FORWARD(DEFINE_JUMP)
PFRO_NEW(DEFINE_JUMP)

/*
 * There is no libpcap to stand in for: what the dynamic linker would say for a
 * program that needs it, at the first call.
 */
static void absent(void)
{
	static const char text[] =
		"libpcap-pfring: the system's libpcap was not found; install it (libpcap0.8 on "
		"Debian), or set PFRING_LIBPCAP to its absolute path\n";

	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
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
	void *lib = find(), *data;

#define RESOLVE(name)     *(void **)(void *)&pfro_real_##name = resolve(lib, #name);
#define RESOLVE_NEW(name) *(void **)(void *)&pfro_real_##name = lib ? dlsym(lib, #name) : NULL;
	PFRO_OURS(RESOLVE)
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
