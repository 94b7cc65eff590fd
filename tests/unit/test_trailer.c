/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Time stamps behind frames: frames made by hand after the vendors' descriptions
 * (named in ring/trailer.c), one by one and through handles that take them off.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>

#include "pfring.h"

#define BODY 60	 /* bytes of each frame in front of its trailer */
#define PLAIN 40 /* bytes of a frame without one */
#define SECONDS 1387240828u
#define NS 522243471u
#define ALL_NS (SECONDS * 1000000000ull + NS)

static u_char frame[256];
static u_int len;

static void begin(void)
{
	memset(frame, 0x5a, sizeof(frame));
	memset(frame, 2, 12);
	frame[12] = 0x88;
	frame[13] = 0xb5;
	len = BODY;
}

static void byte(u_int v)
{
	frame[len++] = (u_char)v;
}

static void word(u_int32_t v)
{
	v = htonl(v);
	memcpy(frame + len, &v, 4);
	len += 4;
}

static void ixia_frame(bool with_fcs)
{
	begin();
	byte(6); /* PTP */
	byte(8);
	word(SECONDS);
	word(NS);
	byte(10);
	byte(0xaf);
	byte(0x12);
	byte(0x12);
	byte(0x34);
	if (with_fcs)
		word(0xdeadbeef);
}

static void vss_frame(void)
{
	begin();
	word(SECONDS);
	word(3u << 30 | NS); /* the clock is PTP's */
	word(0xdeadbeef);
}

static void metawatch_end(u_int flags)
{
	word(SECONDS);
	word(NS);
	byte(flags);
	byte(0x12);
	byte(0x34);
	byte(7);
}

static void metawatch_frame(void)
{
	begin();
	word(0xdeadbeef); /* its first checksum */
	metawatch_end(1);
}

/* With a part of a nanosecond, and in front of that a text of two words. */
static void metawatch_long_frame(void)
{
	begin();
	word(0xdeadbeef);
	word(0x61626364);
	word(0x65666768);
	word(1 << 6 | 0x20 | 0x1f); /* secondary tag, two words, the last one */
	word(0x80000001);	    /* half a nanosecond, no word more */
	metawatch_end(3);
}

/* The key frame and packet 10 of the blog post that ring/trailer.c names. */
static void key_frame(void)
{
	begin();
	frame[12] = 8;
	frame[13] = 0;
	len = 14;
	memset(frame + len, 0, 20);
	frame[len] = 0x45;
	frame[len + 9] = 253;
	len += 20;
	word(0x00000321); /* 64 bits of the counter */
	word(0x80000000u | 2136278506u);
	word((u_int32_t)(ALL_NS >> 32));
	word((u_int32_t)ALL_NS);
	memset(frame + len, 0, 30);
	len += 30;
}

#define LATER_NS (ALL_NS + 3362828ull * 20 / 7)

static void arista_frame(void)
{
	begin();
	word(0xff10ab76);
}

static struct pfring_pkthdr whole(void)
{
	struct pfring_pkthdr hdr;

	memset(&hdr, 0, sizeof(hdr));
	hdr.caplen = hdr.len = len;
	hdr.ts.tv_sec = 5;
	hdr.extended_hdr.timestamp_ns = 5000000000u;
	return hdr;
}

typedef int (*reads)(u_char *, u_int32_t, struct timespec *);
typedef int (*handles)(u_char *, struct pfring_pkthdr *);

static void expect(reads read, handles handle, u_int trailer)
{
	struct pfring_pkthdr hdr = whole();
	struct timespec ts = {0};

	assert_int_equal(read(frame, len, &ts), trailer);
	assert_int_equal(ts.tv_sec, SECONDS);
	assert_int_equal(ts.tv_nsec, NS);
	assert_int_equal(handle(frame, &hdr), 0);
	assert_int_equal(hdr.caplen, len - trailer);
	assert_int_equal(hdr.len, len - trailer);
	assert_int_equal(hdr.ts.tv_sec, SECONDS);
	assert_int_equal(hdr.ts.tv_usec, NS / 1000);
	assert_int_equal(hdr.extended_hdr.timestamp_ns, ALL_NS);
	/* Of a packet that was cut nobody knows what its end was. */
	hdr = whole();
	hdr.caplen--;
	assert_true(handle(frame, &hdr) < 0);
	assert_int_equal(hdr.len, len);
}

