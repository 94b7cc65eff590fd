/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * backend.h - what a backend is, and the handle it works on.
 *
 * A backend turns one source of packets into batches of struct pfring_packet
 * that point into its ring memory. It knows its own ring and nothing of
 * sampling, copying, counting or parsing: pfring.c does those once for all.
 * Only pfring.c calls the op table, with the handle's owner holding it (one
 * thread at a time), except where an op says "any thread".
 *
 * Memory: a handle is one anonymous mapping and everything a backend holds is
 * a mapping or a descriptor, never malloc'ed, so that close is safe in a
 * signal handler. (file: and pcap: are the exceptions; they wrap libpcap.)
 */
#ifndef PFRI_BACKEND_H
#define PFRI_BACKEND_H

#include <limits.h>
#include <linux/filter.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "pfring.h"

#define PFRI_BATCH    256 /* descriptors a handle holds for pfring_recv() */
#define PFRI_MAXINSNS 4096 /* BPF_MAXINSNS: what the kernel takes */
#define PFRI_MAXPROG  131072 /* what a handle takes: longer programs run in user space */
#define PFRI_ERRLEN   256

struct pfri_ring;
struct pfri_rules;
struct pfri_hw_list;
struct pfri_flow_rule;

/* A parsed device name (names.c). */
struct pfri_name {
	char backend[16];  /* prefix without its colon; empty: choose */
	char device[PATH_MAX]; /* interface, "any", or a path */
	u_int64_t queues;  /* bit per receive queue; RING_ANY_CHANNEL if none was named */
};

/* A classic BPF program in the form the kernel and bpf_vm.c run. Untouched pages cost nothing. */
struct pfri_prog {
	u_int len; /* 0: no filter */
	struct sock_filter insn[PFRI_MAXPROG];
};

/* What a backend can do; tested against docs/backends.md. */
enum pfri_cap {
	PFRI_CAP_KERNEL_FILTER = 1 << 0, /* set_filter runs before the copy */
	PFRI_CAP_SEND = 1 << 1,
	PFRI_CAP_CLUSTER = 1 << 2,
	PFRI_CAP_QUEUES = 1 << 3,
	PFRI_CAP_ANY = 1 << 4,
	PFRI_CAP_HW_TSTAMP = 1 << 5,
	PFRI_CAP_DIRECTION = 1 << 6,
	PFRI_CAP_SELECT = 1 << 7, /* the descriptor becomes readable */
	PFRI_CAP_KERNEL_VIEW = 1 << 8, /* filters see stripped tags as the kernel does */
	PFRI_CAP_EOF = 1 << 9,
	PFRI_CAP_CUTS = 1 << 10, /* recv_batch itself cuts packets to opt.caplen */
	/* recv_batch and poll take packets out of the source, whose descriptor tells of the others */
	PFRI_CAP_TAKES = 1 << 11,
};

/* Settings of r that a backend may want to know of. */
enum pfri_setting {
	PFRI_SET_SAMPLING,
	PFRI_SET_WATERMARK,
	PFRI_SET_APPNAME,
	PFRI_SET_RULES, /* the library's rules (rules.h), or r->whole */
	PFRI_SET_APPSTATS, /* r->notice */
};

struct pfri_ops {
	/* The packet's path first. */

	/*
	 * Fills up to max descriptors without waiting. Returns how many; 0 if none
	 * is there; -ENODATA at the end of a file; another negative errno if the
	 * source is gone. Descriptors stay valid until release().
	 */
	int (*recv_batch)(struct pfri_ring *r, struct pfring_packet *pkt, u_int max);
	/* The reader is done with everything recv_batch() has handed out. */
	void (*release)(struct pfri_ring *r);
	/*
	 * Waits until packets may be there, timeout_ms is over (negative: never),
	 * r->wake_fd is written, or a signal comes. 1, 0, -EINTR, or the error that
	 * recv_batch() would now give.
	 */
	int (*poll)(struct pfri_ring *r, int timeout_ms);
	/* Sends frames[0..n); returns how many were taken, or negative if none was. */
	int (*send_batch)(struct pfri_ring *r, const struct iovec *frames, u_int n, int ifindex);

	/* Sends one frame and gives the adapter's own time of it, as pfring_send_get_time(). */
	int (*send_stamped)(struct pfri_ring *r, const struct iovec *frame, struct timespec *ts);

	/* Then everything else, in the order of a handle's life. NULL: not offered. */

