/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pfr.h - the module's structures and who owns them.
 *
 *   struct pfr_net   one per network namespace: devices, cluster names, /proc
 *     struct pfr_dev   one per device that a ring listens on: the packet hook
 *       struct pfr_sub    one ring's interest in one device
 *       struct pfr_group  the rings of one cluster on that device
 *   struct pfr_ring  one per socket: settings, lanes, counters
 *     struct pfr_rules   its filtering rules, once it has had one
 *       struct pfr_wild    a wildcard rule
 *       struct pfr_flow    a hash rule
 *     struct pfr_reflector  a device that a rule of the ring reflects to
 *
 * Locks, outermost first: RTNL guards devices, subscriptions and groups and
 * clusters; ring->mutex guards a ring's settings and its memory; lane->lock is
 * held by the producer of a lane that may have several. mmap() takes none of them: lanes never
 * change once they are set. User memory is touched with no lock held. Readers on the packet path
 * are in an RCU section with bottom halves off and take only lane->lock.
 */
#ifndef PFR_H
#define PFR_H

#include <linux/hrtimer.h>
#include <linux/if_vlan.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/percpu.h>
#include <linux/rbtree.h>
#include <linux/rhashtable.h>
#include <linux/skbuff.h>
#include <linux/workqueue.h>
#include <net/sock.h>

#include "uapi/pf_ring.h"
#include "compat/compat.h"

struct mem_cgroup;
struct pfr_frags;
struct pfr_use;
struct parse_buffer;
struct seq_file;
struct proc_dir_entry;

/* Module parameters (main.c). */
extern unsigned int pfr_min_num_slots, pfr_transparent_mode;
extern bool pfr_enable_tx_capture, pfr_enable_ip_defrag, pfr_quick_mode;
extern struct workqueue_struct *pfr_wq; /* frees rings after their grace period */

struct pfr_net {
	struct hlist_head devs;	     /* struct pfr_dev; RTNL */
	struct list_head any_rings;  /* rings bound to every device; RTNL */
	struct list_head clusters;   /* RTNL */
	struct list_head reflectors; /* RTNL */
	struct pfr_frags *frags;     /* from the first cluster on (frag.c); RTNL */
	struct proc_dir_entry *proc, *proc_stats;
	atomic_t rings;
	atomic_t next_ring_id;
};

/*
 * A lane as the kernel knows it. prod and cons here are the truth; of the
 * reader's page only one value is ever taken: cons, after a range check. The
 * producer's page nobody else can write, so its books are kept there alone.
 */
struct pfr_lane {
	spinlock_t lock; /* of the producers, where there may be several */
	bool shared;	 /* there may; otherwise bottom halves off on its CPU are enough */
	bool full;
	u64 prod;
	u64 limit; /* a record that ends here or before has room, for all that is known */
	u64 data_size;
	u8 *data;
	struct pfr_lane_prod *shared_prod;
	u64 wake_at;	    /* a position beyond this one wakes whatever the watermark */
	u64 woken_accepted; /* what was accepted until the last wake-up */
	/* Not for every packet. */
	u64 cons;
	u64 ripe; /* poll() answers as long as the reader is before this position */
	struct pfr_lane_cons *shared_cons;
	void *map; /* prod page, cons page, data and its alias, in a row */
	struct page **pages;
	u32 npages; /* pages owned: 2 + data; the slack behind data shows data's front again */
} ____cacheline_aligned_in_smp;

struct pfr_ring_counters {
	u64 filtered;
	u64 sampled_out;
	u64 rule_filtered, rule_errors;
	u64 reflected, reflect_errors;
};

/* How long a packet waits for the watermark unless PFR_SO_WATERMARK_TIMEOUT says otherwise. */
#define PFR_WATERMARK_MS 5

#define PFR_DIR_RX BIT(0)
#define PFR_DIR_TX BIT(1)

struct pfr_ring {
	struct sock sk; /* first: sk_alloc() makes the whole */

