/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Backend "file:" through its op table. Files are made here; the oracle is
 * libpcap, linked into the test, reading the same file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "capfile.h"
#include "linktype.h"

#define MICRO 0xa1b2c3d4
#define NANO 0xa1b23c4d

static char folder[] = "/tmp/pfring-file-XXXXXX";
static char path[64];

/* Reads path to its end in batches of max; everything is checked when it is released. */
static struct reading read_with_ops(const char *from, u_int max)
{
	struct pfri_ring *r = ring_for(&pfri_file_ops, from);
	struct pfring_packet pkt[256];
	struct reading g = {0};
	int n;

	if (pfri_file_ops.open(r) == 0) {
		struct pfring_stats64 st = {0};

		g.opened = true;
		g.linktype = pfri_dlt_of(r->linktype);
		g.snapshot = (int)r->opt.caplen;
		assert_int_equal(pfri_file_ops.set_filter(r), 1);
		assert_int_equal(r->refilter, PFRI_REFILTER_ALWAYS);
		for (;;) {
			assert_int_equal(pfri_file_ops.poll(r, -1), 1);
			n = pfri_file_ops.recv_batch(r, pkt, max);
			if (n <= 0)
				break;
			for (int i = 0; i < n; i++) {
				assert_int_equal(pkt[i].rx_direction, 1);
				assert_int_equal(pkt[i].if_index, UNKNOWN_INTERFACE);
				found(&g, pkt[i].ts_ns, pkt[i].caplen, pkt[i].len, pkt[i].data);
			}
			pfri_file_ops.release(r);
		}
		assert_int_not_equal(n, 0);
		g.failed = n != -ENODATA;
		if (g.failed) {
			assert_int_equal(n, -EBADMSG);
			assert_non_null(strstr(pfring_last_error(), from));
		}
		/* An error is told once. */
		assert_int_equal(pfri_file_ops.recv_batch(r, pkt, max), -ENODATA);
		assert_int_equal(pfri_file_ops.stats(r, &st), 0);
		assert_int_equal(st.recv, g.n);
		assert_int_equal(st.drop, 0);
		pfri_file_ops.close(r);
	} else {
		assert_non_null(strstr(pfring_last_error(), from));
	}
	ring_free(r);
	return g;
}

static void assert_same_reading(const struct reading *got, const struct reading *want)
{
	assert_int_equal(got->opened, want->opened);
	assert_int_equal(got->linktype, want->linktype);
	assert_int_equal(got->snapshot, min_val(want->snapshot, MAX_CAPLEN));
	assert_int_equal(got->n, want->n);
	assert_int_equal(got->failed, want->failed);
	assert_int_equal(got->data.len, want->data.len);
	if (got->n) {
		assert_memory_equal(got->pkt, want->pkt, got->n * sizeof(*got->pkt));
		assert_memory_equal(got->data.at, want->data.at, got->data.len);
	}
}

/* The file is read alike by both, in batches of three sizes. Returns how many packets. */
static u_int both_read_alike(void)
{
	static const u_int sizes[] = {1, 7, 256};
	struct reading want = read_with_libpcap(path);
	u_int n = want.n;

	for (size_t i = 0; i < 3; i++) {
		struct reading got = read_with_ops(path, sizes[i]);

		assert_same_reading(&got, &want);
		forget(&got);
	}
	forget(&want);
	return n;
}

/* All sizes of packets, several buffers long. */
static struct bytes big_file(u_int32_t magic, bool swap, u_int32_t linktype, u_int32_t packets)
{
	static const u_int32_t sizes[] = {60, 1514, 64, 0, 9000, 1, 590, 65535, 14, 262144};
	struct bytes b = {.swap = swap};

	put_header(&b, magic, 262144, linktype);
	for (u_int32_t i = 0; i < packets; i++) {
		u_int32_t size = i % 97 == 96 ? sizes[i / 97 % 10] : sizes[i % 3];

		put_record(&b, i, size, size + i % 2 * 100);
	}
	return b;
}

