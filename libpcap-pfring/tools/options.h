/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * options.h - the command line of an example program: a table of options, from
 * which both --help and the values come.
 *
 * A row with a place to store its value is done here; tool_next() hands out the
 * letters of the others only. What is wrong ends the program with 2 and a line
 * on standard error.
 */
#ifndef PFRING_TOOLS_OPTIONS_H
#define PFRING_TOOLS_OPTIONS_H

#include <pfring.h>

enum tool_value {
	TOOL_VALUE_OTHER,  /* the program's own: tool_next() returns the letter */
	TOOL_VALUE_TEXT,   /* to a const char * */
	TOOL_VALUE_TRUE,   /* to a bool */
	TOOL_VALUE_NUMBER, /* to an unsigned integer of size bytes */
	TOOL_VALUE_CORE,   /* the calling thread is kept on that CPU */
};

struct tool_option {
	char letter;
	const char *name;  /* long name, without dashes */
	const char *value; /* what it takes, as --help shows it; NULL: nothing */
	const char *help;
	enum tool_value kind;
	void *to;
	size_t size;
	const char *what; /* the number's name, with its article, and its range */
	u_int64_t min, max;
};

#define TOOL_TEXT(letter, name, value, help, to)                                                   \
	{                                                                                          \
		letter, name, value, help, TOOL_VALUE_TEXT, to                                     \
	}
#define TOOL_TRUE(letter, name, help, to)                                                          \
	{                                                                                          \
		letter, name, NULL, help, TOOL_VALUE_TRUE, to                                      \
	}
#define TOOL_NUMBER(letter, name, value, help, to, what, min, max)                                 \
	{                                                                                          \
		letter, name, value, help, TOOL_VALUE_NUMBER, to, sizeof(*(to)), what, min, max    \
	}

/* Options that several programs have, where their words are the same. */
#define TOOL_DEVICE(to)                                                                            \
	TOOL_TEXT('i', "device", "DEVICE", "what to capture from (alldevs lists them; file:PATH)", \
		  to)
#define TOOL_FILTER(to)                                                                            \
	TOOL_TEXT('f', "filter", "EXPRESSION", "only packets of this pcap-filter(7)", to)
#define TOOL_CAPLEN(help, to)                                                                      \
	TOOL_NUMBER('l', "caplen", "BYTES", "bytes kept of each packet " help, to, "a length", 1,  \
		    MAX_CAPLEN)
#define TOOL_DIRECTION(to)                                                                         \
	TOOL_NUMBER('e', "direction", "0|1|2", "0 both (default), 1 received, 2 sent packets", to, \
		    "a direction", rx_and_tx_direction, tx_only_direction)
#define TOOL_CLUSTER(to)                                                                           \
	TOOL_NUMBER('c', "cluster", "ID",                                                          \
		    "share the packets with the other members of this cluster", to, "a cluster",   \
		    1, 65535)
#define TOOL_WATERMARK(help, to)                                                                   \
	TOOL_NUMBER('w', "watermark", "PACKETS", help, to, "a watermark", 1, 65535)
#define TOOL_CORE                                                                                  \
	{                                                                                          \
		'g', "core", "CPU", "run on this CPU", TOOL_VALUE_CORE                             \
	}
#define TOOL_COUNT(help, to)                                                                       \
	TOOL_NUMBER('n', "count", "PACKETS", help, to, "a count", 1, UINT64_MAX)
#define TOOL_DURATION(letter, to)                                                                  \
	TOOL_NUMBER(letter, "duration", "SECONDS", "stop after so long", to, "a duration", 1,      \
		    100000000)
#define TOOL_QUIET(help, to) TOOL_TRUE('q', "quiet", help, to)

struct tool {
	const char *name;
	const char *summary;
	const struct tool_option *options; /* the last one is zeroed */
	const char *operands;		   /* as the usage line shows them, or NULL */
	const char *note;		   /* more for --help, or NULL */
};

/*
 * The next letter that the program does itself, its value in optarg; -1 behind
 * the last. --help prints and exits 0. Operands without tool.operands are wrong.
 */
int tool_next(const struct tool *tool, int argc, char **argv);
/* For programs that leave nothing to do. */
void tool_options(const struct tool *tool, int argc, char **argv);

/* Ends the program with 2 or 1 and a line on standard error. */
void tool_usage(const struct tool *tool, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), noreturn));
void tool_die(const struct tool *tool, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), noreturn));
/* Ends the program with 2 if no device was given. */
void tool_need_device(const struct tool *tool, const char *device);

/* optarg as what it should be. */
unsigned long long tool_number(const struct tool *tool, const char *what, unsigned long long min,
			       unsigned long long max);
double tool_real(const struct tool *tool, const char *what, double min, double max);
void tool_mac(const struct tool *tool, u_char mac[6]);
cluster_type tool_cluster_type(const struct tool *tool);

/* Keeps the calling thread on one CPU. */
void tool_pin(const struct tool *tool, unsigned core);

#endif /* PFRING_TOOLS_OPTIONS_H */
