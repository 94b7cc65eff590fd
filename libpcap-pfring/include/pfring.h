/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfring.h - the public interface of libpfring.
 *
 * Part one is the PF_RING API (guide 5.4.4, chapter 7; today's additional
 * spellings where they have a meaning here). Part two, from "Extensions" on,
 * is what this library adds: options, batches, error texts, the path taken.
 *
 * Conventions: 0 or a positive number is success; a negative number is a
 * negated errno value (the PF_RING_ERROR_* names are such values). After any
 * failure pfring_last_error() has one sentence on what failed and what to do.
 * A handle belongs to one thread at a time unless opened PF_RING_REENTRANT;
 * pfring_breakloop() may be called from any thread or signal handler.
 * The library never prints and never exits.
 */
#ifndef PFRING_H
#define PFRING_H

/* u_int, u_char, IFNAMSIZ: with -std=c99 the C library would leave them out. */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE
#endif

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include <linux/pf_ring.h>

#ifdef ENABLE_BPF
#include <pcap/bpf.h>
#include <pcap/pcap.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#if !defined(likely) && !defined(__cplusplus) /* [[likely]] is an attribute there */
#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#endif
#ifndef min_val
#define min_val(a, b) ((a) < (b) ? (a) : (b))
#define max_val(a, b) ((a) > (b) ? (a) : (b))
#endif

/* Flags of pfring_open(). Those marked * change nothing on backends without the feature. */
#define PF_RING_ZC_SYMMETRIC_RSS      (1u << 0) /* * both directions of a flow to one queue */
#define PF_RING_DNA_SYMMETRIC_RSS     PF_RING_ZC_SYMMETRIC_RSS
#define PF_RING_REENTRANT             (1u << 1) /* calls of several threads are serialised */
#define PF_RING_LONG_HEADER           (1u << 2) /* fill pfring_pkthdr.extended_hdr.parsed_pkt */
#define PF_RING_PROMISC               (1u << 3)
#define PF_RING_TIMESTAMP             (1u << 4) /* time stamps are always delivered */
#define PF_RING_HW_TIMESTAMP          (1u << 5) /* the adapter's time stamps, or open fails */
#define PF_RING_RX_PACKET_BOUNCE      (1u << 6) /* pfring_send_last_rx_packet() will be used */
#define PF_RING_ZC_FIXED_RSS_Q_0      (1u << 7) /* * */
#define PF_RING_STRIP_HW_TIMESTAMP    (1u << 8) /* * */
#define PF_RING_DO_NOT_PARSE          (1u << 9)
#define PF_RING_DO_NOT_TIMESTAMP      (1u << 10)
#define PF_RING_CHUNK_MODE            (1u << 11) /* * */
#define PF_RING_IXIA_TIMESTAMP        (1u << 12) /* time stamps behind frames (pfring_hw.h) */
#define PF_RING_USERSPACE_BPF         (1u << 13) /* filters run in the library */
#define PF_RING_ZC_NOT_REPROGRAM_RSS  (1u << 14) /* * */
#define PF_RING_VSS_APCON_TIMESTAMP   (1u << 15) /* the same, of VSS Monitoring and APCON */
#define PF_RING_ZC_IPONLY_RSS         (1u << 16) /* * */
#define PF_RING_FLOW_OFFLOAD          (1u << 17) /* * */
#define PF_RING_FLOW_OFFLOAD_NOUPDATES (1u << 18) /* * */
#define PF_RING_FLOW_OFFLOAD_NORAWDATA (1u << 18) /* * */
#define PF_RING_KEEP_CRC              (1u << 19) /* * */
#define PF_RING_L7_FILTERING          (1u << 20) /* * */
#define PF_RING_DO_NOT_STRIP_FCS      (1u << 21) /* * */
#define PF_RING_TX_BPF                (1u << 22) /* the filter also applies to pfring_send() */
#define PF_RING_FLOW_OFFLOAD_TUNNEL   (1u << 23) /* * */
#define PF_RING_DISCARD_INJECTED_PKTS (1u << 24) /* do not capture what this process sends */
#define PF_RING_ARISTA_TIMESTAMP      (1u << 25) /* the same, of Arista 7150 switches */
#define PF_RING_METAWATCH_TIMESTAMP   (1u << 26) /* the same, of MetaWatch */
#define PF_RING_HW_TIMESTAMP_UNSYNC   (1u << 27) /* * the adapter's clock is never set anyway */
#define PF_RING_DNA_FIXED_RSS_Q_0     PF_RING_ZC_FIXED_RSS_Q_0

