/* SPDX-License-Identifier: BSD-3-Clause */
/* pfring_parse_flows(): every column of every packet is what pfring_parse_pkt() says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "frame.h"
#include "parse.h"

#define N 512
#define ROUNDS 400

/* Room for all columns of N packets. */
struct columns {
	u_int64_t eth_src[N], eth_dst[N];
	u_int16_t eth_type[N], vlan[N], qinq[N], sport[N], dport[N], payload_len[N];
	u_int8_t ip_version[N], proto[N], tos[N], frag[N], tcp_flags[N], icmp_type[N], icmp_code[N];
	u_int32_t src[N], dst[N], hash[N];
	u_int8_t src6[N][16], dst6[N][16];
	int16_t payload_offset[N];
};

static struct pfring_flows flows_of(struct columns *c)
{
	return (struct pfring_flows){
		.sz = sizeof(struct pfring_flows),
		.eth_src = c->eth_src,
		.eth_dst = c->eth_dst,
		.eth_type = c->eth_type,
		.vlan = c->vlan,
		.qinq = c->qinq,
		.ip_version = c->ip_version,
		.proto = c->proto,
		.tos = c->tos,
		.frag = c->frag,
		.src = c->src,
		.dst = c->dst,
		.src6 = c->src6,
		.dst6 = c->dst6,
		.sport = c->sport,
		.dport = c->dport,
		.tcp_flags = c->tcp_flags,
		.icmp_type = c->icmp_type,
		.icmp_code = c->icmp_code,
		.payload_offset = c->payload_offset,
		.payload_len = c->payload_len,
		.hash = c->hash,
	};
}

static u_int64_t number(const u_char mac[6])
{
	u_int64_t n = 0;

	for (int i = 0; i < 6; i++)
		n = n << 8 | mac[i];
	return n;
}

/* Where the datagram's bytes end, told from the headers alone: no padding, nothing uncaptured. */
static u_int datagram_end(const struct pfring_packet *p, const struct pkt_parsing_info *i)
{
	const u_char *h = p->data + i->offset.l3_offset;
	u_int cap = p->caplen < 32767 ? p->caplen : 32767;
	u_int len = i->ip_version == 4 ? h[2] << 8 | h[3] : h[4] << 8 | h[5];

	if (i->ip_version == 6 && len)
		len += 40;
	len += (u_int)i->offset.l3_offset;
	return len > (u_int)i->offset.l3_offset && len < cap ? len : cap;
}

static void compare(const struct pfring_packet *p, const struct columns *c, u_int i)
{
	struct pfring_pkthdr h = {.caplen = p->caplen, .len = p->len};
	const struct pkt_parsing_info *x = &h.extended_hdr.parsed_pkt;
	int reached = pfring_parse_pkt((u_char *)(uintptr_t)p->data, &h, 4, 0, 1);
	u_int flags = h.extended_hdr.flags;
	bool v6 = x->ip_version == 6;

	assert_int_equal(c->eth_src[i], reached > 0 ? number(x->smac) : 0);
	assert_int_equal(c->eth_dst[i], reached > 0 ? number(x->dmac) : 0);
	assert_int_equal(c->eth_type[i], x->eth_type);
	assert_int_equal(c->vlan[i], x->vlan_id);
	assert_int_equal(c->qinq[i], x->qinq_vlan_id);
	assert_int_equal(c->ip_version[i], x->ip_version);
	assert_int_equal(c->proto[i], x->l3_proto);
	assert_int_equal(c->tos[i], x->ip_tos);
	assert_int_equal(c->frag[i], (flags & PKT_FLAGS_IP_MORE_FRAG ? 1 : 0) +
					     (flags & PKT_FLAGS_IP_FRAG_OFFSET ? 2 : 0));
	assert_int_equal(c->src[i], v6 ? 0 : x->ip_src.v4);
	assert_int_equal(c->dst[i], v6 ? 0 : x->ip_dst.v4);
	if (v6) {
		assert_memory_equal(c->src6[i], &x->ip_src.v6, 16);
		assert_memory_equal(c->dst6[i], &x->ip_dst.v6, 16);
	} else {
		assert_int_equal(c->src6[i][0] | c->dst6[i][15], 0);
	}
	assert_int_equal(c->sport[i], x->l4_src_port);
	assert_int_equal(c->dport[i], x->l4_dst_port);
	assert_int_equal(c->tcp_flags[i], x->tcp.flags);
	assert_int_equal(c->icmp_type[i], x->icmp_type);
	assert_int_equal(c->icmp_code[i], x->icmp_code);
	assert_int_equal(c->payload_offset[i], x->offset.payload_offset);
	assert_int_equal(c->payload_len[i],
			 x->offset.payload_offset < 0
				 ? 0
				 : datagram_end(p, x) - (u_int)x->offset.payload_offset);
	assert_int_equal(c->hash[i], reached > 0 ? h.extended_hdr.pkt_hash : 0);
}

