/* SPDX-License-Identifier: BSD-3-Clause */
/* What is asked of an adapter, on a veth that has hardly anything: true answers and clear refusals.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "pfring.h"
#include "wire.h"

static pfring *opened(void)
{
	pfring *ring = pfring_open("packet:cap0", 1536, 0);

	assert_non_null(ring);
	return ring;
}

static void test_a_nic_without_rules_answers_negative(void **state)
{
	hw_filtering_rule rule = {.rule_family_type = intel_82599_five_tuple_rule, .rule_id = 3};
	pfring *ring = opened();

	(void)state;
	rule.rule_family.five_tuple_rule.proto = IPPROTO_TCP;
	rule.rule_family.five_tuple_rule.d_port = 80;
	assert_int_equal(pfring_add_hw_rule(ring, &rule), -EOPNOTSUPP);
	assert_non_null(strstr(pfring_last_error(), "ntuple"));
	rule.rule_id = FILTERING_RULE_AUTO_RULE_ID;
	assert_int_equal(pfring_add_hw_rule(ring, &rule), -EOPNOTSUPP);
	assert_int_equal(pfring_remove_hw_rule(ring, &rule), -EOPNOTSUPP);
	assert_int_equal(pfring_remove_hw_rule(ring, 3), -EOPNOTSUPP);
	/* Malformed is told before anybody is asked. */
	rule.rule_family.five_tuple_rule.proto = IPPROTO_GRE;
	assert_int_equal(pfring_add_hw_rule(ring, &rule), -EINVAL);
	pfring_close(ring);
}

static void test_the_card_tells_what_it_is(void **state)
{
	pfring *ring = opened();
	pfring_card_settings card;

	(void)state;
	assert_int_equal(pfring_get_card_settings(ring, &card), 0);
	assert_int_equal(card.max_packet_size, 1518);
	assert_int_equal(pfring_get_ethtool_link_speed("cap0"), pfring_get_interface_speed(ring));
	pfring_close(ring);
}

static void test_a_device_is_known_by_the_name_that_opens_it(void **state)
{
	pfring *ring = opened();
	int index = 0;

	(void)state;
	assert_int_equal(pfring_get_device_ifindex(ring, "packet:cap0@0", &index), 0);
	assert_int_equal(index, if_nametoindex("cap0"));
	assert_int_equal(pfring_get_device_ifindex(ring, "gen0", &index), 0);
	assert_int_equal(index, if_nametoindex("gen0"));
	assert_int_equal(pfring_get_device_ifindex(ring, "no-such-device0123", &index), -EINVAL);
	assert_int_equal(pfring_get_device_ifindex(ring, NULL, &index), -EINVAL);
	assert_int_equal(pfring_bind(ring, "packet:cap0"), 0);
	assert_int_equal(pfring_bind(ring, "packet:gen0"), -EOPNOTSUPP);
	/* A veth stamps nothing; it is the veth that says so. */
	assert_int_equal(pfring_enable_hw_timestamp(ring, "packet:cap0", 1, 0), -EOPNOTSUPP);
	assert_int_equal(pfring_enable_hw_timestamp(ring, "gone0", 1, 0), -ENODEV);
	pfring_close(ring);
}

static u_int flags_of(const char *name)
{
	struct ifreq ifr = {0};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	strcpy(ifr.ifr_name, name);
	assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &ifr), 0);
	close(fd);
	return (u_int)(u_short)ifr.ifr_flags;
}

static void test_promiscuity_is_set_and_taken_back(void **state)
{
	(void)state;
	assert_int_equal(pfring_set_if_promisc("cap0", 1), 0);
	assert_true(flags_of("cap0") & IFF_PROMISC);
	assert_int_equal(pfring_set_if_promisc("cap0", 0), 0);
	assert_false(flags_of("cap0") & IFF_PROMISC);
}

static void test_a_queue_chosen_later_takes_its_packets(void **state)
{
	u_char frame[60] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5};
	pfring *first = opened(), *second = opened();
	int fd = wire_socket("gen0", 0);
	struct pfring_packet p[16];
	int got = 0;

	(void)state;
	/* A veth of one queue: packets are its first queue's, and nobody else's. */
	assert_int_equal(pfring_set_channel_id(first, 0), 0);
	assert_int_equal(pfring_set_channel_mask(second, 2), 0);
	assert_int_equal(pfring_enable_rss_rehash(first), 0);
	pfring_enable_ring(first);
	pfring_enable_ring(second);
	for (int i = 0; i < 10; i++)
		assert_int_equal(send(fd, frame, sizeof(frame), 0), sizeof(frame));
	while (got < 10) {
		int n = pfring_recv_batch(first, p, 16, 30000);

		assert_true(n > 0);
		got += n;
	}
	assert_int_equal(got, 10);
	assert_int_equal(pfring_recv_batch(second, p, 16, 50), 0);
	close(fd);
	pfring_close(first);
	pfring_close(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_nic_without_rules_answers_negative),
		cmocka_unit_test(test_the_card_tells_what_it_is),
		cmocka_unit_test(test_a_device_is_known_by_the_name_that_opens_it),
		cmocka_unit_test(test_promiscuity_is_set_and_taken_back),
		cmocka_unit_test(test_a_queue_chosen_later_takes_its_packets),
	};

	wire_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
