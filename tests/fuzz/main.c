/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * main.c - drives a fuzz target without a fuzzer.
 *
 *      fuzz_parse [--mutate=N] [--seed=S] file-or-directory...
 *
 * Runs LLVMFuzzerTestOneInput() on every file named or found, then N times on
 * mutations of each: the same ones on every machine for the same seed and
 * files. Each input lies against an unmapped page, once with its end and once
 * with its start, so a read outside of it is a crash in any build. An input
 * that crashes is written to crash-<program> in the working directory; once
 * the bug is fixed it belongs into corpus/. No input at all is a failure.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_SIZE (1u << 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Only there in sanitizer builds. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

struct input {
	char *path;
	uint8_t *data;
	size_t size;
};

static struct input *inputs;
static size_t n_inputs, n_runs;
static uint8_t *arena; /* guard page, MAX_SIZE bytes, guard page */
static const uint8_t *running;
static size_t running_size;
static char crash_file[256];
static uint64_t rng;

static uint32_t rnd(uint32_t below)
{
	/* xorshift64*: the same numbers everywhere, which rand() does not promise. */
	rng ^= rng >> 12;
	rng ^= rng << 25;
	rng ^= rng >> 27;
	return (uint32_t)((rng * 2685821657736338717u) >> 32) % below;
}

static void die(const char *what, const char *which)
{
	fprintf(stderr, "%s: ", what);
	perror(which);
	exit(1);
}

static void save_crash(void)
{
	int fd = running ? open(crash_file, O_WRONLY | O_CREAT | O_TRUNC, 0644) : -1;

	if (fd >= 0 && write(fd, running, running_size) == (ssize_t)running_size)
		dprintf(2, "input of %zu bytes saved as %s\n", running_size, crash_file);
	running = NULL;
}

static void on_signal(int sig)
{
	save_crash();
	raise(sig); /* SA_RESETHAND: dies of it now */
}

static void run(const uint8_t *data, size_t size)
{
	uint8_t *where[2] = {arena + MAX_SIZE - size, arena};

	for (int i = 0; i < 2; i++) {
		memcpy(where[i], data, size);
		running = where[i];
		running_size = size;
		LLVMFuzzerTestOneInput(where[i], size);
	}
	running = NULL;
	n_runs++;
}

static void add_file(const char *path)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	struct input in = {strdup(path), NULL, 0};
	ssize_t got;

	if (fd < 0 || fstat(fd, &st) < 0)
		die("cannot read", path);
	in.size = st.st_size < MAX_SIZE ? (size_t)st.st_size : MAX_SIZE;
	in.data = malloc(in.size + 1);
	got = read(fd, in.data, in.size);
	if (got < 0 || (size_t)got != in.size)
		die("cannot read", path);
	close(fd);
	inputs = realloc(inputs, (n_inputs + 1) * sizeof(*inputs));
	inputs[n_inputs++] = in;
}

static void add_path(const char *path)
{
	struct dirent **list;
	struct stat st;
	char sub[4096];
	int n;

	if (stat(path, &st) < 0)
		die("cannot find", path);
	if (!S_ISDIR(st.st_mode)) {
		add_file(path);
		return;
	}
	/* Sorted, so that the mutations do not depend on the file system's order. */
	n = scandir(path, &list, NULL, alphasort);
	if (n < 0)
		die("cannot list", path);
	for (int i = 0; i < n; i++) {
		snprintf(sub, sizeof(sub), "%s/%s", path, list[i]->d_name);
		if (list[i]->d_name[0] != '.')
			add_path(sub);
		free(list[i]);
	}
	free(list);
}

/* Values at which length and offset arithmetic goes wrong. */
static const uint32_t edges[] = {
	0,	 1,	     2,		 3,	     4,		 7,	     8,		0x0f,
	0x10,	 0x20,	     0x3f,	 0x40,	     0x7f,	 0x80,	     0xfe,	0xff,
	0x100,	 0x7fff,     0x8000,	 0x8100,     0x86dd,	 0x88a8,     0xfffe,	0xffff,
	0x10000, 0x7ffffffe, 0x7fffffff, 0x80000000, 0xfffffff0, 0xfffffffe, 0xffffffff};