static void test_ethernet_pcap_of_both_precisions_and_byte_orders(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		struct bytes b = big_file(kind & 1 ? NANO : MICRO, kind & 2, 1, 3000);

		save(path, &b, b.len);
		assert_int_equal(both_read_alike(), 3000);
		free(b.at);
	}
}

static void test_ethernet_pcap_needs_no_libpcap(void **state)
{
	struct bytes b = big_file(MICRO, false, 1, 3);
	struct pfri_ring *r;

	(void)state;
	save(path, &b, b.len);
	r = ring_for(&pfri_file_ops, path);
	assert_int_equal(pfri_file_ops.open(r), 0);
	assert_null(r->pcap);
	assert_int_equal(r->linktype, 1);
	pfri_file_ops.close(r);
	ring_free(r);
	free(b.at);
}

static void test_other_link_types_are_read_as_libpcap_reads_them(void **state)
{
	/* Among them those whose headers libpcap turns into our byte order: NFLOG, USB, SLL. */
	static const u_int32_t types[] = {0,   101, 105, 113, 127, 189, 220, 228, 229, 239,
					  276, 9,   50,	 104, 108, 119, 192, 195, 201, 147};

	(void)state;
	for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++) {
		for (int kind = 0; kind < 4; kind++) {
			struct bytes b = big_file(kind & 1 ? NANO : MICRO, kind & 2, types[t], 100);

			save(path, &b, b.len);
			assert_int_equal(both_read_alike(), 100);
			free(b.at);
		}
	}
}

/* ticks: 2023 in the unit that tsresol stands for. */
static struct bytes pcapng(bool swap, int tsresol, u_int64_t ticks, u_int16_t linktype,
			   u_int32_t packets)
{
	struct bytes b = {.swap = swap}, body = {.swap = swap};

	put_shb(&b);
	put_idb(&b, linktype, 0, tsresol);
	put_idb(&b, linktype, 0, 9);
	put32(&body, 0x12345678);
	put_block(&b, 0x00000bad, &body); /* a custom block, to be passed over */
	for (u_int32_t i = 0; i < packets; i++) {
		u_int32_t size = i % 50 == 49 ? 65535 : 60 + i % 7;

		put_epb(&b, 0, i, ticks + i * 997, size, size);
		put_epb(&b, 1, i, 1700000000123456789ull + i * 997, size, size + 4);
	}
	free(body.at);
	return b;
}

static void test_pcapng_of_every_resolution_and_byte_order(void **state)
{
	static const struct {
		int tsresol;
		u_int64_t ticks;
	} units[] = {
		{-1, 1700000000123456ull},    {6, 1700000000123456ull},
		{9, 1700000000123456789ull},  {3, 1700000000123ull},
		{12, 1700000000123456789ull}, {0x80 | 20, 1700000000ull << 20 | 77777},
	};

	(void)state;
	for (int swap = 0; swap < 2; swap++) {
		for (size_t i = 0; i < 6; i++) {
			struct bytes b = pcapng(swap, units[i].tsresol, units[i].ticks,
						i % 2 ? 1 : 113, 300);

			save(path, &b, b.len);
			assert_int_equal(both_read_alike(), 600);
			free(b.at);
		}
	}
}

static void test_pcapng_with_two_link_types_ends_in_libpcaps_error(void **state)
{
	struct bytes b = {0};
	struct reading got;

	(void)state;
	put_shb(&b);
	put_idb(&b, 1, 0, 9);
	put_epb(&b, 0, 1, 5000000000ull, 60, 60);
	put_idb(&b, 113, 0, 9);
	put_epb(&b, 1, 2, 6000000000ull, 60, 60);
	save(path, &b, b.len);
	assert_int_equal(both_read_alike(), 1);
	got = read_with_ops(path, 9);
	assert_true(got.failed);
	forget(&got);
	free(b.at);
}

