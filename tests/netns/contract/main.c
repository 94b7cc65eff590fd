/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * main.c - picks one case of the contract and runs it (see contract.h).
 *
 * Exit status 0: kept; 1: broken, with one line saying where; SIGALRM: a call
 * never returned.
 */
#include <stdarg.h>

#include "contract.h"

const char *backend;
bool immediate;
char *tx_namespace, *folder; /* for feed.c */

static const struct {
	const char *name;
	int where;
	void (*run)(void);
} cases[] = {
#define X(name, where) {#name, where, name},
	CASES(X)
#undef X
};

bool is_live(void)
{
	return strcmp(backend, "file") != 0;
}

void failed(const char *file, int line, const char *truth, const char *format, ...)
{
	const char *base = strrchr(file, '/');
	va_list args;

	fprintf(stderr, "%s:%d: not so: %s: ", base ? base + 1 : file, line, truth);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, " (last error of the library: %s)\n", pfring_last_error());
	exit(1);
}

int main(int argc, char **argv)
{
	bool list = argc == 3 && !strcmp(argv[1], "--list");

	if (!list && argc != 5) {
		fprintf(stderr, "usage: contract CASE BACKEND TX_NAMESPACE FOLDER\n"
				"       contract --list BACKEND\n");
		return 2;
	}
	backend = strtok(argv[2], ",");
	immediate = strtok(NULL, ",") != NULL;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (!(cases[i].where & (is_live() ? LIVE : FILES)))
			continue;
		if (list) {
			puts(cases[i].name);
		} else if (!strcmp(cases[i].name, argv[1])) {
			tx_namespace = argv[3];
			folder = argv[4];
			alarm(300);
			cases[i].run();
			return 0;
		}
	}
	if (list)
		return 0;
	fprintf(stderr, "there is no case %s for %s\n", argv[1], backend);
	return 2;
}