/* Both calls on the same packets, each compared with the one packet at a time. */
static void compare_all(const struct pfring_packet *p, u_int n)
{
	struct columns *c = calloc(1, sizeof(*c)), *d = calloc(1, sizeof(*d));
	struct pfring_flows f, g;
	u_int64_t offset[N];
	u_int32_t caplen[N];
	int v6;

	assert_non_null(c);
	assert_non_null(d);
	f = flows_of(c);
	g = flows_of(d);
	v6 = pfring_parse_flows(p, n, &f, 0);
	for (u_int i = 0; i < n; i++) {
		compare(&p[i], c, i);
		v6 -= c->ip_version[i] == 6;
		offset[i] = (u_int64_t)(p[i].data - p[0].data);
		caplen[i] = p[i].caplen;
	}
	assert_int_equal(v6, 0);
	/* In two pieces, so that at is not 0. */
	pfring_parse_flows_in(p[0].data, offset, caplen, n / 3, &g, 0);
	pfring_parse_flows_in(p[0].data, offset + n / 3, caplen + n / 3, n - n / 3, &g, n / 3);
	assert_memory_equal(c, d, sizeof(*c));
	free(c);
	free(d);
}

static u_int32_t dice(u_int32_t *state, u_int32_t sides)
{
	*state = *state * 1664525 + 1013904223;
	return (*state >> 8) % sides;
}

static void transport(struct frame *f, u_int proto, u_int32_t *s)
{
	if (proto == IPPROTO_TCP)
		f_tcp(f, dice(s, 65536), dice(s, 65536), dice(s, 3) * 4);
	else if (proto == IPPROTO_UDP)
		f_udp(f, dice(s, 65536), dice(s, 65536));
	else
		f_32(f, 0x08000000 + dice(s, 65536));
}

/* A packet of any kind that is sent, mostly of the common ones; then perhaps bytes go wrong. */
static void any_frame(struct frame *f, u_int32_t *s)
{
	static const u_int protos[] = {IPPROTO_TCP,    IPPROTO_UDP,  IPPROTO_TCP,    IPPROTO_UDP,
				       IPPROTO_ICMPV6, IPPROTO_ICMP, IPPROTO_SCTP,   IPPROTO_GRE,
				       IPPROTO_AH,     IPPROTO_NONE, IPPROTO_UDPLITE};
	u_int proto = protos[dice(s, sizeof(protos) / sizeof(protos[0]))], kind = dice(s, 16);
	u_int type = kind & 1 ? 0x86dd : 0x0800;

	f->n = f->n_ip = 0;
	if (kind < 10) {
		f_eth(f, type);
	} else if (kind == 15) {
		f_eth(f, 0x8847);
		f_mpls(f, 7, 1);
	} else {
		static const u_int tpid[] = {0x8100, 0x8100, 0x88a8, 0x9100};

		f_eth(f, tpid[dice(s, 4)]);
		if (kind > 12)
			f_tag(f, dice(s, 65536), tpid[dice(s, 4)]);
		f_tag(f, dice(s, 65536), type);
	}
	if (type == 0x0800) {
		f_ip4(f, proto, dice(s, 5), dice(s, 5), dice(s, 4) ? 0x4000 : dice(s, 65536),
		      dice(s, 4) ? 0 : 8);
	} else if (dice(s, 4)) {
		f_ip6(f, proto, dice(s, 5), dice(s, 5));
	} else {
		f_ip6(f, IPPROTO_FRAGMENT, dice(s, 5), dice(s, 5));
		f_frag6(f, proto, dice(s, 2), (int)dice(s, 2));
	}
	transport(f, proto, s);
	f_fill(f, 0x5a, dice(s, 30));
	f_done(f);
	if (!dice(s, 4)) /* padding */
		f_fill(f, 0, dice(s, 20));
	if (!dice(s, 3))
		for (u_int k = dice(s, 3) + 1; k; k--)
			f->b[12 + dice(s, f->n - 12)] = (u_char)dice(s, 256);
}

