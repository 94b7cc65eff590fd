// SPDX-License-Identifier: GPL-2.0-only
/*
 * plugin.c - plugins: the table of them, and a rule's use of them.
 *
 * A rule that names plugins has a pfr_use, from its birth to its destruction, and each use holds
 * the plugin's module: what a packet may meet cannot be unloaded, and a plugin's code never runs
 * after its last use. The table is read under RCU, for a packet may add a hash rule with a plugin;
 * written under plugin_lock. The packet's half is called by filter.c in an RCU section with bottom
 * halves off; use->lock makes a rule's callbacks come one by one.
 */
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "include/pf_ring_plugin.h"
#include "pfr.h"

struct plugin {
	const struct pfring_plugin_registration *reg;
	atomic_t uses;
	struct rcu_head rcu;
};

struct pfr_use {
	spinlock_t lock;
	struct pfr_ring *ring;
	struct plugin *filter, *handler;
	bool hash;
	union {
		sw_filtering_rule_element rule;
		sw_filtering_hash_bucket bucket;
	};
};

static DEFINE_MUTEX(plugin_lock);
static struct plugin __rcu *plugins[MAX_PLUGIN_ID + 1];

static bool text_ok(const char *text, size_t room)
{
	size_t len = strnlen(text, room);

	return len && len < room && !memchr(text, '\n', len);
}

int pf_ring_register_plugin(struct pfring_plugin_registration *reg)
{
	struct plugin *p;
	int err = 0;

	if (!reg->plugin_id || reg->plugin_id > MAX_PLUGIN_ID ||
	    !text_ok(reg->name, sizeof(reg->name)) ||
	    !text_ok(reg->description, sizeof(reg->description)))
		return -EINVAL;
	p = kzalloc(sizeof(*p), GFP_KERNEL);
	if (!p)
		return -ENOMEM;
	p->reg = reg;
	mutex_lock(&plugin_lock);
	if (rcu_access_pointer(plugins[reg->plugin_id]))
		err = -EEXIST;
	else
		rcu_assign_pointer(plugins[reg->plugin_id], p);
	mutex_unlock(&plugin_lock);
	if (err)
		kfree(p);
	return err;
}
EXPORT_SYMBOL_GPL(pf_ring_register_plugin);

/*
 * Who looked the plugin up just before it left the table still counts: so it
 * leaves first, and comes back if somebody has it after all.
 */
int pf_ring_unregister_plugin(u_int16_t plugin_id)
{
	struct plugin *p = NULL;
	int err = 0;

	mutex_lock(&plugin_lock);
	if (plugin_id <= MAX_PLUGIN_ID)
		p = rcu_replace_pointer(plugins[plugin_id], NULL, lockdep_is_held(&plugin_lock));
	if (!p) {
		err = -ENOENT;
	} else {
		synchronize_rcu();
		if (atomic_read(&p->uses)) {
			rcu_assign_pointer(plugins[plugin_id], p);
			err = -EBUSY;
		}
	}
	mutex_unlock(&plugin_lock);
	if (!err)
		kfree(p);
	return err;
}
EXPORT_SYMBOL_GPL(pf_ring_unregister_plugin);

int pfr_plugins_show(struct seq_file *m, void *v)
{
	u32 i;

	seq_puts(m, "ID Plugin\n");
	mutex_lock(&plugin_lock);
	for (i = 1; i <= MAX_PLUGIN_ID; i++) {
		struct plugin *p = rcu_dereference_protected(plugins[i], true);

		if (p)
			seq_printf(m, "%u %s [%s]\n", i, p->reg->name, p->reg->description);
	}
	mutex_unlock(&plugin_lock);
	return 0;
}

u32 pfr_plugins_count(void)
{
	u32 i, n = 0;

	for (i = 1; i <= MAX_PLUGIN_ID; i++)
		n += rcu_access_pointer(plugins[i]) != NULL;
	return n;
}

static struct plugin *plugin_get(u16 id)
{
	struct plugin *p = NULL;

	rcu_read_lock();
	if (id <= MAX_PLUGIN_ID)
		p = rcu_dereference(plugins[id]);
	if (p && try_module_get(p->reg->owner))
		atomic_inc(&p->uses);
	else
		p = NULL;
	rcu_read_unlock();
	return p;
}

static void plugin_put(struct plugin *p)
{
	struct module *owner = p->reg->owner;

	atomic_dec(&p->uses);
	module_put(owner);
}

static struct pf_ring_socket *socket_of(const struct pfr_use *use)
{
	return (struct pf_ring_socket *)use->ring;
}

static sw_filtering_rule_element *rule_of(struct pfr_use *use)
{
	return use->hash ? NULL : &use->rule;
}

static sw_filtering_hash_bucket *bucket_of(struct pfr_use *use)
{
	return use->hash ? &use->bucket : NULL;
}

