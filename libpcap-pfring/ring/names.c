/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * names.c - takes a device name apart (the grammar is in names.h).
 *
 * Called once per open, by pfring.c and by backends that open other devices
 * (multi:). Pure text: nobody looks here whether the device or the queue is
 * there. Any thread.
 */
#include "names.h"

/* What follows the prefix. */
enum rest {
	REST_INTERFACE, /* an interface name, shorter than IFNAMSIZ, then queues */
	REST_ID,	/* a ring's or a cluster's own name, then queues */
	REST_WHOLE,	/* whatever it is, taken as it stands */
};

static const struct {
	const char *prefix;
	enum rest rest;
} backends[] = {
	{"pfring", REST_INTERFACE}, {"bpf", REST_INTERFACE}, {"packet", REST_INTERFACE},
	{"xdp", REST_INTERFACE},    {"dna", REST_INTERFACE}, {"userspace", REST_ID},
	{"dnacluster", REST_ID},    {"multi", REST_WHOLE},   {"file", REST_WHOLE},
	{"dag", REST_WHOLE},	    {"pcap", REST_WHOLE},
};

/* "usr" and digits: the ring of another process, also without its prefix. */
static bool is_usr(const char *s)
{
	return !strncmp(s, "usr", 3) && s[3] && !s[3 + strspn(s + 3, "0123456789")];
}

/* The kernel's own rule (dev_valid_name), so that a typing error is told as one. */
static bool is_interface_text(const char *s)
{
	if (!*s || !strcmp(s, ".") || !strcmp(s, ".."))
		return false;
	for (; *s; s++)
		if (*s == '/' || (u_char)*s <= ' ' || *s == 0x7f)
			return false;
	return true;
}

/* One decimal number 0..63 at *s, which is moved behind it; negative if there is none. */
static int queue_number(const char **s)
{
	const char *p = *s;
	int n = 0;

	if (*p < '0' || *p > '9')
		return -1;
	for (; *p >= '0' && *p <= '9'; p++) {
		n = n * 10 + (*p - '0');
		if (n >= MAX_NUM_RX_CHANNELS)
			return -1;
	}
	*s = p;
	return n;
}

/* list = range *("," range); range = number ["-" number] */
static bool queue_list(const char *s, u_int64_t *mask)
{
	*mask = 0;
	for (;;) {
		int first = queue_number(&s), last = first;

		if (first >= 0 && *s == '-') {
			s++;
			last = queue_number(&s);
		}
		if (first < 0 || last < first)
			return false;
		for (int q = first; q <= last; q++)
			*mask |= (u_int64_t)1 << q;
		if (!*s)
			return true;
		if (*s++ != ',')
			return false;
	}
}

static int interface_check(const char *text, const struct pfri_name *name)
{
	if (!is_interface_text(name->device)) {
		if (!name->backend[0] && strchr(name->device, '/'))
			return pfri_fail(-EINVAL,
					 "\"%.100s\" is not an interface; a capture file is named "
					 "file:%.100s",
					 text, text);
		return pfri_fail(-EINVAL,
				 "\"%.100s\" does not name an interface; see docs/backends.md",
				 text);
	}
	/* A bare name may also be a device of libpcap's (bluetooth-monitor): its finder judges. */
	if (strlen(name->device) >= IFNAMSIZ &&
	    (name->backend[0] || name->queues != RING_ANY_CHANNEL))
		return pfri_fail(-ENAMETOOLONG,
				 "interface name \"%.100s\" is longer than the %d characters that "
				 "the kernel allows",
				 name->device, IFNAMSIZ - 1);
	return 0;
}

int pfri_name_parse(const char *text, struct pfri_name *name)
{
	enum rest rest = REST_INTERFACE;
	const char *colon, *at, *device = text;
	size_t len;

	memset(name, 0, sizeof(*name));
	name->queues = RING_ANY_CHANNEL;
	if (!text || !*text)
		return pfri_fail(-EINVAL, "the device name is empty; name an interface or \"any\"");

	colon = strchr(text, ':');
	for (size_t i = 0; colon && i < sizeof(backends) / sizeof(backends[0]); i++) {
		len = strlen(backends[i].prefix);
		if ((size_t)(colon - text) == len && !memcmp(text, backends[i].prefix, len)) {
			memcpy(name->backend, text, len);
			rest = backends[i].rest;
			device = colon + 1;
			break;
		}
	}

	at = rest == REST_WHOLE ? NULL : strchr(device, '@');
	len = at ? (size_t)(at - device) : strlen(device);
	if (!len)
		return pfri_fail(-EINVAL, "\"%.100s\" names no device%s", text,
				 at ? " before the @" : " behind the colon");
	if (len >= sizeof(name->device))
		return pfri_fail(-ENAMETOOLONG, "the device name is longer than %zu characters",
				 sizeof(name->device) - 1);
	memcpy(name->device, device, len);

	if (at && !queue_list(at + 1, &name->queues))
		return pfri_fail(-EINVAL,
				 "\"%.100s\": behind the @ stand receive queues 0 to %d, as in "
				 "eth0@2 or eth0@1,3-5",
				 text, MAX_NUM_RX_CHANNELS - 1);

	if (!name->backend[0] && is_usr(name->device)) {
		strcpy(name->backend, "userspace");
		rest = REST_ID;
	}
	return rest == REST_INTERFACE ? interface_check(text, name) : 0;
}
