/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * error.c - the sentence behind a failed call.
 *
 * One buffer per thread, overwritten by the next failure on that thread.
 */
#include <stdarg.h>

#include "backend.h"

static _Thread_local char last[PFRI_ERRLEN];

int pfri_fail(int err, const char *fmt, ...)
{
	va_list ap;

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