	const char *name;
	u_int32_t caps; /* enum pfri_cap */
	/* Opens r->name as r->opt says. On failure frees what it took and says why (pfri_fail). */
	int (*open)(struct pfri_ring *r);
	/*
	 * The ring starts or stops filling. Called with r->enabled already changed;
	 * not called before somebody may read (socket mode).
	 */
	int (*enable)(struct pfri_ring *r, bool on);
	/*
	 * Puts r->prog (len 0: none), r->direction, r->name.queues and the snap
	 * length in force. Returns 0 when no packet that the program refuses can be
	 * handed out any more, 1 when the caller must also run the program in user
	 * space on what recv_batch() gives (for a while: see r->refilter).
	 */
	int (*set_filter)(struct pfri_ring *r);
	int (*set_promisc)(struct pfri_ring *r, bool on);
	int (*set_cluster)(struct pfri_ring *r, u_int id, u_int consumer, cluster_type type,
			   u_int32_t options);
	int (*remove_from_cluster)(struct pfri_ring *r);
	/* Adds the source's counters to *st (recv, drop, ifdrop, ring_bytes, queued_bytes, wakeups). */
	int (*stats)(struct pfri_ring *r, struct pfring_stats64 *st);
	/*
	 * Fills in what is special about this path (*d comes with what the library
	 * knows) and up to max lanes. Returns how many lanes there are.
	 */
	u_int (*inspect)(struct pfri_ring *r, struct pfring_details *d, struct pfring_lane *lanes,
			 u_int max);
	/*
	 * A setting in r has changed; 0, or why it cannot be so (pfri_fail); 1: and the
	 * filter was put in force once more. NULL: nobody to tell.
	 */
	int (*tell)(struct pfri_ring *r, enum pfri_setting what);
	/* Frees everything open() took. Safe in a signal handler, see above. */
	void (*close)(struct pfri_ring *r);
	/*
	 * A hash rule was just added to the library's table, or leaves it at once;
	 * PFRI_SET_RULES follows. For those who keep a copy of the table.
	 */
	void (*flow_rule)(struct pfri_ring *r, struct pfri_flow_rule *rule, bool added);
	/* Rules are somebody else's than the library's (rules.c). */
	const struct pfri_rule_ops *rules;
};

/*
 * Filtering rules, as the calls of pfring.h. Rules that come here are well
 * formed (rules.c); what only the evaluator can know (ids and flows taken,
 * devices, plugins) it tells by itself. Called with the handle held (rx).
 */
struct pfri_rule_ops {
	int (*add)(struct pfri_ring *r, filtering_rule *rule); /* writes a chosen id back */
	int (*remove)(struct pfri_ring *r, u_int16_t id);
	int (*stats)(struct pfri_ring *r, u_int16_t id, char *buf, u_int *len);
	int (*hash)(struct pfri_ring *r, const hash_filtering_rule *rule, bool add);
	int (*hash_stats)(struct pfri_ring *r, const hash_filtering_rule *rule, char *buf,
			  u_int *len);
	int (*purge)(struct pfri_ring *r, bool hash, u_int16_t seconds);
	int (*policy)(struct pfri_ring *r, bool accept);
	int (*reflector)(struct pfri_ring *r, const char *device); /* NULL: no more */
};

/* How many packets of what was queued before a new filter must be tested again. */
enum pfri_refilter {
	PFRI_REFILTER_NONE = 0, /* the kernel's verdict is final */
	PFRI_REFILTER_QUEUED,   /* until the backend says that the old packets are gone */
	PFRI_REFILTER_ALWAYS,   /* the program runs in user space only */
};

/* What the ring takes of its device's packets, and of each, beside the filter (choice.c). */
struct pfri_choice {
	u_int64_t queues; /* a bit each; RING_ANY_CHANNEL: all, or the backend sees to it */
	u_int rehash;     /* queues that flows are spread over; 0: as the adapter did */
	int vlan;         /* 0: only untagged; negative: all */
	packet_slicing_level slice;
	u_int32_t slice_bytes;
};

/* The last key frame of an Arista switch: when its counter stood there. */
struct pfri_key_frame {
	u_int64_t utc_ns; /* 0: none came yet */
	u_int32_t ticks;
};

#define PFRI_NOTICE 4096 /* with its NUL */

/* The handle. Its first member is what programs see of it. */
struct pfri_ring {
	struct __pfring pub;

	/* The packet's path: hot. */
	const struct pfri_ops *ops;
	struct pfring_packet batch[PFRI_BATCH]; /* what pfring_recv() hands out one by one */
	u_int head, count;           /* next and number of valid descriptors in batch */
	u_int soft;                  /* why sieve.c must look at each packet (PFRI_SOFT_*) */
	_Atomic int busy;            /* a thread is in pfring_recv()'s short path */
	_Atomic int owed;            /* between that call and pfring_close() (handle.h) */
	_Atomic int knocking;        /* threads that want rx_lock while a reader waits */
	_Atomic int attention;       /* what follows has changed since check_state() */
	_Atomic int breakloop;       /* set by any thread or signal handler */
	_Atomic u_int users;         /* calls under way, and PFRI_CLOSING */
	bool enabled;
	_Atomic bool shut;           /* pfring_shutdown() */
	bool holding;                /* descriptors handed out and not released yet */
	bool changed;                /* the filter has, since packets were fetched last; */
	bool retest;                 /* and behind what is in batch */
	bool linger;                 /* recv_batch() emptied a busy source whose poll() gathers */
	u_int64_t sample_left;       /* packets to skip before the next sampled one */
	u_int64_t delivered, filtered_user;