static void test_a_file_cut_at_any_byte_gives_all_packets_before_the_cut(void **state)
{
	(void)state;
	for (int kind = 0; kind < 7; kind++) {
		struct bytes b = {.swap = kind & 2};
		u_int most = 0;

		if (kind < 4) {
			put_header(&b, kind & 1 ? NANO : MICRO, 65535, 1);
		} else if (kind == 4) {
			put_header(&b, MICRO, 65535, 113);
		} else {
			put_shb(&b);
			put_idb(&b, 1, 0, 9);
		}
		for (u_int32_t i = 0; i < 3; i++) {
			if (kind < 5)
				put_record(&b, i, 20 + i, 60);
			else
				put_epb(&b, 0, i, 77, 20 + i, 60);
		}
		for (size_t len = 0; len <= b.len; len++) {
			save(path, &b, len);
			most = both_read_alike();
		}
		assert_int_equal(most, 3);
		free(b.at);
	}
}

static void test_corrupt_lengths_end_in_one_error_after_the_good_packets(void **state)
{
	static const struct {
		u_int32_t caplen, len;
		u_int good; /* packets that both readers give, of four */
	} cases[] = {
		{0xffffffff, 60, 2}, {262145, 262145, 2}, {0x80000000, 60, 2}, {60, 20, 4},
		{60, 0, 4},	     {60, 0xffffffff, 4}, {0, 0, 2},	       {262144, 60, 2},
	};

	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			struct bytes b = {.swap = kind & 2};
			u_int n;

			put_header(&b, kind & 1 ? NANO : MICRO, 262144, 1);
			put_record(&b, 0, 60, 60);
			put_record(&b, 1, 64, 64);
			put32(&b, 1);
			put32(&b, 2);
			put32(&b, cases[i].caplen);
			put32(&b, cases[i].len);
			put_payload(&b, 2, 60);
			put_record(&b, 3, 60, 60);
			save(path, &b, b.len);
			n = both_read_alike();
			assert_true(n >= cases[i].good);
			free(b.at);
		}
	}
}

static void test_the_files_snap_length_cuts_as_libpcap_cuts(void **state)
{
	static const u_int32_t snaplens[] = {0,	     1,	     68,	 96,	     1514,
					     262144, 262145, 0x7fffffff, 0x80000000, 0xffffffff};

	(void)state;
	for (size_t i = 0; i < sizeof(snaplens) / sizeof(snaplens[0]); i++) {
		struct bytes b = {0};

		put_header(&b, MICRO, snaplens[i], 1);
		for (u_int32_t k = 0; k < 20; k++)
			put_record(&b, k, k * 90, k * 90);
		save(path, &b, b.len);
		assert_int_equal(both_read_alike(), 20);
		free(b.at);
	}
}

static void test_old_and_odd_headers_are_left_to_libpcap(void **state)
{
	(void)state;
	for (int kind = 0; kind < 8; kind++) {
		struct bytes b = big_file(MICRO, kind & 1, 1, 20);
		u_int16_t *version = (u_int16_t *)(void *)(b.at + 4);
		u_int32_t *linktype = (u_int32_t *)(void *)(b.at + 20);

		switch (kind / 2) {
		case 0: /* 2.3: the two lengths may be the other way round */
			version[1] = kind & 1 ? bswap_16(3) : 3;
			break;
		case 1: /* 2.2: they are */
			version[1] = kind & 1 ? bswap_16(2) : 2;
			break;
		case 2: /* a version of the future */
			version[0] = kind & 1 ? bswap_16(3) : 3;
			break;
		case 3: /* frame check sequences of four bytes */
			*linktype = kind & 1 ? bswap_32(0x24000001) : 0x24000001;
			break;
		}
		save(path, &b, b.len);
		both_read_alike();
		free(b.at);
	}
}

