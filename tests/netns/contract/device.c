/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * device.c - the contract's cases on the interface itself: down, up, gone,
 * promiscuous, and sending through it.
 */
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "contract.h"

static void set_up(bool up)
{
	struct ifreq ifr = {0};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	memcpy(ifr.ifr_name, CAPTURE, sizeof(CAPTURE));
	CHECK(ioctl(fd, SIOCGIFFLAGS, &ifr) == 0, "no flags");
	if (up)
		ifr.ifr_flags |= IFF_UP;
	else
		ifr.ifr_flags &= ~IFF_UP;
	CHECK(ioctl(fd, SIOCSIFFLAGS, &ifr) == 0, "cannot set flags");
	close(fd);
}

static void *remove_device(void *arg)
{
	(void)arg;
	CHECK(system("ip link delete " CAPTURE) == 0, "cannot remove it");
	return NULL;
}

void opening_a_device_that_is_down_fails(void)
{
	set_up(false);
	CHECK(!not_enabled(), "it opens");
	CHECK(errno == ENETDOWN, "errno is %d (%s)", errno, strerror(errno));
	set_up(true);
	pfring_close(opened(0, 0));
}

void capture_goes_on_after_down_and_up(void)
{
	pfring *ring = opened(0, 0);

	feed(0, 100);
	set_up(false);
	expect(ring, 0, 100, NULL);
	expect_nothing(ring);
	set_up(true);
	feed(100, 100);
	expect(ring, 100, 100, NULL);
	pfring_close(ring);
}

static void set_mtu(int mtu)
{
	struct ifreq ifr = {.ifr_mtu = mtu};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	memcpy(ifr.ifr_name, CAPTURE, sizeof(CAPTURE));
	CHECK(ioctl(fd, SIOCSIFMTU, &ifr) == 0, "the MTU cannot be %d", mtu);
	close(fd);
}

/* Opened for frames of 300 bytes, and then there are longer ones. */
static pfring *outgrown(u_int64_t buffer_bytes)
{
	const struct pfring_open_options opts = {.sz = sizeof(opts), .buffer_bytes = buffer_bytes};
	pfring *ring;

	set_mtu(300);
	ring = opened_opts(&opts);
	set_mtu(1500);
	return ring;
}

void frames_longer_than_the_mtu_was_come_whole(void)
{
	struct pfring_stats64 st = {.sz = sizeof(st)};
	pfring *ring = outgrown(64u << 20);

	feed(0, 1000);
	expect(ring, 0, 1000, NULL);
	CHECK(pfring_set_bpf_filter(ring, "udp") == 0, "the filter is refused");
	feed(1000, 1000);
	expect(ring, 1000, 500, is_udp);
	expect_nothing(ring);
	CHECK(pfring_stats64(ring, &st) == 0 && st.recv == 1500 && !st.drop, "recv %lu drop %lu",
	      (u_int64_t)st.recv, (u_int64_t)st.drop);
	pfring_close(ring);
}

/* Takes a capability out of the effective set, or puts it back. */
static void may(u_int capability, bool yes)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	CHECK(syscall(SYS_capget, &head, data) == 0, "no capabilities");
	if (yes)
		data[0].effective |= 1u << capability;
	else
		data[0].effective &= ~(1u << capability);
	CHECK(syscall(SYS_capset, &head, data) == 0, "they cannot be changed");
}

void a_raw_socket_is_all_that_longer_frames_need(void)
{
	pfring *ring;

	set_mtu(300);
	may(CAP_NET_ADMIN, false);
	ring = opened(0, 0);
	may(CAP_NET_ADMIN, true);
	set_mtu(1500);
	feed(0, 500);
	expect(ring, 0, 500, NULL);
	expect_nothing(ring);
	pfring_close(ring);
}

