/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * life.c - the contract's cases on opening, enabling and closing, on wrong
 * arguments, and on what is left behind.
 */
#include <dirent.h>
#include <linux/filter.h>
#include <malloc.h>
#include <sys/wait.h>

#include "contract.h"

void opening_says_what_is_wrong(void)
{
	struct pfring_open_options opts = {.sz = 0};
	char name[300];

	snprintf(name, sizeof(name), "%s:nosuch0", backend);
	CHECK(!pfring_open(name, 0, 0), "%s opens", name);
	CHECK(errno == (is_live() ? ENODEV : ENOENT), "errno is %d (%s)", errno, strerror(errno));
	CHECK(strstr(pfring_last_error(), "nosuch0"), "the text does not name it");
	CHECK(!pfring_open(NULL, 0, 0) && errno == EINVAL, "no name opens: %d", errno);
	CHECK(!pfring_open_opts(name, NULL) && errno == EINVAL, "no options open: %d", errno);
	CHECK(!pfring_open_opts(name, &opts) && errno == EINVAL, "sz 0 opens: %d", errno);
	prepare(1);
	opts.sz = sizeof(opts);
	opts.filter = "no such word";
	CHECK(!pfring_open_opts(source(), &opts) && errno == EINVAL, "a bad filter: %d", errno);
	CHECK(strstr(pfring_last_error(), "syntax error"), "libpcap's words are missing");
}

void opening_leaves_errno_alone_whatever_was_tried(void)
{
	const char *bare;
	pfring *ring;

	prepare(1);
	bare = is_live() ? strchr(source(), ':') + 1 : source();
	errno = 0;
	ring = pfring_open(bare, 0, 0);
	CHECK(ring, "%s does not open", bare);
	CHECK(errno == 0, "%s opens, and errno is %d (%s)", bare, errno, strerror(errno));
	pfring_close(ring);
}

void a_disabled_ring_takes_nothing(void)
{
	struct pfring_pkthdr h;
	u_char *data;
	pfring *ring = not_enabled();

	CHECK(ring, "%s does not open", source());
	feed(0, 100);
	CHECK(pfring_recv(ring, &data, 0, &h, 0) == -ENETDOWN, "a ring not enabled reads");
	CHECK(pfring_enable_ring(ring) == 0, "cannot be enabled");
	expect_nothing(ring);
	feed(100, 100);
	expect(ring, 100, 100, NULL);
	CHECK(pfring_disable_ring(ring) == 0, "cannot be disabled");
	feed(200, 100);
	CHECK(pfring_recv(ring, &data, 0, &h, 1) == -ENETDOWN, "a disabled ring reads");
	CHECK(pfring_enable_ring(ring) == 0, "cannot be enabled again");
	expect_nothing(ring);
	feed(300, 100);
	expect(ring, 300, 100, NULL);
	pfring_close(ring);
}