#define PF_RING_API_RECV_BURST /* programs test it for pfring_recv_burst() */

#define PF_RING_ERROR_GENERIC              (-EIO)
#define PF_RING_ERROR_INVALID_ARGUMENT     (-EINVAL)
#define PF_RING_ERROR_NO_PKT_AVAILABLE     (-EAGAIN)
#define PF_RING_ERROR_NO_TX_SLOT_AVAILABLE (-ENOBUFS)
#define PF_RING_ERROR_WRONG_CONFIGURATION  (-EBADRQC)
#define PF_RING_ERROR_END_OF_DEMO_MODE     (-EKEYEXPIRED)
#define PF_RING_ERROR_NOT_SUPPORTED        (-EOPNOTSUPP)
#define PF_RING_ERROR_INVALID_LIB_VERSION  (-EPROTO)
#define PF_RING_ERROR_UNKNOWN_ADAPTER      (-ENODEV)
#define PF_RING_ERROR_NOT_ENOUGH_MEMORY    (-ENOMEM)
#define PF_RING_ERROR_INVALID_STATUS       (-EBADFD)
#define PF_RING_ERROR_RING_NOT_ENABLED     (-ENETDOWN)

/*
 * A handle. Only these two members are public, because programs of the field
 * read them; both stay as pfring_open() leaves them.
 */
typedef struct __pfring pfring;

/* One packet of pfring_recv_burst(). */
typedef struct {
	u_int64_t id; /* place in the burst */
	struct timespec ts;
	u_int32_t caplen;
	u_int32_t len;
	u_int32_t hash;
	u_int16_t flags;
	u_int8_t *data;
} pfring_packet_info;

struct __pfring {
	u_int8_t zc_device; /* 1 if packets are read from adapter memory (DNA) */
	int (*recv_burst)(pfring *, pfring_packet_info *, u_int8_t, u_int8_t); /* NULL: not offered */
};

/* recv: packets that entered the ring; drop: packets that passed the filter and found no room. */
typedef struct {
	u_int64_t recv;
	u_int64_t drop;
	u_int64_t shunt; /* packets a hardware flow rule kept away */
} pfring_stat;

typedef struct _pfring_if {
	char *name;        /* what pfring_open() takes */
	char *system_name; /* the interface's name in the system */
	char *module;      /* backend */
	char *sn;
	u_char mac[6];
	struct {
		u_int16_t domain, bus, device, function;
	} bus_id;
	int status; /* 1: up */
	struct {
		u_int8_t type;
		u_int64_t expiration;
	} license;
	struct _pfring_if *next;
} pfring_if_t;

/* Per-packet callback; the header and the bytes are valid during the call only. */
typedef void (*pfringProcessPacket)(const struct pfring_pkthdr *h, const u_char *p,
				    const u_char *user_bytes);
typedef pfringProcessPacket pfringProcesssPacket; /* spelling of PF_RING's own header */

typedef pthread_rwlock_t pfring_rwlock_t;
#define pfring_rwlock_init    pthread_rwlock_init
#define pfring_rwlock_rdlock  pthread_rwlock_rdlock
#define pfring_rwlock_wrlock  pthread_rwlock_wrlock
#define pfring_rwlock_unlock  pthread_rwlock_unlock
#define pfring_rwlock_destroy pthread_rwlock_destroy

/*
 * 7.4 Opening. device_name: see docs/backends.md ("eth0", "any", "eth0@2",
 * "packet:eth0", "file:trace.pcap" ...). caplen: bytes kept of each packet
 * (0 or more than MAX_CAPLEN: MAX_CAPLEN). The ring is disabled until
 * pfring_enable_ring(). Returns NULL with errno and pfring_last_error() set.
 */