void longer_frames_are_cut_where_the_filter_says(void)
{
	static const struct sock_filter keep_1000[] = {BPF_STMT(BPF_RET | BPF_K, 1000)};
	pfring *ring = outgrown(64u << 20);
	struct pfring_pkthdr h;
	u_char *data;

	CHECK(pfring_set_bpf_program(ring, keep_1000, 1) == 0, "the program is refused");
	feed(0, 500);
	for (u_int i = 0; i < 500; i++) {
		CHECK(pfring_recv(ring, &data, 0, &h, 1) == 1, "frame %u did not come", i);
		is_frame(data, h.caplen, h.len, i, is_tagged(i) ? 1004 : 1000);
	}
	pfring_close(ring);
}

void longer_frames_that_find_no_room_are_dropped_whole(void)
{
	struct pfring_stats64 st = {.sz = sizeof(st)};
	pfring *ring = outgrown(256 * 1024);
	struct pfring_packet pkt;
	u_int n = 10000, got = 0, quiet = 0;
	int last = -1, rc;

	feed(0, n);
	do {
		CHECK(pfring_stats64(ring, &st) == 0, "no statistics");
	} while (st.recv + st.drop < n);
	CHECK(st.drop, "nothing was dropped");
	/* One that the reader finds cut counts as dropped only then. */
	while (quiet < (got == st.recv ? 1 : PATIENCE / QUIET)) {
		int number;

		rc = pfring_recv_batch(ring, &pkt, 1, QUIET);
		CHECK(rc >= 0 && pfring_stats64(ring, &st) == 0, "recv_batch gives %d", rc);
		quiet = rc ? 0 : quiet + 1;
		if (!rc)
			continue;
		number = frame_number(pkt.data, pkt.caplen);
		CHECK(number > last, "frame %d after %d", number, last);
		is_frame(pkt.data, pkt.caplen, pkt.len, (u_int)number, 0);
		last = number;
		got++;
	}
	CHECK(got && st.recv == got && st.recv + st.drop == n, "%u came, recv %lu, drop %lu", got,
	      (u_int64_t)st.recv, (u_int64_t)st.drop);
	pfring_close(ring);
}

void a_removed_device_ends_the_capture(void)
{
	struct pfring_packet pkt;
	pfring *ring = opened(0, 0);
	int rc;

	feed(0, 100);
	remove_device(NULL);
	expect(ring, 0, 100, NULL);
	for (int i = 0; i < 3; i++) {
		rc = pfring_recv_batch(ring, &pkt, 1, PATIENCE);
		CHECK(rc == -ENODEV, "recv_batch gives %d", rc);
	}
	CHECK(strstr(pfring_last_error(), CAPTURE), "the text does not name it");
	pfring_close(ring);
}

void a_removed_device_ends_a_wait(void)
{
	struct pfring_pkthdr h;
	pfring *ring = opened(0, 0);
	u_char *data;
	pthread_t t;
	int rc;

	t = later(50, remove_device, NULL);
	rc = pfring_recv(ring, &data, 0, &h, 1);
	CHECK(rc == -ENODEV, "recv gives %d", rc);
	pthread_join(t, NULL);
	pfring_close(ring);
}

void a_device_removed_while_it_is_down_ends_a_wait(void)
{
	struct pfring_packet pkt;
	struct pfring_pkthdr h;
	pfring *ring = opened(0, 0);
	u_char *data;
	pthread_t t;
	int rc;

	set_up(false);
	/* The socket has told its error by now, and tells nothing more. */
	CHECK(pfring_recv_batch(ring, &pkt, 1, 100) == 0, "a device that is down gives something");
	t = later(50, remove_device, NULL);
	rc = pfring_recv(ring, &data, 0, &h, 1);
	CHECK(rc == -ENODEV, "recv gives %d", rc);
	pthread_join(t, NULL);
	pfring_close(ring);
}

/* What gen0 receives next must be this frame. */
static void arrives(int fd, const u_char *frame, u_int len)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	u_char got[2048];
	ssize_t n;

	CHECK(poll(&p, 1, PATIENCE) == 1, "the frame does not arrive");
	n = recv(fd, got, sizeof(got), 0);
	CHECK(n == (ssize_t)len, "%zd bytes arrive, not %u", n, len);
	CHECK(!memcmp(got, frame, len), "other bytes arrive");
}

