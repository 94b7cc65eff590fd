/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Backend "file:" on a pipe: packets come when they are written, waiting can
 * be broken off, and nothing is lost over either. Both ways of reading, our
 * own (Ethernet) and libpcap's (cooked, pcapng), take every test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "capfile.h"

enum kind { OWN, COOKED, PCAPNG, KINDS };

static void put_start(struct bytes *b, enum kind kind)
{
	if (kind == PCAPNG) {
		put_shb(b);
		put_idb(b, 1, 0, 9);
	} else {
		put_header(b, 0xa1b2c3d4, 65535, kind == OWN ? 1 : 113);
	}
}

static void put_packet(struct bytes *b, enum kind kind, u_int32_t i)
{
	u_int32_t caplen = 40 + i % 1400;

	if (kind == PCAPNG)
		put_epb(b, 0, i, 5000000000ull + i, caplen, caplen);
	else
		put_record(b, i, caplen, caplen);
}

/* A handle on a pipe that stands in for standard input, and the end to write to. */
struct pipe {
	struct pfri_ring *r;
	int stdin_saved, to;
	struct bytes written;
	size_t sent;
};

static void send_upto(struct pipe *p, size_t end)
{
	while (p->sent < end) {
		ssize_t n = write(p->to, p->written.at + p->sent, end - p->sent);

		assert_true(n > 0);
		p->sent += (size_t)n;
	}
}

static struct pipe pipe_of(enum kind kind)
{
	struct pipe p = {.r = ring_for(&pfri_file_ops, "-")};
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	p.stdin_saved = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10);
	assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
	close(ends[0]);
	p.to = ends[1];
	put_start(&p.written, kind);
	send_upto(&p, p.written.len);
	if (pfri_file_ops.open(p.r))
		fail_msg("%s", pfring_last_error());
	assert_int_equal(p.r->pcap == NULL, kind == OWN);
	return p;
}

static void pipe_close(struct pipe *p)
{
	pfri_file_ops.close(p->r);
	ring_free(p->r);
	/* The handle had a descriptor of its own: standard input is still open. */
	assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0);
	dup2(p->stdin_saved, STDIN_FILENO);
	close(p->stdin_saved);
	if (p->to >= 0)
		close(p->to);
	free(p->written.at);
}

static void assert_payload(const struct pfring_packet *pkt, u_int32_t i)
{
	struct bytes want = {0};

	put_payload(&want, i, 40 + i % 1400);
	assert_int_equal(pkt->caplen, want.len);
	assert_memory_equal(pkt->data, want.at, want.len);
	free(want.at);
}

static void test_a_single_packet_comes_at_once(void **state)
{
	(void)state;
	for (enum kind kind = OWN; kind < KINDS; kind++) {
		struct pipe p = pipe_of(kind);
		struct pfring_packet pkt[16];

		for (u_int32_t i = 0; i < 5; i++) {
			assert_int_equal(pfri_file_ops.recv_batch(p.r, pkt, 16), 0);
			assert_int_equal(pfri_file_ops.poll(p.r, 0), 0);
			put_packet(&p.written, kind, i);
			send_upto(&p, p.written.len);
			assert_int_equal(pfri_file_ops.poll(p.r, -1), 1);
			assert_int_equal(pfri_file_ops.recv_batch(p.r, pkt, 16), 1);
			assert_payload(&pkt[0], i);
			pfri_file_ops.release(p.r);
		}
		close(p.to);
		p.to = -1;
		assert_int_equal(pfri_file_ops.poll(p.r, -1), 1);
		assert_int_equal(pfri_file_ops.recv_batch(p.r, pkt, 16), -ENODATA);
		pipe_close(&p);
	}
}

static void test_a_breakloop_ends_the_wait_and_loses_nothing(void **state)
{
	(void)state;
	for (enum kind kind = OWN; kind < KINDS; kind++) {
		struct pipe p = pipe_of(kind);
		struct pfring_packet pkt[16];
		u_int64_t one = 1;

		assert_int_equal(write(p.r->wake_fd, &one, sizeof(one)), sizeof(one));
		assert_int_equal(pfri_file_ops.poll(p.r, -1), -EINTR);
		assert_int_equal(read(p.r->wake_fd, &one, sizeof(one)), sizeof(one));
		put_packet(&p.written, kind, 1);
		send_upto(&p, p.written.len);
		assert_int_equal(pfri_file_ops.poll(p.r, -1), 1);
		assert_int_equal(pfri_file_ops.recv_batch(p.r, pkt, 16), 1);
		assert_payload(&pkt[0], 1);
		pipe_close(&p);
	}
}

