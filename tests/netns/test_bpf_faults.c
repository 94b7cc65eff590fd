/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bpf: when things go wrong, through the public calls: a full ring, a stopped
 * reader, filters that change under load, processes that die. After each the
 * books balance.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "backend.h"
#include "numbered.h"

static void test_a_ring_full_for_long_loses_only_what_it_says(void **state)
{
	int gen = wire_socket("gen0", 0);
	pfring *r = open_bpf("bpf:cap0", NULL);
	struct pfring_stats64 st;

	(void)state;
	send_frames(gen, 0, 300000);
	st = stats(r);
	assert_int_equal(st.recv + st.drop, 300000);
	assert_true(st.drop > 100000 && st.recv > 10000);
	assert_true(st.queued_bytes > st.ring_bytes / 4 && st.queued_bytes <= st.ring_bytes);
	assert_int_equal(read_all(r), st.recv);
	/* And it goes on as if nothing had been. */
	send_frames(gen, 0, 1000);
	assert_int_equal(read_all(r), 1000);
	assert_int_equal(stats(r).drop, st.drop);
	pfring_close(r);
	close(gen);
}

static void test_a_burst_of_100000_small_packets_is_kept_by_default(void **state)
{
	int gen = wire_socket("gen0", 0);
	pfring *r = open_bpf("bpf:cap0", NULL);
	const u_char f[60] = {0};
	struct pfring_stats64 st;

	(void)state;
	for (u_int i = 0; i < 100000; i++)
		assert_int_equal(send(gen, f, sizeof(f), 0), sizeof(f));
	st = stats(r);
	assert_int_equal(st.recv, 100000);
	assert_int_equal(st.drop, 0);
	assert_true(st.ring_bytes <= 16u << 20);
	assert_int_equal(read_all(r), 100000);
	pfring_close(r);
	close(gen);
}

struct report {
	u_int64_t got, recv, drop;
};

/* Reads in a child until all is read when end_fd is closed; reports through a pipe. */
static pid_t reader(const char *name, int report_fd, int ready_fd, const int *end)
{
	pid_t pid = fork();
	struct pfring_packet p[256];
	struct report rep = {0};
	bool ended;
	pfring *r;
	int n;

	if (pid)
		return pid;
	close(end[1]);
	r = open_bpf(name, NULL);
	if (write(ready_fd, "", 1) != 1)
		_exit(1);
	do {
		ended = wire_readable(end[0], 0);
		while ((n = pfring_recv_batch(r, p, 256, 20)) > 0)
			rep.got += (u_int)n;
	} while (!n && !ended);
	rep.recv = stats(r).recv;
	rep.drop = stats(r).drop;
	_exit(write(report_fd, &rep, sizeof(rep)) != sizeof(rep));
}

static void test_a_stopped_reader_finds_what_it_missed_in_the_books(void **state)
{
	int gen = wire_socket("gen0", 0), report[2], ready[2], end[2], status;
	struct report rep;
	pid_t pid;
	char c;

	(void)state;
	assert_int_equal(pipe(report) | pipe(ready) | pipe(end), 0);
	pid = reader("bpf:cap0", report[1], ready[1], end);
	assert_int_equal(read(ready[0], &c, 1), 1);
	send_frames(gen, 0, 1000);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	send_frames(gen, 1000, 200000);
	assert_int_equal(kill(pid, SIGCONT), 0);
	close(end[1]);
	assert_int_equal(read(report[0], &rep, sizeof(rep)), sizeof(rep));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(rep.got, rep.recv);
	assert_int_equal(rep.recv + rep.drop, 201000);
	assert_true(rep.drop > 0);
	close(gen);
}

struct load {
	_Atomic bool stop;
	_Atomic u_int sent, seen;
};

static void *send_until_stopped(void *arg)
{
	struct load *l = arg;
	int gen = wire_socket("gen0", 0);

	wire_stay();
	while (!atomic_load(&l->stop)) {
		/* Never so far ahead that the ring could be full. */
		if (atomic_load(&l->sent) - atomic_load(&l->seen) < 4096) {
			send_frames(gen, atomic_load(&l->sent), 32);
			atomic_fetch_add(&l->sent, 32);
		}
		usleep(200);
	}
	close(gen);
	return NULL;
}

