/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfring.hpp on a capture file; compiled with and without exceptions, so what
 * throws is tested in one and what stands for it in the other.
 */
#include <csetjmp>
#include <cstdarg>
#include <cstddef>
extern "C" {
#include <cmocka.h>
}
#include <type_traits>

#include "pfring.hpp"

static const u_int FRAMES = 150; /* more than two batches */
static std::string path;

static int setup(void **)
{
	char name[] = "/tmp/pfring-hpp-XXXXXX";
	int fd = mkstemp(name);
	u_char frame[60] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0};
	pfring_packet p = {};

	close(fd);
	pfring_dumper *d = pfring_dump_open(name, 1, 65535, PFRING_DUMP_PCAP_NS);
	assert_non_null(d);
	p.data = frame;
	p.caplen = p.len = sizeof(frame);
	for (u_int i = 0; i < FRAMES; i++) {
		frame[59] = static_cast<u_char>(i);
		p.ts_ns = 5000000000u + i;
		assert_int_equal(pfring_dump_packets(d, &p, 1), 0);
	}
	path = std::string("file:") + name;
	return pfring_dump_close(d);
}

static int teardown(void **)
{
	return unlink(path.c_str() + 5);
}

static void test_a_range_for_sees_every_packet_once(void **)
{
	PFring ring(path.c_str(), 1500);
	u_int n = 0;

	assert_int_equal(ring.enable_ring(), 0);
	for (const PFring::Packet &p : ring) {
		assert_int_equal(p.size(), 60);
		assert_int_equal(*(p.end() - 1), n);
		assert_int_equal(p.begin()[0], 2);
		assert_true(p.received());
		assert_true(p.timestamp().time_since_epoch() ==
			    std::chrono::nanoseconds(5000000000u + n));
		n++;
	}
	assert_int_equal(n, FRAMES);
	assert_false(static_cast<bool>(ring.error()));
}

static void test_a_loop_that_was_left_is_gone_on_with(void **)
{
	PFring ring(path.c_str(), 1500);
	u_int n = 0;

	ring.enable_ring();
	for (const auto &p : ring) {
		assert_int_equal(p.begin()[59], n++);
		if (n == 70)
			break;
	}
	PFring moved(std::move(ring));
	for (const auto &p : moved)
		assert_int_equal(p.begin()[59], n++);
	assert_int_equal(n, FRAMES);
}

static void test_an_error_code_takes_the_place_of_an_exception(void **)
{
	std::error_code e;
	PFring none("file:/nonexistent/trace.pcap", 1500, 0, e);

	assert_false(static_cast<bool>(none));
	assert_true(e == std::errc::no_such_file_or_directory);
	assert_non_null(strstr(PFring::error_text(), "/nonexistent/trace.pcap"));
	/* Calls on nothing are refused, not crashes. */
	assert_int_equal(none.enable_ring(), -EINVAL);
	PFring some(path.c_str(), 1500, 0, e);
	assert_false(static_cast<bool>(e));
	assert_true(static_cast<bool>(some));
}

static void test_what_cannot_return_an_error_throws(void **)
{
#ifdef __cpp_exceptions
	bool thrown = false;
	try {
		PFring none("file:/nonexistent/trace.pcap", 1500);
	} catch (const std::system_error &e) {
		thrown = e.code() == std::errc::no_such_file_or_directory &&
			 strstr(e.what(), "/nonexistent/trace.pcap");
	}
	assert_true(thrown);
	thrown = false;
	PFring ring(path.c_str(), 1500);
	try { /* not enabled */
		for (const auto &p : ring)
			assert_null(&p);
	} catch (const std::system_error &e) {
		thrown = e.code() == std::errc::network_down;
	}
	assert_true(thrown);
	assert_true(ring.error() == std::errc::network_down);
#else
	PFring none("file:/nonexistent/trace.pcap", 1500);
	assert_false(static_cast<bool>(none));
	assert_true(none.error() == std::errc::no_such_file_or_directory);
	PFring ring(path.c_str(), 1500);
	u_int n = 0;
	for (const auto &p : ring)
		n += p.caplen;
	assert_int_equal(n, 0);
	assert_true(ring.error() == std::errc::network_down);
#endif
}

