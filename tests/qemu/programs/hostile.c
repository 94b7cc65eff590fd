/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hostile.c - does to PF_RING sockets what nobody should, for a while.
 *
 *      hostile SECONDS SEED DEVICE...
 *
 * Several processes with several threads each open sockets, bind them, call
 * every option with random and with nearly right values, scribble over every
 * byte that is mapped writable, try to write where it is not, fork, unmap, dup,
 * send rubbish, join and leave clusters, attach filters and close in the middle
 * of it all, while frames flow. There is nothing to check here but that the
 * kernel says nothing: the guest's log is the test's result.
 */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>

#include "pfr_user.h"

#define SLOTS 16
#define THREADS 3
#define PROCESSES 2

static int fds[SLOTS];
static struct mapping {
	unsigned char *at;
	size_t len;
	int writable;
} maps[SLOTS];
static char **devices;
static int device_count;
static time_t end;

static unsigned rnd(unsigned *seed, unsigned below)
{
	return (unsigned)rand_r(seed) % below;
}

/* Any number, most of the time one that is nearly sensible. */
static __u64 number(unsigned *seed)
{
	static const __u64 liked[] = {0,	  1,	  2,	     3,		 7,
				      64,	  128,	  255,	     4096,	 65535,
				      65536,	  262144, 1u << 20,  0x7fffffff, 0x80000000,
				      0xffffffff, ~0ull,  1ull << 40};

	switch (rnd(seed, 3)) {
	case 0:
		return liked[rnd(seed, sizeof(liked) / sizeof(liked[0]))];
	case 1:
		return rnd(seed, 300);
	}
	return ((__u64)rand_r(seed) << 33) ^ ((__u64)rand_r(seed) << 11) ^ (__u64)rand_r(seed);
}

static int ifindex(unsigned *seed)
{
	if (!rnd(seed, 8))
		return (int)number(seed);
	if (!rnd(seed, 4))
		return 0;
	return (int)if_nametoindex(devices[rnd(seed, (unsigned)device_count)]);
}

static void do_open(int slot)
{
	int fd = socket(PF_RING, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL));
	int old = __atomic_exchange_n(&fds[slot], fd, __ATOMIC_SEQ_CST);

	if (old >= 0)
		close(old);
}

static void do_bind(int fd, unsigned *seed)
{
	struct sockaddr_pfr sa = {.family = PF_RING, .ifindex = ifindex(seed)};

	sa.queues = rnd(seed, 2) ? RING_ANY_CHANNEL : number(seed);
	if (!rnd(seed, 10))
		sa.family = (__u16)number(seed);
	bind(fd, (struct sockaddr *)&sa, rnd(seed, 8) ? sizeof(sa) : rnd(seed, 130));
}

static void do_ring(int fd, unsigned *seed)
{
	struct pfr_ring_req req = {
		.caplen = (__u32)number(seed),
		.lanes = rnd(seed, 2) ? rnd(seed, 3) : (__u32)number(seed),
		.lane_bytes = rnd(seed, 2) ? 65536u << rnd(seed, 4) : number(seed) % (8u << 20),
	};

	setsockopt(fd, SOL_PF_RING, PFR_SO_RING, &req, sizeof(req));
}

static void do_setsockopt(int fd, unsigned *seed)
{
	static const int all[] = {99,  100, 105, 106, 110, 111, 115, 116, 117,
				  121, 124, 126, 133, 140, 200, 201, 202, 170,
				  178, 210, 211, 102, 103, 104, 109, 125, 203};
	unsigned char value[5000];
	int option =
		rnd(seed, 10) ? all[rnd(seed, sizeof(all) / sizeof(all[0]))] : (int)number(seed);
	unsigned len = rnd(seed, 4) ? 4 : rnd(seed, 3) ? 16 : rnd(seed, sizeof(value));

	for (unsigned i = 0; i + 8 <= sizeof(value); i += 8) {
		__u64 n = number(seed);

		memcpy(value + i, &n, 8);
	}
	if (option == PFR_SO_SHUTDOWN && rnd(seed, 4))
		return;
	setsockopt(fd, rnd(seed, 20) ? SOL_PF_RING : SOL_SOCKET, option,
		   rnd(seed, 30) ? (void *)value : (void *)(uintptr_t)number(seed), len);
}

