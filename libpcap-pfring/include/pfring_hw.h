/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfring_hw.h - what PF_RING programs ask of adapters: flow rules in the NIC,
 * chunks, card settings, and the calls that only PF_RING's own adapters and
 * commercial modules have. Included by pfring.h, never alone.
 *
 * Rules go to the driver through ethtool's receive classification, so every
 * in-tree driver with "ntuple" serves. What no Linux driver can do is answered
 * -EOPNOTSUPP, with a sentence in pfring_last_error(); docs/tools.md lists those.
 */
#ifndef PFRING_HW_H
#define PFRING_HW_H

#include <linux/pf_ring.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Which member of hw_filtering_rule.rule_family is filled in. */
typedef enum {
	intel_82599_five_tuple_rule,
	intel_82599_perfect_filter_rule,
	silicom_redirector_rule, /* -EOPNOTSUPP: their own driver only */
	generic_flow_id_rule,	 /* -EOPNOTSUPP: flow ids come from flow offload adapters only */
	generic_flow_tuple_rule
} hw_filtering_rule_type;

/*
 * IPv4 addresses and ports are in host byte order; what is 0 matches all. proto
 * is TCP, UDP or SCTP where ports are given. A queue_id that the adapter does
 * not have drops the packets in the adapter (guide 7.11).
 */
typedef struct {
	u_int8_t proto;
	u_int32_t s_addr, d_addr;
	u_int16_t s_port, d_port;
	u_int16_t queue_id;
} intel_82599_five_tuple_filter_hw_rule;

typedef struct {
	u_int16_t vlan_id;
	u_int8_t proto;
	u_int32_t s_addr, d_addr;
	u_int16_t s_port, d_port;
	u_int16_t queue_id;
} intel_82599_perfect_filter_hw_rule;

typedef enum { drop_rule, redirect_rule, mirror_rule } silicom_redirector_rule_type;

typedef struct {
	silicom_redirector_rule_type rule_type;
	u_int8_t rule_port, rule_target_port;
	u_int16_t vlan_id_low, vlan_id_high;
	u_int8_t l3_proto;
	ip_addr src_addr, dst_addr;
	u_int32_t src_mask, dst_mask;
	u_int16_t src_port_low, src_port_high;
	u_int16_t dst_port_low, dst_port_high;
} silicom_redirector_hw_rule;

/* mark and steer have no meaning without flow offload: -EOPNOTSUPP. */
typedef enum {
	flow_drop_rule,
	flow_pass_rule,
	flow_mark_rule,
	flow_steer_rule
} generic_flow_rule_action_type;

typedef struct {
	generic_flow_rule_action_type action;
	u_int32_t flow_id;
	u_int32_t thread;
} generic_flow_id_hw_rule;

typedef struct {
	generic_flow_rule_action_type action;
	ip_addr src_ip, dst_ip; /* v4 in host, v6 in network byte order */
	u_int16_t src_port, dst_port;
	u_int8_t ip_version; /* 4 or 6; 0 is 4 */
	u_int8_t protocol;
	u_int8_t interface; /* ignored: the bound one */
} generic_flow_tuple_hw_rule;

typedef struct {
	hw_filtering_rule_type rule_family_type;
	u_int16_t rule_id;  /* FILTERING_RULE_AUTO_RULE_ID: chosen, and written back */
	u_int16_t priority; /* ignored: lower ids come first in the adapter */
	union {
		intel_82599_five_tuple_filter_hw_rule five_tuple_rule;
		intel_82599_perfect_filter_hw_rule perfect_rule;
		silicom_redirector_hw_rule redirector_rule;
		generic_flow_id_hw_rule flow_id_rule;
		generic_flow_tuple_hw_rule flow_tuple_rule;
	} rule_family;
} hw_filtering_rule;

typedef enum { default_drop = 0, default_pass } generic_default_action_type;

/*
 * Puts a rule into the bound adapter. A rule_id is the adapter's place for it.
 * -EINVAL: malformed; -EOPNOTSUPP: the adapter has no such rules; -EPERM:
 * CAP_NET_ADMIN is needed; -ENOSPC: its table is full. Rules stay until they
 * are removed: they belong to the adapter, not to the ring.
 */
