/* SPDX-License-Identifier: BSD-3-Clause */
/* Device names: what each part of the grammar means, and how a wrong name is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "names.h"

#define ANY RING_ANY_CHANNEL
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct good {
	const char *text, *backend, *device;
	u_int64_t queues;
} good[] = {
	{"eth0", "", "eth0", ANY},
	{"any", "", "any", ANY},
	{"eth0.100", "", "eth0.100", ANY},
	{"abcdefghijklmno", "", "abcdefghijklmno", ANY},
	/* No interface's, but libpcap has such devices. */
	{"bluetooth-monitor", "", "bluetooth-monitor", ANY},
	/* Queues. */
	{"eth0@0", "", "eth0", 1},
	{"eth0@2", "", "eth0", 1 << 2},
	{"eth0@1,3-5", "", "eth0", 1 << 1 | 7 << 3},
	{"eth0@5-5", "", "eth0", 1 << 5},
	{"eth0@7,7,6-7", "", "eth0", 3 << 6},
	{"eth0@31", "", "eth0", (u_int64_t)1 << 31},
	{"eth0@32-33", "", "eth0", (u_int64_t)3 << 32},
	{"eth0@63", "", "eth0", (u_int64_t)1 << 63},
	{"eth0@0-62", "", "eth0", ~((u_int64_t)1 << 63)},
	{"eth0@0-63", "", "eth0", ~(u_int64_t)0},
	{"eth0@007", "", "eth0", 1 << 7},
	/* Each prefix. */
	{"pfring:eth0", "pfring", "eth0", ANY},
	{"bpf:eth0@1", "bpf", "eth0", 2},
	{"packet:eth0@0", "packet", "eth0", 1},
	{"packet:any", "packet", "any", ANY},
	{"xdp:eth0@3", "xdp", "eth0", 8},
	{"dna:dna0@1", "dna", "dna0", 2},
	{"multi:eth0@1;eth1@2;eth2", "multi", "eth0@1;eth1@2;eth2", ANY},
	{"userspace:usr0", "userspace", "usr0", ANY},
	{"dnacluster:10@2", "dnacluster", "10", 4},
	{"dag:dag0:2", "dag", "dag0:2", ANY},
	{"pcap:dbus-session@home", "pcap", "dbus-session@home", ANY},
	{"pcap:a-longer-name-than-interfaces", "pcap", "a-longer-name-than-interfaces", ANY},
	/* The rest is the path, whatever is in it. */
	{"file:trace.pcapng", "file", "trace.pcapng", ANY},
	{"file:/tmp/a b:c@1,x.pcap", "file", "/tmp/a b:c@1,x.pcap", ANY},
	{"file:file:", "file", "file:", ANY},
	{"file:-", "file", "-", ANY},
	/* A prefix counts only if it is a backend's. */
	{"eth0:1", "", "eth0:1", ANY},
	{"eth0:1@2", "", "eth0:1", 4},
	{"pack:eth0", "", "pack:eth0", ANY},
	{"packets:eth0", "", "packets:eth0", ANY},
	{"PACKET:eth0", "", "PACKET:eth0", ANY},
	{"packet:packet:e", "packet", "packet:e", ANY},
	/* usrN needs no prefix; what only looks like it is an interface. */
	{"usr0", "userspace", "usr0", ANY},
	{"usr12345678901234567890", "userspace", "usr12345678901234567890", ANY},
	{"usr", "", "usr", ANY},
	{"usr0x", "", "usr0x", ANY},
	{"usb0", "", "usb0", ANY},
	{"packet:usr0", "packet", "usr0", ANY},
};

static void test_a_name_is_taken_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		struct pfri_name name;

		if (pfri_name_parse(good[i].text, &name))
			fail_msg("\"%s\" refused: %s", good[i].text, pfring_last_error());
		if (strcmp(name.backend, good[i].backend) || strcmp(name.device, good[i].device) ||
		    name.queues != good[i].queues)
			fail_msg("\"%s\" read as \"%s\" \"%s\" %#llx", good[i].text, name.backend,
				 name.device, (unsigned long long)name.queues);
	}
}

