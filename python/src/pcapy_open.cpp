/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcapy_open.cpp - from a device's or a file's name to a Reader that reads.
 *
 * open_live(), create() + activate() and open_offline(); findalldevs() and
 * lookupdev(). Verdicts and words are libpcap's: a program that knows them
 * from pcapy meets the same ones here.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>
#include <new>

#include "pcapy.h"
#include "verbose.h"

namespace
{

constexpr int kMaxSnaplen = 262144; /* libpcap's MAXIMUM_SNAPLEN */
constexpr int kCookedHeader = 20;   /* of Linux cooked mode, version 2; a byte more must fit */

/* The interface in a device name: "packet:eth0@2" is about eth0. */
std::string interface_of(const char *device)
{
	std::string name = device;
	size_t colon = name.find(':');

	if (colon != std::string::npos)
		name.erase(0, colon + 1);
	return name.substr(0, name.find('@'));
}

/* One interface ioctl. 0 or a negative errno. */
int ask(const std::string &name, unsigned long request, struct ifreq *ifr)
{
	memset(ifr, 0, sizeof(*ifr));
	if (name.size() >= sizeof(ifr->ifr_name))
		return -ENODEV;
	memcpy(ifr->ifr_name, name.data(), name.size());

	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int err = ioctl(fd, request, ifr) < 0 ? -errno : 0;
	close(fd);
	return err;
}

uint32_t address_in(const struct ifreq &ifr)
{
	struct sockaddr_in address;

	memcpy(&address, &ifr.ifr_addr, sizeof(address));
	return address.sin_addr.s_addr;
}

/* The IPv4 network of a device; 0 and 0 if it has none, as pcap_lookupnet() leaves it. */
void look_up_net(Reader *reader)
{
	std::string name = interface_of(reader->device);
	struct ifreq address, mask;

	reader->net = reader->mask = 0;
	if (ask(name, SIOCGIFADDR, &address) || ask(name, SIOCGIFNETMASK, &mask))
		return;
	reader->mask = address_in(mask);
	reader->net = address_in(address) & reader->mask;
}

/* What pcap_activate() would return for this failure of libpfring's. */
int code_of(int err)
{
	switch (err) {
	case -ENODEV:
	case -ENXIO:
		return PCAPY_NO_SUCH_DEVICE;
	case -EPERM:
	case -EACCES:
		return PCAPY_PERM_DENIED;
	case -ENETDOWN:
		return PCAPY_IFACE_NOT_UP;
	default:
		return PCAPY_ERROR;
	}
}

/* Names that no interface can have; libpfring would call them invalid. */
bool is_no_name(const char *device)
{
	return *device == 0 || (strchr(device, ':') == nullptr && strchr(device, '@') == nullptr &&
				strlen(device) >= IFNAMSIZ);
}

bool is_down(const char *device)
{
	struct ifreq ifr;

	return ask(interface_of(device), SIOCGIFFLAGS, &ifr) == 0 && !(ifr.ifr_flags & IFF_UP);
}

/* 0 with *ring set, or a negative errno. Without the GIL. */
int open_ring(const char *name, struct pfring_open_options *options, pfring **ring)
{
	options->sz = sizeof(*options);
	*ring = pfring_open_opts(name, options);
	if (*ring == nullptr)
		return -errno;
	int err = pfring_enable_ring(*ring);
	if (err < 0)
		pfring_close(*ring);
	else
		tell_path(name, *ring);
	return err;
}

int open_device(const Reader *reader, pfring **ring)
{
	struct pfring_open_options options = {};

	options.caplen = (uint32_t)reader->snaplen;
	options.flags = reader->promisc ? PF_RING_PROMISC : 0;
	options.buffer_bytes = reader->buffer_bytes > 0 ? (uint64_t)reader->buffer_bytes : 0;
	options.to_ms = reader->timeout_ms;
	options.cooked = true;
	return open_ring(reader->device, &options, ring);
}

/* pcap_open_live()'s sentence for a code; why is libpfring's for the rest. */
std::string words(const char *device, int code, const std::string &why)
{
	std::string name = std::string(device) + ": ";

	switch (code) {
	case PCAPY_NO_SUCH_DEVICE:
		return name + "No such device exists (SIOCGIFHWADDR: No such device)";
	case PCAPY_PERM_DENIED:
		return name + "You don't have permission to capture on that device "
			      "(socket: Operation not permitted)";
	case PCAPY_IFACE_NOT_UP:
		return name + "That device is not up";
	default:
		return name + why;
	}
}

} // namespace

bool pcapy_start(Reader *reader, pfring *ring, Source source)
{
	reader->held = static_cast<Held *>(PyMem_Calloc(1, sizeof(*reader->held)));
	try {
		reader->guard = new ForkGuard;
	} catch (const std::bad_alloc &) {
	}
	if (reader->held == nullptr || reader->guard == nullptr) {
		PyErr_NoMemory();
		return false;
	}
	reader->next = reader->end = reader->held->raw;
	reader->ring = ring;
	reader->source = source;
	return true;
}

