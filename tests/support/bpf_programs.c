/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bpf_programs.c - see bpf_programs.h. No state besides the caller's rng.
 */
#include <string.h>

#include "bpf_programs.h"

#define STMT(c, kk) ((struct sock_filter){.code = (c), .k = (kk)})
#define BRANCH(c, kk, t, f) ((struct sock_filter){(c), (t), (f), (kk)})
#define PICK(rng, list) ((list)[gen_random(rng, sizeof(list) / sizeof(*(list)))])
#define FRAME_BYTES 96 /* offsets are drawn from here, so that most loads hit */

uint32_t gen_random(uint64_t *rng, uint32_t below)
{
	*rng ^= *rng >> 12;
	*rng ^= *rng << 25;
	*rng ^= *rng >> 27;
	return (uint32_t)((*rng * 2685821657736338717u) >> 32) % below;
}

static uint32_t any32(uint64_t *rng)
{
	return gen_random(rng, 1u << 16) << 16 | gen_random(rng, 1u << 16);
}

/* Constants as filters have them, with the ends of the range often. */
static uint32_t constant(uint64_t *rng)
{
	static const uint32_t edges[] = {0,	1,     2,      31,	   32,	       0x7fffffff,
					 0x800, 0x806, 0x86dd, 0x80000000, 0xffffffff, 0xffff};

	switch (gen_random(rng, 4)) {
	case 0:
		return PICK(rng, edges);
	case 1:
		return any32(rng);
	}
	return gen_random(rng, 256);
}

static uint32_t offset(uint64_t *rng, unsigned features)
{
	static const int32_t bases[] = {SKF_NET_OFF, SKF_LL_OFF};

	if ((features & GEN_NEGATIVE) && gen_random(rng, 4) == 0) {
		if (gen_random(rng, 16) == 0)
			return 0x80000000u | any32(rng) % 0x7fe00000u;
		return (uint32_t)PICK(rng, bases) + gen_random(rng, FRAME_BYTES);
	}
	if (gen_random(rng, 40) == 0)
		return gen_random(rng, 2 * GEN_MAX_PACKET);
	return gen_random(rng, FRAME_BYTES);
}

static unsigned load_unit(uint64_t *rng, unsigned features, struct sock_filter *f)
{
	static const uint16_t sizes[] = {BPF_W, BPF_H, BPF_B};
	static const uint32_t ads[] = {
		SKF_AD_PROTOCOL, SKF_AD_PKTTYPE,  SKF_AD_IFINDEX,	   SKF_AD_MARK,
		SKF_AD_QUEUE,	 SKF_AD_VLAN_TAG, SKF_AD_VLAN_TAG_PRESENT, SKF_AD_VLAN_TPID};
	uint16_t size = PICK(rng, sizes);
	unsigned n = 0;

	switch (gen_random(rng, 10)) {
	case 0:
		f[n++] = STMT(BPF_LDX | BPF_B | BPF_MSH, offset(rng, features));
		break;
	case 1:
		f[n++] = STMT(BPF_LD | BPF_W | BPF_LEN, 0);
		break;
	case 2:
		f[n++] = STMT(BPF_LDX | BPF_W | BPF_LEN, 0);
		break;
	case 3:
	case 4:
		if (!(features & GEN_WILD_OFFSETS) || gen_random(rng, 2))
			f[n++] = STMT(BPF_LDX | BPF_IMM, gen_random(rng, 64));
		f[n++] = STMT(BPF_LD | size | BPF_IND,
			      features & GEN_WILD_OFFSETS && !gen_random(rng, 8)
				      ? constant(rng)
				      : gen_random(rng, 64));
		break;
	case 5:
		if (features & GEN_ANCILLARY) {
			f[n++] = STMT(BPF_LD | size | BPF_ABS, SKF_AD_OFF + PICK(rng, ads));
			break;
		}
		/* fall through */
	default:
		f[n++] = STMT(BPF_LD | size | BPF_ABS, offset(rng, features));
	}
	return n;
}