pfring *pfring_open(const char *device_name, u_int32_t caplen, u_int32_t flags);

/* One ring per receive queue of the device. Returns how many were opened, 0 on failure. */
u_int8_t pfring_open_multichannel(const char *device_name, u_int32_t caplen, u_int32_t flags,
				  pfring *ring[MAX_NUM_RX_CHANNELS]);

/*
 * 7.5 Closing. May be called from a signal handler, at any instant (not with
 * "file:" and "pcap:", which free memory), and from another thread: a wait
 * ends, the ring is freed by whoever leaves it last, and calls that come late
 * give -EBADF. What was handed out without copying is gone.
 */
void pfring_close(pfring *ring);
/* Wakes a waiting reader; later receive calls return -EPIPE. The handle stays to be closed. */
void pfring_shutdown(pfring *ring);

/*
 * 7.6 Reading. buffer_len 0: *buffer is set to the packet in the ring, valid
 * until the next receive call. Otherwise at most buffer_len bytes are copied
 * to *buffer. Returns 1 on a packet; 0 if none is there (not waiting); -EINTR
 * after pfring_breakloop(); -ENODATA at the end of a file; another negative
 * number on error.
 */
int pfring_recv(pfring *ring, u_char **buffer, u_int buffer_len, struct pfring_pkthdr *hdr,
		u_int8_t wait_for_incoming_packet);
/* The same with the packet parsed up to level (2..4), stamped and hashed as asked. */
int pfring_recv_parsed(pfring *ring, u_char **buffer, u_int buffer_len, struct pfring_pkthdr *hdr,
		       u_int8_t wait_for_incoming_packet, u_int8_t level, u_int8_t add_timestamp,
		       u_int8_t add_hash);
/* Up to num_packets (at most 255) without copying. Returns how many. */
int pfring_recv_burst(pfring *ring, pfring_packet_info *packets, u_int8_t num_packets,
		      u_int8_t wait_for_packets);
/*
 * Calls looper for each packet until pfring_breakloop(), the end of a file
 * (both return 0) or an error (negative). wait_for_packet 0 polls actively.
 */
int pfring_loop(pfring *ring, pfringProcessPacket looper, const u_char *user_bytes,
		u_int8_t wait_for_packet);
void pfring_breakloop(pfring *ring);
/*
 * Arrival time of the next queued packet, without taking it. -EAGAIN if there
 * is none. This and the next two count as receive calls: bytes that were handed
 * out without copying may be gone afterwards.
 */
int pfring_next_pkt_time(pfring *ring, struct timespec *ts);
int pfring_next_pkt_raw_timestamp(pfring *ring, u_int64_t *timestamp_ns);
int pfring_is_pkt_available(pfring *ring);
/* Packets taken from the ring and not handed out yet; more may be in the ring. */
u_int32_t pfring_get_num_queued_pkts(pfring *ring);

/* 7.7 Clusters: the members of one cluster share the packets of a device. */
int pfring_set_cluster(pfring *ring, u_int clusterId, cluster_type the_type);
int pfring_set_cluster_consumer(pfring *ring, u_int clusterId, u_int consumerId,
				cluster_type the_type, u_int32_t options);
int pfring_remove_from_cluster(pfring *ring);

/* 7.9 Sampling: one of rate packets that passed every filter is delivered; 1 is off. */
int pfring_set_sampling_rate(pfring *ring, u_int32_t rate);

/* 7.10.3 BPF filters, in pcap-filter(7) syntax. The old filter stays if the new one fails. */
int pfring_set_bpf_filter(pfring *ring, const char *filter_buffer);
int pfring_remove_bpf_filter(pfring *ring);
/*
 * The same by hand, for Ethernet frames. filter is a struct bpf_program, or
 * where pcap's headers are not included the one below, which looks the same.
 * Its instructions are freed by pfring_free_bpf_filter().
 */