static void test_each_column_is_what_the_general_parser_says(void **state)
{
	u_char *memory = malloc(N * 256);
	struct pfring_packet p[N];
	u_int32_t seed = 20261122;

	(void)state;
	assert_non_null(memory);
	for (int round = 0; round < ROUNDS; round++) {
		u_char *at = memory;

		for (u_int i = 0; i < N; i++) {
			struct frame f = {.n = 0};

			any_frame(&f, &seed);
			assert_true(f.n <= 256);
			p[i] = (struct pfring_packet){.data = at, .caplen = f.n, .len = f.n};
			if (!dice(&seed, 4))
				p[i].caplen = dice(&seed, f.n + 1);
			memcpy(at, f.b, p[i].caplen);
			at += p[i].caplen;
		}
		compare_all(p, N);
	}
	free(memory);
}

/* Each in memory of exactly its length, where the sanitizer sees a byte read too many. */
static void test_no_byte_behind_the_capture_is_read(void **state)
{
	u_int32_t seed = 7;

	(void)state;
	for (int k = 0; k < 200; k++) {
		struct frame f = {.n = 0};

		any_frame(&f, &seed);
		for (u_int cut = 1; cut <= f.n; cut++) {
			u_char *copy = malloc(cut);
			struct pfring_packet p = {.data = copy, .caplen = cut, .len = f.n};

			assert_non_null(copy);
			memcpy(copy, f.b, cut);
			compare_all(&p, 1);
			free(copy);
		}
	}
}

static void test_lengths_past_what_offsets_hold(void **state)
{
	static u_char large[70000];
	struct frame f = {.n = 0};
	struct pfring_packet p = {.data = large, .caplen = sizeof(large), .len = sizeof(large)};

	(void)state;
	f_eth(&f, 0x0800);
	f_ip4(&f, IPPROTO_TCP, 1, 2, 0, 0); /* a total length of 0: as large as it was captured */
	f_tcp(&f, 1, 2, 0);
	memcpy(large, f.b, f.n);
	compare_all(&p, 1);
	large[16] = large[17] = 0xff;
	compare_all(&p, 1);
	p.caplen = 0;
	compare_all(&p, 1);
}

static void test_a_missing_column_is_refused(void **state)
{
	struct columns *c = calloc(1, sizeof(*c));
	struct pfring_flows f;

	(void)state;
	assert_non_null(c);
	f = flows_of(c);
	f.qinq = NULL;
	assert_int_equal(pfring_parse_flows(NULL, 0, &f, 0), -EINVAL);
	f = flows_of(c);
	f.sz = 8;
	assert_int_equal(pfring_parse_flows(NULL, 0, &f, 0), -EINVAL);
	f.sz = sizeof(f);
	assert_int_equal(pfring_parse_flows(NULL, 1, &f, 0), -EINVAL);
	assert_int_equal(pfring_parse_flows(NULL, 0, &f, 0), 0);
	assert_int_equal(pfring_parse_flows_in(NULL, NULL, NULL, 1, &f, 0), -EINVAL);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_column_is_what_the_general_parser_says),
		cmocka_unit_test(test_no_byte_behind_the_capture_is_read),
		cmocka_unit_test(test_lengths_past_what_offsets_hold),
		cmocka_unit_test(test_a_missing_column_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