static void *write_in_bits(void *arg)
{
	struct pipe *p = arg;

	while (p->sent < p->written.len) {
		size_t bit = 1 + p->sent % 977;

		send_upto(p, min_val(p->sent + bit, p->written.len));
	}
	close(p->to);
	p->to = -1;
	return NULL;
}

static void test_records_cut_at_odd_places_arrive_whole(void **state)
{
	(void)state;
	for (enum kind kind = OWN; kind < KINDS; kind++) {
		struct pipe p = pipe_of(kind);
		struct pfring_packet pkt[256];
		u_int32_t got = 0;
		pthread_t writer;
		int n;

		for (u_int32_t i = 0; i < 3000; i++)
			put_packet(&p.written, kind, i);
		assert_int_equal(pthread_create(&writer, NULL, write_in_bits, &p), 0);
		for (;;) {
			assert_int_equal(pfri_file_ops.poll(p.r, -1), 1);
			n = pfri_file_ops.recv_batch(p.r, pkt, 256);
			if (n < 0)
				break;
			for (int i = 0; i < n; i++)
				assert_payload(&pkt[i], got++);
			pfri_file_ops.release(p.r);
		}
		assert_int_equal(n, -ENODATA);
		assert_int_equal(got, 3000);
		pthread_join(writer, NULL);
		pipe_close(&p);
	}
}

static void test_a_writer_that_dies_inside_a_record_is_an_error(void **state)
{
	(void)state;
	for (enum kind kind = OWN; kind < KINDS; kind++) {
		struct pipe p = pipe_of(kind);
		struct pfring_packet pkt[16];

		put_packet(&p.written, kind, 0);
		put_packet(&p.written, kind, 1);
		send_upto(&p, p.written.len - 7);
		close(p.to);
		p.to = -1;
		assert_int_equal(pfri_file_ops.recv_batch(p.r, pkt, 16), 1);
		assert_payload(&pkt[0], 0);
		pfri_file_ops.release(p.r);
		assert_int_equal(pfri_file_ops.recv_batch(p.r, pkt, 16), -EBADMSG);
		assert_non_null(strstr(pfring_last_error(), "standard input"));
		assert_int_equal(pfri_file_ops.recv_batch(p.r, pkt, 16), -ENODATA);
		pipe_close(&p);
	}
}

static void *shut_down(void *arg)
{
	struct pfri_ring *r = arg;
	u_int64_t one = 1;

	usleep(20000); /* likely inside libpcap by then; right in either case */
	r->shut = true;
	if (write(r->wake_fd, &one, sizeof(one)) != sizeof(one))
		abort();
	return NULL;
}

static void test_shutdown_ends_libpcaps_wait_inside_a_record(void **state)
{
	(void)state;
	for (enum kind kind = COOKED; kind < KINDS; kind++) {
		struct pipe p = pipe_of(kind);
		struct pfring_packet pkt[16];
		pthread_t other;

		put_packet(&p.written, kind, 0);
		send_upto(&p, p.written.len - 7);
		assert_int_equal(pthread_create(&other, NULL, shut_down, p.r), 0);
		assert_int_equal(pfri_file_ops.recv_batch(p.r, pkt, 16), -EBADMSG);
		pthread_join(other, NULL);
		pipe_close(&p);
	}
}

static void *break_then_finish(void *arg)
{
	struct pipe *p = arg;
	u_int64_t one = 1;

	if (write(p->r->wake_fd, &one, sizeof(one)) != sizeof(one))
		abort();
	usleep(20000);
	send_upto(p, p->written.len);
	return NULL;
}

static void test_a_breakloop_inside_a_record_does_not_tear_it(void **state)
{
	(void)state;
	for (enum kind kind = COOKED; kind < KINDS; kind++) {
		struct pipe p = pipe_of(kind);
		struct pfring_packet pkt[16];
		pthread_t other;

		put_packet(&p.written, kind, 0);
		send_upto(&p, p.written.len - 7);
		assert_int_equal(pthread_create(&other, NULL, break_then_finish, &p), 0);
		assert_int_equal(pfri_file_ops.recv_batch(p.r, pkt, 16), 1);
		assert_payload(&pkt[0], 0);
		pthread_join(other, NULL);
		pipe_close(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_single_packet_comes_at_once),
		cmocka_unit_test(test_a_breakloop_ends_the_wait_and_loses_nothing),
		cmocka_unit_test(test_records_cut_at_odd_places_arrive_whole),
		cmocka_unit_test(test_a_writer_that_dies_inside_a_record_is_an_error),
		cmocka_unit_test(test_shutdown_ends_libpcaps_wait_inside_a_record),
		cmocka_unit_test(test_a_breakloop_inside_a_record_does_not_tear_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
