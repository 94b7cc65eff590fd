/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Public calls that change what a ring takes or tell about it, on a capture
 * file of four frames: untagged UDP, TCP in VLAN 5, ARP, TCP in VLAN 6 over IPv6.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "frame.h"
#include "pfring.h"

#define FRAMES 4

static char path[] = "/tmp/pfring-calls-XXXXXX";
static char name[64];
static struct frame frames[FRAMES];
static const u_int l3[FRAMES] = {14, 18, 14, 18}, l4[FRAMES] = {34, 38, 0, 58},
		   payload[FRAMES] = {42, 58, 0, 78};

static int setup(void **state)
{
	struct pfring_packet p[FRAMES] = {0};
	pfring_dumper *d;
	int fd = mkstemp(path);

	(void)state;
	close(fd);
	snprintf(name, sizeof(name), "file:%s", path);
	for (u_int i = 0; i < FRAMES; i++) {
		struct frame *f = &frames[i];

		f_eth(f, i == 2 ? ETH_P_ARP : i & 1 ? ETH_P_8021Q : ETH_P_IP);
		if (i & 1)
			f_tag(f, 4 + (i + 1) / 2, i == 3 ? ETH_P_IPV6 : ETH_P_IP);
		if (i == 2)
			f_fill(f, 0, 46);
		else if (i == 3)
			f_ip6(f, IPPROTO_TCP, 1, 2);
		else
			f_ip4(f, i ? IPPROTO_TCP : IPPROTO_UDP, 1, 2, 0, 0);
		if (i & 1)
			f_tcp(f, 1000, 80, 0);
		else if (!i)
			f_udp(f, 1000, 53);
		f_fill(f, (u_char)i, 40);
		f_done(f);
		p[i] = (struct pfring_packet){
			.data = f->b, .caplen = f->n, .len = f->n, .ts_ns = 1000000000u + i};
	}
	d = pfring_dump_open(path, 1, 65535, PFRING_DUMP_PCAP_NS);
	assert_non_null(d);
	assert_int_equal(pfring_dump_packets(d, p, FRAMES), 0);
	return pfring_dump_close(d);
}

static int teardown(void **state)
{
	(void)state;
	return unlink(path);
}

static pfring *opened(void)
{
	pfring *ring = pfring_open(name, 65535, 0);

	assert_non_null(ring);
	assert_int_equal(pfring_enable_ring(ring), 0);
	return ring;
}

/* Reads to the end; a bit for each frame that came, its bytes checked. */
static u_int read_all(pfring *ring, u_int caplen[FRAMES])
{
	struct pfring_pkthdr h;
	u_char *data;
	u_int came = 0;

	while (pfring_recv(ring, &data, 0, &h, 1) > 0) {
		u_int i = (u_int)(h.extended_hdr.timestamp_ns - 1000000000u);

		assert_in_range(i, 0, FRAMES - 1);
		assert_int_equal(h.len, frames[i].n);
		assert_memory_equal(data, frames[i].b, h.caplen);
		came |= 1u << i;
		caplen[i] = h.caplen;
	}
	return came;
}

static void test_a_vlan_or_none_is_chosen(void **state)
{
	static const struct {
		u_int16_t vlan;
		u_int came;
	} cases[] = {{RING_NO_VLAN, 0x5}, {5, 0x2}, {6, 0x8}, {7, 0}, {RING_ANY_VLAN, 0xf}};
	u_int caplen[FRAMES];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pfring *ring = opened();
		struct pfring_stats64 st = {.sz = sizeof(st)};

		assert_int_equal(pfring_set_vlan_id(ring, cases[i].vlan), 0);
		assert_int_equal(read_all(ring, caplen), cases[i].came);
		assert_int_equal(pfring_stats64(ring, &st), 0);
		assert_int_equal(st.recv, (u_int)__builtin_popcount(cases[i].came));
		assert_int_equal(st.recv + st.filtered_user, FRAMES);
		pfring_close(ring);
	}
}

static void test_what_was_fetched_is_chosen_from_as_well(void **state)
{
	pfring *ring = opened();
	struct timespec ts;
	u_int caplen[FRAMES];

	(void)state;
	assert_int_equal(pfring_next_pkt_time(ring, &ts), 0);
	assert_int_equal(pfring_set_vlan_id(ring, 6), 0);
	assert_int_equal(read_all(ring, caplen), 0x8);
	pfring_close(ring);
}

static void test_every_vlan_may_be_chosen_again(void **state)
{
	pfring *ring = opened();
	u_int caplen[FRAMES];

	(void)state;
	assert_int_equal(pfring_set_vlan_id(ring, 7), 0);
	assert_int_equal(pfring_set_vlan_id(ring, RING_ANY_VLAN), 0);
	assert_int_equal(read_all(ring, caplen), 0xf);
	pfring_close(ring);
}