static unsigned alu_unit(uint64_t *rng, unsigned features, struct sock_filter *f)
{
	static const uint16_t ops[] = {BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_MOD, BPF_AND,
				       BPF_OR,	BPF_XOR, BPF_LSH, BPF_RSH, BPF_NEG};
	uint16_t op = PICK(rng, ops);
	bool shift = op == BPF_LSH || op == BPF_RSH;
	uint32_t k = shift ? gen_random(rng, 32) : constant(rng);
	unsigned n = 0;

	if (op == BPF_NEG) {
		f[n++] = STMT(BPF_ALU | BPF_NEG, 0);
	} else if (gen_random(rng, 2)) {
		if (shift && !(features & GEN_WILD_SHIFTS))
			f[n++] = STMT(BPF_LDX | BPF_IMM, k);
		f[n++] = STMT(BPF_ALU | op | BPF_X, 0);
	} else {
		if ((op == BPF_DIV || op == BPF_MOD) && k == 0)
			k = 3;
		f[n++] = STMT(BPF_ALU | op | BPF_K, k);
	}
	return n;
}

static unsigned other_unit(uint64_t *rng, unsigned features, struct sock_filter *f, uint16_t *mem)
{
	uint32_t word = gen_random(rng, BPF_MEMWORDS);

	switch (gen_random(rng, 8)) {
	case 0:
		f[0] = STMT(BPF_MISC | BPF_TAX, 0);
		return 1;
	case 1:
		f[0] = STMT(BPF_MISC | BPF_TXA, 0);
		return 1;
	case 2:
		f[0] = STMT(BPF_LD | BPF_IMM, constant(rng));
		return 1;
	case 3:
		f[0] = STMT(BPF_LDX | BPF_IMM, constant(rng));
		return 1;
	case 4:
		if (features & GEN_XOR) {
			f[0] = STMT(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + SKF_AD_ALU_XOR_X);
			return 1;
		}
		/* fall through */
	case 5:
		if (*mem >> word & 1) {
			f[0] = STMT(gen_random(rng, 2) ? BPF_LD | BPF_MEM : BPF_LDX | BPF_MEM,
				    word);
			return 1;
		}
		/* fall through */
	default:
		*mem |= (uint16_t)(1u << word);
		f[0] = STMT(gen_random(rng, 2) ? BPF_ST : BPF_STX, word);
		return 1;
	}
}