	/* Settings. */
	struct pfri_name name;
	struct pfring_open_options opt; /* filled in with defaults, filter not kept */
	int ifindex;                 /* 0: any, or no interface */
	int linktype;                /* LINKTYPE_ value */
	packet_direction direction;
	socket_mode mode;
	u_int32_t sampling;
	bool sampled_below;          /* told of it, the backend itself samples all that comes */
	struct pfri_rules *rules;    /* the library's own, mapped when first needed; or NULL */
	filtering_mode filtering;    /* where the calls for rules put them */
	struct pfri_hw_list *hw_rules; /* those that are in the adapter (hw_filter.c); or NULL */
	u_int32_t longest;           /* bytes of a packet that recv_batch hands out at most */
	bool whole;                  /* rules look at whole packets: kept so, cut by sieve.c */
	u_int16_t watermark;         /* packets */
	u_int watermark_timeout;     /* ms */
	u_int poll_duration;         /* ms */
	struct pfri_choice choice;
	enum pfri_refilter refilter; /* set by ops->set_filter and ended by the backend */
	u_int32_t trailer;           /* PF_RING_*_TIMESTAMP: what lies behind frames; 0: nothing */
	struct pfri_key_frame key_frame;
	u_int32_t id;
	char appname[32];
	const char *notice;          /* pfring_set_application_stats(), during that call */
	int notice_fd;               /* the file in memory that holds it, or -1 (notice.c) */
	char why[PFRI_ERRLEN];       /* why this backend was chosen */
	int wake_fd;                 /* eventfd of breakloop, shutdown and close */
	int select_fd;               /* what pfring_get_selectable_fd() answers, or -1 */
	bool select_used;            /* it was asked for: keep it true to its word */
	int net_fd;                  /* a socket in the device's namespace for ioctls, or -1 */
	pthread_mutex_t rx_lock, tx_lock; /* PF_RING_REENTRANT */

	/* Transmit, kept by send.c. */
	struct pfri_tx *tx;          /* frames that wait for a flush; mapped when first needed */
	u_int64_t sent, send_errors;
	u_int16_t tx_watermark;

	struct pfri_prog prog;       /* the user's program, as given */
	struct pfri_prog next;       /* the one being made; the old one while it is tried */
	struct pcap *pcap;           /* file: and pcap: on libpcap: its handle, to compile on */
	u_char last[MAX_CAPLEN + 4]; /* a packet whose place in the ring is free again (receive.c) */
	char priv[24576] __attribute__((aligned(64))); /* the backend's own state */
};

#define PFRI_CLOSING 0x80000000u /* in users: whoever leaves last frees the handle */
#define PFRI_FREED   0x40000000u /* in users: that has happened */

/* r->soft */
#define PFRI_SOFT_FILTER    (1u << 0)
#define PFRI_SOFT_DIRECTION (1u << 1)
#define PFRI_SOFT_SAMPLING  (1u << 2)
#define PFRI_SOFT_CAPLEN    (1u << 3) /* cut to opt.caplen */
#define PFRI_SOFT_RULES     (1u << 4)
#define PFRI_SOFT_CHOICE    (1u << 8) /* choice.c: queues and VLANs */
#define PFRI_SOFT_SLICE     (1u << 9) /* choice.c: cut behind a layer */
#define PFRI_SOFT_TRAILER   (1u << 10) /* trailer.c: a time stamp behind the frame */

/*
 * In the flags of a packet between recv_batch() and sieve.c, which
 * clears it: the backend has evaluated the rules, it passed.
 */
#define PFRI_PKT_DECIDED 0x8000u
/* The same of the filter in force, where others of the batch came under an older one. */
#define PFRI_PKT_CURRENT 0x4000u

#define PFRI_PRIV(r, type) \
	(__extension__({ _Static_assert(sizeof(type) <= sizeof((r)->priv), "grow pfri_ring.priv"); \
			 (type *)(void *)(r)->priv; }))

/* Every backend. Which one a bare name tries first is handle.c's. */
extern const struct pfri_ops pfri_kernel_ops, pfri_bpf_ops, pfri_packet_ops, pfri_file_ops,
	pfri_pcap_ops;
/* All of them, NULL at the end (handle.c). */
extern const struct pfri_ops *const pfri_backends[];

static inline u_int64_t pfri_clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (u_int64_t)ts.tv_sec * 1000000000u + (u_int64_t)ts.tv_nsec;
}

static inline u_int64_t pfri_now_ms(void)
{
	return pfri_clock_ns(CLOCK_MONOTONIC) / 1000000u;
}

/* error.c: says why, for pfring_last_error(); returns err (negative). */
int pfri_fail(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same, where the sentence quotes somebody else's: cause, for pfring_last_cause(). */
int pfri_fail_because(int err, const char *cause, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif /* PFRI_BACKEND_H */