/* 0 or one of pcapy_code; with *why set unless memory ran out, which is a Python error. */
int pcapy_activate(Reader *reader, std::string *why)
{
	pfring *ring;
	int err;

	if (reader->rfmon)
		return PCAPY_RFMON_NOTSUP;
	if (reader->snaplen <= 0 || reader->snaplen > kMaxSnaplen)
		reader->snaplen = kMaxSnaplen;
	Py_BEGIN_ALLOW_THREADS err = open_device(reader, &ring);
	Py_END_ALLOW_THREADS if (err < 0)
	{
		*why = pfring_last_error();
		return is_no_name(reader->device) ? PCAPY_NO_SUCH_DEVICE : code_of(err);
	}
	if (is_down(reader->device)) {
		pfring_close(ring);
		return PCAPY_IFACE_NOT_UP;
	}
	if (pfring_get_link_type(ring) != 1 && reader->snaplen <= kCookedHeader)
		reader->snaplen = kCookedHeader + 1;
	if (!pcapy_start(reader, ring, Source::live)) {
		pfring_close(ring);
		return PCAPY_ERROR;
	}
	/* libpcap takes a negative time-out for non-blocking mode. */
	if (reader->timeout_ms < 0)
		reader->nonblock = true;
	return 0;
}

PyObject *pcapy_create(PyObject *, PyObject *args)
{
	const char *device;

	if (!PyArg_ParseTuple(args, "s:pcap_create", &device))
		return nullptr;
	PyObject *reader = pcapy_reader_new(device);
	if (reader != nullptr)
		look_up_net(as_reader(reader));
	return reader;
}

PyObject *pcapy_open_live(PyObject *, PyObject *args)
{
	int snaplen, promisc, timeout_ms;
	const char *device;
	std::string why;

	if (!PyArg_ParseTuple(args, "siii:open_live", &device, &snaplen, &promisc, &timeout_ms))
		return nullptr;
	PyObject *object = pcapy_reader_new(device);
	if (object == nullptr)
		return nullptr;

	Reader *reader = as_reader(object);
	reader->snaplen = snaplen;
	reader->promisc = promisc;
	reader->timeout_ms = timeout_ms;
	look_up_net(reader);
	int code = pcapy_activate(reader, &why);
	if (code != 0) {
		if (!PyErr_Occurred())
			PyErr_SetString(pcapy_error, words(device, code, why).c_str());
		Py_DECREF(object);
		return nullptr;
	}
	return object;
}

PyObject *pcapy_open_offline(PyObject *, PyObject *args)
{
	struct pfring_open_options options = {};
	const char *path;
	pfring *ring;
	int err;

	if (!PyArg_ParseTuple(args, "s", &path))
		return nullptr;
	std::string name = std::string("file:") + path;
	Py_BEGIN_ALLOW_THREADS err = open_ring(name.c_str(), &options, &ring);
	Py_END_ALLOW_THREADS if (err < 0)
	{
		if (err == -ENOENT || err == -EACCES || *path == 0)
			PyErr_Format(pcapy_error, "%s: %s", path, strerror(*path ? -err : ENOENT));
		else
			PyErr_SetString(pcapy_error, pfring_last_cause());
		return nullptr;
	}
	PyObject *reader = pcapy_reader_new(path);
	if (reader == nullptr || !pcapy_start(as_reader(reader), ring, Source::file)) {
		Py_XDECREF(reader);
		pfring_close(ring);
		return nullptr;
	}
	as_reader(reader)->snaplen = (int)pfring_get_snaplen(ring);
	return reader;
}

PyObject *pcapy_findalldevs(PyObject *, PyObject *)
{
	pfring_if_t *all = pfring_findalldevs();

	if (all == nullptr) {
		PyErr_SetString(pcapy_error, "No valid interfaces to open");
		return nullptr;
	}
	PyObject *list = PyList_New(0);
	for (pfring_if_t *device = all; list != nullptr && device != nullptr;
	     device = device->next) {
		PyObject *name = PyUnicode_DecodeFSDefault(device->name);

		if (name == nullptr || PyList_Append(list, name) < 0)
			Py_CLEAR(list);
		Py_XDECREF(name);
	}
	pfring_freealldevs(all);
	return list;
}

PyObject *pcapy_lookupdev(PyObject *, PyObject *)
{
	pfring_if_t *all = pfring_findalldevs();
	PyObject *name = nullptr;
	struct ifreq ifr;

	/* The first one, if it is worth capturing from: as pcap_lookupdev(). */
	if (all != nullptr &&
	    (ask(all->name, SIOCGIFFLAGS, &ifr) || !(ifr.ifr_flags & IFF_LOOPBACK)))
		name = PyUnicode_DecodeFSDefault(all->name);
	else
		PyErr_SetString(pcapy_error, "no suitable device found");
	if (all != nullptr)
		pfring_freealldevs(all);
	return name;
}
