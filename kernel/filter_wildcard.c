// SPDX-License-Identifier: GPL-2.0-only
/*
 * filter_wildcard.c - one wildcard rule: what it asks for, and whether a packet has it.
 *
 * A rule is digested once, when it is added, into masks and values that lie
 * beside each other, so most rules reject most packets with two comparisons
 * in one cache line. Which rules of a ring are looked at is filter_block.c's.
 */
#include <linux/skbuff.h>

#include "pfr.h"

/* Bits of version that no packet has: an IPv4 and an IPv6 address in one rule. */
#define VERSION_BITS 0xf

static bool is_zero(const void *what, size_t len)
{
	return !memchr_inv(what, 0, len);
}

/*
 * One address of a rule: of which version, with value and mask as a packet's
 * end has it. 0: any. An address is IPv4 if it could be one and nobody says
 * that it is not.
 */
static u8 host_digest(const ip_addr *host, const ip_addr *mask, bool v6, u64 value[2], u64 bits[2])
{
	bool exact = is_zero(mask, sizeof(*mask));

	if (is_zero(host, sizeof(*host)))
		return 0;
	if (!v6 && is_zero(&host->v6.s6_addr[4], 12) && is_zero(&mask->v6.s6_addr[4], 12)) {
		bits[1] = exact ? U32_MAX : mask->v4;
		value[1] = host->v4 & bits[1];
		return 4;
	}
	memcpy(value, host, sizeof(*host));
	memcpy(bits, mask, sizeof(*mask));
	if (exact)
		memset(bits, 0xff, sizeof(*mask));
	value[0] &= bits[0];
	value[1] &= bits[1];
	return 6;
}

/* What both addresses of a rule ask of the version. */
static u8 common_version(u8 a, u8 b)
{
	return a && b && a != b ? VERSION_BITS : a | b;
}

static void digest_hosts(struct pfr_wild *w, const struct pfr_rule_req *req)
{
	const ip_addr *host[] = {&req->shost, &req->dhost};
	const ip_addr *mask[] = {&req->shost_mask, &req->dhost_mask};
	u8 version[2];
	int i;

	for (i = 0; i < 2; i++) {
		u64 value[2] = {0}, bits[2] = {0};

		version[i] =
			host_digest(host[i], mask[i], req->eth_type == ETH_P_IPV6, value, bits);
		w->high[i] = value[0];
		w->low[i] = value[1];
		w->high_mask[i] = bits[0];
		w->low_mask[i] = bits[1];
		w->more |= bits[0];
	}
	if (version[0] | version[1]) {
		w->value |= PFR_WORD_VERSION(common_version(version[0], version[1]));
		w->mask |= PFR_WORD_VERSION(VERSION_BITS);
	}
}

static void digest_tunnel(struct pfr_wild *w, const struct pfr_rule_req *req)
{
	u8 src = host_digest(&req->tunnel_shost, &req->tunnel_shost_mask, false, w->inner[0],
			     w->inner_mask[0]);
	u8 dst = host_digest(&req->tunnel_dhost, &req->tunnel_dhost_mask, false, w->inner[1],
			     w->inner_mask[1]);

	if (req->tunnel_id != NO_TUNNEL_ID)
		w->tunnel_id = req->tunnel_id;
	if (src | dst) {
		w->value |= PFR_WORD_INNER(common_version(src, dst));
		w->mask |= PFR_WORD_INNER(VERSION_BITS);
	}
	w->wants_inner = w->tunnel_id || src | dst;
}

static void digest_ports(struct pfr_wild *w, const struct pfr_rule_req *req)
{
	u16 low[] = {req->sport_low, req->dport_low};
	u16 high[] = {req->sport_high, req->dport_high};
	int i;

	for (i = 0; i < 2; i++) {
		w->span[i] = U16_MAX;
		if (!low[i] && !high[i])
			continue;
		w->port[i] = low[i];
		w->span[i] = high[i] ? high[i] - low[i] : 0;
		w->value |= PFR_WORD_PORTS;
		w->mask |= PFR_WORD_PORTS;
	}
}

static void digest_mac(struct pfr_wild *w, int end, const u8 *mac)
{
	if (is_zero(mac, ETH_ALEN))
		return;
	memcpy(&w->mac[end], mac, ETH_ALEN);
	memset(&w->mac_mask[end], 0xff, ETH_ALEN);
	w->more = true;
}

/* Knuth, Morris, Pratt: the search never goes back in the packet, whose pieces it sees once. */
static void digest_pattern(struct pfr_wild *w, const char *pattern)
{
	u8 len = strnlen(pattern, sizeof(w->pattern)), at = 0, i;

	memcpy(w->pattern, pattern, len);
	w->pattern_len = len;
	for (i = 1; i < len; i++) {
		while (at && w->pattern[i] != w->pattern[at])
			at = w->back[at - 1];
		at += w->pattern[i] == w->pattern[at];
		w->back[i] = at;
	}
}