void sent_frames_arrive(void)
{
	struct pfring_stats64 st = {.sz = sizeof(st)};
	u_char frame[4][FRAME_MAX];
	struct iovec iov[4];
	pfring *ring = opened(0, 0);
	int fd = peer_socket(ETH_P_ALL), rc;

	for (u_int i = 0; i < 20; i++) {
		u_int len = frame_make(frame[0], 2 * i);

		rc = pfring_send(ring, frame[0], len, 1);
		CHECK(rc == (int)len, "send gives %d, not %u", rc, len);
		arrives(fd, frame[0], len);
	}
	for (u_int i = 0; i < 4; i++)
		iov[i] = (struct iovec){frame[i], frame_make(frame[i], 100 + 2 * i)};
	rc = pfring_send_batch(ring, iov, 4);
	CHECK(rc == 4, "send_batch gives %d", rc);
	for (u_int i = 0; i < 4; i++)
		arrives(fd, frame[i], (u_int)iov[i].iov_len);
	CHECK(pfring_stats64(ring, &st) == 0 && st.sent == 24 && !st.send_errors, "sent %lu",
	      (u_int64_t)st.sent);
	CHECK(pfring_send(ring, frame[0], 5, 1) < 0, "five bytes are no frame");
	close(fd);
	pfring_close(ring);
}

void a_packet_goes_back_as_it_came(void)
{
	pfring *ring = opened(0, PF_RING_RX_PACKET_BOUNCE);
	int fd = peer_socket(ETH_P_ALL), index, rc;
	u_char frame[FRAME_MAX], *data;
	struct pfring_pkthdr h;

	CHECK(pfring_set_direction(ring, rx_only_direction) == 0, "rx only is refused");
	CHECK(pfring_get_bound_device_ifindex(ring, &index) == 0, "no index");
	for (u_int i = 0; i < 8; i += 2) {
		u_int len = frame_make(frame, i);

		feed(i, 1);
		arrives(fd, frame, len); /* our own sending, seen by the peer's socket */
		CHECK(pfring_recv(ring, &data, 0, &h, 1) == 1, "frame %u did not come", i);
		rc = pfring_send_last_rx_packet(ring, index);
		CHECK(rc == 0, "sending back gives %d", rc);
		arrives(fd, frame, len);
	}
	close(fd);
	pfring_close(ring);
}

static int promiscuity(void)
{
	FILE *p = popen("ip -d link show dev " CAPTURE, "re");
	char line[1024];
	int count = -1;

	CHECK(p, "no ip");
	while (fgets(line, sizeof(line), p)) {
		const char *at = strstr(line, "promiscuity ");

		if (at)
			count = atoi(at + strlen("promiscuity "));
	}
	pclose(p);
	return count;
}

void promiscuity_is_counted(void)
{
	pfring *one, *two;

	CHECK(promiscuity() == 0, "%d at first", promiscuity());
	one = opened(0, PF_RING_PROMISC);
	CHECK(promiscuity() == 1, "%d with one ring", promiscuity());
	two = opened(0, PF_RING_PROMISC);
	CHECK(promiscuity() == 2, "%d with two rings", promiscuity());
	pfring_close(one);
	CHECK(promiscuity() == 1, "%d with one closed", promiscuity());
	CHECK(pfring_set_promisc(two, 0) == 0, "cannot be switched off");
	CHECK(promiscuity() == 0, "%d switched off", promiscuity());
	pfring_close(two);
	CHECK(promiscuity() == 0, "%d at the end", promiscuity());
}

static int index_;
static u_int came;

static void send_it_back(const struct pfring_pkthdr *h, const u_char *p, const u_char *user)
{
	pfring *ring = (pfring *)(uintptr_t)user;

	is_frame(p, h->caplen, h->len, came, 0);
	CHECK(pfring_send_last_rx_packet(ring, index_) == 0, "frame %u does not go back", came);
	came += 2;
	pfring_breakloop(ring);
}