static const struct bad {
	const char *text;
	int err;
	const char *says;
} bad[] = {
	{NULL, -EINVAL, "empty"},
	{"", -EINVAL, "empty"},
	{"packet:", -EINVAL, "behind the colon"},
	{"file:", -EINVAL, "behind the colon"},
	{"@1", -EINVAL, "before the @"},
	{"xdp:@1", -EINVAL, "before the @"},
	/* An @ wants queues. */
	{"eth0@", -EINVAL, "queues 0 to 63"},
	{"eth0@x", -EINVAL, "queues 0 to 63"},
	{"eth0@1,", -EINVAL, "queues 0 to 63"},
	{"eth0@,1", -EINVAL, "queues 0 to 63"},
	{"eth0@1,,2", -EINVAL, "queues 0 to 63"},
	{"eth0@3-1", -EINVAL, "queues 0 to 63"},
	{"eth0@1-", -EINVAL, "queues 0 to 63"},
	{"eth0@-1", -EINVAL, "queues 0 to 63"},
	{"eth0@1-2-3", -EINVAL, "queues 0 to 63"},
	{"eth0@64", -EINVAL, "queues 0 to 63"},
	{"eth0@1-64", -EINVAL, "queues 0 to 63"},
	{"eth0@4294967296", -EINVAL, "queues 0 to 63"},
	{"eth0@18446744073709551616", -EINVAL, "queues 0 to 63"},
	{"eth0@1 ", -EINVAL, "queues 0 to 63"},
	{"eth0@1@2", -EINVAL, "queues 0 to 63"},
	{"dnacluster:1@x", -EINVAL, "queues 0 to 63"},
	/* What cannot be an interface. */
	{"packet:abcdefghijklmnop", -ENAMETOOLONG, "15 characters"},
	{"abcdefghijklmnop@1", -ENAMETOOLONG, "15 characters"},
	{"eth 0", -EINVAL, "does not name an interface"},
	{"eth0\n", -EINVAL, "does not name an interface"},
	{".", -EINVAL, "does not name an interface"},
	{"..", -EINVAL, "does not name an interface"},
	{"packet:a/b", -EINVAL, "does not name an interface"},
	{"/tmp/t.pcap", -EINVAL, "file:/tmp/t.pcap"},
};

static void test_a_wrong_name_is_refused_with_a_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct pfri_name name;
		int err = pfri_name_parse(bad[i].text, &name);

		if (err != bad[i].err || errno != -bad[i].err)
			fail_msg("\"%s\" gave %d", bad[i].text, err);
		if (!strstr(pfring_last_error(), bad[i].says))
			fail_msg("\"%s\" told as: %s", bad[i].text, pfring_last_error());
	}
}

static void test_a_path_may_be_as_long_as_the_kernel_takes_it(void **state)
{
	static char text[PATH_MAX + 8];
	struct pfri_name name;

	(void)state;
	memset(text, 'p', sizeof(text) - 1);
	memcpy(text, "file:", 5);
	text[5 + PATH_MAX - 1] = 0;
	assert_int_equal(pfri_name_parse(text, &name), 0);
	assert_string_equal(name.device, text + 5);
	text[5 + PATH_MAX - 1] = 'p';
	assert_int_equal(pfri_name_parse(text, &name), -ENAMETOOLONG);
}

static void test_every_queue_has_its_own_bit(void **state)
{
	u_int64_t all = 0;

	(void)state;
	for (int q = 0; q < 64; q++) {
		struct pfri_name name;
		char text[16];

		snprintf(text, sizeof(text), "eth0@%d", q);
		assert_int_equal(pfri_name_parse(text, &name), 0);
		assert_true(name.queues == (u_int64_t)1 << q);
		all |= name.queues;
	}
	assert_true(all == ~(u_int64_t)0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_name_is_taken_apart),
		cmocka_unit_test(test_a_wrong_name_is_refused_with_a_reason),
		cmocka_unit_test(test_a_path_may_be_as_long_as_the_kernel_takes_it),
		cmocka_unit_test(test_every_queue_has_its_own_bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
