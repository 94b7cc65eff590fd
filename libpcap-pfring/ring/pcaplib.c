/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcaplib.c - finds and loads the system libpcap.
 *
 * Called by filter.c, file.c, pcap.c and devices.c, by any thread, when a
 * filter, a file or a device list first needs it. Once loaded it stays for the
 * life of the process; a failure is not remembered, so that a long-running
 * program can go on after libpcap was installed.
 *
 * Our own libpcap.so (the overlay) has the same file names and may be first on
 * the linker's path. It calls this library, so loading it here would end in a
 * circle: it is known by a symbol of its own and passed over.
 */
#include <dlfcn.h>
#include <stddef.h>
#include <sys/auxv.h>

#include "backend.h"
#include "ldcache.h"
#include "pcaplib.h"

#define OVERLAY_MARK "pfring_overlay_version"

#if defined(__x86_64__) && !defined(__ILP32__)
#define TRIPLET "x86_64-linux-gnu"
#elif defined(__aarch64__)
#define TRIPLET "aarch64-linux-gnu"
#elif defined(__i386__)
#define TRIPLET "i386-linux-gnu"
#elif defined(__arm__)
#define TRIPLET "arm-linux-gnueabihf"
#elif defined(__riscv)
#define TRIPLET "riscv64-linux-gnu"
#elif defined(__powerpc64__)
#define TRIPLET "powerpc64le-linux-gnu"
#elif defined(__s390x__)
#define TRIPLET "s390x-linux-gnu"
#elif defined(__loongarch64)
#define TRIPLET "loongarch64-linux-gnu"
#endif

/* Where distributions install it; a file of another architecture fails to load and is passed. */
static const char *const dirs[] = {
#ifdef TRIPLET
	"/usr/lib/" TRIPLET "/", "/lib/" TRIPLET "/",
#endif
	"/usr/lib64/",		 "/lib64/",	      "/usr/lib/", "/lib/",
	"/usr/local/lib64/",	 "/usr/local/lib/",
};

/* Debian and Ubuntu; everybody else. */
static const char *const sonames[] = {"libpcap.so.0.8", "libpcap.so.1"};

/* Where each symbol goes in the table. */
#define CALL(name)                                                                                 \
	{                                                                                          \
		"pcap_" #name, offsetof(struct pfri_pcaplib, name)                                 \
	}
static const struct {
	const char *symbol;
	size_t offset;
} calls[] = {
	CALL(open_dead),
	CALL(compile),
	CALL(freecode),
	CALL(geterr),
	CALL(close),
	CALL(create),
	CALL(set_snaplen),
	CALL(set_promisc),
	CALL(set_timeout),
	CALL(set_immediate_mode),
	CALL(set_buffer_size),
	CALL(set_tstamp_precision),
	CALL(set_protocol_linux),
	CALL(activate),
	CALL(statustostr),
	CALL(fopen_offline_with_tstamp_precision),
	CALL(next_ex),
	CALL(setnonblock),
	CALL(get_selectable_fd),
	CALL(get_required_select_timeout),
	CALL(setfilter),
	CALL(setdirection),
	CALL(stats),
	CALL(inject),
	CALL(datalink),
	CALL(snapshot),
	CALL(findalldevs),
	CALL(freealldevs),
	CALL(lib_version),
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Written under lock, before loaded is set. */
static struct pfri_pcaplib table;
static void *library;
static char where[PATH_MAX];
static const struct pfri_pcaplib *_Atomic loaded; /* NULL or &table */

static int fill(void *handle, const char *path)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		void *address = dlsym(handle, calls[i].symbol);

		if (!address)
			return pfri_fail(-ELIBBAD, "%s has no %s; install libpcap 1.9 or newer",
					 path, calls[i].symbol);
		memcpy((char *)&table + calls[i].offset, &address, sizeof(address));
	}
	return 0;
}

/*
 * 0; -ENOENT where the path leads to no library for us; -ELIBBAD, with the
 * reason told, for one that we cannot use.
 */
static int load(const char *path)
{
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	Dl_info at;
	int err;

	if (!handle)
		return -ENOENT;
	if (dlsym(handle, OVERLAY_MARK)) {
		dlclose(handle);
		return -ENOENT;
	}
	err = fill(handle, path);
	if (err) {
		dlclose(handle);
		return err;
	}
	library = handle;
	snprintf(where, sizeof(where), "%s", path);
	if (dladdr((void *)(uintptr_t)table.create, &at) && at.dli_fname[0] == '/')
		snprintf(where, sizeof(where), "%s", at.dli_fname);
	return 0;
}

/* For a path out of the linker's cache; *arg is search()'s verdict up to now. */
static bool load_found(const char *path, void *arg)
{
	int ret = load(path);

	if (ret == -ELIBBAD)
		*(int *)arg = ret;
	return ret == 0;
}

static int search(void)
{
	const size_t n = sizeof(sonames) / sizeof(sonames[0]);
	char path[128];
	int err = -ENOENT;

	for (size_t d = 0; d < sizeof(dirs) / sizeof(dirs[0]); d++) {
		for (size_t s = 0; s < n; s++) {
			snprintf(path, sizeof(path), "%s%s", dirs[d], sonames[s]);
			if (load_found(path, &err))
				return 0;
		}
	}
	/*
	 * Then wherever the linker would look: its cache knows all of a name, its
	 * own search stops at the first, which may be our overlay.
	 */
	for (size_t s = 0; s < n; s++)
		if (pfri_ldcache_each(PFRI_LDCACHE, sonames[s], load_found, &err) ||
		    load_found(sonames[s], &err))
			return 0;
	if (err == -ELIBBAD) /* told by fill() */
		return err;
	return pfri_fail(-ELIBACC, "no system libpcap found, which filters and most capture files "
				   "need; install libpcap (Debian, Ubuntu: libpcap0.8) or set "
				   "PFRING_LIBPCAP to its path");
}

/* A path from the environment is never followed in a program with raised privileges. */
static int find(void)
{
	const char *path = getauxval(AT_SECURE) ? NULL : getenv("PFRING_LIBPCAP");
	int err;

	if (!path || !*path)
		return search();
	err = load(path);
	if (err == -ENOENT)
		err = pfri_fail(-ELIBACC,
				"PFRING_LIBPCAP names %s, which is no libpcap that can be "
				"loaded; correct or unset it",
				path);
	return err;
}

const struct pfri_pcaplib *pfri_pcaplib(void)
{
	/* Pairs with the store below: who sees the pointer sees the whole table. */
	const struct pfri_pcaplib *lib = atomic_load_explicit(&loaded, memory_order_acquire);

	if (lib)
		return lib;
	pthread_mutex_lock(&lock);
	lib = atomic_load_explicit(&loaded, memory_order_relaxed);
	if (!lib && !find()) {
		lib = &table;
		atomic_store_explicit(&loaded, lib, memory_order_release);
	}
	pthread_mutex_unlock(&lock);
	return lib;
}

void *pfring_libpcap(const char **path)
{
	if (!pfri_pcaplib())
		return NULL;
	if (path)
		*path = where;
	return library;
}