static void test_filters_change_under_load_without_loss_or_a_wrong_packet(void **state)
{
	static const char *const filters[] = {"udp port 1000 or udp port 1001",
					      "udp port 1000 or udp port 1002"};
	struct pfring_open_options opts = {.sz = sizeof(opts), .filter = filters[0]};
	pfring *r = open_bpf("bpf:cap0", &opts);
	struct load l = {0};
	struct pfring_packet p[64];
	u_int always = 0, expected = 0, kinds[2] = {0, 0};
	pthread_t t;
	int n;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, send_until_stopped, &l), 0);
	for (u_int change = 0; change < 1000 || kinds[0] < 100 || kinds[1] < 100; change++) {
		u_int now = change % 2;

		assert_int_equal(pfring_set_bpf_filter(r, filters[now]), 0);
		for (u_int batch = 0; batch < 2; batch++) {
			n = pfring_recv_batch(r, p, 64, 1);
			assert_true(n >= 0);
			for (int i = 0; i < n; i++) {
				u_int k = number(&p[i]), class = k % 3;

				atomic_store(&l.seen, k);
				if (class == 0) {
					/* Both filters want these: none may be missing. */
					assert_int_equal(k, expected);
					expected += 3;
					always++;
				} else {
					assert_int_equal(class, 1 + now);
					kinds[now]++;
				}
			}
		}
	}
	atomic_store(&l.stop, true);
	pthread_join(t, NULL);
	while ((n = pfring_recv_batch(r, p, 64, always < (l.sent + 2) / 3 ? WIRE_PATIENCE : 50)) >
	       0)
		for (int i = 0; i < n; i++)
			if (number(&p[i]) % 3 == 0) {
				assert_int_equal(number(&p[i]), expected);
				expected += 3;
				always++;
			}
	assert_int_equal(always, (l.sent + 2) / 3);
	assert_int_equal(stats(r).drop, 0);
	pfring_close(r);
}

/* The ids of BPF maps that a process holds, from /proc. */
static u_int map_ids(pid_t pid, u_int *ids, u_int max)
{
	u_int n = 0;

	for (int fd = 0; fd < 64 && n < max; fd++) {
		char path[64], line[128];
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid, fd);
		f = fopen(path, "re");
		if (!f)
			continue;
		while (fgets(line, sizeof(line), f))
			if (sscanf(line, "map_id: %u", &ids[n]) == 1 && ++n == max)
				break;
		fclose(f);
	}
	return n;
}

static bool map_is_there(u_int id)
{
	struct {
		u_int32_t id, next, flags;
	} attr = {.id = id};
	u_char padded[128] = {0};
	int fd;

	memcpy(padded, &attr, sizeof(attr));
	fd = (int)syscall(SYS_bpf, 14 /* BPF_MAP_GET_FD_BY_ID */, padded, sizeof(padded));
	if (fd < 0)
		return errno != ENOENT;
	close(fd);
	return true;
}

static u_int maps_there(const u_int *ids, u_int n)
{
	u_int there = 0;

	for (u_int i = 0; i < n; i++)
		there += map_is_there(ids[i]);
	return there;
}

static void test_a_killed_reader_leaves_nothing_behind(void **state)
{
	int report[2], ready[2], end[2], status;
	u_int ids[8], n;
	pid_t pid;
	char c;

	(void)state;
	assert_int_equal(pipe(report) | pipe(ready) | pipe(end), 0);
	pid = reader("bpf:cap0", report[1], ready[1], end);
	assert_int_equal(read(ready[0], &c, 1), 1);
	n = map_ids(pid, ids, 8);
	assert_int_equal(n, 3); /* lanes, pool, wake */
	assert_int_equal(maps_there(ids, n), 3);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* The program on the socket holds the maps, so they go with it; RCU takes its time. */
	for (int ms = 0; ms < WIRE_PATIENCE && maps_there(ids, n); ms += 10)
		usleep(10000);
	assert_int_equal(maps_there(ids, n), 0);
}

#define MEMBERS 3
#define FLOWS 60

static void test_a_cluster_keeps_flows_together_and_its_books_balance(void **state)
{
	int gen = wire_socket("gen0", 0), out = wire_socket("cap0", 0);
	u_int owner[FLOWS], shares[MEMBERS] = {0}, total = 0;
	struct pfring_packet p[256];
	pfring *r[MEMBERS];
	u_char f[100];
	int n;

	(void)state;
	for (u_int m = 0; m < MEMBERS; m++) {
		r[m] = pfring_open("bpf:cap0", 0, 0);
		assert_non_null(r[m]);
		assert_int_equal(pfring_set_cluster(r[m], 77, cluster_per_flow), 0);
		assert_int_equal(pfring_enable_ring(r[m]), 0);
	}
	/* Every flow in both directions: towards cap0, and from it. 60 is a multiple of 3. */
	for (u_int i = 0; i < 6000; i++) {
		make_frame(f, i, FLOWS, i / FLOWS % 2);
		assert_int_equal(send(i / FLOWS % 2 ? out : gen, f, 100, 0), 100);
	}
	memset(owner, 0xff, sizeof(owner));
	for (u_int m = 0; m < MEMBERS; m++) {
		while ((n = pfring_recv_batch(r[m], p, 256, patience(r[m]))) > 0)
			for (int i = 0; i < n; i++, total++, shares[m]++) {
				u_int flow = number(&p[i]) % FLOWS;

				if (owner[flow] == ~0u)
					owner[flow] = m;
				assert_int_equal(owner[flow], m);
			}
		assert_int_equal(stats(r[m]).recv, shares[m]);
		assert_int_equal(stats(r[m]).drop, 0);
		assert_true(shares[m] > 0);
	}
	assert_int_equal(total, 6000);

	/* A member that is gone leaves its share to the others. */
	pfring_close(r[0]);
	send_frames(gen, 0, 600);
	assert_int_equal(read_all(r[1]) + read_all(r[2]), 600);
	/* One that leaves sees everything again, and what it had queued is not lost. */
	send_frames(gen, 600, 600);
	assert_int_equal(pfring_remove_from_cluster(r[1]), 0);
	total = (u_int)(read_all(r[1]) + read_all(r[2]));
	assert_int_equal(total, 600);
	send_frames(gen, 1200, 600);
	assert_int_equal(read_all(r[1]), 600);
	assert_int_equal(read_all(r[2]), 600);
	pfring_close(r[1]);
	pfring_close(r[2]);
	close(gen);
	close(out);
}

