/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding the system libpcap. The tests that refuse a library run in a child,
 * because a process that has loaded one keeps it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <sys/wait.h>

#include "backend.h"
#include "pcaplib.h"

/* 0 if loading failed with this errno and a text that contains both words. */
static int load_in_child(const char *path, int err, const char *word, const char *also)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		setenv("PFRING_LIBPCAP", path, 1);
		if (pfri_pcaplib())
			_exit(1);
		if (errno != err)
			_exit(2);
		if (!strstr(pfring_last_error(), word) || !strstr(pfring_last_error(), also))
			_exit(3);
		/* A failure is not for life. */
		unsetenv("PFRING_LIBPCAP");
		_exit(pfri_pcaplib() ? 0 : 4);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_a_named_library_that_is_missing_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(load_in_child("/nonexistent/libpcap.so", ELIBACC,
				       "/nonexistent/libpcap.so", "PFRING_LIBPCAP"),
			 0);
}

static void test_our_own_overlay_is_not_taken_for_libpcap(void **state)
{
	(void)state;
	assert_int_equal(load_in_child(OVERLAY_LIB, ELIBACC, OVERLAY_LIB, "no libpcap"), 0);
}

static void test_a_library_without_the_calls_is_refused_by_name(void **state)
{
	(void)state;
	assert_int_equal(load_in_child(OTHER_LIB, ELIBBAD, OTHER_LIB, "pcap_open_dead"), 0);
}

static void *load(void *arg)
{
	(void)arg;
	return (void *)(uintptr_t)pfri_pcaplib();
}

static void test_threads_that_load_at_once_get_the_same_table(void **state)
{
	pthread_t t[8];
	void *got[8];

	(void)state;
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&t[i], NULL, load, NULL), 0);
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], &got[i]);
	assert_non_null(got[0]);
	for (int i = 1; i < 8; i++)
		assert_ptr_equal(got[i], got[0]);
}

static void test_every_call_of_the_table_is_the_systems(void **state)
{
	const struct pfri_pcaplib *lib = pfri_pcaplib();
	Dl_info where;

	(void)state;
	assert_non_null(lib);
	assert_non_null(strstr(lib->lib_version(), "libpcap version"));
	for (size_t i = 0; i < sizeof(*lib) / sizeof(void *); i++) {
		assert_int_not_equal(dladdr(((void *const *)(const void *)lib)[i], &where), 0);
		assert_int_equal(where.dli_fname[0], '/');
		assert_non_null(strstr(where.dli_fname, "/libpcap.so."));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First: nothing is loaded yet, so the children start without a table. */
		cmocka_unit_test(test_a_named_library_that_is_missing_is_an_error),
		cmocka_unit_test(test_our_own_overlay_is_not_taken_for_libpcap),
		cmocka_unit_test(test_a_library_without_the_calls_is_refused_by_name),
		cmocka_unit_test(test_threads_that_load_at_once_get_the_same_table),
		cmocka_unit_test(test_every_call_of_the_table_is_the_systems),
	};

	unsetenv("PFRING_LIBPCAP");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
