/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scapy_walk.cpp - the header walk of scapy_walk.h.
 *
 * Every rule here is one of scapy's dissection, taken where it is simple and
 * refused where it is not: options of IPv4, TCP options that are not well
 * formed, headers that are cut, lengths below the header's own. The tests
 * compare it with scapy over many frames (tests/python/test_scapy_packets.py).
 */
#include "scapy_walk.h"

namespace
{

constexpr uint32_t ETHER_HEADER = 14, TAG = 4, ARP_BODY = 28, IP4_HEADER = 20, IP6_HEADER = 40,
		   TCP_HEADER = 20, UDP_HEADER = 8;
constexpr uint16_t LONGEST_802_3 = 1500; /* up to here the type is a length */

uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

class Walk
{
      public:
	Walk(const WalkTables &tables, const uint8_t *frame, uint32_t len, Walked *walked)
	    : t(tables), p(frame), end(len), w(walked)
	{
		w->n = 0;
	}

	bool run()
	{
		if (end < ETHER_HEADER)
			return false;
		LayerKind kind = ETHER;
		uint16_t type = be16(p + 12);
		add(ETHER, ETHER_HEADER);
		/* Dot3 in place of Ether, and LLC behind a tag, are scapy's to dissect. */
		for (unsigned tags = 0; type > LONGEST_802_3; tags++) {
			kind = after(kind, type);
			if (kind != DOT1Q && kind != DOT1AD)
				return network(kind);
			if (tags == 2 || end - at < TAG)
				return false;
			type = be16(p + at + 2);
			add(kind, TAG);
		}
		return false;
	}

      private:
	LayerKind after(LayerKind below, uint16_t type) const
	{
		for (const auto &e : t.ether)
			if (e.type == type)
				return e.after[below];
		return t.bound[below][type] ? UNKNOWN : RAW;
	}

	void add(LayerKind kind, uint32_t len)
	{
		w->layer[w->n++] = {kind, at, at + len};
		at += len;
	}

	/* What a layer's own length leaves over; at most one layer does so in a plain frame. */
	bool cut(uint32_t length)
	{
		if (length >= end - at)
			return true;
		if (padded || !t.padding)
			return false;
		padded = true;
		pad_end = end;
		end = at + length;
		return true;
	}

	bool finish()
	{
		if (!padded)
			return true;
		at = end;
		add(PADDING, pad_end - end);
		return true;
	}

	bool payload(LayerKind kind)
	{
		if (at < end) {
			if (kind != RAW)
				return false;
			add(RAW, end - at);
		}
		return finish();
	}

	bool network(LayerKind kind)
	{
		switch (kind) {
		case ARP:
			return arp();
		case IP4:
			return ip4();
		case IP6:
			return ip6();
		case RAW:
			return payload(RAW);
		default:
			return false;
		}
	}

	bool arp()
	{
		static const uint8_t usual[] = {0, 1, 8, 0, 6, 4}; /* Ethernet, IPv4, 6, 4 */

		if (end - at < ARP_BODY)
			return false;
		for (unsigned i = 0; i < sizeof(usual); i++)
			if (p[at + i] != usual[i])
				return false;
		add(ARP, ARP_BODY);
		return cut(0) && finish();
	}

	bool ip4()
	{
		if (end - at < IP4_HEADER || p[at] != 0x45)
			return false;
		const uint8_t *ip = p + at;
		uint16_t length = be16(ip + 2);
		bool later = (be16(ip + 6) & 0x1fff) != 0;
		add(IP4, IP4_HEADER);
		/* A shorter length than the header's (offloading leaves 0): scapy takes all. */
		if (length >= IP4_HEADER && !cut(length - IP4_HEADER))
			return false;
		return transport(t.ip4[later][ip[9]]);
	}

	bool ip6()
	{
		if (end - at < IP6_HEADER || p[at] >> 4 != 6)
			return false;
		const uint8_t *ip = p + at;
		add(IP6, IP6_HEADER);
		return cut(be16(ip + 4)) && transport(t.ip6[ip[6]]);
	}

	bool transport(LayerKind kind)
	{
		if (at == end)
			return finish();
		switch (kind) {
		case RAW:
			return payload(RAW);
		case TCP:
			return tcp();
		case UDP:
			return udp();
		default:
			return false;
		}
	}

	static bool bound(const std::bitset<65536> &ports, const uint8_t *header)
	{
		return ports[be16(header)] || ports[be16(header + 2)];
	}

	bool tcp()
	{
		if (end - at < TCP_HEADER)
			return false;
		const uint8_t *tcp = p + at;
		uint32_t header = (uint32_t)(tcp[12] >> 4) * 4;
		if (header < TCP_HEADER || header > end - at ||
		    !options(tcp + TCP_HEADER, tcp + header))
			return false;
		add(TCP, header);
		return payload(bound(t.tcp_ports, tcp) ? UNKNOWN : RAW);
	}

	/* RFC 9293 and 7323: the kinds that all stacks send, with the lengths they must have. */
	static bool options(const uint8_t *o, const uint8_t *end)
	{
		while (o < end && *o != 0) {
			if (*o == 1) {
				o++;
				continue;
			}
			if (end - o < 2)
				return false;
			uint8_t len = o[1];
			bool sack = *o == 5 && len >= 10 && len % 8 == 2;
			if (len > end - o ||
			    !(sack || (*o == 2 && len == 4) || (*o == 3 && len == 3) ||
			      (*o == 4 && len == 2) || (*o == 8 && len == 10)))
				return false;
			o += len;
		}
		return true;
	}

	bool udp()
	{
		if (end - at < UDP_HEADER)
			return false;
		const uint8_t *udp = p + at;
		uint16_t length = be16(udp + 4);
		if (length < UDP_HEADER)
			return false;
		add(UDP, UDP_HEADER);
		return cut(length - UDP_HEADER) && payload(bound(t.udp_ports, udp) ? UNKNOWN : RAW);
	}

	const WalkTables &t;
	const uint8_t *p;
	uint32_t at = 0, end, pad_end = 0;
	bool padded = false;
	Walked *w;
};

} // namespace

bool scapy_walk(const WalkTables &tables, const uint8_t *frame, uint32_t len, Walked *walked)
{
	return Walk(tables, frame, len, walked).run();
}