	/* Read for every packet. */
	u8 takes;     /* PFR_DIR_*: directions, or 0 while the ring is not enabled; mutex */
	u8 timestamp; /* PFR_TS_* */
	bool discard_injected;
	u32 caplen;
	u32 sampling;
	u32 nlanes;
	struct pfr_rules __rcu *rules; /* NULL: everything passes */
	struct pfr_lane *lanes;	       /* set once, then until the ring is freed */
	struct pfr_ring_counters __percpu *counters;
	u32 watermark;
	u32 cookie; /* marks what this ring sent, never 0 */

	/* Written while somebody sleeps. */
	atomic_t timer_armed;
	u32 watermark_ms;
	atomic64_t wakeups;
	struct hrtimer timer;

	atomic64_t sampled; /* packets that came to sampling */
	atomic64_t tx, tx_errors;

	/* Settings. */
	struct mutex mutex;
	struct pfr_net *pn;
	struct list_head subs;			  /* this ring's subscriptions; RTNL */
	struct list_head any_node;		  /* in pn->any_rings; RTNL */
	struct pfr_cluster *cluster;		  /* RTNL */
	struct list_head cluster_node;		  /* in cluster->rings */
	struct list_head reflectors;		  /* RTNL */
	atomic_t reflected_later;		  /* packets that wait for reflect.c's worker */
	struct pfr_rules *own_rules;		  /* mutex; there from the first rule on */
	atomic_t plugin_rules[MAX_PLUGIN_ID + 1]; /* by plugin: its rules */
	u32 consumer;
	int ifindex; /* 0: any; RTNL */
	u64 queues;
	bool active; /* mutex */
	bool bound, gone, shut, promisc;
	u8 direction, mode, directions; /* the last: PFR_DIR_*, of the first two; RTNL */
	u32 id;
	pid_t pid; /* as its namespace saw it */
	char device[IFNAMSIZ];
	char appl_name[32];
	char *appl_stats; /* mutex */
	struct proc_dir_entry *proc, *proc_stats;
	u64 lane_stride;
	const struct cred *payer; /* whose RLIMIT_MEMLOCK locked_pages count against */
	u64 locked_pages;
	struct mem_cgroup *memcg; /* its creator's; pays for rules that packets add */
	struct rcu_work free_work;
};

static inline struct pfr_ring *pfr_ring(struct sock *sk)
{
	return (struct pfr_ring *)sk;
}

/* One ring's interest in one device. */
struct pfr_sub {
	struct hlist_node node;	    /* in dev->subs, from birth to death; RCU */
	struct list_head ring_node; /* in ring->subs */
	bool grouped;		    /* packets come through a group; written under RTNL */
	struct pfr_ring *ring;
	struct pfr_dev *dev;
	u64 queues;
	struct rcu_head rcu;
};

/* The members of one cluster on one device; replaced whole when they change. */
struct pfr_group {
	struct hlist_node node;	     /* in dev->groups */
	struct pfr_cluster *cluster; /* for the writers only; they hold RTNL */
	struct rcu_head rcu;
	struct pfr_frags *frags; /* the namespace's */
	u32 type, options;
	u32 count;
	atomic_t turn;		  /* round robin */
	struct pfr_sub *member[]; /* ordered by consumer id */
};

struct pfr_dev {
	struct hlist_node node; /* in pn->devs */
	struct pfr_net *pn;
	struct net_device *dev; /* held */
	struct packet_type hook;
	struct hlist_head subs;	  /* RCU */
	struct hlist_head groups; /* RCU */
	u8 mode;		  /* transparent mode in force; 1, 2: our rx handler is on it */
	bool tapped;		  /* the hook is registered; RTNL */
	bool tags_tapped;	  /* tagged packets are the hook's, not the rx handler's */
	struct rcu_head rcu;
};

/* A cluster lives as long as it has members, whatever their devices. RTNL. */
struct pfr_cluster {
	struct list_head node;	/* in pn->clusters */
	struct list_head rings; /* by ring->cluster_node */
	u32 id, type, options;
	u32 members;
	kuid_t owner; /* who came first; others need CAP_NET_ADMIN */
};

/* The addresses and ports of one packet, outer or inner. */
struct pfr_tuple {
	struct in6_addr src, dst; /* IPv4 in the first word */
	__be16 sport, dport;
	u8 version; /* 4, 6, or 0: not IP */
	u8 proto;
	bool has_ports;
	bool fragment; /* any fragment */
	bool first;    /* of a fragmented datagram */
	u32 frag_id;
};