unsigned gen_program(uint64_t *rng, unsigned features, struct sock_filter *f)
{
	static const uint16_t tests[] = {BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET};
	unsigned units = 1 + gen_random(rng, gen_random(rng, 8) ? 24 : 120), n = 0, u, i, to;
	unsigned start[160], branch[160], branches = 0;
	uint16_t mem = 0;

	/* A few words are written before the first jump, so that all paths may read them. */
	for (i = gen_random(rng, 4); i; i--) {
		uint32_t word = gen_random(rng, BPF_MEMWORDS);

		mem |= (uint16_t)(1u << word);
		f[n++] = STMT(BPF_ST, word);
	}
	for (u = 0; u < units; u++) {
		start[u] = n;
		switch (gen_random(rng, 10)) {
		case 0:
		case 1:
		case 2:
		case 3:
			n += load_unit(rng, features, f + n);
			break;
		case 4:
		case 5:
			n += alu_unit(rng, features, f + n);
			break;
		case 6: {
			uint16_t before = mem;

			n += other_unit(rng, features, f + n, &mem);
			if (branches) /* a jump may pass over this write */
				mem = before;
			break;
		}
		case 7:
			if (gen_random(rng, 6) == 0) {
				f[n++] = gen_random(rng, 2) ? STMT(BPF_RET | BPF_K, constant(rng))
							    : STMT(BPF_RET | BPF_A, 0);
				break;
			}
			/* fall through */
		default:
			branch[branches++] = n | u << 16;
			if (gen_random(rng, 8) == 0)
				f[n++] = STMT(BPF_JMP | BPF_JA, 0);
			else
				f[n++] = BRANCH(BPF_JMP | PICK(rng, tests) |
							(gen_random(rng, 3) ? BPF_K : BPF_X),
						constant(rng), 0, 0);
		}
	}
	start[units] = n;
	/* One byte of A, plus one, so that the verdict can be seen through a packet's length. */
	f[n++] = STMT(BPF_ALU | BPF_RSH | BPF_K, 8 * gen_random(rng, 4));
	f[n++] = STMT(BPF_ALU | BPF_AND | BPF_K, 0xff);
	f[n++] = STMT(BPF_ALU | BPF_ADD | BPF_K, 1);
	f[n++] = STMT(BPF_RET | BPF_A, 0);

	for (i = 0; i < branches; i++) {
		struct sock_filter *b = &f[branch[i] & 0xffff];
		unsigned next = (unsigned)(b - f) + 1, from = branch[i] >> 16;

		for (int side = 0; side < 2; side++) {
			/* Mostly near, so that something is left to run. */
			unsigned reach = units - from - 1;

			to = from + 1 +
			     (reach ? gen_random(rng,
						 gen_random(rng, 4) && reach > 4 ? 4 : reach + 1)
				    : 0);
			if (start[to] - next > 255)
				to = from + 1;
			if (b->code == (BPF_JMP | BPF_JA))
				b->k = start[to] - next;
			else if (side)
				b->jt = (uint8_t)(start[to] - next);
			else
				b->jf = (uint8_t)(start[to] - next);
		}
	}
	return n;
}

