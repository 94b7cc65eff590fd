/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * text.c - packets, numbers and time zones as text, and the process's priority.
 *
 * The small public calls that programs of the field use for their output. No
 * handle, no state; any thread.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <math.h>
#include <stdarg.h>
#include <sys/resource.h>

#include "backend.h"
#include "parse.h"

/* A text that grows in the caller's buffer and stops growing when that is full. */
struct text {
	char *buf;
	size_t len, room; /* room: with the NUL */
};

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (t->len + 1 >= t->room)
		return;
	va_start(ap, fmt);
	n = vsnprintf(t->buf + t->len, t->room - t->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->len = min_val(t->len + (size_t)n, t->room - 1);
}

/* 4293748.94 -> 4'293'748.94, whatever the locale's decimal point is. */
char *pfring_format_numbers(double val, char *buf, u_int buf_len, u_int8_t add_decimals)
{
	char plain[400]; /* the largest double has 309 digits before the point */
	struct text t = {buf, 0, buf_len};
	size_t digits;

	if (!buf_len)
		return buf;
	buf[0] = 0;
	snprintf(plain, sizeof(plain), "%.*f", add_decimals ? 2 : 0, fabs(val));
	/* -0.001 is 0.00, not -0.00. */
	if (val < 0 && strpbrk(plain, "123456789"))
		add(&t, "-");
	if (!isfinite(val)) {
		add(&t, "%s%s", val < 0 ? "-" : "", isnan(val) ? "nan" : "inf");
		return buf;
	}
	digits = strspn(plain, "0123456789");
	for (size_t i = 0; i < digits; i++)
		add(&t, "%s%c", i && (digits - i) % 3 == 0 ? "'" : "", plain[i]);
	if (add_decimals)
		add(&t, ".%s", plain + strlen(plain) - 2);
	return buf;
}

/* Seconds to add to UTC for local time at t; at this moment for t = 0. */
int32_t gmt_to_local(time_t t)
{
	struct tm tm;

	if (!t)
		t = time(NULL);
	tzset();
	return localtime_r(&t, &tm) ? (int32_t)tm.tm_gmtoff : 0;
}

static void add_proto(struct text *t, u_int8_t proto)
{
	static const struct {
		u_int8_t number;
		const char *name;
	} known[] = {
		{IPPROTO_TCP, "TCP"},	    {IPPROTO_UDP, "UDP"},   {IPPROTO_ICMP, "ICMP"},
		{IPPROTO_ICMPV6, "ICMPv6"}, {IPPROTO_SCTP, "SCTP"}, {IPPROTO_GRE, "GRE"},
		{IPPROTO_IGMP, "IGMP"},	    {IPPROTO_ESP, "ESP"},   {IPPROTO_IPIP, "IPIP"},
		{IPPROTO_IPV6, "IPv6"},	    {IPPROTO_AH, "AH"},	    {IPPROTO_UDPLITE, "UDP-Lite"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].number == proto) {
			add(t, " %s", known[i].name);
			return;
		}
	}
	add(t, " proto %u", proto);
}

static void add_end(struct text *t, u_int8_t version, const ip_addr *a, bool ports, u_int16_t port)
{
	struct in_addr v4 = {htonl(a->v4)};
	char s[INET6_ADDRSTRLEN];

	if (version == 4)
		inet_ntop(AF_INET, &v4, s, sizeof(s));
	else
		inet_ntop(AF_INET6, &a->v6, s, sizeof(s));
	if (!ports)
		add(t, " %s", s);
	else if (version == 4)
		add(t, " %s:%u", s, port);
	else
		add(t, " [%s]:%u", s, port);
}

static void add_tcp_flags(struct text *t, u_int8_t flags)
{
	static const char names[8][4] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"};
	const char *comma = "";

	add(t, " [");
	for (int i = 0; i < 8; i++) {
		if (flags & 1 << i) {
			add(t, "%s%s", comma, names[i]);
			comma = ",";
		}
	}
	add(t, "]");
}

static void add_ip(struct text *t, const struct pfring_pkthdr *h)
{
	const struct pkt_parsing_info *i = &h->extended_hdr.parsed_pkt;
	u_int32_t flags = h->extended_hdr.flags;
	bool ports = i->l4_src_port || i->l4_dst_port;

	add_proto(t, i->l3_proto);
	add_end(t, i->ip_version, &i->ip_src, ports, i->l4_src_port);
	add(t, " >");
	add_end(t, i->ip_version, &i->ip_dst, ports, i->l4_dst_port);
	if (i->ip_tos)
		add(t, " tos 0x%02x", i->ip_tos);
	if (flags & PKT_FLAGS_IP_FRAG_OFFSET)
		add(t, " fragment");
	else if (flags & PKT_FLAGS_IP_MORE_FRAG)
		add(t, " first fragment");
	if (i->offset.l4_offset >= 0 && i->l3_proto == IPPROTO_TCP && ports) {
		add_tcp_flags(t, i->tcp.flags);
		add(t, " seq %u ack %u", i->tcp.seqNum, i->tcp.ackNum);
	}
	if (i->offset.l4_offset >= 0 &&
	    (i->l3_proto == IPPROTO_ICMP || i->l3_proto == IPPROTO_ICMPV6))
		add(t, " type %u code %u", i->icmp_type, i->icmp_code);
}

