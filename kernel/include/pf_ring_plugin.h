/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pf_ring_plugin.h - all that a plugin of pf_ring.ko sees (guide, chapter 9).
 *
 * A plugin is a kernel module that registers callbacks under a number. A rule
 * names it as filter (extended_fields.filter_plugin_id), as handler
 * (plugin_action.plugin_id), or as both. A packet whose headers match goes to
 * filter_skb, then to handle_skb. Every callback may be NULL: that feature is
 * off then, and a rule that needs a filter is refused.
 *
 * All callbacks but purge_idle and free_ring_mem run with the rule's lock held
 * and bottom halves off: they must not sleep, and for one rule come one at a
 * time. purge_idle runs under the same lock; free_ring_mem and free_rule_mem
 * in atomic context when nothing else of the rule runs any more.
 */
#ifndef PF_RING_PLUGIN_H
#define PF_RING_PLUGIN_H

#include <linux/device/driver.h>
#include <linux/module.h>
#include <linux/skbuff.h>
#include <linux/slab.h>

#include "../uapi/pf_ring.h"

struct pf_ring_socket; /* a ring; a plugin can only compare it */

/* The packet, parsed. As in user space, but with a time stamp of one size everywhere. */
struct pfring_pkthdr {
	struct {
		__s64 tv_sec, tv_usec;
	} ts;
	__u32 caplen, len;
	struct pfring_extended_pkthdr extended_hdr;
};

/*
 * What filter_skb found out. handle_skb of the same rule gets it, and so does
 * filter_skb of the packet's next rule with the same filter plugin, so that a
 * packet is parsed once. The core frees it: kfree(mem), then kfree(it).
 */
struct parse_buffer {
	void *mem;
	u_int16_t mem_len;
};

/* A wildcard rule as its plugins see it. */
typedef struct {
	u_int16_t rule_id;
	u_int16_t plugin_id, filter_plugin_id;
	/* FILTER_PLUGIN_DATA_LEN bytes as the program gave them, text without a NUL included. */
	char filter_plugin_data[FILTER_PLUGIN_DATA_LEN];
	void *plugin_data_ptr; /* the handler's, until its free_rule_mem */
} sw_filtering_rule_element;

/* A hash rule as its plugin sees it. */
typedef struct {
	hash_filtering_rule rule;
	void *plugin_data_ptr;
} sw_filtering_hash_bucket;

struct pfring_plugin_registration {
	u_int16_t plugin_id; /* 1 .. MAX_PLUGIN_ID */
	char name[16];	     /* both end with a NUL */
	char description[64];

	/* 0: the packet does not match the rule. skb's frame starts at skb->data + displ. */
	int (*pfring_plugin_filter_skb)(struct pf_ring_socket *pfr, sw_filtering_rule_element *rule,
					struct pfring_pkthdr *hdr, struct sk_buff *skb, int displ,
					struct parse_buffer **parse_memory);
	/*
	 * One of rule and hash_rule is NULL. 0, or negative if the packet could
	 * not be handled: then the rule does what it always does. *behaviour is
	 * the rule's action; it may become one of the first four.
	 */
	int (*pfring_plugin_handle_skb)(struct pf_ring_socket *pfr, sw_filtering_rule_element *rule,
					sw_filtering_hash_bucket *hash_rule,
					struct pfring_pkthdr *hdr, struct sk_buff *skb, int displ,
					u_int16_t filter_plugin_id,
					struct parse_buffer **parse_memory,
					rule_action_behaviour *behaviour);
	/* Bytes written, 0 on an error (the buffer is too small). */
	int (*pfring_plugin_get_stats)(struct pf_ring_socket *pfr, sw_filtering_rule_element *rule,
				       sw_filtering_hash_bucket *hash_rule, u_char *stats_buffer,
				       u_int stats_buffer_len);
	/* Not 0: to be removed although packets came. */
	int (*pfring_plugin_purge_idle)(struct pf_ring_socket *pfr, sw_filtering_rule_element *rule,
					sw_filtering_hash_bucket *hash_rule,
					u_int16_t rule_inactivity);
	void (*pfring_plugin_free_rule_mem)(sw_filtering_rule_element *rule,
					    sw_filtering_hash_bucket *hash_rule);
	/* The ring's last rule with this plugin is gone. */
	void (*pfring_plugin_free_ring_mem)(struct pf_ring_socket *pfr);
	/*
	 * For the actions that add and delete a hash rule: fills in which. 0, or
	 * negative: none. Without it, it is the rule of the packet's own flow.
	 */
	int (*pfring_plugin_add_rule)(sw_filtering_rule_element *rule, struct pfring_pkthdr *hdr,
				      struct parse_buffer **parse_memory,
				      hash_filtering_rule *new_rule);
	int (*pfring_plugin_del_rule)(sw_filtering_rule_element *rule, struct pfring_pkthdr *hdr,
				      struct parse_buffer **parse_memory,
				      hash_filtering_rule *old_rule);

