/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The list of devices, compared with libpcap's and with what sysfs says of the
 * interfaces that this machine happens to have (the loopback one at least).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <limits.h>
#include <pcap/pcap.h>
#include <sys/wait.h>

#include "pfring.h"

static bool same_as_libpcap(void)
{
	char why[PCAP_ERRBUF_SIZE];
	pfring_if_t *devs = pfring_findalldevs(), *d = devs;
	pcap_if_t *want, *w;

	assert_int_equal(pcap_findalldevs(&want, why), 0);
	for (w = want; w && d && !strcmp(d->name, w->name); w = w->next, d = d->next) {
		assert_string_equal(d->system_name, w->name);
		assert_non_null(d->module);
		assert_non_null(d->sn);
	}
	pcap_freealldevs(want);
	pfring_freealldevs(devs);
	return devs && !w && !d;
}

static void test_the_list_is_libpcaps_in_its_order(void **state)
{
	int tries = 5;

	(void)state;
	/* Somebody may add or remove an interface between the two lists. */
	while (tries && !same_as_libpcap())
		tries--;
	assert_int_not_equal(tries, 0);
}

static bool sysfs(const char *name, const char *what, char *text, size_t room)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", name, what);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (!fgets(text, (int)room, f))
		*text = 0;
	fclose(f);
	return true;
}

/* The last PCI address in the path of the interface's device. */
static bool pci(const char *name, u_int v[4])
{
	char link[PATH_MAX], path[PATH_MAX];
	bool found = false;

	snprintf(link, sizeof(link), "/sys/class/net/%s/device", name);
	if (!realpath(link, path))
		return false;
	for (char *part = strtok(path, "/"); part; part = strtok(NULL, "/"))
		if (strlen(part) == 12 && part[4] == ':' && part[7] == ':' && part[10] == '.')
			found = sscanf(part, "%x:%x:%x.%x", &v[0], &v[1], &v[2], &v[3]) == 4;
	return found;
}

/* What a bare name gives; without the privilege to capture there is nothing better to say. */
static const char *opened_as(const char *name)
{
	struct pfring_open_options opts = {.sz = sizeof(opts), .buffer_bytes = 1 << 20};
	static char backend[16];
	pfring *r = pfring_open_opts(name, &opts);

	if (!r)
		return "packet";
	snprintf(backend, sizeof(backend), "%s", pfring_get_backend(r, NULL));
	pfring_close(r);
	return backend;
}

static void test_interfaces_are_described_as_the_system_describes_them(void **state)
{
	pfring_if_t *devs = pfring_findalldevs();
	bool loopback = false, any = false;

	(void)state;
	assert_non_null(devs);
	for (pfring_if_t *d = devs; d; d = d->next) {
		static const u_char no_mac[6];
		u_int m[6], bus[4] = {0}, flags;
		char text[64];

		if (!sysfs(d->name, "flags", text, sizeof(text))) {
			any |= !strcmp(d->name, "any");
			assert_string_equal(d->module,
					    strcmp(d->name, "any") ? "pcap" : opened_as("any"));
			assert_int_equal(d->status, 1);
			assert_memory_equal(d->mac, no_mac, 6);
			continue;
		}
		assert_int_equal(sscanf(text, "%x", &flags), 1);
		assert_int_equal(d->status, flags & IFF_UP);
		loopback |= (flags & IFF_LOOPBACK) != 0;
		if (d->status)
			assert_string_equal(d->module, opened_as(d->name));
		assert_true(sysfs(d->name, "type", text, sizeof(text)));
		if (atoi(text) == 1 || atoi(text) == 772) { /* Ethernet, loopback */
			assert_true(sysfs(d->name, "address", text, sizeof(text)));
			assert_int_equal(sscanf(text, "%x:%x:%x:%x:%x:%x", &m[0], &m[1], &m[2],
						&m[3], &m[4], &m[5]),
					 6);
			for (int i = 0; i < 6; i++)
				assert_int_equal(d->mac[i], m[i]);
		}
		pci(d->name, bus);
		assert_int_equal(d->bus_id.domain, bus[0]);
		assert_int_equal(d->bus_id.bus, bus[1]);
		assert_int_equal(d->bus_id.device, bus[2]);
		assert_int_equal(d->bus_id.function, bus[3]);
	}
	assert_true(loopback && any);
	pfring_freealldevs(devs);
	pfring_freealldevs(NULL);
}

static int list_without_libpcap(void)
{
	struct if_nameindex *all, *i;
	pfring_if_t *d;

	setenv("PFRING_LIBPCAP", "/nonexistent", 1);
	d = pfring_findalldevs();
	all = if_nameindex();
	for (i = all; i->if_name; i++, d = d->next)
		if (!d || strcmp(d->name, i->if_name))
			return 1;
	return !d || strcmp(d->name, "any") || d->next;
}

/* In a child, and first: a process that has loaded libpcap keeps it. */
static void test_without_libpcap_the_interfaces_are_listed(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (!pid)
		_exit(list_without_libpcap());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_libpcap_the_interfaces_are_listed),
		cmocka_unit_test(test_the_list_is_libpcaps_in_its_order),
		cmocka_unit_test(test_interfaces_are_described_as_the_system_describes_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