static void test_times_after_2038_stay_in_order(void **state)
{
	static const u_int32_t seconds[] = {0x7fffffff, 0x80000000, 0xffffffff};

	(void)state;
	for (u_int32_t linktype = 1; linktype <= 113; linktype += 112) {
		struct bytes b = {0};
		struct reading g;

		put_header(&b, MICRO, 65535, linktype);
		for (int i = 0; i < 3; i++) {
			put32(&b, seconds[i]);
			put32(&b, 999999);
			put32(&b, 0);
			put32(&b, 0);
		}
		save(path, &b, b.len);
		g = read_with_ops(path, 3);
		assert_int_equal(g.n, 3);
		for (int i = 0; i < 3; i++)
			assert_int_equal(g.pkt[i].ts_ns, seconds[i] * 1000000000ull + 999999000);
		forget(&g);
		free(b.at);
	}
}

static void assert_refused(const char *device, int err, const char *word)
{
	struct pfri_ring *r = ring_for(&pfri_file_ops, device);
	int before = open_descriptors();

	assert_int_equal(pfri_file_ops.open(r), err);
	if (!strstr(pfring_last_error(), word) || !strstr(pfring_last_error(), device))
		fail_msg("%s", pfring_last_error());
	assert_int_equal(open_descriptors(), before);
	ring_free(r);
}

static void refuse_bytes(const void *from, size_t len, const char *word)
{
	struct bytes b = {0};

	put(&b, from, len);
	save(path, &b, len);
	assert_refused(path, -EBADMSG, word);
	free(b.at);
}

static void test_what_is_no_capture_file_is_refused_with_the_reason(void **state)
{
	(void)state;
	assert_refused("/nonexistent/x.pcap", -ENOENT, "No such file");
	assert_refused(folder, -EISDIR, "directory");
	refuse_bytes("", 0, "empty");
	refuse_bytes("hello, I am a text and longer than a header\n", 45, "unknown file format");
	refuse_bytes("\xd4\xc3\xb2\xa1\2\0\4\0", 8, "truncated");
	refuse_bytes("\x1f\x8b\x08\0\0\0\0\0", 8, "gzip");
	refuse_bytes("\x28\xb5\x2f\xfd\0\0\0\0", 8, "zstd");
	refuse_bytes("\xfd"
		     "7zXZ\0\0\0",
		     8, "xz");
	refuse_bytes("BZh91AY&SY", 10, "bzip2");
	refuse_bytes("\x04\x22\x4d\x18\0\0", 6, "lz4");
}

static void test_a_file_that_shrinks_while_it_is_read_is_no_crash(void **state)
{
	struct bytes b = big_file(MICRO, false, 1, 8000);
	struct pfring_packet pkt[256];
	struct pfri_ring *r;
	u_int64_t sum = 0;
	int n;

	(void)state;
	save(path, &b, b.len);
	assert_true(b.len > 8 * 524288);
	r = ring_for(&pfri_file_ops, path);
	assert_int_equal(pfri_file_ops.open(r), 0);
	assert_true(pfri_file_ops.recv_batch(r, pkt, 256) > 1);
	assert_int_equal(truncate(path, 100), 0);
	/* What was handed out can still be touched, and so can all that follows. */
	do {
		for (u_int32_t k = 0; k < pkt[0].caplen; k++)
			sum += pkt[0].data[k];
		pfri_file_ops.release(r);
		n = pfri_file_ops.recv_batch(r, pkt, 256);
	} while (n > 0);
	assert_int_equal(n, -EBADMSG);
	assert_non_null(strstr(pfring_last_error(), "truncated"));
	assert_true(sum > 0);
	pfri_file_ops.close(r);
	ring_free(r);
	free(b.at);
}

