/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writing capture files. The oracle is libpcap: pcap_dump() writes the same
 * bytes, and it can read whatever a full disk or a dead reader left behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <linux/if_packet.h>
#include <signal.h>
#include <sys/resource.h>

#include "capfile.h"

static char folder[] = "/tmp/pfring-dump-XXXXXX";
static char path[64], other[64];

static const enum pfring_dump_format formats[] = {PFRING_DUMP_PCAP, PFRING_DUMP_PCAP_NS,
						  PFRING_DUMP_PCAPNG};

/* Packets of all sizes; data is kept until the process ends. */
#define PACKETS 700
static struct pfring_packet packets[PACKETS];
static struct bytes payload;

static int make_packets(void **state)
{
	static const u_int32_t sizes[] = {60, 61, 62, 63, 1514, 0, 1, 9000};
	u_int32_t at[PACKETS];

	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/out", folder);
	snprintf(other, sizeof(other), "%s/want", folder);
	for (u_int32_t i = 0; i < PACKETS; i++) {
		struct pfring_packet *p = &packets[i];

		p->caplen = i % 100 == 50 ? 65000 + i : i == 333 ? 262144 : sizes[i % 8];
		p->len = p->caplen + i % 3;
		p->ts_ns = 1700000000123456789ull + i * 1234567ull;
		p->rx_direction = i % 5 != 0;
		p->pkt_type = i % 5 ? (u_int8_t)(i % 4) : PACKET_OUTGOING;
		p->if_index = 7;
		at[i] = (u_int32_t)payload.len;
		put_payload(&payload, i, p->caplen);
	}
	for (u_int32_t i = 0; i < PACKETS; i++)
		packets[i].data = payload.at + at[i];
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(path);
	unlink(other);
	free(payload.at);
	return rmdir(folder);
}

static struct bytes contents(const char *from)
{
	struct bytes b = {0};
	u_char block[4096];
	ssize_t n;
	int fd = open(from, O_RDONLY);

	assert_true(fd >= 0);
	while ((n = read(fd, block, sizeof(block))) > 0)
		put(&b, block, (size_t)n);
	close(fd);
	return b;
}

static void dump_with_libpcap(int dlt, u_int32_t snaplen, u_int precision)
{
	pcap_t *p = pcap_open_dead_with_tstamp_precision(dlt, (int)snaplen, precision);
	pcap_dumper_t *d = pcap_dump_open(p, other);

	assert_non_null(d);
	for (int i = 0; i < PACKETS; i++) {
		u_int64_t ns = packets[i].ts_ns % 1000000000;
		struct pcap_pkthdr h = {
			.ts = {(time_t)(packets[i].ts_ns / 1000000000),
			       precision == PCAP_TSTAMP_PRECISION_NANO ? (suseconds_t)ns
								       : (suseconds_t)(ns / 1000)},
			.caplen = packets[i].caplen,
			.len = packets[i].len,
		};

		pcap_dump((u_char *)d, &h, packets[i].data);
	}
	pcap_dump_close(d);
	pcap_close(p);
}

static void test_pcap_files_are_libpcaps_byte_for_byte(void **state)
{
	static const struct {
		int linktype, dlt;
		u_int32_t snaplen;
	} kinds[] = {{1, DLT_EN10MB, 262144},
		     {101, DLT_RAW, 96},
		     {DLT_RAW, DLT_RAW, 65535},
		     {113, DLT_LINUX_SLL, 1},
		     {276, DLT_LINUX_SLL2, 262144}};

	(void)state;
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		for (int nano = 0; nano < 2; nano++) {
			pfring_dumper *d = pfring_dump_open(path, kinds[k].linktype,
							    kinds[k].snaplen, formats[nano]);
			struct bytes got, want;

			assert_non_null(d);
			for (u_int i = 0; i < PACKETS; i += 100)
				assert_int_equal(pfring_dump_packets(d, packets + i, 100), 0);
			assert_int_equal(pfring_dump_close(d), 0);
			dump_with_libpcap(kinds[k].dlt, kinds[k].snaplen, (u_int)nano);
			got = contents(path);
			want = contents(other);
			assert_int_equal(got.len, want.len);
			assert_memory_equal(got.at, want.at, want.len);
			free(got.at);
			free(want.at);
		}
	}
}

