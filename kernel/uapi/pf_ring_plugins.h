/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * pf_ring_plugins.h - what programs and the plugins in kernel/plugins share.
 *
 * Installed as <linux/pf_ring_plugins.h>. A *_filter goes into a rule's
 * extended_fields.filter_plugin_data, zeroed members match everything; a
 * *_stats is what pfring_get_filtering_rule_stats() gives of a rule that the
 * plugin handles.
 */
#ifndef _UAPI_LINUX_PF_RING_PLUGINS_H
#define _UAPI_LINUX_PF_RING_PLUGINS_H

#include <linux/types.h>

#define DUMMY_PLUGIN_ID 1
#define SIP_PLUGIN_ID 2
#define RTP_PLUGIN_ID 12

/* The payload begins with this text. */
struct dummy_filter {
	char begin[32];
};

struct dummy_stats {
	__u64 packets, bytes;
};

/* RFC 3261 and its extensions. */
enum sip_method {
	method_any = 0,
	method_invite,
	method_ack,
	method_bye,
	method_cancel,
	method_options,
	method_register,
	method_prack,
	method_subscribe,
	method_notify,
	method_publish,
	method_info,
	method_refer,
	method_message,
	method_update,
	method_response, /* no request, but an answer to one */
	method_last = method_response
};

/* Text ends with a NUL unless it fills its member. */
struct sip_filter {
	__u32 method;	 /* enum sip_method */
	char caller[64]; /* From: user, or user@host */
	char called[64]; /* To: the same */
	char call_id[124];
};

struct sip_stats {
	__u64 messages[method_last + 1]; /* by method; [method_any]: none that we know */
	__u64 malformed;		 /* not SIP */
};

struct rtp_filter {
	__u32 ssrc;	  /* 0: any */
	__u32 clock_rate; /* Hz; 0: by the payload type (RFC 3551), 8000 if that says nothing */
};

/* One source, as its receiver would report it (RFC 3550, 6.4.1). */
struct rtp_flow_stats {
	__u32 ssrc;
	__u16 src_port, dst_port;
	__u32 clock_rate;
	__u32 jitter;  /* in units of the RTP time stamp */
	__u32 packets; /* received */
	__s32 lost;    /* expected less received; duplicates make it negative */
	__u32 max_seq; /* highest sequence number, with its cycles above 16 bits */
	__u32 reserved;
};

#define RTP_MAX_FLOWS 64

/* What is written ends behind the last flow. */
struct rtp_stats {
	__u32 flows;
	__u32 malformed; /* packets that are not RTP version 2 */
	__u64 untracked; /* packets of flows beyond RTP_MAX_FLOWS */
	struct rtp_flow_stats flow[RTP_MAX_FLOWS];
};

#endif /* _UAPI_LINUX_PF_RING_PLUGINS_H */
