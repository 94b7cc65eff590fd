/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * devices.c - the list of everything that can be captured from.
 *
 * Public calls only, any thread; the caller owns the list. With a system
 * libpcap it is libpcap's list in libpcap's order, so that "tcpdump -D" and we
 * number the same; without one, the interfaces of this network namespace.
 */
#include <limits.h>
#include <net/if_arp.h>
#include <stdlib.h>

#include "backend.h"
#include "maps.h"
#include "pcaplib.h"

/* Under construction: where the next entry goes, and a socket to ask about interfaces. */
struct list {
	pfring_if_t *first, **end;
	int fd;
	const char *usual; /* the backend that an Ethernet interface gets by its bare name */
};

/* As the ladder of handle.c, as far as it can be told without opening an interface. */
static const char *usual_backend(void)
{
	int fd = socket(PF_RING, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

	if (fd >= 0) {
		close(fd);
		return pfri_kernel_ops.name;
	}
	return pfri_maps_possible() ? pfri_bpf_ops.name : pfri_packet_ops.name;
}

/*
 * The PCI function an interface hangs on. What stands between (virtio3 ...)
 * comes behind it in the path, bridges before it.
 */
static void find_bus(pfring_if_t *dev)
{
	char link[64 + IFNAMSIZ], path[PATH_MAX];
	char *slash;

	snprintf(link, sizeof(link), "/sys/class/net/%s/device", dev->system_name);
	if (!realpath(link, path))
		return;
	while ((slash = strrchr(path, '/'))) {
		u_int domain, bus, device, function;
		int len = 0;

		if (sscanf(slash, "/%4x:%2x:%2x.%1x%n", &domain, &bus, &device, &function, &len) ==
			    4 &&
		    !slash[len]) {
			dev->bus_id.domain = (u_int16_t)domain;
			dev->bus_id.bus = (u_int16_t)bus;
			dev->bus_id.device = (u_int16_t)device;
			dev->bus_id.function = (u_int16_t)function;
			return;
		}
		*slash = 0;
	}
}

/* Fills in what the system says of an interface; returns the backend it gets, NULL: none such. */
static const char *find_interface(const struct list *list, pfring_if_t *dev)
{
	struct ifreq ifr = {0};
	bool ethernet;

	if (strlen(dev->system_name) >= sizeof(ifr.ifr_name))
		return NULL;
	strcpy(ifr.ifr_name, dev->system_name);
	if (ioctl(list->fd, SIOCGIFFLAGS, &ifr))
		return NULL;
	dev->status = (ifr.ifr_flags & IFF_UP) != 0;
	ethernet = !ioctl(list->fd, SIOCGIFHWADDR, &ifr) &&
		   (ifr.ifr_hwaddr.sa_family == ARPHRD_ETHER ||
		    ifr.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK);
	if (ethernet)
		memcpy(dev->mac, ifr.ifr_hwaddr.sa_data, sizeof(dev->mac));
	find_bus(dev);
	return ethernet ? list->usual : pfri_packet_ops.name;
}

static bool add(struct list *list, const char *name)
{
	pfring_if_t *dev = calloc(1, sizeof(*dev));
	const char *backend;

	if (!dev)
		return false;
	*list->end = dev;
	list->end = &dev->next;
	dev->name = strdup(name);
	dev->system_name = strdup(name);
	dev->sn = strdup("");
	if (!dev->name || !dev->system_name || !dev->sn)
		return false;
	backend = find_interface(list, dev);
	if (!backend) {
		dev->status = 1;
		backend = strcmp(name, "any") ? pfri_pcap_ops.name : list->usual;
	}
	dev->module = strdup(backend);
	return dev->module != NULL;
}

/* 0, -ENOMEM, or another error if libpcap has no list. */
static int list_libpcaps(struct list *list)
{
	const struct pfri_pcaplib *lib = pfri_pcaplib();
	char why[PCAP_ERRBUF_SIZE] = "";
	pcap_if_t *all;
	int err = 0;

	if (!lib)
		return -errno;
	if (lib->findalldevs(&all, why))
		return pfri_fail(-EIO, "libpcap cannot list the devices: %.200s", why);
	for (const pcap_if_t *i = all; i && !err; i = i->next)
		err = add(list, i->name) ? 0 : -ENOMEM;
	lib->freealldevs(all);
	return err;
}

static int list_interfaces(struct list *list)
{
	struct if_nameindex *all = if_nameindex();
	int err = 0;

	if (!all)
		return pfri_fail(-errno, "the system cannot list the interfaces: %s",
				 strerror(errno));
	for (const struct if_nameindex *i = all; i->if_name && !err; i++)
		err = add(list, i->if_name) ? 0 : -ENOMEM;
	if (!err)
		err = add(list, "any") ? 0 : -ENOMEM;
	if_freenameindex(all);
	return err;
}

pfring_if_t *pfring_findalldevs(void)
{
	struct list list = {.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
			    .usual = usual_backend()};
	int err;

	list.end = &list.first;
	if (list.fd < 0) {
		pfri_fail(-errno, "no socket to ask about interfaces: %s", strerror(errno));
		return NULL;
	}
	err = list_libpcaps(&list);
	if (err && err != -ENOMEM)
		err = list_interfaces(&list);
	close(list.fd);
	if (err) {
		pfring_freealldevs(list.first);
		if (err == -ENOMEM)
			pfri_fail(err, "no memory for the list of devices; free some");
		return NULL;
	}
	return list.first;
}

void pfring_freealldevs(pfring_if_t *list)
{
	while (list) {
		pfring_if_t *next = list->next;

		free(list->name);
		free(list->system_name);
		free(list->module);
		free(list->sn);
		free(list);
		list = next;
	}
}
