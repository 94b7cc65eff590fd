/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * parity.c - whether the module and the library take a frame apart alike, wherever it ends.
 *
 *      parity FROM TO
 *
 * Frames of every kind, each cut behind every byte, go from FROM to a ring on
 * TO whose policy drops all. A rule that asks for all that pfring_parse_pkt()
 * found must match; rules for what it did not find must not: ports, addresses,
 * tags and tunnel ids that the whole frame has, or might have.
 */
#include <linux/if_packet.h>
#include <time.h>

#include "pfring.h"

#define MACS "020000000002020000000001"
#define IP4(len, proto, frag) "450000" len "0000" frag "40" proto "00000a0000010a000002"
#define IP6(len, next) "60000000" len next "40" A6 "01" A6 "02"
#define A6 "fd0000000000000000000000000000"
#define UDP "03e8003500280000"
#define INNER "4500003400000000401100000b0000010b000002" UDP
#define SOME "00112233445566778899aabb"
#define ETHER4 MACS "0800"
#define VXLAN ETHER4 IP4("6e", "11", "0000") "9c4012b5005a0000"
#define GTP ETHER4 IP4("60", "11", "0000") "08680868004c0000"

static const char *const frames[] = {
	MACS "81000005"
	     "88a80006"
	     "0800" IP4("3c", "11", "0000") UDP SOME,
	MACS "88a80007"
	     "81000008"
	     "0800" IP4("3c", "11", "0000") UDP SOME,
	MACS "91000007"
	     "91000008"
	     "81000009"
	     "0800" IP4("3c", "11", "0000") UDP SOME,
	MACS "8847"
	     "0001004000020040"
	     "00030140" IP4("3c", "11", "0000") UDP SOME,
	MACS "8848"
	     "00010140" IP6("0020", "11") UDP SOME,
	ETHER4 "460000400000000040110000"
	       "0a0000010a000002"
	       "01010101" UDP SOME,
	ETHER4
	"4f0000640000000040110000"
	"0a0000010a000002"
	"01010101010101010101010101010101010101010101010101010101010101010101010101010101" UDP SOME,
	ETHER4 IP4("3c", "11", "2000") UDP SOME,
	ETHER4 IP4("3c", "11", "0010") UDP SOME,
	ETHER4 IP4("3c", "84", "0000") "03e800500000000100000000" SOME,
	ETHER4 IP4("3c", "88", "0000") UDP SOME,
	ETHER4 IP4("3c", "01", "0000") "0800f7ff00000000" SOME,
	ETHER4 IP4("5c", "06",
		   "0000") "03e800500000000100000000f012000000000000" SOME SOME SOME SOME,
	ETHER4 IP4("3c", "06", "0000") "03e80050000000010000000040120000" SOME,
	ETHER4 IP4("14", "11", "0000") UDP SOME,
	ETHER4 IP4("0a", "11", "0000") UDP SOME,
	MACS "0806"
	     "0001080006040001"
	     "020000000001"
	     "0a000001"
	     "000000000000"
	     "0a000002",
	MACS "86dd" IP6("0030", "00") "3c00000000000000"
				      "0600010400000000"
				      "03e80050000000010000000050020000" SOME,
	MACS "86dd" IP6("0050", "2b") "3300000000000000"
				      "1104000000000001"
				      "0000000200000003"
				      "0000000400000005" UDP SOME,
	MACS "86dd" IP6("0020", "2c") "1100000100000007" UDP SOME,
	MACS "86dd" IP6("0020", "2c") "1100000000000007" UDP SOME,
	MACS "86dd" IP6("0020", "2c") "1100001000000007" UDP SOME,
	MACS "86dd" IP6("0020", "3a") "8000123400010002" SOME,
	MACS "86dd" IP6("0020", "3b") UDP SOME,
	MACS "86dd" IP6("0020", "87") "1100123400010002" UDP SOME,
	MACS "86dd" IP6("0000", "11") UDP SOME,
	ETHER4 IP4("54", "2f", "0000") "b0000800"
				       "12340000"
				       "0000002a"
				       "00000001" INNER SOME,
	ETHER4 IP4("70", "2f", "0000") "20006558"
				       "0000002b" MACS "86dd" IP6("0008", "11") UDP,
	ETHER4 IP4("54", "2f", "0000") "3001880b"
				       "0000002b"
				       "00000001" INNER,
	ETHER4 IP4("54", "04", "0000") INNER SOME,
	ETHER4 IP4("54", "29", "0000") IP6("0008", "11") UDP,
	VXLAN "0800000000004d00" ETHER4 INNER SOME,
	VXLAN "0800000000004d00" MACS "8100000a"
	      "0800" INNER SOME,
	VXLAN "0000000000004d00" ETHER4 INNER SOME,
	ETHER4 IP4("6e", "11", "0000") "9c4017c1005a0000"
				       "0200655800004d00"
				       "0102030405060708" ETHER4 INNER SOME,
	GTP "34ff003400000005"
	    "00010085"
	    "01aabb00" INNER SOME,
	GTP "36ff003400000005"
	    "00010085"
	    "02aabbccddeeff85"
	    "01aabb00" INNER SOME,
	GTP "34ff003400000005"
	    "00010085"
	    "00aabb00" INNER SOME,
	GTP "30ff003400000005" IP6("0008", "11") UDP,
	GTP "3001003400000005"
	    "00010085",
};