struct pfring_bpf_insn {
	u_int16_t code;
	u_int8_t jt, jf;
	u_int32_t k;
};
struct pfring_bpf_program {
	u_int bf_len;
	struct pfring_bpf_insn *bf_insns;
};
int pfring_parse_bpf_filter(const char *filter_buffer, u_int caplen, void *filter);
void pfring_free_bpf_filter(void *filter);
/* Runs a program over bytes as they are. Returns bytes to keep, 0: refused or no program. */
u_int32_t pfring_bpf_filter(void *bpf_insn, u_char *buffer, u_int32_t caplen, u_int32_t len);

/*
 * 7.10 to 7.12 Filtering rules: what they match and do is told in docs/filters.md.
 * Per packet: BPF filter, hash rules, wildcard rules from the lowest id up, the
 * default policy, sampling. They apply to packets that come after the call. What
 * a rule refuses counts in pfring_stats64.filtered_user and is no drop.
 *
 * Errors: -EINVAL malformed, -EEXIST id or flow taken, -ENOENT no such rule,
 * -ENOSPC table full, -EOPNOTSUPP a plugin where there are none; for a device to
 * reflect to -ENODEV, -ELOOP the ring's own, -EPERM no CAP_NET_ADMIN.
 */

/* What a statistics call writes, unless a plugin has its own. */
typedef struct {
	u_int64_t match;         /* packets that the rule matched */
	u_int64_t filtered;      /* of them, refused by it */
	u_int64_t match_forward; /* of them, forwarded by it; neither where evaluation went on */
	u_int32_t inactivity;    /* seconds since the last match, or since the rule was added */
} hash_filtering_rule_stats;
typedef hash_filtering_rule_stats filtering_rule_stats;

/* rule_id FILTERING_RULE_AUTO_RULE_ID: one is chosen behind all others and written back. */
int pfring_add_filtering_rule(pfring *ring, filtering_rule *rule_to_add);
int pfring_remove_filtering_rule(pfring *ring, u_int16_t rule_id);
/* *stats_len: room in, bytes written out; -ENOSPC with what is needed if that is too little. */
int pfring_get_filtering_rule_stats(pfring *ring, u_int16_t rule_id, char *stats,
				    u_int *stats_len);
/* Removes the rules that matched nothing for so long (0: all) and are not locked. */
int pfring_purge_idle_rules(pfring *ring, u_int16_t inactivity_sec);
/* Adds or removes a rule for exactly one flow, both directions of it. */
int pfring_handle_hash_filtering_rule(pfring *ring, hash_filtering_rule *rule_to_add,
				      u_char add_rule);
int pfring_get_hash_filtering_rule_stats(pfring *ring, hash_filtering_rule *rule, char *stats,
					 u_int *stats_len);
int pfring_purge_idle_hash_rules(pfring *ring, u_int16_t inactivity_sec);
/* What happens to packets that no rule decides on: 1 accepted (as opened), 0 refused. */
int pfring_toggle_filtering_policy(pfring *ring, u_int8_t rules_default_accept_policy);
/* Only packets with this string (up to 32 bytes) in their payload, or one searched before. */
int pfring_search_payload(pfring *ring, const char *string_to_search);
/*
 * What passes every rule goes out of this device instead of into the ring; NULL
 * ends that. Counted as reflected and as filtered.
 */
int pfring_set_reflector_device(pfring *ring, char *device_name);

/* Today's form of the call has three arguments. */
static inline int pfring_hash_rule_stats(pfring *ring, hash_filtering_rule *rule,
					 hash_filtering_rule_stats *stats)
{
	u_int len = sizeof(*stats);

	return pfring_get_hash_filtering_rule_stats(ring, rule, (char *)stats, &len);
}
#define PFRING_FIFTH(a, b, c, d, e, ...) e
#define pfring_get_hash_filtering_rule_stats(...)                                                  \
	PFRING_FIFTH(__VA_ARGS__, pfring_get_hash_filtering_rule_stats, pfring_hash_rule_stats, 0) \
	(__VA_ARGS__)