struct pfr_parsed {
	u8 dmac[ETH_ALEN], smac[ETH_ALEN];
	u16 eth_type;
	u16 vlan_id;
	u8 tcp_flags;
	bool has_inner;
	u32 tunnel_id;
	u32 payload; /* where it starts, 0 if there is none */
	struct pfr_tuple outer;
	struct pfr_tuple inner; /* last: only if it was looked for */
};

/* One end of a flow. IPv4: in low, in host byte order; IPv6: as it lies in memory. */
struct pfr_end {
	u64 high, low;
	u64 mac;
	u16 port;
};

/* Bits of pfr_digest.word: all that a rule wants to be equal, in one comparison. */
#define PFR_WORD_TYPE(n) ((u64)(n))
#define PFR_WORD_VLAN(n) ((u64)(n) << 16)
#define PFR_WORD_PROTO(n) ((u64)(n) << 32)
#define PFR_WORD_FLAGS(n) ((u64)(n) << 40)
#define PFR_WORD_VERSION(n) ((u64)(n) << 48)
#define PFR_WORD_INNER(n) ((u64)(n) << 52) /* the tunnelled packet's version */
#define PFR_WORD_PORTS BIT_ULL(56)

/* A packet as rules see it. */
struct pfr_digest {
	u64 word;
	struct pfr_end end[2];	 /* source, destination */
	struct pfr_end inner[2]; /* of the tunnelled packet */
	u32 hash;		 /* pfr_hash_packet(), once asked for */
};

/* One packet on its way to the rings. */
struct pfr_frame {
	struct sk_buff *skb; /* data at the first byte of the frame */
	u32 len;	     /* of the frame without a stripped tag */
	u8 direction;	     /* PFR_DIR_RX or _TX */
	bool looping;	     /* will be received as well: the loopback device's sent packets */
	bool parsed_valid, parsed_inner;
	bool digest_valid, digest_inner;
	u64 system, coarse; /* time, PFR_TS_SYSTEM and _COARSE; 0: not asked for yet */
	union {
		struct { /* as in struct pfr_rec from ifindex on: written in one go */
			u32 ifindex;
			u32 hash;
			u16 tci, tpid; /* tpid 0: no tag was stripped */
			u8 pkttype;
			u8 flags;  /* PFR_REC_* */
			u16 queue; /* + 1, 0 not known */
		};
		u64 tail[2];
	};
	struct pfr_parsed parsed;
	struct pfr_digest digest;
};

/* A device that rules of one ring reflect to. */
struct pfr_reflector {
	struct list_head ring_node;   /* in ring->reflectors */
	struct list_head net_node;    /* in pn->reflectors, until the device or the ring goes */
	struct net_device __rcu *dev; /* held; NULL once it is gone */
	atomic_t users;		      /* rules; one without any goes when the next is looked for */
};

struct pfr_rule_count {
	u64 match, filtered, forwarded;
	u64 last; /* of the matches, in jiffies; they never wrap */
};

/* What wildcard and hash rules have in common: what becomes of a packet, and the books. */
struct pfr_rule {
	u8 action; /* rule_action_behaviour */
	bool locked;
	struct pfr_use *use; /* of plugins, or NULL */
	struct pfr_reflector *reflector;
	u64 born; /* jiffies */
	/* A wildcard rule is every CPU's; a flow is one CPU's, or two CPUs', at a time. */
	struct pfr_rule_count __percpu *count;
	struct {
		atomic64_t match, filtered, forwarded;
		u64 last;
	} shared; /* counted here if count is NULL */
};

/* A wildcard rule; what rejects most packets is in the first cache line. */
struct pfr_wild {
	u64 value, mask; /* of pfr_digest.word */
	u64 low[2], low_mask[2];
	u16 port[2], span[2]; /* from port to port + span */
	u16 id;
	bool more; /* something is left to compare */
	bool bidirectional;
	u8 balance_id, balance_pool;
	struct pfr_rule rule;
	u64 high[2], high_mask[2], mac[2], mac_mask[2];
	u64 inner[2][2], inner_mask[2][2]; /* tunnelled source and destination; high, low */
	u32 if_index, tunnel_id;	   /* 0: any */
	u8 pattern_len;
	u8 pattern[32];
	u8 back[32]; /* where to go on in pattern if the byte behind this one differs */
	bool wants_inner;
	struct rb_node tree;	 /* in rules->tree */
	struct pfr_block *block; /* where packets find it; mutex */
	u8 at;
	struct rcu_head rcu;
};

