/* SPDX-License-Identifier: BSD-3-Clause */
/* Error texts: what pfring_last_error() promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "backend.h"

static void *fail_elsewhere(void *arg)
{
	(void)arg;
	pfri_fail(-EPERM, "other thread");
	return NULL;
}

static void test_a_failure_is_told_with_its_errno(void **state)
{
	(void)state;
	assert_int_equal(pfri_fail(-ENODEV, "device %s is not there", "eth9"), -ENODEV);
	assert_int_equal(errno, ENODEV);
	assert_string_equal(pfring_last_error(), "device eth9 is not there");
}

static void test_threads_do_not_see_each_others_failures(void **state)
{
	pthread_t t;

	(void)state;
	pfri_fail(-EINVAL, "mine");
	assert_int_equal(pthread_create(&t, NULL, fail_elsewhere, NULL), 0);
	pthread_join(t, NULL);
	assert_string_equal(pfring_last_error(), "mine");
}

static void test_the_cause_is_what_somebody_else_said(void **state)
{
	(void)state;
	pfri_fail_because(-EINVAL, "syntax error", "filter \"%s\": syntax error", "foo");
	assert_string_equal(pfring_last_cause(), "syntax error");
	assert_string_equal(pfring_last_error(), "filter \"foo\": syntax error");
	assert_int_equal(errno, EINVAL);
	pfri_fail(-ENODEV, "no such device");
	assert_string_equal(pfring_last_cause(), "no such device");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_failure_is_told_with_its_errno),
		cmocka_unit_test(test_threads_do_not_see_each_others_failures),
		cmocka_unit_test(test_the_cause_is_what_somebody_else_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