static void bucket_fill(hash_filtering_rule *to, const struct pfr_rule_req *req)
{
	to->vlan_id = req->ref.vlan_id;
	to->ip_version = req->ref.ip_version ?: 4;
	to->proto = req->ref.proto;
	to->host_peer_a = req->ref.peer_a;
	to->host_peer_b = req->ref.peer_b;
	to->port_peer_a = req->ref.port_a;
	to->port_peer_b = req->ref.port_b;
	to->rule_action = req->action;
	to->plugin_action.plugin_id = req->plugin_id;
}

/* 0, -ENOENT: no such plugin, -EOPNOTSUPP: it does not filter. Perhaps on a packet's path. */
int pfr_plugin_attach(struct pfr_ring *ring, struct pfr_rule *rule, const struct pfr_rule_req *req,
		      gfp_t gfp)
{
	struct pfr_use *use;

	if (!req->plugin_id && !req->filter_plugin_id)
		return 0;
	use = kzalloc(sizeof(*use), gfp);
	if (!use)
		return -ENOMEM;
	spin_lock_init(&use->lock);
	use->ring = ring;
	use->hash = req->ref.kind == PFR_RULE_HASH;
	if (req->plugin_id)
		use->handler = plugin_get(req->plugin_id);
	if (req->filter_plugin_id)
		use->filter = plugin_get(req->filter_plugin_id);
	if (use->hash) {
		bucket_fill(&use->bucket.rule, req);
	} else {
		use->rule.rule_id = req->ref.rule_id;
		use->rule.plugin_id = req->plugin_id;
		use->rule.filter_plugin_id = req->filter_plugin_id;
		memcpy(use->rule.filter_plugin_data, req->filter_plugin_data,
		       FILTER_PLUGIN_DATA_LEN);
	}
	if (use->handler)
		atomic_inc(&ring->plugin_rules[req->plugin_id]);
	rule->use = use; /* whatever comes now, pfr_plugin_detach() gives it back */
	if (!use->handler != !req->plugin_id || !use->filter != !req->filter_plugin_id)
		return -ENOENT;
	return use->filter && !use->filter->reg->pfring_plugin_filter_skb ? -EOPNOTSUPP : 0;
}

/* When no packet can meet the rule any more; perhaps in a softirq. */
void pfr_plugin_detach(struct pfr_rule *rule)
{
	struct pfr_use *use = rule->use;

	if (!use)
		return;
	if (use->handler) {
		const struct pfring_plugin_registration *reg = use->handler->reg;

		if (reg->pfring_plugin_free_rule_mem)
			reg->pfring_plugin_free_rule_mem(rule_of(use), bucket_of(use));
		if (atomic_dec_and_test(&use->ring->plugin_rules[reg->plugin_id]) &&
		    reg->pfring_plugin_free_ring_mem)
			reg->pfring_plugin_free_ring_mem(socket_of(use));
		plugin_put(use->handler);
	}
	if (use->filter)
		plugin_put(use->filter);
	rule->use = NULL;
	kfree(use);
}

void pfr_parse_free(struct pfr_parse *parse)
{
	if (parse->buffer) {
		kfree(parse->buffer->mem);
		kfree(parse->buffer);
	}
	parse->buffer = NULL;
}

/* Addresses as programs have them: IPv4 in host byte order. */
static void address_fill(ip_addr *to, u8 version, const struct in6_addr *from)
{
	if (version == 6)
		to->v6 = *from;
	else
		to->v4 = ntohl(from->s6_addr32[0]);
}

static void hdr_fill(struct pfring_pkthdr *hdr, struct pfr_frame *f)
{
	const struct pfr_parsed *p = pfr_frame_parse(f, f->parsed_valid && f->parsed_inner);
	struct pfring_extended_pkthdr *x = &hdr->extended_hdr;
	struct pkt_parsing_info *info = &x->parsed_pkt;
	const struct pfr_tuple *t = &p->outer;
	u32 rest;

	memset(hdr, 0, sizeof(*hdr));
	x->timestamp_ns = pfr_capture_time(f);
	hdr->ts.tv_sec = div_u64_rem(x->timestamp_ns, NSEC_PER_SEC, &rest);
	hdr->ts.tv_usec = rest / NSEC_PER_USEC;
	hdr->caplen = hdr->len = f->len;
	x->rx_direction = f->direction == PFR_DIR_RX;
	x->if_index = f->ifindex;
	x->tx.bounce_interface = UNKNOWN_INTERFACE;
	memcpy(info->dmac, p->dmac, ETH_ALEN);
	memcpy(info->smac, p->smac, ETH_ALEN);
	info->eth_type = p->eth_type;
	info->vlan_id = p->vlan_id;
	info->ip_version = t->version;
	info->l3_proto = t->proto;
	address_fill(&info->ip_src, t->version, &t->src);
	address_fill(&info->ip_dst, t->version, &t->dst);
	info->l4_src_port = ntohs(t->sport);
	info->l4_dst_port = ntohs(t->dport);
	info->tcp.flags = p->tcp_flags;
	info->tunnel.tunnel_id = p->tunnel_id;
	info->offset.vlan_offset = info->offset.l3_offset = info->offset.l4_offset = -1;
	info->offset.payload_offset = p->payload ? (s16)min_t(u32, p->payload, S16_MAX) : -1;
}