/*
 * Up to 64 wildcard rules in the order of their ids. Bit i of each map entry
 * tells whether rule i is content with this byte of the packet, so the AND of
 * a few entries leaves the rules that are worth a closer look.
 */
#define PFR_BLOCK 64

struct pfr_block_map {
	u64 proto[256];
	u64 addr[2][4][256]; /* of source and destination: bytes of the lower 32 bits */
	u64 port[2][256];    /* both bytes of it folded */
};

struct pfr_block {
	struct list_head node; /* in rules->blocks; RCU */
	u64 live;	       /* rules that are in force; written last, cleared first */
	u32 used;	       /* places that were ever used: none is used twice */
	struct rcu_head rcu;
	struct pfr_wild *rule[PFR_BLOCK];
	struct pfr_block_map map;
};

/* A port's entry: ports that rules name often differ in one of their bytes only. */
static inline u8 pfr_port_fold(u16 port)
{
	return port ^ port >> 8;
}

/* The rules that are worth a closer look. */
static inline u64 pfr_block_candidates(const struct pfr_block *block, const struct pfr_digest *d)
{
	const struct pfr_block_map *map = &block->map;
	u32 src = d->end[0].low, dst = d->end[1].low;

	/* Pairs with filter_block.c: who sees the bit sees the map's and the rule. */
	return smp_load_acquire(&block->live) & map->proto[d->word >> 32 & 0xff] &
	       map->port[0][pfr_port_fold(d->end[0].port)] &
	       map->port[1][pfr_port_fold(d->end[1].port)] & map->addr[0][0][src & 0xff] &
	       map->addr[0][1][src >> 8 & 0xff] & map->addr[0][2][src >> 16 & 0xff] &
	       map->addr[0][3][src >> 24] & map->addr[1][0][dst & 0xff] &
	       map->addr[1][1][dst >> 8 & 0xff] & map->addr[1][2][dst >> 16 & 0xff] &
	       map->addr[1][3][dst >> 24];
}

struct pfr_flow_key {
	u64 addr[2][2]; /* high, low; the smaller end first */
	u16 port[2];
	u16 vlan;
	u8 version, proto;
};

struct pfr_flow {
	struct rhash_head node;
	struct pfr_flow_key key;
	struct pfr_rule rule;
	struct rcu_head rcu;
};

/* Written under ring->mutex, but for the flows, which packets add and delete as well. */
struct pfr_rules {
	struct list_head blocks; /* of wildcard rules, by id; RCU */
	atomic_t flow_count;
	bool accept;			       /* the default policy */
	bool inner;			       /* some rule has looked into tunnels */
	struct pfr_reflector __rcu *reflector; /* of what passes; RTNL */
	struct rhashtable flows;
	bool flows_made;     /* flow_count is not 0 before; mutex */
	struct rb_root tree; /* the wildcard rules by id; mutex */
	u32 wild_count;	     /* mutex */
	u32 rebuilt;	     /* blocks; mutex */
};

/* What a filter plugin found in the packet at hand, for one ring. */
struct pfr_parse {
	u16 plugin_id;
	struct parse_buffer *buffer;
};

/* ring.c */
int pfr_ring_alloc(struct pfr_ring *ring, const struct pfr_ring_req *req);
void pfr_ring_free(struct pfr_ring *ring);
int pfr_ring_mmap(struct file *file, struct socket *sock, struct vm_area_struct *vma);
u32 pfr_ring_queued(struct pfr_ring *ring, u32 enough);
u64 pfr_ring_sum(struct pfr_ring *ring, bool drops);

/* wake.c */
void pfr_wake_init(struct pfr_ring *ring);
void pfr_wake_now(struct pfr_ring *ring, struct pfr_lane *lane);
void pfr_wake_later(struct pfr_ring *ring);
__poll_t pfr_wake_poll(struct pfr_ring *ring);

