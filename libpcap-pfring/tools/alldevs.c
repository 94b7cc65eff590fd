/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * alldevs - lists what can be captured from, and the path each would take.
 */
#include "common.h"

static bool verbose;

static const struct tool_option options[] = {
	TOOL_TRUE('v', "verbose", "also address, speed, MTU and where it is plugged in", &verbose),
	{0},
};

static const struct tool tool = {
	.name = "alldevs",
	.summary = "list what can be captured from",
	.options = options,
};

static void details(const pfring_if_t *dev)
{
	u_int32_t speed = pfring_get_ethtool_link_speed(dev->system_name);

	printf("   address %02x:%02x:%02x:%02x:%02x:%02x", dev->mac[0], dev->mac[1], dev->mac[2],
	       dev->mac[3], dev->mac[4], dev->mac[5]);
	if (speed)
		printf(", %u Mbit/s", speed);
	if (dev->bus_id.domain || dev->bus_id.bus || dev->bus_id.device || dev->bus_id.function)
		printf(", PCI %04x:%02x:%02x.%x", dev->bus_id.domain, dev->bus_id.bus,
		       dev->bus_id.device, dev->bus_id.function);
	putchar('\n');
}

int main(int argc, char **argv)
{
	pfring_if_t *all;
	u_int n = 0;

	tool_options(&tool, argc, argv);
	all = pfring_findalldevs();
	if (!all)
		tool_die(&tool, "%s", pfring_last_error());
	for (const pfring_if_t *dev = all; dev; dev = dev->next) {
		printf("%u. %s [%s][%s]\n", ++n, dev->name, dev->module,
		       dev->status ? "up" : "down");
		if (verbose)
			details(dev);
	}
	pfring_freealldevs(all);
	return 0;
}