/* As PF_RING's own "pcap:" does. */
static void test_pcap_and_a_path_is_a_capture_file(void **state)
{
	char as_pcap[80];
	u_int caplen[FRAMES];
	pfring *ring;

	(void)state;
	snprintf(as_pcap, sizeof(as_pcap), "pcap:%s", path);
	ring = pfring_open(as_pcap, 1500, 0);
	assert_non_null(ring);
	assert_string_equal(pfring_get_backend(ring, NULL), "file");
	assert_int_equal(pfring_enable_ring(ring), 0);
	assert_int_equal(read_all(ring, caplen), 0xf);
	pfring_close(ring);
	/* Without a slash it is one if there is such a file, here, and no such interface. */
	assert_int_equal(chdir("/tmp"), 0);
	snprintf(as_pcap, sizeof(as_pcap), "pcap:%s", path + strlen("/tmp/"));
	ring = pfring_open(as_pcap, 1500, 0);
	assert_non_null(ring);
	pfring_close(ring);
	assert_null(pfring_open("pcap:/tmp/pfring-no-such-file", 1500, 0));
	assert_int_equal(errno, ENOENT);
}

/* One switch for all of them, as programs have it: none equals another. */
static void test_every_error_has_a_number_of_its_own(void **state)
{
	static const int errors[] = {
		PF_RING_ERROR_GENERIC,
		PF_RING_ERROR_INVALID_ARGUMENT,
		PF_RING_ERROR_NO_PKT_AVAILABLE,
		PF_RING_ERROR_NO_TX_SLOT_AVAILABLE,
		PF_RING_ERROR_WRONG_CONFIGURATION,
		PF_RING_ERROR_END_OF_DEMO_MODE,
		PF_RING_ERROR_NOT_SUPPORTED,
		PF_RING_ERROR_INVALID_LIB_VERSION,
		PF_RING_ERROR_UNKNOWN_ADAPTER,
		PF_RING_ERROR_NOT_ENOUGH_MEMORY,
		PF_RING_ERROR_INVALID_STATUS,
		PF_RING_ERROR_RING_NOT_ENABLED,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		assert_true(errors[i] < 0);
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(errors[i], errors[k]);
	}
}

static void test_a_payload_is_searched(void **state)
{
	char pattern[5] = {3, 3, 3, 3};
	u_int caplen[FRAMES];
	pfring *ring = opened();

	(void)state;
	assert_int_equal(pfring_search_payload(ring, ""), -EINVAL);
	assert_int_equal(pfring_search_payload(ring, "a string of more than thirty-two bytes"),
			 -EINVAL);
	assert_int_equal(pfring_search_payload(ring, pattern), 0);
	assert_int_equal(read_all(ring, caplen), 0x8);
	pfring_close(ring);
	ring = opened();
	assert_int_equal(pfring_search_payload(ring, pattern), 0);
	memset(pattern, 1, 4);
	assert_int_equal(pfring_search_payload(ring, pattern), 0);
	assert_int_equal(read_all(ring, caplen), 0xa);
	pfring_close(ring);
}

static void test_packets_are_sliced_behind_a_layer(void **state)
{
	static const u_int *const ends[] = {NULL, l3, l4, payload};
	u_int caplen[FRAMES];

	(void)state;
	for (u_int level = L2_SLICING; level <= L4_SLICING; level++) {
		for (u_int more = 0; more < 40; more += 13) {
			pfring *ring = opened();

			assert_int_equal(
				pfring_set_packet_slicing(ring, (packet_slicing_level)level, more),
				0);
			assert_int_equal(read_all(ring, caplen), 0xf);
			/* What has no such layer stays whole. */
			for (u_int i = 0; i < FRAMES; i++)
				if (i != 2)
					assert_int_equal(caplen[i], min_val(ends[level][i] + more,
									    frames[i].n));
				else if (level > L2_SLICING)
					assert_int_equal(caplen[i], frames[i].n);
			pfring_close(ring);
		}
	}
}

static void test_a_chunk_holds_all_that_is_there(void **state)
{
	pfring *ring = opened();
	struct pfring_packet *p;
	pfring_chunk_info info;
	void *chunk;

	(void)state;
	assert_int_equal(pfring_recv_chunk(ring, NULL, &info, 1), -EINVAL);
	assert_int_equal(pfring_recv_chunk(ring, &chunk, &info, 1), 1);
	assert_int_equal(info.num_packets, FRAMES);
	assert_int_equal(info.length, FRAMES * sizeof(*p));
	p = chunk;
	for (u_int i = 0; i < FRAMES; i++) {
		assert_int_equal(p[i].len, frames[i].n);
		assert_memory_equal(p[i].data, frames[i].b, frames[i].n);
	}
	assert_int_equal(pfring_recv_chunk(ring, &chunk, &info, 1), -ENODATA);
	pfring_close(ring);
}