static void test_packets_appended_after_the_end_are_read_too(void **state)
{
	struct bytes b = big_file(MICRO, false, 1, 10);
	struct pfring_packet pkt[256];
	struct pfri_ring *r;
	size_t before = b.len;
	int fd;

	(void)state;
	save(path, &b, b.len);
	r = ring_for(&pfri_file_ops, path);
	assert_int_equal(pfri_file_ops.open(r), 0);
	assert_int_equal(pfri_file_ops.recv_batch(r, pkt, 256), 10);
	pfri_file_ops.release(r);
	assert_int_equal(pfri_file_ops.recv_batch(r, pkt, 256), -ENODATA);
	put_record(&b, 10, 60, 60);
	fd = open(path, O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, b.at + before, b.len - before), b.len - before);
	close(fd);
	assert_int_equal(pfri_file_ops.recv_batch(r, pkt, 256), 1);
	assert_memory_equal(pkt[0].data, b.at + before + 16, 60);
	pfri_file_ops.close(r);
	ring_free(r);
	free(b.at);
}

static void test_a_batch_stays_until_it_is_released(void **state)
{
	static const u_int32_t types[] = {1, 113};
	struct pfring_packet pkt[256];

	(void)state;
	for (size_t t = 0; t < 2; t++) {
		struct bytes b = big_file(MICRO, false, types[t], 4000);
		size_t off = 24;
		struct pfri_ring *r;
		int n, last;

		save(path, &b, b.len);
		r = ring_for(&pfri_file_ops, path);
		assert_int_equal(pfri_file_ops.open(r), 0);
		n = pfri_file_ops.recv_batch(r, pkt, 100);
		assert_int_equal(n, 100);
		/* Greedy reader: takes on and on without releasing. It gets nothing more, not
		 * garbage. */
		do {
			struct pfring_packet more[256];

			last = pfri_file_ops.recv_batch(r, more, 256);
		} while (last > 0);
		assert_int_equal(last, 0);
		for (int i = 0; i < n; i++) {
			assert_memory_equal(pkt[i].data, b.at + off + 16, pkt[i].caplen);
			off += 16 + pkt[i].caplen;
		}
		pfri_file_ops.release(r);
		assert_true(pfri_file_ops.recv_batch(r, pkt, 256) > 0);
		pfri_file_ops.close(r);
		ring_free(r);
		free(b.at);
	}
}

static void test_a_packet_larger_than_the_buffer_is_a_batch_of_its_own(void **state)
{
	struct bytes b = {0};

	(void)state;
	put_header(&b, MICRO, 0, 231); /* D-Bus messages may have 128 MiB */
	put_record(&b, 0, 100, 100);
	put_record(&b, 1, 3000000, 3000000);
	put_record(&b, 2, 600000, 600000);
	put_record(&b, 3, 100, 100);
	save(path, &b, b.len);
	assert_int_equal(both_read_alike(), 4);
	free(b.at);
}

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/trace", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ethernet_pcap_of_both_precisions_and_byte_orders),
		cmocka_unit_test(test_ethernet_pcap_needs_no_libpcap),
		cmocka_unit_test(test_other_link_types_are_read_as_libpcap_reads_them),
		cmocka_unit_test(test_pcapng_of_every_resolution_and_byte_order),
		cmocka_unit_test(test_pcapng_with_two_link_types_ends_in_libpcaps_error),
		cmocka_unit_test(test_a_file_cut_at_any_byte_gives_all_packets_before_the_cut),
		cmocka_unit_test(test_corrupt_lengths_end_in_one_error_after_the_good_packets),
		cmocka_unit_test(test_the_files_snap_length_cuts_as_libpcap_cuts),
		cmocka_unit_test(test_old_and_odd_headers_are_left_to_libpcap),
		cmocka_unit_test(test_times_after_2038_stay_in_order),
		cmocka_unit_test(test_what_is_no_capture_file_is_refused_with_the_reason),
		cmocka_unit_test(test_a_file_that_shrinks_while_it_is_read_is_no_crash),
		cmocka_unit_test(test_packets_appended_after_the_end_are_read_too),
		cmocka_unit_test(test_a_batch_stays_until_it_is_released),
		cmocka_unit_test(test_a_packet_larger_than_the_buffer_is_a_batch_of_its_own),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