struct pfr_wild *pfr_wild_create(const struct pfr_rule_req *req)
{
	struct pfr_wild *w = kzalloc(sizeof(*w), GFP_KERNEL_ACCOUNT);

	if (!w)
		return NULL;
	w->id = req->ref.rule_id;
	w->balance_id = req->balance_id;
	w->balance_pool = req->balance_pool;
	w->bidirectional = req->bidirectional;
	w->if_index = req->if_index;
	w->value = PFR_WORD_TYPE(req->eth_type) | PFR_WORD_VLAN(req->vlan_id) |
		   PFR_WORD_PROTO(req->proto) | PFR_WORD_FLAGS(req->tcp_flags);
	w->mask = PFR_WORD_TYPE(req->eth_type ? U16_MAX : 0) |
		  PFR_WORD_VLAN(req->vlan_id ? U16_MAX : 0) |
		  PFR_WORD_PROTO(req->proto ? U8_MAX : 0) | PFR_WORD_FLAGS(req->tcp_flags);
	digest_hosts(w, req);
	digest_ports(w, req);
	digest_mac(w, 0, req->smac);
	digest_mac(w, 1, req->dmac);
	digest_tunnel(w, req);
	digest_pattern(w, req->payload_pattern);
	w->more |= w->if_index || w->wants_inner || w->pattern_len;
	return w;
}

/* Nobody has it, or nobody any more. */
void pfr_wild_free(struct pfr_wild *w)
{
	pfr_rule_destroy(&w->rule);
	kfree(w);
}

/* Out of line, as inner_matches(): most rules need neither, and their frames cost. */
static noinline bool holds_pattern(const struct pfr_wild *w, const struct pfr_frame *f)
{
	struct skb_seq_state seq;
	u32 from = f->parsed.payload, consumed = 0, left, i;
	const u8 *piece;
	u8 at = 0;

	if (!from || from >= f->skb->len)
		return false;
	skb_prepare_seq_read(f->skb, from, f->skb->len, &seq);
	while ((left = skb_seq_read(consumed, &piece, &seq))) {
		for (i = 0; i < left; i++) {
			while (at && piece[i] != w->pattern[at])
				at = w->back[at - 1];
			at += piece[i] == w->pattern[at];
			if (at == w->pattern_len) {
				skb_abort_seq_read(&seq);
				return true;
			}
		}
		consumed += left;
	}
	return false;
}

static noinline bool inner_matches(const struct pfr_wild *w, const struct pfr_digest *d, int src)
{
	u64 differ = 0;
	int i;

	for (i = 0; i < 2; i++) {
		const struct pfr_end *end = &d->inner[src ^ i];

		differ |= (end->high ^ w->inner[i][0]) & w->inner_mask[i][0];
		differ |= (end->low ^ w->inner[i][1]) & w->inner_mask[i][1];
	}
	return !differ;
}

/* The fields that have a direction; src: which end of the packet is taken for the source. */
static __always_inline bool ends_match(const struct pfr_wild *w, const struct pfr_digest *d,
				       int src)
{
	const struct pfr_end *s = &d->end[src], *t = &d->end[!src];

	if ((s->low ^ w->low[0]) & w->low_mask[0] || (t->low ^ w->low[1]) & w->low_mask[1] ||
	    (u16)(s->port - w->port[0]) > w->span[0] || (u16)(t->port - w->port[1]) > w->span[1])
		return false;
	if (likely(!w->more))
		return true;
	return !((s->high ^ w->high[0]) & w->high_mask[0]) &&
	       !((t->high ^ w->high[1]) & w->high_mask[1]) &&
	       !((s->mac ^ w->mac[0]) & w->mac_mask[0]) &&
	       !((t->mac ^ w->mac[1]) & w->mac_mask[1]) &&
	       (!w->wants_inner || inner_matches(w, d, src));
}

/* After the packet's digest was made, tunnels and all if a rule asks for them. */
bool pfr_wild_matches(const struct pfr_wild *w, const struct pfr_frame *f)
{
	const struct pfr_digest *d = &f->digest;

	if ((d->word & w->mask) != w->value)
		return false;
	if (!ends_match(w, d, 0) && !(w->bidirectional && ends_match(w, d, 1)))
		return false;
	if (likely(!w->more))
		return true;
	return (!w->if_index || w->if_index == f->ifindex) &&
	       (!w->tunnel_id || w->tunnel_id == f->parsed.tunnel_id) &&
	       (!w->pattern_len || holds_pattern(w, f));
}
