/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * pf_ring.h - what the kernel and user space of pfring share, and nothing else.
 *
 * Installed as <linux/pf_ring.h>. Part one holds the types that programs
 * written for PF_RING name in their sources (guide 5.4.4, chapters 7 and 10,
 * and today's spellings). Part two is the ring; it has a header of its own,
 * pf_ring_lane.h, which is installed beside this one and comes with it. Part
 * three is the module's socket. No pointer crosses these headers, no structure
 * is packed, and sizes of shared structures are asserted at the end.
 */
#ifndef _UAPI_LINUX_PF_RING_H
#define _UAPI_LINUX_PF_RING_H

#ifdef __KERNEL__
#include <linux/types.h>
#include <linux/in6.h>
#include <linux/if_ether.h>
#else
#include <netinet/in.h>
#include <stdint.h>
#include <sys/time.h>
#include <sys/types.h>
#include <linux/if_ether.h>
#include <linux/types.h>
#endif

/* The socket family of the kernel module (the number that PF_RING took from AF_IB). */
#define PF_RING 27

/* Version as pfring_version() codes it: 5.4.4 is 0x050404. */
#define RING_VERSION     "5.4.4"
#define RING_VERSION_NUM 0x050404

/* Bumped whenever part two changes; the library refuses a module of another ABI. */
#define PF_RING_ABI_VERSION 3

/* ------------------------------------------------------------------------
 * Part one: types named by programs.
 */

#define DEFAULT_BUCKET_LEN      128
#define MAX_NUM_RX_CHANNELS     64     /* queue masks are 64 bits wide */
#define MAX_NUM_DEVICES         256
#define MAX_CLUSTER_QUEUES      64
#define UNKNOWN_INTERFACE       (-1)
#define FAKE_PACKET             (-2)
#define RING_ANY_CHANNEL        ((__u64)-1)
#define UNKNOWN_NUM_RX_CHANNELS 1
#define RING_ANY_VLAN           ((__u16)0xFFFF)
#define RING_NO_VLAN            ((__u16)0)
#define DEFAULT_POLL_WATERMARK  128
#define DEFAULT_MIN_PKT_QUEUED  DEFAULT_POLL_WATERMARK
#define DEFAULT_POLL_DURATION   500 /* ms */
#define DEFAULT_NUM_SLOTS       4096
#define REFLECTOR_NAME_LEN      16 /* IFNAMSIZ; the guide's 8 cannot hold every device name */
#define FILTER_PLUGIN_DATA_LEN  256
#define MAX_PLUGIN_ID           64
#define NO_PLUGIN_ID            0

#define NO_TUNNEL_ID 0xFFFFFFFFu

#define FILTERING_RULE_AUTO_RULE_ID 0xFFFF

/* An address in host byte order for v4, network order for v6. */
typedef union {
	struct in6_addr v6;
	__u32 v4;
} ip_addr;

/*
 * An address under the names that older and newer programs have for it. Not by
 * macros: they would rename members of everybody else's headers (linux/bpf.h).
 */
#define PFR_ADDRESS(ip, ipv4, ipv6)   \
	__extension__ union {         \
		ip_addr ip;           \
		__u32 ipv4;           \
		struct in6_addr ipv6; \
	}

/* Offsets from the start of the frame; -1 where the header is absent. */
struct pkt_offset {
	__s16 eth_offset;
	__s16 vlan_offset;
	__s16 l3_offset;
	__s16 l4_offset;
	__s16 payload_offset;
};

/* What pfring_parse_pkt() finds; ports and ids in host byte order, 0 where absent. */
struct pkt_parsing_info {
	__u8 dmac[ETH_ALEN], smac[ETH_ALEN];
	__u16 eth_type;
	__u16 vlan_id;
	__u16 qinq_vlan_id;
	__u8 ip_version;
	__u8 l3_proto;
	__extension__ union {
		__u8 ip_tos, ipv4_tos, ipv6_tos;
	};
	PFR_ADDRESS(ip_src, ipv4_src, ipv6_src);
	PFR_ADDRESS(ip_dst, ipv4_dst, ipv6_dst);
	__u16 l4_src_port, l4_dst_port;
	__u8 icmp_type, icmp_code;
	struct {
		__u8 flags; /* CWR ECE URG ACK PSH RST SYN FIN, as on the wire (RFC 9293) */
		__u32 seqNum, ackNum;
	} tcp;
	struct {
		__u32 tunnel_id; /* GTP TEID, GRE key or VXLAN VNI; NO_TUNNEL_ID if none */
		__u8 tunneled_ip_version;
		__u8 tunneled_proto;
		ip_addr tunneled_ip_src, tunneled_ip_dst;
		__u16 tunneled_l4_src_port, tunneled_l4_dst_port;
	} tunnel;
	__s32 last_matched_rule_id;
	struct pkt_offset offset;
};

/* pfring_extended_pkthdr.flags and pfring_packet.flags */
#define PKT_FLAGS_CHECKSUM_OFFLOAD 0x0001 /* checksum not yet filled in (outgoing offload) */
#define PKT_FLAGS_CHECKSUM_OK      0x0002
#define PKT_FLAGS_IP_MORE_FRAG     0x0004
#define PKT_FLAGS_IP_FRAG_OFFSET   0x0008
#define PKT_FLAGS_VLAN_HWACCEL     0x0010 /* tag was stripped by NIC or stack and put back */
#define PKT_FLAGS_GSO              0x0020 /* several segments in one frame (GSO or GRO) */
#define PKT_FLAGS_TS_HARDWARE      0x0040 /* time stamp is the adapter's */
#define PKT_FLAGS_FLOW_OFFLOAD_UPDATE 0x0080
#define PKT_FLAGS_FLOW_OFFLOAD_PACKET 0x0100
#define PKT_FLAGS_FLOW_OFFLOAD_MARKER 0x0200

struct pfring_extended_pkthdr {
	__u64 timestamp_ns;
	__u32 flags;
	__u8 rx_direction; /* 1 received, 0 transmitted */
	__u8 port_id;
	__u16 device_id;
	__s32 if_index;
	__u32 pkt_hash; /* bidirectional hash of the addresses and ports, 0 if not asked for */
	struct {
		int bounce_interface; /* UNKNOWN_INTERFACE, or where a callback wants it sent */
		__u32 reserved;       /* a validated id in a kernel table, never a pointer */
	} tx;
	struct {
		__s32 pid;
	} process;
	struct pkt_parsing_info parsed_pkt;
};

#ifndef __KERNEL__
/* Starts exactly as struct pcap_pkthdr: programs cast it for pcap_dump(). */
struct pfring_pkthdr {
	struct timeval ts;
	__u32 caplen;
	__u32 len;
	struct pfring_extended_pkthdr extended_hdr;
};
#endif

typedef enum { rx_and_tx_direction = 0, rx_only_direction, tx_only_direction } packet_direction;

typedef enum {
	send_and_recv_mode = 0,
	send_only_mode,
	recv_only_mode,
	management_only_mode
} socket_mode;

/* The guide prints one snippet with this spelling. */
#define send_and_rcv_mode send_and_recv_mode

/* How a cluster spreads packets over its members. "inner" looks into tunnels. */
typedef enum {
	cluster_per_flow = 0, /* 6-tuple: VLAN, protocol, addresses, ports */
	cluster_round_robin,
	cluster_per_flow_2_tuple,
	cluster_per_flow_4_tuple,
	cluster_per_flow_5_tuple,
	cluster_per_flow_tcp_5_tuple, /* TCP by 5-tuple, everything else by 2-tuple */
	cluster_per_inner_flow,
	cluster_per_inner_flow_2_tuple,
	cluster_per_inner_flow_4_tuple,
	cluster_per_inner_flow_5_tuple,
	cluster_per_inner_flow_tcp_5_tuple,
	cluster_per_flow_ip_5_tuple, /* IP by 5-tuple, the rest to one member */
	cluster_per_inner_flow_ip_5_tuple,
	cluster_per_flow_ip_with_dup_tuple /* a packet goes to the members of both its ends */
} cluster_type;

#define MAX_CLUSTER_TYPE_ID                 cluster_per_flow_ip_with_dup_tuple
#define CLUSTER_OPTION_RELAXED_DISTRIBUTION (1u << 0)

/* Ten actions, with the guide's order and values (chapter 10). */
typedef enum {
	forward_packet_and_stop_rule_evaluation = 0,
	dont_forward_packet_and_stop_rule_evaluation,
	execute_action_and_continue_rule_evaluation,
	execute_action_and_stop_rule_evaluation,
	forward_packet_add_rule_and_stop_rule_evaluation,
	forward_packet_del_rule_and_stop_rule_evaluation,
	reflect_packet_and_stop_rule_evaluation,
	reflect_packet_and_continue_rule_evaluation,
	bounce_packet_and_stop_rule_evaluation,
	bounce_packet_and_continue_rule_evaluation
} rule_action_behaviour;

typedef enum { hardware_and_software = 0, hardware_only, software_only } filtering_mode;

/*
 * Filtering rules (guide 7.10, 7.11 and chapter 10). A zeroed field matches
 * everything. Ports and addresses in host byte order, except IPv6 addresses.
 */
typedef struct {
	__u32 if_index;
	__u8 smac[ETH_ALEN], dmac[ETH_ALEN];
	__u16 vlan_id;
	__u16 eth_type;
	__u8 proto;
	ip_addr shost, dhost;
	ip_addr shost_mask, dhost_mask;
	__u16 sport_low, sport_high;
	__u16 dport_low, dport_high;
	struct {
		__u8 flags; /* all of these TCP flags are set */
	} tcp;
} filtering_rule_core_fields;

typedef struct {
	char payload_pattern[32]; /* a string the payload must hold */
	__u16 filter_plugin_id;   /* plugin that gets filter_plugin_data for matching; 0 none */
	char filter_plugin_data[FILTER_PLUGIN_DATA_LEN];
	struct {
		__u32 tunnel_id; /* GTP TEID, GRE key or VXLAN VNI; NO_TUNNEL_ID matches all */
		ip_addr shost, dhost, shost_mask, dhost_mask;
	} tunnel;
} filtering_rule_extended_fields;

typedef struct {
	__u16 plugin_id; /* 0: no plugin handles matching packets */
} filtering_rule_plugin_action;

/* Kept by whoever evaluates the rules; programs leave it zeroed. */
typedef struct {
	__u64 last_match_ns;
	__u64 reserved;
} filtering_internals;

typedef struct {
	__u16 rule_id; /* rules are tried from the lowest id to the highest */
	rule_action_behaviour rule_action;
	__u8 balance_id, balance_pool; /* pool > 0: forward only if hash % pool == id */
	__u8 locked;                   /* never purged for being idle */
	__u8 bidirectional;            /* also with the peers swapped */
	filtering_rule_core_fields core_fields;
	filtering_rule_extended_fields extended_fields;
	filtering_rule_plugin_action plugin_action;
	char reflector_device_name[REFLECTOR_NAME_LEN];
	filtering_internals internals;
} filtering_rule;

/* Exactly one flow, both directions of it. */
typedef struct {
	__u16 rule_id;
	__u16 vlan_id;
	__u8 ip_version; /* 4 or 6; 0 is taken as 4 */
	__u8 proto;
	PFR_ADDRESS(host_peer_a, host4_peer_a, host6_peer_a);
	PFR_ADDRESS(host_peer_b, host4_peer_b, host6_peer_b);
	__u16 port_peer_a, port_peer_b;
	rule_action_behaviour rule_action;
	filtering_rule_plugin_action plugin_action;
	char reflector_device_name[REFLECTOR_NAME_LEN];
	filtering_internals internals;
} hash_filtering_rule;

/* Part two: the ring, that is its lanes and their records. */
#include "pf_ring_lane.h"

/* ------------------------------------------------------------------------
 * Part three: the socket of the kernel module.
 *
 *      fd = socket(PF_RING, SOCK_RAW, htons(ETH_P_ALL))        CAP_NET_RAW
 *      getsockopt(fd, SOL_PF_RING, PFR_SO_INFO, struct pfr_info)   check abi
 *      setsockopt(fd, SOL_PF_RING, PFR_SO_RING, struct pfr_ring_req)
 *      bind(fd, struct sockaddr_pfr)
 *      mmap() each lane i: all of it read-only from offset i * lane_stride,
 *           then all behind its first page again, writable
 *      setsockopt(fd, SOL_PF_RING, PFR_SO_ACTIVATE)            poll(), read
 *
 * Filters are SO_ATTACH_FILTER, SO_ATTACH_BPF, SO_DETACH_FILTER and
 * SO_LOCK_FILTER at SOL_SOCKET, as on every socket. send() and sendmmsg() send
 * whole frames. Numbers below 200 are those that PF_RING programs know.
 */

#define SOL_PF_RING 0

struct sockaddr_pfr {
	__u16 family;  /* PF_RING */
	__u16 pad;     /* 0 */
	__s32 ifindex; /* 0: every device of the socket's network namespace */
	__u64 queues;  /* bit per receive queue, RING_ANY_CHANNEL for all and for sent packets */
};

/* Set; an int unless another type is named. */
#define PFR_SO_CLUSTER_JOIN      99  /* struct pfr_cluster_req */
#define PFR_SO_CLUSTER_LEAVE     100 /* no value */
#define PFR_SO_ADD_RULE          102 /* struct pfr_rule_req */
#define PFR_SO_REMOVE_RULE       103 /* struct pfr_rule_ref */
#define PFR_SO_POLICY            104 /* packets that no rule decides on: 0 dropped, else accepted */
#define PFR_SO_SAMPLING          105 /* __u32: 1 of so many packets */
#define PFR_SO_ACTIVATE          106 /* no value */
#define PFR_SO_PURGE_HASH        109 /* removes hash rules that were idle for so many seconds */
#define PFR_SO_APPL_NAME         110 /* text */
#define PFR_SO_DIRECTION         111 /* packet_direction */
#define PFR_SO_DISCARD_INJECTED  115 /* do not capture what this socket sent */
#define PFR_SO_DEACTIVATE        116 /* no value */
#define PFR_SO_WATERMARK         117 /* packets that are worth a wake-up */
#define PFR_SO_WATERMARK_TIMEOUT 121 /* ms that one packet may be held back */
#define PFR_SO_SHUTDOWN          124 /* no value: poll() answers POLLHUP from now on */
#define PFR_SO_PURGE_RULES       125 /* wildcard rules likewise, but for the locked ones */
#define PFR_SO_SOCKET_MODE       126 /* socket_mode */
#define PFR_SO_APPL_STATS        133 /* text for /proc/net/pf_ring/stats */
#define PFR_SO_PROMISC           140 /* CAP_NET_ADMIN to set it */
#define PFR_SO_RING              200 /* struct pfr_ring_req, once in a socket's life */
#define PFR_SO_TIMESTAMP         201 /* PFR_TS_* */
#define PFR_SO_SYNC              202 /* no value: returns when every packet that met the old filter,
				      * rules, direction or sampling rate is in the ring or gone */
#define PFR_SO_REFLECTOR         203 /* a device's name, "" for none: what passes all rules goes
				      * out of it, not into the ring; CAP_NET_ADMIN */

/* Get. */
#define PFR_SO_VERSION     170 /* __u32, RING_VERSION_NUM */
#define PFR_SO_RULE_STATS  171 /* in: struct pfr_rule_ref; out: struct pfr_rule_stats, or what the
				* rule's plugin says. ENOSPC with the length needed if there is no room */
#define PFR_SO_FREE_RULE   173 /* __u32, an id for one more wildcard rule: behind all, if it can be */
#define PFR_SO_CHANNELS    174 /* __u32, receive queues of the bound device */
#define PFR_SO_RING_ID     175 /* __u32 */
#define PFR_SO_DEVICE_ADDR 177 /* __u8[6] */
#define PFR_SO_QUEUED      178 /* __u32, packets; stops counting at PFR_MAX_QUEUED */
#define PFR_SO_INFO        210 /* struct pfr_info */
#define PFR_SO_STATS       211 /* struct pfr_stats */

#define PFR_TS_SYSTEM   0 /* the host's clock, read when the packet is captured */
#define PFR_TS_COARSE   1 /* the same in steps of the timer tick: cheaper */
#define PFR_TS_HARDWARE 2 /* the adapter's where a packet has one, flagged PFR_REC_TS_HW */

struct pfr_ring_req {
	__u32 caplen;     /* 1 .. MAX_CAPLEN */
	__u32 lanes;      /* 0: one per CPU; CPUs beyond the last lane share */
	__u64 lane_bytes; /* data of one lane; 0: min_num_slots packets of caplen. Rounded up */
};

#define PFR_MAX_QUEUED    65536
#define PFR_RING_MIN_LANE (64ULL << 10)
#define PFR_RING_MAX_LANE (1ULL << 30)

struct pfr_info {
	__u32 abi;     /* PF_RING_ABI_VERSION */
	__u32 version; /* RING_VERSION_NUM */
	__u32 min_num_slots;
	__u32 transparent_mode;
	__u32 caplen; /* this and the rest: 0 before PFR_SO_RING */
	__u32 lanes;
	__u64 lane_data;   /* data bytes of one lane */
	__u64 lane_stride; /* from one lane to the next in the file */
};

struct pfr_cluster_req {
	__u32 id;
	__u32 consumer; /* 0 .. MAX_CLUSTER_QUEUES - 1, or PFR_CONSUMER_AUTO */
	__u32 type;     /* cluster_type */
	__u32 options;  /* CLUSTER_OPTION_* */
};

#define PFR_CONSUMER_AUTO 0xFFFFFFFFu

/* matched = recv + drop + filtered + sampled_out, exactly. */
struct pfr_stats {
	__u64 recv;        /* entered the ring */
	__u64 drop;        /* passed everything and found no room */
	__u64 filtered;    /* refused by the filter, by a rule or by the policy */
	__u64 sampled_out; /* skipped by sampling */
	__u64 wakeups;
	__u64 tx;          /* frames that the device queue took */
	__u64 tx_errors;
	__u64 reflected;
	__u64 reflect_errors;
	__u64 rule_filtered; /* of filtered: not by the filter */
	__u64 rule_errors; /* hash rules that a packet should have added: no memory or no room */
};

#define PFR_MAX_RULE_STATS 4096 /* bytes that a plugin may say of a rule */

#define PFR_RULE_WILDCARD 0
#define PFR_RULE_HASH     1

#define PFR_MAX_RULES      65535   /* ids 0 .. 65534 */
#define PFR_MAX_HASH_RULES 1048576 /* per ring, as the wildcard rules */

/* Which rule. Of what its kind does not use everything is 0. */
struct pfr_rule_ref {
	__u32 kind;      /* PFR_RULE_* */
	__u16 rule_id;   /* wildcard */
	__u16 vlan_id;   /* hash, and so the rest */
	__u8 ip_version; /* 4, 6; 0 is 4 */
	__u8 proto;
	__u16 port_a, port_b;
	__u16 reserved;
	ip_addr peer_a, peer_b;
};

/* A rule as filtering_rule and hash_filtering_rule have it; behind reflector for wildcard only. */
struct pfr_rule_req {
	struct pfr_rule_ref ref;
	__u32 action; /* rule_action_behaviour */
	__u16 plugin_id;
	__u8 locked;
	__u8 reserved;
	char reflector[REFLECTOR_NAME_LEN];
	__u32 if_index;
	__u32 tunnel_id;
	__u8 smac[ETH_ALEN], dmac[ETH_ALEN];
	__u16 vlan_id, eth_type;
	__u16 sport_low, sport_high, dport_low, dport_high;
	__u8 proto, tcp_flags;
	__u8 balance_id, balance_pool;
	__u8 bidirectional;
	__u8 reserved2;
	__u16 filter_plugin_id;
	ip_addr shost, dhost, shost_mask, dhost_mask;
	ip_addr tunnel_shost, tunnel_dhost, tunnel_shost_mask, tunnel_dhost_mask;
	char payload_pattern[32];
	char filter_plugin_data[FILTER_PLUGIN_DATA_LEN];
};

struct pfr_rule_stats {
	__u64 match;      /* packets that the rule matched */
	__u64 filtered;   /* of them not forwarded by it */
	__u64 forwarded;  /* of them forwarded by it */
	__u32 inactivity; /* seconds since the last, or since the rule was added */
	__u32 reserved;
};

PFR_ASSERT(sizeof(struct sockaddr_pfr) == 16, "sockaddr_pfr is what bind() takes");
PFR_ASSERT(sizeof(struct pfr_ring_req) == 16 && sizeof(struct pfr_info) == 40 &&
		   sizeof(struct pfr_cluster_req) == 16 && sizeof(struct pfr_stats) == 88,
	   "options are the same for 32 and 64-bit programs");
PFR_ASSERT(sizeof(struct pfr_rule_ref) == 48 && sizeof(struct pfr_rule_req) == 528 &&
		   sizeof(struct pfr_rule_stats) == 32,
	   "options are the same for 32 and 64-bit programs");
#ifndef __KERNEL__
PFR_ASSERT(sizeof(struct timeval) == 16, "pfring_pkthdr must start as pcap_pkthdr");
#endif

#endif /* _UAPI_LINUX_PF_RING_H */
