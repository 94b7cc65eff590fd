/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rulestorm.c - rules come and go while packets of many flows meet them.
 *
 *      rulestorm SECONDS SEED FROM TO OTHER
 *
 * One sender per CPU sends flows from FROM to TO. Churners open rings on TO, on
 * OTHER and on all devices, add wildcard rules and hash rules of all ten actions
 * (reflecting to OTHER and TO), remove and purge them, ask for statistics, switch
 * policy and reflector, and close rings in the middle of it all. Each ring's
 * rules must count no more matches than there were packets. The rest is the
 * kernel's log to tell.
 */
#define _GNU_SOURCE
#include <linux/if_packet.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "pfr_user.h"

#define CHURNERS 4
#define HOSTS 16
#define PORTS 4
#define IDS 200

static const char *from, *to, *other;
static time_t end;
static unsigned long sent, refused, added, rings;

static unsigned rnd(unsigned *seed, unsigned below)
{
	return (unsigned)rand_r(seed) % below;
}

static void *send_flows(void *arg)
{
	unsigned seed = 77 + (unsigned)(long)arg;
	struct sockaddr_ll sll = {.sll_family = AF_PACKET,
				  .sll_ifindex = (int)if_nametoindex(from)};
	static const unsigned char head[] = {2,	   0,	 0, 0, 0,  9, 2, 0, 0, 0,  0,  1, 0x08,
					     0x00, 0x45, 0, 0, 86, 0, 0, 0, 0, 64, 17, 0, 0};
	unsigned char frame[100] = {0};
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET((int)(long)arg, &cpu);
	pthread_setaffinity_np(pthread_self(), sizeof(cpu), &cpu);
	memcpy(frame, head, sizeof(head));
	do {
		frame[23] = rnd(&seed, 3) ? 17 : 6;
		frame[26] = 10;
		frame[29] = (unsigned char)rnd(&seed, HOSTS);
		frame[30] = 10;
		frame[33] = (unsigned char)rnd(&seed, HOSTS);
		frame[35] = (unsigned char)rnd(&seed, PORTS);
		frame[37] = (unsigned char)rnd(&seed, PORTS);
		frame[46] = 0x50;
		if (sendto(fd, frame, sizeof(frame), 0, (struct sockaddr *)&sll, sizeof(sll)) > 0)
			__atomic_add_fetch(&sent, 1, __ATOMIC_RELAXED);
	} while (time(NULL) < end || !__atomic_load_n(&sent, __ATOMIC_RELAXED));
	close(fd);
	return NULL;
}

static struct pfr_rule_ref random_flow(unsigned *seed)
{
	struct pfr_rule_ref ref = {.kind = PFR_RULE_HASH, .proto = rnd(seed, 2) ? 17 : 6};

	ref.peer_a.v4 = 0x0a000000 + rnd(seed, HOSTS);
	ref.peer_b.v4 = 0x0a000000 + rnd(seed, HOSTS);
	ref.port_a = (__u16)rnd(seed, PORTS);
	ref.port_b = (__u16)rnd(seed, PORTS);
	return ref;
}

static struct pfr_rule_ref random_ref(unsigned *seed)
{
	struct pfr_rule_ref ref = {.kind = PFR_RULE_WILDCARD, .rule_id = (__u16)rnd(seed, IDS)};

	return rnd(seed, 2) ? random_flow(seed) : ref;
}

static void add_rule(int fd, unsigned *seed)
{
	struct pfr_rule_req req = {.ref = random_ref(seed), .action = rnd(seed, 10)};

	if (!rnd(seed, 3))
		req.action = forward_packet_add_rule_and_stop_rule_evaluation;
	strcpy(req.reflector, rnd(seed, 4) ? other : to);
	req.locked = !rnd(seed, 4);
	if (req.ref.kind == PFR_RULE_WILDCARD) {
		req.proto = rnd(seed, 2) ? 17 : 0;
		req.bidirectional = !rnd(seed, 4);
		if (rnd(seed, 2))
			req.shost.v4 = 0x0a000000 + rnd(seed, HOSTS);
		if (rnd(seed, 2))
			req.dport_low = (__u16)rnd(seed, PORTS);
		if (!rnd(seed, 8))
			req.balance_pool = 2;
		if (!rnd(seed, 16))
			strcpy(req.payload_pattern, "needle");
		if (!rnd(seed, 16))
			req.tunnel_id = 7;
	}
	__atomic_add_fetch(
		setsockopt(fd, SOL_PF_RING, PFR_SO_ADD_RULE, &req, sizeof(req)) ? &refused : &added,
		1, __ATOMIC_RELAXED);
}