static void test_metadata_is_that_of_the_last_packet(void **state)
{
	pfring *ring = opened();
	const struct pfring_packet *p;
	struct pfring_pkthdr h;
	u_char *data, *meta;
	u_int32_t len;

	(void)state;
	assert_int_equal(pfring_get_metadata(ring, &meta, &len), -EAGAIN);
	for (u_int i = 0; i < 2; i++) {
		assert_int_equal(pfring_recv(ring, &data, 0, &h, 1), 1);
		assert_int_equal(pfring_get_metadata(ring, &meta, &len), 0);
		assert_int_equal(len, sizeof(*p));
		p = (const struct pfring_packet *)(void *)meta;
		assert_ptr_equal(p->data, data);
		assert_int_equal(p->ts_ns, 1000000000u + i);
	}
	pfring_sync_indexes_with_kernel(ring); /* the rest is still to come: nothing to give back */
	assert_int_equal(pfring_recv(ring, &data, 0, &h, 1), 1);
	assert_memory_equal(data, frames[2].b, frames[2].n);
	pfring_close(ring);
}

static void test_bytes_come_out_of_the_loopback_as_they_went_in(void **state)
{
	static char buffer[MAX_CAPLEN + 1];
	static const u_int sizes[] = {1, 60, 1514, 65535, MAX_CAPLEN};
	pfring *ring = opened();

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		buffer[sizes[i]] = 'x';
		assert_int_equal(pfring_loopback_test(ring, buffer, sizeof(buffer), sizes[i]),
				 (int)sizes[i]);
		assert_int_equal(buffer[sizes[i]], 'x');
	}
	assert_int_equal(pfring_loopback_test(ring, buffer, 100, 101), -EINVAL);
	assert_int_equal(pfring_loopback_test(ring, buffer, 100, 0), -EINVAL);
	assert_int_equal(pfring_loopback_test(ring, buffer, sizeof(buffer), MAX_CAPLEN + 1),
			 -EINVAL);
	pfring_close(ring);
}

static void assert_file_holds(const char *file, const char *text)
{
	char got[5000];
	FILE *f = fopen(file, "r");
	size_t n;

	assert_non_null(f);
	n = fread(got, 1, sizeof(got) - 1, f);
	got[n] = 0;
	fclose(f);
	assert_string_equal(got, text);
}

static void test_application_statistics_can_be_read_by_others(void **state)
{
	pfring *ring = opened();
	char file[64], longest[4097];

	(void)state;
	assert_ptr_equal(pfring_get_appl_stats_file_name(ring, file, sizeof(file)), file);
	assert_file_holds(file, "");
	assert_int_equal(pfring_set_application_stats(ring, "packets: 12\n"), 0);
	assert_file_holds(file, "packets: 12\n");
	assert_int_equal(pfring_set_application_stats(ring, "none\n"), 0);
	assert_file_holds(file, "none\n");
	memset(longest, 'a', sizeof(longest));
	longest[4096] = 0;
	assert_int_equal(pfring_set_application_stats(ring, longest), -E2BIG);
	longest[4095] = 0;
	assert_int_equal(pfring_set_application_stats(ring, longest), 0);
	assert_file_holds(file, longest);
	assert_null(pfring_get_appl_stats_file_name(ring, file, 5));
	pfring_close(ring);
	/* It goes with the ring. */
	assert_int_equal(access(file, F_OK), -1);
}

static void test_what_nobody_has_says_so(void **state)
{
	pfring *ring = opened();
	virtual_filtering_device_info device = {0};
	hw_filtering_rule rule = {.rule_family_type = generic_flow_tuple_rule};
	pfring_card_settings card;
	char other[] = "eth9";

	(void)state;
	assert_int_equal(pfring_recv_flow(ring, NULL, 0), -EOPNOTSUPP);
	assert_non_null(strstr(pfring_last_error(), "hash"));
	assert_int_equal(pfring_set_virtual_device(ring, &device), -EOPNOTSUPP);
	assert_int_equal(pfring_set_master_id(ring, 1), -EOPNOTSUPP);
	assert_int_equal(pfring_set_master(ring, ring), -EOPNOTSUPP);
	assert_int_equal(pfring_set_bound_dev_name(ring, other), -EOPNOTSUPP);
	assert_int_equal(pfring_set_filtering_sampling_rate(ring, 0), 0);
	assert_int_equal(pfring_set_filtering_sampling_rate(ring, 5), -EOPNOTSUPP);
	assert_int_equal(pfring_set_filtering_mode(ring, software_only), 0);
	assert_int_equal(pfring_set_filtering_mode(ring, hardware_only), -EOPNOTSUPP);
	/* What no adapter can do software does. */
	assert_int_equal(pfring_set_filtering_mode(ring, hardware_and_software), 0);
	assert_int_equal(pfring_set_filtering_mode(ring, (filtering_mode)9), -EINVAL);
	assert_int_equal(pfring_bind(ring, path), 0);
	assert_int_equal(pfring_bind(ring, other), -EOPNOTSUPP);
	assert_int_equal(pfring_set_channel_id(ring, 1), -EOPNOTSUPP);
	assert_int_equal(pfring_enable_rss_rehash(ring), 0);
	assert_int_equal(pfring_add_hw_rule(ring, &rule), -EOPNOTSUPP);
	assert_int_equal(pfring_set_default_hw_action(ring, default_pass), 0);
	assert_int_equal(pfring_set_default_hw_action(ring, default_drop), -EOPNOTSUPP);
	assert_int_equal(pfring_get_card_settings(ring, &card), -ENODEV);
	pfring_close(ring);
}

