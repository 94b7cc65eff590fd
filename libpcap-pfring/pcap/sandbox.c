/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sandbox.c - whether a seccomp filter is in force, which may kill whoever
 * starts a thread or calls bpf(2).
 *
 * One that was there when the program began is a container's: it refuses with
 * an error, and what it allows is used. One that the program put on itself
 * (sniffglue does before it activates a handle) kills. Called by the
 * activating and the closing thread.
 */
#include <sys/prctl.h>

#include "overlay.h"

static int at_start;

__attribute__((constructor)) static void look(void)
{
	at_start = prctl(PR_GET_SECCOMP);
}

bool pfro_sandboxed(void)
{
	return prctl(PR_GET_SECCOMP) != 0;
}

bool pfro_sandboxed_itself(void)
{
	return at_start == 0 && pfro_sandboxed();
}
