/* SPDX-License-Identifier: BSD-3-Clause */
/* The packet parser and the flow hash: any bytes, every level, every cluster type. */
#include "parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void swap(void *a, void *b, size_t n)
{
	u_char t[16];

	memcpy(t, a, n);
	memcpy(a, b, n);
	memcpy(b, t, n);
}

/* The same packet on its way back, as far as the tuple tells. */
static struct pkt_parsing_info reversed(struct pkt_parsing_info i)
{
	swap(&i.ip_src, &i.ip_dst, sizeof(i.ip_src));
	swap(i.smac, i.dmac, sizeof(i.smac));
	swap(&i.l4_src_port, &i.l4_dst_port, sizeof(i.l4_src_port));
	swap(&i.tunnel.tunneled_ip_src, &i.tunnel.tunneled_ip_dst, sizeof(i.ip_src));
	swap(&i.tunnel.tunneled_l4_src_port, &i.tunnel.tunneled_l4_dst_port, sizeof(i.l4_src_port));
	return i;
}

static void check(const struct pkt_parsing_info *i, u_int32_t frag, int reached, size_t size)
{
	const int16_t offsets[] = {i->offset.eth_offset, i->offset.vlan_offset, i->offset.l3_offset,
				   i->offset.l4_offset, i->offset.payload_offset};
	int last = -1;

	must((reached >= 2) == (size >= 14));
	for (size_t o = 0; o < 5; o++) {
		must(offsets[o] >= -1 && offsets[o] <= (long)size);
		if (offsets[o] < 0)
			continue;
		must(offsets[o] >= last);
		last = offsets[o];
	}
	must((reached >= 3) == (i->ip_version != 0));
	must(i->ip_version == 0 || i->ip_version == 4 || i->ip_version == 6);
	must(!i->ip_version || i->eth_type == (i->ip_version == 4 ? 0x0800 : 0x86dd));
	must(reached >= 3 || !(frag || i->l3_proto || i->l4_src_port || i->l4_dst_port));
	must(reached < 4 || i->offset.l4_offset > i->offset.l3_offset);
	must(reached == 5 || !i->tunnel.tunneled_ip_version);
	must(reached == 5 || i->tunnel.tunnel_id == NO_TUNNEL_ID);
	must(!(frag & PKT_FLAGS_IP_FRAG_OFFSET) || reached == 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pfring_pkthdr h = {.caplen = (u_int32_t)size, .len = (u_int32_t)size};
	struct pkt_parsing_info info, back;
	u_int32_t frag;
	int reached, before = 0;

	for (int level = 2; level <= 5; level++) {
		reached = pfri_parse(data, (u_int32_t)size, level, &info, &frag);
		must(reached <= level && reached >= before);
		before = reached;
		check(&info, frag, reached, size);
	}
	back = reversed(info);
	for (int type = 0; type <= MAX_CLUSTER_TYPE_ID; type++) {
		u_int32_t hash = pfri_flow_hash(&info, frag, (cluster_type)type);

		must(hash == pfri_flow_hash(&back, frag, (cluster_type)type));
		must(hash || !info.ip_version);
	}
	must((pfring_parse_pkt((u_char *)data, &h, 5, 1, 1) == reached) == (reached > 0));
	return 0;
}