static void do_getsockopt(int fd, unsigned *seed)
{
	static const int all[] = {170, 174, 175, 177, 178, 210, 211, 171, 172, 173, 187};
	unsigned char value[256];
	socklen_t len = (socklen_t)(rnd(seed, 3) ? sizeof(value) : number(seed));

	getsockopt(fd, SOL_PF_RING, all[rnd(seed, sizeof(all) / sizeof(all[0]))],
		   len <= sizeof(value) && rnd(seed, 20) ? (void *)value
							 : (void *)(uintptr_t)number(seed),
		   rnd(seed, 30) ? &len : NULL);
}

static void do_cluster(int fd, unsigned *seed)
{
	struct pfr_cluster_req req = {
		.id = rnd(seed, 3),
		.consumer = rnd(seed, 2) ? PFR_CONSUMER_AUTO : rnd(seed, 6),
		.type = rnd(seed, 15),
		.options = rnd(seed, 3),
	};

	if (rnd(seed, 2))
		setsockopt(fd, SOL_PF_RING, PFR_SO_CLUSTER_JOIN, &req, sizeof(req));
	else
		setsockopt(fd, SOL_PF_RING, PFR_SO_CLUSTER_LEAVE, NULL, 0);
}

static void do_rule(int fd, unsigned *seed)
{
	struct pfr_rule_req req = {
		.ref = {.kind = rnd(seed, 2), .rule_id = (__u16)rnd(seed, 90)},
		.action = rnd(seed, 12),
	};
	unsigned char *bytes = (unsigned char *)&req;

	if (req.ref.kind == PFR_RULE_HASH) {
		req.ref.rule_id = 0;
		req.ref.peer_a.v4 = rnd(seed, 50);
	}
	strncpy(req.reflector, devices[rnd(seed, (unsigned)device_count)], 15);
	for (unsigned i = rnd(seed, 4); i; i--)
		bytes[rnd(seed, sizeof(req))] = (unsigned char)number(seed);
	if (rnd(seed, 3))
		setsockopt(fd, SOL_PF_RING, PFR_SO_ADD_RULE, &req, sizeof(req));
	else
		setsockopt(fd, SOL_PF_RING, PFR_SO_REMOVE_RULE, &req.ref, sizeof(req.ref));
}

static void do_filter(int fd, unsigned *seed)
{
	struct sock_filter insn[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (__u32)number(seed)),
		BPF_STMT(BPF_RET | BPF_K, (__u32)number(seed)),
	};
	struct sock_fprog prog = {.len = 2, .filter = insn};

	if (rnd(seed, 2))
		setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));
	else
		setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &prog, 4);
}

static void do_mmap(int fd, int slot, unsigned *seed)
{
	struct pfr_info info = {0};
	socklen_t len = sizeof(info);
	struct mapping m = {.writable = (int)rnd(seed, 2)};
	__u64 at;

	getsockopt(fd, SOL_PF_RING, PFR_SO_INFO, &info, &len);
	at = rnd(seed, 4) ? (info.lane_stride * rnd(seed, 3)) + (m.writable ? 4096 : 0)
			  : number(seed);
	m.len = m.writable && rnd(seed, 8) ? 4096
		: rnd(seed, 4)		   ? info.lane_stride
					   : number(seed) % (16u << 20);
	m.at = mmap(NULL, m.len, PROT_READ | (m.writable ? PROT_WRITE : 0), MAP_SHARED, fd,
		    (off_t)(at & ~4095ull));
	if (m.at == MAP_FAILED)
		return;
	if (maps[slot].at)
		munmap(maps[slot].at, maps[slot].len);
	maps[slot] = m;
	mprotect(m.at, m.len, PROT_READ | PROT_WRITE | (rnd(seed, 2) ? PROT_EXEC : 0));
}