static void test_a_ring_has_one_owner(void **)
{
	static_assert(!std::is_copy_constructible<PFring>::value, "a ring is not copied");
	static_assert(std::is_nothrow_move_constructible<PFring>::value, "but moved");
	PFring a(path.c_str(), 1500);
	pfring *handle = a.native_handle();
	PFring b(std::move(a));

	assert_false(static_cast<bool>(a));
	assert_ptr_equal(b.native_handle(), handle);
	char *device_name = b.get_device_name(); /* as programs for PF_RING's class keep it */
	assert_string_equal(device_name, path.c_str());
	PFring c(path.c_str(), 1500);
	c = std::move(b);
	assert_ptr_equal(c.native_handle(), handle);
	PFring d(c.release());
	assert_false(static_cast<bool>(c));
	assert_int_equal(d.enable_ring(), 0);
	d.close();
	assert_int_equal(d.enable_ring(), -EINVAL);
}

static void test_the_guides_methods_do_what_their_calls_do(void **)
{
	PFring ring(path.c_str(), 1500);
	filtering_rule rule = {};
	hash_filtering_rule hash = {};
	hash_filtering_rule_stats stats;
	pfring_stat books;
	pfring_pkthdr h;
	u_char copy[60];
	const u_char *p = nullptr;
	u_int32_t version;
	u_int len = sizeof(stats);

	assert_int_equal(ring.get_version(&version), 0);
	assert_int_equal(version, RING_VERSION_NUM);
	assert_int_equal(ring.set_cluster(1), -EOPNOTSUPP);
	assert_int_equal(ring.remove_from_cluster(), -EOPNOTSUPP);
	assert_int_equal(ring.set_channel_id(0), -EOPNOTSUPP);
	assert_int_equal(ring.set_sampling_rate(1), 0);
	assert_int_equal(ring.set_sw_filtering_sampling_rate(0), 0);
	assert_int_equal(ring.add_bpf_filter("ip or ether[59] > 10"), 0);
	rule.rule_id = 5;
	rule.rule_action = dont_forward_packet_and_stop_rule_evaluation;
	rule.core_fields.eth_type = 0x1234;
	assert_int_equal(ring.add_filtering_rule(&rule), 0);
	assert_int_equal(ring.get_filtering_rule_stats(5, reinterpret_cast<char *>(&stats), &len),
			 0);
	assert_int_equal(len, sizeof(stats));
	assert_int_equal(ring.remove_filtering_rule(5), 0);
	assert_int_equal(ring.remove_filtering_rule(5), -ENOENT);
	hash.ip_version = 4;
	hash.proto = 17;
	hash.host4_peer_a = 1;
	hash.host4_peer_b = 2;
	hash.rule_action = dont_forward_packet_and_stop_rule_evaluation;
	assert_int_equal(ring.add_hash_filtering_rule(&hash), 0);
	assert_int_equal(
		ring.get_hash_filtering_rule_stats(&hash, reinterpret_cast<char *>(&stats), &len),
		0);
	assert_int_equal(ring.remove_hash_filtering_rule(&hash), 0);
	assert_int_equal(ring.toggle_filtering_policy(true), 0);
	assert_int_equal(ring.enable_ring(), 0);
	assert_true(ring.wait_for_packets(60000));
	assert_int_equal(ring.get_next_packet(&h, copy, sizeof(copy)), 1);
	assert_int_equal(copy[59], 0);
	assert_int_equal(ring.get_next_packet_zc(&h, &p), 1);
	assert_int_equal(p[59], 1);
	assert_int_equal(h.caplen, 60);
	assert_int_equal(ring.get_stats(&books), 0);
	assert_true(books.recv >= 2);
	assert_int_equal(ring.disable_ring(), 0);
	(void)ring.get_socket_id();
}

int main()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_range_for_sees_every_packet_once),
		cmocka_unit_test(test_a_loop_that_was_left_is_gone_on_with),
		cmocka_unit_test(test_an_error_code_takes_the_place_of_an_exception),
		cmocka_unit_test(test_what_cannot_return_an_error_throws),
		cmocka_unit_test(test_a_ring_has_one_owner),
		cmocka_unit_test(test_the_guides_methods_do_what_their_calls_do),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