static void ask(int fd, unsigned *seed)
{
	union {
		struct pfr_rule_ref ref;
		struct pfr_rule_stats stats;
	} u = {.ref = random_ref(seed)};
	socklen_t len = sizeof(u);

	if (getsockopt(fd, SOL_PF_RING, PFR_SO_RULE_STATS, &u, &len))
		return;
	if (len != sizeof(u.stats) || u.stats.match < u.stats.filtered + u.stats.forwarded ||
	    u.stats.match > 1u << 30)
		DIE("a rule that counts %llu %llu %llu", u.stats.match, u.stats.filtered,
		    u.stats.forwarded);
}

static void set_int(int fd, int option, int value)
{
	setsockopt(fd, SOL_PF_RING, option, &value, sizeof(value));
}

static int open_ring(unsigned *seed)
{
	struct pfr_ring_req req = {.caplen = 128, .lane_bytes = 65536};
	const char *device = rnd(seed, 3) ? to : other;
	int fd = socket(PF_RING, SOCK_RAW, htons(ETH_P_ALL));

	if (fd < 0 || setsockopt(fd, SOL_PF_RING, PFR_SO_RING, &req, sizeof(req)))
		DIE("ring");
	if (user_bind(fd, rnd(seed, 4) ? (int)if_nametoindex(device) : 0))
		DIE("bind");
	setsockopt(fd, SOL_PF_RING, PFR_SO_ACTIVATE, NULL, 0);
	__atomic_add_fetch(&rings, 1, __ATOMIC_RELAXED);
	return fd;
}

static void *churn(void *arg)
{
	unsigned seed = (unsigned)(long)arg;
	int fd = open_ring(&seed);

	while (time(NULL) < end || !__atomic_load_n(&added, __ATOMIC_RELAXED)) {
		struct pfr_rule_ref ref = random_ref(&seed);
		const char *name = rnd(&seed, 2) ? other : "";

		switch (rnd(&seed, 40)) {
		case 0:
			close(fd);
			fd = open_ring(&seed);
			break;
		case 1:
			set_int(fd, PFR_SO_PURGE_HASH, (int)rnd(&seed, 2));
			break;
		case 2:
			set_int(fd, PFR_SO_PURGE_RULES, (int)rnd(&seed, 2));
			break;
		case 3:
			set_int(fd, PFR_SO_POLICY, (int)rnd(&seed, 2));
			break;
		case 4:
			setsockopt(fd, SOL_PF_RING, PFR_SO_REFLECTOR, name,
				   (socklen_t)strlen(name));
			break;
		case 5 ... 14:
			setsockopt(fd, SOL_PF_RING, PFR_SO_REMOVE_RULE, &ref, sizeof(ref));
			break;
		case 15 ... 20:
			ask(fd, &seed);
			break;
		default:
			add_rule(fd, &seed);
		}
	}
	close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread[CHURNERS + 2];
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 2 : 1;
	int n = 0;

	if (argc != 6)
		return 2;
	end = time(NULL) + atoi(argv[1]);
	from = argv[3];
	to = argv[4];
	other = argv[5];
	for (long i = 0; i < cpus; i++)
		pthread_create(&thread[n++], NULL, send_flows, (void *)i);
	for (long i = 0; i < CHURNERS; i++)
		pthread_create(&thread[n++], NULL, churn, (void *)(atoi(argv[2]) + i));
	while (n)
		pthread_join(thread[--n], NULL);
	printf("%lu packets, %lu rules added, %lu refused, %lu rings\n", sent, added, refused,
	       rings);
	return !(sent && added && rings);
}
