/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfsystest - how fast this machine moves packets through a ring, without a
 * network: the loopback test in several sizes.
 */
#include "common.h"

static const char *device = "lo";
static u_int len, count = 200;

static const struct tool_option options[] = {
	TOOL_TEXT('i', "device", "DEVICE", "any device; nothing is sent (default lo)", &device),
	TOOL_NUMBER('l', "length", "BYTES", "only packets of this length", &len, "a length", 1,
		    MAX_CAPLEN),
	TOOL_NUMBER('n', "count", "TESTS", "so many of each length (default 200)", &count,
		    "a count", 1, 10000000),
	{0},
};

static const struct tool tool = {
	.name = "pfsystest",
	.summary = "test the ring of this machine without a network",
	.options = options,
	.note = "Each test makes a ring, writes a packet into it, reads it back and compares.",
};

static void test(pfring *ring, u_int length)
{
	static char buffer[MAX_CAPLEN];
	u_int64_t start = tool_now();
	double us;

	for (u_int i = 0; i < count; i++)
		tool_check(&tool, pfring_loopback_test(ring, buffer, sizeof(buffer), length));
	us = (double)(tool_now() - start) / 1000;
	printf("%u bytes: %u tests passed, %.2f us each, %.2f Gbit/s\n", length, count, us / count,
	       (double)length * count * 8 / (us * 1000));
}

int main(int argc, char **argv)
{
	static const u_int lengths[] = {60, 256, 1514, 9000, 65535, MAX_CAPLEN};
	pfring *ring;

	tool_options(&tool, argc, argv);
	ring = tool_open(&tool, device, 1536, PF_RING_PROMISC);
	tool_banner(ring);
	if (len)
		test(ring, len);
	for (size_t i = 0; !len && i < sizeof(lengths) / sizeof(lengths[0]); i++)
		test(ring, lengths[i]);
	pfring_close(ring);
	return 0;
}