static void test_a_file_that_was_read_is_written_back_unchanged(void **state)
{
	(void)state;
	for (int nano = 0; nano < 2; nano++) {
		struct pfri_ring *r = ring_for(&pfri_file_ops, other);
		struct bytes b = {0}, got;
		struct pfring_packet batch[64];
		pfring_dumper *d;
		int n;

		put_header(&b, nano ? 0xa1b23c4d : 0xa1b2c3d4, 1000, 1);
		for (u_int32_t i = 0; i < 500; i++)
			put_record(&b, i, i, i * 2);
		save(other, &b, b.len);
		assert_int_equal(pfri_file_ops.open(r), 0);
		d = pfring_dump_open(path, r->linktype, r->opt.caplen, formats[nano]);
		assert_non_null(d);
		while ((n = pfri_file_ops.recv_batch(r, batch, 64)) > 0) {
			assert_int_equal(pfring_dump_packets(d, batch, (u_int)n), 0);
			pfri_file_ops.release(r);
		}
		assert_int_equal(n, -ENODATA);
		assert_int_equal(pfring_dump_close(d), 0);
		pfri_file_ops.close(r);
		ring_free(r);
		got = contents(path);
		assert_int_equal(got.len, b.len);
		assert_memory_equal(got.at, b.at, b.len);
		free(got.at);
		free(b.at);
	}
}

/* path holds the first n packets, whole, and ends there. */
static void assert_holds(const struct reading *g, u_int n, enum pfring_dump_format format)
{
	size_t at = 0;

	assert_true(g->opened);
	assert_false(g->failed);
	assert_int_equal(g->n, n);
	for (u_int i = 0; i < n; i++) {
		u_int64_t ts = packets[i].ts_ns;

		if (format == PFRING_DUMP_PCAP)
			ts -= ts % 1000;
		assert_int_equal(g->pkt[i].ts_ns, ts);
		assert_int_equal(g->pkt[i].caplen, packets[i].caplen);
		assert_int_equal(g->pkt[i].len, packets[i].len);
		assert_memory_equal(g->data.at + at, packets[i].data, packets[i].caplen);
		at += packets[i].caplen;
	}
}

static void test_every_format_is_read_back_by_libpcap(void **state)
{
	(void)state;
	for (int f = 0; f < 3; f++) {
		pfring_dumper *d = pfring_dump_open(path, 1, 0, formats[f]);
		struct reading g;

		assert_non_null(d);
		assert_int_equal(pfring_dump_packets(d, packets, PACKETS), 0);
		assert_int_equal(pfring_dump_close(d), 0);
		g = read_with_libpcap(path);
		assert_holds(&g, PACKETS, formats[f]);
		assert_int_equal(g.linktype, DLT_EN10MB);
		assert_int_equal(g.snapshot, MAX_CAPLEN);
		forget(&g);
	}
}