/* A plugin's parse of this packet; another's is forgotten. */
static struct parse_buffer **parse_of(struct pfr_parse *parse, const struct plugin *filter)
{
	u16 id = filter ? filter->reg->plugin_id : 0;

	if (parse->plugin_id != id) {
		pfr_parse_free(parse);
		parse->plugin_id = id;
	}
	return &parse->buffer;
}

/* Whether the packet matches what the program told the filter plugin, if there is one. */
noinline bool pfr_plugin_filter(struct pfr_rule *rule, struct pfr_frame *f, struct pfr_parse *parse)
{
	struct pfr_use *use = rule->use;
	struct pfring_pkthdr hdr;
	bool matches;

	if (!use->filter)
		return true;
	hdr_fill(&hdr, f);
	spin_lock(&use->lock);
	matches = use->filter->reg->pfring_plugin_filter_skb(
		socket_of(use), &use->rule, &hdr, f->skb, 0, parse_of(parse, use->filter));
	spin_unlock(&use->lock);
	return matches;
}

/* What becomes of the packet: the rule's action, unless its plugin knows better. */
noinline u8 pfr_plugin_handle(struct pfr_rule *rule, struct pfr_frame *f, struct pfr_parse *parse)
{
	struct pfr_use *use = rule->use;
	rule_action_behaviour behaviour = rule->action;
	struct pfring_pkthdr hdr;
	int err;

	if (!use->handler || !use->handler->reg->pfring_plugin_handle_skb)
		return rule->action;
	hdr_fill(&hdr, f);
	spin_lock(&use->lock);
	err = use->handler->reg->pfring_plugin_handle_skb(
		socket_of(use), rule_of(use), bucket_of(use), &hdr, f->skb, 0,
		use->hash ? 0 : use->rule.filter_plugin_id, parse_of(parse, use->filter),
		&behaviour);
	spin_unlock(&use->lock);
	/* The others need what only a rule made for them has. */
	if (err < 0 || (u32)behaviour > execute_action_and_stop_rule_evaluation)
		return rule->action;
	return behaviour;
}

static bool req_of(struct pfr_rule_req *req, const hash_filtering_rule *rule)
{
	*req = (struct pfr_rule_req){
		.ref =
			{
				.kind = PFR_RULE_HASH,
				.vlan_id = rule->vlan_id,
				.ip_version = rule->ip_version,
				.proto = rule->proto,
				.port_a = rule->port_peer_a,
				.port_b = rule->port_peer_b,
				.peer_a = rule->host_peer_a,
				.peer_b = rule->host_peer_b,
			},
		.action = rule->rule_action,
		.plugin_id = rule->plugin_action.plugin_id,
	};
	return !pfr_flow_check(&req->ref) && req->action <= execute_action_and_stop_rule_evaluation;
}

/*
 * For the actions that add (add) or delete a hash rule: which one, said by the
 * plugin. 1: req is it, 0: none, negative: the plugin leaves that to the core.
 */
noinline int pfr_plugin_flow(struct pfr_rule *rule, struct pfr_frame *f, struct pfr_parse *parse,
			     bool add, struct pfr_rule_req *req)
{
	struct pfr_use *use = rule->use;
	const struct pfring_plugin_registration *reg;
	hash_filtering_rule flow = {};
	struct pfring_pkthdr hdr;
	int err;

	if (!use->handler || use->hash)
		return -EOPNOTSUPP;
	reg = use->handler->reg;
	if (add ? !reg->pfring_plugin_add_rule : !reg->pfring_plugin_del_rule)
		return -EOPNOTSUPP;
	hdr_fill(&hdr, f);
	spin_lock(&use->lock);
	err = (add ? reg->pfring_plugin_add_rule : reg->pfring_plugin_del_rule)(
		&use->rule, &hdr, parse_of(parse, use->filter), &flow);
	spin_unlock(&use->lock);
	return !err && req_of(req, &flow);
}

/* Bytes that the plugin says of the rule; 0 if it says nothing, -ENOSPC if room is too small. */
int pfr_plugin_stats(const struct pfr_rule *rule, void *buf, u32 room)
{
	struct pfr_use *use = rule->use;
	int n;

	if (!use || !use->handler || !use->handler->reg->pfring_plugin_get_stats)
		return 0;
	spin_lock_bh(&use->lock);
	n = use->handler->reg->pfring_plugin_get_stats(socket_of(use), rule_of(use), bucket_of(use),
						       buf, room);
	spin_unlock_bh(&use->lock);
	return n > 0 && (u32)n <= room ? n : -ENOSPC;
}

bool pfr_plugin_idle(const struct pfr_rule *rule, u32 seconds)
{
	struct pfr_use *use = rule->use;
	int idle;

	if (!use || !use->handler || !use->handler->reg->pfring_plugin_purge_idle)
		return false;
	spin_lock_bh(&use->lock);
	idle = use->handler->reg->pfring_plugin_purge_idle(
		socket_of(use), rule_of(use), bucket_of(use), min_t(u32, seconds, U16_MAX));
	spin_unlock_bh(&use->lock);
	return idle;
}