/*
 * 7.13 Sending whole frames. Returns the bytes sent. flush_packet 0 may keep
 * the frame queued until a flush, the transmit watermark or a full queue. The
 * functions have PF_RING's types, which bindings of other languages rely on;
 * the macros of their names take pointers of every kind, to const as well.
 */
int pfring_send(pfring *ring, char *pkt, u_int pkt_len, u_int8_t flush_packet);
int pfring_send_ifindex(pfring *ring, char *pkt, u_int pkt_len, u_int8_t flush_packet,
			int if_index);
/*
 * Sends and waits (up to 100 ms) for the adapter's transmit time stamp.
 * Returns the bytes sent; -EOPNOTSUPP, and nothing is sent, where the adapter
 * has none; -ETIMEDOUT if it was sent and the stamp did not come.
 */
int pfring_send_get_time(pfring *ring, char *pkt, u_int pkt_len, struct timespec *ts);
#define pfring_send(ring, pkt, pkt_len, flush_packet)                                             \
	pfring_send(ring, (char *)(pkt), pkt_len, flush_packet)
#define pfring_send_ifindex(ring, pkt, pkt_len, flush_packet, if_index)                           \
	pfring_send_ifindex(ring, (char *)(pkt), pkt_len, flush_packet, if_index)
#define pfring_send_get_time(ring, pkt, pkt_len, ts)                                              \
	pfring_send_get_time(ring, (char *)(pkt), pkt_len, ts)
/* Sends the packet that the last receive call returned. Returns 0. */
int pfring_send_last_rx_packet(pfring *ring, int tx_interface_id);
int pfring_flush_tx_packets(pfring *ring);
int pfring_set_tx_watermark(pfring *ring, u_int16_t watermark);

/* 7.14 The rest. */
int pfring_enable_ring(pfring *ring);
int pfring_disable_ring(pfring *ring);
int pfring_stats(pfring *ring, pfring_stat *stats);
int pfring_version(pfring *ring, u_int32_t *version);
int pfring_version_noring(u_int32_t *version);
int pfring_set_direction(pfring *ring, packet_direction direction);
int pfring_set_socket_mode(pfring *ring, socket_mode mode);
/* Up to wait_duration ms: 1 packets are there, 0 time is over. A receive call with rules. */
int pfring_poll(pfring *ring, u_int wait_duration);
int pfring_set_poll_watermark(pfring *ring, u_int16_t watermark);
int pfring_set_poll_watermark_timeout(pfring *ring, u_int16_t poll_watermark_timeout);
int pfring_set_poll_duration(pfring *ring, u_int duration);
int pfring_set_application_name(pfring *ring, const char *name);
/*
 * Text that others may read, up to 4095 bytes, in the file whose name
 * pfring_get_appl_stats_file_name() writes to path and returns (NULL: why is
 * in pfring_last_error()): /proc/net/pf_ring/stats/... with the module, else a
 * file in memory that goes with the ring.
 */
int pfring_set_application_stats(pfring *ring, const char *stats);
char *pfring_get_appl_stats_file_name(pfring *ring, char *path, u_int path_len);
int pfring_get_bound_device_address(pfring *ring, u_char mac_address[6]);
int pfring_get_bound_device_id(pfring *ring, int *device_id);
int pfring_get_bound_device_ifindex(pfring *ring, int *if_index);
int pfring_get_device_ifindex(pfring *ring, const char *device_name, int *if_index);
u_int8_t pfring_get_num_rx_channels(pfring *ring);
int pfring_get_selectable_fd(pfring *ring);
int pfring_set_promisc(pfring *ring, int enable);
int pfring_get_mtu_size(pfring *ring);
u_int32_t pfring_get_interface_speed(pfring *ring); /* Mbit/s, 0 if unknown */
int pfring_get_link_status(pfring *ring);           /* 1 up, 0 down */
int pfring_get_link_type(pfring *ring);             /* a LINKTYPE_ value of pcap */
u_int32_t pfring_get_ring_id(pfring *ring);
u_int16_t pfring_get_caplen(pfring *ring);
u_int16_t pfring_get_slot_header_len(pfring *ring);
/*
 * Parses pkt (hdr->caplen bytes of hdr->len) into hdr->extended_hdr up to
 * level (2 Ethernet and VLAN, 3 IP, 4 transport, 5 tunnels). Returns the
 * level reached, negative if not even Ethernet fits.
 */
