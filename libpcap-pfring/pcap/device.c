/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * device.c - device names: what the real library is told, what our ring is.
 *
 * A program may name one of our paths ("packet:eth0", "bpf:eth0@2"); the real
 * handle is then made for the interface in that name. PFRING_BACKEND puts a
 * path in front of every bare name. Devices on which libpcap does something of
 * its own (cooked ones, DSA switch ports) are not for our rings. Called by
 * pcap_create() and pcap_activate().
 */
#include <net/if.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include "overlay.h"

/* The paths that capture from an interface, which the real handle can be made for. */
static const char *const paths[] = {"pfring", "bpf", "packet", "xdp", "dna"};

static const char *without_path(const char *name)
{
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		size_t len = strlen(paths[i]);

		if (!strncmp(name, paths[i], len) && name[len] == ':')
			return name + len + 1;
	}
	return name;
}

bool pfro_device_split(const char *name, char *interface, size_t size)
{
	const char *bare, *at;
	int len;

	/* What is an interface's very name (they may hold a colon) is taken by the letter. */
	if (if_nametoindex(name))
		return false;
	bare = without_path(name);
	at = strchr(bare, '@');
	len = at ? (int)(at - bare) : (int)strlen(bare);
	snprintf(interface, size, "%.*s", len, bare);
	/* Without a path in front, "x@1" is a queue of ours only where x is an interface. */
	return bare != name || (at && at[1] && if_nametoindex(interface));
}

static bool has_dsa(const char *interface)
{
	char path[sizeof(((struct pfro_handle *)NULL)->interface) + 32];

	snprintf(path, sizeof(path), "/sys/class/net/%s/dsa/tagging", interface);
	return access(path, R_OK) == 0;
}

/* The caller asked for a path, for this device or for all. */
static bool asked_for(const struct pfro_handle *h)
{
	return h->named || pfro_env("PFRING_BACKEND");
}

/*
 * Of the descriptors that the process may have, as the lowest free one shows. A
 * ring takes up to nine, "packet:" four, the real handle two: a program that opens
 * handles by the hundred shall not find that none are left. A program's own sandbox
 * may kill who asks for the limit.
 */
static u_int quarters_in_use(void)
{
	struct rlimit limit;
	int fd;

	if (pfro_sandboxed_itself() || getrlimit(RLIMIT_NOFILE, &limit) ||
	    limit.rlim_cur > INT32_MAX / 4)
		return 0;
	fd = eventfd(0, EFD_CLOEXEC);
	if (fd < 0)
		return 4;
	close(fd);
	return (u_int)fd * 4 / (u_int)limit.rlim_cur;
}

const char *pfro_device_refused(const struct pfro_handle *h)
{
	const char *name = h->interface;

	if (!strcmp(name, "any"))
		return "\"any\" is cooked capture";
	/* pcap-linux.c knows these by name: what they carry is not what they claim. */
	if (!strncmp(name, "isdn", 4) || !strncmp(name, "isdY", 4) ||
	    !strncmp(name, "cdma_rmnet", 10))
		return "the device has no Ethernet headers";
	if (has_dsa(name))
		return "the device carries a switch's tags (DSA)";
	if (h->rfmon)
		return "monitor mode";
	if (h->protocol)
		return "a protocol was set";
	if (h->tstamp_type > PCAP_TSTAMP_HOST_HIPREC)
		return "the adapter's time stamps were asked for";
	if (!asked_for(h) && quarters_in_use() >= 3)
		return "few descriptors are left";
	return NULL;
}

bool pfro_device_nonsense(const struct pfro_handle *h)
{
	const char *path = pfro_env("PFRING_BACKEND");

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (!path || !strcmp(path, paths[i]))
			return false;
	return !h->named;
}

void pfro_device_ring_name(const struct pfro_handle *h, char *name, size_t size)
{
	const char *path = pfro_env("PFRING_BACKEND");

	if (!h->named && path)
		snprintf(name, size, "%s:%s", path, h->device);
	else if (!h->named && (pfro_sandboxed_itself() || quarters_in_use() >= 2))
		snprintf(name, size, "packet:%s", h->device);
	else
		snprintf(name, size, "%s", h->device);
}