/* device.c */
int pfr_device_bind(struct pfr_ring *ring, int ifindex, u64 queues);
void pfr_device_unbind(struct pfr_ring *ring);
int pfr_device_promisc(struct pfr_ring *ring, bool on);
void pfr_device_refresh(struct pfr_ring *ring);
struct net_device *pfr_device_get(struct pfr_ring *ring);
extern struct notifier_block pfr_device_notifier;

/* capture.c */
int pfr_capture_hook(struct sk_buff *skb, struct net_device *dev, struct packet_type *pt,
		     struct net_device *orig);
rx_handler_result_t pfr_capture_rx_handler(struct sk_buff **pskb);
bool pfr_capture_one(const struct pfr_sub *sub, struct pfr_frame *f, bool count_drop);

/* When it came, on the host's clock; asked for once, whatever the number of rings. */
static __always_inline u64 pfr_capture_time(struct pfr_frame *f)
{
	if (!f->system)
		f->system = ktime_to_ns(pfr_skb_tstamp(f->skb)) ?: ktime_get_real_ns();
	return f->system;
}

/* filter.c */
bool pfr_filter_pass(struct pfr_ring *ring, struct pfr_rules *rules, struct pfr_frame *f);
u32 pfr_filter_hash(struct pfr_frame *f);
int pfr_filter_add(struct pfr_ring *ring, const struct pfr_rule_req *req);
int pfr_filter_remove(struct pfr_ring *ring, const struct pfr_rule_ref *ref);
int pfr_filter_stats(struct pfr_ring *ring, const struct pfr_rule_ref *ref, void *buf, u32 room);
int pfr_filter_free_id(struct pfr_ring *ring, u32 *id);
int pfr_filter_purge(struct pfr_ring *ring, bool hash, u32 seconds);
int pfr_filter_policy(struct pfr_ring *ring, bool accept);
int pfr_filter_reflector(struct pfr_ring *ring, const char *name);
void pfr_filter_free(struct pfr_ring *ring);
void pfr_rule_init(struct pfr_rule *rule, u8 action);
void pfr_rule_destroy(struct pfr_rule *rule);
bool pfr_rule_is_idle(const struct pfr_rule *rule, u64 now, u32 seconds);

/* filter_wildcard.c */
struct pfr_wild *pfr_wild_create(const struct pfr_rule_req *req);
void pfr_wild_free(struct pfr_wild *w);
bool pfr_wild_matches(const struct pfr_wild *w, const struct pfr_frame *f);

/* filter_block.c */
int pfr_wild_insert(struct pfr_rules *rules, struct pfr_wild *w);
struct pfr_wild *pfr_wild_find(struct pfr_rules *rules, u16 id);
void pfr_wild_remove(struct pfr_rules *rules, struct pfr_wild *w);
void pfr_wild_purge(struct pfr_rules *rules, u32 seconds);
int pfr_wild_free_id(struct pfr_rules *rules, u32 *id);
void pfr_wilds_free(struct pfr_rules *rules);

/* filter_hash.c */
int pfr_flow_check(const struct pfr_rule_ref *ref);
struct pfr_flow *pfr_flow_create(const struct pfr_flow_key *key, u8 action, gfp_t gfp);
void pfr_flow_free(struct pfr_flow *flow);
void pfr_flow_key_ref(const struct pfr_rule_ref *ref, struct pfr_flow_key *key);
struct pfr_flow *pfr_flow_of(struct pfr_rules *rules, const struct pfr_digest *d);
struct pfr_flow *pfr_flow_find(struct pfr_rules *rules, const struct pfr_flow_key *key);
int pfr_flow_insert(struct pfr_rules *rules, struct pfr_flow *flow);
bool pfr_flow_remove(struct pfr_rules *rules, struct pfr_flow *flow);
void pfr_flow_change(struct pfr_ring *ring, struct pfr_rules *rules, struct pfr_rule *rule,
		     struct pfr_frame *f, struct pfr_parse *parse, bool add);
void pfr_flow_purge(struct pfr_rules *rules, u32 seconds);
int pfr_flows_make(struct pfr_rules *rules);
void pfr_flows_free(struct pfr_rules *rules);