static u_int entries(const char *folder)
{
	DIR *d = opendir(folder);
	u_int n = 0;

	CHECK(d, "cannot read %s", folder);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static u_int lines(const char *path)
{
	FILE *f = fopen(path, "re");
	u_int n = 0;
	int c;

	CHECK(f, "cannot read %s", path);
	while ((c = getc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}

static void open_and_close(u_int times)
{
	/* Small rings: the kernel's time to clear their memory shows nothing. */
	const struct pfring_open_options opts = {.sz = sizeof(opts), .buffer_bytes = 512 << 10};

	for (u_int i = 0; i < times; i++) {
		pfring *ring = opened_opts(&opts);

		if (i % 2)
			CHECK(pfring_set_bpf_filter(ring, "udp port 53") == 0, "refused");
		pfring_close(ring);
	}
}

static void leaves_nothing(u_int times)
{
	u_int descriptors, maps;
	size_t heap;

	open_and_close(3); /* what is loaded once is loaded now */
	descriptors = entries("/proc/self/fd");
	maps = lines("/proc/self/maps");
	(void)maps;
	heap = mallinfo2().uordblks;
	open_and_close(times);
	CHECK(entries("/proc/self/fd") == descriptors, "descriptors are left");
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* they map as they like */
	/* The memory of the last handles closed stays, here or there. */
	CHECK(lines("/proc/self/maps") <= maps + 8, "mappings are left");
#endif
	CHECK(mallinfo2().uordblks < heap + 16384, "%zu bytes of heap are left",
	      mallinfo2().uordblks - heap);
}

#define PROCESSES 10

void a_thousand_opens_leave_nothing_behind(void)
{
	/* The kernel takes its time to close a packet socket: ten processes wait at once. */
	int status, failures = 0;

	prepare(10);
	for (int i = 0; i < PROCESSES; i++) {
		pid_t pid = fork();

		CHECK(pid >= 0, "no fork");
		if (!pid) {
			leaves_nothing(1000 / PROCESSES);
			exit(0);
		}
	}
	for (int i = 0; i < PROCESSES; i++)
		failures += wait(&status) < 0 || status != 0;
	CHECK(!failures, "%d of %d processes left something", failures, PROCESSES);
}

void close_in_a_child(pfring *ring)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0, "no fork");
	if (!pid) {
		pfring_close(ring);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0, "the child failed: %d", status);
}

static void receive(pfring *ring, u_int first, u_int n)
{
	struct pfring_pkthdr h;
	u_char *data = NULL;

	for (u_int i = first; i < first + n; i++) {
		CHECK(pfring_recv(ring, &data, 0, &h, 1) == 1, "packet %u did not come", i);
		is_frame(data, h.caplen, h.len, i, 0);
	}
}

/*
 * Nor does it give back what the parent has fetched (some 60 packets before it asks for the
 * eleventh): what comes then would be written over it. A ring that nobody read holds the first
 * packets, without a gap, however long sending them took.
 */
void a_childs_close_does_not_disturb_the_parent(void)
{
	struct pfring_open_options opts = {.sz = sizeof(opts), .buffer_bytes = 256 * 1024};
	pfring *ring = opened_opts(&opts);
	struct pfring_stats64 st = {.sz = sizeof(st)};

	feed(0, 20000);
	do {
		CHECK(pfring_stats64(ring, &st) == 0, "no statistics");
	} while (st.recv + st.drop < 20000);
	CHECK(st.drop, "the ring was not full");
	receive(ring, 0, 10);
	close_in_a_child(ring);
	feed(20000, 20000);
	receive(ring, 10, (u_int)st.recv - 10);
	pfring_close(ring);
}

void the_backend_is_told(void)
{
	const char *why = NULL, *name;
	pfring *ring;

	prepare(1);
	ring = opened(0, 0);
	name = pfring_get_backend(ring, &why);
	CHECK(name && !strcmp(name, backend), "it is called %s", name);
	CHECK(why && *why, "no reason is given");
	pfring_close(ring);
}

void wrong_arguments_are_refused(void)
{
	static const struct sock_filter wild[] = {BPF_JUMP(BPF_JMP | BPF_JA, 5, 0, 0)};
	struct pfring_packet pkt;
	struct pfring_pkthdr h;
	u_char *data = NULL;
	u_int32_t version;
	pfring *ring;

	prepare(1);
	ring = opened(0, 0);
	CHECK(pfring_recv(NULL, &data, 0, &h, 0) == -EINVAL, "no ring");
	CHECK(pfring_recv(ring, &data, 0, NULL, 0) == -EINVAL, "no header");
	CHECK(pfring_recv(ring, &data, 10, &h, 0) == -EINVAL, "a length without a buffer");
	CHECK(pfring_recv_batch(ring, &pkt, 0, 0) == -EINVAL, "a batch of none");
	CHECK(pfring_recv_batch(ring, NULL, 1, 0) == -EINVAL, "a batch nowhere");
	CHECK(pfring_loop(ring, NULL, NULL, 0) == -EINVAL, "no callback");
	CHECK(pfring_set_bpf_filter(ring, NULL) == -EINVAL, "no filter");
	CHECK(pfring_set_bpf_program(ring, wild, 1) == -EINVAL, "bytecode that jumps away");
	CHECK(pfring_set_sampling_rate(ring, 0) == -EINVAL, "a rate of 0");
	CHECK(pfring_set_direction(ring, (packet_direction)99) == -EINVAL, "no direction");
	CHECK(pfring_stats(ring, NULL) == -EINVAL, "statistics nowhere");
	CHECK(pfring_version(ring, &version) == 0 && version, "no version");
	pfring_breakloop(NULL);
	pfring_close(NULL);
	pfring_close(ring);
}

void a_ring_that_only_sent_can_receive_again(void)
{
	struct pfring_pkthdr h;
	u_char *data;
	pfring *ring = not_enabled();

	CHECK(ring, "%s does not open", source());
	CHECK(pfring_set_socket_mode(ring, send_only_mode) == 0, "send-only is refused");
	CHECK(pfring_enable_ring(ring) == 0, "cannot be enabled");
	feed(0, 10);
	CHECK(pfring_recv(ring, &data, 0, &h, 1) == -EOPNOTSUPP, "a send-only ring reads");
	CHECK(pfring_set_socket_mode(ring, send_and_recv_mode) == 0, "both is refused");
	feed(10, 100);
	expect(ring, 10, 100, NULL);
	pfring_close(ring);
}
