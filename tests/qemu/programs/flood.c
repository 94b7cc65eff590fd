/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * flood.c - several CPUs send at once, several rings check every byte.
 *
 *      flood FROM TO SENDERS COUNT RINGS LANE_BYTES
 *
 * Each sender is a thread on a CPU of its own with numbered frames of changing
 * length. Each ring is read by one thread, until received plus dropped are what
 * was sent. A ring must see each sender's frames unchanged and in their order.
 * With large rings nothing may be dropped. Exit status 0: all true.
 */
#define _GNU_SOURCE
#include <linux/if_packet.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>

#include "pfr_user.h"

#define MAX_SENDERS 8
#define MAX_RINGS 16
#define KIND 0x88B6

struct frame {
	unsigned char to[6], from[6];
	__be16 kind;
	__u16 sender;
	__u32 number;
	unsigned char body[1480];
};

static const char *from, *to;
static unsigned count;
static __u64 sent; /* by all, in the end */

static unsigned length_of(unsigned sender, unsigned number)
{
	return 60 + (number * 37 + sender * 101) % 400;
}

static void make(struct frame *f, unsigned sender, unsigned number)
{
	unsigned len = length_of(sender, number);

	memset(f->to, 0xff, 6);
	memset(f->from, 2, 6);
	f->kind = htons(KIND);
	f->sender = (__u16)sender;
	f->number = number;
	for (unsigned i = 20; i < len; i++)
		f->body[i - 20] = (unsigned char)(number + sender + i);
}

static void *send_all(void *arg)
{
	unsigned sender = (unsigned)(long)arg;
	struct sockaddr_ll sll = {.sll_family = AF_PACKET,
				  .sll_ifindex = (int)if_nametoindex(from)};
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	struct frame f;
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(sender % (unsigned)sysconf(_SC_NPROCESSORS_ONLN), &cpu);
	pthread_setaffinity_np(pthread_self(), sizeof(cpu), &cpu);
	for (unsigned i = 0; i < count; i++) {
		make(&f, sender, i);
		while (sendto(fd, &f, length_of(sender, i), 0, (struct sockaddr *)&sll,
			      sizeof(sll)) < 0)
			if (errno != ENOBUFS && errno != EAGAIN)
				DIE("send");
	}
	close(fd);
	return NULL;
}

struct view {
	struct user_ring ring;
	long next[MAX_SENDERS];
	unsigned long got, corrupt, disorder;
};

static void check(const struct pfr_rec *rec, const unsigned char *data, void *arg)
{
	struct view *v = arg;
	const struct frame *f = (const void *)data;
	struct frame want;

	if (rec->caplen < 60 || f->kind != htons(KIND))
		return;
	v->got++;
	if (f->sender >= MAX_SENDERS || rec->caplen != length_of(f->sender, f->number) ||
	    rec->len != rec->caplen) {
		v->corrupt++;
		return;
	}
	make(&want, f->sender, f->number);
	v->corrupt += !!memcmp(&want, data, rec->caplen);
	v->disorder += (long)f->number < v->next[f->sender];
	v->next[f->sender] = (long)f->number + 1;
}

static void *read_all(void *arg)
{
	struct view *v = arg;
	struct pfr_stats s = {0};

	/* 100 s of polls behind the last frame. */
	for (int left = 2000; left && s.recv + s.drop < sent; left--) {
		struct pollfd p = {.fd = v->ring.fd, .events = POLLIN};
		socklen_t len = sizeof(s);

		poll(&p, 1, 50);
		if (getsockopt(v->ring.fd, SOL_PF_RING, PFR_SO_STATS, &s, &len))
			DIE("PFR_SO_STATS");
		if (user_drain(&v->ring, check, v))
			left = 2000;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static struct view view[MAX_RINGS];
	pthread_t sender[MAX_SENDERS], reader[MAX_RINGS];
	unsigned senders, rings;
	int bad = 0;

	if (argc != 7)
		return 2;
	from = argv[1];
	to = argv[2];
	senders = (unsigned)atoi(argv[3]);
	count = (unsigned)atoi(argv[4]);
	rings = (unsigned)atoi(argv[5]);
	if (senders > MAX_SENDERS || rings > MAX_RINGS)
		return 2;
	sent = (__u64)senders * count;
	for (unsigned i = 0; i < rings; i++) {
		user_open(&view[i].ring, to, strtoull(argv[6], NULL, 0));
		pthread_create(&reader[i], NULL, read_all, &view[i]);
	}
	for (unsigned i = 0; i < senders; i++)
		pthread_create(&sender[i], NULL, send_all, (void *)(long)i);
	for (unsigned i = 0; i < senders; i++)
		pthread_join(sender[i], NULL);
	for (unsigned i = 0; i < rings; i++) {
		struct pfr_stats s;
		socklen_t len = sizeof(s);

		pthread_join(reader[i], NULL);
		if (getsockopt(view[i].ring.fd, SOL_PF_RING, PFR_SO_STATS, &s, &len))
			DIE("PFR_SO_STATS");
		printf("ring %u: got %lu drop %llu corrupt %lu disorder %lu of %llu\n", i,
		       view[i].got, s.drop, view[i].corrupt, view[i].disorder, sent);
		bad |= view[i].corrupt || view[i].disorder || view[i].got != s.recv ||
		       s.recv + s.drop != sent;
	}
	return bad;
}