	struct module *owner; /* filled in by register_plugin() */
};

int pf_ring_register_plugin(struct pfring_plugin_registration *reg);
int pf_ring_unregister_plugin(u_int16_t plugin_id);

/* 0, -EINVAL (number or name) or -EEXIST (number taken). reg stays until it is unregistered. */
static inline int register_plugin(struct pfring_plugin_registration *reg)
{
	reg->owner = THIS_MODULE;
	return pf_ring_register_plugin(reg);
}

/* 0, -ENOENT, or -EBUSY while a rule uses it (which holds the module as well). */
static inline int unregister_plugin(u_int16_t plugin_id)
{
	return pf_ring_unregister_plugin(plugin_id);
}

/* Room for a result of so many bytes, zeroed; NULL if there is no memory. For filter_skb. */
static inline void *pfring_parse_alloc(struct parse_buffer **parse_memory, u_int16_t len)
{
	struct parse_buffer *buffer = kzalloc(sizeof(*buffer), GFP_ATOMIC | __GFP_NOWARN);

	if (!buffer)
		return NULL;
	buffer->mem = kzalloc(len, GFP_ATOMIC | __GFP_NOWARN);
	if (!buffer->mem) {
		kfree(buffer);
		return NULL;
	}
	buffer->mem_len = len;
	*parse_memory = buffer;
	return buffer->mem;
}

/* What handle_skb keeps of a rule of either kind; NULL before it kept anything. */
static inline void **pfring_rule_data(sw_filtering_rule_element *rule,
				      sw_filtering_hash_bucket *hash_rule)
{
	return rule ? &rule->plugin_data_ptr : &hash_rule->plugin_data_ptr;
}

/* The same as size bytes, zeroed when they are first asked for; NULL if there is no memory. */
static inline void *pfring_rule_memory(sw_filtering_rule_element *rule,
				       sw_filtering_hash_bucket *hash_rule, size_t size)
{
	void **data = pfring_rule_data(rule, hash_rule);

	if (!*data)
		*data = kzalloc(size, GFP_ATOMIC | __GFP_NOWARN);
	return *data;
}

/* get_stats for such bytes: they are the answer, zeros where no packet came. */
static inline int pfring_rule_copy(sw_filtering_rule_element *rule,
				   sw_filtering_hash_bucket *hash_rule, u_char *buffer, u_int room,
				   u_int size)
{
	const void *data = *pfring_rule_data(rule, hash_rule);

	if (room < size)
		return 0;
	memset(buffer, 0, size);
	if (data)
		memcpy(buffer, data, size);
	return size;
}

/* free_rule_mem for them. */
static inline void pfring_rule_kfree(sw_filtering_rule_element *rule,
				     sw_filtering_hash_bucket *hash_rule)
{
	kfree(*pfring_rule_data(rule, hash_rule));
}

static inline void pfring_plugin_leave(const struct pfring_plugin_registration *reg)
{
	unregister_plugin(reg->plugin_id);
}

/* For a module that is nothing but one plugin: its init and exit. */
#define module_pfring_plugin(reg) module_driver(reg, register_plugin, pfring_plugin_leave)

#endif /* PF_RING_PLUGIN_H */