static void expect_none(reads read, handles handle)
{
	struct pfring_pkthdr hdr = whole();
	struct timespec ts = {1, 1};

	assert_int_equal(read(frame, len, &ts), 0);
	assert_int_equal(ts.tv_sec + ts.tv_nsec, 0);
	assert_int_equal(handle(frame, &hdr), 0);
	assert_int_equal(hdr.len, len);
	assert_int_equal(hdr.extended_hdr.timestamp_ns, 5000000000u);
}

static void test_ixia_trailers_with_and_without_the_frames_checksum(void **state)
{
	(void)state;
	ixia_frame(true);
	expect(pfring_read_ixia_hw_timestamp, pfring_handle_ixia_hw_timestamp, 19);
	ixia_frame(false);
	expect(pfring_read_ixia_hw_timestamp, pfring_handle_ixia_hw_timestamp, 15);
	frame[len - 3] = 0x13; /* no signature */
	expect_none(pfring_read_ixia_hw_timestamp, pfring_handle_ixia_hw_timestamp);
	begin();
	expect_none(pfring_read_ixia_hw_timestamp, pfring_handle_ixia_hw_timestamp);
}

static void test_vss_and_apcon_trailers(void **state)
{
	(void)state;
	vss_frame();
	expect(pfring_read_vss_apcon_hw_timestamp, pfring_handle_vss_apcon_hw_timestamp, 12);
	memset(frame + BODY + 4, 0x3f, 4); /* more nanoseconds than a second has */
	expect_none(pfring_read_vss_apcon_hw_timestamp, pfring_handle_vss_apcon_hw_timestamp);
}

static void test_metawatch_trailers_with_and_without_extensions(void **state)
{
	struct pfring_pkthdr hdr;
	u_int16_t device = 0;
	u_int8_t port = 0;

	(void)state;
	metawatch_frame();
	expect(pfring_read_metawatch_hw_timestamp, pfring_handle_metawatch_hw_timestamp, 16);
	metawatch_long_frame();
	expect(pfring_read_metawatch_hw_timestamp, pfring_handle_metawatch_hw_timestamp, 32);
	assert_int_equal(pfring_read_metawatch_device_info(frame, len, &device, &port), 32);
	assert_int_equal(device, 0x1234);
	assert_int_equal(port, 7);
	hdr = whole();
	assert_int_equal(pfring_handle_metawatch_hw_timestamp(frame, &hdr), 0);
	assert_int_equal(hdr.extended_hdr.device_id, 0x1234);
	assert_int_equal(hdr.extended_hdr.port_id, 7);
	/* Extensions that begin before the frame does. */
	frame[len - 13] = 0xdf;
	frame[len - 14] = 0xff;
	expect_none(pfring_read_metawatch_hw_timestamp, pfring_handle_metawatch_hw_timestamp);
}

static void test_arista_ticks_count_from_the_last_key_frame(void **state)
{
	struct pfring_pkthdr hdr;
	u_int32_t ticks = 0;
	u_int64_t ns = 1;

	(void)state;
	arista_frame();
	assert_int_equal(pfring_read_arista_7150_keyframe(frame, len, &ns, &ticks), -ENOENT);
	assert_int_equal(pfring_read_arista_7150_hw_timestamp(frame, len, &ns), 4);
	assert_int_equal(ns, 0);
	hdr = whole();
	assert_int_equal(pfring_handle_arista_hw_timestamp(frame, &hdr), 0);
	assert_int_equal(hdr.len, BODY);
	assert_int_equal(hdr.ts.tv_sec, 5);
	key_frame();
	assert_int_equal(pfring_read_arista_7150_keyframe(frame, len, &ns, &ticks), 0);
	assert_int_equal(ns, ALL_NS);
	assert_int_equal(ticks, 2136278506u);
	hdr = whole();
	assert_int_equal(pfring_handle_arista_hw_timestamp(frame, &hdr), 1);
	arista_frame();
	assert_int_equal(pfring_read_arista_7150_hw_timestamp(frame, len, &ns), 4);
	assert_int_equal(ns, LATER_NS);
	/* A packet that left just before it, and one for which the counter went round. */
	word(ticks >> 7 << 8 | ((ticks & 0x7f) - 7));
	assert_int_equal(pfring_read_arista_hw_timestamp(frame, len, &ns), 4);
	assert_int_equal(ns, ALL_NS - 20);
	word(0);
	assert_int_equal(pfring_read_arista_hw_timestamp(frame, len, &ns), 4);
	assert_int_equal(ns, ALL_NS + (0x80000000ull - ticks) * 20 / 7);
	/* The same protocol, and no room for what a key frame says. */
	key_frame();
	assert_int_equal(pfring_read_arista_keyframe(frame, len - 31, &ns, &ticks), -ENOENT);
	frame[14 + 9] = IPPROTO_UDP;
	assert_int_equal(pfring_read_arista_keyframe(frame, len, &ns, &ticks), -ENOENT);
}