static pfring *ring;
static unsigned long sent, differ;

#define DIE(...) (fprintf(stderr, __VA_ARGS__), fprintf(stderr, "\n"), exit(2))

static u_int frame_make(u_char *frame, const char *hex)
{
	u_int n = 0, byte;

	for (; *hex; hex += 2, n++) {
		if (sscanf(hex, "%2x", &byte) != 1)
			DIE("no bytes: %s", hex);
		frame[n] = (u_char)byte;
	}
	return n;
}

static filtering_rule *rule_new(void)
{
	static filtering_rule rule;

	rule = (filtering_rule){.rule_id = FILTERING_RULE_AUTO_RULE_ID};
	rule.extended_fields.tunnel.tunnel_id = NO_TUNNEL_ID;
	return &rule;
}

static void rule_add(filtering_rule *rule)
{
	if (pfring_add_filtering_rule(ring, rule) < 0)
		DIE("a rule is refused: %s", pfring_last_error());
}

static void rule_of_found(const struct pkt_parsing_info *i)
{
	filtering_rule *rule = rule_new();
	filtering_rule_core_fields *c = &rule->core_fields;

	memcpy(c->smac, i->smac, sizeof(c->smac));
	memcpy(c->dmac, i->dmac, sizeof(c->dmac));
	c->eth_type = i->eth_type;
	c->vlan_id = i->vlan_id;
	c->proto = i->l3_proto;
	c->shost = i->ip_src;
	c->dhost = i->ip_dst;
	c->sport_low = c->sport_high = i->l4_src_port;
	c->dport_low = c->dport_high = i->l4_dst_port;
	c->tcp.flags = i->tcp.flags;
	rule->extended_fields.tunnel.tunnel_id = i->tunnel.tunnel_id;
	rule->extended_fields.tunnel.shost = i->tunnel.tunneled_ip_src;
	rule->extended_fields.tunnel.dhost = i->tunnel.tunneled_ip_dst;
	rule_add(rule);
}

