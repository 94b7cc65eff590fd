/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * error.c - the sentence behind a failed call, and whom it quotes.
 *
 * One buffer of each per thread, overwritten by the next failure on that thread.
 */
#include <stdarg.h>

#include "backend.h"

static _Thread_local char last[PFRI_ERRLEN], last_cause[PFRI_ERRLEN];

int pfri_fail(int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(last, sizeof(last), fmt, ap);
	va_end(ap);
	last_cause[0] = 0;
	errno = -err;
	return err;
}

int pfri_fail_because(int err, const char *cause, const char *fmt, ...)
{
	va_list ap;

	/* First the cause: it may be quoted from a buffer that is about to go. */
	snprintf(last_cause, sizeof(last_cause), "%s", cause);
	va_start(ap, fmt);
	vsnprintf(last, sizeof(last), fmt, ap);
	va_end(ap);
	errno = -err;
	return err;
}

const char *pfring_last_error(void)
{
	return last[0] ? last : "no error";
}

const char *pfring_last_cause(void)
{
	return last_cause[0] ? last_cause : pfring_last_error();
}