int pfring_parse_pkt(u_char *pkt, struct pfring_pkthdr *hdr, u_int8_t level,
		     u_int8_t add_timestamp, u_int8_t add_hash);
/* A packet in one line, cut to fit but with its newline. Return the line's length. */
int pfring_print_parsed_pkt(char *buff, u_int buff_len, const u_char *p,
			    const struct pfring_pkthdr *h);
int pfring_print_pkt(char *buff, u_int buff_len, const u_char *p, u_int len, u_int caplen);
/* 4'293'748.94, or 4'293'749 without decimals. Returns buf. */
char *pfring_format_numbers(double val, char *buf, u_int buf_len, u_int8_t add_decimals);
const char *sysdig_event2name(u_int16_t event_type); /* "event 12": no path delivers such */
int32_t gmt_to_local(time_t t); /* seconds east of UTC at t; 0: now */
/* Prefers the calling thread (1 to 100) by its nice value; no effect without CAP_SYS_NICE. */
void pfring_config(u_short cpu_percentage);
pfring_if_t *pfring_findalldevs(void);
void pfring_freealldevs(pfring_if_t *list);

/* ------------------------------------------------------------------------
 * Extensions.
 */

/*
 * One packet where it lies. data points into ring memory and is valid until
 * the next receive call on the handle. A VLAN tag that the stack stripped is
 * back in its place, with its own TPID, and counted in caplen and len.
 */
struct pfring_packet {
	const u_char *data;
	u_int64_t ts_ns; /* nanoseconds since the epoch */
	u_int32_t caplen;
	u_int32_t len;
	int32_t if_index;
	u_int32_t hash;
	u_int16_t vlan_tci, vlan_tpid; /* of a stripped outer tag; flags has VLAN_HWACCEL */
	u_int16_t flags;               /* PKT_FLAGS_* */
	u_int8_t pkt_type;             /* PACKET_HOST .. PACKET_OUTGOING of <linux/if_packet.h> */
	u_int8_t rx_direction;         /* 1 received, 0 transmitted */
	u_int16_t queue;               /* receive queue + 1, 0 if not known */
	u_int16_t vlan_at;             /* where in data the tag was put back; 0: behind the addresses */
	u_int16_t reserved[2];
};

/* Options of pfring_open_opts(). Zeroed members mean the default. */
struct pfring_open_options {
	size_t sz;              /* sizeof(struct pfring_open_options) of the caller */
	u_int32_t caplen;       /* as pfring_open() */
	u_int32_t flags;        /* as pfring_open() */
	u_int64_t buffer_bytes; /* ring memory; 0: small enough to stay in cache */
	int timeout_ms;         /* longest hold-back to make batches; 0: default (at most 5 ms) */
	bool immediate;         /* hand over each packet at once */
	bool cooked;            /* "any" and devices without Ethernet headers: Linux cooked (SLL) */
	bool local_clock_coarse; /* time stamps with tick resolution, cheaper */
	const char *filter;     /* pcap-filter(7) expression in force before the first packet */
	int hw_tstamp;          /* 1 adapter, host-synchronised if it is; 2 adapter's raw */
	/*
	 * What a filter in user space has to test (all of it, or what was queued when the filter
	 * changed) comes from pfring_recv_batch() untested and marked PKT_FLAGS_UNTESTED. The
	 * program calls pfring_refilter() on each when its turn comes: the filter in force then.
	 */
	bool late_filter;
	int to_ms; /* instead of timeout_ms: a libpcap program's time-out, of which 50 ms count */
};

pfring *pfring_open_opts(const char *device_name, const struct pfring_open_options *opts);

/* Text for the last failure on this thread: what failed and what to do. Never NULL. */
const char *pfring_last_error(void);
/*
 * The same failure in the words of whoever else failed first (libpcap's message
 * for an expression or a file), for programs that know those; where nobody else
 * did, the sentence of pfring_last_error().
 */
