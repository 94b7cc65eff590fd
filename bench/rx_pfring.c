// SPDX-License-Identifier: BSD-3-Clause
/*
 * rx_pfring.c - ours: the same counting loop through pfring_loop().
 *
 * The device name chooses the backend ("packet:v1", "bpf:v1", "pfring:v1").
 * It may hold packets back for as long as the peer (100 ms);
 * with -t 0 it has the library's own bound of 5 ms. See rx.h for the
 * life of a receiver.
 */
#include <pfring.h>

#include "rx.h"

static pfring *handle;
static struct rx_options opt;
static struct rx_count count;

static void stop(int sig)
{
	(void)sig;
	pfring_breakloop(handle);
}

static void on_packet(const struct pfring_pkthdr *h, const u_char *p, const u_char *user)
{
	struct rx_count *n = (struct rx_count *)user;

	(void)p;
	n->packets++;
	n->bytes += h->len;
}

static void on_packet_verify(const struct pfring_pkthdr *h, const u_char *p, const u_char *user)
{
	on_packet(h, p, user);
	rx_verify((struct rx_count *)user, p, h->caplen, h->len);
}

static void on_packet_delay(const struct pfring_pkthdr *h, const u_char *p, const u_char *user)
{
	on_packet(h, p, user);
	rx_delay((struct rx_count *)user, h->ts.tv_sec * 1000000000ull + h->ts.tv_usec * 1000ull);
}

/* Hash rules for the flows that gen -T sends, and wildcard rules that match none of them. */
static int add_rules(void)
{
	int rc = 0;

	for (unsigned int i = 0; i < opt.hash_rules && !rc; i++) {
		hash_filtering_rule rule = {.proto = 17, .ip_version = 4};

		rule.host_peer_a.v4 = FRAME_SADDR;
		rule.host_peer_b.v4 = FRAME_DADDR;
		rule.port_peer_a = FRAME_SPORT + i;
		rule.port_peer_b = FRAME_DPORT;
		rc = pfring_handle_hash_filtering_rule(handle, &rule, 1);
	}
	for (unsigned int i = 0; i < opt.wild_rules && !rc; i++) {
		filtering_rule rule = {.rule_id = FILTERING_RULE_AUTO_RULE_ID,
				       .rule_action = dont_forward_packet_and_stop_rule_evaluation};

		rule.core_fields.proto = 17;
		rule.core_fields.dport_low = FRAME_DPORT + 1 + i;
		rc = pfring_add_filtering_rule(handle, &rule);
	}
	return rc;
}

int main(int argc, char **argv)
{
	struct pfring_open_options o = {.sz = sizeof(o), .flags = PF_RING_PROMISC};
	pfring_stat st = {0};
	int rc;

	opt = rx_parse(argc, argv);
	o.caplen = opt.snaplen;
	o.buffer_bytes = opt.buffer_kib * 1024ull;
	o.timeout_ms = opt.timeout_ms;
	o.immediate = opt.immediate;
	o.local_clock_coarse = opt.coarse;
	o.filter = opt.filter;
	handle = pfring_open_opts(opt.device, &o);
	if (!handle || add_rules() || pfring_enable_ring(handle)) {
		fprintf(stderr, "rx_pfring: %s\n", pfring_last_error());
		return 1;
	}
	rx_on_signal(stop);
	rx_ready();
	rc = pfring_loop(handle,
			 opt.verify   ? on_packet_verify
			 : opt.delays ? on_packet_delay
				      : on_packet,
			 (u_char *)&count, 1);
	if (rc < 0) {
		fprintf(stderr, "rx_pfring: %s\n", pfring_last_error());
		return 1;
	}
	pfring_stats(handle, &st);
	rx_report(&opt, &count, st.recv, st.drop, pfring_get_backend(handle, NULL));
	pfring_close(handle);
	return 0;
}