static void test_coarse_time_stamps_are_ticks_of_the_same_clock(void **state)
{
	struct pfring_open_options opts = {.sz = sizeof(opts), .local_clock_coarse = true};
	int gen = wire_socket("gen0", 0);
	pfring *r = open_bpf("bpf:cap0", &opts);
	const int64_t ms = 1000000; /* between one clock and the other */
	struct pfring_packet p;

	(void)state;
	for (int i = 0; i < 20; i++) {
		int64_t tick = (int64_t)pfri_clock_ns(CLOCK_REALTIME_COARSE), now;

		send_frames(gen, 0, 1);
		now = (int64_t)pfri_clock_ns(CLOCK_REALTIME);
		assert_int_equal(pfring_recv_batch(r, &p, 1, WIRE_PATIENCE), 1);
		assert_in_range(p.ts_ns, tick - ms, now + ms);
	}
	pfring_close(r);
	close(gen);
}

static struct pfring_details details(pfring *r)
{
	struct pfring_details d = {.sz = sizeof(d)};

	assert_int_equal(pfring_get_details(r, &d), 0);
	return d;
}

static void test_a_handle_tells_how_it_works(void **state)
{
	static const char *const names[] = {"bpf:cap0", "packet:cap0"};
	int gen = wire_socket("gen0", 0);

	(void)state;
	for (u_int i = 0; i < 2; i++) {
		struct pfring_open_options opts = {.sz = sizeof(opts), .caplen = 200};
		struct pfring_lane lanes[256];
		u_int64_t accepted = 0, queued = 0;
		pfring *r = open_bpf(names[i], &opts);
		char text[256];
		int n;

		assert_int_equal(details(r).filter, PFRING_FILTER_NONE);
		assert_int_equal(pfring_print_filter(r, text, sizeof(text)), 0);
		assert_int_equal(pfring_set_bpf_filter(r, "udp port 1000"), 0);
		assert_int_equal(details(r).filter, i ? PFRING_FILTER_KERNEL : PFRING_FILTER_EBPF);
		assert_true(details(r).filter_len > 5);
		assert_int_equal(details(r).snaplen, 200);
		assert_int_equal(details(r).copies, 1);
		assert_string_equal(details(r).clock, i ? "kernel" : "tai");
		assert_true(pfring_print_filter(r, text, sizeof(text)) > 100);
		assert_non_null(strstr(text, "A = P[12:2]\n"));
		send_frames(gen, 0, 300);
		/* For packet: a lane's bytes are those of blocks that are closed. */
		for (u_int ms = 0; ms < WIRE_PATIENCE && queued < 100 * 100; ms++) {
			usleep(1000);
			n = pfring_get_lanes(r, lanes, 256);
			assert_int_equal(n, details(r).lanes);
			assert_true(n >= 1 && n <= 256);
			accepted = queued = 0;
			for (int l = 0; l < n; l++) {
				assert_true(lanes[l].queued <= lanes[l].bytes);
				accepted += lanes[l].accepted;
				queued += lanes[l].queued;
				assert_int_equal(lanes[l].dropped, 0);
			}
		}
		assert_int_equal(accepted, 100);
		assert_true(queued >= 100 * 100);
		assert_int_equal(read_all(r), 100);
		pfring_close(r);
	}
	close(gen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_ring_full_for_long_loses_only_what_it_says),
		cmocka_unit_test(test_a_burst_of_100000_small_packets_is_kept_by_default),
		cmocka_unit_test(test_a_stopped_reader_finds_what_it_missed_in_the_books),
		cmocka_unit_test(test_filters_change_under_load_without_loss_or_a_wrong_packet),
		cmocka_unit_test(test_a_killed_reader_leaves_nothing_behind),
		cmocka_unit_test(test_a_cluster_keeps_flows_together_and_its_books_balance),
		cmocka_unit_test(test_a_handle_tells_how_it_works),
		cmocka_unit_test(test_coarse_time_stamps_are_ticks_of_the_same_clock),
	};

	wire_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