static void test_bad_arguments_are_refused(void **state)
{
	pfring *ring = opened();

	(void)state;
	assert_int_equal(pfring_set_vlan_id(ring, 4096), -EINVAL);
	assert_int_equal(pfring_set_channel_id(ring, MAX_NUM_RX_CHANNELS), -EINVAL);
	assert_int_equal(pfring_set_channel_mask(ring, 0), -EINVAL);
	assert_int_equal(pfring_set_packet_slicing(ring, (packet_slicing_level)9, 0), -EINVAL);
	assert_int_equal(pfring_set_application_stats(ring, NULL), -EINVAL);
	assert_int_equal(pfring_add_hw_rule(ring, NULL), -EINVAL);
	assert_int_equal(pfring_remove_hw_rule(ring, (hw_filtering_rule *)NULL), -EINVAL);
	assert_int_equal(pfring_set_if_promisc("", 1), -EINVAL);
	assert_int_equal(pfring_set_if_promisc("a-name-that-is-far-too-long", 1), -EINVAL);
	assert_int_equal(pfring_set_if_promisc("pfr-no-such", 1), -ENODEV);
	assert_int_equal(pfring_get_ethtool_link_speed("pfr-no-such"), 0);
	assert_int_equal(pfring_bind(ring, NULL), -EINVAL);
	pfring_close(ring);
	assert_int_equal(pfring_set_vlan_id(NULL, 1), -EINVAL);
	assert_int_equal(pfring_set_master(NULL, NULL), -EINVAL);
}

static void test_a_filter_by_hand_lives_until_it_is_freed(void **state)
{
	struct pfring_bpf_program program = {0};

	(void)state;
	assert_true(pfring_parse_bpf_filter("nonsense (", 100, &program) < 0);
	assert_null(program.bf_insns);
	assert_int_equal(pfring_parse_bpf_filter("udp dst port 53", 100, &program), 0);
	assert_true(program.bf_len > 2);
	assert_int_equal(pfring_bpf_filter(program.bf_insns, frames[0].b, frames[0].n, frames[0].n),
			 100);
	for (u_int i = 1; i < FRAMES; i++)
		assert_int_equal(
			pfring_bpf_filter(program.bf_insns, frames[i].b, frames[i].n, frames[i].n),
			0);
	pfring_free_bpf_filter(&program);
	assert_null(program.bf_insns);
	pfring_free_bpf_filter(&program);
	assert_int_equal(pfring_bpf_filter(NULL, frames[0].b, 60, 60), 0);
	assert_int_equal(pfring_parse_bpf_filter("ip", 100, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_vlan_or_none_is_chosen),
		cmocka_unit_test(test_what_was_fetched_is_chosen_from_as_well),
		cmocka_unit_test(test_every_vlan_may_be_chosen_again),
		cmocka_unit_test(test_pcap_and_a_path_is_a_capture_file),
		cmocka_unit_test(test_every_error_has_a_number_of_its_own),
		cmocka_unit_test(test_a_payload_is_searched),
		cmocka_unit_test(test_packets_are_sliced_behind_a_layer),
		cmocka_unit_test(test_a_chunk_holds_all_that_is_there),
		cmocka_unit_test(test_metadata_is_that_of_the_last_packet),
		cmocka_unit_test(test_bytes_come_out_of_the_loopback_as_they_went_in),
		cmocka_unit_test(test_application_statistics_can_be_read_by_others),
		cmocka_unit_test(test_what_nobody_has_says_so),
		cmocka_unit_test(test_bad_arguments_are_refused),
		cmocka_unit_test(test_a_filter_by_hand_lives_until_it_is_freed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