/* Everything that some frame has, but for what was found of this one. */
static void rules_of_missing(const struct pkt_parsing_info *i)
{
	static const u_int32_t tunnels[] = {0x2a, 0x2b, 77, 5};
	static const u_int8_t protos[] = {6, 17, 47, 58, 132};
	static const u_int16_t ports[] = {53, 80};
	const ip_addr six = {.v6 = {{{0xfd, [15] = 2}}}};
	filtering_rule *rule;

	for (u_int16_t vlan = 5; vlan <= 10 && !i->vlan_id; vlan++) {
		rule = rule_new();
		rule->core_fields.vlan_id = vlan;
		rule_add(rule);
	}
	for (u_int n = 0; n < sizeof(protos) && !i->l3_proto; n++) {
		rule = rule_new();
		rule->core_fields.proto = protos[n];
		rule_add(rule);
	}
	for (u_int n = 0; n < 2 && !i->l4_dst_port; n++) {
		rule = rule_new();
		rule->core_fields.dport_low = rule->core_fields.dport_high = ports[n];
		rule_add(rule);
	}
	for (u_int n = 0; n < 4 && i->tunnel.tunnel_id == NO_TUNNEL_ID; n++) {
		rule = rule_new();
		rule->extended_fields.tunnel.tunnel_id = tunnels[n];
		rule_add(rule);
	}
	for (u_int n = 0; n < 2; n++) {
		const ip_addr outer = {.v4 = 0x0a000002}, inner = {.v4 = 0x0b000002};

		rule = rule_new();
		rule->core_fields.dhost = n ? six : outer;
		if (!i->ip_version)
			rule_add(rule);
		rule = rule_new();
		rule->extended_fields.tunnel.dhost = n ? six : inner;
		if (!i->tunnel.tunneled_ip_version)
			rule_add(rule);
	}
}

/* Sends the frame; whether it came through the rules. */
static int passes(int fd, const u_char *frame, u_int len)
{
	struct pfring_stats64 before = {.sz = sizeof(before)}, st = {.sz = sizeof(st)};
	const struct timespec moment = {.tv_nsec = 1000000};

	pfring_stats64(ring, &before);
	if (send(fd, frame, len, 0) != (ssize_t)len)
		DIE("send: %s", strerror(errno));
	sent++;
	for (int i = 0; i < 30000; i++) {
		if (pfring_stats64(ring, &st) == 0 && st.recv + st.filtered_user == sent)
			return st.recv != before.recv;
		nanosleep(&moment, NULL);
	}
	DIE("a frame of %u bytes does not arrive", len);
}

static void frame_try(int fd, u_int number, u_char *frame, u_int len)
{
	struct pfring_pkthdr hdr = {.caplen = len, .len = len};
	const struct pkt_parsing_info *i = &hdr.extended_hdr.parsed_pkt;

	pfring_parse_pkt(frame, &hdr, 5, 0, 0);
	rule_of_found(i);
	if (!passes(fd, frame, len)) {
		printf("frame %u, %u bytes: the module misses something\n", number, len);
		differ++;
	}
	pfring_purge_idle_rules(ring, 0);
	rules_of_missing(i);
	if (passes(fd, frame, len)) {
		printf("frame %u, %u bytes: the module finds more\n", number, len);
		differ++;
	}
	pfring_purge_idle_rules(ring, 0);
}

int main(int argc, char **argv)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET};
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	u_char frame[512];
	char name[64];

	if (argc != 3)
		DIE("parity FROM TO");
	to.sll_ifindex = (int)if_nametoindex(argv[1]);
	if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof(to)))
		DIE("%s: %s", argv[1], strerror(errno));
	snprintf(name, sizeof(name), "pfring:%s", argv[2]);
	ring = pfring_open(name, 128, 0);
	if (!ring || pfring_set_direction(ring, rx_only_direction) ||
	    pfring_toggle_filtering_policy(ring, 0) || pfring_enable_ring(ring))
		DIE("%s: %s", name, pfring_last_error());
	for (u_int n = 0; n < sizeof(frames) / sizeof(frames[0]); n++) {
		u_int len = frame_make(frame, frames[n]);
		/* Without a whole tag and a type behind it the stack keeps a frame to itself. */
		bool tagged = !memcmp(frame + 12, "\x81", 1) || !memcmp(frame + 12, "\x88\xa8", 2);

		for (u_int cut = tagged ? 20 : 14; cut <= len; cut++)
			frame_try(fd, n, frame, cut);
	}
	printf("%lu frames, %lu differ\n", sent, differ);
	return differ ? 1 : 0;
}
