/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * afpacket.h - the AF_PACKET socket under the backends packet: and bpf:.
 *
 * Owns the descriptor, the binding, promiscuity, the kernel filter, the
 * fan-out group, the socket's counters and sending. What fills the ring and
 * who walks it is the backend's. One thread at a time, except pfri_afp_stats.
 */
#ifndef PFRI_AFPACKET_H
#define PFRI_AFPACKET_H

#include "backend.h"

struct pfri_afp {
	int fd;
	int lo;	     /* the loopback's index: its outgoing copies are never shown */
	bool cooked; /* SOCK_DGRAM: the link header is ours to make */
	bool bound;
	bool joined; /* the fan-out group */
	bool promisc;
	bool tx_stamps;	      /* SO_TIMESTAMPING is set for what is sent */
	bool down;	      /* it will not say so when it is removed: look now and then */
	bool gone;	      /* the interface was removed: report when the ring is empty */
	u_int64_t gone_at_ms; /* CLOCK_MONOTONIC */
	u_int mtu;	      /* 0: not known ("any") */
	bool offload;	      /* frames longer than the MTU may come (GRO, GSO, LRO) */
	int cluster;	      /* fan-out group to join or joined, -1 none */
	cluster_type cluster_type;
	_Atomic u_int64_t packets, drops; /* accumulated PACKET_STATISTICS */
	u_int64_t ifdrop_base;
};

/*
 * Opens the socket for r->name.device, unbound: finds the interface, its link
 * type (r->linktype), sets promiscuity and hardware time stamps, and refuses
 * an interface that is down. Fills r->ifindex, net_fd, select_fd.
 */
int pfri_afp_open(struct pfri_ring *r, struct pfri_afp *a);
void pfri_afp_close(struct pfri_ring *r, struct pfri_afp *a);

/* Joins a->cluster. The socket is bound. */
int pfri_afp_join(struct pfri_afp *a);

/*
 * Binds the socket and joins a->cluster, if that was not done before. From here
 * on it gets packets of all protocols; none passes until pfri_afp_filter().
 */
int pfri_afp_start(struct pfri_ring *r, struct pfri_afp *a);

/* Attaches "ret #0": the socket gets nothing more. */
int pfri_afp_mute(struct pfri_afp *a);

/*
 * Attaches direction, queues and r->prog (or the snap length) as classic BPF.
 * 0; 1 if r->prog itself was left out and must run in user space; negative.
 */
int pfri_afp_filter(struct pfri_ring *r, struct pfri_afp *a);

/*
 * The program that pfri_afp_filter() attaches, for producers of their own.
 * Returns its length. *user says that r->prog was left out.
 */
u_int pfri_afp_program(struct pfri_ring *r, const struct pfri_afp *a, struct sock_filter *out,
		       bool *user);

int pfri_afp_set_promisc(struct pfri_ring *r, struct pfri_afp *a, bool on);
int pfri_afp_set_cluster(struct pfri_ring *r, struct pfri_afp *a, u_int id, cluster_type type);

/*
 * Waits for the socket, r->wake_fd, a signal or the time. As pfri_ops.poll;
 * 1 also when the interface went away, which pfri_afp_gone() then tells.
 */
int pfri_afp_poll(struct pfri_ring *r, struct pfri_afp *a, int fd, int timeout_ms);

/* Looks whether the interface is up, down or gone. */
void pfri_afp_look(struct pfri_ring *r, struct pfri_afp *a);

/* -ENODEV with its message once the interface is gone and drain_ms have passed, else 0. */
int pfri_afp_gone(struct pfri_ring *r, struct pfri_afp *a, u_int drain_ms);

int pfri_afp_send(struct pfri_ring *r, struct pfri_afp *a, const struct iovec *frames, u_int n,
		  int ifindex);

/* As pfri_ops.send_stamped. */
int pfri_afp_send_stamped(struct pfri_ring *r, struct pfri_afp *a, const struct iovec *frame,
			  struct timespec *ts);

/* What the interface itself lost since the handle was opened in promiscuous mode. */
u_int64_t pfri_afp_ifdrop(const struct pfri_ring *r, const struct pfri_afp *a);

/* Brings packets and drops up to date. Any thread. */
void pfri_afp_stats(struct pfri_ring *r, struct pfri_afp *a, struct pfring_stats64 *st);

#endif /* PFRI_AFPACKET_H */