/* Each way once, reading the even frames first, first+2 ... Returns how many were read. */
static u_int read_and_return(pfring *ring, u_int way, u_int first)
{
	u_char store[FRAME_MAX], *buffer = store;
	struct pfring_packet pkt[4];
	pfring_packet_info info[4];
	struct pfring_pkthdr h;
	int n = 1;

	switch (way) {
	case 0:
		n = pfring_recv(ring, &buffer, sizeof(store), &h, 1);
		break;
	case 1:
		n = pfring_recv_batch(ring, pkt, 4, PATIENCE);
		break;
	case 2:
		n = pfring_recv_burst(ring, info, 4, 1);
		break;
	case 3:
		came = first;
		CHECK(pfring_loop(ring, send_it_back, (const u_char *)ring, 1) == 0,
		      "the loop fails");
		return 1;
	}
	CHECK(n > 0, "way %u gives %d", way, n);
	memset(store, 0, sizeof(store)); /* what the program does with its copy is its business */
	CHECK(pfring_send_last_rx_packet(ring, index_) == 0, "way %u does not send", way);
	return (u_int)n;
}

void the_last_packet_goes_back_however_it_was_read(void)
{
	pfring *ring = opened(0, PF_RING_RX_PACKET_BOUNCE);
	u_char frame[FRAME_MAX];
	u_int next = 0;
	int fd;

	CHECK(pfring_set_direction(ring, rx_only_direction) == 0, "rx only is refused");
	CHECK(pfring_set_bpf_filter(ring, "udp") == 0, "the filter is refused");
	CHECK(pfring_get_bound_device_ifindex(ring, &index_) == 0, "no index");
	CHECK(pfring_send_last_rx_packet(ring, index_) == -EAGAIN, "nothing was received yet");
	feed(0, 200);
	usleep(20000);
	fd = peer_socket(ETH_P_ALL);
	for (u_int turn = 0; turn < 20; turn++) {
		next += 2 * read_and_return(ring, turn % 4, next);
		arrives(fd, frame, frame_make(frame, next - 2));
	}
	close(fd);
	pfring_close(ring);
}

static void nothing_arrives(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	CHECK(poll(&p, 1, 20) == 0, "a frame arrives too early");
}

void a_childs_close_does_not_send_the_parents_frames(void)
{
	int fd = peer_socket(ETH_P_ALL);
	pfring *ring = opened(0, 0);
	u_char frame[FRAME_MAX];

	pfring_send(ring, frame, frame_make(frame, 0), 0);
	close_in_a_child(ring);
	nothing_arrives(fd);
	pfring_close(ring);
	arrives(fd, frame, frame_make(frame, 0));
	nothing_arrives(fd);
	close(fd);
}

void frames_wait_for_the_watermark_or_a_flush(void)
{
	int fd = peer_socket(ETH_P_ALL);
	pfring *ring = opened(0, 0);
	u_char frame[FRAME_MAX];
	u_int len;

	CHECK(pfring_set_tx_watermark(ring, 4) == 0, "the watermark is refused");
	for (u_int i = 0; i < 3; i++) {
		len = frame_make(frame, 2 * i);
		CHECK(pfring_send(ring, frame, len, 0) == (int)len, "frame %u is refused", i);
	}
	nothing_arrives(fd);
	CHECK(pfring_flush_tx_packets(ring) == 0, "no flush");
	for (u_int i = 0; i < 3; i++)
		arrives(fd, frame, frame_make(frame, 2 * i));
	for (u_int i = 3; i < 7; i++)
		pfring_send(ring, frame, frame_make(frame, 2 * i), 0);
	for (u_int i = 3; i < 7; i++)
		arrives(fd, frame, frame_make(frame, 2 * i));
	/* One that is sent at once does not overtake those that wait. */
	pfring_send(ring, frame, frame_make(frame, 14), 0);
	pfring_send(ring, frame, frame_make(frame, 16), 1);
	arrives(fd, frame, frame_make(frame, 14));
	arrives(fd, frame, frame_make(frame, 16));
	/* What waits when the ring is closed is sent. */
	pfring_send(ring, frame, frame_make(frame, 18), 0);
	pfring_close(ring);
	arrives(fd, frame, frame_make(frame, 18));
	close(fd);
}