static char path[] = "/tmp/pfring-trailer-XXXXXX";

static void add(pfring_dumper *d)
{
	struct pfring_packet p = {.data = frame, .ts_ns = 77, .caplen = len, .len = len};

	assert_int_equal(pfring_dump_packets(d, &p, 1), 0);
}

/* A file of count frames with a trailer and one without, which stays as it is. */
static void make_file(void (*const make[])(void), int count)
{
	pfring_dumper *d = pfring_dump_open(path, 1, 65535, PFRING_DUMP_PCAP_NS);

	assert_non_null(d);
	for (int i = 0; i < count; i++) {
		make[i]();
		add(d);
	}
	begin();
	len = PLAIN;
	memset(frame + 14, 0, PLAIN - 14);
	add(d);
	assert_int_equal(pfring_dump_close(d), 0);
}

static void read_file(u_int32_t flag, void (*const make[])(void), int count, u_int64_t first_ns)
{
	struct pfring_stats64 st = {.sz = sizeof(st)};
	const bool arista = flag == PF_RING_ARISTA_TIMESTAMP;
	struct pfring_pkthdr hdr;
	u_char *buffer = NULL;
	char name[64];
	pfring *ring;

	make_file(make, count);
	snprintf(name, sizeof(name), "file:%s", path);
	ring = pfring_open(name, 0, flag | PF_RING_LONG_HEADER);
	assert_non_null(ring);
	assert_int_equal(pfring_enable_ring(ring), 0);
	assert_int_equal(pfring_recv(ring, &buffer, 0, &hdr, 1), 1);
	assert_int_equal(hdr.len, BODY);
	assert_int_equal(hdr.caplen, BODY);
	assert_int_equal(hdr.extended_hdr.timestamp_ns, first_ns);
	assert_int_equal(buffer[BODY - 1], 0x5a);
	assert_int_equal(pfring_recv(ring, &buffer, 0, &hdr, 1), 1);
	assert_int_equal(hdr.len, arista ? PLAIN - 4 : PLAIN);
	if (!arista)
		assert_int_equal(hdr.extended_hdr.timestamp_ns, 77);
	assert_int_equal(pfring_recv(ring, &buffer, 0, &hdr, 1), -ENODATA);
	/* A key frame is for the library, and in the books. */
	assert_int_equal(pfring_stats64(ring, &st), 0);
	assert_int_equal(st.filtered_user, arista);
	assert_int_equal(st.delivered, 2);
	pfring_close(ring);
}

static void ixia_with_fcs(void)
{
	ixia_frame(true);
}

static void test_a_handle_takes_trailers_off_by_its_flag(void **state)
{
	static void (*const ixia[])(void) = {ixia_with_fcs};
	static void (*const vss[])(void) = {vss_frame};
	static void (*const metawatch[])(void) = {metawatch_long_frame};
	static void (*const arista[])(void) = {key_frame, arista_frame};

	(void)state;
	read_file(PF_RING_IXIA_TIMESTAMP, ixia, 1, ALL_NS);
	read_file(PF_RING_VSS_APCON_TIMESTAMP, vss, 1, ALL_NS);
	read_file(PF_RING_METAWATCH_TIMESTAMP, metawatch, 1, ALL_NS);
	read_file(PF_RING_ARISTA_TIMESTAMP, arista, 2, LATER_NS);
}

