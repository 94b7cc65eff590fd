/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * overlay.h - what we know of a pcap_t that we drive.
 *
 * The pointer that a program holds is the real libpcap's own. Beside it stands
 * a struct pfro_handle, found by that pointer: what was set before activation
 * (which cannot be asked back) and, once active, the ring that packets come
 * from. ring NULL: the handle is the real library's in every respect.
 *
 * One thread uses a handle at a time, as libpcap demands; pcap_breakloop()
 * comes from any thread or signal handler, so finding takes no lock.
 */
#ifndef PFRO_OVERLAY_H
#define PFRO_OVERLAY_H

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "pfring.h"
#include "real.h"

#define PFRO_EXPORT __attribute__((visibility("default")))
/* Nobody else's can take their place, so they are reached without a table in between. */
#pragma GCC visibility push(hidden)

#define PFRO_BATCH 256

/* What callbacks are given: libpcap's header, and the nanoseconds behind it. */
struct pfro_header {
	struct pcap_pkthdr pcap;
	u_int64_t ns;
};

struct pfro_handle {
	pcap_t *pcap;

	/* The packet's path. */
	pfring *ring;
	struct pfring_packet batch[PFRO_BATCH];
	u_int at, count;       /* next and number of packets held and not delivered yet */
	_Atomic int breakloop; /* one -2 is due */
	bool retest;	       /* what is held was taken under another filter */
	bool nonblock;
	bool nano;
	bool spin;		/* PCAP_PF_RING_ACTIVE_POLL */
	bool read_timeout;	/* PCAP_PF_RING_READ_TIMEOUT: to_ms ends a read */
	void *frame;		/* on the stack of reader: callbacks are under way in it, */
	pthread_t reader;	/* unless it was left by a jump, an exception, a cancellation */
	bool closing;		/* pcap_close() came from one of them */
	bool down;		/* libpcap wants to be asked again soon whether the interface is */
	bool shadow;		/* the real handle is active, whatever became of the ring; */
	int shadow_rc;		/* what that said */
	int shadow_fd;		/* the real handle's socket, which hears of the interface's end */
	struct pfro_header hdr; /* of pcap_next_ex(), */
	u_char *last;		/* and a packet that had to leave the ring; mapped when needed */
	char why[256];		/* why this path was taken */

	/* Set before activation. */
	char device[256];    /* as the program named it, */
	char interface[256]; /* and the interface in that */
	bool named;	     /* device names one of our paths */
	bool refused;	     /* the path that was demanded cannot be had; pcap_geterr() says why */
	int snaplen, promisc, timeout, immediate, buffer_size, rfmon, tstamp_type, protocol;
	pcap_direction_t direction;

	/* PF_RING's own settings, from calls or the environment. */
	int cluster_id; /* -1: none */
	cluster_type cluster;
	char appname[32];
	u_int16_t watermark; /* 0: not set */
};

/* handle.c */
extern _Atomic u_int pfro_handles; /* how many there are */
struct pfro_handle *pfro_search(pcap_t *p);
/* NULL: no room, and the handle stays the real library's. */
struct pfro_handle *pfro_add(pcap_t *p, const char *device);
void pfro_remove(struct pfro_handle *h);

/*
 * NULL: not one of ours. Most programs that read savefiles have none at all. Who
 * has p from pcap_create() sees that it was counted before.
 */
static inline struct pfro_handle *pfro_find(pcap_t *p)
{
	return atomic_load_explicit(&pfro_handles, memory_order_relaxed) ? pfro_search(p) : NULL;
}

/* The handle if it is active on a ring of ours, else NULL. */
static inline struct pfro_handle *pfro_live(pcap_t *p)
{
	struct pfro_handle *h = pfro_find(p);

	return h && h->ring ? h : NULL;
}

/*
 * device.c: the interface in a name that holds a path of ours (true), why the
 * real library must serve a handle (NULL: it need not), and what our ring is
 * to open.
 */
bool pfro_device_split(const char *name, char *interface, size_t size);
const char *pfro_device_refused(const struct pfro_handle *h);
/* PFRING_BACKEND is to be the path, and names none. */
bool pfro_device_nonsense(const struct pfro_handle *h);
void pfro_device_ring_name(const struct pfro_handle *h, char *name, size_t size);

/* environment.c: PCAP_PF_RING_* and PCAP_NO_PF_RING. NULL: not set, empty, or "0". */
const char *pfro_env(const char *name);
bool pfro_env_refuses(void);
void pfro_env_read(struct pfro_handle *h);
u_int32_t pfro_env_flags(void);
void pfro_tell(const struct pfro_handle *h);

/* control.c: brings the ring's descriptor in line with the real handle's mode. */
void pfro_nonblock_update(struct pfro_handle *h);

/* sandbox.c: a seccomp filter is in force; and the program put it on itself. */
bool pfro_sandboxed(void);
bool pfro_sandboxed_itself(void);

/* beside.c: run(arg) on another thread between begin and end, or in the end. */
struct pfro_beside {
	void (*run)(void *arg);
	void *arg;
	pthread_t thread;
	pid_t tid;
	bool started;
};
void pfro_beside_begin(struct pfro_beside *b);
void pfro_beside_end(struct pfro_beside *b);

/* activate.c: puts an error text where pcap_geterr() looks; returns PCAP_ERROR. */
int pfro_error(pcap_t *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* read.c: the filter or the direction has changed behind what is held. */
void pfro_refilter(struct pfro_handle *h);
int pfro_hear_of_interface(struct pfro_handle *h);
/* Whether the caller was called from a callback of this handle. */
bool pfro_in_callback(const struct pfro_handle *h);
void pfro_read_free(struct pfro_handle *h);

#pragma GCC visibility pop
#endif /* PFRO_OVERLAY_H */