void gen_damage(uint64_t *rng, struct sock_filter *f, unsigned len)
{
	for (unsigned times = 1 + gen_random(rng, 3); times; times--) {
		struct sock_filter *i = &f[gen_random(rng, len)];

		switch (gen_random(rng, 6)) {
		case 0:
			i->code = (uint16_t)gen_random(rng, 256);
			break;
		case 1:
			i->code = (uint16_t)any32(rng);
			break;
		case 2:
			i->jt = (uint8_t)gen_random(rng, 2 * len > 256 ? 256 : 2 * len);
			break;
		case 3:
			i->jf = (uint8_t)gen_random(rng, 2 * len > 256 ? 256 : 2 * len);
			break;
		case 4:
			i->k = SKF_AD_OFF + gen_random(rng, 80);
			break;
		default:
			i->k = constant(rng);
		}
	}
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static size_t l4(uint64_t *rng, uint8_t *p, uint8_t proto)
{
	static const uint16_t ports[] = {22, 53, 67, 80, 443, 1234, 4789, 2152, 8080, 33434};

	put16(p, PICK(rng, ports));
	put16(p + 2, PICK(rng, ports));
	switch (proto) {
	case 6:
		p[12] = 0x50 | (uint8_t)gen_random(rng, 16);
		p[13] = (uint8_t)gen_random(rng, 64);
		return 20;
	case 17:
		put16(p + 4, 8 + gen_random(rng, 64));
		return 8;
	case 1:
	case 58:
		p[0] = (uint8_t)gen_random(rng, 20);
		p[1] = 0;
		return 8;
	}
	return 16;
}

static size_t l3(uint64_t *rng, uint8_t *p, uint16_t *type)
{
	static const uint8_t protos[] = {1, 6, 6, 17, 17, 47, 50, 58, 132, 2, 103, 112};
	uint8_t proto = PICK(rng, protos);
	size_t n;

	switch (gen_random(rng, 8)) {
	case 0:
		*type = 0x0806;
		memcpy(p, "\0\1\x08\0\6\4\0\1", 8);
		p[7] = (uint8_t)(1 + gen_random(rng, 2));
		memcpy(p + 14, "\x0a\0\0\1", 4);
		return 28;
	case 1:
	case 2:
		*type = 0x86dd;
		p[0] = 0x60;
		put16(p + 4, gen_random(rng, 512));
		p[6] = gen_random(rng, 8) ? proto : 44;
		memcpy(p + 8, "\x20\x01\x0d\xb8", 4);
		p[23] = (uint8_t)gen_random(rng, 4);
		memcpy(p + 24, "\x20\x01\x0d\xb8", 4);
		p[39] = (uint8_t)gen_random(rng, 4);
		n = 40;
		if (p[6] == 44) {
			p[n] = proto;
			put16(p + n + 2, gen_random(rng, 2) ? 0 : 0x00b9);
			n += 8;
		}
		return n + l4(rng, p + n, proto);
	case 3: {
		static const uint16_t types[] = {0x8863, 0x8864, 0x8847, 0x8848, 0x88cc,
						 0x8100, 0x88a8, 26,	 300};

		*type = PICK(rng, types);
		return 40;
	}
	}
	*type = 0x0800;
	p[0] = gen_random(rng, 6) ? 0x45 : (uint8_t)(0x45 + gen_random(rng, 4));
	p[1] = (uint8_t)gen_random(rng, 256);
	put16(p + 2, 20 + gen_random(rng, 1480));
	put16(p + 6, gen_random(rng, 6) ? 0x4000 : gen_random(rng, 65536));
	p[8] = (uint8_t)(1 + gen_random(rng, 64));
	p[9] = proto;
	memcpy(p + 12, "\x0a\0\0", 3);
	p[15] = (uint8_t)gen_random(rng, 6);
	memcpy(p + 16, gen_random(rng, 4) ? "\x0a\0\0" : "\xe0\0\0", 3);
	p[19] = (uint8_t)gen_random(rng, 6);
	n = 4u * (p[0] & 15);
	return n + l4(rng, p + n, proto);
}

size_t gen_packet(uint64_t *rng, uint8_t *p)
{
	static const uint16_t tpids[] = {0x8100, 0x8100, 0x88a8, 0x9100};
	size_t len = gen_random(rng, 3) ? 60 + gen_random(rng, 300)
					: 14 + gen_random(rng, GEN_MAX_PACKET - 14);
	size_t n = 12, i;
	uint16_t type;

	for (i = 0; i < GEN_MAX_PACKET; i++)
		p[i] = (uint8_t)gen_random(rng, 256);
	memcpy(p,
	       gen_random(rng, 8)   ? "\2\0\0\0\0\1"
	       : gen_random(rng, 2) ? "\xff\xff\xff\xff\xff\xff"
				    : "\1\0\x5e\0\0\1",
	       6);
	memcpy(p + 6, "\2\0\0\0\0\2", 6);
	for (i = gen_random(rng, 4) ? 0 : 1 + gen_random(rng, 2); i; i--) {
		put16(p + n, PICK(rng, tpids));
		put16(p + n + 2, gen_random(rng, 8) << 13 | (1 + gen_random(rng, 8)));
		n += 4;
	}
	l3(rng, p + n + 2, &type);
	put16(p + n, type);
	for (i = gen_random(rng, 4) ? 0 : gen_random(rng, 4); i; i--)
		p[gen_random(rng, 64)] ^= (uint8_t)(1u << gen_random(rng, 8));
	return len;
}

const char *const gen_expressions[] = {
	"ip",
	"ip6",
	"arp",
	"rarp",
	"tcp",
	"udp",
	"icmp",
	"icmp6",
	"sctp",
	"igmp",
	"esp",
	"ah",
	"pim",
	"vrrp",
	"host 10.0.0.1",
	"src host 10.0.0.2",
	"dst host 10.0.0.3",
	"host 2001:db8::1",
	"not host 10.0.0.1",
	"net 10.0.0.0/8",
	"src net 10.0.0.0/30",
	"dst net 224.0.0.0/4",
	"ip6 net 2001:db8::/32",
	"port 80",
	"src port 53",
	"dst port 443",
	"tcp port 22",
	"udp port 53",
	"portrange 50-100",
	"tcp dst portrange 400-9000",
	"tcp src port 80 and dst port 1234",
	"not port 22",
	"port 80 or port 443",
	"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
	"tcp[13] & 2 != 0",
	"tcp[tcpflags] == tcp-syn",
	"icmp[icmptype] == icmp-echo",
	"icmp[0] != 8 and icmp[0] != 0",
	"icmp6[0] = 1",
	"udp[4:2] > 40",
	"ip[0] & 0xf != 5",
	"ip[6:2] & 0x1fff = 0",
	"ip[6:2] & 0x1fff != 0",
	"ip[8] < 5",
	"ip[2:2] > 576",
	"ip proto 47",
	"ip proto \\tcp",
	"ip6 proto 17",
	"ip6 protochain 17",
	"ip protochain 6",
	"ether proto 0x88cc",
	"ether proto \\ip",
	"ether host 02:00:00:00:00:01",
	"ether src 02:00:00:00:00:02",
	"ether broadcast",
	"ether multicast",
	"ip broadcast",
	"ip multicast",
	"ip6 multicast",
	"multicast",
	"ether[0] & 1 = 0 and ip[16] >= 224",
	"ether[12:2] > 1500",
	"ether[0:4] = 0x02000000",
	"link[6:2] = 0x0200",
	"less 100",
	"greater 500",
	"len <= 64",
	"len > 1000 and ip",
	"len = 60 or len % 2 = 1",
	"vlan",
	"vlan 5",
	"vlan and ip",
	"vlan 3 and tcp",
	"vlan and vlan",
	"vlan 2 and vlan 4 and udp",
	"not vlan",
	"vlan or ip",
	"vlan and (tcp port 80 or udp port 53)",
	"mpls",
	"mpls 1024",
	"mpls and ip",
	"pppoed",
	"pppoes",
	"pppoes and ip",
	"llc",
	"stp",
	"ipx",
	"geneve",
	"vlan and geneve",
	"iso",
	"atalk",
	"decnet",
	"aarp",
	"lat",
	"moprc",
	"tcp and not port 22",
	"ip and not tcp and not udp",
	"(tcp or udp) and host 10.0.0.1",
	"tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)",
	"host 10.0.0.1 or host 10.0.0.2 or host 10.0.0.3 or port 80 or port 53 or net 10.1.0.0/16",
	"ip[ip[0] & 0xf] & 3 = 1",
	"ip[12:4] / 3 > 7",
	"ip[12] % 5 = 2",
	"ether[ether[20]] = 5",
	"(ip[8] << 3) + ip[9] > 100",
	"ip[8] >> (ip[9] & 7) = 1",
	"tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420",
	"ip[9] * ip[8] - 30 > ip[1]",
	"-ip[8] < 4000000000",
	"ip[0] ^ ip[1] | 4 = 69",
	"src host 10.0.0.1 and dst host 10.0.0.2 and tcp src port 80",
	"ip src 10.0.0.1 or ip6 src 2001:db8::1",
	"tcp portrange 1-65535 and greater 60",
	"udp dst port 4789 or udp port 2152",
	"ip and udp and len < 200",
	"(ip6 and tcp) or (ip and udp and port 53) or arp",
	"icmp or icmp6 or arp or (ip[6:2] & 0x2000 != 0)",
	"ether[6] = 2 and ether[11] = 2",
	"arp[6:2] = 1",
	"arp host 10.0.0.1",
	"tcp[4:4] & 1 = 0",
	"host 10.0.0.1 and host 10.0.0.2 and not (port 80 or port 443 or port 22) and greater 64",
	"ip[16:4] = 0x0a000001 or ip[16:4] >= 0xe0000000",
	"net 10.0.0.0 mask 255.255.255.252",
	NULL,
};