const char *pfring_last_cause(void);

#define PKT_FLAGS_UNTESTED 0x2000 /* see pfring_open_options.late_filter */

/*
 * Up to max packets in one go. timeout_ms: 0 do not wait, negative wait for
 * ever. Returns how many (0: none in time), -EINTR after pfring_breakloop()
 * or a signal, -ENODATA at the end of a file, -ENETDOWN, -ENODEV ...
 */
int pfring_recv_batch(pfring *ring, struct pfring_packet *packets, u_int max, int timeout_ms);

/*
 * Tests packets of the last batch, handed out already or PKT_FLAGS_UNTESTED, with
 * the filter and direction now in force, and closes the gaps. Returns how many are left.
 */
u_int pfring_refilter(pfring *ring, struct pfring_packet *packets, u_int n);

/* Bytes kept of each packet; of a capture file, the snap length in its header. */
u_int32_t pfring_get_snaplen(pfring *ring);

/* The path in use ("packet", "file" ...), and in *why the reason it was chosen. */
const char *pfring_get_backend(pfring *ring, const char **why);

/* Attaches this bytecode (struct bpf_insn of <pcap/bpf.h> or <linux/filter.h>). */
int pfring_set_bpf_program(pfring *ring, const void *insns, u_int len);

struct pfring_stats64 {
	size_t sz;               /* sizeof of the caller */
	u_int64_t recv, drop;    /* as pfring_stat */
	u_int64_t filtered_user; /* refused by a rule, or by a filter in user space (in neither) */
	u_int64_t delivered;     /* handed to the program */
	u_int64_t ifdrop;        /* the interface's own losses since the ring was opened */
	u_int64_t sent, send_errors;
	u_int64_t ring_bytes;  /* memory of the ring */
	u_int64_t queued_bytes; /* of them holding packets */
	u_int64_t wakeups;
	u_int64_t reflected, reflect_failed; /* packets that rules sent out of another device */
};
int pfring_stats64(pfring *ring, struct pfring_stats64 *stats);

/* Where the filter in force runs. */
enum pfring_filter_place {
	PFRING_FILTER_NONE = 0,
	PFRING_FILTER_KERNEL, /* classic BPF on the socket */
	PFRING_FILTER_EBPF,   /* translated, part of the capture program */
	PFRING_FILTER_USER    /* in the library, on every packet */
};
enum pfring_rules { PFRING_RULES_NONE, PFRING_RULES_KERNEL, PFRING_RULES_EBPF, PFRING_RULES_USER };

/* How a handle works, for `pfring doctor`. Zero or empty where the path has no such thing. */
struct pfring_details {
	size_t sz;            /* sizeof of the caller */
	u_int32_t lanes;      /* parts of the ring that are filled independently */
	u_int32_t copies;     /* times a packet's bytes are copied on their way to the reader */
	u_int32_t snaplen;    /* bytes kept of each packet */
	u_int32_t filter;     /* enum pfring_filter_place */
	u_int32_t filter_len; /* instructions of the filter as it was given */
	u_int32_t refiltered; /* 1: packets queued under an older filter are still tested again */
	char clock[16];       /* what stamps packets: "tai", "monotonic", "coarse", "kernel", "adapter" */
	u_int32_t rules;      /* enum pfring_rules: where they are evaluated; KERNEL: pf_ring.ko */
	char rules_why[100];  /* bpf: why the library evaluates and not the capture program */
};
int pfring_get_details(pfring *ring, struct pfring_details *details);

/* One lane of the ring. */
struct pfring_lane {
	u_int64_t bytes, queued; /* room, and what of it holds packets not read yet */
	u_int64_t accepted, dropped;
	u_int64_t wakeups;
};
/* Fills lanes[0 .. max). Returns how many the ring has; 0 where it is no ring. */
int pfring_get_lanes(pfring *ring, struct pfring_lane *lanes, u_int max);