int pfring_add_hw_rule(pfring *ring, hw_filtering_rule *rule);
/* By the rule's rule_id. -ENOENT: the adapter has none there. */
int pfring_remove_hw_rule(pfring *ring, hw_filtering_rule *rule);
int pfring_remove_hw_rule_id(pfring *ring, u_int16_t rule_id);
/*
 * Where the calls for wildcard and hash rules put them from now on (docs/filters.md).
 * software_only: as opened. hardware_and_software: into software, and what the
 * adapter takes into the adapter as well. hardware_only: into the adapter, or they
 * fail; -EOPNOTSUPP if it has no rules. Such rules leave it when the ring is closed.
 */
int pfring_set_filtering_mode(pfring *ring, filtering_mode mode);
/* default_pass is what adapters do; default_drop is -EOPNOTSUPP. */
int pfring_set_default_hw_action(pfring *ring, generic_default_action_type action);

/* pfring_remove_hw_rule() takes the guide's rule and today's rule id. */
#ifdef __cplusplus
extern "C++" inline int pfring_remove_hw_rule(pfring *ring, u_int16_t rule_id)
{
	return pfring_remove_hw_rule_id(ring, rule_id);
}
#elif __STDC_VERSION__ >= 201112L
#define pfring_remove_hw_rule(ring, rule)                                                          \
	_Generic((rule), hw_filtering_rule *                                                       \
		 : pfring_remove_hw_rule, default                                                  \
		 : pfring_remove_hw_rule_id)((ring), (rule))
#endif

/*
 * Opens a ring whose packets, those that pass its filter, are all shown to a plugin
 * of the kernel module on their way: a rule with id 0 sees to it. consumer_data, if
 * there is any, is the plugin's filter. Plugin 0: the same as pfring_open().
 */
pfring *pfring_open_consumer(const char *device_name, u_int32_t caplen, u_int32_t flags,
			     u_int8_t consumer_plugin_id, char *consumer_data,
			     u_int consumer_data_len);

/* The frame without anything above this layer. */
typedef enum {
	FULL_PACKET_SLICING = 0,
	L2_SLICING, /* up to the network header */
	L3_SLICING, /* up to the transport header */
	L4_SLICING  /* up to the payload */
} packet_slicing_level;

/* Keeps the headers up to level and additional_bytes more of each packet. */
int pfring_set_packet_slicing(pfring *ring, packet_slicing_level level, u_int32_t additional_bytes);

typedef struct {
	u_int32_t max_packet_size; /* bytes on the wire, without checksum */
	u_int32_t rx_ring_slots;   /* 0: the driver does not tell */
	u_int32_t tx_ring_slots;
} pfring_card_settings;

int pfring_get_card_settings(pfring *ring, pfring_card_settings *settings);
/* Mbit/s, 0 if unknown. */
u_int32_t pfring_get_ethtool_link_speed(const char *ifname);

/* For every user of the interface, until somebody takes it back. CAP_NET_ADMIN. */
int pfring_set_if_promisc(const char *device, int set_promisc);
/* A ring is bound by pfring_open(): 0 for that device, -EOPNOTSUPP for another. */
int pfring_bind(pfring *ring, const char *device_name);
/* Gives packets back to the ring that were handed out whole; reading does so by itself. */
void pfring_sync_indexes_with_kernel(pfring *ring);
/*
 * Writes test_len bytes (1 .. MAX_CAPLEN) through a ring in memory and reads
 * them back into buffer. Returns test_len; -EIO if a byte came back wrong.
 */
int pfring_loopback_test(pfring *ring, char *buffer, u_int buffer_len, u_int test_len);

/* A batch in one piece: *chunk is then an array of struct pfring_packet. */
typedef struct {
	u_int32_t length; /* bytes of the array */
	u_int32_t num_packets;
} pfring_chunk_info;

/*
 * All packets that are there at once, at least one if waiting; valid until the
 * next receive call. 1, 0 if there is none, or negative as pfring_recv().
 */
int pfring_recv_chunk(pfring *ring, void **chunk, pfring_chunk_info *chunk_info,
		      u_int8_t wait_for_incoming_chunk);
/* The struct pfring_packet of the packet that the last receive call returned. -EAGAIN: none. */
int pfring_get_metadata(pfring *ring, u_char **metadata, u_int32_t *metadata_len);

/*
 * Time stamps that taps and switches put behind each frame: Ixia, VSS Monitoring
 * and APCON, MetaWatch (Metamako, Arista 7130), Arista 7150. A ring opened with
 * PF_RING_IXIA_TIMESTAMP, PF_RING_VSS_APCON_TIMESTAMP, PF_RING_METAWATCH_TIMESTAMP
 * or PF_RING_ARISTA_TIMESTAMP takes the time of its packets from there, and
 * shortens them by it; of several flags the first in this order counts. These
 * calls do the same to one packet. Times are UTC; docs/tools.md has the rest.
 *
 * ..._read_...: how many bytes the stamp takes at the end of buffer, 0 and a zero
 * time if there is none. ..._handle_...: moves it into hdr, whose caplen and len
 * get shorter; 0 also if there is none; -EMSGSIZE if the end was not captured.
 */