static void do_scribble(int slot, unsigned *seed)
{
	struct mapping m = maps[slot];

	if (!m.at || !m.writable)
		return;
	for (int i = 0; i < 200; i++) {
		__u64 n = number(seed);
		size_t at = rnd(seed, 3) ? 8u * rnd(seed, 24) : rnd(seed, (unsigned)m.len - 8);

		if (at + 8 <= m.len)
			memcpy(m.at + at, &n, 8);
	}
}

static void do_send(int fd, unsigned *seed)
{
	static unsigned char frame[70000];
	struct sockaddr_pfr to = {.family = PF_RING, .ifindex = ifindex(seed)};
	size_t len = rnd(seed, 3) ? 14 + rnd(seed, 1600) : number(seed) % sizeof(frame);

	for (unsigned i = 0; i < 64; i++)
		frame[i] = (unsigned char)rnd(seed, 256);
	if (rnd(seed, 2))
		memcpy(frame + 12, rnd(seed, 2) ? "\x08\x00\x45" : "\x81\x00\x00\x05\x86\xdd\x60",
		       7);
	sendto(fd, frame, len, MSG_DONTWAIT, rnd(seed, 2) ? (struct sockaddr *)&to : NULL,
	       rnd(seed, 2) ? sizeof(to) : 0);
}

/* Writing where nothing may be written, or is mapped any more, is part of it. */
static __thread sigjmp_buf after_fault;

static void faulted(int signal)
{
	(void)signal;
	siglongjmp(after_fault, 1);
}

static void *attack(void *arg)
{
	static __thread unsigned seed;

	seed = (unsigned)(long)arg;
	sigsetjmp(after_fault, 1);
	while (time(NULL) < end) {
		int slot = (int)rnd(&seed, SLOTS), fd = fds[slot];
		struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
		char buffer[64];

		switch (rnd(&seed, 20)) {
		case 0:
			do_open(slot);
			break;
		case 1:
			do_bind(fd, &seed);
			break;
		case 2:
			do_ring(fd, &seed);
			break;
		case 3:
		case 4:
		case 5:
			do_setsockopt(fd, &seed);
			break;
		case 6:
			do_getsockopt(fd, &seed);
			break;
		case 7:
			do_cluster(fd, &seed);
			break;
		case 8:
			do_filter(fd, &seed);
			break;
		case 9:
			do_mmap(fd, slot, &seed);
			break;
		case 10:
		case 11:
			do_scribble(slot, &seed);
			break;
		case 12:
		case 13:
			do_send(fd, &seed);
			break;
		case 14:
			poll(&p, 1, (int)rnd(&seed, 3));
			break;
		case 15:
			setsockopt(fd, SOL_PF_RING, PFR_SO_ACTIVATE, NULL, 0);
			break;
		case 16:
			ioctl(fd, (unsigned)number(&seed), buffer);
			break;
		case 18:
		case 19:
			do_rule(fd, &seed);
			break;
		case 17:
			recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
			break;
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	unsigned seed;
	int alive = 0;

	if (argc < 4)
		return 2;
	end = time(NULL) + atoi(argv[1]);
	seed = (unsigned)atoi(argv[2]);
	devices = argv + 3;
	device_count = argc - 3;
	for (int i = 0; i < SLOTS; i++)
		fds[i] = -1;
	for (int i = 0; i < SLOTS; i++)
		do_open(i);
	if (fds[0] < 0)
		DIE("socket");
	for (int p = 0; p < PROCESSES; p++) {
		pthread_t thread[THREADS];

		if (fork())
			continue;
		signal(SIGSEGV, faulted);
		signal(SIGBUS, faulted);
		for (int t = 0; t < THREADS; t++)
			pthread_create(&thread[t], NULL, attack,
				       (void *)(long)(seed + (unsigned)(p * 100 + t)));
		for (int t = 0; t < THREADS; t++)
			pthread_join(thread[t], NULL);
		_exit(0);
	}
	for (int p = 0; p < PROCESSES; p++) {
		int status;

		wait(&status);
		alive += WIFEXITED(status);
	}
	printf("%d of %d processes ended by themselves\n", alive, PROCESSES);
	return 0;
}