static void test_a_cut_packet_keeps_its_time_and_its_length(void **state)
{
	static void (*const ixia[])(void) = {ixia_with_fcs};
	struct pfring_pkthdr hdr;
	u_char *buffer = NULL;
	char name[64];
	pfring *ring;

	(void)state;
	make_file(ixia, 1);
	snprintf(name, sizeof(name), "file:%s", path);
	ring = pfring_open(name, BODY + 1, PF_RING_IXIA_TIMESTAMP);
	assert_non_null(ring);
	assert_int_equal(pfring_enable_ring(ring), 0);
	assert_int_equal(pfring_recv(ring, &buffer, 0, &hdr, 1), 1);
	/* Read from the file whole, and cut only behind that. */
	assert_int_equal(hdr.caplen, BODY);
	assert_int_equal(hdr.extended_hdr.timestamp_ns, ALL_NS);
	pfring_close(ring);
}

static void test_no_bytes_lead_outside_of_the_frame(void **state)
{
	static const reads read[] = {pfring_read_ixia_hw_timestamp,
				     pfring_read_vss_apcon_hw_timestamp,
				     pfring_read_metawatch_hw_timestamp};
	u_int32_t seed = 12345, ticks;
	struct timespec ts;
	u_int64_t ns;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		u_int32_t n = (u_int32_t)round % 97;
		u_char *exact = malloc(n + 1);

		assert_non_null(exact);
		for (u_int32_t i = 0; i < n; i++) {
			seed = seed * 1664525u + 1013904223u;
			exact[i] = (u_char)(seed >> 24);
		}
		if (n >= 14 && round & 1)
			memcpy(exact + 12, "\x81\x00", 2);
		if (n >= 16 && round & 2) {
			memcpy(exact + 12, "\x08\x00\x4f", 3);
			exact[n > 23 ? 23 : 15] = 253;
		}
		/* In a block of exactly this size, for those who watch over memory. */
		exact = realloc(exact, n ? n : 1);
		for (size_t i = 0; i < sizeof(read) / sizeof(read[0]); i++) {
			int took = read[i](exact, n, &ts);

			assert_true(took >= 0 && (u_int32_t)took <= n);
		}
		assert_true(pfring_read_arista_7150_hw_timestamp(exact, n, &ns) <= 4);
		pfring_read_arista_7150_keyframe(exact, n, &ns, &ticks);
		free(exact);
	}
}

static void test_nothing_given_is_told(void **state)
{
	struct pfring_pkthdr hdr = {0};
	struct timespec ts;

	(void)state;
	assert_int_equal(pfring_read_ixia_hw_timestamp(NULL, 0, &ts), -EINVAL);
	assert_int_equal(pfring_read_ixia_hw_timestamp(frame, 60, NULL), -EINVAL);
	assert_int_equal(pfring_handle_metawatch_hw_timestamp(NULL, &hdr), -EINVAL);
	assert_int_equal(pfring_handle_arista_hw_timestamp(frame, NULL), -EINVAL);
	assert_int_equal(pfring_read_arista_keyframe(frame, 60, NULL, NULL), -EINVAL);
	assert_int_equal(pfring_read_metawatch_device_info(frame, 60, NULL, NULL), -EINVAL);
	pfring_enable_hw_timestamp_debug();
}

static int make_path(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int remove_path(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arista_ticks_count_from_the_last_key_frame),
		cmocka_unit_test(test_ixia_trailers_with_and_without_the_frames_checksum),
		cmocka_unit_test(test_vss_and_apcon_trailers),
		cmocka_unit_test(test_metawatch_trailers_with_and_without_extensions),
		cmocka_unit_test(test_a_handle_takes_trailers_off_by_its_flag),
		cmocka_unit_test(test_a_cut_packet_keeps_its_time_and_its_length),
		cmocka_unit_test(test_no_bytes_lead_outside_of_the_frame),
		cmocka_unit_test(test_nothing_given_is_told),
	};

	return cmocka_run_group_tests(tests, make_path, remove_path);
}