int pfring_read_ixia_hw_timestamp(u_char *buffer, u_int32_t buffer_len, struct timespec *ts);
int pfring_handle_ixia_hw_timestamp(u_char *buffer, struct pfring_pkthdr *hdr);
int pfring_read_vss_apcon_hw_timestamp(u_char *buffer, u_int32_t buffer_len, struct timespec *ts);
int pfring_handle_vss_apcon_hw_timestamp(u_char *buffer, struct pfring_pkthdr *hdr);
int pfring_read_metawatch_hw_timestamp(u_char *buffer, u_int32_t buffer_len, struct timespec *ts);
int pfring_read_metawatch_device_info(u_char *buffer, u_int32_t buffer_len, u_int16_t *device_id,
				      u_int8_t *port_id);
/* Also fills in extended_hdr.device_id and port_id. */
int pfring_handle_metawatch_hw_timestamp(u_char *buffer, struct pfring_pkthdr *hdr);
/*
 * A 7150 stamps packets with a counter, and says in key frames what time it was
 * when that stood where. 0 with both, -ENOENT if the packet is none. The other
 * calls of this thread go by the last one; before it their time is 0, or stays.
 */
int pfring_read_arista_7150_keyframe(u_char *buffer, u_int32_t buffer_len, u_int64_t *ns_ts,
				     u_int32_t *ticks_ts);
int pfring_read_arista_7150_hw_timestamp(u_char *buffer, u_int32_t buffer_len, u_int64_t *ns_ts);
/* 1: a key frame, to be skipped. */
int pfring_handle_arista_hw_timestamp(u_char *buffer, struct pfring_pkthdr *hdr);
#define pfring_read_arista_keyframe pfring_read_arista_7150_keyframe
#define pfring_read_arista_hw_timestamp pfring_read_arista_7150_hw_timestamp
/* PF_RING's library then prints what it reads; this one never prints. */
static inline void pfring_enable_hw_timestamp_debug(void)
{
}

/* The adapter's own clock and time stamps, its receive queues, its packets' VLANs. */
int pfring_enable_hw_timestamp(pfring *ring, const char *device_name, u_int8_t enable_rx,
			       u_int8_t enable_tx);
int pfring_get_device_clock(pfring *ring, struct timespec *ts);
int pfring_set_device_clock(pfring *ring, struct timespec *ts);
int pfring_adjust_device_clock(pfring *ring, struct timespec *offset, int8_t sign);
/* Only packets of these receive queues (channels), a number or a bit each. */
int pfring_set_channel_id(pfring *ring, u_int32_t channel_id);
int pfring_set_channel_mask(pfring *ring, u_int64_t channel_mask);
/*
 * Rings on single queues share packets by a hash that is equal for both
 * directions of a flow, whatever the adapter did. Nothing to do for a ring on
 * all queues. -EOPNOTSUPP over the module: use pfring_set_cluster() there.
 */
int pfring_enable_rss_rehash(pfring *ring);
/*
 * Only received packets whose outermost tag has this id; RING_NO_VLAN: only those
 * without a tag. RING_ANY_VLAN: all packets again.
 */
int pfring_set_vlan_id(pfring *ring, u_int16_t vlan_id);

/* Calls for adapters and modules that only PF_RING's makers have: -EOPNOTSUPP. */
typedef struct pfring_flow_update pfring_flow_update;
typedef struct {
	u_int8_t id;
	u_int8_t device_type;
	char device_name[IFNAMSIZ];
} virtual_filtering_device_info;

int pfring_recv_flow(pfring *ring, pfring_flow_update *flow, u_int8_t wait_for_flows);
int pfring_set_virtual_device(pfring *ring, virtual_filtering_device_info *info);
int pfring_set_master_id(pfring *ring, u_int32_t master_id);
int pfring_set_master(pfring *ring, pfring *master);
int pfring_set_bound_dev_name(pfring *ring, char *custom_dev_name);
/* 0 is off, as it always is. */
int pfring_set_filtering_sampling_rate(pfring *ring, u_int32_t rate);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* PFRING_HW_H */