static u_int32_t u32(const u_char *p)
{
	u_int32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static void test_pcapng_tells_direction_and_kind_of_address(void **state)
{
	/* unicast, broadcast, multicast, promiscuous; inbound in the low bits */
	static const u_int32_t inbound[] = {1 | 1 << 2, 1 | 3 << 2, 1 | 2 << 2, 1 | 4 << 2};
	pfring_dumper *d = pfring_dump_open(path, 1, 0, PFRING_DUMP_PCAPNG);
	struct pfring_packet from_file = packets[1];
	struct bytes b;
	size_t at = 0;
	u_int n = 0;

	(void)state;
	from_file.if_index = UNKNOWN_INTERFACE;
	assert_int_equal(pfring_dump_packets(d, packets, 40), 0);
	assert_int_equal(pfring_dump_packets(d, &from_file, 1), 0);
	assert_int_equal(pfring_dump_close(d), 0);
	b = contents(path);
	while (at < b.len) {
		const u_char *block = b.at + at;
		u_int32_t total = u32(block + 4);

		/* Both lengths agree and keep the next block aligned. */
		assert_int_equal(total % 4, 0);
		assert_int_equal(u32(block + total - 4), total);
		if (u32(block) == 6) {
			u_int32_t caplen = u32(block + 20), padded = (caplen + 3) & ~3u;
			const u_char *option = block + 28 + padded;

			if (n < 40) {
				assert_int_equal(total, 28 + padded + 12 + 4);
				assert_int_equal(u32(option), 2 | 4 << 16);
				assert_int_equal(
					u32(option + 4),
					packets[n].rx_direction ? inbound[packets[n].pkt_type] : 2);
				assert_int_equal(u32(option + 8), 0);
			} else {
				assert_int_equal(total, 28 + padded + 4);
			}
			n++;
		}
		at += total;
	}
	assert_int_equal(at, b.len);
	assert_int_equal(n, 41);
	free(b.at);
}

static void test_what_was_flushed_can_be_read_while_we_go_on(void **state)
{
	(void)state;
	for (int f = 0; f < 3; f++) {
		pfring_dumper *d = pfring_dump_open(path, 1, 0, formats[f]);
		struct reading g = read_with_libpcap(path);

		/* The header is there from the start. */
		assert_holds(&g, 0, formats[f]);
		forget(&g);
		for (u_int i = 0; i < 10; i++) {
			assert_int_equal(pfring_dump_packets(d, packets + i, 1), 0);
			assert_int_equal(pfring_dump_flush(d), 0);
			g = read_with_libpcap(path);
			assert_holds(&g, i + 1, formats[f]);
			forget(&g);
		}
		assert_int_equal(pfring_dump_close(d), 0);
	}
}

static void test_an_existing_file_is_replaced(void **state)
{
	pfring_dumper *d;
	struct stat st;

	(void)state;
	save(path, &payload, 100000);
	d = pfring_dump_open(path, 1, 0, PFRING_DUMP_PCAP);
	assert_int_equal(pfring_dump_close(d), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 24);
}

static void assert_refused(const char *to, int err, const char *word)
{
	int before = open_descriptors();

	assert_null(pfring_dump_open(to, 1, 0, PFRING_DUMP_PCAP));
	assert_int_equal(errno, err);
	if (!strstr(pfring_last_error(), word) || !strstr(pfring_last_error(), to))
		fail_msg("%s", pfring_last_error());
	assert_int_equal(open_descriptors(), before);
}

static void test_an_output_that_cannot_be_written_is_refused_at_open(void **state)
{
	(void)state;
	assert_refused("/nonexistent/out.pcap", ENOENT, "No such file");
	assert_refused(folder, EISDIR, "directory");
	assert_refused("/dev/full", ENOSPC, "disk is full");
	assert_null(pfring_dump_open(NULL, 1, 0, PFRING_DUMP_PCAP));
	assert_int_equal(errno, EINVAL);
	assert_null(pfring_dump_open(path, 1, 0, (enum pfring_dump_format)9));
	assert_int_equal(errno, EINVAL);
	assert_int_equal(pfring_dump_packets(NULL, packets, 1), -EINVAL);
	assert_int_equal(pfring_dump_flush(NULL), -EINVAL);
	assert_int_equal(pfring_dump_close(NULL), -EINVAL);
}

/* The limit on file size stands in for a disk that fills up at exactly this byte. */
static void set_limit(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void fill_disk(enum pfring_dump_format format, rlim_t limit)
{
	pfring_dumper *d = pfring_dump_open(path, 1, 0, format);
	struct reading g;
	char said[PFRI_ERRLEN];
	u_int whole;
	int err = 0;

	assert_non_null(d);
	set_limit(limit);
	for (u_int i = 0; i < PACKETS && !err; i += 10)
		err = pfring_dump_packets(d, packets + i, 10);
	if (!err)
		err = pfring_dump_flush(d);
	assert_int_equal(err, -EFBIG);
	snprintf(said, sizeof(said), "%s", pfring_last_error());
	assert_non_null(strstr(said, path));
	/* From now on the same answer, and not a byte more. */
	set_limit(RLIM_INFINITY);
	assert_int_equal(pfring_dump_packets(d, packets, 5), -EFBIG);
	assert_int_equal(pfring_dump_flush(d), -EFBIG);
	assert_string_equal(pfring_last_error(), said);
	assert_int_equal(pfring_dump_close(d), -EFBIG);

	g = read_with_libpcap(path);
	assert_holds(&g, g.n, format);
	assert_int_equal(sscanf(strstr(said, "; ") + 2, "%u whole packets", &whole), 1);
	assert_int_equal(whole, g.n);
	forget(&g);
}

static void test_a_full_disk_leaves_whole_records_only(void **state)
{
	(void)state;
	for (int f = 0; f < 3; f++) {
		/* Around every byte of the first records, and far into the second and third buffer.
		 */
		for (rlim_t limit = 104; limit < 500; limit++)
			fill_disk(formats[f], limit);
		for (rlim_t limit = 262000; limit < 1200000; limit += 65521)
			fill_disk(formats[f], limit);
	}
}

static void test_a_full_disk_keeps_all_that_fits(void **state)
{
	(void)state;
	for (int f = 0; f < 2; f++) {
		/* Header and two records of 16 + 60 and 16 + 61: one byte short, fitting, one over.
		 */
		for (int over = -1; over <= 1; over++) {
			struct reading g;

			fill_disk(formats[f], (rlim_t)(24 + 76 + 77 + over));
			g = read_with_libpcap(path);
			assert_int_equal(g.n, over < 0 ? 1 : 2);
			forget(&g);
		}
	}
}

static void test_a_reader_that_goes_away_is_an_error_and_no_signal(void **state)
{
	struct sigaction action;

	(void)state;
	/* With the default action in force, a SIGPIPE would end this test here. */
	assert_int_equal(sigaction(SIGPIPE, NULL, &action), 0);
	assert_true(action.sa_handler == SIG_DFL);
	for (int f = 0; f < 3; f++) {
		int ends[2], stdout_saved = dup(STDOUT_FILENO);
		sigset_t pending, blocked;
		pfring_dumper *d;

		assert_int_equal(pipe(ends), 0);
		dup2(ends[1], STDOUT_FILENO);
		d = pfring_dump_open("-", 1, 0, formats[f]);
		dup2(stdout_saved, STDOUT_FILENO);
		close(stdout_saved);
		close(ends[1]);
		assert_non_null(d);
		close(ends[0]);
		assert_int_equal(pfring_dump_packets(d, packets, 20), 0);
		assert_int_equal(pfring_dump_flush(d), -EPIPE);
		assert_non_null(strstr(pfring_last_error(), "has gone"));
		assert_int_equal(pfring_dump_close(d), -EPIPE);
		sigpending(&pending);
		assert_false(sigismember(&pending, SIGPIPE));
		pthread_sigmask(SIG_SETMASK, NULL, &blocked);
		assert_false(sigismember(&blocked, SIGPIPE));
	}
}

static void *read_slowly(void *arg)
{
	struct bytes *b = arg;
	u_char block[3000];
	ssize_t n;
	int fd = (int)b->room;

	b->room = 0;
	while ((n = read(fd, block, sizeof(block))) > 0)
		put(b, block, (size_t)n);
	close(fd);
	return NULL;
}

static void test_a_pipe_that_is_full_is_waited_for(void **state)
{
	struct bytes got = {0}, want;
	int ends[2], stdout_saved = dup(STDOUT_FILENO);
	pthread_t reader;
	pfring_dumper *d;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
	dup2(ends[1], STDOUT_FILENO);
	d = pfring_dump_open("-", 1, 262144, PFRING_DUMP_PCAP);
	dup2(stdout_saved, STDOUT_FILENO);
	close(stdout_saved);
	close(ends[1]);
	got.room = (size_t)ends[0];
	assert_int_equal(pthread_create(&reader, NULL, read_slowly, &got), 0);
	assert_int_equal(pfring_dump_packets(d, packets, PACKETS), 0);
	assert_int_equal(pfring_dump_close(d), 0);
	pthread_join(reader, NULL);
	dump_with_libpcap(DLT_EN10MB, 262144, PCAP_TSTAMP_PRECISION_MICRO);
	want = contents(other);
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.at, want.at, want.len);
	free(got.at);
	free(want.at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pcap_files_are_libpcaps_byte_for_byte),
		cmocka_unit_test(test_a_file_that_was_read_is_written_back_unchanged),
		cmocka_unit_test(test_every_format_is_read_back_by_libpcap),
		cmocka_unit_test(test_pcapng_tells_direction_and_kind_of_address),
		cmocka_unit_test(test_what_was_flushed_can_be_read_while_we_go_on),
		cmocka_unit_test(test_an_existing_file_is_replaced),
		cmocka_unit_test(test_an_output_that_cannot_be_written_is_refused_at_open),
		cmocka_unit_test(test_a_full_disk_leaves_whole_records_only),
		cmocka_unit_test(test_a_full_disk_keeps_all_that_fits),
		cmocka_unit_test(test_a_reader_that_goes_away_is_an_error_and_no_signal),
		cmocka_unit_test(test_a_pipe_that_is_full_is_waited_for),
	};

	return cmocka_run_group_tests(tests, make_packets, remove_folder);
}
