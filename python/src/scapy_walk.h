/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * scapy_walk.h - which layers scapy would make of a frame, found without scapy.
 *
 * Only of plain frames: Ethernet, up to two VLAN tags, ARP, IPv4, IPv6, TCP and
 * UDP whose payload no dissector is bound to, and EtherTypes that none is bound
 * to. Of any other frame the answer is "not known", and scapy itself dissects it. What scapy is
 * configured to do with types, protocols and ports comes in Tables, which pfring/scapy/model.py
 * reads from scapy's own classes. Pure functions; any thread.
 */
#ifndef PFRING_PY_SCAPY_WALK_H
#define PFRING_PY_SCAPY_WALK_H

#include <bitset>
#include <cstdint>

enum LayerKind : uint8_t {
	ETHER,
	DOT1Q,
	DOT1AD,
	ARP,
	IP4,
	IP6,
	TCP,
	UDP,
	RAW,
	PADDING,
	LAYER_KINDS,
	UNKNOWN = 255,
};

/* What comes next, as scapy's bindings are at the moment. UNKNOWN: let scapy do it. */
struct WalkTables {
	struct EtherType {
		uint16_t type;
		LayerKind after[3]; /* behind ETHER, DOT1Q, DOT1AD */
	};
	EtherType ether[5];
	std::bitset<65536>
		bound[3];      /* other types that somebody may be bound to, behind the same */
	LayerKind ip4[2][256]; /* [not the first fragment][protocol] */
	LayerKind ip6[256];
	std::bitset<65536> tcp_ports, udp_ports; /* somebody may be bound to it, on either side */
	bool padding;				 /* conf.padding: what follows is a layer */
};

struct WalkedLayer {
	LayerKind kind;
	uint32_t at, end; /* its own bytes in the frame */
};

constexpr unsigned MAX_LAYERS = 7; /* Ethernet, 2 tags, IP, TCP, Raw, Padding */

struct Walked {
	unsigned n;
	WalkedLayer layer[MAX_LAYERS];
};

/* Whether all layers of the frame are known, and which they are. */
bool scapy_walk(const WalkTables &tables, const uint8_t *frame, uint32_t len, Walked *walked);

#endif /* PFRING_PY_SCAPY_WALK_H */
