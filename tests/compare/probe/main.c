/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * main.c - the parts in order, and how an observation is printed.
 */
#include <stdarg.h>

#include "probe.h"

const char *folder, *tx_namespace;

static char about[64];

void title(const char *text)
{
	snprintf(about, sizeof(about), "%s", text);
}

void see(const char *format, ...)
{
	va_list ap;

	printf("%s | ", about);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	/* A crash then shows where. */
	fflush(stdout);
}

void run(const char *format, ...)
{
	char command[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	if (system(command)) {
		fprintf(stderr, "probe: failed: %s\n", command);
		exit(2);
	}
}

struct call {
	int ms;
	void *(*fn)(void *);
	void *arg;
};

static void *wait_and_call(void *arg)
{
	struct call call = *(struct call *)arg;

	free(arg);
	usleep((useconds_t)call.ms * 1000);
	return call.fn(call.arg);
}

pthread_t later(int ms, void *(*fn)(void *), void *arg)
{
	struct call *call = malloc(sizeof(*call));
	pthread_t t;

	*call = (struct call){ms, fn, arg};
	if (pthread_create(&t, NULL, wait_and_call, call)) {
		fprintf(stderr, "probe: no thread\n");
		exit(2);
	}
	return t;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(void);
	} parts[] = {
		/* clang-format off */
		{"names", probe_names},
		{"states", probe_states},
		{"activation", probe_activation},
		{"kinds", probe_kinds},
		{"reading", probe_reading},
		{"breakloop", probe_breakloop},
		{"filters", probe_filters},
		{"sending", probe_sending},
		{"waiting", probe_waiting},
		{"files", probe_files},
		{"processes", probe_processes},
		{"behind", probe_behind},
		{"interface", probe_interface}, /* last: it ends without one */
		/* clang-format on */
	};

	if (argc < 3) {
		fprintf(stderr, "usage: probe TX_NAMESPACE FOLDER [PART...]\n");
		return 2;
	}
	tx_namespace = argv[1];
	folder = argv[2];
	frames_open();
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		bool wanted = argc == 3;

		for (int a = 3; a < argc; a++)
			wanted |= !strcmp(argv[a], parts[i].name);
		if (wanted)
			parts[i].fn();
	}
	return 0;
}