/* plugin.c */
int pfr_plugin_attach(struct pfr_ring *ring, struct pfr_rule *rule, const struct pfr_rule_req *req,
		      gfp_t gfp);
void pfr_plugin_detach(struct pfr_rule *rule);
bool pfr_plugin_filter(struct pfr_rule *rule, struct pfr_frame *f, struct pfr_parse *parse);
u8 pfr_plugin_handle(struct pfr_rule *rule, struct pfr_frame *f, struct pfr_parse *parse);
int pfr_plugin_flow(struct pfr_rule *rule, struct pfr_frame *f, struct pfr_parse *parse, bool add,
		    struct pfr_rule_req *req);
void pfr_parse_free(struct pfr_parse *parse);
int pfr_plugin_stats(const struct pfr_rule *rule, void *buf, u32 room);
bool pfr_plugin_idle(const struct pfr_rule *rule, u32 seconds);
int pfr_plugins_show(struct seq_file *m, void *v);
u32 pfr_plugins_count(void);

/* reflect.c */
struct pfr_reflector *pfr_reflector_get(struct pfr_ring *ring, const char *name);
void pfr_reflector_put(struct pfr_reflector *r);
void pfr_reflect(struct pfr_ring *ring, struct pfr_reflector *r, const struct pfr_frame *f,
		 bool bounce);
bool pfr_reflect_loops(struct pfr_ring *ring, int ifindex);
void pfr_reflect_dev_gone(struct pfr_net *pn, struct net_device *dev);
void pfr_reflect_release(struct pfr_ring *ring);
void pfr_reflect_free(struct pfr_ring *ring);
void pfr_reflect_init(void);

/* parse.c, hash.c */
void pfr_parse(const struct sk_buff *skb, int stripped_vlan, bool inner, struct pfr_parsed *p);
u32 pfr_hash_packet(const struct pfr_parsed *p, const struct pfr_end *end);

/* Parsed once, when the first ring or cluster asks. */
static inline const struct pfr_parsed *pfr_frame_parse(struct pfr_frame *f, bool inner)
{
	if (!f->parsed_valid || (inner && !f->parsed_inner)) {
		pfr_parse(f->skb, f->tpid ? f->tci & VLAN_VID_MASK : -1, inner, &f->parsed);
		f->parsed_valid = true;
		f->parsed_inner = inner;
	}
	return &f->parsed;
}
extern u32 pfr_seed;
u32 pfr_hash_flow(const struct pfr_parsed *p, u32 type, struct pfr_frags *frags);
u32 pfr_hash_host(const struct pfr_tuple *t, bool dst);
bool pfr_hash_wants_inner(u32 type);

/* frag.c */
struct pfr_frags *pfr_frags_create(void);
void pfr_frags_destroy(struct pfr_frags *frags);
void pfr_frags_learn(struct pfr_frags *frags, const struct pfr_tuple *t);
void pfr_frags_find(struct pfr_frags *frags, struct pfr_tuple *t);

/* cluster.c */
int pfr_cluster_join(struct pfr_ring *ring, const struct pfr_cluster_req *req);
int pfr_cluster_leave(struct pfr_ring *ring);
int pfr_cluster_regroup(struct pfr_dev *d, struct pfr_cluster *c, gfp_t gfp);
void pfr_cluster_deliver(struct pfr_group *g, struct pfr_frame *f);

/* socket.c */
int pfr_socket_init(void);
void pfr_socket_exit(void);

/* sockopt.c */
int pfr_setsockopt(struct socket *sock, int level, int optname, sockptr_t val, unsigned int len);
int pfr_getsockopt(struct socket *sock, int level, int optname, char __user *val, int __user *len);

/* tx.c */
int pfr_tx_sendmsg(struct socket *sock, struct msghdr *msg, size_t len);
bool pfr_tx_sent_by(const struct pfr_ring *ring, struct sk_buff *skb);

/* proc.c */
int pfr_proc_net_init(struct net *net, struct pfr_net *pn);
void pfr_proc_net_exit(struct net *net, struct pfr_net *pn);
void pfr_proc_add(struct pfr_ring *ring);
void pfr_proc_remove(struct pfr_ring *ring);

/* main.c */
struct pfr_net *pfr_net(struct net *net);

#endif /* PFR_H */