/*
 * The filter in force as text, one instruction a line ("refuse", "keep 96",
 * "if A == 0x800 goto 2 else 5"). Returns the length of the whole text,
 * whether it fitted or not; 0 if there is no filter.
 */
int pfring_print_filter(pfring *ring, char *buf, u_int buf_len);
/* The same for any program. */
int pfring_print_program(const void *insns, u_int len, char *buf, u_int buf_len);

/* Sends n frames with as few system calls as the path allows. Returns how many were taken. */
int pfring_send_batch(pfring *ring, const struct iovec *frames, u_int n);

/*
 * Compiles a pcap-filter(7) expression for a link type into insns (room for
 * max). Returns how many instructions, 1 or more.
 */
int pfring_compile_filter(int link_type, u_int32_t snaplen, const char *expression, int optimize,
			  u_int32_t netmask, void *insns, u_int max);
/*
 * The system's libpcap (never our own libpcap.so), loaded when first asked for:
 * what dlopen() returns, and in *path where it was found. It stays the
 * library's. NULL if there is none.
 */
void *pfring_libpcap(const char **path);
/* Runs such a program over bytes as they are. Returns bytes to keep, 0 refused, -EINVAL. */
int pfring_filter_packet(const void *insns, u_int len, const void *pkt, u_int32_t caplen,
			 u_int32_t wire_len);
/* Runs it over n packets as they are and closes the gaps. Returns how many are left, or -EINVAL. */
int pfring_filter_batch(const void *insns, u_int len, struct pfring_packet *packets, u_int n);

/*
 * Parsed packets in columns, for those who look at millions: one array a member,
 * all of them given, one element a packet. What a packet does not have is 0
 * (payload_offset: -1). Values are what pfring_parse_pkt() finds at level 4.
 */
struct pfring_flows {
	size_t sz;                    /* sizeof of the caller */
	u_int64_t *eth_src, *eth_dst; /* 48 bits, the first byte highest */
	u_int16_t *eth_type;          /* behind tags, and behind MPLS where IP follows */
	u_int16_t *vlan, *qinq;       /* VID of the first and the second tag */
	u_int8_t *ip_version, *proto, *tos;
	u_int8_t *frag;               /* 1: more fragments follow; 2: not the first one */
	u_int32_t *src, *dst;         /* IPv4, host byte order */
	u_int8_t (*src6)[16], (*dst6)[16]; /* IPv6; other packets' elements are left as they are */
	u_int16_t *sport, *dport;
	u_int8_t *tcp_flags, *icmp_type, *icmp_code;
	int16_t *payload_offset;
	u_int16_t *payload_len;       /* captured bytes of it, without padding */
	u_int32_t *hash;              /* of the flow, the same for both directions; 0: no frame */
};
/* Fills elements at .. at + n - 1. Returns how many of the packets are IPv6, or -EINVAL. */
int pfring_parse_flows(const struct pfring_packet *packets, u_int n,
		       const struct pfring_flows *flows, size_t at);
/* The same for packets that lie in one piece: packet i is caplen[i] bytes at data + offset[i]. */
int pfring_parse_flows_in(const u_char *data, const u_int64_t *offset, const u_int32_t *caplen,
			  u_int n, const struct pfring_flows *flows, size_t at);

/* Capture files. path "-" is standard output; a file that exists is replaced. */
typedef struct pfring_dumper pfring_dumper;
enum pfring_dump_format { PFRING_DUMP_PCAP = 0, PFRING_DUMP_PCAP_NS, PFRING_DUMP_PCAPNG };
pfring_dumper *pfring_dump_open(const char *path, int link_type, u_int32_t snaplen,
				enum pfring_dump_format format);
/* Writes all n packets or returns what went wrong; whole records only, also when the disk is full. */
int pfring_dump_packets(pfring_dumper *d, const struct pfring_packet *packets, u_int n);
int pfring_dump_flush(pfring_dumper *d);
/* Flushes and frees d in any case; returns the first error of its life. */
int pfring_dump_close(pfring_dumper *d);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#include "pfring_hw.h"

#endif /* PFRING_H */
