/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfsystest - how fast this machine moves packets through a ring, without a
 * network: the loopback test in several sizes.
 */
#include "common.h"

static const struct tool_option options[] = {
	{'i', "device", "DEVICE", "any device; nothing is sent (default lo)"},
	{'l', "length", "BYTES", "only packets of this length"},
	{'n', "count", "TESTS", "so many of each length (default 200)"},
	{0},
};

static const struct tool tool = {
	.name = "pfsystest",
	.summary = "test the ring of this machine without a network",
	.options = options,
	.note = "Each test makes a ring, writes a packet into it, reads it back and compares.",
};

static void test(pfring *ring, u_int len, u_int count)
{
	static char buffer[MAX_CAPLEN];
	u_int64_t start = tool_now();
	double us;

	for (u_int i = 0; i < count; i++)
		tool_check(&tool, pfring_loopback_test(ring, buffer, sizeof(buffer), len));
	us = (double)(tool_now() - start) / 1000;
	printf("%u bytes: %u tests passed, %.2f us each, %.2f Gbit/s\n", len, count, us / count,
	       (double)len * count * 8 / (us * 1000));
}

int main(int argc, char **argv)
{
	static const u_int lengths[] = {60, 256, 1514, 9000, 65535, MAX_CAPLEN};
	const char *device = "lo";
	u_int len = 0, count = 200;
	pfring *ring;
	int c;

	while ((c = tool_next(&tool, argc, argv)) != -1) {
		switch (c) {
		case 'i':
			device = optarg;
			break;
		case 'l':
			len = (u_int)tool_number(&tool, "a length", 1, MAX_CAPLEN);
			break;
		case 'n':
			count = (u_int)tool_number(&tool, "a count", 1, 10000000);
			break;
		}
	}
	ring = tool_open(&tool, device, 1536, PF_RING_PROMISC);
	tool_banner(ring);
	if (len)
		test(ring, len, count);
	for (size_t i = 0; !len && i < sizeof(lengths) / sizeof(lengths[0]); i++)
		test(ring, lengths[i], count);
	pfring_close(ring);
	return 0;
}
