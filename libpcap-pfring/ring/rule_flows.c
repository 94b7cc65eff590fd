/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rule_flows.c - hash rules: from a flow to its rule, both directions alike.
 *
 * Open addressing with linear probing in one mapping that doubles; removal
 * moves the followers back, so that there are no tombstones and a lookup ends
 * at the first empty slot. Owned by the rules of a handle (rules.h).
 */
#include "flow_hash.h"
#include "rules.h"

#define FIRST_ROOM 64u

static struct pfri_flow_key make_key(u_int8_t version, const ip_addr *a, u_int16_t a_port,
				     const ip_addr *b, u_int16_t b_port)
{
	struct pfri_flow_key key = {.port = {a_port, b_port}, .version = version};

	if (version == 6) {
		memcpy(key.addr[0], a, sizeof(key.addr[0]));
		memcpy(key.addr[1], b, sizeof(key.addr[1]));
	} else {
		key.addr[0][0] = a->v4;
		key.addr[1][0] = b->v4;
	}
	if (key.addr[0][0] > key.addr[1][0] ||
	    (key.addr[0][0] == key.addr[1][0] &&
	     (key.addr[0][1] > key.addr[1][1] ||
	      (key.addr[0][1] == key.addr[1][1] && a_port > b_port)))) {
		for (int i = 0; i < 2; i++) {
			u_int64_t word = key.addr[0][i];

			key.addr[0][i] = key.addr[1][i];
			key.addr[1][i] = word;
		}
		key.port[0] = b_port;
		key.port[1] = a_port;
	}
	return key;
}

struct pfri_flow_key pfri_flow_key_of(const hash_filtering_rule *rule)
{
	struct pfri_flow_key key =
		make_key(rule->ip_version ? rule->ip_version : 4, &rule->host_peer_a,
			 rule->port_peer_a, &rule->host_peer_b, rule->port_peer_b);

	key.vlan = rule->vlan_id;
	key.proto = rule->proto;
	return key;
}

struct pfri_flow_key pfri_flow_key_in(const struct pkt_parsing_info *info)
{
	struct pfri_flow_key key = make_key(info->ip_version, &info->ip_src, info->l4_src_port,
					    &info->ip_dst, info->l4_dst_port);

	key.vlan = info->vlan_id;
	key.proto = info->l3_proto;
	return key;
}

static u_int32_t home(const struct pfri_flow_table *t, const struct pfri_flow_key *key)
{
	u_int64_t words[sizeof(*key) / 8], h = 0;

	_Static_assert(sizeof(*key) % 8 == 0, "no padding: a key is hashed as it lies in memory");
	memcpy(words, key, sizeof(*key));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		h = ((h ^ words[i]) * 0x9e3779b97f4a7c15u) ^ (h >> 29);
	return (u_int32_t)pfri_hash_mix(h) & (t->room - 1);
}

static struct pfri_flow_rule *find_slot(const struct pfri_flow_table *t,
					const struct pfri_flow_key *key)
{
	u_int32_t at = home(t, key);

	while (t->slot[at].used && memcmp(&t->slot[at].key, key, sizeof(*key)))
		at = (at + 1) & (t->room - 1);
	return &t->slot[at];
}

struct pfri_flow_rule *pfri_flow_find(const struct pfri_flow_table *t,
				      const struct pfri_flow_key *key)
{
	struct pfri_flow_rule *s;

	if (!t->n)
		return NULL;
	s = find_slot(t, key);
	return s->used ? s : NULL;
}

static size_t bytes(u_int32_t room)
{
	return room * sizeof(struct pfri_flow_rule);
}

static bool grow(struct pfri_flow_table *t)
{
	struct pfri_flow_table more = {.room = t->room ? t->room * 2 : FIRST_ROOM, .n = t->n};

	more.slot = mmap(NULL, bytes(more.room), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (more.slot == MAP_FAILED)
		return false;
	for (u_int32_t i = 0; i < t->room; i++)
		if (t->slot[i].used)
			*find_slot(&more, &t->slot[i].key) = t->slot[i];
	pfri_flow_free(t);
	*t = more;
	return true;
}

struct pfri_flow_rule *pfri_flow_add(struct pfri_flow_table *t, const struct pfri_flow_key *key,
				     int *err)
{
	struct pfri_flow_rule *s;

	if (pfri_flow_find(t, key)) {
		*err = -EEXIST;
		return NULL;
	}
	if (t->n >= PFRI_MAX_FLOWS) {
		*err = -ENOSPC;
		return NULL;
	}
	if (t->n + 1 > t->room / 4 * 3 && !grow(t)) {
		*err = -ENOMEM;
		return NULL;
	}
	s = find_slot(t, key);
	memset(s, 0, sizeof(*s));
	s->key = *key;
	s->used = true;
	t->n++;
	return s;
}

void pfri_flow_remove(struct pfri_flow_table *t, struct pfri_flow_rule *rule)
{
	u_int32_t mask = t->room - 1, hole = (u_int32_t)(rule - t->slot), at = hole;

	for (;;) {
		at = (at + 1) & mask;
		if (!t->slot[at].used)
			break;
		/* It may move unless its home lies behind the hole. */
		if (((at - home(t, &t->slot[at].key)) & mask) >= ((at - hole) & mask)) {
			t->slot[hole] = t->slot[at];
			hole = at;
		}
	}
	t->slot[hole].used = false;
	t->n--;
}

void pfri_flow_free(struct pfri_flow_table *t)
{
	if (t->slot)
		munmap(t->slot, bytes(t->room));
	memset(t, 0, sizeof(*t));
}