/* One change to buf (size bytes, room for MAX_SIZE); returns the new size. */
static size_t mutate_once(uint8_t *buf, size_t size)
{
	size_t at = size ? rnd(size) : 0, n, from;
	uint32_t v = edges[rnd(sizeof(edges) / sizeof(edges[0]))];
	const struct input *other;
	unsigned how = rnd(9);

	if (!size && how != 5)
		how = 6;
	switch (how) {
	case 0:
		buf[at] ^= (uint8_t)(1u << rnd(8));
		break;
	case 1:
		buf[at] = (uint8_t)rnd(256);
		break;
	case 2: /* an edge of 1, 2 or 4 bytes, in either byte order */
		n = (size_t)1 << rnd(3);
		from = rnd(2);
		for (size_t i = 0; i < n && at + i < size; i++)
			buf[at + i] = (uint8_t)(v >> 8 * (from ? i : n - 1 - i));
		break;
	case 3:
		buf[at] = (uint8_t)(buf[at] + 1 + rnd(8) - 4);
		break;
	case 4:
		return at;
	case 5: /* splice: go on with the rest of another input */
		other = &inputs[rnd(n_inputs)];
		from = other->size ? rnd(other->size) : 0;
		n = other->size - from;
		if (n > MAX_SIZE - at)
			n = MAX_SIZE - at;
		memcpy(buf + at, other->data + from, n);
		return at + n;
	case 6: /* insert */
		n = 1 + rnd(16);
		if (size + n > MAX_SIZE)
			break;
		memmove(buf + at + n, buf + at, size - at);
		for (size_t i = 0; i < n; i++)
			buf[at + i] = (uint8_t)rnd(256);
		return size + n;
	case 7: /* delete */
		n = 1 + rnd(16);
		if (n > size - at)
			n = size - at;
		memmove(buf + at, buf + at + n, size - at - n);
		return size - n;
	default: /* repeat a piece, which nests headers */
		n = 1 + rnd(64);
		if (n > size - at)
			n = size - at;
		if (size + n > MAX_SIZE)
			break;
		memmove(buf + at + n, buf + at, size - at);
		return size + n;
	}
	return size;
}

static void mutate(const struct input *in, size_t times)
{
	static uint8_t buf[MAX_SIZE];

	while (times--) {
		size_t size = in->size;

		memcpy(buf, in->data, size);
		for (uint32_t n = 1 + rnd(6); n; n--)
			size = mutate_once(buf, size);
		run(buf, size);
	}
}

int main(int argc, char **argv)
{
	const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	size_t page = (size_t)sysconf(_SC_PAGESIZE), times = 0;
	const char *name = strrchr(argv[0], '/');

	rng = 0x9e3779b97f4a7c15u;
	for (int i = 1; i < argc; i++) {
		if (!strncmp(argv[i], "--mutate=", 9))
			times = strtoul(argv[i] + 9, NULL, 0);
		else if (!strncmp(argv[i], "--seed=", 7))
			rng ^= strtoull(argv[i] + 7, NULL, 0);
		else
			add_path(argv[i]);
	}
	if (!n_inputs) {
		fprintf(stderr, "%s: no input; name corpus files or folders\n", argv[0]);
		return 1;
	}
	snprintf(crash_file, sizeof(crash_file), "crash-%s", name ? name + 1 : argv[0]);
	/* A sanitizer tells of everything but abort() by itself. */
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(save_crash);
	for (size_t i = 0; i < (__sanitizer_set_death_callback ? 1 : 5); i++)
		sigaction(signals[i], &sa, NULL);

	arena = mmap(NULL, MAX_SIZE + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (arena == MAP_FAILED || mprotect(arena + page, MAX_SIZE, PROT_READ | PROT_WRITE))
		die("no memory", "mmap");
	arena += page;

	for (size_t i = 0; i < n_inputs; i++)
		run(inputs[i].data, inputs[i].size);
	for (size_t i = 0; i < n_inputs; i++)
		mutate(&inputs[i], times);
	printf("%s: %zu files, %zu runs\n", argv[0], n_inputs, n_runs);

	for (size_t i = 0; i < n_inputs; i++) {
		free(inputs[i].path);
		free(inputs[i].data);
	}
	free(inputs);
	return 0;
}