static void add_tunnel(struct text *t, const struct pkt_parsing_info *i)
{
	bool ports = i->tunnel.tunneled_l4_src_port || i->tunnel.tunneled_l4_dst_port;

	if (i->tunnel.tunnel_id != NO_TUNNEL_ID)
		add(t, " tunnel %u", i->tunnel.tunnel_id);
	if (!i->tunnel.tunneled_ip_version)
		return;
	add(t, " {");
	add_proto(t, i->tunnel.tunneled_proto);
	add_end(t, i->tunnel.tunneled_ip_version, &i->tunnel.tunneled_ip_src, ports,
		i->tunnel.tunneled_l4_src_port);
	add(t, " >");
	add_end(t, i->tunnel.tunneled_ip_version, &i->tunnel.tunneled_ip_dst, ports,
		i->tunnel.tunneled_l4_dst_port);
	add(t, " }");
}

/*
 * One line, with its newline also if the rest did not fit; returns its length.
 * A header that nobody has parsed yet (no l3_offset) is parsed from p.
 */
int pfring_print_parsed_pkt(char *buff, u_int buff_len, const u_char *p,
			    const struct pfring_pkthdr *h)
{
	struct text t = {buff, 0, buff_len ? buff_len - 1 : 0};
	const struct pkt_parsing_info *i = &h->extended_hdr.parsed_pkt;
	struct pfring_pkthdr copy;

	if (buff_len < 2)
		return pfri_fail(-EINVAL, "a packet's text needs room for more than %u bytes",
				 buff_len);
	buff[0] = 0;
	if (!i->offset.l3_offset) {
		copy = *h;
		pfring_parse_pkt((u_char *)p, &copy, 5, 0, 0);
		h = &copy;
		i = &h->extended_hdr.parsed_pkt;
	}

	if (i->offset.eth_offset < 0) {
		add(&t, "no Ethernet frame");
	} else {
		add(&t, "%02x:%02x:%02x:%02x:%02x:%02x > %02x:%02x:%02x:%02x:%02x:%02x", i->smac[0],
		    i->smac[1], i->smac[2], i->smac[3], i->smac[4], i->smac[5], i->dmac[0],
		    i->dmac[1], i->dmac[2], i->dmac[3], i->dmac[4], i->dmac[5]);
		if (i->offset.vlan_offset >= 0)
			add(&t, " vlan %u", i->vlan_id);
		if (i->qinq_vlan_id)
			add(&t, ".%u", i->qinq_vlan_id);
		if (i->ip_version)
			add(&t, " IPv%u", i->ip_version);
		else if (i->eth_type == ETH_P_ARP)
			add(&t, " ARP");
		else
			add(&t, " type 0x%04x", i->eth_type);
	}
	if (i->ip_version)
		add_ip(&t, h);
	add_tunnel(&t, i);
	if (h->extended_hdr.pkt_hash)
		add(&t, " hash 0x%08x", h->extended_hdr.pkt_hash);
	add(&t, " len %u", h->len);
	if (h->caplen != h->len)
		add(&t, " captured %u", h->caplen);
	t.room++;
	add(&t, "\n");
	return (int)t.len;
}

int pfring_print_pkt(char *buff, u_int buff_len, const u_char *p, u_int len, u_int caplen)
{
	struct pfring_pkthdr h = {.caplen = caplen, .len = len};

	return pfring_print_parsed_pkt(buff, buff_len, p, &h);
}

/*
 * cpu_percentage: how much the calling thread is to be preferred over others,
 * 1 (hardly) to 100. It moves the nice value, never down, and not the
 * scheduling class: a capture that spins must not lock everybody else out.
 * Without the privilege (CAP_SYS_NICE or RLIMIT_NICE) it has no effect.
 */
void pfring_config(u_short cpu_percentage)
{
	int saved = errno, nice = -(min_val(cpu_percentage, 100) * 20 / 100);

	if (cpu_percentage && nice < getpriority(PRIO_PROCESS, 0))
		setpriority(PRIO_PROCESS, 0, nice);
	errno = saved;
}
