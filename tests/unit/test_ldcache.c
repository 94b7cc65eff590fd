/* SPDX-License-Identifier: BSD-3-Clause */
/* The dynamic linker's cache, as this machine has it, and cut short at every place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ldcache.h"

static bool same_file(const char *path, void *arg)
{
	struct stat it, wanted;

	return stat(path, &it) == 0 && stat(arg, &wanted) == 0 && it.st_ino == wanted.st_ino;
}

static bool count(const char *path, void *arg)
{
	(void)path;
	++*(u_int *)arg;
	return false;
}

static void test_the_cache_knows_where_the_linker_found_libc(void **state)
{
	Dl_info libc;

	(void)state;
	/* Not printf: the sanitizers have one of their own. */
	assert_int_not_equal(dladdr((void *)(uintptr_t)gnu_get_libc_version, &libc), 0);
	assert_true(pfri_ldcache_each(PFRI_LDCACHE, "libc.so.6", same_file,
				      (void *)(uintptr_t)libc.dli_fname));
}

static void test_a_name_that_is_not_there_is_not_found(void **state)
{
	u_int n = 0;

	(void)state;
	assert_false(pfri_ldcache_each(PFRI_LDCACHE, "libc.so.", count, &n));
	assert_false(pfri_ldcache_each("/nonexistent", "libc.so.6", count, &n));
	assert_int_equal(n, 0);
}

static void test_a_damaged_cache_has_nothing(void **state)
{
	static char whole[1 << 20];
	char path[] = "/tmp/pfring-ldcache-XXXXXX";
	FILE *f = fopen(PFRI_LDCACHE, "r");
	size_t size;
	int fd = mkstemp(path);
	u_int n = 0;

	(void)state;
	assert_non_null(f);
	assert_true(fd >= 0);
	size = fread(whole, 1, sizeof(whole), f);
	fclose(f);
	/* The strings are at the end: without the last of them the table is still whole. */
	for (size_t cut = 0; cut < size; cut += cut < 200 ? 1 : 997) {
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(pwrite(fd, whole, cut, 0), (ssize_t)cut);
		pfri_ldcache_each(path, "libc.so.6", count, &n);
		if (cut < 48)
			assert_int_equal(n, 0);
	}
	/* Every count and offset as wrong as can be. */
	memset(whole + 20, 0xff, size - 20);
	assert_int_equal(pwrite(fd, whole, size, 0), (ssize_t)size);
	n = 0;
	assert_false(pfri_ldcache_each(path, "libc.so.6", count, &n));
	assert_int_equal(n, 0);
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_cache_knows_where_the_linker_found_libc),
		cmocka_unit_test(test_a_name_that_is_not_there_is_not_found),
		cmocka_unit_test(test_a_damaged_cache_has_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
